//! Processor time of the deciding thread, to tell a slow plugin from a busy host.
//!
//! Reading a thread's processor time is a system call, which a decision of microseconds cannot afford. So each
//! thread keeps its last reading, and takes another only if that is older than an eighth of the deadline. The
//! result is an upper bound: it may include up to an eighth of the deadline from before the evaluation.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// Processor time of the thread, at most an eighth of the deadline before an evaluation began.
#[derive(Clone, Copy)]
pub(crate) struct Reading(Option<Duration>);

thread_local! {
    static LAST: Cell<Option<(Instant, Reading)>> = const { Cell::new(None) };
}

/// Reading for an evaluation that begins at `started`.
pub(crate) fn reading(started: Instant, deadline: Duration) -> Reading {
    LAST.with(|last| match last.get() {
        Some((at, reading)) if started.saturating_duration_since(at) < deadline / 8 => reading,
        _ => {
            let reading = Reading(of_thread());
            last.set(Some((started, reading)));
            reading
        }
    })
}

impl Reading {
    /// True if the thread used less than a quarter of `deadline` since then.
    ///
    /// False if the system does not tell.
    pub(crate) fn has_used_little(self, deadline: Duration) -> bool {
        let used = of_thread().zip(self.0);
        used.is_some_and(|(now, then)| now.saturating_sub(then) < deadline / 4)
    }
}

/// Processor time that the thread has used.
#[cfg(unix)]
fn of_thread() -> Option<Duration> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).ok()
}

#[cfg(not(unix))]
fn of_thread() -> Option<Duration> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::thread::sleep;

    const DEADLINE: Duration = Duration::from_millis(40);

    #[test]
    fn a_thread_that_sleeps_uses_little_and_one_that_works_does_not() {
        let started = Instant::now();
        let reading = reading(started, DEADLINE);
        sleep(DEADLINE);
        assert!(reading.has_used_little(DEADLINE));
        let began = of_thread().unwrap();
        while of_thread().unwrap() - began < DEADLINE {}
        assert!(!reading.has_used_little(DEADLINE));
    }

    #[test]
    fn a_reading_serves_for_an_eighth_of_the_deadline() {
        let started = Instant::now();
        let first = reading(started, DEADLINE).0;
        assert_eq!(reading(started + DEADLINE / 9, DEADLINE).0, first);
        assert_ne!(reading(started + DEADLINE / 8, DEADLINE).0, first);
    }
}
