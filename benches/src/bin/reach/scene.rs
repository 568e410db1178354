//! Keys and a token of a workload, and a check as Envoy sends it.

use crate::Arguments;
use envoy_types::ext_authz::v3::pb::CheckRequest;
use envoy_types::pb::envoy::config::core::v3::{HeaderMap, HeaderValue};
use envoy_types::pb::envoy::service::auth::v3::AttributeContext;
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{HttpRequest, Request};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use portcullis_benches::key::{KEY_ID, Key};
use portcullis_host::Timestamp;
use prost::Message as _;
use serde_json::json;
use std::fs;
use std::path::PathBuf;

/// The workload of the token.
const WORKLOAD: &str = "spiffe://acme.example/agent/reader";
/// Audience of `examples/gateways`.
const AUDIENCE: &str = "https://api.acme.example";

/// Writes `bundle.json`, `workload.token` and `check.grpc` into a folder.
pub(super) fn run(arguments: &mut Arguments) -> anyhow::Result<()> {
    let folder: PathBuf = arguments.next("FOLDER")?;
    let key = Key::generate();
    key.publish(&folder.join("bundle.json"), "jwt-svid");
    let now = Timestamp::now().as_millis() / 1000;
    // Longer than any measurement, and within the default of `max-lifetime`.
    let claims = json!({
        "sub": WORKLOAD, "aud": [AUDIENCE], "jti": "svid-1", "iat": now, "exp": now + 3600,
    });
    let mut header = Header::new(Algorithm::ES256);
    header.kid = Some(KEY_ID.to_owned());
    let token = jsonwebtoken::encode(&header, &claims, &EncodingKey::from_ec_pem(key.pem())?)?;
    fs::write(folder.join("workload.token"), &token)?;
    let check = check(&token).encode_to_vec();
    // A message of gRPC: it is not compressed, and its length comes first.
    let mut message = vec![0];
    message.extend(u32::try_from(check.len())?.to_be_bytes());
    message.extend(check);
    fs::write(folder.join("check.grpc"), message)?;
    Ok(())
}

/// The check of a call with `token`, in the fields that Envoy fills with `encode_raw_headers`.
fn check(token: &str) -> CheckRequest {
    let bearer = format!("Bearer {token}");
    let headers = [
        (":method", "GET"),
        (":path", "/v1/invoices/7"),
        (":authority", "api.acme.example"),
        (":scheme", "http"),
        ("authorization", bearer.as_str()),
        ("accept", "application/json"),
        ("user-agent", "reach"),
        ("x-forwarded-proto", "http"),
        ("x-request-id", "8fcae83b-937d-4f1a-a121-ceb7566e6285"),
        ("x-envoy-auth-partial-body", "false"),
    ];
    let headers = headers.map(|(key, value)| HeaderValue {
        key: key.to_owned(),
        raw_value: value.as_bytes().to_vec(),
        ..HeaderValue::default()
    });
    let http = HttpRequest {
        id: "1".to_owned(),
        method: "GET".to_owned(),
        path: "/v1/invoices/7".to_owned(),
        host: "api.acme.example".to_owned(),
        scheme: "http".to_owned(),
        protocol: "HTTP/1.1".to_owned(),
        header_map: Some(HeaderMap {
            headers: headers.into(),
        }),
        ..HttpRequest::default()
    };
    let extensions = [
        ("portcullis-integration", "invoices"),
        ("portcullis-body", "included"),
    ];
    CheckRequest {
        attributes: Some(AttributeContext {
            request: Some(Request {
                http: Some(http),
                ..Request::default()
            }),
            context_extensions: extensions
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            ..AttributeContext::default()
        }),
    }
}
