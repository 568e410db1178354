//! The body of a refusal (RFC 9457).

use crate::{AuthError, MapError};
use axum_core::body::Body;
use axum_core::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use portcullis_host::{CauseKind, Decision};
use serde::Serialize;

/// The body of a refusal: `application/problem+json` (RFC 9457).
///
/// It has the members of the standard, of which `type` is `about:blank` and `instance` the id of the decision as a
/// URN, and `kind` and `retryable` of [`ForCaller`](portcullis_host::ForCaller). It names no approver, allowance, file
/// or plugin.
///
/// ```json
/// {
///   "type": "about:blank",
///   "title": "Forbidden",
///   "status": 403,
///   "detail": "the request is not permitted: ask for an approval",
///   "instance": "urn:uuid:0199c2a7-6b0e-7c42-9d3e-6a1f0d9b4c11",
///   "kind": "policy",
///   "retryable": false
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    #[serde(rename = "type")]
    type_uri: &'static str,
    title: &'static str,
    #[serde(serialize_with = "as_number")]
    status: StatusCode,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<String>,
    kind: CauseKind,
    retryable: bool,
}

impl Problem {
    /// Media type of the body.
    pub const MEDIA_TYPE: &'static str = "application/problem+json";

    /// The problem of a deny. `None` for a permit.
    pub fn of_decision(decision: &Decision) -> Option<Self> {
        let seen = decision.for_caller();
        let status = StatusCode::from_u16(seen.status).unwrap_or(StatusCode::FORBIDDEN);
        let problem = Self::new(status, seen.kind, seen.retryable, seen.message);
        (!seen.decision).then(|| problem.with_id(decision.id()))
    }

    /// The problem of a call that cannot be mapped.
    pub fn of_map_error(error: &MapError) -> Self {
        Self::new(error.status(), CauseKind::Request, false, error.to_string())
    }

    /// The problem of a failed authentication. It does not tell why a credential is not valid.
    pub fn of_auth_error(error: &AuthError) -> Self {
        let (status, kind) = (error.status(), error.cause_kind());
        let detail = match kind {
            CauseKind::Request => {
                "the credentials cannot be read: send one credential, in one header"
            }
            CauseKind::Host => "the credential cannot be verified: report it to the operator",
            _ => "the caller is not authenticated: present a valid credential",
        };
        let retryable = status == StatusCode::SERVICE_UNAVAILABLE;
        Self::new(status, kind, retryable, detail.to_owned())
    }

    pub(crate) fn new(
        status: StatusCode,
        kind: CauseKind,
        retryable: bool,
        detail: String,
    ) -> Self {
        Self {
            type_uri: "about:blank",
            title: status.canonical_reason().unwrap_or("Refused"),
            status,
            detail,
            instance: None,
            kind,
            retryable,
        }
    }

    /// Sets the id of the decision, or of the refusal before it.
    #[must_use]
    pub fn with_id(mut self, id: Option<&str>) -> Self {
        self.instance = id.map(|id| format!("urn:uuid:{id}"));
        self
    }

    /// Status of the response.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// True if the same request may be permitted later.
    pub fn is_retryable(&self) -> bool {
        self.retryable
    }

    /// The problem as JSON.
    pub fn to_json(&self) -> Bytes {
        // Texts and numbers have JSON, so serialisation cannot fail.
        serde_json::to_vec(self).unwrap_or_default().into()
    }
}

fn as_number<S: serde::Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.to_json()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static(Self::MEDIA_TYPE),
        );
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_host::{Pdp, Principal, Request, Resource};
    use serde_json::{Value, json};

    #[test]
    fn a_problem_is_that_of_the_decision() {
        let pdp = Pdp::builder().build().unwrap();
        let principal = Principal {
            id: "spiffe://acme.example/agent".into(),
            ..Principal::default()
        };
        let request = Request::builder("secret-name", principal, "GET", Resource::default())
            .build(pdp.request_limits())
            .unwrap();
        let decision = pdp.evaluate(&request);
        let problem = Problem::of_decision(&decision).unwrap();
        let read: Value = serde_json::from_slice(&problem.to_json()).unwrap();
        let id = decision.id().unwrap();
        let expected = json!({
            "type": "about:blank",
            "title": "Bad Request",
            "status": 400,
            "detail": "the request cannot be decided as it is: correct it",
            "instance": format!("urn:uuid:{id}"),
            "kind": "request",
            "retryable": false,
        });
        assert_eq!(read, expected);
    }
}
