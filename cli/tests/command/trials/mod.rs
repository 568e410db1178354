//! Inputs from outsiders' reports that were wrongly permitted, through the command.
//!
//! Each is denied or refused, and its legitimate neighbour is still permitted. `docs/trials.md` lists them.

mod arguments;
mod integrations;
mod principals;
mod resources;

use crate::common::{Folder, Request, cache};
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
            r#"{}
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
"#,
            cache()
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

fn call(action: &str, resource: &str, arguments: Value) -> Request {
    Request::new("scm", action)
        .principal(FIXER)
        .set("/resource/type", "repository")
        .resource(resource)
        .arguments(&arguments)
        .intent(&json!("int-1"))
}

#[track_caller]
fn permits(folder: &Folder, request: &Request) {
    let ran = folder.evaluate(request);
    assert_eq!(ran.code, 0, "{request} {ran}");
}

/// Asserts that the request is denied, or refused as invalid.
#[track_caller]
fn denies(folder: &Folder, request: &Request) {
    let ran = folder.evaluate(request);
    assert!(matches!(ran.code, 2 | 3), "{request} {ran}");
    let shown = format!("{}{}", ran.out, ran.err);
    let hidden =
        |c: char| c.is_control() && c != '\n' || matches!(c, '\u{202a}'..='\u{202e}' | '\u{200b}');
    assert!(!shown.contains(hidden), "{shown:?}");
}

fn anything(resource: &str) -> Value {
    json!([{ "integration": "scm", "action": "**", "resource": resource, "arguments": "open" }])
}

/// Adds tables to the configuration of [`folder`].
fn configure(folder: &Folder, sections: &str) {
    let sections = format!("{sections}\n[intents]");
    folder.replace("portcullis.toml", "[intents]", &sections);
}
