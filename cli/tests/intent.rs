//! `portcullis intent verify`.

mod common;

use common::Folder;
use serde_json::{Value, json};

#[test]
fn shows_what_was_approved_and_refuses_what_goes_beyond_it() {
    let folder = Folder::new();
    let intent = |id: &str, principal: &str, by: &str, action: &str| {
        json!({
            "id": id, "purpose": "p", "principal": principal,
            "approved-by": { "who": by, "at": "2026-11-22T09:00:00Z" },
            "issued-at": "2026-11-22T09:00:00Z", "expires-at": "2026-11-22T10:00:00Z",
            "allows": [{ "integration": "github", "action": action, "resource": "acme/*" }],
        })
    };
    folder.write(
        "intents/root.json",
        intent("int-1", "spiffe://a.example/a", "alice", "issues.*").to_string(),
    );
    let verify = || -> (i32, Value) {
        let ran = folder.run(&["intent", "verify", "intents", "--format", "json"]);
        (ran.code, serde_json::from_str(&ran.out).unwrap())
    };
    let (code, shown) = verify();
    assert_eq!(code, 0);
    let digest = shown["intents"][0]["digest"].clone();

    let mut child = intent(
        "int-2",
        "spiffe://a.example/b",
        "spiffe://a.example/a",
        "issues.create",
    );
    child["parent"] = json!({ "id": "int-1", "digest": digest });
    folder.write("intents/child.json", child.to_string());
    let (code, shown) = verify();
    assert_eq!(code, 0);
    assert_eq!(shown["intents"][1]["chain"], json!(["int-1", "int-2"]));

    child["id"] = json!("int-3");
    child["allows"][0]["action"] = json!("*");
    folder.write("intents/wider.json", child.to_string());
    let ran = folder.run(&["intent", "verify", "intents"]);
    assert_eq!(ran.code, 3);
    assert!(
        ran.err.contains("wider.json") && ran.err.contains("goes beyond its parent"),
        "{}",
        ran.err
    );
    assert!(
        ran.out.contains("int-2 for spiffe://a.example/b"),
        "{}",
        ran.out
    );
    assert_eq!(folder.run(&["intent", "verify", "none"]).code, 1);
}
