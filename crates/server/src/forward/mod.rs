//! Forward authentication: a proxy asks about each call before it passes the call on.
//!
//! Each proxy has a route of its own, `/forward/nginx`, `/forward/traefik` and `/forward/caddy`. The configuration of
//! the proxy names the route, and a client cannot choose another. So the headers that are read are those that this
//! proxy overwrites, without a setting that could name those of another proxy.
//!
//! The answer is 200, 401 or 403, because nginx knows no others and answers 500 to its client for them; or 5xx if the
//! decision point could not decide.

mod judge;
mod proxy;

pub(crate) use judge::{Refused, Stated, Stop, judge};

use crate::connection::Connection;
use crate::refusal::{DECISION_ID, Refusal};
use crate::state::App;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use portcullis_host::{Decision, Pdp};
use portcullis_http::{Body, Call, Peer, Problem};
use proxy::Proxy;

/// Header with the bearer token of the proxy. `Authorization` has the credential of the proxy's client.
const PEP: HeaderName = HeaderName::from_static("portcullis-pep");
/// Trace of the call.
const TRACEPARENT: &str = "traceparent";

/// The route of each proxy.
pub(crate) fn routes() -> Router<App> {
    Router::new().route("/forward/{proxy}", get(ask))
}

async fn ask(
    State(app): State<App>,
    Extension(connection): Extension<Connection>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Response {
    let Some(proxy) = Proxy::of(&name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let pdp = app.pdp();
    let answer = match decide(&app, &pdp, &connection, proxy, &headers).await {
        Ok(decision) => match Stop::of(&decision) {
            None => return permitted(&decision, &headers),
            Some(stop) => stop,
        },
        Err(refused) => Stop::record(&app, &pdp, &connection, refused).await,
    };
    stopped(answer)
}

/// Decides the call that `proxy` states in `headers`.
async fn decide(
    app: &App,
    pdp: &Pdp,
    connection: &Connection,
    proxy: Proxy,
    headers: &HeaderMap,
) -> Result<Decision, Refused> {
    let caller = app.caller(connection, token(headers)?)?;
    let read = proxy.read(headers)?;
    let stated = Stated {
        call: Call::stated(read.method, read.authority, read.target, &read.headers),
        // The proxy keeps the body.
        body: Body::Unread,
        client: Peer::default(),
        integration: None,
    };
    judge(app, pdp, &caller, stated).await
}

/// The bearer token of the proxy, if it presents one.
fn token(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let mut values = headers.get_all(PEP).iter();
    let value = match (values.next(), values.next()) {
        (None, _) => return Ok(None),
        (Some(value), None) => value.to_str().ok(),
        (Some(_), Some(_)) => None,
    };
    match value.and_then(|value| value.strip_prefix("Bearer ")) {
        Some(token) => Ok(Some(token)),
        None => Err(Refusal::unauthenticated(
            "`Portcullis-Pep` is not one value `Bearer …`: let the proxy overwrite it",
        )),
    }
}

fn permitted(decision: &Decision, headers: &HeaderMap) -> Response {
    let mut response = StatusCode::OK.into_response();
    let answer = response.headers_mut();
    identify(answer, decision.id());
    if let Some(traceparent) = headers.get(TRACEPARENT) {
        answer.insert(TRACEPARENT, traceparent.clone());
    }
    response
}

fn stopped(stop: Stop) -> Response {
    let mut response = (for_client(stop.status), stop.body).into_response();
    let answer = response.headers_mut();
    identify(answer, stop.id.as_deref());
    let media_type = HeaderValue::from_static(Problem::MEDIA_TYPE);
    answer.insert(header::CONTENT_TYPE, media_type);
    for challenge in stop.challenges {
        answer.append(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

/// Adds what every answer has: the id in the log, and that no cache may keep it.
fn identify(headers: &mut HeaderMap, id: Option<&str>) {
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(Ok(id)) = id.map(HeaderValue::from_str) {
        headers.insert(DECISION_ID, id);
    }
}

/// The status that a proxy passes on: 401, 403, or that of a failure of the decision point.
fn for_client(status: StatusCode) -> StatusCode {
    match status {
        StatusCode::UNAUTHORIZED => status,
        status if status.is_server_error() => status,
        _ => StatusCode::FORBIDDEN,
    }
}
