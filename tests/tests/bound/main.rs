//! Sequences never go back.
//!
//! After a restart, the host rejects a revocation list or a state that is older than the log, the state or a
//! file beside it says, until an operator accepts it.

mod list;
mod state;

use portcullis_host::config::Checked;
use portcullis_host::revocation::{self, Revocable, Revoked};
use portcullis_host::{Cause, Intent, Pdp, Principal, Request, Resource, Timestamp};
use portcullis_tests::guests;
use std::fs;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

const AGENT: &str = "spiffe://acme.example/a";

const LOG: &str = "log = { path = \"decisions.jsonl\" }\n";
const STATE: &str = "state = { path = \"state.redb\" }\n";

/// Creates a folder with a configuration that permits everything, and with a list.
fn folder(sections: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    let component = guests::component("tests/guests/hostile").unwrap();
    fs::write(folder.path().join("hostile.wasm"), component).unwrap();
    let config = format!(
        r#"
limits = {{ deadline = "5s" }}
cache = {{ path = "cache" }}
revocation = {{ path = "revocations.jsonl", max-staleness = "1h" }}
{sections}
[[integration]]
name = "x"
[[integration.plugin]]
component = "hostile.wasm"
settings = {{ behaviour = "permit" }}
"#
    );
    fs::write(folder.path().join("portcullis.toml"), config).unwrap();
    let list = folder.path().join("revocations.jsonl");
    revocation::append(&list, None, Timestamp::now()).unwrap();
    folder
}

fn start(folder: &Path) -> Pdp {
    Pdp::from_file(folder.join("portcullis.toml")).unwrap()
}

fn ask(pdp: &Pdp, credential: &str, intent: Option<&str>) -> Cause {
    let principal = Principal {
        id: AGENT.into(),
        credential_id: credential.into(),
        credential_expires_at: Some(Timestamp::now().plus(Duration::from_secs(600))),
        ..Principal::default()
    };
    let resource = Resource {
        id: "r".into(),
        ..Resource::default()
    };
    let mut request = Request::builder("x", principal, "a", resource);
    if let Some(intent) = intent {
        request = request.intent(Intent {
            id: intent.into(),
            ..Intent::default()
        });
    }
    let request = request.build(pdp.request_limits()).unwrap();
    pdp.evaluate(&request).cause()
}

/// True if `check` reports a problem with that text.
fn says(checked: &Checked, text: &str) -> bool {
    let mut problems = checked.problems.iter();
    problems.any(|problem| problem.message.contains(text))
}

fn revoke(folder: &Path, id: &str) {
    let revoked = Revoked {
        kind: Revocable::Credential,
        id: id.into(),
        reason: "it leaked".into(),
        by: "alice@acme.example".into(),
    };
    let list = folder.join("revocations.jsonl");
    revocation::append(&list, Some(revoked), Timestamp::now()).unwrap();
}

fn checkpoint(folder: &Path) {
    let list = folder.join("revocations.jsonl");
    revocation::append(&list, None, Timestamp::now()).unwrap();
}

/// Returns a function that restores the files as they are now.
fn copies(folder: &Path, names: &[&str]) -> impl Fn() + use<> {
    let copied: Vec<_> = names
        .iter()
        .map(|name| (folder.join(name), fs::read(folder.join(name)).unwrap()))
        .collect();
    move || {
        for (file, bytes) in &copied {
            fs::write(file, bytes).unwrap();
        }
    }
}

const LIST: &str = "revocations.jsonl";
const LOG_MARKS: &str = "decisions.jsonl.marks";
