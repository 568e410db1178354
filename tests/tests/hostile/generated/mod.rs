//! Guests that are too bulky for a file, as functions that make them.

pub(crate) mod bombs;
pub(crate) mod bytes;
pub(crate) mod components;
pub(crate) mod manifests;
pub(crate) mod postcard;
pub(crate) mod texts;
pub(crate) mod verdicts;

use std::sync::atomic::{AtomicBool, Ordering};

static IN_FULL: AtomicBool = AtomicBool::new(false);

/// Makes guests in their full size from now on, for a measurement.
pub(crate) fn in_full() {
    IN_FULL.store(true, Ordering::Relaxed);
}

/// A tenth of the full size of a guest, or that size.
///
/// At full size, some guests are too costly for each run of the tests.
fn scaled(tenth: usize) -> usize {
    match IN_FULL.load(Ordering::Relaxed) {
        true => tenth * 10,
        false => tenth,
    }
}
