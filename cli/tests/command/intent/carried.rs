//! Intents that a request carries.

use super::{APPROVER, HELPER, LEAD, approved, claims, flags, folder, read, signed};
use crate::common::{Folder, Request};
use portcullis_host::{Cause, Digest};
use serde_json::{Value, json};
use snapbox::str;

#[test]
fn counts_an_exception_that_a_request_carries() {
    let folder = folder();
    let mut intent = claims("int-carried", super::now());
    intent["exception"] =
        json!({ "owner": "bob@acme.example", "waives": ["environment", "destination"] });
    let request = read(HELPER, "/w/a").carrying(&intent["id"], &[signed(&folder, &intent)]);
    let pdp = folder.host();
    for _ in 0..2 {
        assert!(request.decide(&pdp).is_permit());
    }
    drop(pdp);
    let report = ["posture", "report", "--log", "decisions.jsonl"];
    let report = folder.run(&[&report[..], &["--format", "json"]].concat());
    let report = report.exits(0).json();
    let exceptions = report.pointer("/inventory/exceptions").unwrap();
    assert_eq!(exceptions.as_array().unwrap().len(), 1, "{exceptions}");
    let exception = &exceptions[0];
    assert_eq!(exception["of"], "int-carried");
    assert_eq!(exception["owner"], "bob@acme.example");
    assert_eq!(exception["waives"], json!(["environment", "destination"]));
}

/// Returns an approved intent, the signed chain with a delegated one, and a request that carries both.
fn carried(folder: &Folder) -> (Value, [String; 2], Request) {
    let root = approved(folder, &flags(LEAD, APPROVER), "alice", "root");
    let delegated = ["narrow", "intents/root.jwt", "--to", HELPER, "--for", "10m"];
    let child = approved(folder, &delegated, "lead", "child");
    let documents = ["root", "child"].map(|name| {
        let token = folder.read(&format!("intents/{name}.jwt"));
        token.trim().to_owned()
    });
    let request = read(HELPER, "/w/a").carrying(&child["id"], &documents);
    (root, documents, request)
}

fn revoke(folder: &Folder, root: &Value) {
    let id = root["id"].as_str().unwrap();
    let revoked = ["revoke", "intent", id, "--reason", "over", "--by", "alice"];
    folder.run(&revoked).exits(0);
}

#[test]
fn records_carried_intents_as_digests() {
    let folder = folder();
    let (root, documents, request) = carried(&folder);
    let pdp = folder.host();
    assert!(request.decide(&pdp).is_permit());
    drop(pdp);

    let log = folder.read("decisions.jsonl");
    for document in &documents {
        let digest = Digest::of(document.as_bytes()).to_string();
        assert!(!log.contains(document) && log.contains(&digest), "{log}");
    }
    folder.run(&["replay", "decisions.jsonl"]).is(str![[r#"
exit 0
-- stderr
[intents]: warning: intent `int-[ID]`: `/allows/0`: the listed arguments may have any values, and no action that `read` matches is classified under `[integration.actions]`: add `constraints`
[intents]: warning: intent `int-[ID]`: `/allows/0`: the listed arguments may have any values, and no action that `read` matches is classified under `[integration.actions]`: add `constraints`
0 the same, 0 different, 0 that depend on the machine, 1 not decided again
"#]]);
    revoke(&folder, &root);
    let verify = ["revoke", "verify", "--log", "decisions.jsonl"];
    folder.run(&verify).is(str![[r#"
exit 0
-- stdout
     1 intent int-[ID], revoked by alice: over: 1 permit, which is now denied
-- stderr
[intents]: warning: intent `int-[ID]`: `/allows/0`: the listed arguments may have any values, and no action that `read` matches is classified under `[integration.actions]`: add `constraints`
[intents]: warning: intent `int-[ID]`: `/allows/0`: the listed arguments may have any values, and no action that `read` matches is classified under `[integration.actions]`: add `constraints`
"#]]);
}

#[test]
fn denies_a_carried_intent_whose_ancestor_is_revoked() {
    let folder = folder();
    let (root, _, request) = carried(&folder);
    let pdp = folder.host();
    let cause = || request.decide(&pdp).cause();
    assert_eq!([cause(), cause()], [Cause::Permitted; 2]);
    revoke(&folder, &root);
    pdp.revocations().unwrap().refresh();
    assert_eq!(cause(), Cause::Revoked);
}
