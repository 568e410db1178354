//! Inputs that outsiders' reports made wrong permits of, through the command: each ends in a deny or a
//! refusal, and its legitimate neighbour is still permitted. `docs/trials.md` has the list.

mod common;

use common::{Folder, Ran};
use portcullis_tests::guests;
use serde_json::{Value, json};
use std::time::{Duration, SystemTime};

const FIXER: &str = "spiffe://acme.example/agent/fixer";

/// A folder with a plugin that permits everything, and one intent for it that `allows` and `denies`.
fn folder(integration: &str, allows: Value, denies: Value) -> Folder {
    let folder = Folder::new();
    folder.write(
        "permits.wasm",
        guests::component("tests/guests/hostile").unwrap(),
    );
    folder.write(
        "portcullis.toml",
        format!(
            r#"
limits = {{ deadline = "2s" }}

[intents]
path = "intents"
required-for = ["agent"]

[[integration]]
name = "scm"
{integration}
[[integration.plugin]]
component = "permits.wasm"
settings = {{ behaviour = "permit" }}
"#
        ),
    );
    let time = |from_now: i64| {
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap();
        let at = Duration::from_secs(now.as_secs().saturating_add_signed(from_now));
        portcullis_host::Timestamp::from_millis(u64::try_from(at.as_millis()).unwrap()).to_string()
    };
    let intent = json!({
        "id": "int-1", "purpose": "mend a bug", "principal": FIXER,
        "approved-by": { "who": "alice@acme.example", "at": time(-60) },
        "issued-at": time(-60), "expires-at": time(3600),
        "allows": allows, "denies": denies,
    });
    folder.write("intents/int-1.json", intent.to_string());
    folder
}

fn call(action: &str, resource: &str, arguments: Value) -> Value {
    json!({
        "subject": { "type": "agent", "id": FIXER },
        "action": { "name": action, "properties": arguments },
        "resource": { "type": "repository", "id": resource },
        "context": { "integration": "scm", "intent": { "id": "int-1" } },
    })
}

fn evaluate(folder: &Folder, request: &Value) -> Ran {
    folder.run_with(&["evaluate"], &request.to_string())
}

fn permits(folder: &Folder, request: &Value) {
    let ran = evaluate(folder, request);
    assert_eq!(ran.code, 0, "{request} {} {}", ran.out, ran.err);
}

/// Denied, or refused as a request.
fn denies(folder: &Folder, request: &Value) {
    let ran = evaluate(folder, request);
    assert!(
        matches!(ran.code, 2 | 3),
        "{request} {} {} {}",
        ran.code,
        ran.out,
        ran.err
    );
    let shown = format!("{}{}", ran.out, ran.err);
    let hidden =
        |c: char| c.is_control() && c != '\n' || matches!(c, '\u{202a}'..='\u{202e}' | '\u{200b}');
    assert!(!shown.contains(hidden), "{shown:?}");
}

fn anything(resource: &str) -> Value {
    json!([{ "integration": "scm", "action": "**", "resource": resource, "arguments": "open" }])
}

/// A2, A4 of the list, and their siblings.
#[test]
fn another_spelling_of_a_resource_is_no_way_around_a_denial() {
    let denied = json!([{ "integration": "scm", "action": "**", "resource": "acme/payroll" }]);
    let folder = folder("", anything("acme/*"), denied);
    for name in [
        "acme/payroll",
        "acme/%2e%2e",
        "acme/..%2fother%2frepo",
        "acme/..\\other",
        "acme/..?x=",
        "acme/..#",
        "acme/..;x",
        "acme/payroll%20",
        "acme/p%61yroll",
        "acme/payroll?x",
        "acme/payroll\0",
        "acme/Payroll",
        "ACME/payroll",
        "acme/payroll ",
        "acme/payroll.",
        "acme//payroll",
        "acme/payroll/",
        "acme/x/../payroll",
        "acme\\payroll",
        "acme/\u{ff50}ayroll",
        "acme\u{ff0f}payroll",
        "acme/pay\u{200b}roll",
        "acme/payroll\u{202e}",
        "acme/payroll:main",
        "acme/*",
        "acme/%252e%252e",
        "acme/\u{2025}",
        "acme/payroll\n",
        "acme/pay\u{ad}roll",
        "acme/payroll\u{9b}",
    ] {
        denies(&folder, &call("read", name, json!({})));
    }
    for name in [
        "acme/billing",
        "acme/.github",
        "acme/payroll-archive",
        "acme/größe",
    ] {
        permits(&folder, &call("read", name, json!({})));
    }
}

/// A4: the integration says how its names compare, and every check follows.
#[test]
fn names_compare_as_the_integration_declares() {
    let denied = json!([{ "integration": "scm", "action": "**", "resource": "acme/Payroll" }]);
    let names = "names = { case = \"insensitive\", drop-suffix = \".git\" }\n";
    let folder = folder(names, anything("Acme/*"), denied);
    for name in [
        "acme/payroll",
        "ACME/PAYROLL",
        "acme/payroll.git",
        "acme/Payroll.GIT",
        "other/x",
        "acme/.git",
    ] {
        denies(&folder, &call("read", name, json!({})));
    }
    for name in ["acme/billing", "ACME/Billing.git"] {
        permits(&folder, &call("read", name, json!({})));
    }
    let ran = folder.run(&["check"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    folder.write("wrong.toml", "[[integration]]\nname = \"scm\"\nnames = { case = \"ignore\" }\n[[integration.plugin]]\ncomponent = \"permits.wasm\"\nsettings = { behaviour = \"permit\" }\n");
    let ran = folder.run(&["check", "wrong.toml"]);
    assert_eq!(ran.code, 3);
    assert!(
        ran.err.contains("`case` is `exact` or `insensitive`"),
        "{}",
        ran.err
    );
}

/// A13: names of actions and tools are of a closed set.
#[test]
fn another_spelling_of_an_action_is_no_way_around_a_denial() {
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

/// A12: the id of a principal has one spelling.
#[test]
fn another_spelling_of_a_principal_is_found_in_every_list() {
    let folder = folder("", anything("**"), json!([]));
    permits(&folder, &call("read", "acme/billing", json!({})));
    for id in [
        " spiffe://acme.example/agent/fixer",
        "spiffe://acme.example/agent/fixer ",
        "SPIFFE://acme.example/agent/fixer",
        "spiffe://acme.example/agent/fixer\n",
        "spiffe://acme.example/agent/fi\u{200b}xer",
        "\u{feff}spiffe://acme.example/agent/fixer",
        "spiffe://ACME.example/agent/fixer",
        "spiffe://acme.example/agent/fixer/",
        "x spiffe://acme.example/agent/fixer",
        "",
        "\u{1b}[31mspiffe",
        "a\r\nb",
    ] {
        let mut request = call("read", "acme/billing", json!({}));
        request["subject"]["id"] = Value::from(id);
        denies(&folder, &request);
    }
}

/// A1: an object has each key once, however it is read.
#[test]
fn keys_that_fold_to_one_are_refused() {
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

/// A15: an allowance says which arguments there may be.
#[test]
fn an_argument_that_was_not_approved_is_not_let_through() {
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

/// A9: the registry has two agents that a plugin could take for one.
#[test]
fn agents_of_one_last_segment_are_warned_of() {
    let folder = folder("", anything("**"), json!([]));
    let identity = |id: &str| {
        format!(
            "[[identity]]\nid = \"{id}\"\nkind = \"agent\"\nowner = \"team@acme.example\"\npurpose = \"mend bugs\"\nenvironment = \"dev\"\nexpires = 2036-03-31T00:00:00Z\nmax-credential-lifetime = \"15m\"\nintegrations = [\"scm\"]\n"
        )
    };
    let other = "spiffe://acme.example/ns/dev/agent/fixer";
    let config = std::fs::read_to_string(folder.path().join("portcullis.toml")).unwrap();
    folder.write(
        "portcullis.toml",
        config.replace(
            "[intents]",
            "[registry]\npath = \"registry.toml\"\n[intents]",
        ),
    );
    folder.write(
        "registry.toml",
        identity(FIXER) + &identity("spiffe://acme.example/agent/reviewer"),
    );
    let alone = folder.run(&["check"]);
    assert!(
        alone.code == 0 && !alone.err.contains("same segment"),
        "{}",
        alone.err
    );
    folder.write("registry.toml", identity(FIXER) + &identity(other));
    let both = folder.run(&["check"]);
    assert!(
        both.err.contains("same segment") && both.err.contains(other),
        "{}",
        both.err
    );
}
