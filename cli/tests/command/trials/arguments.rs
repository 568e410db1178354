//! Spellings of actions and arguments.

use super::{anything, call, denies, folder, permits};
use serde_json::json;

/// A13: names of actions and tools have a restricted character set.
#[test]
fn denials_match_every_spelling_of_an_action() {
    let denied = json!([{ "integration": "scm", "action": "delete_*", "resource": "**" }]);
    let folder = folder("", anything("**"), denied);
    for name in [
        "delete_repo",
        "Delete_repo",
        "DELETE_REPO",
        " delete_repo",
        "delete_repo ",
        "delete\u{200b}_repo",
        "delete_repo\n",
        "\u{ff44}elete_repo",
        "d\u{435}lete_repo",
        "delete_repo%20",
        "delete\u{7f}_repo",
        "",
    ] {
        denies(&folder, &call(name, "acme/billing", json!({})));
    }
    for name in ["read_repo", "issues.create", "files/read"] {
        permits(&folder, &call(name, "acme/billing", json!({})));
    }
}

/// A1: an object has each key once, for every reader.
#[test]
fn refuses_keys_that_differ_only_in_case() {
    let allows = json!([{ "integration": "scm", "action": "read", "resource": "**",
        "arguments": { "required": ["/path"], "optional": ["/options"] },
        "constraints": [{ "path": "/path", "op": "under", "value": "/workspace" }] }]);
    let folder = folder("", allows, json!([]));
    permits(
        &folder,
        &call("read", "acme/x", json!({ "path": "/workspace/a" })),
    );
    permits(
        &folder,
        &call(
            "read",
            "acme/x",
            json!({ "path": "/workspace/a", "options": { "root": 1, "roots": 2 } }),
        ),
    );
    for arguments in [
        json!({ "path": "/workspace/a", "Path": "/etc/shadow" }),
        json!({ "path": "/workspace/a", "PATH": "/etc/shadow" }),
        json!({ "path": "/workspace/a", "options": { "root": "/workspace", "Root": "/etc" } }),
        json!({ "path": "/workspace/a", "options": [{ "\u{212a}ey": 1, "key": 2 }] }),
        json!({ "path": "/workspace/a", "path\u{1680}": "/etc/shadow" }),
        json!({ "path": "/workspace/a", "path ": "/etc/shadow" }),
        json!({ "path": "/workspace/a", "\u{3000}Path": "/etc/shadow" }),
        json!({ "path": "/workspace/..\u{1680}/x" }),
        json!({ "path": "/workspace/..:/x" }),
        json!({ "path": "/workspace/..::$DATA" }),
        json!({ "Path": "/workspace/a" }),
        json!({ "path": "/etc/shadow" }),
        json!({ "path": "/workspace/..%20/etc" }),
        json!({ "path": "/workspace/..%3f" }),
        json!({ "path": [] }),
        json!({ "path": "/workspace/a", "mode": "w" }),
        json!({}),
    ] {
        denies(&folder, &call("read", "acme/x", arguments));
    }
}

/// A15: an allowance lists the permitted arguments.
#[test]
fn denies_arguments_that_the_intent_does_not_list() {
    let allows = json!([{ "integration": "scm", "action": "send", "resource": "**",
        "arguments": { "required": ["/recipients"], "optional": ["/subject"] },
        "constraints": [{ "path": "/recipients", "op": "subset-of", "value": ["a@acme.example"] }] }]);
    let folder = folder("actions = { send = \"exfiltration\" }\n", allows, json!([]));
    permits(
        &folder,
        &call(
            "send",
            "mail",
            json!({ "recipients": ["a@acme.example"], "subject": "x" }),
        ),
    );
    for arguments in [
        json!({ "recipients": ["a@acme.example"], "bcc": ["evil@x.example"] }),
        json!({ "recipients": ["a@acme.example"], "Subject": "x" }),
        json!({ "subject": "x" }),
        json!({ "recipients": ["a@acme.example", "evil@x.example"] }),
    ] {
        denies(&folder, &call("send", "mail", arguments));
    }
}
