//! `portcullis posture report`.

use crate::common::{Folder, Ran, Request, Runs};
use portcullis_host::Timestamp;
use serde_json::{Value, json};
use snapbox::str;
use std::fs;
use std::time::Duration;

const AGENT: &str = "spiffe://a.example/agent/x";

/// A call within the intent of [`recorded`].
fn call(path: &str) -> Request {
    let request = Request::new("files", "read").argument("path", path);
    request.principal(AGENT).intent(&json!("int-1"))
}

/// Presents a credential that is valid for ten minutes.
fn expiring(request: Request, now: Timestamp) -> Request {
    let expires = now.plus(Duration::from_secs(600));
    request
        .property("credential-issued-at", now.to_string())
        .property("credential-expires-at", expires.to_string())
}

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
    folder.replace(
        "portcullis.toml",
        "name = \"looping\"",
        "name = \"looping\"\nmode = \"observe\"",
    );
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
    folder.key("alice");
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
    folder.run(&["revoke", "--checkpoint"]).exits(0);
    let pdp = folder.host();
    let now = Timestamp::now();
    let ask = |credential: &str, instance: &str, expires: bool, path: &str| {
        let mut request = call(path).credential(credential);
        if expires {
            request = expiring(request, now);
        }
        let request = request
            .property("instance", instance)
            .property("attestation", "jwt-svid");
        request.decide(&pdp).is_permit()
    };
    assert!(ask("jti-1", "pod-1", true, "/w/a"));
    // The credential was copied.
    assert!(!ask("jti-1", "pod-2", true, "/w/a"));
    assert!(ask("jti-2", "pod-1", false, "/w/a"));
    assert!(ask("jti-2", "pod-1", false, "/w/b"));
    assert!(!ask("jti-2", "pod-1", false, "/x"));
    folder
}

fn report(folder: &Folder, more: &[&str]) -> Ran {
    let report = ["posture", "report", "--log", "decisions.jsonl"];
    folder.run(&[&report[..], more].concat())
}

#[test]
fn measures_decisions_and_proposes_narrower_intents() {
    let folder = recorded();
    folder.write("owners.txt", "team@a.example\n");
    let json = |more: &[&str]| -> Value {
        let json = ["--format", "json"];
        report(&folder, &[&json, more].concat()).exits(0).json()
    };
    let current = json(&["--owners", "owners.txt"]);
    let measures = &current["measures"];
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
    let inventory = &current["inventory"];
    assert_eq!(inventory["identities"], 2);
    assert_eq!(inventory["with-owner"], 1);
    assert_eq!(inventory["observed-integrations"], json!(["looping"]));
    // The list's staleness is less than a credential's life.
    assert_eq!(inventory["worst-reuse-seconds"], 600);
    let owners = inventory["exceptions"].as_array().unwrap().iter();
    let owners: Vec<_> = owners.map(|it| &it["owner"]).collect();
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

    // `intent narrow` proposes the same.
    let proposed = &intent["proposed"];
    let read = portcullis_host::StoredIntent::from_json(proposed.to_string().as_bytes());
    assert_eq!(read.unwrap().allows.len(), 1);
    let narrow = ["intent", "narrow", "intents/int-1.jwt"];
    let narrowed = folder.run(&[&narrow[..], &["--log", "decisions.jsonl"]].concat());
    let mut narrowed = narrowed.json();
    for set_by_the_proposal in ["id", "issued-at", "approved-by"] {
        narrowed[set_by_the_proposal] = proposed[set_by_the_proposal].clone();
    }
    assert_eq!(*proposed, narrowed);
    assert_ne!(proposed["id"], "int-1");

    let later = "2098-06-01T00:00:00Z";
    let since = json(&["--since", later, "--now", later]);
    assert_eq!(
        (
            &since["measures"]["decisions"],
            &since["before"]["decisions"]
        ),
        (&json!(0), &json!(5))
    );
    assert_eq!(since["inventory"]["exceptions"][0]["has-ended"], true);
    // Nothing was used since.
    assert_eq!(since["inventory"]["intents"][0]["proposed"], Value::Null);
    let changes = &since["changes"];
    assert_eq!(changes["decisions"], -5.0);
    assert_eq!(changes["static-credentials"], Value::Null);
    assert_eq!(changes["exceptions-in-force"], 0.0);
    assert_eq!(changes["revocation-list-age"], 0.0);

    // A time before the list began, while both exceptions were in force.
    let earlier = ["--since", "2026-06-01T00:00:00Z", "--now", later];
    let since = json(&earlier);
    let before = &since["inventory-before"];
    assert_eq!(before["exceptions-in-force"], 2);
    assert_eq!(before["revocations"], 0);
    assert_eq!(before["revocation-age-seconds"], Value::Null);
    assert_eq!(since["changes"]["exceptions-in-force"], -1.0);
    assert_eq!(since["changes"]["decisions"], 5.0);
}

#[test]
fn prints_the_measures_with_those_of_the_period_before() {
    let folder = recorded();
    let later = "2098-06-01T00:00:00Z";
    let mut runs = Runs::default();
    for more in [
        &[][..],
        &["--since", later],
        &["--since", "2026-06-01T00:00:00Z", "--now", later],
    ] {
        runs.add(more.join(" "), report(&folder, more));
    }
    runs.is(snapbox::file!["posture/report.txt"]);
}

#[test]
fn writes_a_page_without_scripts_or_links() {
    let folder = recorded();
    {
        let hostile = call("/w/a").resource("<script>alert");
        let hostile = expiring(hostile, Timestamp::now());
        assert!(hostile.decide(&folder.host()).is_permit());
    }
    let html = ["--format", "html", "--output", "report.html"];
    report(&folder, &html).is(str![[r#"
exit 0
-- stderr
[intents]: warning: intent `int-1` allows actions of `mails`, but no integration has that name: the clause has no effect
[intents]: warning: intent `int-1`: `/allows/0`: the listed arguments may have any values, and no action that `*` matches is classified under `[integration.actions]`: add `constraints`
wrote report.html
"#]]);
    // The charts differ with the times, so only parts of the page are compared.
    let page = folder.read("report.html");
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
    folder
        .run(&["posture", "report", "--log", "none.jsonl"])
        .is(str![[r#"
exit 1
-- stderr
[intents]: warning: intent `int-1` allows actions of `mails`, but no integration has that name: the clause has no effect
[intents]: warning: intent `int-1`: `/allows/0`: the listed arguments may have any values, and no action that `*` matches is classified under `[integration.actions]`: add `constraints`
error: cannot read none.jsonl: No such file or directory (os error 2): name the latest file of the log, which is `path` under `[log]` of the configuration
"#]]);
}
