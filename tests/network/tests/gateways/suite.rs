//! Calls through a proxy, permitted and not, and with everything a client can forge.
//!
//! One rule holds for each call: if it reaches the API, then it has the id of a decision, the log has that decision as
//! a permit, and it is about the very method and path that reached the API.

use crate::http::Message;
use crate::setting::Proxy;

/// A call that the rules permit.
const PERMITTED: &str = "/v1/invoices/7";
/// A call that no rule permits.
const DENIED: &str = "/v1/payroll";
/// Header with the id of the decision.
const ID: &str = "portcullis-decision-id";

/// Properties of a proxy that calls depend on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Traits {
    /// The client gets the body of the refusal. nginx has one of its own.
    pub(crate) passes_problems: bool,
    /// Status for the client while the decision point is down.
    pub(crate) while_down: u16,
}

/// All calls of the suite.
pub(crate) fn run(proxy: &Proxy, traits: Traits) {
    lets_through_what_is_permitted(proxy);
    stops_what_is_denied(proxy, traits);
    stops_a_caller_that_is_not_authenticated(proxy);
    forged_statements_change_nothing(proxy);
    a_forged_decision_is_replaced(proxy);
    spellings_of_a_path_are_one_call_or_none(proxy);
    method_overrides_change_nothing(proxy);
    repeated_and_dropped_headers_change_nothing(proxy);
    large_headers_harm_nothing(proxy);
}

/// The answer of the proxy, and the request that reached the API.
struct Outcome {
    answer: Option<Message>,
    reached: Option<Message>,
}

impl Outcome {
    fn status(&self) -> u16 {
        self.answer.as_ref().map_or(0, Message::status)
    }
}

/// Makes a call with the workload's token, and holds it to the rule of this module.
fn call(proxy: &Proxy, method: &str, target: &str, headers: &[(&str, &str)]) -> Outcome {
    let token = format!("Bearer {}", proxy.setting.token());
    let mut all = vec![("Authorization", token.as_str())];
    all.extend(headers);
    raw_call(proxy, method, target, &all)
}

fn raw_call(proxy: &Proxy, method: &str, target: &str, headers: &[(&str, &str)]) -> Outcome {
    let answer = proxy.answer(method, target, headers);
    let mut received = proxy.setting.api.received();
    assert!(received.len() < 2, "{method} {target}: {received:?}");
    let reached = received.pop();
    if let Some(reached) = &reached {
        let claims = headers.iter().filter(|(name, _)| *name != "Authorization");
        let claims: Vec<_> = claims.collect();
        let said = format!(
            "{method} {target} {claims:?} reached the API as {:?}",
            reached.first
        );
        let id = reached
            .header(ID)
            .unwrap_or_else(|| panic!("{said}: without one id"));
        let decisions = proxy.setting.recorded();
        let decision = decisions
            .get(id)
            .unwrap_or_else(|| panic!("{said}: the log has no such decision"));
        let (method, target) = reached.call();
        let path = target.split('?').next().unwrap();
        let request = &decision["request"];
        assert_eq!(decision["decision"]["decision"], true, "{said}: {decision}");
        assert_eq!(request["action"]["name"], method, "{said}: {decision}");
        assert_eq!(request["resource"]["id"], path, "{said}: {decision}");
        assert!(!path.contains("payroll"), "{said}");
    }
    Outcome { answer, reached }
}

#[track_caller]
fn passes(outcome: &Outcome, said: &str) {
    assert_eq!(outcome.status(), 200, "{said}: {:?}", outcome.answer);
    assert!(outcome.reached.is_some(), "{said}");
}

#[track_caller]
fn is_stopped(outcome: &Outcome, statuses: &[u16], said: &str) {
    assert!(outcome.reached.is_none(), "{said}: {:?}", outcome.reached);
    let status = outcome.status();
    assert!(statuses.contains(&status), "{said}: {:?}", outcome.answer);
}

fn lets_through_what_is_permitted(proxy: &Proxy) {
    for target in [PERMITTED, "/v1/invoices/8?page=3"] {
        let outcome = call(proxy, "GET", target, &[]);
        passes(&outcome, target);
        let reached = outcome.reached.unwrap();
        assert_eq!(reached.call(), ("GET", target));
        assert_eq!(outcome.answer.unwrap().body, "api");
    }
}

fn stops_what_is_denied(proxy: &Proxy, traits: Traits) {
    for (method, target) in [
        ("GET", DENIED),
        ("DELETE", PERMITTED),
        ("GET", "/v1/invoices/7?all=true"),
        ("GET", "/v1/invoices/7?page=x"),
        ("GET", "/"),
    ] {
        let outcome = call(proxy, method, target, &[]);
        let said = format!("{method} {target}");
        is_stopped(&outcome, &[403, 400], &said);
        let answer = outcome.answer.unwrap();
        assert!(answer.header(ID).is_some(), "{said}: {answer:?}");
        if traits.passes_problems {
            let media_type = answer.header("content-type");
            assert_eq!(media_type, Some("application/problem+json"), "{said}");
            assert!(answer.body.contains("\"status\""), "{said}: {answer:?}");
        }
        for secret in ["http-api", "create an invoice", "vouches-for"] {
            assert!(!answer.body.contains(secret), "{said}: {answer:?}");
        }
    }
}

fn stops_a_caller_that_is_not_authenticated(proxy: &Proxy) {
    let other = format!(
        "Bearer {}",
        proxy.setting.token_for("https://other.example")
    );
    let good = proxy.setting.token();
    let (head, _) = good.rsplit_once('.').unwrap();
    let forged = format!("Bearer {head}.AAAA");
    let bare = good.clone();
    for credential in [
        None,
        Some(other.as_str()),
        Some(forged.as_str()),
        Some(bare.as_str()),
        Some("Basic YTpi"),
        Some("Bearer"),
    ] {
        let headers: Vec<_> = credential
            .map(|it| ("Authorization", it))
            .into_iter()
            .collect();
        let outcome = raw_call(proxy, "GET", PERMITTED, &headers);
        let said = format!("{credential:?}");
        is_stopped(&outcome, &[401, 400, 403], &said);
        if credential.is_none() {
            let answer = outcome.answer.unwrap();
            assert_eq!(answer.status(), 401);
            let challenge = answer.header("www-authenticate");
            assert!(
                challenge.is_some_and(|it| it.starts_with("Bearer")),
                "{answer:?}"
            );
        }
    }
}

/// Headers in which any of the proxies states a call, or a server could read one.
const STATEMENTS: [&str; 12] = [
    "X-Original-URI",
    "X-Original-URL",
    "X-Original-Method",
    "X-Original-Host",
    "X-Forwarded-Uri",
    "X-Forwarded-Method",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Forwarded-Path",
    "X-Rewrite-URL",
    "X-Envoy-Original-Path",
    "X_Original_URI",
];

fn forged_statements_change_nothing(proxy: &Proxy) {
    for name in STATEMENTS {
        let (permitted, denied) = match name {
            name if name.ends_with("Method") => ("GET", "DELETE"),
            name if name.ends_with("Host") => ("api.acme.example", "other.example"),
            name if name.ends_with("Proto") => ("https", "http"),
            _ => (PERMITTED, DENIED),
        };
        // A call that is denied is denied, whatever the header claims.
        let claims = [(name, permitted)];
        let outcome = call(proxy, "GET", DENIED, &claims);
        is_stopped(
            &outcome,
            &[400, 403, 426],
            &format!("GET {DENIED} {claims:?}"),
        );
        let outcome = call(proxy, "DELETE", PERMITTED, &claims);
        is_stopped(&outcome, &[400, 403, 426], &format!("DELETE {claims:?}"));
        // A call that is permitted stays this call, or is refused for the header.
        for claims in [
            vec![(name, denied)],
            vec![(name, denied), (name, permitted)],
        ] {
            let outcome = call(proxy, "GET", PERMITTED, &claims);
            match &outcome.reached {
                Some(reached) => assert_eq!(reached.call(), ("GET", PERMITTED), "{claims:?}"),
                None => is_stopped(&outcome, &[400, 403, 426], &format!("{claims:?}")),
            }
        }
    }
    // Neither does the client choose the enforcement point.
    for claims in [
        [("Portcullis-Pep", "Bearer forged")],
        [("Portcullis-Credential", "forged")],
        [(
            "X-Forwarded-Client-Cert",
            "By=spiffe://acme.example/a;URI=spiffe://acme.example/b",
        )],
    ] {
        let outcome = call(proxy, "GET", DENIED, &claims);
        is_stopped(&outcome, &[400, 403], &format!("{claims:?}"));
        let outcome = raw_call(proxy, "GET", PERMITTED, &claims);
        is_stopped(&outcome, &[400, 401, 403], &format!("{claims:?}"));
    }
}

fn a_forged_decision_is_replaced(proxy: &Proxy) {
    for claims in [
        vec![("Portcullis-Decision-Id", "forged")],
        vec![
            ("Portcullis-Decision-Id", "a"),
            ("Portcullis-Decision-Id", "b"),
        ],
        vec![
            ("Portcullis-Decision-Id", "forged"),
            ("Connection", "close, Portcullis-Decision-Id"),
        ],
    ] {
        // `raw_call` finds the id in the log.
        let outcome = call(proxy, "GET", PERMITTED, &claims);
        if outcome.reached.is_none() {
            is_stopped(&outcome, &[400, 403], &format!("{claims:?}"));
        }
    }
    let outcome = call(
        proxy,
        "GET",
        PERMITTED,
        &[("Portcullis-Decision-Id", "forged")],
    );
    passes(&outcome, "a forged decision id");
}

fn spellings_of_a_path_are_one_call_or_none(proxy: &Proxy) {
    for target in [
        "/v1/invoices%2f7",
        "/v1/invoices%2F7",
        "/v1/invoices/..%2fpayroll",
        "/v1/invoices/..%2F..%2Fv1%2Fpayroll",
        "/v1/invoices/../payroll",
        "/v1/payroll/../invoices/7",
        "/v1/invoices/%2e%2e/payroll",
        "/v1/invoices/%2E%2E/payroll",
        "/v1/./invoices/7",
        "//v1/invoices/7",
        "/v1//payroll",
        "/v1/invoices/7/",
        "/v1/invoices/7;x=/v1/payroll",
        "/v1/invoices/..;/payroll",
        "/v1/%69nvoices/7",
        "/v1/invoices/%252e%252e/payroll",
        "/v1/invoices\\..\\payroll",
        "/v1/invoices/7%5c..%5c..%5cpayroll",
        "/v1/invoices/7%00",
        "/v1/invoices/7#/v1/payroll",
        "/V1/Invoices/7",
        "/v1/invoices/7%0d%0aX-Original-URI:%20/v1/payroll",
        "/v1/invoices/\u{ff0e}\u{ff0e}/payroll",
        "http://other.example/v1/payroll",
        "http://api.acme.example/v1/invoices/7",
        "*",
        "/v1/invoices/7?_method=DELETE",
        "/v1/invoices/7?page=1&page=2",
    ] {
        let outcome = call(proxy, "GET", target, &[]);
        if let Some(reached) = &outcome.reached {
            // A proxy that resolves the path does so before the decision.
            assert_eq!(reached.call(), ("GET", PERMITTED), "{target}");
        } else {
            let status = outcome.status();
            assert!(
                (200..500).contains(&status),
                "{target}: {:?}",
                outcome.answer
            );
        }
    }
}

fn method_overrides_change_nothing(proxy: &Proxy) {
    for name in [
        "X-HTTP-Method-Override",
        "X-HTTP-Method",
        "X-Method-Override",
        "X_HTTP_Method_Override",
        "x-http-method-override",
    ] {
        // With `_` in its name, nginx drops the header, so that the call is the one that is permitted.
        let outcome = call(proxy, "GET", PERMITTED, &[(name, "DELETE")]);
        match &outcome.reached {
            Some(reached) => {
                let overridden = reached.headers.iter().any(|(_, value)| value == "DELETE");
                assert!(!overridden, "{name}: {reached:?}");
            }
            None => is_stopped(&outcome, &[400, 403], name),
        }
        let outcome = call(proxy, "DELETE", PERMITTED, &[(name, "GET")]);
        is_stopped(&outcome, &[400, 403], name);
    }
    for method in ["get", "Get", "GET1", "HEAD", "PURGE", "OPTIONS", "TRACE"] {
        let outcome = call(proxy, method, PERMITTED, &[]);
        is_stopped(&outcome, &[400, 403, 404, 405], method);
    }
}

fn repeated_and_dropped_headers_change_nothing(proxy: &Proxy) {
    let token = format!("Bearer {}", proxy.setting.token());
    let own = ("Authorization", token.as_str());
    for headers in [
        vec![own, ("Authorization", "Bearer other")],
        vec![("Authorization", "Bearer other"), own],
        vec![own, own],
        vec![own, ("Host", "api.acme.example"), ("Host", "other.example")],
        vec![own, ("Connection", "close, Authorization")],
        vec![
            own,
            ("Connection", "close, X-Forwarded-Uri, X-Forwarded-Method"),
        ],
        vec![
            own,
            ("Connection", "close, X-Original-URI, X-Original-Method"),
        ],
        vec![own, ("Connection", "close, Portcullis-Pep")],
        vec![own, ("Upgrade", "websocket"), ("Connection", "Upgrade")],
        vec![
            own,
            ("Transfer-Encoding", "chunked"),
            ("Content-Length", "3"),
        ],
    ] {
        // `raw_call` holds what reaches the API to its decision.
        let outcome = raw_call(proxy, "GET", DENIED, &headers);
        assert!(outcome.reached.is_none(), "{headers:?}");
        raw_call(proxy, "GET", PERMITTED, &headers);
    }
}

fn large_headers_harm_nothing(proxy: &Proxy) {
    let long = "a".repeat(60_000);
    let target = format!("/v1/invoices/{long}");
    call(proxy, "GET", PERMITTED, &[("X-Large", &long)]);
    call(proxy, "GET", &target, &[]);
    let names: Vec<_> = (0..500).map(|number| format!("X-Many-{number}")).collect();
    let many: Vec<_> = names.iter().map(|name| (name.as_str(), "a")).collect();
    call(proxy, "GET", PERMITTED, &many);
    let outcome = call(proxy, "GET", PERMITTED, &[]);
    passes(&outcome, "after large headers");
}

/// Without the decision point, each call fails.
pub(crate) fn fails_without_decisions(proxy: &mut Proxy, traits: Traits) {
    proxy.setting.stop_decisions();
    for target in [PERMITTED, DENIED] {
        let outcome = call(proxy, "GET", target, &[]);
        is_stopped(&outcome, &[traits.while_down], target);
    }
}

/// A proxy that does not prove that it is an enforcement point gets no permit.
pub(crate) fn gets_no_permit(proxy: &Proxy) {
    for target in [PERMITTED, DENIED] {
        let outcome = call(proxy, "GET", target, &[]);
        is_stopped(&outcome, &[403], target);
    }
}
