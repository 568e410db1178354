//! Sequences never go back.
//!
//! After a restart, the host rejects a revocation list or a state that is older than the log, the state or a
//! file beside it says, until an operator accepts it.

use portcullis_host::config::{self, Accepts, Checked};
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

/// Creates a folder with a configuration that permits everything, and with a list.
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

/// True if `check` reports a problem with that text.
fn says(checked: &Checked, text: &str) -> bool {
    let mut problems = checked.problems.iter();
    problems.any(|problem| problem.message.contains(text))
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
            // A dry run reports the same.
            let checked = config::check(&folder.join("portcullis.toml"));
            assert!(says(&checked, "revocation list"));
        };
        // An older list, with a current checkpoint.
        fs::write(&list, &older).unwrap();
        checkpoint(folder);
        stale();
        // A list as long as before, with another revocation.
        fs::write(&list, &older).unwrap();
        revoke(folder, "jti-9");
        stale();
        // A longer list, without the missing revocation.
        revoke(folder, "jti-10");
        stale();
        // A new, empty list.
        fs::write(&list, "").unwrap();
        checkpoint(folder);
        stale();
        // The latest list restored.
        fs::write(&list, &latest).unwrap();
        let pdp = start(folder);
        assert_eq!(ask(&pdp, "jti-1", None), Cause::Revoked);
        assert_eq!(ask(&pdp, "jti-2", None), Cause::Permitted);
        drop(pdp);
        // The older list accepted.
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

/// Creates a folder with an intent that may be used twice.
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
            // Requests without counted uses are not affected, and a dry run reports the problem.
            assert_eq!(ask(&start(folder), "jti-1", None), Cause::Permitted);
            let checked = config::check(&folder.join("portcullis.toml"));
            assert!(says(&checked, "state accept state"));
        }
        // The latest state restored.
        fs::write(&state, &latest).unwrap();
        assert_eq!(use_it(1), [Cause::IntentUsedUp]);
        // The missing state accepted, so that uses can be spent again.
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

/// Returns a function that restores the files as they are now.
fn copies(folder: &Path, names: &[&str]) -> impl Fn() + use<> {
    let copied: Vec<_> = names
        .iter()
        .map(|name| (folder.join(name), fs::read(folder.join(name)).unwrap()))
        .collect();
    move || {
        for (file, bytes) in &copied {
            fs::write(file, bytes).unwrap();
        }
    }
}

const LIST: &str = "revocations.jsonl";
const LOG_MARKS: &str = "decisions.jsonl.marks";

#[test]
fn an_older_list_is_stale_whatever_was_revoked_since_and_whatever_marks_are_gone() {
    let both = format!("{LOG}{STATE}");
    for (sections, keeps_marks) in [
        // Only the lines of the log have the last epoch of the list.
        (LOG, false),
        // The log's marks are as old as the list.
        (LOG, true),
        // The state has marks of its own, and the log's are missing.
        (&*both, false),
        (&*both, true),
    ] {
        let folder = folder(sections);
        let folder = folder.path();
        drop(start(folder));
        let restore = copies(folder, &[LIST, LOG_MARKS]);
        {
            let pdp = start(folder);
            assert_eq!(ask(&pdp, "jti-1", None), Cause::Permitted);
            revoke(folder, "jti-1");
            pdp.revocations().unwrap().refresh();
            assert_eq!(ask(&pdp, "jti-1", None), Cause::Revoked);
        }
        let latest = fs::read(folder.join(LIST)).unwrap();
        let marks = |keep: bool| {
            if !keep {
                fs::remove_file(folder.join(LOG_MARKS)).unwrap();
            }
        };
        restore();
        marks(keeps_marks);
        for other in ["jti-8", "jti-9"] {
            // First as many revocations as were known, and then more.
            revoke(folder, other);
            let pdp = start(folder);
            let cause = ask(&pdp, "jti-1", None);
            assert_eq!(cause, Cause::RevocationStale, "{sections:?} {other}");
            assert!(!pdp.notices().is_empty());
            drop(pdp);
            let checked = config::check(&folder.join("portcullis.toml"));
            assert!(says(&checked, "revocation list"));
        }
        // The right list is accepted, whatever marks there are.
        fs::write(folder.join(LIST), latest).unwrap();
        marks(false);
        revoke(folder, "jti-7");
        let pdp = start(folder);
        assert_eq!(ask(&pdp, "jti-1", None), Cause::Revoked);
        assert_eq!(ask(&pdp, "jti-2", None), Cause::Permitted);
    }
}

#[test]
fn what_was_revoked_while_no_host_ran_is_in_the_log_once() {
    let folder = folder(LOG);
    let folder = folder.path();
    let recorded = || {
        let mut recorded = Vec::new();
        log::read(&folder.join("decisions.jsonl"), |_, _, _, entry| {
            if let Event::Revocation {
                epoch,
                revoked: Some(revoked),
                ..
            } = entry.event
            {
                recorded.push((epoch, revoked.id));
            }
            Ok(())
        })
        .unwrap();
        recorded
    };
    let is = |epoch: u64, id: &str| (epoch, id.to_owned());
    revoke(folder, "jti-1");
    drop(start(folder));
    assert_eq!(recorded(), [is(1, "jti-1")]);
    drop(start(folder));
    assert_eq!(recorded().len(), 1);
    {
        let pdp = start(folder);
        revoke(folder, "jti-2");
        pdp.revocations().unwrap().refresh();
    }
    revoke(folder, "jti-3");
    checkpoint(folder);
    let expected = [is(1, "jti-1"), is(2, "jti-2"), is(3, "jti-3")];
    for _ in 0..2 {
        drop(start(folder));
        assert_eq!(recorded(), expected);
    }
    // A list that an operator accepted is also recorded in the log.
    fs::write(folder.join(LIST), "").unwrap();
    revoke(folder, "jti-9");
    drop(start(folder));
    assert_eq!(recorded(), expected, "it does not count");
    let file = folder.join("portcullis.toml");
    config::accept(&file, Accepts::List, "alice", "begun anew").unwrap();
    drop(start(folder));
    assert_eq!(recorded().last(), Some(&is(1, "jti-9")));
}

#[test]
fn state_and_marks_of_one_backup_give_no_use_out_again_while_the_log_is_there() {
    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Then {
        Nothing,
        Restore,
        RestoreWithoutMarks,
        Archive,
    }
    let log = |more: &str| {
        format!("log = {{ path = \"decisions.jsonl\", durability = \"buffered\"{more} }}\n")
    };
    let (one, many) = (log(""), log(", max-file-bytes = 65536"));
    for (sections, then) in [
        (&one, Then::Restore),
        (&many, Then::Restore),
        (&many, Then::Archive),
        (&many, Then::RestoreWithoutMarks),
        (&one, Then::Nothing),
        (&many, Then::Nothing),
    ] {
        let folder = counting(sections);
        let folder = folder.path();
        {
            let pdp = start(folder);
            assert_eq!(ask(&pdp, "jti-1", Some("int-1")), Cause::Permitted);
        }
        let names = ["state.redb", "state.redb.marks", LOG_MARKS];
        let restore = copies(folder, &names);
        {
            let pdp = start(folder);
            assert_eq!(ask(&pdp, "jti-1", Some("int-1")), Cause::Permitted);
            for _ in 0..400 {
                assert_eq!(ask(&pdp, "jti-1", None), Cause::Permitted);
            }
        }
        if then != Then::Nothing {
            restore();
        }
        match then {
            Then::RestoreWithoutMarks => {
                for name in &names[1..] {
                    fs::remove_file(folder.join(name)).unwrap();
                }
            }
            Then::Archive => {
                let log = folder.join("decisions.jsonl");
                let archived = log::archive(&log, &folder.join("away"), 0).unwrap();
                assert!(archived.len() > 3);
            }
            Then::Nothing | Then::Restore => {}
        }
        let expected = match then {
            Then::Nothing => Cause::IntentUsedUp,
            _ => Cause::StateUnavailable,
        };
        for _ in 0..2 {
            let cause = ask(&start(folder), "jti-1", Some("int-1"));
            assert_eq!(cause, expected, "{then:?} {sections}");
        }
    }
}

#[test]
fn the_marks_of_a_log_say_up_to_where_it_is_known() {
    let sections = "log = { path = \"decisions.jsonl\", durability = \"buffered\" }\n";
    let folder = folder(sections);
    let folder = folder.path();
    let known = || {
        let text = fs::read_to_string(folder.join(LOG_MARKS)).unwrap();
        let (_, json) = text.trim_end().split_once(' ').unwrap();
        let kept: serde_json::Value = serde_json::from_str(json).unwrap();
        kept["log"].as_u64().unwrap()
    };
    {
        let pdp = start(folder);
        for _ in 0..600 {
            assert_eq!(ask(&pdp, "jti-1", None), Cause::Permitted);
        }
    }
    let entries = log::verify(&folder.join("decisions.jsonl"))
        .unwrap()
        .entries;
    // The next start reads at most that many lines again.
    assert!(entries - known() <= 300, "{entries} {}", known());
    drop(start(folder));
    assert!(known() >= entries);
}

#[test]
fn damaged_marks_make_the_list_stale_until_it_is_accepted() {
    for (sections, marks) in [("", "revocations.jsonl.marks"), (STATE, "state.redb.marks")] {
        let folder = folder(sections);
        let folder = folder.path();
        let (marks, config) = (folder.join(marks), folder.join("portcullis.toml"));
        let older = fs::read(folder.join(LIST)).unwrap();
        revoke(folder, "jti-1");
        assert_eq!(ask(&start(folder), "jti-1", None), Cause::Revoked);
        let latest = fs::read(folder.join(LIST)).unwrap();
        let kept = fs::read(&marks).unwrap();
        let (short, long) = (b"x".to_vec(), vec![b'x'; 4096]);
        for damaged in [&short, &long, &kept[1..].to_vec()] {
            for list in [&older, &latest] {
                fs::write(folder.join(LIST), list).unwrap();
                fs::write(&marks, damaged).unwrap();
                let cause = ask(&start(folder), "jti-1", None);
                assert_eq!(cause, Cause::RevocationStale, "{sections:?}");
                let checked = config::check(&config);
                assert!(says(&checked, "state accept list"));
            }
            config::accept(&config, Accepts::List, "alice", "the latest").unwrap();
            assert_eq!(ask(&start(folder), "jti-1", None), Cause::Revoked);
            assert_eq!(ask(&start(folder), "jti-2", None), Cause::Permitted);
        }
        // A folder in place of the marks is reported, and is removed by hand.
        fs::remove_file(&marks).unwrap();
        fs::create_dir(&marks).unwrap();
        assert_eq!(ask(&start(folder), "jti-1", None), Cause::RevocationStale);
        let refused = config::accept(&config, Accepts::List, "alice", "the latest");
        let refused = refused.unwrap_err().to_string();
        assert!(
            refused.contains(".marks") && refused.contains("remove it"),
            "{refused}"
        );
        fs::remove_dir(&marks).unwrap();
        // Without marks, the state itself has the last epoch of the list.
        fs::write(folder.join(LIST), &older).unwrap();
        let expected = match sections {
            STATE => Cause::RevocationStale,
            _ => Cause::Permitted,
        };
        assert_eq!(ask(&start(folder), "jti-1", None), expected);
    }
}

#[test]
fn a_state_that_is_older_and_has_no_marks_gives_no_use_out_again_without_a_log() {
    let folder = counting("");
    let folder = folder.path();
    let state = folder.join("state.redb");
    let use_it = || ask(&start(folder), "jti-1", Some("int-1"));
    assert_eq!(use_it(), Cause::Permitted);
    let older = fs::read(&state).unwrap();
    assert_eq!(use_it(), Cause::Permitted);
    fs::write(&state, older).unwrap();
    remove_beside(&state);
    for _ in 0..2 {
        assert_eq!(use_it(), Cause::StateUnavailable);
    }
    let file = folder.join("portcullis.toml");
    config::accept(&file, Accepts::State, "alice", "the only one").unwrap();
    assert_eq!(
        [use_it(), use_it()],
        [Cause::Permitted, Cause::IntentUsedUp]
    );
}

#[test]
fn what_cannot_be_remembered_is_not_accepted() {
    for marks in [LOG_MARKS, "state.redb.marks"] {
        for what in [Accepts::State, Accepts::List] {
            let folder = counting(LOG);
            let folder = folder.path();
            assert_eq!(
                ask(&start(folder), "jti-1", Some("int-1")),
                Cause::Permitted
            );
            fs::remove_file(folder.join("state.redb")).unwrap();
            let marks = folder.join(marks);
            fs::remove_file(&marks).unwrap();
            fs::create_dir(&marks).unwrap();
            let file = folder.join("portcullis.toml");
            let refused = config::accept(&file, what, "alice", "the disk failed");
            let refused = refused.unwrap_err().to_string();
            let named = marks.file_name().unwrap().to_str().unwrap();
            assert!(
                refused.contains(named) && refused.contains("remove it"),
                "{refused}"
            );
            let is_used = || ask(&start(folder), "jti-1", Some("int-1"));
            assert_eq!(is_used(), Cause::StateUnavailable);
            fs::remove_dir(&marks).unwrap();
            assert_eq!(is_used(), Cause::StateUnavailable);
            config::accept(&file, Accepts::State, "alice", "the disk failed").unwrap();
            assert_eq!(is_used(), Cause::Permitted);
        }
    }
}

#[test]
fn a_dry_run_beside_a_host_takes_uses_for_not_spent_and_holds_the_list_to_what_is_known() {
    for sections in [LOG, ""] {
        let folder = counting(sections);
        let folder = folder.path();
        let host = start(folder);
        revoke(folder, "jti-1");
        host.revocations().unwrap().refresh();
        for _ in 0..2 {
            assert_eq!(ask(&host, "jti-2", Some("int-1")), Cause::Permitted);
        }
        let dry = |credential: &str| {
            let checked = config::check(&folder.join("portcullis.toml"));
            assert!(says(&checked, "dry run"));
            let pdp = checked.pdp.unwrap();
            let principal = Principal {
                id: AGENT.into(),
                credential_id: credential.into(),
                ..Principal::default()
            };
            let resource = Resource {
                id: "r".into(),
                ..Resource::default()
            };
            let request = Request::builder("x", principal, "a", resource).intent(Intent {
                id: "int-1".into(),
                ..Intent::default()
            });
            let request = request.build(pdp.request_limits()).unwrap();
            pdp.evaluate_at(&request, Timestamp::now()).cause()
        };
        assert_eq!(dry("jti-2"), Cause::Permitted);
        assert_eq!(dry("jti-1"), Cause::Revoked);
        fs::write(folder.join(LIST), "").unwrap();
        checkpoint(folder);
        assert_eq!(dry("jti-1"), Cause::RevocationStale);
    }
}
