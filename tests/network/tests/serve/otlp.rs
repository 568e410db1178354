//! Traces and metrics at a collector, decoded from protobuf.

use crate::client::{get, post, with};
use crate::receiver::{Got, Receiver, Reply};
use crate::setting::{EVALUATION, EVALUATIONS, Folder, Running, evaluation, until};
use envoy_types::ext_authz::v3::pb::CheckRequest;
use envoy_types::pb::envoy::service::auth::v3::AttributeContext;
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{HttpRequest, Request};
use envoy_types::pb::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use http::Method;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use portcullis_server::settings::{check, read};
use prost::Message as _;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

fn otlp(collector: &Receiver, rest: &str) -> String {
    format!(
        "[serve.otlp]\nendpoint = \"{}\"\nmetrics-interval = \"100ms\"\n{rest}\n",
        collector.url()
    )
}

fn sampled(flag: &str) -> String {
    format!("00-{TRACE}-{PARENT}-{flag}")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn attributes(all: &[KeyValue]) -> BTreeMap<String, Value> {
    let all = all.iter().map(|one| {
        let value = match one.value.clone().unwrap().value.unwrap() {
            Any::StringValue(text) => json!(text),
            Any::IntValue(number) => json!(number),
            other => panic!("{other:?}"),
        };
        (one.key.clone(), value)
    });
    let found: Vec<_> = all.collect();
    let named: BTreeMap<_, _> = found.iter().cloned().collect();
    assert_eq!(named.len(), found.len(), "twice: {found:?}");
    named
}

/// All spans so far.
fn spans(collector: &Receiver) -> Vec<Span> {
    let got = collector.got();
    let traces = got.iter().filter(|got| got.path == "/v1/traces");
    let requests = traces.map(|got| {
        assert_eq!(got.header("content-type"), "application/x-protobuf");
        ExportTraceServiceRequest::decode(got.body.clone()).unwrap()
    });
    let resources = requests.flat_map(|request| request.resource_spans);
    let scopes = resources.flat_map(|resource| resource.scope_spans);
    scopes.flat_map(|scope| scope.spans).collect()
}

async fn spans_of(collector: &Receiver, count: usize) -> Vec<Span> {
    until("the spans arrive", || async {
        spans(collector).len() >= count
    })
    .await;
    let spans = spans(collector);
    assert_eq!(spans.len(), count, "{spans:#?}");
    spans
}

/// The metrics of the last export, by name: unit, and data.
fn metrics(collector: &Receiver) -> BTreeMap<String, (String, Data)> {
    let got = collector.got();
    let last = got.iter().rfind(|got| got.path == "/v1/metrics");
    let Some(last) = last else {
        return BTreeMap::new();
    };
    let request = ExportMetricsServiceRequest::decode(last.body.clone()).unwrap();
    let scopes = request.resource_metrics.into_iter();
    let metrics = scopes
        .flat_map(|resource| resource.scope_metrics)
        .flat_map(|scope| scope.metrics);
    metrics
        .map(|metric| (metric.name, (metric.unit, metric.data.unwrap())))
        .collect()
}

/// Values of a counter by its attributes.
fn counts(collector: &Receiver, name: &str) -> Vec<(BTreeMap<String, Value>, i64)> {
    match metrics(collector).remove(name) {
        None => Vec::new(),
        Some((_, Data::Sum(sum))) => {
            assert!(sum.is_monotonic);
            let points = sum.data_points.iter();
            points
                .map(|point| {
                    let Some(Number::AsInt(value)) = point.value else {
                        panic!("{point:?}");
                    };
                    (attributes(&point.attributes), value)
                })
                .collect()
        }
        Some((_, other)) => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_a_server_span_below_that_of_its_caller() {
    let collector = Receiver::start();
    let folder = Folder::with(&otlp(&collector, "service-name = \"pdp\""));
    let running = folder.serve().await;
    let asked = post(EVALUATION, &evaluation("alice", "read", "record-1"));
    let decided = running
        .send(with(asked, "traceparent", &sampled("01")))
        .await;
    let id = decided.json()["context"]["id"].clone();
    let span = spans_of(&collector, 1).await.remove(0);
    assert_eq!(span.name, "POST /access/v1/evaluation");
    assert_eq!(span.kind(), SpanKind::Server);
    assert_eq!(hex(&span.trace_id), TRACE);
    assert_eq!(hex(&span.parent_span_id), PARENT);
    assert!(span.start_time_unix_nano <= span.end_time_unix_nano);
    let expected = json!({
        "http.request.method": "POST",
        "http.route": "/access/v1/evaluation",
        "http.response.status_code": 200,
        "network.protocol.version": "1.1",
        "portcullis.cause": "permitted",
        "portcullis.decision": "permit",
        "portcullis.decision.id": id,
        "portcullis.integration": "records",
        "server.address": "127.0.0.1",
        "server.port": 0,
        "url.scheme": "http",
    });
    assert_eq!(json!(attributes(&span.attributes)), expected);
    let got = collector.got();
    let traces = got.iter().find(|got| got.path == "/v1/traces").unwrap();
    let request = ExportTraceServiceRequest::decode(traces.body.clone()).unwrap();
    let resource = request.resource_spans[0].resource.clone().unwrap();
    assert_eq!(
        attributes_named(&resource.attributes, "service.name"),
        "pdp"
    );
    // Without a parent, it is the root of a trace of its own.
    running
        .send(post(EVALUATION, &evaluation("carol", "read", "record-1")))
        .await;
    let root = spans_of(&collector, 2).await.remove(1);
    assert!(root.parent_span_id.is_empty());
    assert_ne!(hex(&root.trace_id), TRACE);
    let found = attributes(&root.attributes);
    assert_eq!(found["portcullis.decision"], "deny");
    assert_eq!(found["portcullis.cause"], "plugin-denied");
    assert!(running.stop().await);
}

fn attributes_named(all: &[KeyValue], name: &str) -> String {
    let all = all.iter().filter(|one| one.key == name).cloned();
    let found = attributes(&all.collect::<Vec<_>>());
    found[name].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_has_numbers_and_a_refusal_its_kind() {
    let collector = Receiver::start();
    let folder = Folder::with(&otlp(&collector, ""));
    let running = folder.serve().await;
    let batch = json!({
        "subject": { "type": "user", "id": "alice" },
        "resource": { "type": "record", "id": "record-1" },
        "evaluations": [
            { "action": { "name": "read" } },
            { "action": { "name": "delete" } },
            { "action": { "name": "read" } },
        ],
    });
    let decisions = running.send(post(EVALUATIONS, &batch)).await.decisions();
    assert_eq!(decisions, [true, false, true]);
    running
        .send(post(EVALUATION, &json!({ "subject": 1 })))
        .await;
    let spans = spans_of(&collector, 2).await;
    let found = attributes(&spans[0].attributes);
    assert_eq!(found["portcullis.decisions.permitted"], 2);
    assert_eq!(found["portcullis.decisions.denied"], 1);
    assert!(!found.contains_key("portcullis.decision"));
    let found = attributes(&spans[1].attributes);
    assert_eq!(found["portcullis.refused"], "malformed");
    assert_eq!(found["http.response.status_code"], 400);
    // The admin listener has no spans, and neither has a path that is none.
    running.admin(get("/livez")).await;
    running.send(get("/none")).await;
    running
        .send(get("/.well-known/authzen-configuration"))
        .await;
    let last = spans_of(&collector, 3).await.remove(2);
    assert_eq!(last.name, "GET /.well-known/authzen-configuration");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_caller_decides_whether_its_trace_is_recorded() {
    let collector = Receiver::start();
    let folder = Folder::with(&otlp(&collector, "traces-percent = 0"));
    let running = folder.serve().await;
    let ask = || post(EVALUATION, &evaluation("alice", "read", "record-1"));
    for unsampled in [
        ask(),
        with(ask(), "traceparent", &sampled("00")),
        with(ask(), "traceparent", "no trace"),
    ] {
        assert!(running.send(unsampled).await.decision());
    }
    running
        .send(with(ask(), "traceparent", &sampled("01")))
        .await;
    let span = spans_of(&collector, 1).await.remove(0);
    assert_eq!(hex(&span.trace_id), TRACE);
}

/// The metrics of the Prometheus endpoint that begin with `name`, with their values.
async fn scraped(running: &Running, name: &str) -> i64 {
    let text = running.admin(get("/metrics")).await.text();
    let lines = text.lines().filter(|line| line.starts_with(name));
    let values = lines.map(|line| line.rsplit_once(' ').unwrap().1.parse::<i64>().unwrap());
    values.sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_have_the_names_of_the_conventions_and_the_counts_of_the_endpoint() {
    let collector = Receiver::start();
    let folder = Folder::with(&otlp(&collector, ""));
    let running = folder.serve().await;
    for (subject, count) in [("alice", 3), ("carol", 2)] {
        for _ in 0..count {
            running
                .send(post(EVALUATION, &evaluation(subject, "read", "record-1")))
                .await;
        }
    }
    let decisions = |effect: &str, cause: &str| {
        let attributes = json!({
            "portcullis.integration": "records",
            "portcullis.decision": effect,
            "portcullis.cause": cause,
        });
        let found = counts(&collector, "portcullis.decisions");
        let mut found = found.into_iter();
        found.find_map(|(of, count)| (json!(of) == attributes).then_some(count))
    };
    until("the decisions are exported", || async {
        decisions("permit", "permitted") == Some(3) && decisions("deny", "plugin-denied") == Some(2)
    })
    .await;
    assert_eq!(scraped(&running, "portcullis_decisions_total").await, 5);
    let requests = counts(&collector, "portcullis.requests");
    let evaluations = requests.iter().find(|(of, _)| {
        of["http.route"] == "/access/v1/evaluation" && of["http.response.status_code"] == 200
    });
    assert_eq!(evaluations.unwrap().1, 5);
    let (unit, data) = metrics(&collector)
        .remove("http.server.request.duration")
        .unwrap();
    assert_eq!(unit, "s");
    let Data::Histogram(histogram) = data else {
        panic!("{data:?}");
    };
    let point = histogram
        .data_points
        .iter()
        .find(|point| attributes(&point.attributes)["http.route"] == "/access/v1/evaluation")
        .unwrap();
    assert_eq!(point.count, 5);
    assert_eq!(
        point.explicit_bounds,
        [
            0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0
        ]
    );
    let expected = json!({
        "http.request.method": "POST",
        "http.route": "/access/v1/evaluation",
        "http.response.status_code": 200,
        "network.protocol.version": "1.1",
        "url.scheme": "http",
    });
    assert_eq!(json!(attributes(&point.attributes)), expected);
    let names: Vec<_> = metrics(&collector).into_keys().collect();
    for counter in ["unrecorded_refusals", "shipped_lines", "dropped_spans"] {
        let name = format!("portcullis.{counter}");
        assert!(names.contains(&name), "{name} in {names:?}");
    }
}

/// A check of Envoy, whose call has these headers.
fn check_of(headers: &[(&str, &str)]) -> CheckRequest {
    let headers = headers.iter();
    let http = HttpRequest {
        method: "GET".to_owned(),
        path: "/v1".to_owned(),
        host: "api.acme.example".to_owned(),
        headers: headers
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        ..HttpRequest::default()
    };
    let request = Request {
        http: Some(http),
        ..Request::default()
    };
    CheckRequest {
        attributes: Some(AttributeContext {
            request: Some(request),
            ..AttributeContext::default()
        }),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_parent_of_a_check_is_that_of_envoy_or_else_that_of_the_call() {
    let collector = Receiver::start();
    let folder = Folder::with(&otlp(&collector, ""));
    let running = folder.serve().await;
    let mut client = AuthorizationClient::connect(running.urls[0].clone())
        .await
        .unwrap();
    let of_call = sampled("01");
    let of_envoy = of_call.replace(PARENT, "00f067aa0ba902b7");
    let mut parents = Vec::new();
    for (envoy, call) in [
        (None, None),
        (None, Some(of_call.as_str())),
        (Some(of_envoy.as_str()), Some(of_call.as_str())),
        (None, Some("no trace")),
        (Some("no trace"), Some(of_call.as_str())),
    ] {
        let headers: Vec<_> = call.map(|call| ("traceparent", call)).into_iter().collect();
        let mut request = tonic::Request::new(check_of(&headers));
        if let Some(envoy) = envoy {
            let metadata = request.metadata_mut();
            metadata.insert("traceparent", envoy.parse().unwrap());
        }
        client.check(request).await.unwrap();
        let span = spans_of(&collector, parents.len() + 1).await.pop().unwrap();
        assert_eq!(span.name, "envoy.service.auth.v3.Authorization/Check");
        assert_eq!(
            hex(&span.trace_id) == TRACE,
            !span.parent_span_id.is_empty()
        );
        parents.push(hex(&span.parent_span_id));
    }
    assert_eq!(parents, ["", PARENT, "00f067aa0ba902b7", "", PARENT]);
}

const SECRET: &str = "s3cret-argument";

/// True if a text with the secret is in the body of a request.
fn has_secret(got: &Got) -> bool {
    let secret = SECRET.as_bytes();
    got.body.windows(secret.len()).any(|found| found == secret)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_argument_path_or_principal_is_exported() {
    let collector = Receiver::start();
    let folder = Folder::with(&otlp(&collector, ""));
    let running = folder.serve().await;
    let mut asked = evaluation(SECRET, SECRET, SECRET);
    asked["action"]["properties"] = json!({ "a": SECRET });
    let state_of_trace = format!("vendor={SECRET}");
    let traced = with(post(EVALUATION, &asked), "traceparent", &sampled("01"));
    running
        .send(with(traced, "tracestate", &state_of_trace))
        .await;
    asked["context"] = json!({ "integration": SECRET });
    let sent = running.send(post(EVALUATION, &asked)).await;
    assert!(
        sent.text().contains("unknown-integration"),
        "{}",
        sent.text()
    );
    running
        .send(post(&format!("{EVALUATION}?key={SECRET}"), &asked))
        .await;
    running
        .send(post(EVALUATION, &json!({ SECRET: SECRET })))
        .await;
    running.send(get(&format!("/{SECRET}"))).await;
    let mut odd = get(&format!("/forward/{SECRET}"));
    odd.headers_mut()
        .insert("user-agent", SECRET.parse().unwrap());
    odd.headers_mut().insert("host", SECRET.parse().unwrap());
    running.send(odd).await;
    let proxied = with(
        get("/forward/nginx"),
        "x-original-uri",
        &format!("/{SECRET}"),
    );
    running.send(proxied).await;
    let mut method = get("/events");
    *method.method_mut() = Method::from_bytes(SECRET.as_bytes()).unwrap();
    running.send(method).await;
    let mut check = check_of(&[("x-key", SECRET), ("tracestate", &state_of_trace)]);
    let called = check.attributes.as_mut().unwrap().request.as_mut().unwrap();
    let called = called.http.as_mut().unwrap();
    called.path = format!("/v1?key={SECRET}");
    called.host = SECRET.to_owned();
    let mut client = AuthorizationClient::connect(running.urls[0].clone())
        .await
        .unwrap();
    let mut request = tonic::Request::new(check);
    request
        .metadata_mut()
        .insert("tracestate", state_of_trace.parse().unwrap());
    let traceparent = sampled("01").parse().unwrap();
    request.metadata_mut().insert("traceparent", traceparent);
    client.check(request).await.unwrap();
    // All but that of the path that is none.
    let spans = spans_of(&collector, 8).await;
    let mut below = spans.iter().filter(|span| hex(&span.trace_id) == TRACE);
    let rpc = below.next_back().unwrap();
    assert_eq!(rpc.name, "envoy.service.auth.v3.Authorization/Check");
    let found = attributes(&rpc.attributes);
    for (name, value) in [
        ("rpc.system", "grpc"),
        ("rpc.service", "envoy.service.auth.v3.Authorization"),
        ("rpc.method", "Check"),
        ("network.protocol.version", "2"),
        ("portcullis.refused", "beyond-pep"),
    ] {
        assert_eq!(found[name], value, "{found:?}");
    }
    let of_method = spans.iter().map(|span| attributes(&span.attributes));
    let methods: Vec<_> = of_method
        .map(|all| all["http.request.method"].clone())
        .collect();
    assert!(methods.contains(&json!("_OTHER")), "{methods:?}");
    until("the metrics of the last call are exported", || async {
        let requests = counts(&collector, "portcullis.requests");
        requests
            .iter()
            .any(|(of, _)| of["http.route"] == "/envoy.service.auth.v3.Authorization/Check")
    })
    .await;
    let unknown = counts(&collector, "portcullis.decisions");
    assert!(
        unknown
            .iter()
            .any(|(of, _)| of["portcullis.integration"] == "unknown")
    );
    assert!(running.stop().await);
    let got = collector.got();
    assert!(got.iter().any(|got| got.path == "/v1/metrics"));
    for got in got {
        assert!(!has_secret(&got), "{}", String::from_utf8_lossy(&got.body));
    }
    assert!(
        folder.read("decisions.jsonl").contains(SECRET),
        "the log has it"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn decisions_go_on_without_the_collector_and_dropped_spans_are_counted() {
    let silent = Receiver::start();
    silent.reply(std::iter::repeat_n(Reply::Never, 1000));
    let gone = Receiver::start();
    let url = gone.url();
    drop(gone);
    for url in [silent.url(), url] {
        let folder = Folder::with(&format!(
            "[serve.otlp]\nendpoint = \"{url}\"\nmax-queue = 2\ntimeout = \"100ms\"\nmetrics-interval = \"100ms\""
        ));
        let running = folder.serve().await;
        for _ in 0..20 {
            let asked = evaluation("alice", "read", "record-1");
            assert!(running.send(post(EVALUATION, &asked)).await.decision());
        }
        until("dropped spans are counted", || async {
            scraped(&running, "portcullis_dropped_spans_total").await >= 18
        })
        .await;
        until("failed exports are counted", || async {
            scraped(&running, "portcullis_failed_exports_total").await > 0
        })
        .await;
        let status = running.status().await["server"]["otlp"].clone();
        assert_eq!(status["endpoint"], url);
        assert!(status["dropped-spans"].as_u64().unwrap() >= 18, "{status}");
        assert!(
            status["problem"].as_str().unwrap().contains(&url),
            "{status}"
        );
        assert!(running.admin(get("/readyz")).await.status.is_success());
        assert!(running.stop().await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_that_are_not_sent_yet_are_sent_at_the_end_with_the_secret_headers() {
    let collector = Receiver::start();
    let folder = Folder::with("");
    folder.write("otlp.headers", "X-Api-Key: s3cret-key\n");
    folder.write("otlp.token", "s3cret-token");
    folder.configure(&otlp(
        &collector,
        "headers-file = \"otlp.headers\"\ntoken-file = \"otlp.token\"",
    ));
    let running = folder.serve().await;
    let asked = evaluation("alice", "read", "record-1");
    assert!(running.send(post(EVALUATION, &asked)).await.decision());
    let status = running.status().await.to_string();
    assert!(!status.contains("s3cret"), "{status}");
    // Another token is in force with the next start, which a notice says.
    folder.write("otlp.token", "another-token");
    let reloaded = running.admin(post("/reload", &json!({}))).await.text();
    assert!(reloaded.contains("[serve.otlp]"), "{reloaded}");
    assert!(!reloaded.contains("token\""), "{reloaded}");
    assert!(running.stop().await);
    assert_eq!(spans(&collector).len(), 1);
    for got in collector.got() {
        assert_eq!(got.header("x-api-key"), "s3cret-key");
        assert_eq!(got.header("authorization"), "Bearer s3cret-token");
    }
}

#[test]
fn every_key_is_read_and_every_problem_is_named() {
    let folder = Folder::with("");
    folder.configure(
        r#"[serve.otlp]
endpoint = "http://collector.acme.example:4318"
plain-http = true
service-name = "pdp"
metrics-interval = "5s"
traces-percent = 10
max-queue = 100
timeout = "1s""#,
    );
    let settings = read(&folder.config()).unwrap().otlp.unwrap();
    assert_eq!(settings.service_name, "pdp");
    assert_eq!((settings.traces_percent, settings.max_queue), (10, 100));
    folder.configure(
        r#"[serve.otlp]
endpoint = "http://collector.acme.example:4318"
service = "pdp"
metrics-interval = "never"
traces-percent = 101
max-queue = 0
headers-file = "none.headers"
authorities = "none.pem""#,
    );
    let problems: Vec<_> = check(&folder.config())
        .iter()
        .map(ToString::to_string)
        .collect();
    let problems = problems.join("\n");
    for said in [
        "plain-http",
        "`service`",
        "`metrics-interval`",
        "`traces-percent`",
        "`max-queue`",
        "none.headers: cannot be read",
        "none.pem: the certificates cannot be read",
    ] {
        assert!(problems.contains(said), "{said} in {problems}");
    }
}
