//! A hundred plugins in one process, thirty of them hostile: the others decide as if they were alone.
//!
//! `PORTCULLIS_CROWD_SECONDS` sets how long it runs; a few seconds by default. It prints its figures.

use portcullis_host::{
    CompiledCache, Integration, Pdp, Plugin, PluginLimits, PluginSource, QuarantineRule, Request,
};
use portcullis_tests::{guests, memory, raw, requests};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

const HEALTHY: usize = 70;
const HOSTILE: usize = 30;
const THREADS: usize = 4;

/// Behaviours of the hostile guest that cost most.
const BEHAVIOURS: [&str; 10] = [
    "loop",
    "allocate",
    "fill",
    "output",
    "panic",
    "recurse",
    "bad-code",
    "many-reasons",
    "count-and-grow",
    "no-reason",
];

fn request(integration: &str) -> Request {
    requests::request(integration, "a", "r")
}

/// The host. Every second healthy plugin permits, and the others deny.
fn host(cache: &CompiledCache) -> Pdp {
    // A machine with more threads than processors must not take a healthy plugin for a slow one.
    let limits = PluginLimits {
        deadline: Duration::from_millis(250),
        ..PluginLimits::default()
    };
    let hostile_limits = PluginLimits {
        deadline: Duration::from_millis(5),
        ..PluginLimits::default()
    };
    let mut builder = Pdp::builder().quarantine(QuarantineRule {
        // The hostile plugins come back as often as they can.
        backoff: Duration::from_millis(20),
        max_backoff: Duration::from_millis(40),
        ..QuarantineRule::default()
    });
    for index in 0..HEALTHY {
        // A permit or a deny, with a reason each.
        let effect = u8::from(index % 2 == 1);
        let component = raw::named("healthy", &[effect, 1, 2, b'o', b'k', 0, 0, 0, 0, 0, 0]);
        let source = PluginSource::new(component)
            .compile_in_process()
            .limits(limits);
        let plugin = Plugin::load(&source.compile_in_process().cache(cache.clone())).unwrap();
        builder = builder.integration(Integration::new(format!("healthy-{index}")).plugin(plugin));
    }
    for index in 0..HOSTILE {
        let behaviour = BEHAVIOURS[index % BEHAVIOURS.len()];
        let component = guests::component("tests/guests/hostile").unwrap();
        let source = PluginSource::new(component)
            .settings(json!({ "behaviour": behaviour }))
            .limits(hostile_limits)
            .compile_in_process()
            .cache(cache.clone());
        let plugin = Plugin::load(&source).unwrap();
        builder = builder.integration(Integration::new(format!("hostile-{index}")).plugin(plugin));
    }
    builder.build().unwrap()
}

#[test]
fn healthy_plugins_decide_beside_hostile_ones() {
    let seconds = std::env::var("PORTCULLIS_CROWD_SECONDS");
    let seconds = seconds.map_or(3, |text| text.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let cache = CompiledCache::open(folder.path().join("cache")).unwrap();
    let pdp = host(&cache);
    let healthy: Vec<_> = (0..HEALTHY)
        .map(|index| request(&format!("healthy-{index}")))
        .collect();
    let hostile: Vec<_> = (0..HOSTILE)
        .map(|index| request(&format!("hostile-{index}")))
        .collect();
    // What the hostile plugins cause, and the latencies of the healthy ones in microseconds.
    let causes = Mutex::new(BTreeMap::<String, u64>::new());
    let latencies = Mutex::new(Vec::new());
    let before = memory::resident_kib().unwrap_or(0);
    let end = Instant::now() + Duration::from_secs(seconds);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (pdp, healthy, hostile) = (&pdp, &healthy, &hostile);
            let (causes, latencies) = (&causes, &latencies);
            scope.spawn(move || {
                let mut own_causes = BTreeMap::<String, u64>::new();
                let mut own_latencies = Vec::new();
                for round in thread.. {
                    if Instant::now() >= end {
                        break;
                    }
                    for step in 0..7 {
                        let index = (round * 7 + step) % HEALTHY;
                        let started = Instant::now();
                        let decision = pdp.evaluate(&healthy[index]);
                        own_latencies.push(started.elapsed().as_micros());
                        let expected = ["permitted", "plugin-denied"][index % 2];
                        assert_eq!(decision.cause().as_str(), expected, "healthy-{index}");
                    }
                    let decision = pdp.evaluate(&hostile[round % HOSTILE]);
                    *own_causes.entry(decision.cause().to_string()).or_default() += 1;
                    let is_harmless = matches!(
                        BEHAVIOURS[round % BEHAVIOURS.len()],
                        "fill" | "count-and-grow"
                    );
                    assert!(
                        is_harmless || !decision.is_permit(),
                        "{}",
                        decision.detail()
                    );
                }
                for (cause, count) in own_causes {
                    *causes.lock().unwrap().entry(cause).or_default() += count;
                }
                latencies.lock().unwrap().extend(own_latencies);
            });
        }
    });
    let mut latencies = latencies.into_inner().unwrap();
    latencies.sort_unstable();
    let percentile = |part: usize| latencies[(latencies.len() - 1) * part / 1000];
    println!(
        "{} healthy decisions in {seconds} s, p50 {} µs, p99 {} µs, p99.9 {} µs; hostile: {:?}; resident {} to {} MB",
        latencies.len(),
        percentile(500),
        percentile(990),
        percentile(999),
        causes.into_inner().unwrap(),
        before / 1024,
        memory::resident_kib().unwrap_or(0) / 1024,
    );
    assert!(!pdp.quarantined().is_empty());
}
