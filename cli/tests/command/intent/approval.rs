//! Drafts, signatures, delegations and the end of an intent.

use super::{APPROVER, HELPER, KEYS, LEAD, approved, flags, folder, intent, read, sign};
use crate::common::{Request, Runs};
use serde_json::{Value, json};
use snapbox::str;

#[test]
fn an_intent_is_drafted_signed_delegated_and_closed() {
    let folder = folder();
    let draft = flags(LEAD, APPROVER);
    let draft = [&draft[..], &["--for", "1h", "--max-uses", "10"]].concat();
    let root = approved(&folder, &draft, "alice", "root");
    let narrow = ["narrow", "intents/root.jwt", "--to", HELPER];
    let delegated = [&narrow[..], &["--for", "10m", "--max-uses", "50"]].concat();
    let child = approved(&folder, &delegated, "lead", "child");
    assert_eq!(child["max-uses"], 10, "never more than the intent");
    assert_eq!(child["approved-by"]["who"], LEAD);

    let verify = ["verify", "intents", "--format", "json"];
    let shown = intent(&folder, &[&verify[..], &KEYS].concat());
    assert_eq!(
        shown.exits(0).json()["intents"][1]["chain"],
        json!([root["id"], child["id"]])
    );

    let config = folder.read("portcullis.toml");
    folder.replace("portcullis.toml", "[state]\npath = \"state.redb\"\n", "");
    folder.run(&["check"]).is(str![[r#"
exit 3
-- stderr
portcullis.toml: error: intent `int-[ID]` has `max-uses`, but there is no state to count its uses in: add `[state]`
portcullis.toml:22:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
portcullis.toml:28:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
portcullis.toml:35:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
[intents]: warning: intent `int-[ID]`: `/allows/0`: the listed arguments may have any values, and no action that `read` matches is classified under `[integration.actions]`: add `constraints`
[intents]: warning: intent `int-[ID]`: `/allows/0`: the listed arguments may have any values, and no action that `read` matches is classified under `[integration.actions]`: add `constraints`
"#]]);
    folder.write("portcullis.toml", config);
    let evaluate = |request: &Request| {
        let ran = folder.run_with(&["evaluate", "--format", "json"], &request.to_string());
        ran.json()["context"].clone()
    };
    let named = read(HELPER, "/w/a").intent(&child["id"]);
    let permitted = evaluate(&named);
    assert_eq!(permitted["grant"]["remaining-uses"], 1, "{permitted}");
    let other = named.clone().principal(LEAD);
    assert_eq!(evaluate(&other)["cause"], "intent-of-another");

    let explained = |request: &Request| {
        folder.write("request.json", request.to_string());
        let id = child["id"].as_str().unwrap();
        let explain = ["explain", id, "intents", "--request", "request.json"];
        intent(&folder, &[&explain[..], &KEYS].concat())
    };
    explained(&named).is(str![[r#"
exit 0
-- stdout
intent int-[ID] of spiffe://acme.example/agent/lead, approved by alice@acme.example: look it up
  yes is valid from [TIME] to [TIME]
    - may be used 10 times, including by intents delegated from it
  yes allows `files: read files` with the arguments `{"required":["/path"]}`
  delegated as int-[ID] of spiffe://acme.example/agent/helper, approved by spiffe://acme.example/agent/lead: look it up
    yes is valid from [TIME] to [TIME]
      - may be used 10 times, including by intents delegated from it
    yes allows `files: read files` with the arguments `{"required":["/path"]}`
the request is within it
"#]]);
    explained(&named.clone().set("/context/integration", "mails")).is(str![[r#"
exit 2
-- stdout
intent int-[ID] of spiffe://acme.example/agent/lead, approved by alice@acme.example: look it up
  yes is valid from [TIME] to [TIME]
    - may be used 10 times, including by intents delegated from it
   no allows `files: read files` with the arguments `{"required":["/path"]}`
     no the integration is mails
    yes the action is read
    yes the resource is files
    yes the arguments are those that are listed
  delegated as int-[ID] of spiffe://acme.example/agent/helper, approved by spiffe://acme.example/agent/lead: look it up
    yes is valid from [TIME] to [TIME]
      - may be used 10 times, including by intents delegated from it
     no allows `files: read files` with the arguments `{"required":["/path"]}`
       no the integration is mails
      yes the action is read
      yes the resource is files
      yes the arguments are those that are listed
the request is outside it
"#]]);

    // A part of the delegated access may be delegated further, but nothing beyond it.
    let narrowed = |resource: &str| {
        let allow = ["--allow", "files", "read", resource];
        intent(&folder, &[&narrow[..], &allow].concat())
    };
    narrowed("files").exits(0);
    narrowed("**").is(str![[r#"
exit 3
-- stderr
error: the narrowed intent is not narrower: it allows `files: read **`, but no allowance of its parent includes that
"#]]);
    intent(&folder, &["narrow", "intents/root.jwt", "--to", "helper"]).is(str![[r#"
exit 3
-- stderr
error: the narrowed intent is invalid: `/principal`: expected the SPIFFE ID of a workload, found `"helper"`
"#]]);

    let id = root["id"].as_str().unwrap();
    intent(&folder, &["close", id, "--by", LEAD]).is(str![[r#"
exit 0
-- stdout
{"epoch":1,"at":"[TIME]","kind":"intent","id":"int-[ID]","reason":"closed: its purpose is done","by":"spiffe://acme.example/agent/lead"}
-- stderr
revoked in revocations.jsonl, epoch 1
"#]]);
    // The ancestor of the intent is closed.
    assert_eq!(evaluate(&named)["cause"], "revoked");
}

#[test]
fn ignores_intents_without_a_valid_signature_of_an_approver() {
    let folder = folder();
    let draft = |approver: &str| {
        let draft = flags(HELPER, approver);
        intent(&folder, &[&draft[..], &["--output", "x.json"]].concat()).exits(0);
    };
    let mut runs = Runs::default();
    // The intent is not accepted, and the host starts without it.
    let mut refused = |case: &str, file: &str| {
        runs.add(case, folder.run(&["check"]));
        folder.remove(file);
    };
    draft(APPROVER);
    folder.write("intents/x.json", folder.read("x.json"));
    refused("no signature", "intents/x.json");
    sign(&folder, "x", "lead", "alice");
    refused("another key", "intents/x.jwt");
    draft("mallory@acme.example");
    sign(&folder, "x", "alice", "alice");
    refused("another approver", "intents/x.jwt");
    // A delegator cannot approve an intent without a parent.
    draft(LEAD);
    sign(&folder, "x", "lead", "lead");
    refused("a delegator as the approver", "intents/x.jwt");
    draft(APPROVER);
    sign(&folder, "x", "alice", "alice");
    let token = folder.read("intents/x.jwt");
    let [head, claims, signature] = token.trim().split('.').collect::<Vec<_>>()[..] else {
        panic!("{token}");
    };
    let (before, after) = claims.split_at(claims.len() / 2);
    folder.write(
        "intents/x.jwt",
        format!("{head}.{before}AAAA{after}.{signature}"),
    );
    refused("other claims", "intents/x.jwt");
    sign(&folder, "x", "alice", "alice");
    refused("valid", "intents/x.jwt");
    runs.is(snapbox::file!["ignored.txt"]);
}

#[test]
fn sign_and_key_refuse_wrong_files() {
    let folder = folder();
    let draft = super::claims("int-1", super::now());
    folder.write("draft.json", draft.to_string());
    let sign = |draft: &str, key: &str| intent(&folder, &["sign", draft, "--key", key]);
    sign("none.json", "alice.pem").is(str![[r#"
exit 1
-- stderr
error: cannot read none.json: No such file or directory (os error 2): check the path
"#]]);
    sign("draft.json", "alice.json").is(str![[r#"
exit 3
-- stderr
error: alice.json: the key is no private key in PEM to sign with (P-256, P-384, Ed25519 or RSA, PKCS #8): InvalidKeyFormat
"#]]);
    // A key is never overwritten.
    let private = ["key", "--private", "alice.pem"];
    intent(&folder, &[&private[..], &["--public", "new.json"]].concat()).is(str![[r#"
exit 1
-- stderr
error: cannot write alice.pem: it exists, and is not overwritten: name another file, or remove it
"#]]);
    assert!(!folder.path().join("new.json").exists());
}

#[test]
fn verify_reports_an_intent_that_exceeds_its_parent() {
    let folder = crate::common::Folder::new();
    let of = |id: &str, principal: &str, by: &str, action: &str| {
        json!({
            "id": id, "purpose": "p", "principal": principal,
            "approved-by": { "who": by, "at": "2026-11-22T09:00:00Z" },
            "issued-at": "2026-11-22T09:00:00Z", "expires-at": "2026-11-22T10:00:00Z",
            "allows": [{ "integration": "github", "action": action, "resource": "acme/*" }],
        })
    };
    let root = of("int-1", "spiffe://a.example/a", "alice", "issues.*");
    folder.write("intents/root.json", root.to_string());
    let verify = || -> Value {
        let ran = intent(&folder, &["verify", "intents", "--format", "json"]);
        ran.exits(0).json()
    };
    let digest = verify()["intents"][0]["digest"].clone();

    let mut child = of(
        "int-2",
        "spiffe://a.example/b",
        "spiffe://a.example/a",
        "issues.create",
    );
    child["parent"] = json!({ "id": "int-1", "digest": digest });
    folder.write("intents/child.json", child.to_string());
    assert_eq!(verify()["intents"][1]["chain"], json!(["int-1", "int-2"]));

    child["id"] = json!("int-3");
    child["allows"][0]["action"] = json!("*");
    folder.write("intents/wider.json", child.to_string());
    intent(&folder, &["verify", "intents"]).is(str![[r#"
exit 3
-- stdout
int-1 for spiffe://a.example/a, approved by alice until [TIME]
  sha256:[DIGEST]
  allows `github: issues.* acme/*`
  int-2 for spiffe://a.example/b, approved by spiffe://a.example/a until [TIME]
    sha256:[DIGEST]
    allows `github: issues.create acme/*`
-- stderr
warning: intent int-1: `/allows/0`: `arguments` is missing, so only actions classified as `read` are allowed: list them, as in `"arguments": {"required":[]}`
warning: intent int-2: `/allows/0`: `arguments` is missing, so only actions classified as `read` are allowed: list them, as in `"arguments": {"required":[]}`
error: intents/wider.json: intent `int-3` goes beyond its parent: it allows `github: * acme/*`, but no allowance of its parent includes that
"#]]);
    intent(&folder, &["verify", "none"]).is(str![[r#"
exit 1
-- stderr
error: cannot read none: No such file or directory (os error 2): check the path
"#]]);
}
