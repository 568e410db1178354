//! The cost of one principal's flood for the others: the trials B6 and B7 of docs/trials.md.
//!
//! It uses the loads of these trials, and prints figures. The tests of the table's rows enforce limits.
//!
//! `cargo bench -p portcullis-benches --bench flood`; without `--bench`, as in `cargo test`, the loads are small.

use portcullis_benches::key::Key;
use portcullis_benches::scenery::Folder;
use portcullis_host::state::EmbeddedState;
use portcullis_host::{
    Cause, Integration, Intent, Intents, Pdp, PdpBuilder, Principal, Request, Resource, Signatures,
    Timestamp,
};
use portcullis_tests::{guests, memory};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const AGENT: &str = "spiffe://acme.example/a";
const LEAD: &str = "spiffe://acme.example/lead";

fn main() {
    let whole = std::env::args().any(|argument| argument == "--bench");
    credentials(if whole { 200_000 } else { 200 });
    let folder = Folder::new("flood");
    children(folder.path(), if whole { 2_000 } else { 20 });
}

fn pdp(build: impl FnOnce(PdpBuilder) -> PdpBuilder) -> Pdp {
    let plugin = guests::hostile(json!({ "behaviour": "permit" }), guests::patient());
    let builder = Pdp::builder().integration(Integration::new("x").plugin(plugin));
    build(builder).build().unwrap()
}

/// Evaluates a request of `principal` with a credential, and an intent with the documents that it carries.
fn ask(
    pdp: &Pdp,
    principal: &str,
    credential: &str,
    instance: &str,
    intent: Option<Intent>,
) -> Cause {
    let principal = Principal {
        id: principal.into(),
        credential_id: credential.into(),
        instance: instance.into(),
        credential_expires_at: Some(Timestamp::now().plus(Duration::from_secs(3600))),
        ..Principal::default()
    };
    let resource = Resource {
        id: "r".into(),
        ..Resource::default()
    };
    let mut request = Request::builder("x", principal, "a", resource);
    if let Some(intent) = intent {
        request = request.intent(intent);
    }
    pdp.evaluate(&request.build(pdp.request_limits()).unwrap())
        .cause()
}

/// B6: one principal presents many credentials.
///
/// Then another principal presents its first credential, and the same one from another instance.
fn credentials(count: usize) {
    let window = Duration::from_secs(600);
    let pdp = pdp(|builder| builder.state(Arc::new(EmbeddedState::in_memory(window))));
    // The initialisation in the first decision is not a part of the flood.
    ask(&pdp, "spiffe://acme.example/first", "jti", "pod-1", None);
    let (before, started) = (resident(), Instant::now());
    for number in 0..count {
        ask(&pdp, AGENT, &format!("jti-{number}"), "pod-1", None);
    }
    let took = started.elapsed();
    println!(
        "B6: {count} credentials of one principal: {:.1} s, resident memory {} to {} MB",
        took.as_secs_f64(),
        before,
        resident()
    );
    let other = "spiffe://acme.example/other";
    let [new, elsewhere] = ["pod-1", "pod-2"].map(|pod| ask(&pdp, other, "jti", pod, None));
    println!(
        "B6: another principal's new credential: {}; the same from elsewhere: {}",
        new.as_str(),
        elsewhere.as_str()
    );
}

/// B7: one delegate carries many signed children, each as large as a request may carry.
fn children(folder: &Path, count: usize) {
    let (alice, lead) = (Key::generate(), Key::generate());
    let [of_alice, of_lead] = ["alice.json", "lead.json"].map(|name| folder.join(name));
    alice.publish(&of_alice, "sig");
    lead.publish(&of_lead, "sig");
    let signatures = Signatures::default()
        .approver("alice@acme.example", &of_alice)
        .unwrap()
        .delegator(LEAD, &of_lead)
        .unwrap();
    let intents = Intents::signed(signatures);
    // Signed times are in whole seconds, and a child's times are within its parent's.
    let now = Timestamp::from_millis(Timestamp::now().as_millis() / 1000 * 1000);
    let parent = intents
        .insert(
            alice
                .sign(&intent("root", LEAD, "alice@acme.example", now))
                .as_bytes(),
        )
        .unwrap();
    let pdp = pdp(|builder| builder.intents(intents, []));
    let documents = (0..count).map(|number| {
        let mut child = intent(&format!("child-{number}"), AGENT, LEAD, now);
        let digest = parent.digest().to_string();
        child["parent"] = json!({ "id": "root", "digest": digest });
        // Short to write, but large in memory: a pattern is stored by its segments.
        let [action, resource] = [64, 250].map(|segments| vec!["b"; segments].join("/"));
        let denial = json!({ "integration": "x", "action": action, "resource": resource });
        child["denies"] = json!(vec![denial; 64]);
        lead.sign(&child)
    });
    let mut bytes = 0;
    let (before, started) = (resident(), Instant::now());
    let mut causes = Vec::new();
    for (number, document) in documents.enumerate() {
        bytes += document.len();
        let carried = Intent {
            id: format!("child-{number}"),
            documents: vec![document],
            ..Intent::default()
        };
        let cause = ask(
            &pdp,
            AGENT,
            &format!("jti-{number}"),
            "pod-1",
            Some(carried),
        );
        if !causes.contains(&cause.as_str()) {
            causes.push(cause.as_str());
        }
    }
    println!(
        "B7: {count} signed children of {} KB: {:.1} s, resident memory {} to {} MB, decided: {}",
        bytes / count / 1000,
        started.elapsed().as_secs_f64(),
        before,
        resident(),
        causes.join(", ")
    );
}

fn intent(id: &str, principal: &str, approver: &str, now: Timestamp) -> Value {
    json!({
        "id": id, "purpose": "p", "principal": principal,
        "approved-by": { "who": approver, "at": now },
        "issued-at": now, "expires-at": now.plus(Duration::from_secs(3600)),
        "allows": [{ "integration": "x", "action": "a", "resource": "r", "arguments": "open" }],
    })
}

/// Returns the resident memory in MB, or 0 if it is unknown.
fn resident() -> usize {
    memory::resident_kib().unwrap_or(0) / 1024
}
