//! The [`Decision`], which is the answer of the host to one request.

mod access;
mod candidate;
mod consulted;
mod grant;
mod response;

use crate::integration::Mode;
pub use access::{AccessRequest, Approval, ApprovalArgument};
pub use candidate::{CandidateDecision, CandidateVerdict};
pub use consulted::Consulted;
pub use grant::Grant;
pub(crate) use grant::accept;
use portcullis_contract::printable;
use portcullis_model::cause::Cause;
use portcullis_model::inputs::Inputs;
use portcullis_model::json;
use portcullis_model::verdict::{Obligation, Reason};
use portcullis_trust::state::Use;
pub(crate) use response::Replayable;
use serde_json::Value;
use uuid::Uuid;

/// The host's answer to one request.
///
/// As JSON it is an AuthZEN 1.0 evaluation response (section 6.2): `decision`, and in `context` the
/// cause, what would have to change, reasons, obligations, advice, grant and the plugins consulted.
#[derive(Debug, Clone)]
#[must_use]
pub struct Decision {
    outcome: Outcome,
    mode: Mode,
    inputs: Inputs,
    /// Uses that the permit spends; empty for a deny.
    uses: Vec<Use>,
    access_request: Option<AccessRequest>,
    /// True if the plugins that deny say that an approved intent would change their answer.
    requestable: bool,
    /// Id of the decision; `None` in a dry run.
    id: Option<String>,
    cause: Cause,
    detail: String,
    reasons: Vec<Reason>,
    obligations: Vec<Obligation>,
    advice: Vec<Obligation>,
    plugins: Vec<Consulted>,
    candidate: Option<Box<CandidateDecision>>,
}

/// Permit or deny.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The request may go ahead, within the grant.
    Permit(Grant),
    /// The request may not go ahead.
    Deny,
}

impl Decision {
    /// Makes a deny without consulting plugins.
    ///
    /// A request, a plugin or a file controls parts of `detail`, so it is made printable here, for every
    /// caller that shows it.
    pub(crate) fn deny(cause: Cause, detail: impl AsRef<str>) -> Self {
        Self {
            outcome: Outcome::Deny,
            mode: Mode::Enforce,
            inputs: Inputs::default(),
            uses: Vec::new(),
            access_request: None,
            requestable: false,
            id: None,
            cause,
            detail: printable(detail.as_ref()),
            reasons: Vec::new(),
            obligations: Vec::new(),
            advice: Vec::new(),
            plugins: Vec::new(),
            candidate: None,
        }
    }

    /// Makes the deny for an unreadable request.
    pub fn invalid(error: &json::Error) -> Self {
        Self::deny(Cause::InvalidRequest, error.to_string())
    }

    /// Returns the decision with its inputs set.
    pub(crate) fn made_from(mut self, inputs: Inputs) -> Self {
        self.inputs = inputs;
        self
    }

    /// Inputs of the decision besides the request and the configuration.
    pub fn inputs(&self) -> &Inputs {
        &self.inputs
    }

    /// Returns the decision with `uses` to spend, if it is a permit.
    pub(crate) fn spending(mut self, uses: Vec<Use>) -> Self {
        if self.is_permit() {
            self.uses = uses;
        }
        self
    }

    pub(crate) fn uses(&self) -> &[Use] {
        &self.uses
    }

    /// True if an approved intent could change the decision.
    pub(crate) fn is_requestable(&self) -> bool {
        self.requestable || self.cause.an_intent_would_do()
    }

    /// Returns the deny with instructions for requesting approval.
    pub(crate) fn requestable(mut self, access_request: AccessRequest) -> Self {
        self.access_request = Some(access_request);
        self
    }

    /// Instructions for requesting approval, if an approver could permit the request.
    pub fn access_request(&self) -> Option<&AccessRequest> {
        self.access_request.as_ref()
    }

    /// Id of the decision: a UUID of version 7. `None` in a dry run.
    ///
    /// It is unique across hosts and sorts by time. The log, if there is one, records the decision under it.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Returns the decision with a new id.
    pub(crate) fn named(mut self) -> Self {
        self.id = Some(Uuid::now_v7().to_string());
        self
    }

    /// Returns the decision with the mode of its integration set.
    pub(crate) fn in_mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// Returns the deny with the consulted plugins and their reasons.
    pub(crate) fn with_plugins(mut self, plugins: Vec<Consulted>, reasons: Vec<Reason>) -> Self {
        self.plugins = plugins;
        self.reasons = reasons;
        self
    }

    /// Adds the decision that the candidates would have led to, for the record.
    pub(crate) fn with_candidate(mut self, candidate: CandidateDecision) -> Self {
        self.candidate = Some(Box::new(candidate));
        self
    }

    /// The decision that the candidates of the integration would have led to, if it has any and they were asked.
    ///
    /// They are asked after the plugins, so not if a check of the host denies first, and not in dry runs and replays. The
    /// log records it; it is no part of the decision's JSON.
    pub fn candidate(&self) -> Option<&CandidateDecision> {
        self.candidate.as_deref()
    }

    /// The decision as JSON, without the fields that differ on replay.
    ///
    /// Those are the durations and the id.
    pub fn replayable(&self) -> Value {
        serde_json::to_value(Replayable(self)).unwrap_or_default()
    }

    /// Permit or deny.
    pub fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    /// True if the request may go ahead.
    pub fn is_permit(&self) -> bool {
        matches!(self.outcome, Outcome::Permit(_))
    }

    /// True if the enforcement point must block the request.
    ///
    /// It must if the decision is a deny and the mode is [`Mode::Enforce`]. A deny in [`Mode::Observe`] does
    /// not block, and has no grant either.
    pub fn blocks(&self) -> bool {
        !self.is_permit() && self.mode == Mode::Enforce
    }

    /// Mode of the integration: enforced or only observed.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The grant, if the decision is a permit.
    pub fn grant(&self) -> Option<&Grant> {
        match &self.outcome {
            Outcome::Permit(grant) => Some(grant),
            Outcome::Deny => None,
        }
    }

    /// Cause of the decision.
    pub fn cause(&self) -> Cause {
        self.cause
    }

    /// Explanation of the cause: the finding, and the change needed.
    ///
    /// Empty for a permit. It is one printable line, whatever the request holds.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The plugins' reasons, in the order of the plugins.
    pub fn reasons(&self) -> &[Reason] {
        &self.reasons
    }

    /// Obligations that the enforcement point must carry out; if it cannot, it denies.
    pub fn obligations(&self) -> &[Obligation] {
        &self.obligations
    }

    /// Obligations that the enforcement point may carry out.
    pub fn advice(&self) -> &[Obligation] {
        &self.advice
    }

    /// The plugins that were consulted, in order.
    pub fn plugins(&self) -> &[Consulted] {
        &self.plugins
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_contract::printable;

    #[test]
    fn a_denial_is_one_printable_line() {
        let nasty = "a\u{1b}[2J\r\n\u{202e}\u{9b}";
        let denied = Decision::deny(Cause::InvalidRequest, format!("{nasty} is not a request"));
        assert_eq!(denied.detail(), printable(denied.detail()));
        assert!(denied.detail().ends_with("is not a request"));
    }
}
