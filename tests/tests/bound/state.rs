//! A state that is older than the log or the marks say.

use super::{
    AGENT, LIST, LOG, LOG_MARKS, STATE, ask, checkpoint, copies, folder, revoke, says, start,
};
use portcullis_host::config::{self, Accepts};
use portcullis_host::{Cause, Intent, Pdp, Principal, Request, Resource, Timestamp, log};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

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
