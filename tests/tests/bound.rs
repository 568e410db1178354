//! Sequences never go back: a revocation list or a state that is older than the log, the state or a file beside
//! it says is not relied on after a restart, until an operator accepts it.

use portcullis_host::config::{self, Accepts};
use portcullis_host::log::{self, Event};
use portcullis_host::revocation::{self, Revocable, Revoked};
use portcullis_host::{Cause, Intent, Pdp, Principal, Request, Resource, Timestamp};
use portcullis_tests::guests;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

const AGENT: &str = "spiffe://acme.example/a";

const LOG: &str = "log = { path = \"decisions.jsonl\" }\n";
const STATE: &str = "state = { path = \"state.redb\" }\n";

/// A folder with a configuration that permits everything, with a list.
fn folder(sections: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    let component = guests::component("tests/guests/hostile").unwrap();
    fs::write(folder.path().join("hostile.wasm"), component).unwrap();
    let config = format!(
        r#"
limits = {{ deadline = "5s" }}
cache = {{ path = "cache" }}
revocation = {{ path = "revocations.jsonl", max-staleness = "1h" }}
{sections}
[[integration]]
name = "x"
[[integration.plugin]]
component = "hostile.wasm"
settings = {{ behaviour = "permit" }}
"#
    );
    fs::write(folder.path().join("portcullis.toml"), config).unwrap();
    let list = folder.path().join("revocations.jsonl");
    revocation::append(&list, None, Timestamp::now()).unwrap();
    folder
}

fn start(folder: &Path) -> Pdp {
    Pdp::from_file(folder.join("portcullis.toml")).unwrap()
}

fn ask(pdp: &Pdp, credential: &str, intent: Option<&str>) -> Cause {
    let principal = Principal {
        id: AGENT.into(),
        credential_id: credential.into(),
        credential_expires_at: Some(Timestamp::now().plus(Duration::from_secs(600))),
        ..Principal::default()
    };
    let resource = Resource {
        id: "r".into(),
        ..Resource::default()
    };
    let mut request = Request::builder("x", principal, "a", resource);
    if let Some(intent) = intent {
        request = request.intent(Intent {
            id: intent.into(),
            ..Intent::default()
        });
    }
    let request = request.build(pdp.request_limits()).unwrap();
    pdp.evaluate(&request).cause()
}

fn revoke(folder: &Path, id: &str) {
    let revoked = Revoked {
        kind: Revocable::Credential,
        id: id.into(),
        reason: "it leaked".into(),
        by: "alice@acme.example".into(),
    };
    let list = folder.join("revocations.jsonl");
    revocation::append(&list, Some(revoked), Timestamp::now()).unwrap();
}

fn checkpoint(folder: &Path) {
    let list = folder.join("revocations.jsonl");
    revocation::append(&list, None, Timestamp::now()).unwrap();
}

#[test]
fn an_older_revocation_list_is_stale_after_a_restart() {
    for sections in [LOG, STATE, "", &format!("{LOG}{STATE}")] {
        let folder = folder(sections);
        let folder = folder.path();
        let list = folder.join("revocations.jsonl");
        let older = fs::read(&list).unwrap();
        {
            let pdp = start(folder);
            assert_eq!(ask(&pdp, "jti-1", None), Cause::Permitted);
            revoke(folder, "jti-1");
            pdp.revocations().unwrap().refresh();
            assert_eq!(ask(&pdp, "jti-1", None), Cause::Revoked);
        }
        let latest = fs::read(&list).unwrap();
        assert_eq!(ask(&start(folder), "jti-1", None), Cause::Revoked);
        let stale = || {
            for credential in ["jti-1", "jti-2"] {
                let pdp = start(folder);
                assert!(!pdp.notices().is_empty());
                let cause = ask(&pdp, credential, None);
                assert_eq!(cause, Cause::RevocationStale, "{sections:?}");
            }
            // A dry run says the same.
            let checked = config::check(&folder.join("portcullis.toml"));
            let said = checked.problems.iter().map(|it| it.message.as_str());
            assert!(said.into_iter().any(|it| it.contains("revocation list")));
        };
        // Older, with a checkpoint of today.
        fs::write(&list, &older).unwrap();
        checkpoint(folder);
        stale();
        // As long as it was, with another revocation.
        fs::write(&list, &older).unwrap();
        revoke(folder, "jti-9");
        stale();
        // Longer than it was, without the one that is missing.
        revoke(folder, "jti-10");
        stale();
        // Begun anew.
        fs::write(&list, "").unwrap();
        checkpoint(folder);
        stale();
        // The latest is back.
        fs::write(&list, &latest).unwrap();
        let pdp = start(folder);
        assert_eq!(ask(&pdp, "jti-1", None), Cause::Revoked);
        assert_eq!(ask(&pdp, "jti-2", None), Cause::Permitted);
        drop(pdp);
        // The older one is accepted.
        fs::write(&list, &older).unwrap();
        let file = folder.join("portcullis.toml");
        let accepted = config::accept(&file, Accepts::List, "alice", "begun anew").unwrap();
        assert_eq!(accepted.list.unwrap().epoch, 0);
        assert_eq!(ask(&start(folder), "jti-1", None), Cause::Permitted);
        if sections.contains("log") {
            let mut recorded = 0;
            log::read(&folder.join("decisions.jsonl"), |_, _, _, entry| {
                recorded +=
                    u32::from(matches!(&entry.event, Event::Accepted(it) if it.by == "alice"));
                Ok(())
            })
            .unwrap();
            assert_eq!(recorded, 1);
        }
    }
}

#[test]
fn a_log_whose_marks_are_gone_says_itself_how_far_the_list_went() {
    let folder = folder(LOG);
    let folder = folder.path();
    let list = folder.join("revocations.jsonl");
    let older = fs::read(&list).unwrap();
    {
        let pdp = start(folder);
        revoke(folder, "jti-1");
        pdp.revocations().unwrap().refresh();
        assert_eq!(ask(&pdp, "jti-1", None), Cause::Revoked);
    }
    fs::write(&list, &older).unwrap();
    for marks in [None, Some("nonsense"), Some("")] {
        let file = folder.join("decisions.jsonl.marks");
        match marks {
            None => fs::remove_file(&file).unwrap(),
            Some(text) => fs::write(&file, text).unwrap(),
        }
        assert_eq!(ask(&start(folder), "jti-1", None), Cause::RevocationStale);
    }
}

/// A folder in which an intent may be used twice.
fn counting(sections: &str) -> TempDir {
    let sections =
        format!("{STATE}{sections}intents = {{ path = \"intents\", required-for = [] }}\n");
    let folder = folder(&sections);
    let now = Timestamp::now();
    let intent = json!({
        "id": "int-1", "purpose": "p", "principal": AGENT, "max-uses": 2,
        "approved-by": { "who": "alice@acme.example", "at": now },
        "issued-at": now, "expires-at": now.plus(Duration::from_secs(3600)),
        "allows": [{ "integration": "x", "action": "a", "resource": "r", "arguments": {} }],
    });
    fs::create_dir(folder.path().join("intents")).unwrap();
    fs::write(folder.path().join("intents/int-1.json"), intent.to_string()).unwrap();
    folder
}

fn remove_beside(file: &Path) {
    let mut marks = file.as_os_str().to_owned();
    marks.push(".marks");
    let _ = fs::remove_file(PathBuf::from(marks));
}

#[test]
fn a_state_that_is_gone_or_older_gives_no_use_out_again() {
    for (sections, marks_too) in [("", false), (LOG, false), (LOG, true)] {
        let folder = counting(sections);
        let folder = folder.path();
        let state = folder.join("state.redb");
        let mut permits = 0;
        let mut use_it = |times: usize| {
            let pdp = start(folder);
            let causes: Vec<_> = (0..times)
                .map(|_| ask(&pdp, "jti-1", Some("int-1")))
                .collect();
            permits += causes.iter().filter(|it| **it == Cause::Permitted).count();
            causes
        };
        assert_eq!(use_it(1), [Cause::Permitted]);
        let older = fs::read(&state).unwrap();
        assert_eq!(use_it(2), [Cause::Permitted, Cause::IntentUsedUp]);
        let latest = fs::read(&state).unwrap();
        for put in [Some(&older), None, Some(&Vec::new())] {
            match put {
                Some(bytes) => fs::write(&state, bytes).unwrap(),
                None => fs::remove_file(&state).unwrap(),
            }
            if marks_too {
                remove_beside(&state);
            }
            assert_eq!(use_it(3), [Cause::StateUnavailable; 3]);
            // What is not counted is decided as ever; a dry run says what a host would.
            assert_eq!(ask(&start(folder), "jti-1", None), Cause::Permitted);
            let checked = config::check(&folder.join("portcullis.toml"));
            let warned = checked.problems.iter().map(|it| it.message.as_str());
            assert!(
                warned
                    .into_iter()
                    .any(|it| it.contains("state accept state"))
            );
        }
        // The latest is back.
        fs::write(&state, &latest).unwrap();
        assert_eq!(use_it(1), [Cause::IntentUsedUp]);
        // What there is is accepted, with what that means.
        fs::remove_file(&state).unwrap();
        assert_eq!(use_it(1), [Cause::StateUnavailable]);
        let file = folder.join("portcullis.toml");
        let running = start(folder);
        let refused = config::accept(&file, Accepts::State, "alice", "the disk failed");
        assert!(refused.is_err(), "a host runs");
        drop(running);
        config::accept(&file, Accepts::State, "alice", "the disk failed").unwrap();
        let again = [Cause::Permitted, Cause::Permitted, Cause::IntentUsedUp];
        assert_eq!(use_it(3), again);
        fs::write(&state, &latest).unwrap();
        assert_eq!(use_it(1), [Cause::StateUnavailable], "that is another one");
        assert_eq!(permits, 4, "two, and two that were accepted");
    }
}

#[test]
fn a_damaged_state_is_an_error_that_names_the_file() {
    let folder = counting("");
    let folder = folder.path();
    assert_eq!(
        ask(&start(folder), "jti-1", Some("int-1")),
        Cause::Permitted
    );
    let state = folder.join("state.redb");
    let whole = fs::read(&state).unwrap();
    let mut refused = 0;
    for place in (0..whole.len())
        .filter(|place| whole[*place] != 0)
        .step_by(97)
    {
        let mut flipped = whole.clone();
        flipped[place] ^= 4;
        fs::write(&state, flipped).unwrap();
        let file = folder.join("portcullis.toml");
        if let Err(error) = Pdp::from_file(&file) {
            let error = error.to_string();
            assert!(error.contains("state.redb"), "{error}");
            assert!(config::check(&file).pdp.is_none());
            refused += 1;
        }
    }
    assert!(refused > 0);
}
