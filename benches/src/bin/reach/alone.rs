//! The library alone: decisions from JSON to JSON, recorded, by one thread.

use crate::Arguments;
use anyhow::ensure;
use portcullis_host::Live;
use serde_json::json;
use std::hint::black_box;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Decisions between two looks at the clock.
const BATCH: u64 = 64;

pub(super) fn run(arguments: &mut Arguments) -> anyhow::Result<()> {
    let config: PathBuf = arguments.next("CONFIG")?;
    let body: PathBuf = arguments.next("BODY")?;
    let time = Duration::from_secs_f64(arguments.next("SECONDS")?);
    let live = Live::from_file(config)?;
    let body = std::fs::read(body)?;
    let decision = live.pdp().evaluate_authzen(&body);
    ensure!(
        decision.is_permit(),
        "it is not permitted: {}",
        decision.detail()
    );
    ensure!(
        decision.id().is_some(),
        "it is not recorded: add `[log]` to the configuration"
    );
    decide(&live, &body, time / 10);
    let (permits, took) = decide(&live, &body, time);
    println!(
        "{}",
        json!({ "permits": permits, "seconds": took.as_secs_f64() })
    );
    Ok(())
}

/// Decides for `time`, and returns the number of permits and the time that they took.
fn decide(live: &Live, body: &[u8], time: Duration) -> (u64, Duration) {
    let begun = Instant::now();
    let mut permits = 0;
    while begun.elapsed() < time {
        for _ in 0..BATCH {
            // As a server does: each request has the decision point that is in force.
            let decision = live.pdp().evaluate_authzen(black_box(body));
            permits += u64::from(decision.is_permit());
            // A decision has JSON, so serialisation cannot fail.
            let _ = black_box(serde_json::to_vec(&decision));
        }
    }
    (permits, begun.elapsed())
}
