//! The cost of a budget that a fleet shares, with a real server on loopback.
//!
//! Criterion prints means; p50 and p99 of single calls are printed before, because goals are stated for them.

#[path = "../tests/fleet/common/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the tests use more of it")]
mod common;

use common::{Server, one, server};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hdrhistogram::Histogram;
use portcullis_fleet::JetStreamState;
use portcullis_host::{
    Integration, Intent, Intents, Pdp, PluginLimits, Principal, PrincipalKind, Request,
    RequestLimits, Resource,
};
use portcullis_model::timestamp::Timestamp;
use portcullis_tests::guests;
use portcullis_trust::state::State;
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Number of calls of which percentiles are printed.
const CALLS: usize = 5_000;

/// Number of spenders of one key.
const SPENDERS: usize = 8;

/// A limit that is never reached.
const PLENTY: u64 = 1_000_000_000;

fn spend(state: &JetStreamState, key: &str) {
    let uses = [one(key, PLENTY)];
    state.spend(&uses, Timestamp::now()).unwrap();
}

/// Prints the percentiles of the times of calls.
fn print(name: &str, times: &[Duration], whole: Duration) {
    let mut histogram = Histogram::<u64>::new(3).unwrap();
    for time in times {
        let nanos = u64::try_from(time.as_nanos()).unwrap();
        histogram.record(nanos).unwrap();
    }
    let at = |quantile| Duration::from_nanos(histogram.value_at_quantile(quantile));
    let per_second = times.len() as f64 / whole.as_secs_f64();
    eprintln!(
        "{name}: p50 {:?}, p99 {:?}, {per_second:.0} a second",
        at(0.5),
        at(0.99)
    );
}

fn timed(calls: usize, mut call: impl FnMut()) -> Vec<Duration> {
    let mut times = Vec::with_capacity(calls);
    for _ in 0..calls {
        let begin = Instant::now();
        call();
        times.push(begin.elapsed());
    }
    times
}

/// Spends `calls` uses of one key from each of the spenders, which use `states` in turn.
fn together(states: &[JetStreamState], key: &str, calls: usize) -> (Vec<Duration>, Duration) {
    let begin = Instant::now();
    let times = std::thread::scope(|scope| {
        let spenders: Vec<_> = (0..SPENDERS)
            .map(|at| {
                let state = &states[at % states.len()];
                scope.spawn(move || timed(calls, || spend(state, key)))
            })
            .collect();
        let each = spenders.into_iter().map(|it| it.join().unwrap());
        each.flatten().collect()
    });
    (times, begin.elapsed())
}

/// A decision point with an intent that has a budget, and a request that spends of it.
fn budgeted(server: &Server) -> (Pdp, Request) {
    let now = Timestamp::now();
    let intent = json!({
        "id": "int-1", "purpose": "p", "principal": "spiffe://acme.example/a", "max-uses": PLENTY,
        "approved-by": { "who": "alice@acme.example", "at": now },
        "issued-at": now, "expires-at": now.plus(Duration::from_secs(3600)),
        "allows": [{ "integration": "x", "action": "a", "resource": "**", "arguments": "open" }],
    });
    let intents = Intents::default();
    intents.insert(intent.to_string().as_bytes()).unwrap();
    let permits = guests::hostile(json!({ "behaviour": "permit" }), PluginLimits::default());
    let pdp = Pdp::builder()
        .integration(Integration::new("x").plugin(permits))
        .intents(intents, [PrincipalKind::Agent])
        .state(Arc::new(server.open()))
        .build()
        .unwrap();
    let principal = Principal {
        id: "spiffe://acme.example/a".into(),
        ..Principal::default()
    };
    let resource = Resource {
        kind: "t".into(),
        id: "r".into(),
        ..Resource::default()
    };
    let request = Request::builder("x", principal, "a", resource)
        .intent(Intent {
            id: "int-1".into(),
            ..Intent::default()
        })
        .build(&RequestLimits::default());
    (pdp, request.unwrap())
}

fn fleet(c: &mut Criterion) {
    let Some(server) = server() else { return };
    let mut group = c.benchmark_group("fleet");
    let (pdp, request) = budgeted(&server);
    let decide = || assert!(pdp.evaluate(&request).is_permit());
    let begin = Instant::now();
    let times = timed(CALLS, decide);
    print("budgeted decision, one spender", &times, begin.elapsed());
    group.bench_function("budgeted decision", |b| b.iter(decide));

    let state = server.open();
    let begin = Instant::now();
    let times = timed(CALLS, || spend(&state, "alone"));
    print("spend, one spender", &times, begin.elapsed());
    group.bench_function("spend", |b| b.iter(|| spend(&state, "alone")));
    group.bench_function("spent", |b| b.iter(|| state.spent("alone").unwrap()));

    group.sample_size(10);
    group.throughput(Throughput::Elements(SPENDERS as u64));
    for hosts in [1, 2, SPENDERS] {
        let states: Vec<_> = (0..hosts).map(|_| server.open()).collect();
        let (times, whole) = together(&states, "shared", CALLS / SPENDERS);
        let name = format!("spend, {SPENDERS} spenders of one key on {hosts} hosts");
        print(&name, &times, whole);
        group.bench_function(name, |b| {
            b.iter_custom(|rounds| {
                let rounds = usize::try_from(rounds).unwrap();
                together(&states, "shared", rounds).1
            });
        });
    }
    group.finish();
}

criterion_group!(benches, fleet);
criterion_main!(benches);
