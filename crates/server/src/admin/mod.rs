//! The admin listener: health, metrics, status and reload.

mod control;
mod guard;
mod health;
mod page;
mod status;

use crate::state::App;
use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
pub use status::{PepStatus, ServerStatus, WholeStatus};

/// Path of the status as JSON.
pub(crate) const STATUS: &str = "/status";

/// Routes of the admin listener.
pub(crate) fn routes(app: &App) -> Router<App> {
    let guarded = Router::new()
        .route("/", get(page::page))
        .route("/style.css", get(page::style))
        .route(STATUS, get(status::status))
        .route("/metrics", get(health::metrics))
        .route("/reload", post(control::reload))
        .route("/quarantine/{integration}/release", post(control::release))
        .layer(from_fn_with_state(app.clone(), guard::admin));
    Router::new()
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .merge(guarded)
}
