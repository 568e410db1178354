//! Instances that are reset.
//!
//! A module made of the input behaves as its rewritten form, and each reset of that is complete.

use crate::Read;
use arbitrary::Unstructured;
use portcullis_reset_differential::{Bench, Tally};
use std::sync::LazyLock;

static BENCH: LazyLock<Bench> = LazyLock::new(|| Bench::new().expect("the engine starts"));

pub(super) fn run(input: &[u8]) -> Read {
    let mut tally = Tally::default();
    let found = BENCH.check(&mut Unstructured::new(input), None, &mut tally);
    if let Err(difference) = found {
        panic!("{difference}");
    }
    match tally.modules() {
        0 => Read::Refused,
        _ => Read::Accepted,
    }
}
