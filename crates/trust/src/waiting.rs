//! Waiting in tests, with a bound.

use std::thread;
use std::time::{Duration, Instant};

/// Polls until `is_so`.
///
/// # Panics
///
/// After a minute, with `what`.
#[track_caller]
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let given_up = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < given_up, "{what}");
        thread::yield_now();
    }
}
