//! Records of callers that are not authenticated: a few in a second.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Bound on the log lines of callers that are not authenticated.
///
/// Every client that can connect causes such refusals. Without a bound, it could fill the disk and delay the records of
/// decisions. [`Metrics`](crate::Metrics) counts all of them.
#[derive(Debug, Default)]
pub struct UnknownCallers(Mutex<Option<(Instant, u32)>>);

impl UnknownCallers {
    /// Maximum number of lines in a second.
    pub const PER_SECOND: u32 = 10;

    /// True if one more may be recorded now.
    pub fn may_be_recorded(&self) -> bool {
        self.may_be_recorded_at(Instant::now())
    }

    fn may_be_recorded_at(&self, now: Instant) -> bool {
        let mut second = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *second {
            Some((begin, count)) if now.duration_since(*begin) < Duration::from_secs(1) => {
                *count = count.saturating_add(1);
                *count <= Self::PER_SECOND
            }
            _ => {
                *second = Some((now, 1));
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_ten_lines() {
        let callers = UnknownCallers::default();
        let begin = Instant::now();
        let recorded = |at| (0..50).filter(|_| callers.may_be_recorded_at(at)).count();
        assert_eq!(recorded(begin), 10);
        assert_eq!(recorded(begin + Duration::from_millis(999)), 0);
        assert_eq!(recorded(begin + Duration::from_secs(1)), 10);
    }
}
