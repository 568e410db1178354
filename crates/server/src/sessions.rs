//! Sessions of agents: front ends open them with the words of users, and enforcement points show them results.

use crate::authzen::{bearer_token, credential, is_json};
use crate::connection::Connection;
use crate::handle::is_told_apart;
use crate::pep::Fact;
use crate::refusal::Refusal;
use crate::state::App;
use crate::{handle, vouching};
use axum::body::to_bytes;
use axum::extract::{Extension, Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use bytes::Bytes;
use http::StatusCode;
use portcullis_host::json as strict;
use portcullis_host::session::{LedgerLimits, Session};
use portcullis_model::spiffe_id::is_spiffe_id;
use serde_json::{Map, Value, json};

/// Maximum size of a request of a front end, or of a result, in bytes.
const LARGEST: usize = 4 * 1024 * 1024;

/// Routes of front ends and enforcement points.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/sessions/v1/open", post(open))
        .route("/sessions/v1/say", post(say))
        .route("/sessions/v1/close", post(close))
        .route("/sessions/v1/observe", post(observe))
}

/// Opens a session: `{"principal": "spiffe://…", "intent": "…", "said": ["…"]}`. The answer has its handle.
async fn open(
    State(app): State<App>,
    Extension(connection): Extension<Connection>,
    request: Request,
) -> Response {
    let opened = async {
        let mut members = of_front_end(&app, request).await?;
        let principal = text(&mut members, "principal")?;
        if !is_spiffe_id(&principal) {
            return Err(Refusal::malformed("`/principal` is not a SPIFFE ID"));
        }
        let intent = match members.contains_key("intent") {
            true => Some(text(&mut members, "intent")?),
            false => None,
        };
        let said = words(&mut members)?;
        end(&members)?;
        let said: Vec<_> = said.iter().map(String::as_str).collect();
        let refused = intent
            .as_deref()
            .and_then(|id| app.pdp().refuses_words(id, &said));
        if let Some(why) = refused {
            return Err(Refusal::malformed(why));
        }
        let session = Session::open(&principal, intent.as_deref(), said, LedgerLimits::default());
        let handle = app.sessions().open(session);
        handle.map_err(|_| Refusal::busy("the system has no random numbers: try again"))
    };
    match opened.await {
        Ok(handle) => Json(json!({ "session": handle })).into_response(),
        Err(refusal) => refused(&app, &connection, refusal).await,
    }
}

/// Adds words that the user said later: `{"session": "…", "said": ["…"]}`.
async fn say(
    State(app): State<App>,
    Extension(connection): Extension<Connection>,
    request: Request,
) -> Response {
    let heard = async {
        let mut members = of_front_end(&app, request).await?;
        let session = session(&app, &mut members)?;
        let said = words(&mut members)?;
        end(&members)?;
        let intent = session.intent().unwrap_or_default();
        if app.pdp().words_of_intent(intent).is_some() {
            return Err(Refusal::malformed(
                "the session's intent was approved for the words before: have one approved for these, and open another session",
            ));
        }
        for text in said {
            session.say(&text);
        }
        Ok(())
    };
    match heard.await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(refusal) => refused(&app, &connection, refusal).await,
    }
}

/// Closes a session: `{"session": "…"}`.
async fn close(
    State(app): State<App>,
    Extension(connection): Extension<Connection>,
    request: Request,
) -> Response {
    let closed = async {
        let mut members = of_front_end(&app, request).await?;
        let handle = text(&mut members, "session")?;
        end(&members)?;
        match app.sessions().close(&handle) {
            true => Ok(()),
            false => Err(unknown()),
        }
    };
    match closed.await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(refusal) => refused(&app, &connection, refusal).await,
    }
}

/// Shows a session the result of a permitted call: `{"evaluation": {…}, "result": …}`, with the session's handle as a
/// header, by the enforcement point that asked for the call.
async fn observe(
    State(app): State<App>,
    Extension(connection): Extension<Connection>,
    request: Request,
) -> Response {
    match observed(&app, &connection, request).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(refusal) => refused(&app, &connection, refusal).await,
    }
}

async fn observed(app: &App, connection: &Connection, request: Request) -> Result<(), Refusal> {
    let (parts, body) = request.into_parts();
    let headers = parts.headers;
    let caller = app.caller(connection, bearer_token(&headers)?)?;
    let pep = caller.pep();
    is_told_apart(app, "show results to sessions")?;
    if !pep.vouches_for(Fact::Origins) {
        return Err(Refusal::beyond_pep(format!(
            "enforcement point `{}` may not show results to sessions: add `origins` to its `vouches-for`",
            pep.id
        )));
    }
    let session = handle::session(app, &headers)?.ok_or_else(unknown)?;
    // A result is larger than a request, and any JSON.
    let body = whole(body).await?;
    let body = serde_json::from_slice::<Value>(&body)
        .map_err(|error| Refusal::malformed(error.to_string()))?;
    let Value::Object(mut members) = body else {
        return Err(Refusal::malformed("an object is expected"));
    };
    let evaluation = members.remove("evaluation").unwrap_or_default();
    let result = members.remove("result");
    end(&members)?;
    let result = result.ok_or_else(|| Refusal::malformed("`/result` is missing"))?;
    let evaluation = evaluation.to_string();
    let pdp = app.pdp();
    let request = pdp
        .read_authzen(evaluation.as_bytes())
        .map_err(|error| Refusal::malformed(format!("`/evaluation`: {error}")))?;
    let credential = credential(&headers)?;
    let request = vouching::admit(pep, &pdp, request, credential.as_deref())?;
    match session.observe(&request, &result) {
        true => Ok(()),
        false => Err(Refusal::malformed(
            "the session is one of another principal or intent",
        )),
    }
}

/// The body of a request, to the end.
async fn whole(body: axum::body::Body) -> Result<Bytes, Refusal> {
    let body = to_bytes(body, LARGEST).await;
    body.map_err(|_| Refusal::too_large(format!("the body is larger than {LARGEST} bytes")))
}

async fn refused(app: &App, connection: &Connection, refusal: Refusal) -> Response {
    let refusal = app.refused(&app.pdp(), connection, refusal).await;
    refusal.into_response()
}

/// The members of a request of a known front end.
async fn of_front_end(app: &App, request: Request) -> Result<Map<String, Value>, Refusal> {
    let (parts, body) = request.into_parts();
    let settings = app.settings();
    let token = bearer_token(&parts.headers)?.unwrap_or_default();
    let mut front_ends = settings.sessions.front_ends.iter();
    if !front_ends.any(|front_end| front_end.token.is(token)) {
        return Err(Refusal::unauthenticated(
            "only a front end may state the words of users: configure it as `[[sessions.front-end]]`, and send its token",
        ));
    }
    if !is_json(&parts.headers) {
        return Err(Refusal::malformed(
            "`Content-Type` is not `application/json`: send JSON",
        ));
    }
    let body = whole(body).await?;
    let limits = portcullis_host::RequestLimits {
        bytes: LARGEST,
        ..*app.pdp().request_limits()
    };
    match strict::parse(&body, &limits)? {
        Value::Object(members) => Ok(members),
        _ => Err(Refusal::malformed("an object is expected")),
    }
}

fn text(members: &mut Map<String, Value>, key: &str) -> Result<String, Refusal> {
    match members.remove(key) {
        Some(Value::String(text)) => Ok(text),
        _ => Err(Refusal::malformed(format!(
            "`/{key}` is missing, or no text"
        ))),
    }
}

fn words(members: &mut Map<String, Value>) -> Result<Vec<String>, Refusal> {
    let said = members.remove("said");
    let said = said.and_then(|said| serde_json::from_value(said).ok());
    said.ok_or_else(|| Refusal::malformed("`/said` is missing, or no list of texts"))
}

fn session(app: &App, members: &mut Map<String, Value>) -> Result<Session, Refusal> {
    let handle = text(members, "session")?;
    app.sessions().get(&handle).ok_or_else(unknown)
}

fn unknown() -> Refusal {
    Refusal::malformed("there is no such session, or it was closed")
}

fn end(members: &Map<String, Value>) -> Result<(), Refusal> {
    match members.keys().next() {
        None => Ok(()),
        Some(other) => Err(Refusal::malformed(format!(
            "`/{}` is unknown",
            portcullis_host::escape_key(other)
        ))),
    }
}
