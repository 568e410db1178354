//! A missing state, and its acceptance by an operator.

use crate::common::{Folder, Ran, Request, Runs};
use serde_json::json;
use snapbox::str;
use std::fs;

const SECTIONS: &str = r#"
[state]
path = "state.redb"

[intents]
path = "intents"

[log]
path = "decisions.jsonl"
"#;

fn request(intent: &str) -> Request {
    let request = Request::new("files", "read").argument("path", "/w/a");
    request.intent(&json!(intent))
}

/// Creates a folder with an intent for three uses, one of which is spent, and an unlimited intent.
fn used() -> Folder {
    let folder = Folder::with_plugins();
    folder.configure(SECTIONS);
    for (id, uses) in [("int-1", Some(3)), ("int-2", None)] {
        let mut intent = json!({
            "id": id, "purpose": "p", "principal": "spiffe://a.example/x",
            "approved-by": { "who": "alice", "at": "2026-01-01T00:00:00Z" },
            "issued-at": "2026-01-01T00:00:00Z", "expires-at": "2099-01-01T00:00:00Z",
            "allows": [{ "integration": "files", "action": "read", "resource": "files", "arguments": { "required": ["/path"] } }],
        });
        if let Some(uses) = uses {
            intent["max-uses"] = json!(uses);
        }
        folder.write(&format!("intents/{id}.json"), intent.to_string());
    }
    let decision = request("int-1").decide(&folder.host());
    assert!(decision.is_permit(), "{}", decision.detail());
    folder
}

#[test]
fn denies_counted_intents_while_the_state_is_missing() {
    let folder = used();
    folder.evaluate(&request("int-1")).exits(0);
    folder.remove("state.redb");
    let mut runs = Runs::default();
    for when in ["without a state", "with a new state"] {
        runs.add(when, folder.evaluate(&request("int-1")));
        // Uses of this intent are not counted.
        folder.evaluate(&request("int-2")).exits(0);
        runs.add(format!("{when}, check"), folder.run(&["check"]));
        // The host creates a new state in its place.
        drop(folder.host());
    }
    runs.is(snapbox::file!["state/missing.txt"]);
}

#[test]
fn accepts_a_state_only_if_the_marks_can_be_written() {
    let folder = used();
    folder.remove("state.redb");
    let accept = || -> Ran {
        let flags = ["--by", "alice", "--reason", "the disk failed"];
        folder.run(&[&["state", "accept", "state"][..], &flags].concat())
    };
    let mut runs = Runs::default();
    for name in ["decisions.jsonl.marks", "state.redb.marks"] {
        let marks = folder.path().join(name);
        fs::remove_file(&marks).unwrap();
        fs::create_dir(&marks).unwrap();
        runs.add(format!("{name} is a folder"), accept());
        // Nothing was accepted.
        folder.evaluate(&request("int-1")).exits(2);
        fs::remove_dir(&marks).unwrap();
    }
    runs.add("", accept());
    runs.is(str![[r##"
# decisions.jsonl.marks is a folder
exit 3
-- stderr
portcullis.toml: error: decisions.jsonl.marks cannot be written (it is a folder, not a file: restore the file): remove it, and make its folder writable

# state.redb.marks is a folder
exit 3
-- stderr
portcullis.toml: error: cannot use the state in state.redb: state.redb.marks cannot be written (it is a folder, not a file: restore the file): remove it, and make its folder writable

#
exit 0
-- stdout
{"by":"alice","reason":"the disk failed","state":{"generation":"[ID]","changes":0}}
-- stderr
accepted the state as it is
"##]]);
    folder.evaluate(&request("int-1")).exits(0);
}

#[cfg(unix)]
#[test]
fn check_does_not_wait_for_a_fifo() {
    let folder = used();
    let mut runs = Runs::default();
    for name in ["state.redb", "state.redb.marks", "decisions.jsonl.marks"] {
        let file = folder.path().join(name);
        let kept = folder.path().join("kept");
        fs::rename(&file, &kept).unwrap();
        let made = std::process::Command::new("mkfifo").arg(&file).status();
        assert!(made.unwrap().success());
        runs.add(format!("{name} is a fifo"), folder.run(&["check"]));
        fs::rename(&kept, &file).unwrap();
        folder.run(&["check"]).exits(0);
    }
    runs.is(snapbox::file!["state/check-does-not-wait-for-a-fifo.txt"]);
}
