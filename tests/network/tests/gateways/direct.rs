//! The routes of the proxies, asked without a proxy: statements that no documented proxy makes.

use crate::http::{self, Message};
use crate::setting::{Setting, TOKEN};
use envoy_types::ext_authz::v3::pb::{CheckRequest, CheckResponse, HttpResponse};
use envoy_types::pb::envoy::service::auth::v3::AttributeContext;
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{HttpRequest, Request};
use envoy_types::pb::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use tonic::transport::Channel;

/// Asks a route with the headers of a request, and reads the answer.
fn ask(setting: &Setting, line: &str, headers: &[(&str, &str)]) -> Message {
    let mut head = format!("{line} HTTP/1.1\r\nHost: portcullis\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    http::exchange(setting.decisions, head.as_bytes()).expect("an answer")
}

#[test]
fn a_statement_that_is_missing_repeated_or_of_another_proxy_is_refused() {
    let setting = Setting::start("caddy");
    let pep = format!("Bearer {TOKEN}");
    let workload = format!("Bearer {}", setting.token());
    let whole = vec![
        ("Portcullis-Pep", pep.as_str()),
        ("Authorization", workload.as_str()),
        ("X-Forwarded-Method", "GET"),
        ("X-Forwarded-Uri", "/v1/invoices/7"),
        ("X-Forwarded-Host", "api.acme.example"),
    ];
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let mut traced = whole.clone();
    traced.push(("traceparent", trace));
    let answer = ask(&setting, "GET /forward/caddy", &traced);
    assert_eq!(answer.status(), 200, "{answer:?}");
    assert_eq!(answer.header("traceparent"), Some(trace));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let id = answer.header("portcullis-decision-id").unwrap();
    assert!(setting.recorded().contains_key(id));

    for index in 0..whole.len() {
        let (name, _) = whole[index];
        let mut missing = whole.clone();
        missing.remove(index);
        let mut twice = whole.clone();
        twice.push(whole[index]);
        let mut empty = whole.clone();
        empty[index].1 = "";
        for headers in [missing, twice, empty] {
            let answer = ask(&setting, "GET /forward/caddy", &headers);
            let expected: &[u16] = match name {
                "Authorization" => &[401, 403],
                _ => &[403],
            };
            assert!(expected.contains(&answer.status()), "{name}: {answer:?}");
            let media_type = answer.header("content-type");
            assert_eq!(media_type, Some("application/problem+json"), "{name}");
        }
    }
    for (line, status) in [
        ("GET /forward/traefik", 200),
        // The statements of another proxy count as those of the client.
        ("GET /forward/nginx", 403),
        ("GET /forward/envoy", 404),
        ("GET /forward", 404),
        ("POST /forward/caddy", 405),
    ] {
        let answer = ask(&setting, line, &whole);
        assert_eq!(answer.status(), status, "{line}: {answer:?}");
    }
}

#[test]
fn the_client_of_a_proxy_does_not_see_its_configuration() {
    let setting = Setting::start("caddy");
    for token in ["Bearer another", "Basic YTpi", TOKEN, ""] {
        let answer = ask(&setting, "GET /forward/caddy", &[("Portcullis-Pep", token)]);
        assert_eq!(answer.status(), 403, "{token}: {answer:?}");
        assert_eq!(answer.header("www-authenticate"), None);
        for secret in ["pep", "token", "x-forwarded", "serve"] {
            assert!(!answer.body.contains(secret), "{token}: {answer:?}");
        }
    }
}

/// The attributes of a call that the rules permit.
fn permitted(setting: &Setting) -> AttributeContext {
    let mut http = HttpRequest {
        method: "GET".to_owned(),
        path: "/v1/invoices/7".to_owned(),
        host: "api.acme.example".to_owned(),
        ..HttpRequest::default()
    };
    let token = format!("Bearer {}", setting.token());
    http.headers.insert("authorization".to_owned(), token);
    let request = Request {
        http: Some(http),
        ..Request::default()
    };
    let extensions = [("portcullis-body", "included")];
    AttributeContext {
        request: Some(request),
        context_extensions: extensions
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        ..AttributeContext::default()
    }
}

async fn check(
    client: &mut AuthorizationClient<Channel>,
    token: Option<&str>,
    attributes: Option<AttributeContext>,
) -> CheckResponse {
    let mut request = tonic::Request::new(CheckRequest { attributes });
    if let Some(token) = token {
        let value = token.parse().unwrap();
        request.metadata_mut().insert("authorization", value);
    }
    client.check(request).await.unwrap().into_inner()
}

/// Code of the answer in terms of gRPC, and status for the client.
fn answer(response: &CheckResponse) -> (i32, Option<i32>) {
    let code = response.status.as_ref().unwrap().code;
    match response.http_response.as_ref().unwrap() {
        HttpResponse::DeniedResponse(denied) => (code, denied.status.map(|status| status.code)),
        HttpResponse::OkResponse(_) => (code, None),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn every_failure_of_a_check_is_a_denial() {
    const DENIED: i32 = 7;
    let setting = Setting::start("envoy");
    let url = format!("http://{}", setting.decisions);
    let mut client = AuthorizationClient::connect(url).await.unwrap();
    let pep = format!("Bearer {TOKEN}");
    let good = permitted(&setting);
    let response = check(&mut client, Some(&pep), Some(good.clone())).await;
    assert_eq!(answer(&response), (0, None), "{response:?}");
    let metadata = response.dynamic_metadata.unwrap();
    for name in ["permitted", "decision-id", "cause"] {
        assert!(metadata.fields.contains_key(name), "{metadata:?}");
    }

    let changed = |change: fn(&mut AttributeContext, &mut HttpRequest)| {
        let mut attributes = good.clone();
        let mut http = attributes.request.take().unwrap().http.unwrap();
        change(&mut attributes, &mut http);
        attributes.request = Some(Request {
            http: Some(http),
            ..Request::default()
        });
        Some(attributes)
    };
    let of_pep = Some(pep.as_str());
    for (token, attributes, status) in [
        (None, Some(good.clone()), 403),
        (Some("Bearer another"), Some(good.clone()), 403),
        (Some(TOKEN), Some(good.clone()), 403),
        (of_pep, None, 403),
        (of_pep, Some(AttributeContext::default()), 403),
        (of_pep, changed(|_, http| http.headers.clear()), 401),
        (
            of_pep,
            changed(|_, http| http.path = "/v1/payroll".to_owned()),
            403,
        ),
        (of_pep, changed(|_, http| http.path.clear()), 400),
        (
            of_pep,
            changed(|_, http| http.path = "/v1/../a".to_owned()),
            400,
        ),
        (of_pep, changed(|_, http| http.method.clear()), 400),
        (of_pep, changed(|_, http| http.host.clear()), 400),
        (
            of_pep,
            changed(|all, _| all.context_extensions.clear()),
            415,
        ),
        (of_pep, changed(|_, http| http.body = "a".to_owned()), 415),
    ] {
        let said = format!("{token:?} {attributes:?}");
        let response = check(&mut client, token, attributes).await;
        assert_eq!(answer(&response), (DENIED, Some(status)), "{said}");
    }
    for (name, value) in [
        ("portcullis-integration", "payroll"),
        ("portcullis-integration", ""),
        ("portcullis-body", "yes"),
    ] {
        let mut attributes = good.clone();
        let extensions = &mut attributes.context_extensions;
        extensions.insert(name.to_owned(), value.to_owned());
        let response = check(&mut client, of_pep, Some(attributes)).await;
        assert_eq!(answer(&response).0, DENIED, "{name} {value}: {response:?}");
    }
}
