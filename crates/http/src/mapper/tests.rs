use super::*;
use http::HeaderMap;
use serde_json::json;

fn principal() -> Principal {
    Principal {
        id: "spiffe://acme.example/agent/fixer".into(),
        ..Principal::default()
    }
}

fn headers(list: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in list {
        let name: HeaderName = name.parse().unwrap();
        headers.append(name, value.parse().unwrap());
    }
    headers
}

fn mapped(
    mapper: &Mapper,
    method: &str,
    target: &str,
    list: &[(&str, &str)],
    body: Body<'_>,
) -> Result<Request, MapError> {
    let headers = headers(list);
    let call = Call::stated(method, "api.example", target, &headers);
    mapper.request(principal(), &call, body, &RequestLimits::default())
}

fn one() -> Mapper {
    Mapper::builder()
        .integration("billing-api")
        .environment("prod")
        .build()
        .unwrap()
}

#[test]
fn a_call_becomes_a_request_for_http_api() {
    let mapper = Mapper::builder()
        .integration("billing-api")
        .environment("prod")
        .headers(["x-source"])
        .numbers(["limit"])
        .session_path(SessionPath::Machine)
        .build()
        .unwrap()
        .supporting(vec!["notification".into()]);
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let request = mapped(
        &mapper,
        "POST",
        "/v1/caf%C3%A9?limit=5",
        &[
            ("x-source", "reconciler"),
            ("authorization", "Bearer a"),
            ("content-type", "application/json"),
            ("portcullis-intent", "int-7"),
            ("traceparent", trace),
        ],
        Body::Whole(br#"{"amount": 5}"#),
    )
    .unwrap();
    assert_eq!(request.integration(), "billing-api");
    assert_eq!(request.action(), "POST");
    let resource = request.resource();
    assert_eq!(
        (&*resource.kind, &*resource.id, &*resource.environment),
        ("path", "/v1/caf%C3%A9", "prod")
    );
    assert_eq!(
        request.arguments(),
        &json!({
            "query": { "limit": 5 },
            "headers": { "x-source": "reconciler" },
            "body": { "amount": 5 },
        })
    );
    assert_eq!(request.intent().unwrap().id, "int-7");
    assert_eq!(request.session_path(), Some(SessionPath::Machine));
    assert_eq!(request.trace_id(), Some("4bf92f3577b34da6a3ce929d0e0e4736"));
    assert_eq!(
        request.supported_obligations(),
        Some(&["notification".to_owned()][..])
    );
}

#[test]
fn a_call_without_arguments_has_none() {
    let request = mapped(&one(), "GET", "/", &[("accept", "a/b")], Body::Whole(b"")).unwrap();
    assert_eq!(request.arguments(), &json!({}));
    assert_eq!(request.intent(), None);
    assert_eq!(request.trace_id(), None);
    assert_eq!(request.supported_obligations(), None);
}

#[test]
fn a_method_is_upper_case() {
    for method in ["GET", "VERSION-CONTROL", "PURGE"] {
        assert!(mapped(&one(), method, "/", &[], Body::Whole(b"")).is_ok());
    }
    for method in [
        "",
        "get",
        "Delete",
        "DELETE ",
        "GET/1",
        "D\u{ca}LETE",
        "M_X",
    ] {
        let error = mapped(&one(), method, "/", &[], Body::Whole(b"")).unwrap_err();
        assert_eq!(error.place(), &Place::Method);
    }
}

#[test]
fn a_body_is_decided_or_the_call_is_refused() {
    let json = [("content-type", "application/json")];
    let text = [("content-type", "text/plain")];
    let with = |bodies| {
        let builder = Mapper::builder().integration("a").bodies(bodies);
        builder.build().unwrap()
    };
    let status = |bodies, list: &[(&str, &str)], body| {
        let mapped = mapped(&with(bodies), "POST", "/", list, body);
        mapped
            .map(|request| request.arguments().clone())
            .map_err(|error| error.status().as_u16())
    };
    let read_as = json!({ "body": [1] });
    let whole = Body::Whole(b"[1]");
    for (bodies, list, body, expected) in [
        (Bodies::Json, &json, whole, Ok(read_as.clone())),
        (Bodies::Json, &json, Body::Unread, Err(415)),
        (Bodies::Json, &text, whole, Err(415)),
        (Bodies::Json, &text, Body::Whole(b""), Ok(json!({}))),
        (Bodies::JsonOrUnread, &json, whole, Ok(read_as)),
        (Bodies::JsonOrUnread, &json, Body::Unread, Err(415)),
        (Bodies::JsonOrUnread, &text, Body::Unread, Ok(json!({}))),
        (Bodies::Unread, &json, Body::Unread, Ok(json!({}))),
        (Bodies::Unread, &text, Body::Unread, Ok(json!({}))),
    ] {
        assert_eq!(
            status(bodies, list, body),
            expected,
            "{bodies:?} {list:?} {body:?}"
        );
    }
}

#[test]
fn a_route_has_its_integration_and_its_environment() {
    let mapper = Mapper::builder()
        .route(
            Route::to("billing")
                .host("api.example")
                .path("/v1")
                .environment("staging"),
        )
        .route(Route::to("other").path("/v2"))
        .environment("prod")
        .build()
        .unwrap();
    for (target, integration, environment) in
        [("/v1/a", "billing", "staging"), ("/v2/a", "other", "prod")]
    {
        let request = mapped(&mapper, "GET", target, &[], Body::Whole(b"")).unwrap();
        assert_eq!(request.integration(), integration);
        assert_eq!(request.resource().environment, environment);
    }
    let error = mapped(&mapper, "GET", "/v3", &[], Body::Whole(b"")).unwrap_err();
    assert_eq!(error.status(), StatusCode::NOT_FOUND);
}

#[test]
fn the_host_that_a_route_is_chosen_by_is_the_one_that_servers_see() {
    let by_host = Mapper::builder()
        .route(Route::to("billing").host("api.example"))
        .build()
        .unwrap();
    let get =
        |mapper: &Mapper, list: &[(&str, &str)]| mapped(mapper, "GET", "/", list, Body::Whole(b""));
    for list in [
        [("x-forwarded-host", "admin.example")],
        [("forwarded", "for=192.0.2.1;Host=admin.example")],
        [("x-forwarded-host", "api.example, admin.example")],
    ] {
        assert!(get(&by_host, &list).is_err());
        assert!(get(&one(), &list).is_ok());
    }
    for list in [
        [("x-forwarded-host", "API.example")],
        [("forwarded", "for=192.0.2.1;proto=https")],
    ] {
        assert!(get(&by_host, &list).is_ok());
    }
}

#[test]
fn a_call_beyond_the_limits_is_refused() {
    let target = format!("/v1?a={}", "x".repeat(70_000));
    let error = mapped(&one(), "GET", &target, &[], Body::Whole(b"")).unwrap_err();
    assert_eq!(error.status(), StatusCode::PAYLOAD_TOO_LARGE);
}

#[test]
fn names_of_a_call_stay_within_their_places() {
    for list in [
        [("portcullis-intent", "int 7")],
        [("portcullis-intent", "spiffe://a//b spiffe:x")],
        [("portcullis-intent", "")],
    ] {
        let error = mapped(&one(), "GET", "/", &list, Body::Whole(b"")).unwrap_err();
        assert_eq!(error.place(), &Place::Request);
    }
    let long = "a".repeat(300);
    let list = [("traceparent", long.as_str())];
    let request = mapped(&one(), "GET", "/", &list, Body::Whole(b"")).unwrap();
    assert!(request.context().is_empty());
}
