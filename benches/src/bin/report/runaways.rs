//! Guests that run for ever.

use portcullis_benches::report::{Latency, Row};
use portcullis_benches::scenery;
use portcullis_benches::workload::{self, Variation};
use portcullis_host::{ActionClass, Fault, Plugin, PluginLimits, Timestamp};
use portcullis_tests::guests;
use serde_json::json;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Measures the time for which endless guests outlive their deadline, with every processor busy.
pub(super) fn runaways(rows: &mut Vec<Row>) {
    for (milliseconds, guests) in [(2, 1000), (50, 200)] {
        let overshoot = overshoot(Duration::from_millis(milliseconds), guests);
        let p99 = overshoot.micros(99.0) / 1000.0;
        rows.push(Row::at_most(
            format!(
                "beyond a deadline of {milliseconds} ms, p99 of {guests} runaway guests under load"
            ),
            2.0,
            " ticks of 1 ms",
            p99,
            format!(
                "p50 {:.2} ms, p99 {p99:.2} ms",
                overshoot.micros(50.0) / 1000.0
            ),
        ));
    }
}

/// Measures the time for which `guests` guests outlive `deadline`.
fn overshoot(deadline: Duration, guests: usize) -> Latency {
    let now = Timestamp::now();
    let limits = PluginLimits {
        deadline,
        ..PluginLimits::default()
    };
    let looping = guests::hostile(json!({ "behaviour": "loop" }), limits);
    let busy = Plugin::load(&scenery::five_rules()).expect("the plugin loads");
    let request = workload::request(7, Variation::default(), now);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let processors = thread::available_parallelism().map_or(2, usize::from);
        for _ in 1..processors {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    black_box(busy.evaluate(&request, ActionClass::Write, now));
                }
            });
        }
        let overshoot = (0..guests).map(|_| {
            let evaluation = looping.evaluate(&request, ActionClass::Write, now);
            assert_eq!(evaluation.outcome, Err(Fault::Deadline));
            let beyond = evaluation.time.saturating_sub(deadline);
            u64::try_from(beyond.as_nanos()).unwrap_or(u64::MAX)
        });
        let overshoot = Latency::from_nanos(overshoot.collect());
        over.store(true, Ordering::Relaxed);
        overshoot
    })
}
