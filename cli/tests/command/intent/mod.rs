//! `portcullis intent`: an approval, from its draft to its end.

mod approval;
mod carried;
mod denial;
mod explain;
mod import;
mod narrow;

use crate::common::{Folder, Ran, Request};
use portcullis_host::Timestamp;
use serde_json::{Value, json};
use std::fs;

const LEAD: &str = "spiffe://acme.example/agent/lead";
const HELPER: &str = "spiffe://acme.example/agent/helper";
const APPROVER: &str = "alice@acme.example";
/// The flags for keys that `intent verify` and `explain` trust.
const KEYS: [&str; 2] = [
    "--approver=alice@acme.example=alice.json",
    "--delegator=spiffe://acme.example/agent/lead=lead.json",
];

/// Generates a key pair with the id `name`.
fn key(folder: &Folder, name: &str) {
    let (private, public) = (format!("{name}.pem"), format!("{name}.json"));
    let key = ["intent", "key", "--key-id", name, "--private", &private];
    let ran = folder.run(&[&key[..], &["--public", &public]].concat());
    ran.exits(0);
}

/// Creates a folder whose configuration accepts only intents that alice signs or the lead delegates.
fn folder() -> Folder {
    let folder = Folder::with_plugins();
    key(&folder, "alice");
    key(&folder, "lead");
    let sections = r#"
[revocation]
path = "revocations.jsonl"
max-staleness = "1h"

[intents]
path = "intents"
required-for = ["agent"]
approvers = { "alice@acme.example" = "alice.json" }
delegators = { "spiffe://acme.example/agent/lead" = "lead.json" }
access-requests = { endpoint = "https://approvals.acme.example/requests", template = "intent" }

[state]
path = "state.redb"

[log]
path = "decisions.jsonl"
"#;
    folder.configure(sections);
    fs::create_dir(folder.path().join("intents")).unwrap();
    folder.run(&["revoke", "--checkpoint"]).exits(0);
    folder
}

/// A call of the tool `read`.
fn read(principal: &str, path: &str) -> Request {
    let request = Request::new("files", "read").argument("path", path);
    request.principal(principal)
}

/// Flags of a draft for files, whose only argument is `path`.
fn flags<'a>(principal: &'a str, approver: &'a str) -> Vec<&'a str> {
    let mut flags = vec!["draft", "--principal", principal, "--purpose", "look it up"];
    flags.extend(["--allow", "files", "read", "files"]);
    flags.extend(["--required-argument", "/path", "--approver", approver]);
    flags
}

fn intent(folder: &Folder, flags: &[&str]) -> Ran {
    folder.run(&[&["intent"], flags].concat())
}

/// Signs the intent in `NAME.json` into the folder of intents, as `NAME.jwt`.
fn sign(folder: &Folder, name: &str, key: &str, key_id: &str) {
    let (draft, signed) = (format!("{name}.json"), format!("intents/{name}.jwt"));
    let private = format!("{key}.pem");
    let sign = ["sign", &draft, "--key", &private, "--key-id", key_id];
    intent(folder, &[&sign[..], &["--output", &signed]].concat()).exits(0);
}

/// Drafts an intent as `NAME.json`, and signs it into the folder of intents.
fn approved(folder: &Folder, flags: &[&str], key: &str, name: &str) -> Value {
    let output = format!("{name}.json");
    intent(folder, &[flags, &["--output", &output]].concat()).exits(0);
    sign(folder, name, key, key);
    serde_json::from_str(&folder.read(&output)).unwrap()
}

/// Returns the time in whole seconds, as tokens state it.
fn now() -> Timestamp {
    Timestamp::from_millis(Timestamp::now().as_millis() / 1000 * 1000)
}

/// Returns the claims of an intent that is valid for an hour, for one call of the tool `read`.
fn claims(id: &str, approved_at: Timestamp) -> Value {
    let now = now();
    json!({
        "id": id, "purpose": "p", "principal": HELPER,
        "approved-by": { "who": APPROVER, "at": approved_at },
        "issued-at": now, "expires-at": now.plus(std::time::Duration::from_secs(3600)),
        "allows": [{
            "integration": "files", "action": "read", "resource": "files",
            "arguments": { "required": ["/path"] },
        }],
    })
}

/// Signs an intent with the key of alice.
fn signed(folder: &Folder, intent: &Value) -> String {
    let key = fs::read(folder.path().join("alice.pem")).unwrap();
    portcullis_host::sign(intent.to_string().as_bytes(), &key, Some("alice"), None).unwrap()
}
