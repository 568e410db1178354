//! One line of the log.

use super::Mask;
use crate::decision::Decision;
use crate::plugin::Digest;
use crate::request::Request;
use crate::timestamp::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

/// One decision, as the log has it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Entry {
    /// Its number, from 1.
    pub sequence: u64,
    /// The hash of the line before it.
    pub previous: String,
    /// When it was decided.
    pub at: Timestamp,
    /// The epoch of the revocation list.
    pub epoch: u64,
    /// The digest of the request as it is written; of one that could not be read, of its bytes.
    pub request_digest: String,
    /// Whether something of the request was masked, so that it cannot be decided again.
    pub masked: bool,
    /// The request, as an AuthZEN evaluation.
    pub request: Value,
    /// The decision, as an AuthZEN response, but for how long it took.
    pub decision: Value,
}

impl Entry {
    /// As [`Entry::body`], of a request that could not be read: only its digest is kept, and nothing
    /// of what was found in it.
    pub(super) fn unreadable(request: &[u8], decision: &Decision, at: Timestamp) -> Vec<u8> {
        let mut decided = decision.replayable();
        withhold(&mut decided);
        json!({
            "at": at,
            "decision": decided,
            "epoch": 0,
            "masked": true,
            "request": Value::Null,
            "request-digest": Digest::of(request),
        })
        .to_string()
        .into_bytes()
    }

    /// A line without its number and the hash of the line before it, which the writer adds.
    pub(super) fn body(
        request: &Request,
        decision: &Decision,
        at: Timestamp,
        mask: &Mask,
    ) -> Vec<u8> {
        let mut written = request.to_authzen();
        let masked = written
            .pointer_mut("/action/properties")
            .is_some_and(|arguments| mask.apply(arguments));
        let mut decided = decision.replayable();
        if masked {
            withhold(&mut decided);
        }
        // Of what is written: a digest of what is masked could be guessed at.
        let digest = Digest::of(written.to_string().as_bytes());
        json!({
            "at": at,
            "decision": decided,
            "epoch": decision.epoch(),
            "masked": masked,
            "request": written,
            "request-digest": digest,
        })
        .to_string()
        .into_bytes()
    }
}

/// Takes out of a decision what may repeat arguments: messages, constraints and properties.
fn withhold(decision: &mut Value) {
    let Some(context) = decision.get_mut("context").and_then(Value::as_object_mut) else {
        return;
    };
    context.remove("detail");
    for (list, key) in [
        ("reasons", "message"),
        ("reasons", "evidence"),
        ("obligations", "properties"),
        ("advice", "properties"),
        ("plugins", "fault-detail"),
    ] {
        let items = context.get_mut(list).and_then(Value::as_array_mut);
        for item in items.into_iter().flatten().filter_map(Value::as_object_mut) {
            item.remove(key);
        }
    }
    if let Some(grant) = context.get_mut("grant").and_then(Value::as_object_mut) {
        grant.remove("constraints");
    }
}
