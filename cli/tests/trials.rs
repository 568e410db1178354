//! Inputs from outsiders' reports that were wrongly permitted, through the command.
//!
//! Each is denied or refused, and its legitimate neighbour is still permitted. `docs/trials.md` lists them.

mod common;

use common::{Folder, Ran};
use portcullis_tests::guests;
use serde_json::{Value, json};
use std::time::{Duration, SystemTime};

const FIXER: &str = "spiffe://acme.example/agent/fixer";

/// Creates a folder with a plugin that permits everything, and one intent that `allows` and `denies`.
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

/// Asserts that the request is denied, or refused as invalid.
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

/// A2 and A4 of the list, and related inputs.
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
        "acme/payroll@sha256:abc",
        "acme/payroll@main",
        "acme:x/payroll",
        "acme/payroll\u{1680}",
        "acme/pa\u{327}\u{301}yroll",
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
        "acme/billing@sha256:abc",
        "acme/billing:main",
        "acme/.github",
        "acme/payroll-archive",
        "acme/größe",
    ] {
        permits(&folder, &call("read", name, json!({})));
    }
}

/// A4: the integration declares how its names compare, and every check uses that.
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
    for (names, message) in [
        ("case = \"ignore\"", "`case` is `exact` or `insensitive`"),
        ("drop-suffix = \"*\"", "`drop-suffix` is the end of a name"),
        ("drop-suffix = \"l\"", "`drop-suffix` is the end of a name"),
        (
            "drop-suffix = \".git \"",
            "`drop-suffix` is the end of a name",
        ),
        (
            "drop-suffix = \"\\u200b\"",
            "`drop-suffix` is the end of a name",
        ),
    ] {
        folder.write("wrong.toml", format!("[[integration]]\nname = \"scm\"\nnames = {{ {names} }}\n[[integration.plugin]]\ncomponent = \"permits.wasm\"\nsettings = {{ behaviour = \"permit\" }}\n"));
        let ran = folder.run(&["check", "wrong.toml"]);
        assert_eq!(ran.code, 3, "{names}");
        assert!(ran.err.contains(message), "{}", ran.err);
    }
}

/// A4: a denial matches a name with and without the suffix, in any case, before a tag and in each segment.
#[test]
fn a_suffix_that_is_dropped_is_no_way_around_a_denial() {
    let names = "names = { drop-suffix = \".git\" }\n";
    for (denied, caught) in [
        (
            "acme/payroll",
            [
                "acme/payroll.GIT",
                "acme/payroll.gIt.git",
                "acme/payroll.git:main",
            ],
        ),
        (
            "acme/secret/**",
            ["acme/secret.git/x", "acme/secret/x", "acme/Secret.Git:v1/x"],
        ),
        (
            "acme/payroll.g*",
            ["acme/payroll.git", "acme/payroll", "acme/payroll.github"],
        ),
        (
            "acme/payroll.git/**",
            ["acme/payroll/x", "acme/payroll.GIT/x", "acme/payroll.git/y"],
        ),
    ] {
        let denied = json!([{ "integration": "scm", "action": "**", "resource": denied }]);
        let folder = folder(names, anything("**"), denied);
        for name in caught {
            denies(&folder, &call("read", name, json!({})));
        }
        for name in ["acme/billing.git", "acme/payrolls", "acme/secrets.git/x"] {
            permits(&folder, &call("read", name, json!({})));
        }
    }
}

/// A6: a denial with a misspelt integration would deny nothing, so it is refused.
#[test]
fn a_denial_of_a_misspelt_integration_is_refused() {
    let denied = |integration: &str| json!([{ "integration": integration, "action": "**", "resource": "acme/payroll" }]);
    for other in ["SCM", "Scm", "sCm"] {
        let folder = folder("", anything("**"), denied(other));
        let ran = folder.run(&["check"]);
        assert_eq!(ran.code, 3, "{other} {}", ran.err);
        assert!(ran.err.contains("write `scm`"), "{}", ran.err);
        denies(&folder, &call("read", "acme/payroll", json!({})));
    }
    for other in ["scm ", "*"] {
        let folder = folder("", anything("**"), denied(other));
        let ran = folder.run(&["check"]);
        assert_eq!(ran.code, 3, "{other} {}", ran.err);
        denies(&folder, &call("read", "acme/payroll", json!({})));
    }
    let folder = folder("", anything("**"), denied("mail"));
    let ran = folder.run(&["check"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(
        ran.err.contains("no integration has that name"),
        "{}",
        ran.err
    );
    permits(&folder, &call("read", "acme/billing", json!({})));
}

/// A13: names of actions and tools have a restricted character set.
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

/// A12: a principal's id has one spelling.
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

/// A1: an object has each key once, for every reader.
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

/// A9: the registry has two agents that a plugin could confuse.
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

/// Adds tables to the configuration of [`folder`].
fn configure(folder: &Folder, sections: &str) {
    let config = std::fs::read_to_string(folder.path().join("portcullis.toml")).unwrap();
    let config = config.replace("[intents]", &format!("{sections}\n[intents]"));
    folder.write("portcullis.toml", config);
}

/// A4: a compromised destination is found by every name that a denial of its id matches.
#[test]
fn another_spelling_of_a_destination_is_not_another_destination() {
    let rule =
        "destination = { max-age = \"5m\", weaknesses = [\"legacy\"], otherwise = \"deny\" }\n";
    let names = "names = { case = \"insensitive\", drop-suffix = \".git\" }\n";
    let healthy = |resource: &str| {
        let mut request = call("read", resource, json!({}));
        request["resource"]["properties"] = json!({ "posture": {
            "exposure": "internal", "health": "healthy", "legacy": false,
            "observed-at": portcullis_host::Timestamp::now(),
        } });
        request
    };
    let sighting =
        |id: &str| json!({ "destinations": [{ "id": id, "health": "compromised" }] }).to_string();
    for (declared, id) in [(names, "acme/payroll.git"), ("", "acme/payroll")] {
        let folder = folder(&format!("{rule}{declared}"), anything("**"), json!([]));
        configure(&folder, "[destinations]\npath = \"posture.json\"");
        folder.write("posture.json", sighting(id));
        for name in [
            id,
            "acme/payroll",
            "Acme/Payroll",
            "acme/payroll:main",
            "/acme/payroll",
        ] {
            denies(&folder, &healthy(name));
        }
        permits(&folder, &healthy("acme/billing"));
        permits(&folder, &healthy("acme/payroll-archive"));
        for wrong in ["acme/payroll ", "acme//payroll", "acme/%70ayroll", "acme/*"] {
            folder.write("posture.json", sighting(wrong));
            let ran = folder.run(&["check"]);
            assert_eq!(ran.code, 3, "{wrong:?} {}", ran.err);
            let place = "posture.json: `/destinations/0/id`";
            assert!(ran.err.contains(place), "{}", ran.err);
        }
    }
}

/// A default for all other types does not apply to a listed type in another spelling.
#[test]
fn another_spelling_of_a_type_is_not_another_type() {
    let folder = folder("", anything("**"), json!([]));
    let lax = "\n[[integration]]\nname = \"lax\"\n[[integration.plugin]]\ncomponent = \"permits.wasm\"\nsettings = { behaviour = \"permit\" }\n";
    configure(
        &folder,
        "[authzen]\nintegration = \"lax\"\nby-resource-type = { repository = \"scm\" }\n",
    );
    let config = std::fs::read_to_string(folder.path().join("portcullis.toml")).unwrap();
    folder.write("portcullis.toml", config + lax);
    let typed = |of: &str| {
        json!({
            "subject": { "type": "user", "id": "alice@acme.example" },
            "action": { "name": "read" },
            "resource": { "type": of, "id": "acme/billing" },
        })
    };
    for (of, integration) in [
        ("repository", "scm"),
        ("Repository", "scm"),
        ("todo", "lax"),
        ("Acme::Repository", "lax"),
    ] {
        let ran = evaluate(&folder, &typed(of));
        let judged = format!("{integration}: read on acme/billing");
        assert!(ran.code == 0 && ran.out.contains(&judged), "{}", ran.out);
    }
    for of in [
        "",
        "repository ",
        "repository\u{200b}",
        "\u{ff52}epository",
        "reposi\0tory",
    ] {
        denies(&folder, &typed(of));
    }
}

/// A12: the issuer of an id that is not a SPIFFE ID may ignore its case.
#[test]
fn a_revoked_principal_is_revoked_in_every_spelling() {
    let folder = folder("", anything("**"), json!([]));
    configure(
        &folder,
        "[revocation]\npath = \"revocations.jsonl\"\nmax-staleness = \"10m\"\n",
    );
    let asks = |id: &str, delegators: Value| {
        json!({
            "subject": { "type": "user", "id": id, "properties": { "delegated-by": delegators } },
            "action": { "name": "read" },
            "resource": { "type": "repository", "id": "acme/billing" },
            "context": { "integration": "scm" },
        })
    };
    let revoke = |id: &str| {
        let who = ["--reason", "left", "--by", "bob", "--unknown"];
        folder
            .run(&[&["revoke", "principal", id][..], &who].concat())
            .code
    };
    assert_eq!(folder.run(&["revoke", "--checkpoint"]).code, 0);
    permits(&folder, &asks("Alice@acme.example", json!([])));
    assert_eq!(revoke("alice@Acme.example"), 0);
    for id in [
        "alice@acme.example",
        "Alice@acme.example",
        "alice@ACME.example",
        "ALICE@ACME.EXAMPLE",
    ] {
        denies(&folder, &asks(id, json!([])));
        denies(&folder, &asks("carol@acme.example", json!([id])));
    }
    permits(
        &folder,
        &asks("carol@acme.example", json!(["dave@acme.example"])),
    );
    assert_eq!(revoke(FIXER), 0);
    for id in [
        FIXER,
        "spiffe%3A//acme.example/agent/fixer",
        "//acme.example/agent/fixer",
        "spiffe//acme.example/agent/fixer",
        "spiffe;//acme.example/agent/fixer",
    ] {
        denies(&folder, &asks(id, json!([])));
        denies(&folder, &asks("carol@acme.example", json!([id])));
    }
    permits(
        &folder,
        &asks("spiffe://acme.example/agent/Fixer", json!([])),
    );
    // No request can have this id.
    assert_eq!(revoke("//acme.example/agent/fixer"), 3);
}

/// An ambiguous name is denied, and the denial names the problem and the remedy.
#[test]
fn a_denial_says_that_the_name_is_the_trouble() {
    let unrelated = json!([{ "integration": "scm", "action": "**", "resource": "zzz" }]);
    for denied in [unrelated, json!([])] {
        let folder = folder("", anything("**"), denied);
        for (name, why) in [
            ("b/folder/", "it has an empty segment"),
            ("Report #3.pdf", "it has `#`"),
            ("50% off.pdf", "it has `%`"),
            ("Acme Inc./x", "ends with a dot"),
            ("user#1234", "it has `#`"),
            ("s3://b/k", "it has an empty segment"),
            ("cafe\u{301}", "NFKC"),
        ] {
            let ran = evaluate(&folder, &call("read", name, json!({})));
            assert_eq!(ran.code, 2, "{name} {}", ran.out);
            let trouble = "the resource's name is ambiguous";
            assert!(
                ran.out.contains(why) && ran.out.contains(trouble),
                "{name} {}",
                ran.out
            );
            let can = ran.out.contains("or name it in full in an allowance");
            let cannot = ran.out.contains("because no allowance can name it");
            assert!(can != cannot, "{name} {}", ran.out);
            match name {
                "Report #3.pdf" | "50% off.pdf" | "user#1234" => assert!(can, "{name}"),
                "b/folder/" | "cafe\u{301}" => assert!(cannot, "{name}"),
                _ => {}
            }
        }
        permits(&folder, &call("read", "Report no. 3.pdf", json!({})));
    }
    // The suggested remedy works.
    let folder = folder("", anything("Report #3.pdf"), json!([]));
    permits(&folder, &call("read", "Report #3.pdf", json!({})));
    let ran = evaluate(&folder, &call("read", "Report #4.pdf", json!({})));
    assert_eq!(ran.code, 2, "{}", ran.out);
}

#[test]
fn a_denial_of_a_plain_name_says_nothing_of_two_readers() {
    let folder = folder("", anything("acme/*"), json!([]));
    let ran = evaluate(&folder, &call("read", "other/x", json!({})));
    assert!(
        ran.code == 2 && !ran.out.contains("is ambiguous"),
        "{}",
        ran.out
    );
}

/// An environment in another shape or place does not count as missing.
#[test]
fn an_environment_that_cannot_be_read_crosses_none() {
    let folder = folder("", anything("**"), json!([]));
    let with = |subject: Value, resource: Value| {
        let mut request = call("read", "acme/billing", json!({}));
        request["subject"]["properties"] = subject;
        request["resource"]["properties"] = resource;
        request
    };
    let dev = || json!({ "environment": "dev" });
    let crossed = [
        json!("prod"),
        json!(["prod"]),
        json!({ "name": "prod" }),
        json!(7),
    ];
    for stated in crossed {
        let other = json!({ "environment": stated });
        denies(&folder, &with(dev(), other.clone()));
        denies(&folder, &with(other, dev()));
    }
    for (subject, resource) in [
        (dev(), dev()),
        (dev(), json!({})),
        (dev(), json!({ "environment": null })),
        // A writer that uses `environment` for something else on both sides.
        (
            json!({ "environment": 7 }),
            json!({ "environment": ["prod"] }),
        ),
        (json!({}), json!({ "environment": ["prod"] })),
    ] {
        permits(&folder, &with(subject, resource));
    }
    for (pointer, key) in [
        ("/resource", "environment"),
        ("/subject", "environment"),
        ("/subject", "owner"),
        ("/subject", "instance"),
    ] {
        let mut misplaced = call("read", "acme/billing", json!({}));
        misplaced.pointer_mut(pointer).unwrap()[key] = json!("prod");
        denies(&folder, &misplaced);
    }
}
