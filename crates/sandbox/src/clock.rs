//! The clock that enforces deadlines: a thread that increments the engines' epochs.
//!
//! Ticks are due at even intervals, and a late tick does not delay later ones: however long the thread
//! waits for a processor, it then counts all ticks that were due. A deadline is set relative to the due
//! time of the last tick. So code is never interrupted before its deadline, and at most one tick plus that
//! wait after it; or two ticks, if the deadline is set at the moment when a tick is counted.

use crate::engine::{EngineError, engines};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// Unit of deadlines.
const TICK: Duration = Duration::from_nanos(TICK_NANOS);
const TICK_NANOS: u64 = 1_000_000;

/// Number of ticks that the ticker continues when idle. Waking it costs a system call.
const IDLE_TICKS: u64 = 100;

/// Maximum number of ticks counted at once.
///
/// More are due only if the process was stopped, and then its plugins were stopped too.
const MOST_AT_ONCE: u64 = 1 << 16;

/// Maximum time since the last tick that a deadline includes, in nanoseconds.
///
/// Due ticks beyond [`MOST_AT_ONCE`] are never counted, so a deadline must not wait for them; and the clock
/// must not stop before the ticks that a deadline waits for.
const LONGEST_SINCE: u64 = (MOST_AT_ONCE + IDLE_TICKS / 2) * TICK_NANOS;

/// Maximum deadline in ticks: 35 years.
///
/// The engine adds it to its own count, which must not overflow.
const LONGEST: u64 = 1 << 40;

/// Keeps the clock ticking while it exists.
///
/// It is for long operations, such as `configure`. For a decision, see [`tick_for_a_decision`].
pub(crate) struct Ticking(());

struct Ticker {
    /// Number of [`Ticking`] values.
    running: AtomicUsize,
    /// True if a decision began since the last tick.
    begun: AtomicBool,
    /// Longest deadline of a decision, in ticks.
    longest: AtomicU64,
    /// Due time of the last counted tick, or [`STANDS`].
    ///
    /// It is in nanoseconds since the clock was made.
    due: AtomicU64,
    parked: AtomicBool,
    thread: OnceLock<Thread>,
}

/// Value of `due` while the clock is stopped: no tick is due.
const STANDS: u64 = u64::MAX;

static TICKER: Ticker = Ticker {
    running: AtomicUsize::new(0),
    begun: AtomicBool::new(false),
    longest: AtomicU64::new(0),
    due: AtomicU64::new(STANDS),
    parked: AtomicBool::new(false),
    thread: OnceLock::new(),
};

impl Ticking {
    /// Starts the clock, which serves both engines.
    pub(crate) fn start() -> Result<Self, EngineError> {
        // The ticker sets `parked` and then checks that nothing runs before it parks; a thread that
        // starts running announces that first and then checks `parked`.
        TICKER.running.fetch_add(1, Ordering::SeqCst);
        let ticking = Self(());
        wake()?;
        Ok(ticking)
    }
}

impl Drop for Ticking {
    fn drop(&mut self) {
        TICKER.running.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Announces the deadline of decisions, before the first of them begins.
pub(crate) fn expect_decisions_of(deadline: Duration) {
    TICKER
        .longest
        .fetch_max(ticks(deadline, None), Ordering::SeqCst);
}

/// Keeps the clock ticking for a decision that begins now.
///
/// The clock ticks for as long as the decision may run.
///
/// It does not count decisions, so that processors do not contend for a counter: it sets a flag, unless the
/// flag is set. At the next tick, the ticker clears the flag and continues for the longest deadline that
/// was announced by [`expect_decisions_of`].
pub(crate) fn tick_for_a_decision() -> Result<(), EngineError> {
    if !TICKER.begun.load(Ordering::SeqCst) {
        TICKER.begun.store(true, Ordering::SeqCst);
    }
    wake()
}

/// Passes to `set` the number of ticks from then until `deadline` has passed.
///
/// At least `deadline` passes from now, and no more ticks than that takes.
pub(crate) fn end_after(deadline: Duration, mut set: impl FnMut(u64)) {
    loop {
        // Read before `due`: a thread that waits for a processor in between counts no tick twice.
        let now = nanos();
        let due = TICKER.due.load(Ordering::Acquire);
        let since = (due != STANDS).then(|| now.saturating_sub(due).min(LONGEST_SINCE));
        set(ticks(deadline, since.map(Duration::from_nanos)));
        // Either `set` counted from an epoch without a later tick, or that tick is seen here.
        fence(Ordering::Acquire);
        if TICKER.due.load(Ordering::Relaxed) == due {
            return;
        }
    }
}

/// Number of ticks after which at least `deadline` has passed.
///
/// `since_last` is the time since the last tick was due; `None` if the next tick may come at any time.
fn ticks(deadline: Duration, since_last: Option<Duration>) -> u64 {
    let until = deadline.saturating_add(since_last.unwrap_or(TICK));
    let whole = until.as_nanos().div_ceil(TICK.as_nanos());
    u64::try_from(whole).unwrap_or(u64::MAX).min(LONGEST)
}

/// Nanoseconds since the clock was made, which suffices for 584 years.
fn nanos() -> u64 {
    static MADE: OnceLock<Instant> = OnceLock::new();
    let since = MADE.get_or_init(Instant::now).elapsed();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

fn wake() -> Result<(), EngineError> {
    match TICKER.thread.get() {
        Some(thread) if TICKER.parked.load(Ordering::SeqCst) => thread.unpark(),
        Some(_) => {}
        None => spawn()?,
    }
    Ok(())
}

fn spawn() -> Result<(), EngineError> {
    static SPAWNING: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _one_at_a_time = SPAWNING.lock().map_err(|e| EngineError(e.to_string()))?;
    if TICKER.thread.get().is_some() {
        return Ok(());
    }
    let ticker = thread::Builder::new()
        .name("portcullis-ticker".to_owned())
        .spawn(tick)
        .map_err(|error| EngineError(format!("cannot start its clock: {error}")))?;
    TICKER.thread.get_or_init(|| ticker.thread().clone());
    Ok(())
}

fn tick() {
    let is_needed =
        || TICKER.running.load(Ordering::SeqCst) > 0 || TICKER.begun.load(Ordering::SeqCst);
    let mut left = IDLE_TICKS;
    let mut beat = begin();
    loop {
        if TICKER.begun.swap(false, Ordering::SeqCst) {
            left = TICKER
                .longest
                .load(Ordering::SeqCst)
                .saturating_add(IDLE_TICKS);
        } else if TICKER.running.load(Ordering::SeqCst) > 0 {
            left = left.max(IDLE_TICKS);
        } else if left > 0 {
            left -= 1;
        } else {
            TICKER.parked.store(true, Ordering::SeqCst);
            if !is_needed() {
                TICKER.due.store(STANDS, Ordering::Release);
                while !is_needed() {
                    thread::park();
                }
                beat = begin();
            }
            TICKER.parked.store(false, Ordering::SeqCst);
            continue;
        }
        thread::sleep(beat.until_next(nanos()));
        for due in beat.passed(nanos()) {
            // Orders the epoch before the due time, for readers of both: see `end_after`.
            fence(Ordering::Release);
            for engine in engines() {
                engine.increment_epoch();
            }
            // A reader of the previous value waits one tick more, never one less.
            TICKER.due.store(due, Ordering::Release);
        }
    }
}

/// Starts the clock: ticks are due from now on.
fn begin() -> Beat {
    TICKER.due.store(nanos(), Ordering::Release);
    // Read after the store: a thread that saw the clock stopped did so before.
    Beat { due: nanos() }
}

/// Due times of ticks, in nanoseconds.
struct Beat {
    /// Due time of the last counted tick.
    due: u64,
}

impl Beat {
    /// Time until the next tick.
    fn until_next(&self, now: u64) -> Duration {
        let next = self.due.saturating_add(TICK_NANOS);
        Duration::from_nanos(next.saturating_sub(now))
    }

    /// Due times of the ticks that have become due. They count as counted.
    fn passed(&mut self, now: u64) -> impl Iterator<Item = u64> + use<> {
        let passed = now.saturating_sub(self.due) / TICK_NANOS;
        let last = match passed > MOST_AT_ONCE {
            true => now,
            false => self.due + passed * TICK_NANOS,
        };
        self.due = last;
        let passed = passed.min(MOST_AT_ONCE);
        (0..passed)
            .rev()
            .map(move |before_last| last - before_last * TICK_NANOS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Time at which a deadline set at `at` is enforced, and the wait then.
    ///
    /// `waits` are the times that the ticker waits for a processor. `None` if the deadline is not enforced by
    /// the end.
    fn cut(waits: &[u64], at: u64, deadline: u64) -> Option<(u64, u64)> {
        let begin = 10_000_000;
        let deadline = Duration::from_nanos(deadline);
        let mut beat = Beat { due: begin };
        let (mut now, mut counted) = (begin, 0);
        // If the clock is stopped when it is read, it starts at once.
        let mut cut = (at < begin).then(|| ticks(deadline, None));
        for wait in waits {
            let woken = now + u64::try_from(beat.until_next(now).as_nanos()).unwrap() + wait;
            if cut.is_none() && (now..woken).contains(&at) {
                let since = Duration::from_nanos(at - beat.due);
                cut = Some(counted + ticks(deadline, Some(since)));
            }
            now = woken;
            counted += beat.passed(now).count() as u64;
            if cut.is_some_and(|cut| counted >= cut) {
                return Some((now, *wait));
            }
        }
        None
    }

    proptest! {
        #[test]
        fn a_deadline_is_not_cut_short_nor_outlived_by_more_than_a_tick_and_a_wait(
            waits in proptest::collection::vec(0..20_000_000_u64, 100),
            at in 10_000_000..40_000_000_u64,
            deadline in 0..30_000_000_u64,
        ) {
            let (cut, wait) = cut(&waits, at, deadline).unwrap();
            prop_assert!(cut >= at + deadline, "cut short");
            prop_assert!(cut <= at + deadline + TICK_NANOS + wait, "outlived");
        }

        #[test]
        fn nor_is_one_that_has_the_clock_begin(
            waits in proptest::collection::vec(0..20_000_000_u64, 100),
            deadline in 0..30_000_000_u64,
        ) {
            let at = 9_999_999;
            let (cut, wait) = cut(&waits, at, deadline).unwrap();
            prop_assert!(cut >= at + deadline, "cut short");
            prop_assert!(cut <= at + deadline + 2 * TICK_NANOS + wait, "outlived");
        }
    }

    #[test]
    fn each_tick_has_been_due_when_it_is_counted() {
        let mut beat = Beat { due: 5 };
        let due = |beat: &mut Beat, now| beat.passed(now).collect::<Vec<_>>();
        assert!(due(&mut beat, TICK_NANOS).is_empty());
        assert_eq!(
            due(&mut beat, 3 * TICK_NANOS + 5),
            [1, 2, 3].map(|n| n * TICK_NANOS + 5)
        );
        assert_eq!(
            beat.until_next(3 * TICK_NANOS + 6),
            Duration::from_nanos(TICK_NANOS - 1)
        );
    }

    #[test]
    fn where_nobody_knows_when_the_next_tick_comes_one_more_is_waited_for() {
        assert_eq!(ticks(Duration::from_millis(10), None), 11);
        assert_eq!(ticks(Duration::from_micros(1), None), 2);
        assert_eq!(ticks(Duration::from_millis(10), Some(Duration::ZERO)), 10);
        assert_eq!(ticks(Duration::MAX, None), LONGEST);
    }

    #[test]
    fn after_a_stop_not_all_is_counted() {
        let mut beat = Beat { due: 0 };
        let now = u64::MAX / 2;
        assert_eq!(beat.passed(now).count() as u64, MOST_AT_ONCE);
        assert_eq!(
            beat.passed(now + TICK_NANOS).collect::<Vec<_>>(),
            [now + TICK_NANOS]
        );
        // A deadline does not wait for more either.
        let since = Duration::from_nanos(LONGEST_SINCE);
        assert!(ticks(Duration::ZERO, Some(since)) < MOST_AT_ONCE + IDLE_TICKS);
    }
}
