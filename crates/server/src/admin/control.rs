//! Changes that an operator asks for.

use crate::state::App;
use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use serde_json::json;

/// `POST /reload`: reads the configuration again. On an error, the one before stays in force.
pub(super) async fn reload(State(app): State<App>) -> Response {
    match app.reload().await {
        Ok(reloaded) => Json(json!({
            "digest": reloaded.digest.map(|digest| digest.to_string()),
            "changed": reloaded.changed,
            "notices": reloaded.notices,
        }))
        .into_response(),
        Err(problems) => {
            let body = Json(json!({ "problems": problems }));
            (StatusCode::UNPROCESSABLE_ENTITY, body).into_response()
        }
    }
}

/// `POST /quarantine/{integration}/release`: ends the quarantine of the plugins of an integration.
pub(super) async fn release(State(app): State<App>, Path(integration): Path<String>) -> Response {
    let pdp = app.pdp();
    if pdp.integration(&integration).is_none() {
        let message = "there is no integration of that name\n";
        return (StatusCode::NOT_FOUND, message).into_response();
    }
    // The log has a line for each plugin, and the disk may be slow.
    let released = app.blocking(move || pdp.release(&integration)).await;
    match released {
        Ok(released) => Json(json!({ "released": released })).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
