//! The performance targets in criterion: each measurement beside its peer.
//!
//! `cargo xtask bench` has the ratios of arms that are measured in turn. It also measures percentiles,
//! memory, and the time for which runaway guests outlive their deadline, which criterion cannot measure.

use criterion::{Criterion, criterion_group, criterion_main};
use portcullis_benches::floor::Floor;
use portcullis_benches::peers::cedar::{self, Cedar};
use portcullis_benches::peers::rego::{self, Rego};
use portcullis_benches::scenery::{self, Folder};
use portcullis_benches::workload::{self, Variation};
use portcullis_host::{ActionClass, Instances, Pdp, Plugin, PluginSource, Timestamp};
use portcullis_tests::guests;
use serde_json::json;
use std::hint::black_box;
use std::thread;
use std::time::Instant;

fn decisions(c: &mut Criterion) {
    let now = Timestamp::now();
    let request = workload::request(7, Variation::default(), now);
    let json = request.to_authzen();
    let mut group = c.benchmark_group("a decision");
    let (cedar, prepared) = (Cedar::new(), cedar::prepare(json.clone()));
    group.bench_function("native Cedar", |b| {
        b.iter(|| cedar.decide(black_box(&prepared)));
    });
    let (rego, prepared) = (Rego::new(), rego::prepare(&json));
    group.bench_function("native regorus", |b| {
        b.iter(|| rego.decide(black_box(&prepared)));
    });
    let floor = Floor::new();
    group.bench_function("the floor", |b| b.iter(|| floor.run()));
    let packed = Plugin::load(&scenery::five_rules()).unwrap();
    let resettable = Plugin::load(&scenery::five_rules().resettable()).unwrap();
    for (name, plugin, instances) in [
        ("fresh", &packed, Instances::Fresh),
        ("reset", &resettable, Instances::Reset),
    ] {
        group.bench_function(name, |b| {
            b.iter(|| {
                let answer =
                    plugin.evaluate_in(instances, black_box(&request), ActionClass::Write, now);
                assert!(answer.outcome.is_ok());
            });
        });
    }
    group.finish();
}

fn json_to_json(c: &mut Criterion) {
    let now = Timestamp::now();
    let folder = Folder::new("criterion");
    let checked = scenery::checked(&folder, scenery::SIZE, now);
    let requests = scenery::requests(scenery::SIZE, now);
    let documents: Vec<_> = requests
        .iter()
        .map(|request| serde_json::to_vec(&request.to_authzen()).unwrap())
        .collect();
    let mut turn = (0..documents.len()).cycle();
    let mut group = c.benchmark_group("JSON to JSON");
    group.bench_function("every check, recorded", |b| {
        b.iter(|| {
            let decision = checked.evaluate_authzen(&documents[turn.next().unwrap()]);
            assert!(decision.is_permit());
            serde_json::to_vec(&decision).unwrap()
        });
    });
    let cedar = Cedar::new();
    group.bench_function("native Cedar", |b| {
        b.iter(|| cedar.decide_json(&documents[turn.next().unwrap()]));
    });
    group.bench_function("native Cedar, entities made by hand", |b| {
        b.iter(|| cedar.decide_json_by_hand(&documents[turn.next().unwrap()]));
    });
    let source = PluginSource::new(guests::plugin("cedar").unwrap())
        .compile_in_process()
        .settings(json!({
            "policies": include_str!("../rules/five.cedar"),
            "types": {
                "principal": { "agent": "Agent", "service": "Service" },
                "resource": { "repository": "Repository" },
            },
        }))
        .limits(portcullis_cases::limits());
    let inside = Pdp::builder()
        .integration(workload::integration().plugin(Plugin::load(&source).unwrap()))
        .build()
        .unwrap();
    group.bench_function("Cedar in a fresh sandbox", |b| {
        b.iter(|| {
            let decision = inside.evaluate_authzen(&documents[turn.next().unwrap()]);
            assert!(decision.is_permit());
            serde_json::to_vec(&decision).unwrap()
        });
    });
    group.finish();

    let plugin = Plugin::load(&scenery::five_rules()).unwrap();
    let mut group = c.benchmark_group("around the plugin");
    group.bench_function("the plugin alone", |b| {
        b.iter(|| {
            let request = &requests[turn.next().unwrap()];
            plugin
                .evaluate(request, ActionClass::Write, now)
                .outcome
                .unwrap()
        });
    });
    group.bench_function("every check", |b| {
        b.iter(|| checked.evaluate_at(&requests[turn.next().unwrap()], now));
    });
    group.bench_function("every check, recorded", |b| {
        b.iter(|| checked.evaluate(&requests[turn.next().unwrap()]));
    });
    group.finish();
}

fn many(c: &mut Criterion) {
    let now = Timestamp::now();
    let folder = Folder::new("criterion-many");
    let source = scenery::cached_five_rules(&folder);
    let request = workload::request(7, Variation::default(), now);
    let ask = |plugin: &Plugin, instances| {
        let answer = plugin.evaluate_in(instances, &request, ActionClass::Write, now);
        assert!(answer.outcome.is_ok());
    };
    for (name, instances, source) in [
        ("fresh", Instances::Fresh, source.clone()),
        ("reset", Instances::Reset, source.clone().resettable()),
    ] {
        let plugins: Vec<_> = (0..1000).map(|_| Plugin::load(&source).unwrap()).collect();
        let mut group = c.benchmark_group(format!("of several plugins, {name}"));
        group.bench_function("one", |b| b.iter(|| ask(&plugins[0], instances)));
        let mut turn = plugins.iter().cycle();
        group.bench_function("a thousand in turn", |b| {
            b.iter(|| ask(turn.next().unwrap(), instances));
        });
        group.finish();

        let mut group = c.benchmark_group(format!("threads, {name}"));
        for threads in [1, 2] {
            group.bench_function(threads.to_string(), |b| {
                b.iter_custom(|often| {
                    let started = Instant::now();
                    thread::scope(|scope| {
                        for _ in 0..threads {
                            let share = often / threads;
                            let (ask, plugin) = (&ask, &plugins[0]);
                            scope.spawn(move || (0..share).for_each(|_| ask(plugin, instances)));
                        }
                    });
                    started.elapsed()
                });
            });
        }
        group.finish();
    }

    let mut group = c.benchmark_group("loading what was compiled before");
    group.sample_size(20);
    let load = || Plugin::load(&source).unwrap();
    group.bench_function("one", |b| b.iter(load));
    group.bench_function("a hundred, to the first decision of each", |b| {
        b.iter(|| {
            let plugins: Vec<_> = (0..100).map(|_| load()).collect();
            plugins
                .iter()
                .for_each(|plugin| ask(plugin, Instances::Fresh));
        });
    });
    group.finish();
}

criterion_group!(benches, decisions, json_to_json, many);
criterion_main!(benches);
