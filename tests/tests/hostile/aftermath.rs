//! The state of the process after every guest: its memory, and the latency of a healthy plugin.

use crate::guest::Guest;
use crate::neighbours::{self, NOW};
use crate::run;
use portcullis_host::{Instances, Pdp};
use portcullis_tests::memory::resident_kib;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Samples of each measurement, of which the median counts.
const SAMPLES: usize = 9;

/// Decisions of a sample.
const DECISIONS: usize = 20_000;

/// Latencies of a healthy plugin, and the memory of the process.
struct State {
    p50: Duration,
    p99: Duration,
    resident_kib: usize,
    /// As `resident_kib`, once the allocator has given back what it holds free.
    in_use_kib: usize,
}

/// Runs every guest, and prints the state of the process before and after.
pub(crate) fn print() -> ExitCode {
    let folder = TempDir::new().expect("a folder");
    let pdp = neighbours::pdp(None, Instances::Fresh, folder.path());
    neighbours::unharmed().expect("neighbours");
    measured(&pdp).print("at the start");
    let mut failed = 0;
    // The first pass fills what the process keeps: the pool of sandboxes and the allocator's arenas.
    for pass in ["after every guest", "after every guest twice"] {
        for guest in Guest::ALL {
            if let Err(error) = run::run(guest) {
                println!("{}: {error}", guest.name());
                failed += 1;
            }
        }
        measured(&pdp).print(pass);
    }
    println!(
        "{} guests, each run twice, {failed} failed",
        Guest::ALL.len()
    );
    ExitCode::from(u8::from(failed > 0))
}

impl State {
    fn print(&self, when: &str) {
        println!(
            "{when}: p50 {:.1} µs, p99 {:.1} µs, resident {:.1} MiB, in use {:.1} MiB",
            self.p50.as_secs_f64() * 1e6,
            self.p99.as_secs_f64() * 1e6,
            self.resident_kib as f64 / 1024.0,
            self.in_use_kib as f64 / 1024.0,
        );
    }
}

fn measured(pdp: &Pdp) -> State {
    let request = neighbours::request("tools");
    let mut samples: Vec<_> = (0..SAMPLES)
        .map(|_| {
            let mut times: Vec<_> = (0..DECISIONS)
                .map(|_| {
                    let started = Instant::now();
                    let decision = pdp.evaluate_at(&request, NOW);
                    let took = started.elapsed();
                    assert!(decision.is_permit(), "{}", decision.detail());
                    took
                })
                .collect();
            times.sort_unstable();
            (times[DECISIONS / 2], times[DECISIONS * 99 / 100])
        })
        .collect();
    samples.sort_unstable_by_key(|(_, p99)| *p99);
    let (p50, p99) = samples[SAMPLES / 2];
    let resident = resident_kib().unwrap_or_default();
    give_back();
    State {
        p50,
        p99,
        resident_kib: resident,
        in_use_kib: resident_kib().unwrap_or_default(),
    }
}

/// Has the allocator give free memory back to the kernel, where it can.
fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it has no preconditions.
    unsafe {
        libc::malloc_trim(0);
    }
}
