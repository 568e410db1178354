//! Loading of plugins from the cache.

use super::TIME;
use portcullis_benches::report::{Latency, Row};
use portcullis_benches::scenery::{self, Folder};
use portcullis_benches::workload::{self, Variation};
use portcullis_host::{ActionClass, Plugin, Timestamp};
use std::hint::black_box;
use std::time::Instant;

/// Measures the loading of a compiled plugin.
pub(super) fn loading(rows: &mut Vec<Row>) -> anyhow::Result<()> {
    let now = Timestamp::now();
    let folder = Folder::new("loading");
    let source = scenery::cached_five_rules(&folder);
    Plugin::load(&source)?;
    let load = || Plugin::load(&source).expect("the plugin loads");
    let single = Latency::of(TIME / 8, || {
        black_box(load());
    });
    rows.push(Row::at_most(
        "loading a plugin that was compiled before",
        1.0,
        " ms",
        single.micros(50.0) / 1000.0,
        format!(
            "p50 {:.2} ms, p99 {:.2} ms",
            single.micros(50.0) / 1e3,
            single.micros(99.0) / 1e3
        ),
    ));
    let request = workload::request(7, Variation::default(), now);
    let hundred = Latency::from_nanos(
        (0..11)
            .map(|_| {
                let started = Instant::now();
                let plugins: Vec<_> = (0..100).map(|_| load()).collect();
                for plugin in &plugins {
                    let answer = plugin.evaluate(&request, ActionClass::Write, now);
                    assert!(answer.outcome.is_ok());
                }
                u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX)
            })
            .collect(),
    );
    let millis = hundred.micros(50.0) / 1000.0;
    rows.push(Row::at_most(
        "a hundred such plugins, to the first decision of each",
        150.0,
        " ms",
        millis,
        format!("{millis:.1} ms"),
    ));
    Ok(())
}
