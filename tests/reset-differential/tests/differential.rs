//! The rewritten form of a module behaves as the module, and each reset restores its initial state.

use arbitrary::Unstructured;
use portcullis_reset_differential::{Bench, EXECUTED, Tally};
use portcullis_tests::random::Random;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

/// Number of modules, if it is not set; some seconds.
const MODULES: u64 = 2_000;
/// Sets the number of modules. With it, the counts are printed, and from a million on they are held to the demands.
const VARIABLE: &str = "RESET_MODULES";
/// Sets the number of the first module, so that a long run can be divided.
const FIRST: &str = "RESET_FIRST";
/// Number of modules within which an omission must be found.
const TO_FIND_AN_OMISSION: u64 = 10_000;

/// Runs module `number`, which is the same in each run.
fn check(
    bench: &Bench,
    number: u64,
    omitted: Option<&str>,
    tally: &mut Tally,
) -> Result<(), String> {
    let mut random = Random::seeded(number * 256);
    let bytes: Vec<u8> = (0..256).flat_map(|_| random.draw().to_le_bytes()).collect();
    bench.check(&mut Unstructured::new(&bytes), omitted, tally)
}

#[test]
fn a_rewritten_module_behaves_as_before_and_each_reset_is_complete() {
    let number_in = |name: &str| {
        let text = std::env::var(name).ok()?;
        Some(
            text.parse::<u64>()
                .unwrap_or_else(|_| panic!("`{name}` is no number: {text}")),
        )
    };
    let asked = number_in(VARIABLE);
    let modules = asked.unwrap_or(MODULES);
    let first = number_in(FIRST).unwrap_or_default();
    let bench = Bench::new().unwrap();
    let started = Instant::now();
    let next = AtomicU64::new(0);
    let work = || {
        let mut tally = Tally::default();
        loop {
            let number = first + next.fetch_add(1, Ordering::Relaxed);
            if number >= first + modules {
                return tally;
            }
            if let Err(difference) = check(&bench, number, None, &mut tally) {
                panic!("module {number}: {difference}");
            }
        }
    };
    let mut tally = Tally::default();
    thread::scope(|scope| {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            tally.add(&worker.join().unwrap());
        }
    });
    if asked.is_some() {
        let seconds = started.elapsed().as_secs_f64();
        println!("{tally}{:.0} modules per second", modules as f64 / seconds);
    }
    assert_eq!(tally.modules(), modules);
    // The modules do what they are for, also in the short run.
    assert!(tally.with_a_hundred_stores * 2 > modules, "{tally}");
    assert!(tally.traps * 2 < tally.calls, "{tally}");
    let least = if modules < 1_000_000 { 1 } else { 10_000 };
    if modules >= MODULES {
        let counts = tally.executed.iter().chain(&tally.refused);
        assert!(counts.min().is_some_and(|count| *count >= least), "{tally}");
    }
}

#[test]
fn a_missing_mark_is_found_for_each_instruction_that_writes() {
    let bench = Bench::new().unwrap();
    let writes = &EXECUTED[..17];
    assert_eq!(writes[16], "MemoryInit");
    for omitted in writes {
        let found = (0..TO_FIND_AN_OMISSION)
            .find(|number| check(&bench, *number, Some(omitted), &mut Tally::default()).is_err());
        let found = found.unwrap_or_else(|| panic!("{omitted}: found in no module"));
        println!("{omitted}: found by module {found}");
    }
}
