//! One line of the log.

use super::Mask;
use crate::decision::{Decision, Replayable};
use crate::evidence::Evidence;
use crate::intent::{StoredIntent, Waiver};
use crate::limits::RequestLimits;
use crate::plugin::Digest;
use crate::request::{Request, Written as AsEvaluation};
use crate::revocation::{ListMark, Revoked};
use crate::state::StateMark;
use crate::timestamp::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// How deeply a request may be nested by any configuration.
const MAX_DEPTH: usize = 100;

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Entry {
    /// Its number, from 1.
    pub sequence: u64,
    /// The hash of the line before it.
    pub previous: String,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// What a line records.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A request was decided.
    Decision(Box<Decided>),
    /// An intent came to count.
    Issuance(Issued),
    /// The log was continued after lines that lay behind its head: they had been recorded just before
    /// a crash, or somebody added them.
    #[serde(rename_all = "kebab-case")]
    Continuation {
        /// How many they were.
        behind_head: u64,
    },
    /// A revocation came to count; or, without one, a host began with so many.
    Revocation {
        /// How many revocations there are up to and with this one.
        epoch: u64,
        /// What is revoked.
        #[serde(default)]
        revoked: Option<Revoked>,
    },
    /// A revocation that was a mistake was lifted.
    Lift {
        /// How many revocations and lifts there are up to and with this one.
        epoch: u64,
        /// What is no longer revoked.
        lifted: Revoked,
    },
    /// An operator accepted a state or a revocation list that is not the one that was known.
    Accepted(Accepted),
}

/// What an operator accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Accepted {
    /// Who accepted it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// The state that counts from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<StateMark>,
    /// How far the list goes that counts from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<ListMark>,
}

/// A decision, as the log has it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Decided {
    /// What the evaluation is called, if it is one to refer to.
    #[serde(default)]
    pub evaluation_id: Option<String>,
    /// The digest of the request as it is written; of one that could not be read, of its bytes.
    pub request_digest: String,
    /// Whether something that a mask names was masked, so that it cannot be decided again.
    pub masked: bool,
    /// The request, as an AuthZEN evaluation.
    pub request: Value,
    /// What it was decided from, besides the request.
    pub evidence: Evidence,
    /// The decision, as an AuthZEN response, but for how long it took.
    pub decision: Value,
}

impl Decided {
    /// Whether it was a permit.
    pub fn is_permit(&self) -> bool {
        self.decision.get("decision") == Some(&Value::Bool(true))
    }

    /// The decision's cause, as text.
    pub fn cause(&self) -> Option<&str> {
        self.decision.pointer("/context/cause")?.as_str()
    }

    /// Whether a plugin gave no answer for a reason that lies in the machine and not in the request: it
    /// ran out of time, or there was no room for it. Decided again, it may be decided otherwise.
    pub fn depends_on_machine(&self) -> bool {
        let plugins = self.decision.pointer("/context/plugins");
        let plugins = plugins.and_then(Value::as_array).into_iter().flatten();
        // As the kinds of faults are written.
        plugins
            .filter_map(|plugin| plugin.get("fault")?.as_str())
            .any(|fault| matches!(fault, "deadline" | "overloaded" | "sandbox"))
    }

    /// The request, if it can be decided again: it could be read, nothing of it is masked, and it carried
    /// no signed intents.
    pub fn request(&self) -> Option<Request> {
        match self.request.pointer("/context/intent/documents") {
            Some(_) => None,
            None => self.request_in_clear(),
        }
    }

    /// The request, if it could be read and nothing of it is masked. Of signed intents that it carried it
    /// has the digests.
    pub fn request_in_clear(&self) -> Option<Request> {
        match self.masked {
            true => None,
            false => self.request_as_written(),
        }
    }

    /// The request as the log has it, with what was masked in it, and the digests of signed intents that
    /// it carried. Nothing if it could not be read.
    pub fn request_as_written(&self) -> Option<Request> {
        // It was within its limits in the form that it came in, which may have been a shorter one.
        let limits = RequestLimits {
            bytes: usize::MAX,
            depth: MAX_DEPTH,
        };
        Request::from_authzen(self.request.to_string().as_bytes(), &limits).ok()
    }
}

/// An intent that came to count.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Issued {
    /// Its id.
    pub intent: String,
    /// Its digest.
    pub digest: String,
    /// Who may act on it.
    pub principal: String,
    /// Who approved it.
    pub approved_by: String,
    /// From when it holds.
    pub issued_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// The intent that it was delegated from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// Who answers for it, if it is an exception.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exception_owner: Option<String>,
    /// What it waives, if it is an exception.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exception_waives: Vec<Waiver>,
}

impl Issued {
    pub(crate) fn of(intent: &StoredIntent) -> Self {
        Self {
            intent: intent.id.clone(),
            digest: intent.digest().to_string(),
            principal: intent.principal.clone(),
            approved_by: intent.approved_by.clone(),
            issued_at: intent.issued_at,
            expires_at: intent.expires_at,
            parent: intent.parent.as_ref().map(|(id, _)| id.clone()),
            exception_owner: intent.exception.as_ref().map(|it| it.owner.clone()),
            exception_waives: intent
                .exception
                .as_ref()
                .map_or_else(Vec::new, |it| it.waives.clone()),
        }
    }

    /// A line without its number and the hash of the line before it, which the writer adds.
    pub(super) fn body(&self, at: Timestamp) -> Vec<u8> {
        let body = with(json!(self), "at", json!(at));
        line(&with(body, "event", json!("issuance")))
    }
}

/// The line of a continuation, see [`Event::Continuation`].
pub(super) fn continuation_body(behind_head: u64, at: Timestamp) -> Vec<u8> {
    line(&json!({ "at": at, "event": "continuation", "behind-head": behind_head }))
}

/// The line of a revocation, see [`Event::Revocation`].
pub(super) fn revocation_body(epoch: u64, revoked: Option<&Revoked>, at: Timestamp) -> Vec<u8> {
    let body = json!({ "at": at, "event": "revocation", "epoch": epoch });
    line(&match revoked {
        None => body,
        Some(revoked) => with(body, "revoked", json!(revoked)),
    })
}

/// The line of a lift, see [`Event::Lift`].
pub(super) fn lift_body(epoch: u64, lifted: &Revoked, at: Timestamp) -> Vec<u8> {
    line(&json!({ "at": at, "event": "lift", "epoch": epoch, "lifted": lifted }))
}

impl Accepted {
    /// A line without its number and the hash of the line before it, which the writer adds.
    pub(super) fn body(&self, at: Timestamp) -> Vec<u8> {
        let body = with(json!(self), "at", json!(at));
        line(&with(body, "event", json!("accepted")))
    }
}

/// A request as it is written to the log.
pub(super) struct Written {
    request: String,
    digest: Digest,
    masked: bool,
}

impl Written {
    pub(super) fn new(request: &Request, mask: &Mask) -> Self {
        let carries = request
            .intent()
            .is_some_and(|intent| !intent.documents.is_empty());
        let (request, masked) = match carries || !mask.is_empty() {
            true => Self::withheld(request, mask),
            false => (text(&AsEvaluation::new(request)), false),
        };
        Self {
            // Of what is written: a digest of what is masked could be guessed at.
            digest: Digest::of(request.as_bytes()),
            request,
            masked,
        }
    }

    /// The request without what is masked, and whether anything was.
    fn withheld(request: &Request, mask: &Mask) -> (String, bool) {
        let mut written = request.to_authzen();
        let masked = mask.apply(&mut written);
        // A signed intent is a credential.
        let carried = written.pointer_mut("/context/intent/documents");
        for document in carried.and_then(Value::as_array_mut).into_iter().flatten() {
            let digest = document.as_str().map(|text| Digest::of(text.as_bytes()));
            *document = json!(digest.map(|digest| digest.to_string()));
        }
        (written.to_string(), masked)
    }

    /// What the evaluation of the request at that time is called.
    pub(super) fn evaluation_id(&self, at: Timestamp) -> String {
        let digest = Digest::of(format!("{} {at}", self.digest).as_bytes()).to_string();
        let hex = digest.strip_prefix("sha256:").unwrap_or(&digest);
        format!("eval-{}", hex.get(..32).unwrap_or(hex))
    }

    /// The line of a decision, without its number and the hash of the line before it. Written piece by
    /// piece, since every decision pays for it.
    pub(super) fn body(&self, decision: &Decision, at: Timestamp) -> Vec<u8> {
        let Self {
            request,
            digest,
            masked,
        } = self;
        let mut line = Vec::with_capacity(request.len() + USUAL_BYTES);
        let begin = format!(r#"{{"at":"{at}","event":"decision","request-digest":"{digest}""#);
        line.extend_from_slice(begin.as_bytes());
        if let Some(id) = decision.evaluation_id() {
            line.extend_from_slice(format!(r#","evaluation-id":"{id}""#).as_bytes());
        }
        line.extend_from_slice(match masked {
            false => br#","masked":false,"request":"#,
            true => br#","masked":true,"request":"#,
        });
        line.extend_from_slice(request.as_bytes());
        line.extend_from_slice(br#","evidence":"#);
        write(decision.evidence(), &mut line);
        line.extend_from_slice(br#","decision":"#);
        match masked {
            false => write(&Replayable(decision), &mut line),
            true => {
                let mut decided = decision.replayable();
                withhold(&mut decided);
                write(&decided, &mut line);
            }
        }
        line.push(b'}');
        line
    }
}

/// The request that the log gives again of the line that it writes of `request`.
#[cfg(test)]
pub(crate) fn recorded_request(request: &Request, decision: &Decision) -> Option<Request> {
    let written = Written::new(request, &Mask::default());
    let line = written.body(decision, Timestamp::from_millis(0));
    let mut line: Value = serde_json::from_slice(&line).ok()?;
    // The writer adds them.
    line["sequence"] = json!(1);
    line["previous"] = json!("");
    let entry: Entry = serde_json::from_str(&line.to_string()).ok()?;
    match entry.event {
        Event::Decision(decided) => decided.request(),
        _ => None,
    }
}

/// The line of a request that could not be read: only its digest is kept, and nothing of what was
/// found in it.
pub(super) fn unreadable_body(request: &[u8], decision: &Decision, at: Timestamp) -> Vec<u8> {
    let mut decided = decision.replayable();
    withhold(&mut decided);
    line(&json!({
        "at": at,
        "event": "decision",
        "decision": decided,
        "evidence": {},
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

/// What evidence and decision usually take, as JSON, in bytes.
const USUAL_BYTES: usize = 3 * 1024;

/// Writes a value as JSON. What cannot be written, which nothing here is, leaves the line readable.
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
    // JSON is UTF-8.
    String::from_utf8(text).unwrap_or_else(|_| "null".to_owned())
}

fn line(body: &Value) -> Vec<u8> {
    body.to_string().into_bytes()
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
    for (object, key) in [("grant", "constraints"), ("access_request", "approval")] {
        if let Some(members) = context.get_mut(object).and_then(Value::as_object_mut) {
            members.remove(key);
        }
    }
}
