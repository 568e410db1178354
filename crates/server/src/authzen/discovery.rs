//! Metadata of the decision point (section 9).

use super::{EVALUATION, EVALUATIONS, SEARCH_ACTION, SEARCH_RESOURCE};
use crate::connection::Connection;
use crate::refusal::Refusal;
use crate::state::App;
use axum::Json;
use axum::extract::{Extension, Request, State};
use axum::response::{IntoResponse as _, Response};
use http::uri::Authority;
use http::{HeaderValue, header};
use serde_json::json;

/// `GET /.well-known/authzen-configuration`, for every caller.
pub(super) async fn metadata(
    State(app): State<App>,
    Extension(connection): Extension<Connection>,
    request: Request,
) -> Response {
    let base = match &app.settings().url {
        Some(url) => url.clone(),
        None => match base(&connection, &request) {
            Ok(base) => base,
            Err(refusal) => return refusal.into_response(),
        },
    };
    let at = |path: &str| format!("{base}{path}");
    let metadata = json!({
        "policy_decision_point": base,
        "access_evaluation_endpoint": at(EVALUATION),
        "access_evaluations_endpoint": at(EVALUATIONS),
        "search_resource_endpoint": at(SEARCH_RESOURCE),
        "search_action_endpoint": at(SEARCH_ACTION),
    });
    let mut response = Json(metadata).into_response();
    // The base can be that of the request.
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// Base URL that the caller used.
fn base(connection: &Connection, request: &Request) -> Result<String, Refusal> {
    let host = request.headers().get(header::HOST);
    let host = host.and_then(|host| host.to_str().ok());
    let authority = match request.uri().authority() {
        Some(authority) => Some(authority.clone()),
        None => host.and_then(|host| host.parse::<Authority>().ok()),
    };
    match authority {
        Some(authority) if !authority.as_str().contains('@') => {
            Ok(format!("{}://{authority}", connection.scheme()))
        }
        _ => Err(Refusal::malformed(
            "`Host` is missing or invalid: name the server, or have its operator set `url` of `[serve]`",
        )),
    }
}
