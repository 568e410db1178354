//! Reports of a gateway: refusals before a decision, and outcomes of calls.

use portcullis_contract::printable;

use portcullis_model::digest::Digest;
use portcullis_model::secret::{well_known_withheld, withheld};
use portcullis_model::trace;
use serde::{Deserialize, Serialize};

/// Maximum length of a reported text, in characters.
const LONGEST: usize = 1024;

/// A gateway's refusal before any decision.
///
/// See [`Pdp::record_refused`](crate::Pdp::record_refused). Nothing in it is verified. Text that looks
/// like a secret is removed, and texts are cut at 1,024 characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Refused {
    reason: RefusedFor,
    detail: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    integration: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    claimed_principal: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    peer: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    request_digest: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
}

/// Reason why a gateway refused a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusedFor {
    /// Authentication of the caller failed.
    Authentication,
    /// The request could not be read, or the gateway does not handle it.
    Request,
}

impl Refused {
    /// Reports a failed authentication; `detail` states the failure.
    pub fn authentication(detail: &str) -> Self {
        Self::new(RefusedFor::Authentication, detail)
    }

    /// Reports a request that the gateway cannot read or does not pass on.
    ///
    /// `detail` states the problem.
    pub fn request(detail: &str) -> Self {
        Self::new(RefusedFor::Request, detail)
    }

    fn new(reason: RefusedFor, detail: &str) -> Self {
        Self {
            reason,
            detail: bounded(&withheld(detail)),
            integration: None,
            claimed_principal: None,
            peer: None,
            request_digest: None,
            trace_id: None,
        }
    }

    /// Sets the integration of the request.
    #[must_use]
    pub fn integration(mut self, name: &str) -> Self {
        self.integration = Some(bounded(&well_known_withheld(name)));
        self
    }

    /// Sets the principal that the caller claimed to be.
    #[must_use]
    pub fn claimed_principal(mut self, id: &str) -> Self {
        self.claimed_principal = Some(bounded(&well_known_withheld(id)));
        self
    }

    /// Sets the address that the caller connected from.
    #[must_use]
    pub fn peer(mut self, peer: &str) -> Self {
        self.peer = Some(bounded(&well_known_withheld(peer)));
        self
    }

    /// Sets the request as received; only its digest is recorded.
    #[must_use]
    pub fn body(mut self, request: &[u8]) -> Self {
        self.request_digest = Some(Digest::of(request).to_string());
        self
    }

    /// Sets the `traceparent` of the request (W3C Trace Context). A malformed one is left out.
    #[must_use]
    pub fn traceparent(mut self, traceparent: &str) -> Self {
        self.trace_id = trace::id(traceparent).map(str::to_owned);
        self
    }

    /// Reason for the refusal.
    pub fn reason(&self) -> RefusedFor {
        self.reason
    }

    /// Description of the failure, for people.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The integration, if the gateway knew it.
    pub fn for_integration(&self) -> Option<&str> {
        self.integration.as_deref()
    }

    /// The claimed principal, if any.
    pub fn claimed(&self) -> Option<&str> {
        self.claimed_principal.as_deref()
    }

    /// Trace of the request, if the gateway stated one.
    pub fn trace_id(&self) -> Option<&str> {
        self.trace_id.as_deref()
    }
}

/// Outcome of a call that was decided.
///
/// See [`Pdp::record_outcome`](crate::Pdp::record_outcome).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CallOutcome {
    call: Call,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    obligation: Option<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    detail: String,
}

/// State of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Call {
    /// It was made, and succeeded.
    Made,
    /// It was made, or may have been, and failed.
    Failed,
    /// It was not made: the budget uses that it would have needed are returned.
    NotMade,
}

impl CallOutcome {
    /// The call was made, and succeeded.
    pub fn made() -> Self {
        Self::new(Call::Made, "")
    }

    /// The call was made, or may have been, and failed.
    pub fn failed(detail: &str) -> Self {
        Self::new(Call::Failed, detail)
    }

    /// The call was certainly not made.
    pub fn not_made(detail: &str) -> Self {
        Self::new(Call::NotMade, detail)
    }

    fn new(call: Call, detail: &str) -> Self {
        Self {
            call,
            obligation: None,
            detail: bounded(&withheld(detail)),
        }
    }

    /// Sets the kind of the obligation that could not be carried out.
    #[must_use]
    pub fn obligation(mut self, kind: &str) -> Self {
        self.obligation = Some(bounded(&well_known_withheld(kind)));
        self
    }

    /// State of the call: made, failed or not made.
    pub fn call(&self) -> Call {
        self.call
    }

    /// The obligation that could not be carried out, if one failed.
    pub fn failed_obligation(&self) -> Option<&str> {
        self.obligation.as_deref()
    }

    /// Description of the failure, for people.
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

fn bounded(text: &str) -> String {
    let text = printable(text);
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => text.get(..end).unwrap_or_default().to_owned(),
        None => text,
    }
}
