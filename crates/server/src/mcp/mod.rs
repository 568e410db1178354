//! Gates in front of MCP servers, over Streamable HTTP: `/mcp/{integration}`.

mod agents;
mod exchange;
mod relays;

use crate::connection::Connection;
use crate::gates::{self, Behind, Connected, Gates, TRANSPORT_SESSION};
use crate::refusal::Refusal;
use crate::state::App;
use agents::{Asked, Known};
use axum::body::to_bytes;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get};
use axum::{Extension, Json, Router};
use bytes::Bytes;
use exchange::{Exchange, Out};
use futures_util::StreamExt as _;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use portcullis_mcp::{Action, Gate};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Path of the metadata of a protected resource (RFC 9728), before the path of the gate.
const METADATA: &str = "/.well-known/oauth-protected-resource";

/// Time after which an answer becomes a stream of events, so that neither side takes the connection for dead.
const STREAM_AFTER: Duration = Duration::from_secs(5);
/// Time between comments in a stream without events.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Routes of the gates.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/mcp/{integration}", any(gate))
        .route(&format!("{METADATA}/mcp/{{integration}}"), get(metadata))
        .merge(relays::routes())
}

/// Metadata of a gate as a protected resource.
async fn metadata(
    State(app): State<App>,
    Extension(connection): Extension<Connection>,
    Path(integration): Path<String>,
    headers: HeaderMap,
) -> Response {
    if app.gates().behind(&integration).is_none() {
        return StatusCode::NOT_FOUND.into_response();
    }
    let url = url(&app, &connection, &headers, &integration);
    Json(json!({
        "resource": url,
        "authorization_servers": app.settings().mcp.authorization_servers,
        "bearer_methods_supported": ["header"],
        "resource_name": integration,
    }))
    .into_response()
}

/// URL of a gate, as its clients know it.
fn url(app: &App, connection: &Connection, headers: &HeaderMap, integration: &str) -> String {
    let configured = app.settings().url.clone();
    let base = configured.unwrap_or_else(|| {
        let host = headers.get(header::HOST).and_then(|it| it.to_str().ok());
        format!("{}://{}", connection.scheme(), host.unwrap_or("localhost"))
    });
    format!("{base}/mcp/{integration}")
}

/// One request to a gate.
async fn gate(
    State(app): State<App>,
    Extension(connection): Extension<Connection>,
    Path(integration): Path<String>,
    request: Request,
) -> Response {
    let gates = app.gates();
    let behind = gates.behind(&integration);
    // A server that is a command is behind a relay, see [`relays`].
    let Some(behind) = behind.filter(|behind| behind.has_url()) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let (parts, body) = request.into_parts();
    let headers = parts.headers;
    if let Err(refusal) = agents::is_from_here(&app, &headers) {
        let refusal = app.refused(&app.pdp(), &connection, refusal).await;
        return (StatusCode::FORBIDDEN, format!("{}\n", refusal.message())).into_response();
    }
    let known = match agents::known(&app, &connection, &headers) {
        Ok(known) => known,
        Err(refusal) => {
            return unauthenticated(&app, &connection, &headers, &integration, refusal).await;
        }
    };
    let call = Call {
        app,
        connection,
        gates,
        behind,
        integration,
        known,
        headers,
    };
    match parts.method {
        Method::POST => call.post(body).await,
        Method::GET => call.listen().await,
        Method::DELETE => call.end().await,
        _ => {
            let allowed = [(header::ALLOW, "GET, POST, DELETE")];
            (StatusCode::METHOD_NOT_ALLOWED, allowed).into_response()
        }
    }
}

/// The answer to a client whose identity is unknown: how to prove it (RFC 9728, section 5.1).
async fn unauthenticated(
    app: &App,
    connection: &Connection,
    headers: &HeaderMap,
    integration: &str,
    refusal: Refusal,
) -> Response {
    let refusal = app.refused(&app.pdp(), connection, refusal).await;
    let url = url(app, connection, headers, integration);
    let metadata = match url.find("/mcp/") {
        Some(at) => {
            let (base, path) = url.split_at(at);
            format!("{base}{METADATA}{path}")
        }
        None => url,
    };
    let error = match headers.contains_key(header::AUTHORIZATION) {
        true => ", error=\"invalid_token\"",
        false => "",
    };
    let challenge = format!("Bearer resource_metadata=\"{metadata}\"{error}");
    let mut response =
        (StatusCode::UNAUTHORIZED, format!("{}\n", refusal.message())).into_response();
    if let Ok(challenge) = HeaderValue::try_from(challenge) {
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

/// A request of a known agent.
struct Call {
    app: App,
    connection: Connection,
    gates: Arc<Gates>,
    behind: Arc<Behind>,
    integration: String,
    known: Known,
    headers: HeaderMap,
}

impl Call {
    /// A message of the client.
    async fn post(self, body: axum::body::Body) -> Response {
        let most = self.app.pdp().request_limits().bytes;
        // One byte more than the limit, so that the gate refuses it by its length.
        let Ok(body) = to_bytes(body, most + 1).await else {
            return StatusCode::PAYLOAD_TOO_LARGE.into_response();
        };
        let gate = match self.connected() {
            Ok(Some(gate)) => gate,
            Ok(None) => Arc::new(self.gate()),
            Err(status) => return status.into_response(),
        };
        let agent = self.known.agent(Some(gate.session()));
        let actions = gate
            .client_sent_over_http(&body, agent, &self.headers)
            .await;
        let exchange = Exchange {
            gate,
            behind: Arc::clone(&self.behind),
            headers: gates::headers(&self.headers),
        };
        self.answered(exchange, actions, &body).await
    }

    /// The gate of the transport's session, if the request names one.
    fn connected(&self) -> Result<Option<Arc<Gate>>, StatusCode> {
        let headers = &self.headers;
        for name in [&TRANSPORT_SESSION, &portcullis_mcp::headers::VERSION] {
            if headers.get_all(name).iter().nth(1).is_some() {
                return Err(StatusCode::BAD_REQUEST);
            }
        }
        let Some(session) = headers.get(TRANSPORT_SESSION) else {
            return Ok(None);
        };
        // A session of another agent, or of another session or intent of this one, is unknown here.
        let id = session.to_str().map_err(|_| StatusCode::BAD_REQUEST)?;
        let gate = self.gates.connection(&self.connection_of(id));
        gate.map(Some).ok_or(StatusCode::NOT_FOUND)
    }

    /// The connection that a session of the transport is.
    fn connection_of(&self, id: &str) -> Connected {
        Connected {
            integration: self.integration.clone(),
            id: id.to_owned(),
            owner: self.known.owner(),
        }
    }

    fn gate(&self) -> Gate {
        let asked = Asked::new(&self.app, &self.connection, &self.integration);
        let agent = self.known.agent(None);
        Gate::new(
            self.behind.guarded(),
            agent,
            Arc::new(asked),
            self.app.report(),
        )
        .one_of_many()
    }

    /// The answer to a message: one message, a stream of messages, or nothing.
    async fn answered(&self, exchange: Exchange, actions: Vec<Action>, body: &Bytes) -> Response {
        let gate = Arc::clone(&exchange.gate);
        let begins = method_of(body).as_deref() == Some("initialize");
        let (out, mut from) = mpsc::channel(64);
        tokio::spawn(exchange.run(body.clone(), actions, out));
        let mut session = None;
        let mut status = StatusCode::ACCEPTED;
        let first = loop {
            // The session that begins is in the headers of the answer, so that its first message is awaited.
            let next = match begins {
                true => Ok(from.recv().await),
                false => timeout(STREAM_AFTER, from.recv()).await,
            };
            match next {
                Ok(Some(Out::Session(id))) if begins => {
                    let connection = self.connection_of(&id);
                    self.gates.connect(connection, Arc::clone(&gate));
                    session = Some(id);
                }
                Ok(Some(Out::Session(_))) => {}
                Ok(Some(Out::Status(failed))) => {
                    self.ended_with(failed);
                    status = failed;
                }
                Ok(Some(Out::Message(message))) => break Some(message),
                Ok(None) => return with_session(status.into_response(), session),
                Err(_) => break None,
            }
        };
        let response = match first {
            Some(message) if is_answer(&message, body) => one(message),
            first => stream(first, from),
        };
        with_session(response, session)
    }

    /// Forgets a session of the transport that the server does not know any more.
    fn ended_with(&self, status: StatusCode) {
        let id = self.headers.get(TRANSPORT_SESSION);
        if let (StatusCode::NOT_FOUND, Some(Ok(id))) = (status, id.map(HeaderValue::to_str)) {
            self.gates.disconnect(&self.connection_of(id));
        }
    }

    /// A stream of messages that belong to no request of the client, before 2026-07-28.
    async fn listen(self) -> Response {
        let gate = match self.connected() {
            Ok(Some(gate)) => gate,
            Ok(None) => return StatusCode::METHOD_NOT_ALLOWED.into_response(),
            Err(status) => return status.into_response(),
        };
        let exchange = Exchange {
            gate,
            behind: Arc::clone(&self.behind),
            headers: gates::headers(&self.headers),
        };
        let events = match exchange.listen().await {
            Ok(events) => events,
            Err(status) => return status.into_response(),
        };
        let (out, from) = mpsc::channel(64);
        tokio::spawn(exchange.follow(events, out));
        stream(None, from)
    }

    /// Ends the transport's session.
    async fn end(self) -> Response {
        let gate = match self.connected() {
            Ok(Some(gate)) => gate,
            Ok(None) => return StatusCode::METHOD_NOT_ALLOWED.into_response(),
            Err(status) => return status.into_response(),
        };
        if let Some(Ok(id)) = self.headers.get(TRANSPORT_SESSION).map(HeaderValue::to_str) {
            self.gates.disconnect(&self.connection_of(id));
        }
        let exchange = Exchange {
            gate,
            behind: self.behind,
            headers: gates::headers(&self.headers),
        };
        exchange.end().await.into_response()
    }
}

/// Method of the client's message.
fn method_of(body: &[u8]) -> Option<String> {
    let message = serde_json::from_slice::<Value>(body).ok()?;
    Some(message.get("method")?.as_str()?.to_owned())
}

/// True if the message is the answer to the request in `body`.
fn is_answer(message: &[u8], body: &[u8]) -> bool {
    let of = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).ok();
    let Some(message) = of(message) else {
        return false;
    };
    if message.get("method").is_some() {
        return false;
    }
    let asked = of(body).and_then(|body| body.get("id").cloned());
    // The answer to a message without a readable id has none.
    message.get("id").is_none_or(Value::is_null) || message.get("id") == asked.as_ref()
}

/// One message as the whole answer.
fn one(message: Vec<u8>) -> Response {
    let code = serde_json::from_slice::<Value>(&message)
        .ok()
        .and_then(|message| message.pointer("/error/code")?.as_i64());
    let status = match code {
        // Messages that the gate or the server could not take as they are.
        Some(-32700 | -32600 | -32020) => StatusCode::BAD_REQUEST,
        _ => StatusCode::OK,
    };
    (
        status,
        [(header::CONTENT_TYPE, "application/json")],
        message,
    )
        .into_response()
}

/// Messages as events.
fn stream(first: Option<Vec<u8>>, from: mpsc::Receiver<Out>) -> Response {
    use axum::response::sse::{Event, KeepAlive, Sse};
    let first = futures_util::stream::iter(first);
    let rest = futures_util::stream::unfold(from, |mut from| async {
        loop {
            match from.recv().await? {
                Out::Message(message) => return Some((message, from)),
                Out::Session(_) | Out::Status(_) => {}
            }
        }
    });
    let events = first.chain(rest).map(|message| {
        let text = String::from_utf8_lossy(&message).into_owned();
        Ok::<_, Infallible>(Event::default().event("message").data(text))
    });
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    let mut response = Sse::new(events).keep_alive(keep_alive).into_response();
    let no_store = HeaderValue::from_static("no-store");
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, no_store);
    response
}

fn with_session(mut response: Response, session: Option<String>) -> Response {
    if let Some(Ok(session)) = session.map(HeaderValue::try_from) {
        response.headers_mut().insert(TRANSPORT_SESSION, session);
    }
    response
}
