//! Intents and revocations of one host, in the others.

use crate::common::{Server, api, publish, server, until};
use portcullis_fleet::JetStreamState;
use portcullis_model::timestamp::Timestamp;
use portcullis_trust::revocation::{ListError, Revocable, Revocations, Revoked, append};
use portcullis_trust::state::State as _;
use portcullis_trust::state::shared::Delivery;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::Duration;

/// Passes the intents of other hosts on to the receiver. Those that contain `no` are refused.
fn intents(state: &JetStreamState) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    state.share_intents(Box::new(move |document| {
        let text = String::from_utf8(document.to_vec()).unwrap();
        let refused = text.contains("no").then(|| "it is not signed".to_owned());
        sender.send(text).unwrap();
        refused.map_or(Ok(()), Err)
    }));
    receiver
}

#[test]
fn an_intent_that_one_host_imports_reaches_the_others_once() {
    let Some(mut server) = server() else { return };
    let (one, other) = (server.open(), server.open());
    one.keep_intent("before", b"before").unwrap();
    let kept = other.kept_intents().unwrap();
    assert_eq!(kept, [b"before"]);
    let (ours, theirs) = (intents(&one), intents(&other));
    let next = || theirs.recv_timeout(crate::common::PATIENCE).unwrap();
    one.keep_intent("a", b"first").unwrap();
    assert_eq!(next(), "first");
    server.kill();
    server.start();
    crate::common::until_it_answers(&one);
    one.keep_intent("b", b"second").unwrap();
    one.keep_intent("b", b"second").unwrap();
    one.keep_intent("c", b"third").unwrap();
    assert_eq!((next(), next()), ("second".into(), "third".into()));
    other.keep_intent("d", b"theirs").unwrap();
    let got = ours.recv_timeout(crate::common::PATIENCE).unwrap();
    assert_eq!(got, "theirs", "and none of its own");
    assert!(theirs.try_recv().is_err());
}

#[test]
fn an_intent_that_is_refused_is_reported_and_holds_up_no_other() {
    let Some(server) = server() else { return };
    let (one, other) = (server.open(), server.open());
    let theirs = intents(&other);
    one.keep_intent("bad", b"no").unwrap();
    one.keep_intent("good", b"yes").unwrap();
    let next = || theirs.recv_timeout(crate::common::PATIENCE).unwrap();
    assert_eq!((next(), next()), ("no".into(), "yes".into()));
    let problems = other.problems();
    let [problem] = problems.as_slice() else {
        panic!("{problems:?}");
    };
    assert!(problem.contains("`bad`") && problem.contains("not signed"));
}

fn revoked(id: &str) -> Revoked {
    Revoked {
        kind: Revocable::Credential,
        id: id.to_owned(),
        reason: "leaked".to_owned(),
        by: "alice@acme.example".to_owned(),
    }
}

/// A host with a list, which it publishes or follows.
struct Host {
    state: JetStreamState,
    list: Revocations,
}

impl Host {
    fn start(server: &Server, file: &Path, role: Delivery) -> Self {
        let mut options = server.options();
        options.revocations = Some(role);
        let state = JetStreamState::open(&options).unwrap();
        let list = Revocations::follow(file, Duration::from_secs(600)).unwrap();
        state.share_list(Arc::new(list.clone()));
        Self { state, list }
    }

    fn has(&self, id: &str) -> bool {
        self.list.refresh();
        let known = self.list.now_known();
        known.find(Revocable::Credential, id).is_some()
    }

    fn until_it_has(&self, id: &str) {
        until(&format!("{id} is delivered"), || self.has(id).then_some(()));
    }

    fn until_problem(&self, part: &str) {
        until(&format!("problem: {part}"), || {
            let problems = self.state.problems();
            problems.iter().any(|it| it.contains(part)).then_some(())
        });
    }
}

/// Two files with the same list.
fn lists(folder: &Path) -> (PathBuf, PathBuf) {
    let (list, copy) = (folder.join("list.jsonl"), folder.join("copy.jsonl"));
    append(&list, None, Timestamp::now()).unwrap();
    std::fs::copy(&list, &copy).unwrap();
    (list, copy)
}

fn revoke(file: &Path, id: &str) {
    append(file, Some(revoked(id)), Timestamp::now()).unwrap();
}

#[test]
fn revocations_reach_the_other_hosts_and_their_lists_are_the_same() {
    let Some(mut server) = server() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (list, copy) = lists(folder.path());
    let publishing = Host::start(&server, &list, Delivery::Publish);
    let following = Host::start(&server, &copy, Delivery::Follow);
    revoke(&list, "jti-1");
    following.until_it_has("jti-1");
    server.kill();
    revoke(&list, "jti-2");
    server.start();
    following.until_it_has("jti-2");
    // Both start again.
    drop((publishing, following));
    revoke(&list, "jti-3");
    let publishing = Host::start(&server, &list, Delivery::Publish);
    let following = Host::start(&server, &copy, Delivery::Follow);
    following.until_it_has("jti-3");
    append(&list, None, Timestamp::now()).unwrap();
    until("the checkpoint is delivered", || {
        let same = std::fs::read(&list).unwrap() == std::fs::read(&copy).unwrap();
        same.then_some(())
    });
    assert_eq!(following.list.mark(), publishing.list.mark());
    let own = following.list.checkpoint(Timestamp::now());
    assert_eq!(own, Err(ListError::Copy), "its list is a copy");
    assert!(publishing.list.checkpoint(Timestamp::now()).is_ok());
    for host in [publishing, following] {
        until("the delivery goes on", || {
            host.state.problems().is_empty().then_some(())
        });
    }
}

#[test]
fn a_host_reads_neither_an_earlier_message_nor_another_stream() {
    let Some(server) = server() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (list, copy) = lists(folder.path());
    {
        let _publishing = Host::start(&server, &list, Delivery::Publish);
        let following = Host::start(&server, &copy, Delivery::Follow);
        revoke(&list, "jti-1");
        following.until_it_has("jti-1");
        let position = folder.path().join("copy.jsonl.delivered");
        until("the position is written", || {
            position.exists().then_some(())
        });
    }
    // Another stream of the same name, with a list that begins as the copy does.
    api(
        &server,
        "STREAM.DELETE.test-revocations",
        &serde_json::Value::Null,
    );
    revoke(&list, "jti-2");
    let _publishing = Host::start(&server, &list, Delivery::Publish);
    let following = Host::start(&server, &copy, Delivery::Follow);
    following.until_problem("is not the one that was read before");
    assert!(!following.has("jti-2"));
    // An operator who verified it removes the position.
    std::fs::remove_file(folder.path().join("copy.jsonl.delivered")).unwrap();
    following.until_it_has("jti-2");
}

#[test]
fn lines_that_do_not_continue_the_list_are_refused() {
    let Some(server) = server() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (list, copy) = lists(folder.path());
    let publishing = Host::start(&server, &list, Delivery::Publish);
    let following = Host::start(&server, &copy, Delivery::Follow);
    revoke(&list, "jti-1");
    following.until_it_has("jti-1");
    let before = std::fs::read(&copy).unwrap();
    drop(publishing);
    // A lift that no list has, from a client that may write to the stream.
    let from = before.len();
    let forged = serde_json::json!({
        "from": from,
        "before": "00".repeat(32),
        "lines": "{\"epoch\":2,\"at\":\"2026-11-27T00:00:00Z\",\"lift\":true,\"kind\":\"credential\",\"id\":\"jti-1\",\"reason\":\"r\",\"by\":\"b\"}\n",
    });
    publish(
        &server,
        "portcullis.test.revocations.lines",
        &forged.to_string(),
    );
    following.until_problem("do not continue");
    assert!(following.has("jti-1"));
    assert_eq!(std::fs::read(&copy).unwrap(), before);
}

#[test]
fn only_the_host_whose_list_the_stream_has_publishes() {
    let Some(server) = server() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (list, copy) = lists(folder.path());
    let publishing = Host::start(&server, &list, Delivery::Publish);
    revoke(&list, "jti-1");
    until("it is published", || {
        let info = api(
            &server,
            "STREAM.INFO.test-revocations",
            &serde_json::Value::Null,
        );
        (info["state"]["last_seq"].as_u64()? >= 1).then_some(())
    });
    revoke(&copy, "jti-other");
    let second = Host::start(&server, &copy, Delivery::Publish);
    second.until_problem("continue");
    revoke(&list, "jti-2");
    let fresh = folder.path().join("fresh.jsonl");
    std::fs::copy(&list, &fresh).unwrap();
    let third = Host::start(&server, &fresh, Delivery::Follow);
    revoke(&list, "jti-3");
    third.until_it_has("jti-3");
    assert!(!third.has("jti-other"));
    assert!(publishing.state.problems().is_empty());
}
