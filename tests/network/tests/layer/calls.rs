//! Calls from their arrival to the response.

use crate::setting::{AGENT, Gateway, INVOICES, Setting, bearer, billing, empty, mapper};
use axum::Router;
use axum::body::Body;
use axum::routing::get;
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body::Frame;
use portcullis_host::{CauseKind, Live, Mode};
use portcullis_http::{Authorized, Bodies, Mapper, Metrics, PortcullisLayer};
use serde_json::json;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;
use tower::{Layer as _, ServiceExt as _, service_fn};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

#[tokio::test]
async fn a_permitted_call_reaches_the_service_with_its_decision() {
    let setting = Setting::new();
    let gateway = setting.gateway();
    let request = setting
        .get(&format!("{INVOICES}?limit=50"))
        .header("traceparent", format!("00-{TRACE}-00f067aa0ba902b7-01"));
    let answer = gateway.answer(empty(request)).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.body, "done");
    let reached = gateway.reached.lock().unwrap();
    let (authorized, _) = &reached[0];
    assert_eq!(authorized.principal().id, AGENT);
    assert!(authorized.grant().is_some());
    let id = authorized.decided().decision().id();
    assert_eq!(answer.header("portcullis-decision-id"), id);
    let lines = setting.lines("decision");
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["id"].as_str(), id);
    assert!(lines[0].to_string().contains(TRACE));
}

#[tokio::test]
async fn a_denied_call_is_refused_with_a_problem_that_names_no_rule() {
    let setting = Setting::new();
    let gateway = setting.gateway();
    let request = setting.get(&format!("{INVOICES}?limit=500"));
    let answer = gateway.answer(empty(request)).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert_eq!(gateway.calls(), 0);
    let content_type = answer.header("content-type");
    assert_eq!(content_type, Some("application/problem+json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let id = answer.header("portcullis-decision-id").unwrap();
    assert_eq!(
        answer.json(),
        json!({
            "type": "about:blank", "title": "Forbidden", "status": 403,
            "detail": "the request is not permitted: ask for an approval",
            "instance": format!("urn:uuid:{id}"), "kind": "policy", "retryable": false,
        })
    );
    let lines = setting.lines("decision");
    assert_eq!(lines[0]["id"].as_str(), Some(id));
    assert!(lines[0].to_string().contains("query-not-allowed"));
}

#[tokio::test]
async fn a_value_is_compared_as_its_declared_type() {
    let setting = Setting::new();
    let gateway = setting.gateway();
    for (query, status) in [
        ("?limit=100", 200),
        ("?limit=101", 403),
        ("?limit=-1", 200),
        ("", 403),
        ("?limit=050", 400),
        ("?limit=1e1", 400),
        ("?limit=%2B5", 400),
        ("?limit=5&limit=500", 400),
        ("?limit=5&limit[]=500", 400),
    ] {
        let request = empty(setting.get(&format!("{INVOICES}{query}")));
        assert_eq!(gateway.answer(request).await.status, status, "{query}");
    }
    let undeclared = Mapper::builder()
        .integration("billing-api")
        .build()
        .unwrap();
    let gateway = Setting::new();
    let texts = gateway.gateway_with(undeclared, bearer());
    let request = empty(gateway.get(&format!("{INVOICES}?limit=50")));
    assert_eq!(texts.answer(request).await.status, 403, "text is no number");
}

#[tokio::test]
async fn a_json_body_is_decided_and_goes_on_byte_by_byte() {
    let setting = Setting::new();
    let gateway = setting.gateway();
    let body = "{ \"amount\" : 5.0,\n\t\"note\": \"caf\\u00e9\" } ";
    let request = setting
        .call("POST", "/v1/invoices/7/close")
        .header("content-type", "application/json");
    let answer = gateway
        .answer(request.body(Body::from(body)).unwrap())
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let reached = gateway.reached.lock().unwrap();
    let (authorized, bytes) = &reached[0];
    assert_eq!(bytes, body);
    let arguments = authorized.decided().request().arguments();
    assert_eq!(
        arguments,
        &json!({ "body": { "amount": 5.0, "note": "caf\u{e9}" } })
    );
}

/// A body that counts how often it is polled, and never ends.
struct Endless(Arc<AtomicUsize>);

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        let frame = Frame::data(Bytes::from_static(&[b' '; 1024]));
        Poll::Ready(Some(Ok(frame)))
    }
}

#[tokio::test]
async fn a_body_that_is_not_decided_streams_through_unread() {
    let setting = Setting::new();
    let builder = Mapper::builder().integration("billing-api");
    let mapper = builder.bodies(Bodies::JsonOrUnread).build().unwrap();
    let live = Live::fixed(setting.pdp(billing()));
    let service = service_fn(|_: Request<Body>| async { Ok::<_, Infallible>("streams") });
    let layered = PortcullisLayer::new(live, mapper, bearer()).layer(service);
    let polled = Arc::new(AtomicUsize::new(0));
    let request = |content_type: &str| {
        let request = setting.call("POST", "/v1/invoices/7/close");
        request
            .header("content-type", content_type)
            .body(Endless(Arc::clone(&polled)))
            .unwrap()
    };
    let response = layered.clone().oneshot(request("text/csv")).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(polled.load(Ordering::Relaxed), 0);
    // The same body as JSON is read up to the limit.
    let response = layered.oneshot(request("application/json")).await.unwrap();
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(polled.load(Ordering::Relaxed), 65, "64 KiB and one frame");
}

#[tokio::test]
async fn the_body_of_a_caller_without_a_credential_is_not_read() {
    let setting = Setting::new();
    let live = Live::fixed(setting.pdp(billing()));
    let service = service_fn(|_: Request<Body>| async { Ok::<_, Infallible>("done") });
    let layered = PortcullisLayer::new(live, mapper(), bearer()).layer(service);
    let polled = Arc::new(AtomicUsize::new(0));
    let request = Request::post("/v1/invoices/7/close")
        .header("host", "api.acme.example")
        .header("content-type", "application/json")
        .body(Endless(Arc::clone(&polled)))
        .unwrap();
    let response = layered.oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(polled.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_body_that_cannot_be_decided_is_refused_and_recorded() {
    let setting = Setting::new();
    let gateway = setting.gateway();
    let large = format!("\"{}\"", "a".repeat(70_000));
    for (content_type, body, status) in [
        ("application/json", "{\"a\": 1, \"a\": 2}", 400),
        ("application/json", "{\"a\": 1", 400),
        ("application/json", large.as_str(), 413),
        ("application/json; charset=utf-16", "1", 415),
        ("text/plain", "{\"a\": 1}", 415),
        ("application/x-www-form-urlencoded", "_method=DELETE", 415),
        ("multipart/form-data; boundary=x", "--x", 415),
    ] {
        let request = setting.call("POST", "/v1/invoices/7/close");
        let request = request.header("content-type", content_type);
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let answer = gateway.answer(request).await;
        assert_eq!(answer.status, status, "{content_type}");
        assert_eq!(answer.json()["kind"], "request");
    }
    assert_eq!(gateway.calls(), 0);
    let lines = setting.lines("refused");
    assert_eq!(lines.len(), 7);
    for line in lines {
        assert_eq!(line["claimed-principal"], AGENT);
        assert_eq!(line["integration"], "billing-api");
    }
}

#[tokio::test]
async fn a_deny_that_is_only_observed_goes_ahead_without_a_grant() {
    let setting = Setting::new();
    let live = Live::fixed(setting.pdp(billing().mode(Mode::Observe)));
    let gateway = Gateway::new(PortcullisLayer::new(live, mapper(), bearer()));
    let answer = gateway.answer(empty(setting.get("/v1/secret"))).await;
    assert_eq!(answer.status, StatusCode::OK);
    let (authorized, _) = gateway.reached.lock().unwrap().remove(0);
    assert_eq!(authorized.grant(), None);
    assert!(!authorized.decided().decision().is_permit());
    // An unknown caller does not go ahead.
    let unknown = Request::get("/v1/secret").header("host", "api.acme.example");
    let answer = gateway.answer(empty(unknown)).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_handler_without_the_layer_refuses() {
    let handler = |_: Authorized| async { "made" };
    let app: Router = Router::new().route("/", get(handler));
    let request = Request::get("/").body(Body::empty()).unwrap();
    let response = app.oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn a_service_that_fails_is_an_outcome_of_the_call() {
    let setting = Setting::new();
    let live = Live::fixed(setting.pdp(billing()));
    let service = service_fn(|_: Request<Body>| async { Err::<&str, _>("connection refused") });
    let layered = PortcullisLayer::new(live, mapper(), bearer()).layer(service);
    let request = empty(setting.get(&format!("{INVOICES}?limit=5")));
    assert_eq!(
        layered.oneshot(request).await.unwrap_err(),
        "connection refused"
    );
    let decisions = setting.lines("decision");
    let outcomes = setting.lines("outcome");
    assert_eq!(outcomes.len(), 1);
    assert_eq!(outcomes[0]["decision"], decisions[0]["id"]);
    assert_eq!(outcomes[0]["call"], "failed");
}

#[tokio::test]
async fn calls_are_counted_by_integration_effect_and_kind() {
    let setting = Setting::new();
    let metrics = Metrics::new();
    let live = Live::fixed(setting.pdp(billing()));
    let layer = PortcullisLayer::new(live, mapper(), bearer()).metrics(metrics.clone());
    let gateway = Gateway::new(layer);
    for target in ["?limit=5", "?limit=6", "?limit=500", "?limit=05"] {
        let request = empty(setting.get(&format!("{INVOICES}{target}")));
        gateway.answer(request).await;
    }
    let unknown = Request::get(INVOICES).header("host", "api.acme.example");
    gateway.answer(empty(unknown)).await;
    let mut registry = prometheus_client::registry::Registry::default();
    metrics.register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    for line in [
        "portcullis_decisions_total{integration=\"billing-api\",effect=\"permit\",kind=\"permitted\"} 2",
        "portcullis_decisions_total{integration=\"billing-api\",effect=\"deny\",kind=\"policy\"} 1",
        "portcullis_decision_seconds_count{integration=\"billing-api\"} 3",
        "portcullis_refused_total{reason=\"authentication\"} 1",
        "portcullis_refused_total{reason=\"request\"} 1",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    for label in ["acme-eu", "limit", AGENT] {
        assert!(!text.contains(label), "{label} in {text}");
    }
}

#[tokio::test]
async fn callers_without_a_credential_do_not_fill_the_log() {
    let setting = Setting::new();
    let gateway = setting.gateway();
    let begin = Instant::now();
    for _ in 0..200 {
        let unknown = Request::get(INVOICES).header("host", "api.acme.example");
        let answer = gateway.answer(empty(unknown)).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    }
    // A call of a caller that is known is recorded beside them.
    let request = empty(setting.get(&format!("{INVOICES}?limit=05")));
    let answer = gateway.answer(request).await;
    let lines = setting.lines("refused");
    let id = answer.header("portcullis-decision-id");
    assert!(id.is_some());
    assert_eq!(lines.last().unwrap()["id"].as_str(), id);
    let seconds = usize::try_from(begin.elapsed().as_secs()).unwrap() + 1;
    assert!(lines.len() <= 10 * seconds + 1, "{} lines", lines.len());
}

#[tokio::test]
async fn a_call_to_an_unknown_integration_is_a_deny() {
    let setting = Setting::new();
    let other = Mapper::builder()
        .integration("payroll-api")
        .build()
        .unwrap();
    let gateway = setting.gateway_with(other, bearer());
    let answer = gateway.answer(empty(setting.get(INVOICES))).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(answer.json()["kind"], json!(CauseKind::Request));
    assert_eq!(gateway.calls(), 0);
}
