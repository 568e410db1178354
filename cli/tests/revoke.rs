//! `portcullis revoke`: what is revoked is denied, at once.

mod common;

use common::{Folder, request};

#[test]
fn what_is_revoked_is_denied_and_the_rest_is_not() {
    let folder = Folder::with_plugins();
    let list = "[revocation]\npath = \"revocations.jsonl\"\nmax-staleness = \"1h\"\n";
    folder.configure(list);

    let missing = folder.run(&["check"]);
    assert_eq!(missing.code, 3);
    assert!(
        missing.err.contains("portcullis revoke --checkpoint"),
        "{}",
        missing.err
    );

    assert_eq!(folder.run(&["revoke", "--checkpoint"]).code, 0);
    let ask = |credential: &str| {
        let id = "\"id\":\"spiffe://a.example/x\"";
        let with = format!("{id},\"properties\":{{\"credential-id\":\"{credential}\"}}");
        folder.run_with(
            &["evaluate"],
            &request("files", "read", "/w/a").replace(id, &with),
        )
    };
    assert_eq!(ask("jti-1").code, 0);
    let revoked = folder.run(&[
        "revoke",
        "credential",
        "jti-1",
        "--reason",
        "leaked",
        "--by",
        "alice@acme.example",
    ]);
    assert_eq!(revoked.code, 0, "{}", revoked.err);
    assert!(revoked.out.contains("\"epoch\":1"), "{}", revoked.out);
    let denied = ask("jti-1");
    assert_eq!(denied.code, 2);
    assert!(
        denied.out.contains("revoked by alice@acme.example: leaked"),
        "{}",
        denied.out
    );
    assert_eq!(ask("jti-2").code, 0);
}

#[test]
fn a_revocation_says_what_and_why() {
    let folder = Folder::new();
    for arguments in [
        vec!["revoke"],
        vec!["revoke", "credential"],
        vec!["revoke", "credential", "jti-1"],
        vec!["revoke", "credential", "jti-1", "--reason", "leaked"],
        vec!["revoke", "--checkpoint", "credential", "jti-1"],
    ] {
        assert_eq!(folder.run(&arguments).code, 1, "{arguments:?}");
    }
    assert!(!folder.path().join("revocations.jsonl").exists());
    folder.write("revocations.jsonl", "not a list\n");
    let refused = folder.run(&["revoke", "--checkpoint", "--list", "revocations.jsonl"]);
    assert_eq!(refused.code, 3);
    assert!(
        refused.err.contains("revocations.jsonl: line 1"),
        "{}",
        refused.err
    );
    // A revocation into a list that no host follows would be lost.
    let flags = ["--reason", "leaked", "--by", "alice"];
    let revoke = |more: &[&str]| {
        let mut arguments = vec!["revoke", "credential", "jti-1"];
        arguments.extend_from_slice(more);
        arguments.extend_from_slice(&flags);
        folder.run(&arguments)
    };
    assert!(revoke(&[]).err.contains("portcullis.toml"));
    let missing = revoke(&["--list", "typo.jsonl"]);
    assert_eq!(missing.code, 3);
    assert!(!folder.path().join("typo.jsonl").exists());
    let nobody = [
        "revoke",
        "credential",
        "jti-1",
        "--reason",
        "leaked",
        "--by",
        " ",
    ];
    assert_eq!(folder.run(&nobody).code, 3);
}

/// A folder with a registry-less configuration that follows a list, takes events and records.
fn recording() -> Folder {
    let folder = Folder::with_plugins();
    let sections = r#"
[revocation]
path = "revocations.jsonl"
max-staleness = "1h"
events = { audience = "https://gateway.a.example", issuers = { "https://idp.a.example" = "idp.json" } }

[intents]
path = "intents"

[log]
path = "decisions.jsonl"
"#;
    folder.configure(sections);
    let intent = |id: &str, principal: &str, by: &str| {
        serde_json::json!({
            "id": id, "purpose": "p", "principal": principal,
            "approved-by": { "who": by, "at": "2026-01-01T00:00:00Z" },
            "issued-at": "2026-01-01T00:00:00Z", "expires-at": "2099-01-01T00:00:00Z",
            "allows": [{ "integration": "files", "action": "read", "resource": "files", "arguments": { "required": ["/path"] } }],
        })
    };
    let root = intent("int-1", "spiffe://a.example/boss", "alice");
    let file = folder.write("intents/root.json", root.to_string());
    let digest = portcullis_host::StoredIntent::from_json(&std::fs::read(file).unwrap())
        .unwrap()
        .digest();
    let mut child = intent("int-2", "spiffe://a.example/x", "spiffe://a.example/boss");
    child["parent"] = serde_json::json!({ "id": "int-1", "digest": digest.to_string() });
    folder.write("intents/child.json", child.to_string());
    assert_eq!(folder.run(&["revoke", "--checkpoint"]).code, 0);
    let key = folder.run(&[
        "intent",
        "key",
        "--private",
        "idp.pem",
        "--public",
        "idp.json",
    ]);
    assert_eq!(key.code, 0);
    folder
}

fn asking(credential: &str) -> String {
    serde_json::json!({
        "subject": {
            "type": "agent", "id": "spiffe://a.example/x",
            "properties": { "credential-id": credential },
        },
        "action": { "name": "read", "properties": { "path": "/w/a" } },
        "resource": { "type": "mcp-server", "id": "files" },
        "context": { "integration": "files", "intent": { "id": "int-2" } },
    })
    .to_string()
}

fn event(folder: &Folder, jti: &str, credential: &str) -> String {
    use jsonwebtoken::{Algorithm, EncodingKey, Header};
    let key = std::fs::read(folder.path().join("idp.pem")).unwrap();
    let mut header = Header::new(Algorithm::ES256);
    header.typ = Some("secevent+jwt".into());
    let claims = serde_json::json!({
        "iss": "https://idp.a.example", "aud": "https://gateway.a.example", "jti": jti,
        "iat": portcullis_host::Timestamp::now().as_millis() / 1000,
        "sub_id": { "format": "jwt_id", "iss": "https://idp.a.example", "jti": credential },
        "events": { "https://schemas.openid.net/secevent/caep/event-type/session-revoked": {} },
    });
    let key = EncodingKey::from_ec_pem(&key).unwrap();
    jsonwebtoken::encode(&header, &claims, &key).unwrap()
}

#[test]
fn a_revocation_is_confirmed_by_what_it_ended() {
    let folder = recording();
    {
        let pdp = portcullis_host::Pdp::from_file(folder.path().join("portcullis.toml")).unwrap();
        for credential in ["jti-1", "jti-1", "jti-2", "jti-3"] {
            assert!(
                pdp.evaluate_authzen(asking(credential).as_bytes())
                    .is_permit()
            );
        }
        // An event that comes through the host counts at once, and once.
        let event = event(&folder, "set-1", "jti-3");
        let epochs = |records: Vec<portcullis_host::revocation::Record>| -> Vec<_> {
            records.iter().map(|record| record.epoch).collect()
        };
        assert_eq!(epochs(pdp.accept_event(&event).unwrap()), [1]);
        assert!(pdp.accept_event(&event).unwrap().is_empty());
        let denied = pdp.evaluate_authzen(asking("jti-3").as_bytes());
        assert_eq!(denied.cause().as_str(), "revoked");
        assert!(pdp.accept_event("not an event").is_err());
        let later = pdp.evaluate_authzen(asking("jti-4").as_bytes());
        assert!(later.is_permit());
    }
    let revoke = |kind: &str, id: &str| {
        let flags = ["revoke", kind, id, "--reason", "leaked", "--by", "alice"];
        assert_eq!(folder.run(&flags).code, 0);
    };
    revoke("credential", "jti-1");
    revoke("principal", "spiffe://a.example/boss");
    revoke("credential", "jti-9");
    let verify = |format: &str| {
        folder.run(&[
            "revoke",
            "verify",
            "--log",
            "decisions.jsonl",
            "--format",
            format,
        ])
    };
    let confirmed = verify("json");
    assert_eq!(confirmed.code, 0, "{}", confirmed.err);
    let all: serde_json::Value = serde_json::from_str(&confirmed.out).unwrap();
    let permits: Vec<_> = all
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["permits"])
        .collect();
    assert_eq!(permits, [1, 2, 5, 0], "{all}");
    assert!(verify("human").out.contains("2 permits, all now denied"));

    // What is denied for something else by now is denied.
    let config = std::fs::read_to_string(folder.path().join("portcullis.toml")).unwrap();
    std::fs::remove_file(folder.path().join("intents/child.json")).unwrap();
    let otherwise = verify("human");
    assert_eq!(otherwise.code, 0, "{}", otherwise.out);
    assert!(
        otherwise.out.contains("for something else by now"),
        "{}",
        otherwise.out
    );
    // Where nobody looks at intents any more, what hangs on a revoked one is permitted again.
    let without = config.replace("[intents]\npath = \"intents\"\n", "");
    assert_ne!(config, without);
    folder.write("portcullis.toml", &without);
    let unconfirmed = verify("human");
    assert_eq!(unconfirmed.code, 5);
    assert!(
        unconfirmed.out.contains("would be given again"),
        "{}",
        unconfirmed.out
    );
    // What was permitted when the list had it already was never ended.
    let list = std::fs::read_to_string(folder.path().join("revocations.jsonl")).unwrap();
    folder.write("revocations.jsonl", list.replace("jti-3", "jti-4"));
    folder.write("portcullis.toml", config);
    let after = verify("human");
    assert_eq!(after.code, 5);
    assert!(
        after
            .out
            .contains("1 of 1 permits were given although it was known"),
        "{}",
        after.out
    );

    let log = folder.run(&["log", "query", "decisions.jsonl", "--event", "revocation"]);
    let revoked = log
        .out
        .lines()
        .filter(|line| line.contains("jti-3"))
        .count();
    assert_eq!(revoked, 1, "the host recorded what it learnt: {}", log.out);
}

#[test]
fn an_event_revokes_once_and_what_is_none_revokes_nothing() {
    let folder = recording();
    folder.write("set.jwt", event(&folder, "set-1", "jti-1"));
    let take = |audience: &str| {
        folder.run(&[
            "revoke",
            "event",
            "set.jwt",
            "--audience",
            audience,
            "--issuer",
            "https://idp.a.example=idp.json",
        ])
    };
    let other = take("https://other.example");
    assert_eq!((other.code, other.out.as_str()), (3, ""));
    let taken = take("https://gateway.a.example");
    assert_eq!(taken.code, 0, "{}", taken.err);
    assert!(taken.out.contains("\"id\":\"jti-1\""), "{}", taken.out);
    let again = take("https://gateway.a.example");
    assert_eq!((again.code, again.out.as_str()), (0, ""));
    assert!(again.err.contains("already"), "{}", again.err);
    assert_eq!(folder.run_with(&["evaluate"], &asking("jti-1")).code, 2);
}
