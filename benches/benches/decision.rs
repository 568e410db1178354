//! The cost of a decision, compared with the runtime's minimum.
//!
//! - `floor/bare`: wasmtime alone, set up as the host sets it up: a fresh instance of an empty
//!   component and an empty call.
//! - `floor/contract`: the host, with a plugin that asks for nothing and does nothing.
//! - `decision/*`: a fresh decision of a request that is parsed already, by each plugin.
//! - `json/*`: reads a request from JSON, decides it and writes the decision as JSON.
//! - `deadline`: total run time of a plugin that loops, with a deadline of 10 ms.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use portcullis_benches::floor::Floor;
use portcullis_cases::Case;
use portcullis_host::{
    ActionClass, Effect, Fault, Integration, Pdp, Plugin, PluginLimits, PluginSource, Request,
    Timestamp,
};
use portcullis_tests::{guests, raw, root};
use serde_json::json;
use std::fs;
use std::hint::black_box;
use std::time::Duration;
/// A permitted request of each plugin, by the folder of its case.
const CASES: [(&str, &str); 3] = [
    ("http-api", "permits-a-call-that-a-rule-is-for"),
    ("mcp-tools", "permits-a-call-within-its-arguments"),
    ("github", "permits-a-push-to-an-own-branch"),
];

fn floor(c: &mut Criterion) {
    let mut group = c.benchmark_group("floor");

    let floor = Floor::new();
    group.bench_function("bare", |b| b.iter(|| floor.run()));

    let source = PluginSource::new(raw::component(&raw::answering(r"\01"))).compile_in_process();
    let plugin = Plugin::load(&source).unwrap();
    let case = case("github", "permits-a-push-to-an-own-branch");
    group.bench_function("contract", |b| {
        b.iter(|| {
            let evaluation = plugin.evaluate(&case.request, ActionClass::Write, case.now());
            assert_eq!(evaluation.outcome.unwrap().effect, Effect::Deny);
        });
    });
    group.finish();
}

fn decision(c: &mut Criterion) {
    let mut group = c.benchmark_group("decision");
    for (name, folder) in CASES {
        let case = case(name, folder);
        let pdp = pdp(name, &case);
        let now = case.now();
        group.bench_function(BenchmarkId::from_parameter(name), |b| {
            b.iter(|| {
                let decision = pdp.evaluate_at(black_box(&case.request), now);
                assert!(decision.is_permit());
                decision
            });
        });
    }
    group.finish();
}

fn json(c: &mut Criterion) {
    let mut group = c.benchmark_group("json");
    for (name, folder) in CASES {
        let file = root()
            .join("plugins")
            .join(name)
            .join("cases")
            .join(folder)
            .join("request.json");
        let text = fs::read(file).unwrap();
        let case = case(name, folder);
        let pdp = pdp(name, &case);
        let now = case.now();
        let mcp = name == "mcp-tools";
        group.bench_function(BenchmarkId::from_parameter(name), |b| {
            b.iter(|| {
                let limits = pdp.request_limits();
                let request = match mcp {
                    true => Request::from_mcp(black_box(&text), limits),
                    false => Request::from_authzen(black_box(&text), limits),
                };
                let decision = pdp.evaluate_at(&request.unwrap(), now);
                assert!(decision.is_permit());
                serde_json::to_vec(&decision).unwrap()
            });
        });
    }
    group.finish();
}

fn deadline(c: &mut Criterion) {
    let mut group = c.benchmark_group("deadline");
    group
        .sample_size(20)
        .measurement_time(Duration::from_secs(3));
    let limits = PluginLimits {
        deadline: Duration::from_millis(10),
        ..PluginLimits::default()
    };
    let plugin = guests::hostile(json!({ "behaviour": "loop" }), limits);
    let case = case("github", "permits-a-push-to-an-own-branch");
    group.bench_function("10 ms", |b| {
        b.iter(|| {
            let evaluation = plugin.evaluate(&case.request, ActionClass::Write, Timestamp::now());
            assert_eq!(evaluation.outcome, Err(Fault::Deadline));
        });
    });
    group.finish();
}

fn case(plugin: &str, folder: &str) -> Case {
    Case::read(
        &root()
            .join("plugins")
            .join(plugin)
            .join("cases")
            .join(folder),
    )
    .unwrap()
}

fn pdp(plugin: &str, case: &Case) -> Pdp {
    let source = PluginSource::new(guests::plugin(plugin).unwrap())
        .compile_in_process()
        .settings(case.settings.clone());
    let integration = Integration::new(case.request.integration())
        .obligations(["approval", "notification", "step-up"])
        .plugin(Plugin::load(&source).unwrap());
    Pdp::builder().integration(integration).build().unwrap()
}

criterion_group!(benches, floor, decision, json, deadline);
criterion_main!(benches);
