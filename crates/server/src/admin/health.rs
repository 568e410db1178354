//! Liveness, readiness and metrics.

use super::guard::may_see_reasons;
use crate::state::App;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, StatusCode, header};
use portcullis_host::Timestamp;

/// `GET /livez`: the process answers.
pub(super) async fn live() -> &'static str {
    "live\n"
}

/// `GET /readyz`: requests are decided, and not all denied for a reason of the host.
pub(super) async fn ready(State(app): State<App>, headers: HeaderMap) -> Response {
    let reasons = app.unready();
    if reasons.is_empty() {
        return "ready\n".into_response();
    }
    let mut text = "not ready\n".to_owned();
    if may_see_reasons(&app, &headers) {
        for reason in reasons {
            text.push_str(&reason);
            text.push('\n');
        }
    }
    (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
}

/// `GET /metrics`, in the OpenMetrics format.
pub(super) async fn metrics(State(app): State<App>) -> Response {
    let metrics = app.metrics();
    metrics.ready.set(i64::from(app.unready().is_empty()));
    if let Some(revocations) = app.pdp().revocations()
        && let Some(as_of) = revocations.seen().as_of
    {
        let age = Timestamp::now().since(as_of);
        metrics.list_age.set(age.as_secs_f64());
    }
    let format = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, format)], metrics.to_text()).into_response()
}
