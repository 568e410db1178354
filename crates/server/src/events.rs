//! Receiver of security events: the push delivery of RFC 8935.

use crate::authzen::{bearer_token, is_of_type};
use crate::connection::Connection;
use crate::refusal::Refusal;
use crate::state::App;
use axum::body::to_bytes;
use axum::extract::{Extension, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use http::{StatusCode, header};
use portcullis_host::revocation::{EventError, ListError};
use portcullis_host::{AcceptError, counted, printable};
use serde_json::json;

/// Path of the receiver.
const EVENTS: &str = "/events";
/// Type of a security event.
const SECURITY_EVENT: &str = "application/secevent+jwt";
/// Maximum size of a security event.
const LARGEST: usize = 64 * 1024;

/// Route of the receiver.
pub(crate) fn routes() -> Router<App> {
    Router::new().route(EVENTS, post(receive))
}

/// Takes one event. On return with 202, everything that it revokes is on the list and denied.
///
/// A valid event about which an operator has to decide is accepted, and recorded in the log.
async fn receive(
    State(app): State<App>,
    Extension(connection): Extension<Connection>,
    request: Request,
) -> Response {
    let received = match read(&app, request).await {
        Ok(token) => accept(&app, token).await,
        Err(failure) => Err(failure),
    };
    let metrics = app.metrics();
    match received {
        Ok(Accepted::Applied(lines)) => {
            metrics.event("accepted");
            if lines > 0 {
                app.say(&format!(
                    "a security event from {connection} added {} to the revocation list",
                    counted(lines, "line")
                ));
            }
            StatusCode::ACCEPTED.into_response()
        }
        Ok(Accepted::ForAPerson(message)) => {
            metrics.event("for-a-person");
            app.say(&format!("security event from {connection}: {message}"));
            let refusal = Refusal::malformed(format!("security event: {message}"));
            app.refused(&app.pdp(), &connection, refusal).await;
            StatusCode::ACCEPTED.into_response()
        }
        Err(failure) => {
            metrics.event("refused");
            if app.may_note_unknown_caller() {
                app.say(&format!(
                    "security event from {connection} is refused: {}",
                    failure.description
                ));
            }
            failure.into_response()
        }
    }
}

/// An event that was valid.
enum Accepted {
    /// It added that number of lines to the list.
    Applied(usize),
    /// It revokes nothing by itself, for this reason.
    ForAPerson(String),
}

async fn read(app: &App, request: Request) -> Result<String, Failure> {
    if let Some(expected) = &app.settings().events_token {
        let token = bearer_token(request.headers()).ok().flatten();
        if !token.is_some_and(|token| expected.is(token)) {
            return Err(Failure {
                status: StatusCode::UNAUTHORIZED,
                code: "authentication_failed",
                description: "the bearer token is not that of `events-token-file`".to_owned(),
            });
        }
    }
    if !is_of_type(request.headers(), SECURITY_EVENT) {
        return Err(Failure::invalid(format!(
            "`Content-Type` is not `{SECURITY_EVENT}`"
        )));
    }
    let body = to_bytes(request.into_body(), LARGEST).await.map_err(|_| {
        Failure::invalid(format!(
            "the event has more than {LARGEST} bytes, or was not received in full"
        ))
    })?;
    match String::from_utf8(body.to_vec()) {
        Ok(token) => Ok(token.trim().to_owned()),
        Err(_) => Err(Failure::invalid("the event is not a JWT".to_owned())),
    }
}

async fn accept(app: &App, token: String) -> Result<Accepted, Failure> {
    let pdp = app.pdp();
    // Writing the list waits for its lock and for the disk.
    let accepted = app.blocking(move || pdp.accept_event(&token)).await;
    match accepted {
        Ok(Ok(lines)) => Ok(Accepted::Applied(lines.len())),
        Ok(Err(AcceptError::Event(error))) if error.needs_a_person() => {
            Ok(Accepted::ForAPerson(error.to_string()))
        }
        // An operator lifted what the event revoked before, and sending it again changes nothing.
        Ok(Err(AcceptError::List(error @ ListError::Lifted { .. }))) => {
            Ok(Accepted::ForAPerson(error.to_string()))
        }
        Ok(Err(error)) => Err(Failure::of(&error)),
        Err(_) => Err(Failure {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            code: "invalid_request",
            description: "the host failed on this event: please report it".to_owned(),
        }),
    }
}

/// Response to an event that was not accepted (section 2.4).
struct Failure {
    status: StatusCode,
    code: &'static str,
    description: String,
}

impl Failure {
    fn invalid(description: String) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            code: "invalid_request",
            description,
        }
    }

    fn of(error: &AcceptError) -> Self {
        let (status, code) = match error {
            AcceptError::NotConfigured => (StatusCode::NOT_FOUND, "invalid_request"),
            AcceptError::Event(EventError::Keys(_)) => {
                (StatusCode::SERVICE_UNAVAILABLE, "invalid_key")
            }
            AcceptError::Event(EventError::Issuer(_)) => {
                (StatusCode::BAD_REQUEST, "invalid_issuer")
            }
            AcceptError::Event(EventError::Audience(_)) => {
                (StatusCode::BAD_REQUEST, "invalid_audience")
            }
            AcceptError::Event(EventError::Domain { .. }) => {
                (StatusCode::BAD_REQUEST, "access_denied")
            }
            AcceptError::Event(_) => (StatusCode::BAD_REQUEST, "invalid_request"),
            // The list cannot be written now, and the transmitter sends the event again.
            _ => (StatusCode::SERVICE_UNAVAILABLE, "invalid_request"),
        };
        Self {
            status,
            code,
            description: printable(&error.to_string()),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let body = json!({ "err": self.code, "description": self.description });
        let mut response = (self.status, Json(body)).into_response();
        let language = http::HeaderValue::from_static("en");
        response
            .headers_mut()
            .insert(header::CONTENT_LANGUAGE, language);
        response
    }
}
