//! `portcullis revoke`: the host denies revoked items on the next request.

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
    // A revocation in a list that no host follows would be lost.
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

/// Creates a folder without a registry, with a revocation list, events and a log.
fn recording() -> Folder {
    let folder = Folder::with_plugins();
    let sections = r#"
[revocation]
path = "revocations.jsonl"
max-staleness = "1h"
events = { audience = "https://gateway.a.example", issuers = { "https://idp.a.example" = { key = "idp.json", domains = ["a.example"] } } }

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
        // An event that the host receives applies at once, and only once.
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
        let known = folder.run(&flags);
        if id == "jti-9" {
            // No request ever had this id.
            assert_eq!(known.code, 5, "{}", known.err);
            assert_eq!(folder.run(&[&flags[..], &["--unknown"]].concat()).code, 0);
        } else {
            assert_eq!(known.code, 0, "{}", known.err);
        }
    };
    revoke("credential", "jti-1");
    revoke("principal", "SPIFFE://A.example/boss");
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

    // A permit that is now denied for another cause is confirmed.
    let config = std::fs::read_to_string(folder.path().join("portcullis.toml")).unwrap();
    std::fs::remove_file(folder.path().join("intents/child.json")).unwrap();
    let otherwise = verify("human");
    assert_eq!(otherwise.code, 0, "{}", otherwise.out);
    assert!(
        otherwise.out.contains("for another cause"),
        "{}",
        otherwise.out
    );
    // Without intents in the configuration, a permit on a revoked intent would be given again.
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
    // A permit that was given although the list had the revocation was not ended. The list also differs from
    // the one that the log saw.
    let list = std::fs::read_to_string(folder.path().join("revocations.jsonl")).unwrap();
    folder.write("revocations.jsonl", list.replace("jti-3", "jti-4"));
    folder.write("portcullis.toml", config);
    let after = verify("human");
    assert_eq!(after.code, 5);
    assert!(
        after
            .out
            .contains("1 of 1 permits were given after the revocation was known"),
        "{}",
        after.out
    );
    assert!(
        after.err.contains("revocation 1 of the log"),
        "{}",
        after.err
    );
    // An older list lacks changes that the log saw.
    let older = list.lines().next().unwrap();
    folder.write("revocations.jsonl", format!("{older}\n"));
    // Lines added to it would be lost once the latest list is restored.
    let flags = ["--reason", "r", "--by", "alice"];
    let lost = [&["revoke", "credential", "jti-8", "--unknown"][..], &flags].concat();
    for arguments in [&["revoke", "--checkpoint"][..], &lost] {
        let lists: [&[&str]; 2] = [&[], &["--list", "revocations.jsonl"]];
        for more in lists {
            let refused = folder.run(&[arguments, more].concat());
            assert_eq!(refused.code, 5, "{}", refused.err);
            assert!(refused.err.contains("an older copy"), "{}", refused.err);
        }
    }
    let older = verify("human");
    assert_eq!(older.code, 5);
    assert!(older.err.contains("an older copy"), "{}", older.err);
    assert_eq!(folder.run_with(&["evaluate"], &asking("jti-7")).code, 2);
    folder.write("revocations.jsonl", &list);

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

#[test]
fn what_is_not_known_is_not_revoked_unless_it_is_said_so() {
    let folder = recording();
    {
        let pdp = portcullis_host::Pdp::from_file(folder.path().join("portcullis.toml")).unwrap();
        for credential in ["102ab", "jti-1"] {
            let decision = pdp.evaluate_authzen(asking(credential).as_bytes());
            assert!(decision.is_permit(), "{}", decision.detail());
        }
    }
    let run = |kind: &str, id: &str, more: &[&str]| {
        let flags = ["revoke", kind, id, "--reason", "leaked", "--by", "alice"];
        folder.run(&[&flags[..], more].concat())
    };
    for (kind, id, similar) in [
        (
            "principal",
            "spiffe://a.example/bos",
            "spiffe://a.example/boss",
        ),
        ("credential", "jti-2", ""),
        ("intent", "int-3", "int-"),
        ("integration", "file", "files"),
        (
            "plugin",
            "sha256:0000000000000000000000000000000000000000000000000000000000000000",
            "",
        ),
    ] {
        let unknown = run(kind, id, &[]);
        assert_eq!((unknown.code, unknown.out.as_str()), (5, ""), "{kind} {id}");
        assert!(unknown.err.contains("--unknown"), "{}", unknown.err);
        assert!(unknown.err.contains(similar), "{}", unknown.err);
        assert_eq!(run(kind, id, &["--unknown"]).code, 0, "{kind} {id}");
    }
    // No request can have these ids, even with `--unknown`.
    for (kind, id) in [
        ("principal", "spiffe://a.example/*"),
        ("principal", "spiffe://a.example"),
        ("credential", " jti-1"),
        ("plugin", "sha256:12"),
    ] {
        assert_eq!(run(kind, id, &["--unknown"]).code, 3, "{kind} {id}");
    }
    // The id is known in another spelling.
    assert_eq!(folder.run_with(&["evaluate"], &asking("102ab")).code, 0);
    let revoked = run("credential", "01:02:AB", &[]);
    assert_eq!(revoked.code, 0, "{}", revoked.err);
    assert!(revoked.out.contains("\"id\":\"102ab\""), "{}", revoked.out);
    for spelt in ["102ab", "0102AB", "01:02:ab"] {
        assert_eq!(folder.run_with(&["evaluate"], &asking(spelt)).code, 2);
    }
    assert_eq!(folder.run_with(&["evaluate"], &asking("jti-1")).code, 0);
    let query = ["log", "query", "decisions.jsonl", "--credential", "1:2:AB"];
    assert_eq!(folder.run(&query).out.lines().count(), 1);
    // In decimal, as in RFC 5280.
    assert_eq!(run("credential", "102ab", &["--lift"]).code, 0);
    assert_eq!(run("credential", "66219", &[]).code, 0);
    assert_eq!(folder.run_with(&["evaluate"], &asking("102ab")).code, 2);
    // A plugin's digest in capitals.
    let config = std::fs::read_to_string(folder.path().join("portcullis.toml")).unwrap();
    let component = std::fs::read(folder.path().join("mcp-tools.wasm")).unwrap();
    assert!(config.contains("mcp-tools.wasm"));
    let digest = portcullis_host::Digest::of(&component).to_string();
    assert_eq!(run("plugin", &digest.to_uppercase(), &[]).code, 0);
    assert_eq!(folder.run_with(&["evaluate"], &asking("jti-1")).code, 2);
}

#[test]
fn a_mistake_is_lifted_by_another_line() {
    let folder = recording();
    let run = |id: &str, more: &[&str]| {
        let flags = ["revoke", "credential", id, "--reason", "r", "--by", "alice"];
        folder.run(&[&flags[..], more].concat())
    };
    assert_eq!(run("jti-1", &["--unknown"]).code, 0);
    assert_eq!(folder.run_with(&["evaluate"], &asking("jti-1")).code, 2);
    let lifted = run("jti-1", &["--lift"]);
    assert_eq!(lifted.code, 0, "{}", lifted.err);
    assert!(lifted.out.contains("\"lift\":true"), "{}", lifted.out);
    assert_eq!(folder.run_with(&["evaluate"], &asking("jti-1")).code, 0);
    for id in ["jti-1", "jti-2"] {
        let nothing = run(id, &["--lift"]);
        assert_eq!(nothing.code, 5, "{}", nothing.err);
    }
    // The list keeps both lines.
    let list = std::fs::read_to_string(folder.path().join("revocations.jsonl")).unwrap();
    assert_eq!(list.lines().count(), 3);
    drop(portcullis_host::Pdp::from_file(folder.path().join("portcullis.toml")).unwrap());
    let verify = folder.run(&["revoke", "verify", "--log", "decisions.jsonl"]);
    assert_eq!(verify.code, 0, "{}", verify.err);
    assert!(verify.out.contains("lifted, epoch 2"), "{}", verify.out);
}

#[test]
fn with_signers_a_list_counts_only_while_its_head_is_signed() {
    let folder = Folder::with_plugins();
    for name in ["alice", "mallory"] {
        let (pem, jwks) = (format!("{name}.pem"), format!("{name}.json"));
        let key = ["intent", "key", "--private", &pem, "--public", &jwks];
        assert_eq!(folder.run(&key).code, 0);
    }
    let list = "[revocation]\npath = \"revocations.jsonl\"\nmax-staleness = \"1h\"\n";
    let signers = "signers = { \"alice@a.example\" = \"alice.json\" }\n";
    folder.configure(&format!("{list}{signers}"));
    let evaluate = || folder.run_with(&["evaluate"], &request("files", "read", "/w/a"));
    let checkpoint = |more: &[&str]| folder.run(&[&["revoke", "--checkpoint"][..], more].concat());
    // Without a signature, hosts would deny everything.
    let unsigned = checkpoint(&[]);
    assert_eq!(unsigned.code, 3);
    assert!(unsigned.err.contains("--key"), "{}", unsigned.err);
    // The same applies if the configured list is named by `--list`.
    let named = checkpoint(&["--list", "./revocations.jsonl"]);
    assert_eq!(named.code, 3);
    assert!(named.err.contains("--key"), "{}", named.err);
    let file = folder.path().join("revocations.jsonl");
    // A list at another path is not the configured one.
    let elsewhere = |arguments: &[&str]| {
        let beside = folder.path().join("beside.jsonl");
        if file.exists() {
            std::fs::copy(&file, &beside).unwrap();
        }
        let added = folder.run(&[arguments, &["--list", "beside.jsonl"]].concat());
        assert_eq!(added.code, 0, "{}", added.err);
        std::fs::rename(beside, &file).unwrap();
    };
    elsewhere(&["revoke", "--checkpoint"]);
    assert_eq!(evaluate().code, 2);
    assert!(evaluate().out.contains("not signed"), "{}", evaluate().out);
    // A key that hosts do not trust writes nothing.
    let before = std::fs::read(&file).unwrap();
    let wrong = checkpoint(&["--key", "mallory.pem"]);
    assert_eq!(wrong.code, 3);
    assert!(
        wrong.err.contains("does not belong to one of"),
        "{}",
        wrong.err
    );
    assert_eq!(std::fs::read(&file).unwrap(), before);
    assert_eq!(checkpoint(&["--key", "alice.pem"]).code, 0);
    assert_eq!(evaluate().code, 0, "{}", evaluate().err);
    let revoke = |id: &str, more: &[&str]| {
        let flags = ["revoke", "principal", id, "--reason", "r", "--by", "alice"];
        folder.run(&[&flags[..], more].concat())
    };
    let signed = revoke("spiffe://a.example/x", &["--key", "alice.pem"]);
    assert_eq!(signed.code, 0, "{}", signed.err);
    assert!(evaluate().out.contains("was revoked"), "{}", evaluate().out);
    // An untrusted or unsigned lift: hosts deny everything, and alice's key does not sign over it.
    let whole = std::fs::read(&file).unwrap();
    for more in [&["--key", "mallory.pem"][..], &[]] {
        let flags = ["revoke", "principal", "spiffe://a.example/x", "--lift"];
        let by = ["--reason", "r", "--by", "alice"];
        elsewhere(&[&flags[..], &by, more].concat());
        assert!(evaluate().out.contains("not signed"), "{}", evaluate().out);
        let refused = checkpoint(&["--key", "alice.pem"]);
        assert_eq!(refused.code, 5);
        assert!(refused.err.contains("--sign-anew"), "{}", refused.err);
        // After an inspection, alice signs the lines explicitly.
        let anew = checkpoint(&["--sign-anew", "--key", "alice.pem"]);
        assert_eq!(anew.code, 0, "{}", anew.err);
        assert_eq!(evaluate().code, 0, "{}", evaluate().out);
        std::fs::write(&file, &whole).unwrap();
    }
    for arguments in [
        &["revoke", "--checkpoint", "--sign-anew"][..],
        &["revoke", "--sign-anew", "--key", "alice.pem"],
    ] {
        assert_eq!(folder.run(arguments).code, 1, "{arguments:?}");
    }
    // After a key was replaced, the new key signs the lines of the old one.
    let renew = [
        "intent",
        "key",
        "--private",
        "new.pem",
        "--public",
        "new.json",
    ];
    assert_eq!(folder.run(&renew).code, 0);
    let old = std::fs::read(folder.path().join("alice.json")).unwrap();
    std::fs::copy(
        folder.path().join("new.json"),
        folder.path().join("alice.json"),
    )
    .unwrap();
    assert_eq!(checkpoint(&["--key", "new.pem"]).code, 5);
    assert_eq!(checkpoint(&["--sign-anew", "--key", "new.pem"]).code, 0);
    assert!(evaluate().out.contains("was revoked"), "{}", evaluate().out);
    folder.write("alice.json", old);
    std::fs::write(&file, &whole).unwrap();
    let lifted = revoke("spiffe://a.example/x", &["--lift", "--key", "alice.pem"]);
    assert_eq!(lifted.code, 0, "{}", lifted.err);
    assert_eq!(evaluate().code, 0);
    // Signers that cannot be used, or an empty list of signers.
    for (signers, why) in [
        ("signers = {}\n", "`signers` is empty"),
        ("signers = { \"a\" = \"none.json\" }\n", "none.json"),
        ("signers = { \"a\" = \"alice.pem\" }\n", "alice.pem"),
        ("key = \"alice.pem\"\n", "`signers`"),
    ] {
        let folder = Folder::with_plugins();
        let key = [
            "intent",
            "key",
            "--private",
            "alice.pem",
            "--public",
            "a.json",
        ];
        assert_eq!(folder.run(&key).code, 0);
        folder.configure(list);
        assert_eq!(folder.run(&["revoke", "--checkpoint"]).code, 0);
        assert_eq!(folder.run(&["check"]).code, 0);
        let config = std::fs::read_to_string(folder.path().join("portcullis.toml")).unwrap();
        folder.write(
            "portcullis.toml",
            config.replace(list, &format!("{list}{signers}")),
        );
        let refused = folder.run(&["check"]);
        assert_eq!(refused.code, 3);
        assert!(refused.err.contains(why), "{}", refused.err);
    }
}

#[test]
fn digits_that_nothing_knows_are_revoked_in_every_reading() {
    let folder = recording();
    let issuer = "0123456789abcdef0123456789abcdef";
    let run = |id: &str, more: &[&str]| {
        let flags = ["revoke", "credential", id, "--reason", "r", "--by", "alice"];
        folder.run(&[&flags[..], more].concat())
    };
    let evaluate = |credential: &str| folder.run_with(&["evaluate"], &asking(credential)).code;
    let digits = run("66219", &["--unknown"]);
    assert_eq!(digits.code, 0, "{}", digits.err);
    assert_eq!(digits.out.lines().count(), 2, "{}", digits.out);
    let of_issuer = format!("x509:{issuer}:102ab");
    for credential in ["66219", "102ab", "01:02:AB", &of_issuer] {
        assert_eq!(evaluate(credential), 2, "{credential}");
    }
    for (id, lines) in [("0x66220", 1), ("01:02:AF", 1), ("7", 1), ("jti-2", 1)] {
        let revoked = run(id, &["--unknown"]);
        assert_eq!(revoked.out.lines().count(), lines, "{id}: {}", revoked.out);
    }
    assert_eq!(evaluate("102ac"), 0, "`0x66220` is not decimal");
    // Without a log, no source knows the id either.
    let config = std::fs::read_to_string(folder.path().join("portcullis.toml")).unwrap();
    folder.write(
        "portcullis.toml",
        config.replace("[log]\npath = \"decisions.jsonl\"\n", ""),
    );
    let digits = run("66225", &[]);
    assert_eq!(
        (digits.code, digits.out.lines().count()),
        (0, 2),
        "{}",
        digits.err
    );
    assert_eq!(evaluate("102b1"), 2);
    // The issuer in capitals, and a lift for one issuer.
    let capitals = format!("X509:{}:102C1", issuer.to_uppercase());
    assert_eq!(run(&capitals, &["--unknown"]).code, 0);
    assert_eq!(evaluate(&format!("x509:{issuer}:102c1")), 2);
    assert_eq!(evaluate(&format!("x509:{}:102c1", "b".repeat(32))), 0);
    let refused = run(&of_issuer, &["--lift"]);
    assert_eq!(refused.code, 5, "{}", refused.err);
    assert!(refused.err.contains("lift `102ab`"), "{}", refused.err);
    assert_eq!(evaluate(&of_issuer), 2);
    assert_eq!(run("102ab", &["--lift"]).code, 0);
    assert_eq!(evaluate(&of_issuer), 0);
}

#[cfg(unix)]
#[test]
fn a_fifo_in_the_place_of_the_list_makes_nobody_wait() {
    let folder = recording();
    let list = folder.path().join("revocations.jsonl");
    std::fs::remove_file(&list).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&list).status();
    assert!(made.unwrap().success());
    let flags = [
        "revoke",
        "credential",
        "jti-1",
        "--reason",
        "r",
        "--by",
        "b",
    ];
    for arguments in [
        &["check"][..],
        &["revoke", "--checkpoint"],
        &[&flags[..], &["--unknown"]].concat(),
    ] {
        let refused = folder.run(arguments);
        assert_eq!(refused.code, 3, "{}", refused.err);
        assert!(refused.err.contains("it is a fifo"), "{}", refused.err);
        assert!(refused.err.contains("revocations.jsonl"), "{}", refused.err);
    }
    std::fs::remove_file(&list).unwrap();
    std::os::unix::fs::symlink(&list, &list).unwrap();
    let looped = folder.run(&["check"]);
    assert_eq!(looped.code, 3);
    assert!(
        looped.err.contains("leads back to itself"),
        "{}",
        looped.err
    );
    assert!(!looped.err.contains("--checkpoint"), "{}", looped.err);
    std::fs::remove_file(&list).unwrap();
    assert_eq!(folder.run(&["revoke", "--checkpoint"]).code, 0);
    assert_eq!(folder.run(&["check"]).code, 0);
}

#[test]
fn an_event_about_a_credential_of_another_domain_is_reported() {
    let folder = recording();
    let of = |principal: &str, credential: &str| {
        asking(credential).replace("spiffe://a.example/x", principal)
    };
    {
        let pdp = portcullis_host::Pdp::from_file(folder.path().join("portcullis.toml")).unwrap();
        for (principal, credential) in [
            ("spiffe://b.example/x", "jti-b"),
            ("spiffe://a.example/x", "jti-a"),
        ] {
            let _ = pdp.evaluate_authzen(of(principal, credential).as_bytes());
        }
    }
    let take = |jti: &str, credential: &str, more: &[&str]| {
        folder.write(&format!("{jti}.jwt"), event(&folder, jti, credential));
        let file = format!("{jti}.jwt");
        folder.run(&[&["revoke", "event", &file][..], more].concat())
    };
    let beyond = take("1", "jti-b", &[]);
    assert_eq!(beyond.code, 5, "{}", beyond.err);
    assert!(beyond.err.contains("--unknown"), "{}", beyond.err);
    assert_eq!(take("2", "jti-c", &[]).code, 5, "nobody had it");
    assert_eq!(take("3", "jti-d", &["--unknown"]).code, 0);
    assert_eq!(take("4", "jti-a", &[]).code, 0);
    // The same event after a lift.
    let flags = ["--reason", "r", "--by", "alice", "--lift"];
    let lifted = folder.run(&[&["revoke", "credential", "jti-a"][..], &flags].concat());
    assert_eq!(lifted.code, 0, "{}", lifted.err);
    let again = take("4", "jti-a", &[]);
    assert_eq!((again.code, again.out.as_str()), (5, ""));
    assert!(again.err.contains("lifted at epoch"), "{}", again.err);
    assert!(!again.err.contains("already"), "{}", again.err);
}

#[test]
fn a_revocation_without_a_line_end_is_noticed() {
    let folder = recording();
    let file = folder.path().join("revocations.jsonl");
    let whole = std::fs::read_to_string(&file).unwrap();
    let line = "{\"epoch\":1,\"at\":\"2099-01-01T00:00:00Z\",\"kind\":\"credential\",\"id\":\"jti-1\",\"reason\":\"r\",\"by\":\"b\"}";
    let now = portcullis_host::Timestamp::now().to_string();
    let line = line.replace("2099-01-01T00:00:00Z", &now);
    for unended in [line.as_str(), &line[..30], "x"] {
        std::fs::write(&file, format!("{whole}{unended}")).unwrap();
        let checked = folder.run(&["check"]);
        assert_eq!(checked.code, 3, "{unended}");
        assert!(checked.err.contains("line 2"), "{}", checked.err);
        assert!(checked.err.contains("no line end"), "{}", checked.err);
    }
    std::fs::write(&file, format!("{whole}{line}\n")).unwrap();
    assert_eq!(folder.run(&["check"]).code, 0);
    assert_eq!(folder.run_with(&["evaluate"], &asking("jti-1")).code, 2);
}

/// Signs a security event of that type.
fn set(folder: &Folder, jti: &str, kind: &str, subject: serde_json::Value) -> std::path::PathBuf {
    use jsonwebtoken::{Algorithm, EncodingKey, Header};
    let key = std::fs::read(folder.path().join("idp.pem")).unwrap();
    let mut header = Header::new(Algorithm::ES256);
    header.typ = Some("secevent+jwt".into());
    let claims = serde_json::json!({
        "iss": "https://idp.a.example", "aud": "https://gateway.a.example", "jti": jti,
        "iat": 1_790_000_000.25, "sub_id": subject,
        "events": { format!("https://schemas.openid.net/secevent/{kind}"): {} },
    });
    let key = EncodingKey::from_ec_pem(&key).unwrap();
    let token = jsonwebtoken::encode(&header, &claims, &key).unwrap();
    folder.write(&format!("{jti}.jwt"), token)
}

#[test]
fn an_event_revokes_or_says_what_to_do() {
    let folder = recording();
    let take = |jti: &str| folder.run(&["revoke", "event", &format!("{jti}.jwt")]);
    let uri = |id: &str| serde_json::json!({ "format": "uri", "uri": id });
    // The configuration's issuers are trusted, and `iat` may have a fraction.
    set(
        &folder,
        "1",
        "risc/event-type/account-disabled",
        uri("spiffe://a.example/boss"),
    );
    let taken = take("1");
    assert_eq!(taken.code, 0, "{}", taken.err);
    assert_eq!(folder.run_with(&["evaluate"], &asking("jti-1")).code, 2);
    // The subject is outside of the issuer's domains.
    set(
        &folder,
        "2",
        "risc/event-type/account-disabled",
        uri("spiffe://b.example/x"),
    );
    let beyond = take("2");
    assert_eq!((beyond.code, beyond.out.as_str()), (3, ""));
    assert!(beyond.err.contains("`domains`"), "{}", beyond.err);
    // An event that needs a person's attention.
    set(
        &folder,
        "3",
        "caep/event-type/credential-change",
        uri("spiffe://a.example/x"),
    );
    let by_hand = take("3");
    assert_eq!((by_hand.code, by_hand.out.as_str()), (5, ""));
    assert!(by_hand.err.contains("portcullis revoke"), "{}", by_hand.err);
    let email = serde_json::json!({ "format": "email", "email": "x@a.example" });
    set(&folder, "4", "risc/event-type/account-purged", email);
    assert_eq!(take("4").code, 5);
    // Another event with the same `jti`.
    set(
        &folder,
        "1",
        "risc/event-type/account-disabled",
        uri("spiffe://a.example/x"),
    );
    let conflict = take("1");
    assert_eq!(conflict.code, 5, "{}", conflict.err);
    assert!(
        conflict.out.contains("\"conflict\":true"),
        "{}",
        conflict.out
    );
    assert!(conflict.err.contains("the same `jti`"), "{}", conflict.err);
    let again = take("1");
    assert_eq!((again.code, again.out.as_str()), (0, ""), "{}", again.err);
    // An event that revokes nothing.
    set(
        &folder,
        "5",
        "caep/event-type/session-established",
        uri("spiffe://a.example/x"),
    );
    assert_eq!(take("5").code, 0);

    // The old form of `issuers` is refused, and the error names the new form.
    let config = std::fs::read_to_string(folder.path().join("portcullis.toml")).unwrap();
    let new = "{ key = \"idp.json\", domains = [\"a.example\"] }";
    for (old, why) in [
        ("\"idp.json\"", "only a key file"),
        ("{ key = \"idp.json\" }", "no `domains`"),
        ("{ key = \"idp.json\", domains = [] }", "an empty `domains`"),
        (
            "{ key = \"idp.json\", domains = [\"*\"] }",
            "no trust domain",
        ),
        (
            "{ key = \"idp.json\", domains = [\"spiffe://a.example\"] }",
            "no trust domain",
        ),
        (
            "{ key = \"idp.json\", domain = [\"a.example\"] }",
            "`domain`",
        ),
    ] {
        folder.write("portcullis.toml", config.replace(new, old));
        let refused = folder.run(&["check"]);
        assert_eq!(refused.code, 3, "{old}");
        assert!(refused.err.contains(why), "{}", refused.err);
        assert!(
            refused
                .err
                .contains("{ key = \"keys/idp.json\", domains = [\"acme.example\"] }"),
            "{}",
            refused.err
        );
    }
}
