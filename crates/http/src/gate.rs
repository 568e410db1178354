//! The steps of one call, without a transport.

use crate::{Authenticator, Authorized, Body, Call, Mapper, Metrics, Obligations, Peer, Problem};
use http::{HeaderMap, StatusCode};
use portcullis_host::{Live, Principal};

/// The steps of every enforcement point for HTTP, without a transport: authenticate, map, decide, carry out the
/// obligations, record.
///
/// [`PortcullisLayer`](crate::PortcullisLayer) is a transport for it; the server has others. Clone is cheap.
#[derive(Debug, Clone)]
pub struct Gate {}

/// Answer to one call.
#[derive(Debug)]
pub enum Answer {
    /// The call may be made: a permit whose obligations are carried out, or a deny that is only observed.
    Go(Authorized),
    /// The call must not be made.
    Stop(Refusal),
}

/// A refusal for the caller. It is already recorded.
#[derive(Debug)]
pub struct Refusal {}

impl Refusal {
    /// Status of the response.
    pub fn status(&self) -> StatusCode { todo!() }
    /// Headers of the response: the challenges, the id of the decision, `Retry-After`, `Cache-Control`, `Content-Type`.
    pub fn headers(&self) -> HeaderMap { todo!() }
    /// Body of the response.
    pub fn problem(&self) -> &Problem { todo!() }
}

impl Gate {
    /// A gate without obligations and metrics.
    pub fn new(live: Live, mapper: Mapper, authenticator: Authenticator) -> Self { todo!() }
    /// Sets the handlers of obligations; their kinds are what requests state as supported.
    #[must_use]
    pub fn obligations(self, obligations: Obligations) -> Self { todo!() }
    /// Sets the metrics.
    #[must_use]
    pub fn metrics(self, metrics: Metrics) -> Self { todo!() }
    /// The mapper.
    pub fn mapper(&self) -> &Mapper { todo!() }
    /// The decision point in force.
    pub fn live(&self) -> &Live { todo!() }

    /// Authenticates the caller, and records a failure.
    pub async fn authenticate(&self, call: &Call<'_>, peer: &Peer) -> Result<Principal, Refusal> { todo!() }

    /// Decides the call of an authenticated principal, records, and carries out the obligations.
    pub async fn decide(&self, principal: Principal, call: &Call<'_>, body: Body<'_>, peer: &Peer) -> Answer { todo!() }
}
