//! One line of the log.

use super::{CallOutcome, Refused, compare};
use crate::decision::CandidateDecision;
use crate::quarantine::Quarantined;
use portcullis_model::inputs::Inputs;
use portcullis_model::limits::RequestLimits;
use portcullis_model::marks::ListMark;
use portcullis_model::marks::StateMark;
use portcullis_model::request::Request;
use portcullis_model::timestamp::Timestamp;
use portcullis_model::waiver::Waiver;
use portcullis_trust::intent::StoredIntent;
use portcullis_trust::revocation::Revoked;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Maximum nesting depth of a request in any configuration.
const MAX_DEPTH: usize = 100;

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Entry {
    /// Number of the line, from 1.
    pub sequence: u64,
    /// Hash of the previous line.
    pub previous: String,
    /// Time of the event.
    pub at: Timestamp,
    /// The recorded event.
    #[serde(flatten)]
    pub event: Event,
}

/// Event that a line records.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A request was decided.
    Decision(Box<Decided>),
    /// An intent came into force.
    Issuance(Issued),
    /// A gateway refused a request before there was a decision.
    Refused(Box<Recorded<Refused>>),
    /// Outcome of the call that a decision was about.
    Outcome(Box<Outcome>),
    /// The last line of a full file.
    Seal(Seal),
    /// The first line of every file except the first one.
    Opening(Opening),
    /// The log was continued after lines behind its head.
    ///
    /// These lines were recorded just before a crash, or were added by hand.
    #[serde(rename_all = "kebab-case")]
    Continuation {
        /// Number of these lines.
        behind_head: u64,
    },
    /// A revocation came into force; without one, a host started.
    Revocation {
        /// Number of revocations and lifts, up to and including this one.
        epoch: u64,
        /// The revocation; `None` for the start of a host.
        #[serde(default)]
        revoked: Option<Revoked>,
        /// Digest of the list up to that epoch, see [`ListMark::digest`].
        ///
        /// `None` in older logs, and for revocations that the host records late, at its start.
        #[serde(default)]
        digest: Option<String>,
    },
    /// A mistaken revocation was lifted.
    Lift {
        /// Number of revocations and lifts, up to and including this one.
        epoch: u64,
        /// The revocation that is lifted.
        lifted: Revoked,
        /// Digest of the list up to and including it, see [`ListMark::digest`]; `None` in older logs.
        #[serde(default)]
        digest: Option<String>,
    },
    /// An operator accepted a state or list that differs from its mark.
    Accepted(Accepted),
    /// A plugin faulted repeatedly, and is not called until a probe succeeds.
    Quarantine(Quarantined),
    /// A quarantine ended.
    Release(Released),
    /// Requests were denied at once as `overloaded`, each without a record of its own.
    Overload(Overloaded),
    /// A host that follows its configuration began with one, took another one up, or refused one.
    Configuration(Box<Configured>),
}

/// A configuration that a host read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Configured {
    /// Digest of the configuration: of its file, and of the plugins and their settings.
    pub digest: String,
    /// Digest of the configuration before; `None` at the start of a host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// Plugins of the configuration, by integration and name; none if it was refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub plugins: Vec<ConfiguredPlugin>,
    /// Problems for which it was refused; the configuration before then stays in force.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<String>,
}

/// A plugin of a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ConfiguredPlugin {
    /// Name of the integration.
    pub integration: String,
    /// Name of the plugin.
    pub name: String,
    /// Version of the plugin.
    pub version: String,
    /// Digest of its file.
    pub digest: String,
    /// Digest of its settings in canonical form.
    pub settings_digest: String,
}

/// The end of a plugin's quarantine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Released {
    /// Name of the integration.
    pub integration: String,
    /// Name of the plugin.
    pub plugin: String,
    /// True if an operator ended it, false if the plugin answered a probe.
    pub by_operator: bool,
}

/// Requests beyond a maximum of decisions in flight.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Overloaded {
    /// Name of the integration whose maximum was reached; `None` for that of the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub integration: Option<String>,
    /// Number of denied requests since the last such line.
    pub denied: u64,
    /// The maximum number of decisions in flight.
    pub max_in_flight: u32,
}

/// Acceptance of a state or a revocation list by an operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Accepted {
    /// Name of the operator.
    pub by: String,
    /// Reason stated by the operator.
    pub reason: String,
    /// Mark of the accepted state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<StateMark>,
    /// Mark of the accepted list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<ListMark>,
}

/// A report of a gateway, as recorded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Recorded<T> {
    /// Id of the line, see [`Decided::id`].
    pub id: String,
    /// The report.
    #[serde(flatten)]
    pub what: T,
}

/// Outcome of a call, as recorded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Outcome {
    /// Id of the decision.
    pub decision: String,
    /// The reported outcome.
    #[serde(flatten)]
    pub what: CallOutcome,
    /// Budgets whose use is returned, because the call was not made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gives_back: Vec<String>,
}

/// The end of a full file.
///
/// Its line holds the hash of the line before it, so the hash of the seal covers the whole file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Seal {
    /// Number of the file, from 1.
    pub file: u32,
    /// Number of its first line.
    pub first: u64,
    /// Number of its lines, this one included.
    pub lines: u64,
    /// Hash of the seal of the previous file.
    pub previous_seal: String,
    /// Name of the next file once that is sealed.
    pub next: String,
}

/// The beginning of a file that follows a sealed file.
///
/// Its line holds the hash of that file's seal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Opening {
    /// Number of the file.
    pub file: u32,
}

/// A decision, as recorded.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Decided {
    /// Id of the decision: a UUID of version 7, unique and sorted by time.
    pub id: String,
    /// Trace of the request (W3C Trace Context), if the gateway stated one.
    #[serde(default)]
    pub trace_id: Option<String>,
    /// Digest of the request as written; for an unreadable request, of its bytes.
    pub request_digest: String,
    /// True if a value was masked: the request cannot be decided again.
    pub masked: bool,
    /// The request, as an AuthZEN evaluation.
    pub request: Value,
    /// Inputs of the decision besides the request.
    #[serde(alias = "evidence")]
    pub inputs: Inputs,
    /// The decision, as an AuthZEN response without durations.
    pub decision: Value,
    /// The decision that the candidates of the integration would have led to, if they were asked.
    #[serde(default)]
    pub candidate: Option<CandidateDecision>,
}

impl Decided {
    /// True if the decision is a permit.
    pub fn is_permit(&self) -> bool {
        self.decision.get("decision") == Some(&Value::Bool(true))
    }

    /// Cause of the decision, as text.
    pub fn cause(&self) -> Option<&str> {
        self.decision.pointer("/context/cause")?.as_str()
    }

    /// True if a plugin faulted because of the machine or of earlier requests, not of this request.
    ///
    /// The plugin ran out of time, the host had no capacity for it, or it was quarantined. A replay may decide
    /// differently.
    pub fn depends_on_machine(&self) -> bool {
        compare::depends_on_machine(&self.decision)
    }

    /// The request, if it can be decided again.
    ///
    /// It can be if it was readable, nothing is masked, and it carried no signed intents.
    pub fn request(&self) -> Option<Request> {
        match self.carried_intents() {
            true => None,
            false => self.request_in_clear(),
        }
    }

    /// True if the request carried signed intents, of which only the digests are recorded.
    pub fn carried_intents(&self) -> bool {
        self.request.pointer("/context/intent/documents").is_some()
    }

    /// The request, if it was readable and nothing is masked.
    ///
    /// Signed intents that it carried are replaced by their digests.
    pub fn request_in_clear(&self) -> Option<Request> {
        match self.masked {
            true => None,
            false => self.request_as_written(),
        }
    }

    /// The request as recorded, with masked values; `None` if it was unreadable.
    ///
    /// Signed intents that it carried are replaced by their digests.
    pub fn request_as_written(&self) -> Option<Request> {
        // The size limit applied to the form received, which may have been shorter.
        let limits = RequestLimits {
            bytes: usize::MAX,
            depth: MAX_DEPTH,
        };
        Request::from_authzen(self.request.to_string().as_bytes(), &limits).ok()
    }
}

/// An intent that came into force.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Issued {
    /// Id of the intent.
    pub intent: String,
    /// Digest of the intent.
    pub digest: String,
    /// Principal that may act on it.
    pub principal: String,
    /// Approver of the intent.
    pub approved_by: String,
    /// Time from which it is valid.
    pub issued_at: Timestamp,
    /// Time at which it expires.
    pub expires_at: Timestamp,
    /// Intent that it was delegated from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// Owner who answers for it, if it is an exception.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exception_owner: Option<String>,
    /// Checks that it waives, if it is an exception.
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
