//! One evaluation (section 6).

use super::Call;
use crate::observe;
use crate::refusal::{DECISION_ID, Kind, Refusal};
use axum::Json;
use axum::response::{IntoResponse as _, Response};
use http::HeaderValue;
use portcullis_host::{Decision, Pdp};
use serde_json::{Value, json};

/// `POST /access/v1/evaluation`.
pub(super) async fn evaluation(call: Call) -> Response {
    let request = match call.pdp.read_authzen(&call.body) {
        Ok(request) => request,
        Err(error) => {
            let refusal = call.unreadable(error);
            return call.refused(refusal).await.into_response();
        }
    };
    match call.decide(request).await {
        Ok(decision) => decided(&call.pdp, &decision),
        Err(refusal) => {
            let refusal = call.refused(refusal).await;
            match refusal.kind() {
                // The enforcement point is known; its workload is not, which is a denial.
                Kind::Credential => with_id(Json(denied(&refusal)).into_response(), refusal.id()),
                _ => refusal.into_response(),
            }
        }
    }
}

/// The decision as a response.
fn decided(pdp: &Pdp, decision: &Decision) -> Response {
    let response = Json(observe::response(pdp, decision)).into_response();
    with_id(response, decision.id())
}

/// Adds the id, by which the log has the decision.
fn with_id(mut response: Response, id: Option<&str>) -> Response {
    if let Some(Ok(id)) = id.map(HeaderValue::from_str) {
        response.headers_mut().insert(DECISION_ID, id);
    }
    response
}

/// A refusal as a decision, for one of several evaluations and for an invalid credential.
pub(super) fn denied(refusal: &Refusal) -> Value {
    json!({
        "decision": false,
        "context": {
            "id": refusal.id(),
            "error": {
                "status": refusal.kind().status().as_u16(),
                "message": refusal.message(),
            },
        },
    })
}
