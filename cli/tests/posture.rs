//! `portcullis posture report`.

mod common;

use common::Folder;
use portcullis_host::{Pdp, Timestamp};
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;

const AGENT: &str = "spiffe://a.example/agent/x";

/// Creates a folder with a log of three permits with two credentials, and two denies.
///
/// Two instances present one of the credentials, and the other one never expires.
fn recorded() -> Folder {
    let folder = Folder::with_plugins();
    let sections = r#"
[registry]
path = "registry.toml"

[revocation]
path = "revocations.jsonl"
max-staleness = "10m"

[intents]
path = "intents"
approvers = { "alice" = "alice.json" }

[log]
path = "decisions.jsonl"
"#;
    folder.configure(sections);
    let config = fs::read_to_string(folder.path().join("portcullis.toml")).unwrap();
    let observed = config.replace(
        "name = \"looping\"",
        "name = \"looping\"\nmode = \"observe\"",
    );
    folder.write("portcullis.toml", observed);
    folder.write(
        "registry.toml",
        format!(
            r#"
[[identity]]
id = "{AGENT}"
kind = "agent"
owner = "team@a.example"
purpose = "p"
environment = "prod"
expires = 2099-01-01T00:00:00Z
max-credential-lifetime = "1h"
integrations = ["files"]
shared = {{ owner = "alice", until = 2098-01-01T00:00:00Z }}

[[identity]]
id = "spiffe://a.example/service/y"
kind = "service"
owner = "nobody"
purpose = "p"
environment = "prod"
expires = 2099-01-01T00:00:00Z
max-credential-lifetime = "30m"
integrations = ["files"]
"#
        ),
    );
    let key = [
        "intent",
        "key",
        "--private",
        "alice.pem",
        "--public",
        "alice.json",
    ];
    assert_eq!(folder.run(&key).code, 0);
    let intent = json!({
        "id": "int-1", "purpose": "p", "principal": AGENT,
        "approved-by": { "who": "alice", "at": "2026-01-01T00:00:00Z" },
        "issued-at": "2026-01-01T00:00:00Z", "expires-at": "2099-01-01T00:00:00Z",
        "allows": [
            { "integration": "files", "action": "*", "resource": "**", "arguments": { "required": ["/path"] } },
            { "integration": "mails", "action": "*", "resource": "**", "arguments": {} },
        ],
        "exception": { "owner": "bob", "waives": ["credential-lifetime"] },
    });
    let key = fs::read(folder.path().join("alice.pem")).unwrap();
    let signed = portcullis_host::sign(intent.to_string().as_bytes(), &key, None, None).unwrap();
    folder.write("intents/int-1.jwt", signed);
    assert_eq!(folder.run(&["revoke", "--checkpoint"]).code, 0);
    let pdp = Pdp::from_file(folder.path().join("portcullis.toml")).unwrap();
    let now = Timestamp::now();
    let ask = |credential: &str, instance: &str, expires: bool, path: &str| {
        let mut properties = json!({
            "credential-id": credential, "instance": instance, "attestation": "jwt-svid",
        });
        if expires {
            properties["credential-issued-at"] = json!(now);
            properties["credential-expires-at"] = json!(now.plus(Duration::from_secs(600)));
        }
        let request = json!({
            "subject": { "type": "agent", "id": AGENT, "properties": properties },
            "action": { "name": "read", "properties": { "path": path } },
            "resource": { "type": "mcp-server", "id": "files" },
            "context": { "integration": "files", "intent": { "id": "int-1" } },
        });
        pdp.evaluate_authzen(request.to_string().as_bytes())
            .is_permit()
    };
    assert!(ask("jti-1", "pod-1", true, "/w/a"));
    assert!(!ask("jti-1", "pod-2", true, "/w/a"), "it was copied");
    assert!(ask("jti-2", "pod-1", false, "/w/a"));
    assert!(ask("jti-2", "pod-1", false, "/w/b"));
    assert!(!ask("jti-2", "pod-1", false, "/x"));
    folder
}

#[test]
fn measures_what_was_done_and_proposes_less() {
    let folder = recorded();
    folder.write("owners.txt", "team@a.example\n");
    let report = |more: &[&str]| {
        let mut arguments = vec!["posture", "report", "--log", "decisions.jsonl"];
        arguments.extend_from_slice(more);
        let ran = folder.run(&arguments);
        assert_eq!(ran.code, 0, "{}", ran.err);
        ran.out
    };
    let json: Value =
        serde_json::from_str(&report(&["--format", "json", "--owners", "owners.txt"])).unwrap();
    let measures = &json["measures"];
    for (name, expected) in [
        ("decisions", json!(5)),
        ("permits", json!(3)),
        (
            "denies",
            json!({ "credential-cloned": 1, "plugin-denied": 1 }),
        ),
        ("credentials", json!(2)),
        ("static-credentials", json!(1)),
        ("reused-credentials", json!(1)),
        ("median-credential-lifetime-seconds", json!(600)),
        ("permits-without-intent", json!(0)),
        ("waived", json!({ "credential-lifetime": 3 })),
    ] {
        assert_eq!(measures[name], expected, "{name}");
    }
    let inventory = &json["inventory"];
    assert_eq!(inventory["identities"], 2);
    assert_eq!(inventory["with-owner"], 1);
    assert_eq!(inventory["observed-integrations"], json!(["looping"]));
    assert_eq!(
        inventory["worst-reuse-seconds"], 600,
        "the list's staleness is less than a credential's life"
    );
    let owners: Vec<_> = inventory["exceptions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["owner"])
        .collect();
    assert_eq!(owners, ["alice", "bob"]);
    let intent = &inventory["intents"][0];
    assert_eq!(
        (&intent["allowances"], &intent["used-allowances"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(
        intent["narrowed-to"],
        json!(["files: read files (3 times)"])
    );

    let proposed = &intent["proposed"];
    let read = portcullis_host::StoredIntent::from_json(proposed.to_string().as_bytes());
    assert_eq!(read.unwrap().allows.len(), 1);
    let narrowed = folder.run(&[
        "intent",
        "narrow",
        "intents/int-1.jwt",
        "--log",
        "decisions.jsonl",
    ]);
    let mut narrowed: Value = serde_json::from_str(&narrowed.out).unwrap();
    for made_when_it_is_proposed in ["id", "issued-at", "approved-by"] {
        narrowed[made_when_it_is_proposed] = proposed[made_when_it_is_proposed].clone();
    }
    assert_eq!(*proposed, narrowed, "they propose the same");
    assert_ne!(proposed["id"], "int-1");

    let later = "2098-06-01T00:00:00Z";
    let since: Value = serde_json::from_str(&report(&[
        "--format", "json", "--since", later, "--now", later,
    ]))
    .unwrap();
    assert_eq!(
        (
            &since["measures"]["decisions"],
            &since["before"]["decisions"]
        ),
        (&json!(0), &json!(5))
    );
    assert_eq!(since["inventory"]["exceptions"][0]["has-ended"], true);
    assert_eq!(
        since["inventory"]["intents"][0]["proposed"],
        Value::Null,
        "nothing was used since"
    );
    let changes = &since["changes"];
    assert_eq!(changes["decisions"], -5.0);
    assert_eq!(changes["static-credentials"], Value::Null);
    assert_eq!(changes["exceptions-in-force"], 0.0);
    assert_eq!(changes["revocation-list-age"], 0.0);

    // A time before the list began, while both exceptions were in force.
    let earlier = ["--since", "2026-06-01T00:00:00Z", "--now", later];
    let since: Value =
        serde_json::from_str(&report(&[&["--format", "json"], &earlier[..]].concat())).unwrap();
    let before = &since["inventory-before"];
    assert_eq!(before["exceptions-in-force"], 2);
    assert_eq!(before["revocations"], 0);
    assert_eq!(before["revocation-age-seconds"], Value::Null);
    assert_eq!(since["changes"]["exceptions-in-force"], -1.0);
    assert_eq!(since["changes"]["decisions"], 5.0);
    assert!(report(&earlier).contains("(before: 2, -1)"));

    let text = report(&["--since", later]);
    assert!(text.contains("(before: 50.0 %)"), "{text}");
    assert!(text.contains("0 of 2 allowances"), "{text}");
    let text = report(&[]);
    assert!(text.contains("1 of 2 allowances"), "{text}");
    assert!(
        text.contains("to sign: {") && text.contains(r#""action":"read""#),
        "{text}"
    );
}

#[test]
fn the_page_needs_nothing_else_and_says_the_same() {
    let folder = recorded();
    {
        let pdp = Pdp::from_file(folder.path().join("portcullis.toml")).unwrap();
        let now = Timestamp::now();
        let hostile = json!({
            "subject": { "type": "agent", "id": AGENT, "properties": {
                "credential-issued-at": now,
                "credential-expires-at": now.plus(Duration::from_secs(600)),
            } },
            "action": { "name": "read", "properties": { "path": "/w/a" } },
            "resource": { "type": "mcp-server", "id": "<script>alert" },
            "context": { "integration": "files", "intent": { "id": "int-1" } },
        });
        assert!(
            pdp.evaluate_authzen(hostile.to_string().as_bytes())
                .is_permit()
        );
    }
    let ran = folder.run(&[
        "posture",
        "report",
        "--log",
        "decisions.jsonl",
        "--format",
        "html",
        "--output",
        "report.html",
    ]);
    assert_eq!((ran.code, ran.out.as_str()), (0, ""), "{}", ran.err);
    let page = fs::read_to_string(folder.path().join("report.html")).unwrap();
    for absent in ["<script", "src=", "href=", "@import", "url("] {
        assert!(!page.contains(absent), "{absent}");
    }
    for present in [
        "<svg",
        "static credentials",
        "50.0 %",
        "plugin-denied",
        "1 of 2",
        "bob",
        "the intent to sign",
    ] {
        assert!(page.contains(present), "{present}");
    }
    let missing = folder.run(&["posture", "report", "--log", "none.jsonl"]);
    assert_eq!(missing.code, 1);
}
