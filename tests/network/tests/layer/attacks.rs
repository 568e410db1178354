//! Calls that try to be decided as one call and made as another.

use crate::setting::{
    AGENT, GATEWAY, Gateway, INVOICES, OTHER, Setting, bearer, billing, empty, mapper,
};
use axum::body::Body;
use http::{HeaderName, HeaderValue, Request, StatusCode, Version};
use portcullis_host::{Live, Principal, Request as Asked, Resource};
use portcullis_http::{Mapper, PortcullisLayer, Route};
use serde_json::json;

/// Sends each call, and expects that it is refused as unreadable and recorded.
async fn are_unreadable(setting: &Setting, gateway: &Gateway, calls: Vec<Request<Body>>) {
    let before = setting.lines("refused").len();
    let sent = calls.len();
    for call in calls {
        let shown = format!("{call:?}");
        let answer = gateway.answer(call).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{shown}");
        assert!(answer.header("portcullis-decision-id").is_some(), "{shown}");
    }
    assert_eq!(gateway.calls(), 0);
    assert_eq!(setting.lines("refused").len(), before + sent);
    assert_eq!(setting.lines("decision"), Vec::<serde_json::Value>::new());
}

#[tokio::test]
async fn the_method_is_not_overridden() {
    let setting = Setting::new();
    let gateway = setting.gateway();
    let target = format!("{INVOICES}?limit=5");
    let mut calls = Vec::new();
    for name in [
        "X-HTTP-Method-Override",
        "x-http-method-override",
        "X_HTTP_METHOD_OVERRIDE",
        "X-HTTP-Method",
        "X-Method-Override",
        "X-Original-Method",
        "X-Forwarded-Method",
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-Forwarded-Uri",
        "X-Forwarded-Prefix",
        "Upgrade",
    ] {
        calls.push(empty(setting.get(&target).header(name, "DELETE")));
    }
    for parameter in [
        "_method=DELETE",
        "_METHOD=DELETE",
        "%5fmethod=DELETE",
        "%255Fmethod=DELETE",
        "_method[]=DELETE",
        "_method%00=DELETE",
        "x-http-method-override=DELETE",
        "X_HTTP_Method_Override=DELETE",
    ] {
        calls.push(empty(setting.get(&format!("{target}&{parameter}"))));
    }
    for body in [
        json!({ "_method": "DELETE" }),
        json!([{ "a": { "_Method": "DELETE" } }]),
        json!({ "X-HTTP-Method-Override": "DELETE" }),
    ] {
        let call = setting
            .call("POST", "/v1/invoices/7/close")
            .header("content-type", "application/json");
        calls.push(call.body(Body::from(body.to_string())).unwrap());
    }
    for method in ["get", "Get", "delete", "GET_"] {
        calls.push(empty(setting.call(method, &target)));
    }
    are_unreadable(&setting, &gateway, calls).await;
    let neighbour = setting
        .get(&target)
        .header("x-request-method", "DELETE")
        .header("x-forwarded-for", "192.0.2.1")
        .header("x-forwarded-proto", "https");
    assert_eq!(gateway.answer(empty(neighbour)).await.status, 200);
}

#[tokio::test]
async fn the_path_is_not_resolved_to_another_one() {
    let setting = Setting::new();
    let gateway = setting.gateway();
    let calls = [
        "/v1/documents/../secret",
        "/v1/documents/%2e%2e/secret",
        "/v1/documents/..%2Fsecret",
        "/v1/documents/..%2fsecret",
        "/v1/documents/..%5Csecret",
        "/v1/documents/%252e%252e/secret",
        "/v1/documents/a%00.txt",
        "/v1/documents/..;/secret",
        "/v1/documents;x=y/a",
        "/v1/documents//secret",
        "//v1/documents/a",
        "/v1/documents/a/",
        "/v1/documents/%61",
        "/v1/documents/%C0%AE%C0%AE/secret",
        "/v1/documents/%EF%BC%8E%EF%BC%8E/secret",
        "/v1/documents/caf\u{e9}",
    ];
    let calls = calls.map(|target| empty(setting.get(target)));
    are_unreadable(&setting, &gateway, calls.into()).await;
    for target in ["/v1/documents/a/b.txt", "/v1/documents/caf%C3%A9"] {
        let answer = gateway.answer(empty(setting.get(target))).await;
        assert_eq!(answer.status, StatusCode::OK, "{target}");
    }
}

#[tokio::test]
async fn a_header_is_there_once() {
    let setting = Setting::new();
    let builder = Mapper::builder().integration("billing-api");
    let mapper = builder.numbers(["limit"]).headers(["x-source"]);
    let gateway = setting.gateway_with(mapper.build().unwrap(), bearer());
    let get = || setting.get(&format!("{INVOICES}?limit=5"));
    let twice = |name: &'static str, first: &str, second: &str| {
        empty(get().header(name, first).header(name, second))
    };
    let mut latin = empty(get());
    latin.headers_mut().insert(
        HeaderName::from_static("x-source"),
        HeaderValue::from_bytes(b"caf\xe9").unwrap(),
    );
    let calls = vec![
        twice("x-source", "reconciler", "other"),
        empty(get().header("x-source", "a").header("x_source", "b")),
        twice("content-type", "text/plain", "application/json"),
        twice("portcullis-intent", "int-1", "int-2"),
        empty(
            get()
                .header("x-source", "a")
                .header("connection", "close, x-source"),
        ),
        empty(get().header("host", "other.example")),
        empty(get().header("portcullis-intent", "int 1")),
        latin,
    ];
    are_unreadable(&setting, &gateway, calls).await;
    let neighbour = get()
        .header("accept", "text/plain")
        .header("accept", "text/html")
        .header("x-source", "reconciler");
    assert_eq!(gateway.answer(empty(neighbour)).await.status, 200);
}

#[tokio::test]
async fn the_host_is_stated_once() {
    let setting = Setting::new();
    let route = Route::to("billing-api").host("api.acme.example");
    let mapper = Mapper::builder().route(route).numbers(["limit"]);
    let gateway = setting.gateway_with(mapper.build().unwrap(), bearer());
    let token = format!("Bearer {}", setting.token(AGENT));
    let target = format!("{INVOICES}?limit=5");
    let over_2 = |host: &str| {
        Request::get(format!("https://api.acme.example{target}"))
            .version(Version::HTTP_2)
            .header("authorization", &token)
            .header("host", host)
    };
    let over_1 = Request::get(format!("https://api.acme.example{target}"));
    let calls = vec![
        empty(
            over_1
                .header("authorization", &token)
                .header("host", "api.acme.example"),
        ),
        empty(over_2("admin.acme.example")),
        empty(
            setting
                .get(&target)
                .header("x-forwarded-host", "admin.acme.example"),
        ),
        empty(
            setting
                .get(&target)
                .header("forwarded", "host=admin.acme.example"),
        ),
        empty(Request::get(&target).header("authorization", &token)),
        empty(
            Request::get(&target)
                .header("authorization", &token)
                .header("host", "a@b"),
        ),
    ];
    are_unreadable(&setting, &gateway, calls).await;
    assert_eq!(
        gateway
            .answer(empty(over_2("api.acme.example")))
            .await
            .status,
        200
    );
    let other = Request::get(&target).header("host", "admin.acme.example");
    let other = empty(other.header("authorization", &token));
    assert_eq!(gateway.answer(other).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_body_does_not_become_a_statement_of_the_gateway() {
    let setting = Setting::new();
    let gateway = setting.gateway();
    let post = |body: &str| {
        let call = setting.call("POST", "/v1/invoices/7/close");
        let call = call.header("content-type", "application/json");
        call.body(Body::from(body.to_owned())).unwrap()
    };
    let calls = [
        r#"{"a":1},"intent":{"id":"int-1"},"context":{"session-path":"interactive"}"#,
        r#"{"a":1}}{"principal":{"id":"spiffe://acme.example/agent/lead"}}"#,
        r#"{"a":1} {"a":2}"#,
    ];
    are_unreadable(&setting, &gateway, calls.map(post).into()).await;
    let body = json!({
        "intent": { "id": "int-1" }, "principal": { "id": OTHER }, "integration": "other",
        "context": { "session-path": "interactive" }, "resource": { "environment": "dev" },
    });
    assert_eq!(gateway.answer(post(&body.to_string())).await.status, 200);
    let reached = gateway.reached.lock().unwrap();
    let (authorized, _) = &reached[0];
    let request = authorized.decided().request();
    assert_eq!(request.integration(), "billing-api");
    assert_eq!(request.principal().id, AGENT);
    assert_eq!(request.intent(), None);
    assert_eq!(request.session_path(), None);
    assert_eq!(request.resource().environment, "");
    assert_eq!(request.arguments()["body"], body);
}

#[tokio::test]
async fn a_caller_cannot_state_its_own_decision() {
    let setting = Setting::new();
    let gateway = setting.gateway();
    let request = setting
        .get("/v1/secret")
        .header(
            "portcullis-decision",
            "0199c2a7-6b0e-7c42-9d3e-6a1f0d9b4c11",
        )
        .header("x-portcullis-principal", GATEWAY);
    let answer = gateway.answer(empty(request)).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert_eq!(gateway.calls(), 0);
}

/// The mapper and the plugin judge names by rules of their own: both must know the same overrides.
#[tokio::test]
async fn the_mapper_refuses_the_overrides_that_the_plugin_knows() {
    let setting = Setting::new();
    let pdp = setting.pdp(billing());
    let gateway = Gateway::new(PortcullisLayer::new(
        Live::fixed(pdp.clone()),
        mapper(),
        bearer(),
    ));
    let plugin_permits = |arguments: serde_json::Value| {
        let principal = Principal {
            id: AGENT.into(),
            ..Principal::default()
        };
        let resource = Resource {
            id: "/v1/documents/a".into(),
            ..Resource::default()
        };
        let asked = Asked::builder("billing-api", principal, "GET", resource);
        let asked = asked
            .arguments(arguments)
            .build(pdp.request_limits())
            .unwrap();
        pdp.evaluate(&asked).is_permit()
    };
    for (name, is_refused) in [
        ("x-http-method-override", true),
        ("x-http-method", true),
        ("x-original-url", true),
        ("x-rewrite-url", true),
        ("x-waws-unencoded-url", true),
        ("x-forwarded-path", true),
        ("x-forwarded-prefix", true),
        ("x-accel-redirect", true),
        ("x-invoke-path", true),
        ("x-matched-path", true),
        ("x-middleware-subrequest", true),
        ("x-request-uri", true),
        ("x-backend-host", true),
        ("x-host", true),
        ("base-url", true),
        ("destination", true),
        ("proxy", true),
        ("upgrade", true),
        ("x-request-id", false),
        ("accept", false),
        ("x-method", false),
    ] {
        assert_eq!(
            !plugin_permits(json!({ "headers": { name: "a" } })),
            is_refused,
            "{name}"
        );
        let request = setting.get("/v1/documents/a").header(name, "a");
        let status = gateway.answer(empty(request)).await.status;
        assert_eq!(
            status == StatusCode::BAD_REQUEST,
            is_refused,
            "{name}: {status}"
        );
    }
    for (name, is_refused) in [
        ("_method", true),
        ("_METHOD", true),
        ("_http_method", true),
        ("x-http-method-override", true),
        ("x_method_override", true),
        ("_method[a]", true),
        ("[method", true),
        ("method", false),
        ("payment_method", false),
        ("page", false),
    ] {
        assert_eq!(
            !plugin_permits(json!({ "query": { name: "a" } })),
            is_refused,
            "{name}"
        );
        let target = format!("/v1/documents/a?{name}=a");
        let status = gateway.answer(empty(setting.get(&target))).await.status;
        assert_eq!(
            status == StatusCode::BAD_REQUEST,
            is_refused,
            "{name}: {status}"
        );
    }
}
