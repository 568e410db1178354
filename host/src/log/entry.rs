//! One line of the log.

use super::{CallOutcome, Refused};
use crate::evidence::Evidence;
use crate::intent::{StoredIntent, Waiver};
use crate::limits::RequestLimits;
use crate::request::Request;
use crate::revocation::{ListMark, Revoked};
use crate::state::StateMark;
use crate::timestamp::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

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
    /// A gateway refused something before there was a decision.
    Refused(Box<Recorded<Refused>>),
    /// What became of the call that was decided about.
    Outcome(Box<Outcome>),
    /// The last line of a full file.
    Seal(Seal),
    /// The first line of every file but the first.
    Opening(Opening),
    /// The log was continued after lines that lay behind its head: they had been recorded just before
    /// a crash, or were added by hand.
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
        /// The digest of the list up to and with the last of them, see [`ListMark::digest`]; older logs have none.
        #[serde(default)]
        digest: Option<String>,
    },
    /// A revocation that was a mistake was lifted.
    Lift {
        /// How many revocations and lifts there are up to and with this one.
        epoch: u64,
        /// What is no longer revoked.
        lifted: Revoked,
        /// The digest of the list up to and with it, see [`ListMark::digest`]; older logs have none.
        #[serde(default)]
        digest: Option<String>,
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

/// What a gateway reported, as the log has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Recorded<T> {
    /// What the line is called elsewhere, see [`Decided::id`].
    pub id: String,
    /// What was reported.
    #[serde(flatten)]
    pub what: T,
}

/// What became of a call, as the log has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Outcome {
    /// The id of the decision.
    pub decision: String,
    /// What became of it.
    #[serde(flatten)]
    pub what: CallOutcome,
    /// The budgets whose use is given back, because the call was not made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gives_back: Vec<String>,
}

/// The end of a full file. Its own line names the hash of the line before it, so that it stands for all of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Seal {
    /// The number of the file, from 1.
    pub file: u32,
    /// The number of its first line.
    pub first: u64,
    /// How many lines it has, with this one.
    pub lines: u64,
    /// The hash of the seal of the file before it.
    pub previous_seal: String,
    /// What the next file is called once it is sealed.
    pub next: String,
}

/// The beginning of a file that follows a sealed one, whose seal its own line names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Opening {
    /// The number of the file.
    pub file: u32,
}

/// A decision, as the log has it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Decided {
    /// What the decision is called: a UUID of version 7, which no other has, and which sorts by time.
    pub id: String,
    /// The trace that the request was part of (W3C Trace Context), if its gateway said so.
    #[serde(default)]
    pub trace_id: Option<String>,
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
}
