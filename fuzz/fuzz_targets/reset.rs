//! A module and its rewritten form behave alike, and each reset is complete.

#![no_main]

use arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;
use portcullis_reset_differential::{Bench, Tally};
use std::sync::LazyLock;

static BENCH: LazyLock<Bench> = LazyLock::new(|| Bench::new().expect("the engine starts"));

fuzz_target!(|bytes: &[u8]| {
    let found = BENCH.check(&mut Unstructured::new(bytes), None, &mut Tally::default());
    if let Err(difference) = found {
        panic!("{difference}");
    }
});
