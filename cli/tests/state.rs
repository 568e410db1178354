//! A missing state, and its acceptance by an operator.

mod common;

use common::Folder;
use portcullis_host::Pdp;
use serde_json::json;

const SECTIONS: &str = r#"
[state]
path = "state.redb"

[intents]
path = "intents"

[log]
path = "decisions.jsonl"
"#;

fn asking(intent: &str) -> String {
    json!({
        "subject": { "type": "agent", "id": "spiffe://a.example/x" },
        "action": { "name": "read", "properties": { "path": "/w/a" } },
        "resource": { "type": "mcp-server", "id": "files" },
        "context": { "integration": "files", "intent": { "id": intent } },
    })
    .to_string()
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
    let pdp = Pdp::from_file(folder.path().join("portcullis.toml")).unwrap();
    assert!(pdp.evaluate_authzen(asking("int-1").as_bytes()).is_permit());
    folder
}

#[test]
fn a_state_that_is_gone_denies_and_is_named() {
    let folder = used();
    let state = folder.path().join("state.redb");
    let evaluate = |intent: &str| folder.run_with(&["evaluate"], &asking(intent));
    assert_eq!(evaluate("int-1").code, 0);
    std::fs::remove_file(&state).unwrap();
    // Before a host created a new state in its place, and after that.
    for said in [
        "existed before, and is missing",
        "is missing, and this one was created in its place",
    ] {
        let denied = evaluate("int-1");
        assert_eq!(denied.code, 2, "a deny is no failure of the tool");
        assert!(denied.out.contains("state-unavailable"), "{}", denied.out);
        assert_eq!(evaluate("int-2").code, 0, "nothing is counted of it");
        let checked = folder.run(&["check"]);
        assert_eq!(checked.code, 0, "{}", checked.err);
        assert!(checked.err.contains("state.redb lacks"), "{}", checked.err);
        assert!(checked.err.contains(said), "{}", checked.err);
        drop(Pdp::from_file(folder.path().join("portcullis.toml")).unwrap());
    }
}

#[test]
fn what_cannot_be_remembered_is_not_accepted_and_the_file_is_named() {
    let folder = used();
    std::fs::remove_file(folder.path().join("state.redb")).unwrap();
    let accept = || {
        let flags = ["--by", "alice", "--reason", "the disk failed"];
        folder.run(&[&["state", "accept", "state"][..], &flags].concat())
    };
    let evaluate = || folder.run_with(&["evaluate"], &asking("int-1"));
    for name in ["decisions.jsonl.marks", "state.redb.marks"] {
        let marks = folder.path().join(name);
        std::fs::remove_file(&marks).unwrap();
        std::fs::create_dir(&marks).unwrap();
        let refused = accept();
        assert_eq!(refused.code, 3, "{}", refused.out);
        assert!(
            refused.err.contains(name) && refused.err.contains("remove it"),
            "{}",
            refused.err
        );
        assert_eq!(evaluate().code, 2, "nothing was accepted");
        std::fs::remove_dir(&marks).unwrap();
    }
    let accepted = accept();
    assert_eq!(accepted.code, 0, "{}", accepted.err);
    assert_eq!(evaluate().code, 0);
}

#[cfg(unix)]
#[test]
fn a_fifo_in_the_place_of_a_state_or_its_marks_makes_nobody_wait() {
    let folder = used();
    for name in ["state.redb", "state.redb.marks", "decisions.jsonl.marks"] {
        let file = folder.path().join(name);
        let kept = folder.path().join("kept");
        std::fs::rename(&file, &kept).unwrap();
        let made = std::process::Command::new("mkfifo").arg(&file).status();
        assert!(made.unwrap().success());
        let checked = folder.run(&["check"]);
        assert!(checked.err.contains(name), "{}", checked.err);
        assert!(checked.err.contains("a fifo"), "{}", checked.err);
        std::fs::rename(&kept, &file).unwrap();
        assert_eq!(folder.run(&["check"]).code, 0);
    }
}
