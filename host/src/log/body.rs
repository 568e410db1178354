//! Bodies of the lines that a host writes.
//!
//! `latest.rs` adds the version, the number and the hash of the previous line when it appends one.

#[cfg(feature = "embedded-state")]
use super::entry::Accepted;
use super::entry::{Configured, Issued, Opening, Outcome, Overloaded, Recorded, Released, Seal};
use super::{Mask, Refused};
use crate::decision::{Decision, Replayable};
use crate::quarantine::Quarantined;
use portcullis_contract::escaped;
use portcullis_model::digest::Digest;
use portcullis_model::request::{Request, Written as AsEvaluation};
use portcullis_model::timestamp::Timestamp;
use portcullis_model::trace;
use portcullis_trust::revocation::Revoked;
use serde::Serialize;
use serde_json::{Value, json};

/// Body of the line for an event.
fn event(name: &str, what: &impl Serialize, at: Timestamp) -> Vec<u8> {
    let body = with(json!(what), "at", json!(at));
    line(&with(body, "event", json!(name)))
}

pub(super) fn issuance(issued: &Issued, at: Timestamp) -> Vec<u8> {
    event("issuance", issued, at)
}

pub(super) fn seal(seal: &Seal, at: Timestamp) -> Vec<u8> {
    event("seal", seal, at)
}

pub(super) fn opening(opening: &Opening, at: Timestamp) -> Vec<u8> {
    event("opening", opening, at)
}

pub(super) fn refused(refused: &Recorded<Refused>, at: Timestamp) -> Vec<u8> {
    event("refused", refused, at)
}

pub(super) fn outcome(outcome: &Outcome, at: Timestamp) -> Vec<u8> {
    event("outcome", outcome, at)
}

pub(super) fn quarantine(quarantined: &Quarantined, at: Timestamp) -> Vec<u8> {
    event("quarantine", quarantined, at)
}

pub(super) fn release(released: &Released, at: Timestamp) -> Vec<u8> {
    event("release", released, at)
}

pub(super) fn configuration(configured: &Configured, at: Timestamp) -> Vec<u8> {
    event("configuration", configured, at)
}

pub(super) fn overload(overloaded: &Overloaded, at: Timestamp) -> Vec<u8> {
    event("overload", overloaded, at)
}

/// Body of a continuation, see [`Event::Continuation`](super::Event::Continuation).
pub(super) fn continuation(behind_head: u64, at: Timestamp) -> Vec<u8> {
    line(&json!({ "at": at, "event": "continuation", "behind-head": behind_head }))
}

/// Body of a revocation, see [`Event::Revocation`](super::Event::Revocation).
pub(super) fn revocation(
    epoch: u64,
    revoked: Option<&Revoked>,
    digest: Option<&str>,
    at: Timestamp,
) -> Vec<u8> {
    let body = json!({ "at": at, "event": "revocation", "epoch": epoch });
    let body = match revoked {
        None => body,
        Some(revoked) => with(body, "revoked", json!(revoked)),
    };
    line(&with_digest(body, digest))
}

fn with_digest(body: Value, digest: Option<&str>) -> Value {
    match digest {
        None => body,
        Some(digest) => with(body, "digest", json!(digest)),
    }
}

/// Body of a lift, see [`Event::Lift`](super::Event::Lift).
pub(super) fn lift(epoch: u64, lifted: &Revoked, digest: Option<&str>, at: Timestamp) -> Vec<u8> {
    let body = json!({ "at": at, "event": "lift", "epoch": epoch, "lifted": lifted });
    line(&with_digest(body, digest))
}

/// Body of an acceptance by an operator.
#[cfg(feature = "embedded-state")]
pub(super) fn accepted(accepted: &Accepted, at: Timestamp) -> Vec<u8> {
    event("accepted", accepted, at)
}

/// A request in the form written to the log.
pub(super) struct Written {
    request: String,
    digest: Digest,
    masked: bool,
    trace_id: Option<String>,
}

impl Written {
    pub(super) fn new(request: &Request, mask: &Mask) -> Self {
        let carries = request
            .intent()
            .is_some_and(|intent| !intent.documents.is_empty());
        let (written, masked, trace_id) = match carries || mask.may_apply(request) {
            true => Self::withheld(request, mask),
            false => {
                let trace_id = request.trace_id().map(str::to_owned);
                (text(&AsEvaluation::new(request)), false, trace_id)
            }
        };
        Self {
            // Digest of the written form: masked values could be guessed from a digest of the original.
            digest: Digest::of(written.as_bytes()),
            request: written,
            masked,
            trace_id,
        }
    }

    /// The request without masked values, whether any was masked, and its trace.
    fn withheld(request: &Request, mask: &Mask) -> (String, bool, Option<String>) {
        let mut written = request.to_authzen();
        let masked = mask.apply(&mut written);
        // A signed intent is a credential: only its digest is written.
        let carried = written.pointer_mut("/context/intent/documents");
        for document in carried.and_then(Value::as_array_mut).into_iter().flatten() {
            let digest = document.as_str().map(|text| Digest::of(text.as_bytes()));
            *document = json!(digest.map(|digest| digest.to_string()));
        }
        let context = written.get("context");
        let traceparent = context.and_then(|context| context.get(trace::TRACEPARENT)?.as_str());
        let trace_id = traceparent.and_then(trace::id).map(str::to_owned);
        (written.to_string(), masked, trace_id)
    }

    /// Body of the line of a decision.
    ///
    /// It is written piece by piece, because it is on the hot path.
    pub(super) fn body(&self, decision: &Decision, at: Timestamp) -> Vec<u8> {
        let Self {
            request,
            digest,
            masked,
            trace_id,
        } = self;
        let mut line = Vec::with_capacity(request.len() + USUAL_BYTES);
        let begin = format!(r#"{{"at":"{at}","event":"decision","request-digest":"{digest}""#);
        line.extend_from_slice(begin.as_bytes());
        if let Some(id) = decision.id() {
            line.extend_from_slice(format!(r#","id":"{id}""#).as_bytes());
        }
        if let Some(trace_id) = trace_id {
            line.extend_from_slice(format!(r#","trace-id":"{trace_id}""#).as_bytes());
        }
        line.extend_from_slice(match masked {
            false => br#","masked":false,"request":"#,
            true => br#","masked":true,"request":"#,
        });
        line.extend_from_slice(request.as_bytes());
        line.extend_from_slice(br#","inputs":"#);
        write(decision.inputs(), &mut line);
        line.extend_from_slice(br#","decision":"#);
        match masked {
            false => write(&Replayable(decision), &mut line),
            true => {
                let mut decided = decision.replayable();
                withhold(&mut decided);
                write(&decided, &mut line);
            }
        }
        if let Some(candidate) = decision.candidate() {
            line.extend_from_slice(br#","candidate":"#);
            write(candidate, &mut line);
        }
        line.push(b'}');
        shown(line)
    }
}

/// Body of the line of an unreadable request: its digest, not its contents.
pub(super) fn unreadable(request: &[u8], decision: &Decision, at: Timestamp) -> Vec<u8> {
    let mut decided = decision.replayable();
    withhold(&mut decided);
    line(&json!({
        "at": at,
        "event": "decision",
        "id": decision.id(),
        "decision": decided,
        "inputs": {},
        "masked": true,
        "request": Value::Null,
        "request-digest": Digest::of(request),
    }))
}

fn with(mut body: Value, key: &str, value: Value) -> Value {
    if let Some(members) = body.as_object_mut() {
        members.insert(key.to_owned(), value);
    }
    body
}

/// Usual size of inputs and decision as JSON, in bytes.
const USUAL_BYTES: usize = 3 * 1024;

/// Writes a value as JSON.
///
/// If that failed, which it does not here, `null` would keep the line readable.
fn write(value: &impl Serialize, line: &mut Vec<u8>) {
    let begin = line.len();
    if serde_json::to_writer(&mut *line, value).is_err() {
        line.truncate(begin);
        line.extend_from_slice(b"null");
    }
}

fn text(value: &impl Serialize) -> String {
    let mut text = Vec::with_capacity(USUAL_BYTES);
    write(value, &mut text);
    // Does not fail: JSON is UTF-8.
    String::from_utf8(text).unwrap_or_else(|_| "null".to_owned())
}

fn line(body: &Value) -> Vec<u8> {
    shown(body.to_string().into_bytes())
}

/// Escapes characters that could control a terminal or reorder a line.
fn shown(line: Vec<u8>) -> Vec<u8> {
    if line.is_ascii() && !line.contains(&0x7f) {
        return line;
    }
    let changed = std::str::from_utf8(&line).map(escaped);
    changed.map_or(line, String::into_bytes)
}

/// Removes the parts of a decision that may repeat arguments.
///
/// Those are messages, fields of reasons, constraints, properties and approvals.
fn withhold(decision: &mut Value) {
    let Some(context) = decision.get_mut("context").and_then(Value::as_object_mut) else {
        return;
    };
    context.remove("detail");
    for (list, key) in [
        ("reasons", "message"),
        ("reasons", "fields"),
        ("obligations", "properties"),
        ("advice", "properties"),
        ("plugins", "fault-detail"),
    ] {
        let items = context.get_mut(list).and_then(Value::as_array_mut);
        for item in items.into_iter().flatten().filter_map(Value::as_object_mut) {
            item.remove(key);
        }
    }
    for (object, key) in [("grant", "constraints"), ("access_request", "approval")] {
        if let Some(members) = context.get_mut(object).and_then(Value::as_object_mut) {
            members.remove(key);
        }
    }
}
