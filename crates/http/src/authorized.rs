//! The decision of a call, for the code that makes it.

use crate::Problem;
use axum_core::extract::FromRequestParts;
use axum_core::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;
use portcullis_host::log::CallOutcome;
use portcullis_host::{CauseKind, Decision, Grant, OutcomeError, Pdp, Principal, Request};
use std::sync::Arc;

/// A decision and the request that it is about. Clone is cheap.
#[derive(Debug, Clone)]
pub struct Decided(Arc<Parties>);

#[derive(Debug)]
struct Parties {
    pdp: Pdp,
    request: Request,
    decision: Decision,
}

/// The decision by which a call goes ahead.
///
/// Only a [`Gate`](crate::Gate) makes it. [`PortcullisLayer`](crate::PortcullisLayer) inserts it into the extensions of
/// the request, and handlers of axum extract it. Without the layer, extraction refuses the request with status 500.
#[derive(Debug, Clone)]
pub struct Authorized(Decided);

/// Rejection of a request that no layer decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the request was not decided: add `PortcullisLayer` around this handler")]
pub struct NotAuthorized;

impl Decided {
    pub(crate) fn new(pdp: Pdp, request: Request, decision: Decision) -> Self {
        Self(Arc::new(Parties {
            pdp,
            request,
            decision,
        }))
    }

    /// The decision.
    pub fn decision(&self) -> &Decision {
        &self.0.decision
    }

    /// The request as it was decided.
    pub fn request(&self) -> &Request {
        &self.0.request
    }

    /// The authenticated principal.
    pub fn principal(&self) -> &Principal {
        self.0.request.principal()
    }

    pub(crate) fn pdp(&self) -> &Pdp {
        &self.0.pdp
    }

    /// Records the outcome of the call.
    ///
    /// It waits for the log of the decision point that decided the call. See [`Pdp::record_outcome`].
    ///
    /// # Errors
    ///
    /// [`OutcomeError`] if the outcome cannot be recorded.
    pub fn record_outcome(&self, outcome: &CallOutcome) -> Result<(), OutcomeError> {
        self.0.pdp.record_outcome(&self.0.decision, outcome)
    }
}

impl Authorized {
    pub(crate) fn new(decided: Decided) -> Self {
        Self(decided)
    }

    /// The grant. `None` for a deny of an integration that is only observed.
    pub fn grant(&self) -> Option<&Grant> {
        self.0.decision().grant()
    }

    /// The authenticated principal.
    pub fn principal(&self) -> &Principal {
        self.0.principal()
    }

    /// The decision, with the request that it is about.
    pub fn decided(&self) -> &Decided {
        &self.0
    }
}

impl<S: Sync> FromRequestParts<S> for Authorized {
    type Rejection = NotAuthorized;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, NotAuthorized> {
        parts.extensions.get().cloned().ok_or(NotAuthorized)
    }
}

impl IntoResponse for NotAuthorized {
    fn into_response(self) -> Response {
        let detail = "the request cannot be decided: report it to the operator".to_owned();
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Problem::new(status, CauseKind::Host, false, detail).into_response()
    }
}
