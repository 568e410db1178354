//! The tower layer around a service: the time that it adds to a permitted call, with a buffered log.
//!
//! Criterion prints means; p50 and p99 of single calls are printed before, because goals are stated for them. Services
//! with and without the layer are called in turn, so that other load affects them alike.

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use criterion::{Criterion, criterion_group, criterion_main};
use http::{Request, StatusCode};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use portcullis_benches::key::{KEY_ID, Key};
use portcullis_benches::report::Latency;
use portcullis_host::identity::{Bundles, Verifier};
use portcullis_host::log::{DecisionLog, Durability, LogOptions};
use portcullis_host::{Integration, Live, Pdp, Plugin, PluginSource, Timestamp};
use portcullis_http::{Authenticator, Mapper, PortcullisLayer};
use portcullis_tests::guests;
use serde_json::json;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tower::Service as _;

const AUDIENCE: &str = "https://api.acme.example";

/// Rounds of calls of which percentiles are printed, and calls of each service in a round.
const ROUNDS: usize = 100;
const CALLS: usize = 100;

/// Times of the services behind the layer, with their names.
const SERVICES: [(&str, Duration); 2] = [
    ("a service", Duration::ZERO),
    ("a service of 100 µs", Duration::from_micros(100)),
];

/// A service that computes for `takes`.
fn service(takes: Duration) -> Router {
    let answer = move || async move {
        let begun = Instant::now();
        while begun.elapsed() < takes {
            std::hint::spin_loop();
        }
        "invoices"
    };
    Router::new().route("/v1/invoices/{id}", get(answer))
}

/// A layer with one rule, a trust domain and a buffered log, and a token that it accepts.
fn layer(folder: &Path) -> (PortcullisLayer, String) {
    let key = Key::generate();
    let bundle = folder.join("bundle.json");
    key.publish(&bundle, "jwt-svid");
    let now = Timestamp::now().as_millis() / 1000;
    let claims = json!({
        "sub": "spiffe://acme.example/agent/reader", "aud": [AUDIENCE], "jti": "svid-1",
        "iat": now, "exp": now + 3000,
    });
    let mut header = Header::new(Algorithm::ES256);
    header.kid = Some(KEY_ID.to_owned());
    let signing = EncodingKey::from_ec_pem(key.pem()).unwrap();
    let token = jsonwebtoken::encode(&header, &claims, &signing).unwrap();

    let rules = json!({ "rules": [
        { "name": "read an invoice", "methods": ["GET"], "path": "/v1/invoices/{id}" },
    ] });
    let source = PluginSource::new(guests::plugin("http-api").unwrap())
        .compile_in_process()
        .settings(rules)
        .limits(guests::patient());
    let log = DecisionLog::open(LogOptions {
        durability: Durability::Buffered,
        ..LogOptions::new(folder.join("decisions.jsonl"))
    });
    let pdp = Pdp::builder()
        .integration(Integration::new("invoices").plugin(Plugin::load(&source).unwrap()))
        .verifier(Verifier::new(
            Bundles::from_files([("acme.example", &bundle)]).unwrap(),
            AUDIENCE,
        ))
        .log(log.unwrap())
        .build()
        .unwrap();
    let mapper = Mapper::builder().integration("invoices").build().unwrap();
    let callers = Authenticator::builder().bearer().build().unwrap();
    let layer = PortcullisLayer::new(Live::fixed(pdp), mapper, callers);
    (layer, token)
}

fn call(token: &str) -> Request<Body> {
    Request::get("/v1/invoices/17")
        .header("host", "api.acme.example")
        .header("authorization", format!("Bearer {token}"))
        .body(Body::empty())
        .unwrap()
}

/// Time of one call, which is answered.
fn once(runtime: &Runtime, service: &mut Router, token: &str) -> Duration {
    let request = call(token);
    runtime.block_on(async {
        let begun = Instant::now();
        let answer = service.call(request).await.unwrap();
        let took = begun.elapsed();
        assert_eq!(answer.status(), StatusCode::OK);
        took
    })
}

/// Prints the percentiles of the calls of each service.
fn print(names: [String; 2], times: [Vec<Duration>; 2]) {
    for (name, times) in names.iter().zip(times) {
        let whole: Duration = times.iter().sum();
        let per_second = times.len() as f64 / whole.as_secs_f64();
        let nanos = times.iter().map(|it| u64::try_from(it.as_nanos()).unwrap());
        let latency = Latency::from_nanos(nanos.collect());
        let at = |percentile| Duration::from_secs_f64(latency.micros(percentile) / 1e6);
        eprintln!(
            "{name}: p50 {:?}, p99 {:?}, {per_second:.0} a second",
            at(50.0),
            at(99.0)
        );
    }
}

fn layers(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (layer, token) = layer(folder.path());
    let mut group = c.benchmark_group("layer");
    for (name, takes) in SERVICES {
        let alone = service(takes);
        let layered = alone.clone().layer(layer.clone());
        let mut services = [alone, layered];
        let mut times = [Vec::new(), Vec::new()];
        for round in 0..ROUNDS {
            for (service, times) in services.iter_mut().zip(&mut times) {
                let took = (0..CALLS).map(|_| once(&runtime, service, &token));
                let took: Vec<_> = took.collect();
                // The first round warms up.
                if round > 0 {
                    times.extend(took);
                }
            }
        }
        let names = [name.to_owned(), format!("{name}, with the layer")];
        print(names.clone(), times);
        for (name, service) in names.iter().zip(&mut services) {
            group.bench_function(name, |b| {
                b.iter_custom(|rounds| (0..rounds).map(|_| once(&runtime, service, &token)).sum());
            });
        }
    }
    group.finish();
}

criterion_group!(benches, layers);
criterion_main!(benches);
