//! Answers to a check: headers and a decision id for a permit, or status, headers and body for a denial.

use crate::forward::Stop;
use crate::refusal::DECISION_ID;
use envoy_types::ext_authz::v3::pb::{CheckResponse, HeaderAppendAction, HttpStatus};
use envoy_types::ext_authz::v3::{
    CheckResponseExt as _, DeniedHttpResponseBuilder, OkHttpResponseBuilder,
};
use envoy_types::pb::envoy::service::auth::v3::DeniedHttpResponse;
use envoy_types::pb::google::protobuf::value::Kind;
use envoy_types::pb::google::protobuf::{Struct, Value};
use http::{StatusCode, header};
use portcullis_host::Decision;
use portcullis_http::Problem;
use tonic::Status;

/// Headers of the call that the API does not get: they are for the decision point.
const FOR_THE_DECISION_POINT: [&str; 1] = ["portcullis-intent"];

/// A header replaces one of the client.
const REPLACE: Option<HeaderAppendAction> = Some(HeaderAppendAction::OverwriteIfExistsOrAdd);

/// Lets the call go on.
pub(super) fn permitted(decision: &Decision) -> CheckResponse {
    let mut http = OkHttpResponseBuilder::new();
    match decision.id() {
        Some(id) => http.add_header(DECISION_ID.as_str(), id, REPLACE, false),
        // A client must not state the id of another decision.
        None => http.remove_header(DECISION_ID.as_str()),
    };
    for name in FOR_THE_DECISION_POINT {
        http.remove_header(name);
    }
    let mut response = CheckResponse::with_status(Status::ok(""));
    response.set_http_response(http);
    response.set_dynamic_metadata(Some(metadata(
        !decision.blocks(),
        decision.id(),
        decision.cause().as_str(),
    )));
    response
}

/// Stops the call.
pub(super) fn denied(stop: &Stop) -> CheckResponse {
    let mut http = DeniedHttpResponseBuilder::new();
    let mut add = |name: &str, value: &str, action| {
        http.add_header(name, value, action, false);
    };
    add(header::CONTENT_TYPE.as_str(), Problem::MEDIA_TYPE, REPLACE);
    add(header::CACHE_CONTROL.as_str(), "no-store", REPLACE);
    if let Some(id) = &stop.id {
        add(DECISION_ID.as_str(), id, REPLACE);
    }
    for challenge in &stop.challenges {
        let append = Some(HeaderAppendAction::AppendIfExistsOrAdd);
        // Challenges are visible ASCII.
        add(
            header::WWW_AUTHENTICATE.as_str(),
            challenge.to_str().unwrap_or_default(),
            append,
        );
    }
    let body = String::from_utf8_lossy(&stop.body);
    http.set_body(body);
    let mut http = http.build();
    http.status = Some(status(stop.status));
    let mut response = not_permitted(http);
    response.set_dynamic_metadata(Some(metadata(false, stop.id.as_deref(), stop.cause)));
    response
}

/// Stops a call of which the server does not know the connection, which is a fault of the server.
pub(super) fn denied_without_connection() -> CheckResponse {
    not_permitted(DeniedHttpResponse {
        status: Some(status(StatusCode::INTERNAL_SERVER_ERROR)),
        ..DeniedHttpResponse::default()
    })
}

fn not_permitted(http: DeniedHttpResponse) -> CheckResponse {
    let mut response = CheckResponse::with_status(Status::permission_denied("not permitted"));
    response.set_http_response(http);
    response
}

fn status(status: StatusCode) -> HttpStatus {
    HttpStatus {
        code: i32::from(status.as_u16()),
    }
}

/// Dynamic metadata `envoy.filters.http.ext_authz`, for access logs and later filters.
fn metadata(goes_on: bool, id: Option<&str>, cause: &str) -> Struct {
    let text = |text: &str| Kind::StringValue(text.to_owned());
    let members = [
        ("permitted", Some(Kind::BoolValue(goes_on))),
        ("decision-id", id.map(text)),
        ("cause", Some(text(cause))),
    ];
    let fields = members.into_iter().filter_map(|(name, kind)| {
        let value = Value { kind: Some(kind?) };
        Some((name.to_owned(), value))
    });
    Struct {
        fields: fields.collect(),
    }
}
