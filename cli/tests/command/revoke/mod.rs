//! `portcullis revoke`: the host denies revoked items on the next request.

mod credentials;
mod events;
mod known;
mod list;
mod signers;
mod verify;

use crate::common::{Folder, Ran, Request, Runs};
use portcullis_host::{StoredIntent, Timestamp};
use serde_json::{Value, json};
use snapbox::str;
use std::fs;

/// The configuration of a revocation list.
const LIST: &str = "[revocation]\npath = \"revocations.jsonl\"\nmax-staleness = \"1h\"\n";

/// Creates a folder without a registry, with a revocation list, events and a log.
fn recording() -> Folder {
    let folder = Folder::with_plugins();
    let sections = r#"events = { audience = "https://gateway.a.example", issuers = { "https://idp.a.example" = { key = "idp.json", domains = ["a.example"] } } }

[intents]
path = "intents"

[log]
path = "decisions.jsonl"
"#;
    folder.configure(&format!("{LIST}{sections}"));
    let intent = |id: &str, principal: &str, by: &str| {
        json!({
            "id": id, "purpose": "p", "principal": principal,
            "approved-by": { "who": by, "at": "2026-01-01T00:00:00Z" },
            "issued-at": "2026-01-01T00:00:00Z", "expires-at": "2099-01-01T00:00:00Z",
            "allows": [{ "integration": "files", "action": "read", "resource": "files", "arguments": { "required": ["/path"] } }],
        })
    };
    let root = intent("int-1", "spiffe://a.example/boss", "alice").to_string();
    let digest = StoredIntent::from_json(root.as_bytes()).unwrap().digest();
    folder.write("intents/root.json", root);
    let mut child = intent("int-2", "spiffe://a.example/x", "spiffe://a.example/boss");
    child["parent"] = json!({ "id": "int-1", "digest": digest.to_string() });
    folder.write("intents/child.json", child.to_string());
    folder.run(&["revoke", "--checkpoint"]).exits(0);
    folder.key("idp");
    folder
}

/// A call within the intent of [`recording`].
fn with(credential: &str) -> Request {
    let request = Request::new("files", "read").argument("path", "/w/a");
    request.credential(credential).intent(&json!("int-2"))
}

/// Revokes an item, or lifts its revocation.
fn revoke(folder: &Folder, kind: &str, id: &str, more: &[&str]) -> Ran {
    let flags = ["revoke", kind, id, "--reason", "leaked", "--by", "alice"];
    folder.run(&[&flags[..], more].concat())
}

/// Signs a security event of the type, and writes it to `NAME.jwt`.
fn sign_event(folder: &Folder, name: &str, jti: &str, kind: &str, subject: &Value) -> String {
    use jsonwebtoken::{Algorithm, EncodingKey, Header};
    let key = fs::read(folder.path().join("idp.pem")).unwrap();
    let mut header = Header::new(Algorithm::ES256);
    header.typ = Some("secevent+jwt".into());
    // `iat` may have a fraction.
    let seconds = Timestamp::now().as_millis() / 1000 - 1;
    let claims = json!({
        "iss": "https://idp.a.example", "aud": "https://gateway.a.example", "jti": jti,
        "iat": f64::from(u32::try_from(seconds).unwrap()) + 0.25, "sub_id": subject,
        "events": { format!("https://schemas.openid.net/secevent/{kind}"): {} },
    });
    let key = EncodingKey::from_ec_pem(&key).unwrap();
    let token = jsonwebtoken::encode(&header, &claims, &key).unwrap();
    folder.write(&format!("{name}.jwt"), &token);
    token
}

/// Signs the event that a session with a credential was revoked, and writes it to `JTI.jwt`.
fn session_revoked(folder: &Folder, jti: &str, credential: &str) -> String {
    let issuer = "https://idp.a.example";
    let subject = json!({ "format": "jwt_id", "iss": issuer, "jti": credential });
    sign_event(
        folder,
        jti,
        jti,
        "caep/event-type/session-revoked",
        &subject,
    )
}

#[test]
fn denies_revoked_credentials_only() {
    let folder = Folder::with_plugins();
    folder.configure(LIST);
    folder.run(&["check"]).is(str![[r#"
exit 3
-- stderr
portcullis.toml:4:8: error: revocations.jsonl: cannot read the revocation list: revocations.jsonl: No such file or directory (os error 2): make one with `portcullis revoke --checkpoint`
portcullis.toml:10:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
portcullis.toml:16:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
portcullis.toml:23:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
"#]]);
    folder.run(&["revoke", "--checkpoint"]).is(str![[r#"
exit 0
-- stdout
{"epoch":0,"at":"[TIME]"}
-- stderr
checkpoint in revocations.jsonl, epoch 0
"#]]);
    let read = Request::new("files", "read").argument("path", "/w/a");
    let evaluate = |credential: &str| folder.evaluate(&read.clone().credential(credential));
    evaluate("jti-1").exits(0);
    revoke(&folder, "credential", "jti-1", &[]).is(str![[r#"
exit 0
-- stdout
{"epoch":1,"at":"[TIME]","kind":"credential","id":"jti-1","reason":"leaked","by":"alice"}
-- stderr
revoked in revocations.jsonl, epoch 1
"#]]);
    evaluate("jti-1").is(str![[r#"
exit 2
-- stdout
DENY  files: read on files  [DURATION]
  cause     revoked
  to change `jti-1` was revoked by alice: leaked
"#]]);
    evaluate("jti-2").exits(0);
}

#[test]
fn refuses_an_incomplete_command() {
    let folder = Folder::new();
    let mut runs = Runs::default();
    for command in [
        "revoke",
        "revoke credential",
        "revoke credential jti-1",
        "revoke credential jti-1 --reason leaked",
        "revoke --checkpoint credential jti-1",
        "revoke credential jti-1 --reason leaked --by alice",
        // A revocation in a list that no host follows would be lost.
        "revoke credential jti-1 --reason leaked --by alice --list typo.jsonl",
    ] {
        let arguments: Vec<_> = command.split(' ').collect();
        runs.add(command, folder.run(&arguments));
    }
    let following = recording();
    let mut blank = vec!["revoke", "credential", "jti-1", "--unknown"];
    blank.extend(["--reason", "leaked", "--by", " "]);
    runs.add("revoke credential jti-1 --by ' '", following.run(&blank));
    runs.is(snapbox::file!["incomplete.txt"]);
    for list in ["revocations.jsonl", "typo.jsonl"] {
        assert!(!folder.path().join(list).exists(), "{list}");
    }
    folder.write("revocations.jsonl", "not a list\n");
    folder
        .run(&["revoke", "--checkpoint", "--list", "revocations.jsonl"])
        .is(str![[r#"
exit 3
-- stderr
error: revocations.jsonl: line 1 of the revocation list: it is not JSON (expected ident, at column 2): correct it, or restore the list from a copy
"#]]);
}

#[test]
fn lifts_a_revocation_with_another_line() {
    let folder = recording();
    revoke(&folder, "credential", "jti-1", &["--unknown"]).exits(0);
    folder.evaluate(&with("jti-1")).exits(2);
    revoke(&folder, "credential", "jti-1", &["--lift"]).is(str![[r#"
exit 0
-- stdout
{"epoch":2,"at":"[TIME]","lift":true,"kind":"credential","id":"jti-1","reason":"leaked","by":"alice"}
-- stderr
lifted in revocations.jsonl, epoch 2
"#]]);
    folder.evaluate(&with("jti-1")).exits(0);
    crate::common::each(["jti-1", "jti-2"], |id| {
        revoke(&folder, "credential", id, &["--lift"])
    })
    .is(str![[r#"
# jti-1
exit 5
-- stderr
error: revocations.jsonl: `jti-1` is not revoked, so there is nothing to lift

# jti-2
exit 5
-- stderr
error: revocations.jsonl: `jti-2` is not revoked, so there is nothing to lift
"#]]);
    // The list keeps both lines.
    assert_eq!(folder.read("revocations.jsonl").lines().count(), 3);
    drop(folder.host());
    folder
        .run(&["revoke", "verify", "--log", "decisions.jsonl"])
        .is(str![[r#"
exit 0
-- stdout
     1 credential jti-1, revoked by alice: leaked: lifted, epoch 2
-- stderr
[intents]: warning: intent `int-1`: `/allows/0`: the listed arguments may have any values, and no action that `read` matches is classified under `[integration.actions]`: add `constraints`
[intents]: warning: intent `int-2`: `/allows/0`: the listed arguments may have any values, and no action that `read` matches is classified under `[integration.actions]`: add `constraints`
"#]]);
}
