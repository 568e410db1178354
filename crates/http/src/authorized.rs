//! The decision of a request, for its handler.

use portcullis_host::{Decision, Grant, Principal, Request};
use std::sync::Arc;

/// The decision by which a call goes ahead, with the request that it is about.
///
/// [`PortcullisLayer`](crate::PortcullisLayer) inserts it into the extensions of the request. It is an extractor of
/// axum: without the layer, extraction fails with status 500.
#[derive(Debug, Clone)]
pub struct Authorized { decided: Arc<(Decision, Request)> }

/// The layer is missing, so no decision was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAuthorized;

impl Authorized {
    /// The decision: a permit, or a deny that is only observed.
    pub fn decision(&self) -> &Decision { &self.decided.0 }
    /// The grant. `None` if the integration is only observed, and the decision is a deny.
    pub fn grant(&self) -> Option<&Grant> { self.decided.0.grant() }
    /// The request as it was decided.
    pub fn request(&self) -> &Request { &self.decided.1 }
    /// The authenticated principal.
    pub fn principal(&self) -> &Principal { self.decided.1.principal() }
}
