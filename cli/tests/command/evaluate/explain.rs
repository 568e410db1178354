//! The checks of a decision, as `--explain` shows them.

use super::{evaluate, read};
use crate::common::{Folder, Runs};
use serde_json::{Value, json};

/// Names of the checks of every decision, in order.
const STEPS: [&str; 17] = [
    "integration",
    "registry",
    "attestation",
    "environment",
    "credential",
    "instance",
    "workload",
    "revocation",
    "intent",
    "tier",
    "destination",
    "required-checks",
    "answers",
    "plugin mcp-tools",
    "obligations",
    "constraints",
    "grant",
];

#[test]
fn shows_each_check_in_order_and_folds_those_that_do_not_apply() {
    let folder = Folder::with_plugins();
    let mut runs = Runs::default();
    let mut explain = |integration: &str, path: &str| {
        let request = read(integration, path);
        let name = format!("{integration} {path}");
        runs.add(name, evaluate(&folder, &["--explain"], &request));
        let json = evaluate(&folder, &["--explain", "--format", "json"], &request);
        let checks = json.json()["checks"].as_array().unwrap().clone();
        let of = |check: &Value, key: &str| check[key].as_str().unwrap().to_owned();
        let checks = checks
            .iter()
            .map(|check| (of(check, "name"), of(check, "conclusion")));
        checks.unzip::<_, _, Vec<_>, Vec<_>>()
    };
    let (names, conclusions) = explain("files", "/w/a");
    assert_eq!(names, STEPS);
    let applied = |it: &String| it == "pass" || it == "not-applicable";
    assert!(conclusions.iter().all(applied), "{conclusions:?}");
    let (names, conclusions) = explain("files", "/x");
    assert_eq!(names, STEPS);
    assert_eq!(conclusions[13], "stop");
    assert_eq!(conclusions[14..], ["not-reached"; 3]);
    let (names, conclusions) = explain("mails", "/x");
    assert_eq!((names.len(), conclusions[0].as_str()), (16, "stop"));
    assert_eq!(conclusions[1..], ["not-reached"; 15]);
    runs.is(snapbox::file!["checks.txt"]);
}

#[test]
fn shows_the_evidence_of_the_condition_that_stopped() {
    let folder = Folder::with_plugins();
    folder.configure("registry = { path = \"registry.toml\" }\nintents = { path = \"intents\" }\n");
    folder.write(
        "registry.toml",
        r#"
[[identity]]
id = "spiffe://a.example/x"
kind = "agent"
owner = "team@a.example"
purpose = "p"
environment = "prod"
expires = 2099-01-01T00:00:00Z
max-credential-lifetime = "1h"
integrations = ["files"]
"#,
    );
    let intent = json!({
        "id": "int-1", "purpose": "p", "principal": "spiffe://a.example/x",
        "approved-by": { "who": "alice@a.example", "at": "2026-01-01T00:00:00Z" },
        "issued-at": "2026-01-01T00:00:00Z", "expires-at": "2099-01-01T00:00:00Z",
        "allows": [{
            "integration": "files", "action": "read", "resource": "files",
            "arguments": { "required": ["/path"] },
            "constraints": [{ "path": "/path", "op": "under", "value": "/w" }],
        }],
        "denies": [{ "integration": "files", "action": "remove", "resource": "**" }],
    });
    folder.write("intents/int-1.json", intent.to_string());
    let mut runs = Runs::default();
    for (pointer, value) in [
        ("/context/other", json!(1)),
        ("/context/session-path", json!("interactive")),
        ("/subject/properties/environment", json!("staging")),
        ("/context/integration", json!("looping")),
        ("/action/name", json!("remove")),
        ("/action/name", json!("write")),
        ("/resource/id", json!("s")),
        ("/action/properties/path", json!("/x")),
    ] {
        let request = read("files", "/w/a")
            .intent(&json!("int-1"))
            .property("credential-issued-at", "2027-01-01T00:00:00Z")
            .property("credential-expires-at", "2027-01-01T00:30:00Z");
        let now = ["--explain", "--now", "2027-01-01T00:10:00Z"];
        let name = format!("{pointer} {value}");
        let mut ran = evaluate(&folder, &now, request.set(pointer, value));
        // The other rows are those of any explained decision.
        let is_evidence = |line: &&str| line.contains("  stop ") || !line.starts_with(' ');
        let evidence = ran.out.lines().filter(is_evidence);
        ran.out = evidence.map(|line| format!("{line}\n")).collect();
        runs.add(name, ran);
    }
    runs.is(snapbox::file!["evidence.txt"]);
}
