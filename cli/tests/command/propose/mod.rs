//! `portcullis propose`.

mod empty_folder;
mod neighbours;
mod outputs;

use crate::common::{Folder, Request};
use portcullis_host::log::LogOptions;
use portcullis_host::{Pdp, Timestamp};
use portcullis_tests::guests;
use serde_json::{Value, json};
use std::time::Duration;

/// Creates a folder with the reference plugins and nothing else.
fn with_reference_plugins() -> Folder {
    let folder = Folder::new();
    for name in guests::PLUGINS {
        folder.write(
            &format!("plugins/{name}.wasm"),
            guests::plugin(name).unwrap(),
        );
    }
    folder
}

/// Records requests as `portcullis serve --observe` does.
fn observe(folder: &Folder, requests: &[Request]) {
    let options = LogOptions::new(folder.path().join("observed.jsonl"));
    let pdp = Pdp::observing(options).unwrap();
    for request in requests {
        let decision = request.decide(&pdp);
        assert!(!decision.is_permit() && !decision.blocks(), "{request}");
    }
}

/// States a short-lived credential, so that a registry may be in force.
fn with_credential(request: Request) -> Request {
    let at = |seconds: u64| {
        Timestamp::now()
            .plus(Duration::from_secs(seconds))
            .to_string()
    };
    let issued = Timestamp::from_millis(Timestamp::now().as_millis() - 60_000);
    request
        .property("attestation", "jwt-svid")
        .property("credential-issued-at", issued.to_string())
        .property("credential-expires-at", at(600))
}

const RECONCILER: &str = "spiffe://acme.example/ns/payments/agent/reconciler";
const FIXER: &str = "spiffe://acme.example/ns/dev/agent/fixer";

/// An HTTP call of the reconciler.
fn call(method: &str, path: &str) -> Request {
    with_credential(
        Request::new("billing", method)
            .principal(RECONCILER)
            .resource(path)
            .set("/resource/type", "http-api"),
    )
}

/// A tool call of the fixer.
fn tool(name: &str, arguments: &Value) -> Request {
    with_credential(
        Request::new("files", name)
            .principal(FIXER)
            .arguments(arguments),
    )
}

/// Ten requests of two principals.
fn ten() -> Vec<Request> {
    let query = |limit: u32| json!({ "query": { "limit": limit }, "headers": { "Accept": "application/json" } });
    vec![
        call("GET", "/v1/customers/acme-1/invoices").arguments(&query(10)),
        call("GET", "/v1/customers/acme-2/invoices").arguments(&query(20)),
        call("GET", "/v1/customers/acme-3/invoices"),
        call("POST", "/v1/invoices").arguments(&json!({ "body": { "total": 7 } })),
        call("DELETE", "/v1/invoices/17"),
        tool("read_file", &json!({ "path": "/workspace/a.md" })),
        tool(
            "read_file",
            &json!({ "path": "/workspace/b.md", "head": 10 }),
        ),
        tool("read_file", &json!({ "path": "/workspace/src/c.rs" })),
        tool("search", &json!({ "text": "invoice" })),
        tool("search", &json!({ "text": "invoice" })),
    ]
}

const PROPOSE: [&str; 3] = ["propose", "--log", "observed.jsonl"];
