//! The tower layer.

use crate::gate::{Answer, DECISION_HEADER, Gate, Refusal};
use crate::mapper::{MapError, Place};
use crate::{Authenticator, Authorized, Call, Mapper, Metrics, Obligations, Peer};
use axum_core::BoxError;
use axum_core::body::Body;
use axum_core::response::{IntoResponse, Response};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Request, StatusCode};
use http_body::Body as _;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use portcullis_host::Live;
use portcullis_host::log::CallOutcome;
use std::pin::Pin;
use std::task::{Context, Poll};
use tower_layer::Layer;
use tower_service::Service;

/// A tower layer that decides each request before the inner service.
///
/// The inner service is called only if the decision lets the call go ahead, and finds [`Authorized`] in the extensions
/// of the request. Each response has the id of the decision in [`DECISION_HEADER`]. A refusal is a
/// [`Problem`](crate::Problem).
///
/// A body that the [`Mapper`] reads is buffered within the decision point's limits for requests, and the inner service
/// gets the same bytes. Any other body streams through.
///
/// Place the layer around the whole router, after all routes are added: a route that is added later is not decided. The
/// path that is decided is the one that the layer sees, so layers around it must not change the path.
///
/// The server inserts [`Peer`] into the extensions of each request if connections prove something.
#[derive(Debug, Clone)]
pub struct PortcullisLayer {
    gate: Gate,
}

/// The service of [`PortcullisLayer`].
#[derive(Debug, Clone)]
pub struct Portcullis<S> {
    inner: S,
    gate: Gate,
}

impl PortcullisLayer {
    /// A layer without handlers of obligations.
    pub fn new(live: Live, mapper: Mapper, authenticator: Authenticator) -> Self {
        Self {
            gate: Gate::new(live, mapper, authenticator),
        }
    }

    /// Sets the handlers of obligations.
    #[must_use]
    pub fn obligations(mut self, obligations: Obligations) -> Self {
        self.gate = self.gate.obligations(obligations);
        self
    }

    /// Sets the metrics that calls are counted in.
    #[must_use]
    pub fn metrics(mut self, metrics: Metrics) -> Self {
        self.gate = self.gate.metrics(metrics);
        self
    }
}

impl<S> Layer<S> for PortcullisLayer {
    type Service = Portcullis<S>;

    fn layer(&self, inner: S) -> Portcullis<S> {
        Portcullis {
            inner,
            gate: self.gate.clone(),
        }
    }
}

impl<S, B> Service<Request<B>> for Portcullis<S>
where
    S: Service<Request<Body>> + Clone + Send + 'static,
    S::Response: IntoResponse,
    S::Future: Send,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let unready = self.inner.clone();
        // The service that was polled is ready, its clone may not be.
        let mut inner = std::mem::replace(&mut self.inner, unready);
        let gate = self.gate.clone();
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            let (authorized, body) = match admit(&gate, &parts, Body::new(body)).await {
                Ok(admitted) => admitted,
                Err(refusal) => return Ok(refusal.into_response()),
            };
            let decided = authorized.decided().clone();
            parts.extensions.insert(authorized);
            let answer = inner.call(Request::from_parts(parts, body)).await;
            match answer {
                Ok(response) => {
                    let mut response = response.into_response();
                    let id = decided.decision().id().map(HeaderValue::try_from);
                    if let Some(Ok(id)) = id {
                        response.headers_mut().insert(DECISION_HEADER, id);
                    }
                    Ok(response)
                }
                Err(error) => {
                    let outcome = CallOutcome::failed("the service behind the gateway failed");
                    // Ignored: the call may have been made, so nothing can be undone.
                    let _ = decided.record_outcome(&outcome);
                    Err(error)
                }
            }
        })
    }
}

/// Decides one request, and returns the body that goes on.
async fn admit(gate: &Gate, parts: &Parts, body: Body) -> Result<(Authorized, Body), Refusal> {
    let unknown = Peer::default();
    let peer = parts.extensions.get().unwrap_or(&unknown);
    let call = match Call::of(parts) {
        Ok(call) => call,
        Err(error) => return Err(gate.refuse(None, None, &error, peer).await),
    };
    let caller = gate.authenticate(&call, peer).await?;
    let most = caller.pdp().request_limits().bytes;
    // A body is read only for an authenticated caller.
    let (bytes, body) = match read(gate.mapper(), &call, body, most).await {
        Ok(read) => read,
        Err(error) => {
            let refusal = gate.refuse(Some(&caller), Some(&call), &error, peer);
            return Err(refusal.await);
        }
    };
    let seen = match &bytes {
        Some(bytes) => crate::Body::Whole(bytes),
        None => crate::Body::Unread,
    };
    match gate.decide(caller, &call, seen, peer).await {
        Answer::Go(authorized) => Ok((authorized, body)),
        Answer::Stop(refusal) => Err(refusal),
    }
}

/// Reads the body if it is decided. Returns its bytes, and the body that goes on.
async fn read(
    mapper: &Mapper,
    call: &Call<'_>,
    body: Body,
    most: usize,
) -> Result<(Option<Bytes>, Body), MapError> {
    if body.is_end_stream() {
        return Ok((Some(Bytes::new()), body));
    }
    if !mapper.reads_body(call)? {
        return Ok((None, body));
    }
    let too_large = || {
        let why = format!("it has more than {most} bytes");
        MapError::new(Place::Body, why).with_status(StatusCode::PAYLOAD_TOO_LARGE)
    };
    if usize::try_from(body.size_hint().lower()).is_ok_and(|least| least > most) {
        return Err(too_large());
    }
    match Limited::new(body, most).collect().await {
        Ok(collected) => {
            let bytes = collected.to_bytes();
            Ok((Some(bytes.clone()), Body::from(bytes)))
        }
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(_) => Err(MapError::new(Place::Body, "it ended before its end")),
    }
}
