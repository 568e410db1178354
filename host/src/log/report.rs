//! What a gateway reports: what it refused before there was a decision, and what became of a call.

use crate::plugin::Digest;
use crate::trace;
use portcullis_contract::{printable, well_known_withheld, withheld};
use serde::{Deserialize, Serialize};

/// How many characters of a text are recorded that a gateway reports.
const LONGEST: usize = 1024;

/// What a gateway refused before there was a decision, see [`Pdp::record_refused`](crate::Pdp::record_refused).
///
/// Nothing in it is proved. Texts lose what looks like a secret and are cut at 1,024 characters.
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

/// Why a gateway refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusedFor {
    /// The caller did not prove who it is.
    Authentication,
    /// The request could not be read, or is none of the gateway's.
    Request,
}

impl Refused {
    /// A failed authentication, with what failed.
    pub fn authentication(detail: &str) -> Self {
        Self::new(RefusedFor::Authentication, detail)
    }

    /// A request that could not be read, or that the gateway does not pass on, with what is wrong.
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

    /// The integration that the request was for.
    #[must_use]
    pub fn integration(mut self, name: &str) -> Self {
        self.integration = Some(bounded(&well_known_withheld(name)));
        self
    }

    /// The principal that the caller claimed to be.
    #[must_use]
    pub fn claimed_principal(mut self, id: &str) -> Self {
        self.claimed_principal = Some(bounded(&well_known_withheld(id)));
        self
    }

    /// Where the caller connected from.
    #[must_use]
    pub fn peer(mut self, peer: &str) -> Self {
        self.peer = Some(bounded(&well_known_withheld(peer)));
        self
    }

    /// The request as it came, of which only the digest is recorded.
    #[must_use]
    pub fn body(mut self, request: &[u8]) -> Self {
        self.request_digest = Some(Digest::of(request).to_string());
        self
    }

    /// The `traceparent` of the request (W3C Trace Context). One that is malformed is left out.
    #[must_use]
    pub fn traceparent(mut self, traceparent: &str) -> Self {
        self.trace_id = trace::id(traceparent).map(str::to_owned);
        self
    }

    /// Why it was refused.
    pub fn reason(&self) -> RefusedFor {
        self.reason
    }

    /// What failed, for people.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The integration, if the gateway knew it.
    pub fn for_integration(&self) -> Option<&str> {
        self.integration.as_deref()
    }

    /// The principal that was claimed, if one was.
    pub fn claimed(&self) -> Option<&str> {
        self.claimed_principal.as_deref()
    }

    /// The trace that the request was part of, if the gateway said so.
    pub fn trace_id(&self) -> Option<&str> {
        self.trace_id.as_deref()
    }
}

/// What became of a call that was decided about, see [`Pdp::record_outcome`](crate::Pdp::record_outcome).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CallOutcome {
    call: Call,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    obligation: Option<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    detail: String,
}

/// Whether a call was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Call {
    /// It was made, and succeeded.
    Made,
    /// It was made, or may have been, and failed.
    Failed,
    /// It was not made: what it would have used up is given back.
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

    /// The kind of the obligation that could not be carried out.
    #[must_use]
    pub fn obligation(mut self, kind: &str) -> Self {
        self.obligation = Some(bounded(&well_known_withheld(kind)));
        self
    }

    /// Whether the call was made.
    pub fn call(&self) -> Call {
        self.call
    }

    /// The obligation that could not be carried out, if that is what failed.
    pub fn failed_obligation(&self) -> Option<&str> {
        self.obligation.as_deref()
    }

    /// What failed, for people.
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
