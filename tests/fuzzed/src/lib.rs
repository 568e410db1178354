//! Properties of everything that reads bytes of others, and a corpus for each.
//!
//! [`TARGETS`] lists the readers. Each has a function that takes any bytes and panics if the reader breaks one of
//! its properties, and a folder of cases in `corpus`. The test of this crate runs the cases, and mutations of them
//! that are the same in each run. The crate `fuzz` runs the same functions under libFuzzer: `cargo xtask fuzz`.
//!
//! A case whose name begins with `crash-` once broke a property. One that still does is listed in [`KNOWN`].
//!
//! The first cases come from files of the repository; `cargo run --release -p portcullis-fuzzed --bin seeds` writes
//! them again.

mod corpus;
mod fill;
mod key;
mod known;
mod members;
mod mutate;
mod sections;
mod targets;

pub use corpus::{Case, cases, folder};
pub use known::{KNOWN, Known};
pub use mutate::Mutator;
pub use targets::{REVOCATIONS, TARGETS};

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

/// True in a fuzzer's process.
static IN_FUZZER: AtomicBool = AtomicBool::new(false);

/// A reader of foreign bytes, with the properties that it keeps.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Name of the target, and of its folder in `corpus`.
    pub name: &'static str,
    /// Reads the input, and panics if a property does not hold.
    pub run: fn(&[u8]) -> Read,
    /// Maximum size of an input, in bytes.
    pub max_bytes: usize,
    /// Number of mutations in the test of this crate.
    pub mutations: u32,
    /// Words that mutations insert.
    pub words: &'static [&'static str],
}

/// Result of reading an input, by which a test knows that it reaches both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    /// The reader refused the input.
    Refused,
    /// The reader accepted the input, and what it read was compared.
    Accepted,
}

/// Runs the target called `name` as libFuzzer's target, and ends the process if a property does not hold.
///
/// # Panics
///
/// If there is no such target.
pub fn run_in_fuzzer(name: &str, input: &[u8]) {
    static BEGIN: Once = Once::new();
    BEGIN.call_once(|| {
        IN_FUZZER.store(true, Ordering::Relaxed);
        // libFuzzer's hook ends the process at each panic, also at those that a library recovers from.
        drop(std::panic::take_hook());
    });
    let target = TARGETS.iter().find(|target| target.name == name);
    let target = target.unwrap_or_else(|| panic!("there is no target `{name}`"));
    if input.len() > target.max_bytes {
        return;
    }
    if catch_unwind(AssertUnwindSafe(|| (target.run)(input))).is_err() {
        std::process::abort();
    }
}
