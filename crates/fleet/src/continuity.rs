//! Continuity of a bucket: it is the one that was known, and it lost no change.
//!
//! The server numbers the changes of a bucket, and a change never has the number of an earlier one. So a bucket whose
//! last change has a lower number than one that this host knows was restored from a copy, created again, or lost what its
//! server had not yet written to the disk.

use crate::failure::Failure;
use crate::stream::Info;
use portcullis_model::marks::StateMark;
use portcullis_model::timestamp::Timestamp;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Largest accepted difference between the clocks of host and server.
pub(crate) const MAX_SKEW: Duration = Duration::from_secs(60);

/// Time for which the server keeps a value after its end.
///
/// With clocks that differ by [`MAX_SKEW`] at most, no host can need it then.
pub(crate) const KEPT_AFTER_END: Duration = Duration::from_secs(5 * 60);

/// Time after the end of a use from which its count may be deleted, by the clock of any host.
pub(crate) const DELETED_AFTER_END: Duration = Duration::from_secs(2 * 60);

/// Identity of a bucket, and the last change that is known.
#[derive(Debug)]
pub(crate) struct Continuity {
    generation: String,
    created: String,
    changes: AtomicU64,
    /// Reason why the bucket lacks earlier counts.
    lacks: Mutex<Option<String>>,
    /// The server's clock, and the time at which it was read.
    clock: Mutex<Option<(Timestamp, Instant)>>,
}

impl Continuity {
    pub(crate) fn new(generation: String, info: &Info) -> Self {
        let continuity = Self {
            generation,
            created: info.created.clone(),
            changes: AtomicU64::new(info.state.last_seq),
            lacks: Mutex::default(),
            clock: Mutex::default(),
        };
        continuity.note_clock(info);
        continuity
    }

    /// Number of the last change that is known.
    ///
    /// Read before a request: a later change has a higher number.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// Compares a description of the bucket that was requested when `before` was the last known change.
    pub(crate) fn compare(&self, info: &Info, before: u64) {
        self.note_clock(info);
        let found = info.state.last_seq;
        if info.created != self.created {
            self.distrust("another bucket is in the place of the earlier one");
        } else if found < before {
            self.distrust(&went_back(found, before));
        }
        self.changes.fetch_max(found, Ordering::AcqRel);
    }

    /// Notes the number of a change that was made when `before` was the last known one.
    pub(crate) fn advance(&self, change: u64, before: u64) -> Result<(), Failure> {
        if change <= before {
            let why = went_back(change.saturating_sub(1), before);
            self.distrust(&why);
            return Err(Failure::Lacks(why));
        }
        self.changes.fetch_max(change, Ordering::AcqRel);
        Ok(())
    }

    /// Marks the bucket as lacking earlier counts. The first reason stays.
    pub(crate) fn distrust(&self, why: &str) {
        locked(&self.lacks).get_or_insert_with(|| why.to_owned());
    }

    /// Reason why the bucket lacks earlier counts.
    pub(crate) fn lacks(&self) -> Option<String> {
        locked(&self.lacks).clone()
    }

    /// Error if counts cannot be relied on at `now`, by the clock of this host.
    pub(crate) fn counts_at(&self, now: Timestamp) -> Result<(), Failure> {
        if let Some(why) = self.lacks() {
            return Err(Failure::Lacks(why));
        }
        let Some(server) = self.server_time() else {
            return Err(Failure::refused(
                "the server does not state its time: it must be 2.11 or later",
            ));
        };
        let skew = now.since(server).max(server.since(now));
        if skew > MAX_SKEW {
            return Err(Failure::refused(format!(
                "the clock of this host differs from that of the server by {} s, and uses end by both: set the clocks",
                skew.as_secs()
            )));
        }
        Ok(())
    }

    /// The mark of the bucket, for the log.
    pub(crate) fn mark(&self) -> StateMark {
        StateMark {
            generation: self.generation.clone(),
            changes: self.changes(),
        }
    }

    fn note_clock(&self, info: &Info) {
        if let Some(server) = info.ts {
            *locked(&self.clock) = Some((server, Instant::now()));
        }
    }

    fn server_time(&self) -> Option<Timestamp> {
        let (server, read) = (*locked(&self.clock))?;
        Some(server.plus(read.elapsed()))
    }
}

fn went_back(found: u64, known: u64) -> String {
    format!(
        "its last change is number {found}, but {known} was seen before: it was restored from a copy, or its server lost what it had not written to the disk"
    )
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn info(created: &str, last: u64, clock: Option<Timestamp>) -> Info {
        serde_json::from_value(json!({
            "config": { "storage": "file" },
            "created": created,
            "state": { "last_seq": last },
            "ts": clock,
        }))
        .unwrap()
    }

    fn known() -> Continuity {
        let info = info("first", 10, Some(Timestamp::now()));
        Continuity::new("g".to_owned(), &info)
    }

    #[test]
    fn a_bucket_that_goes_back_lacks_counts_for_good() {
        let continuity = known();
        continuity.compare(&info("first", 12, None), continuity.changes());
        assert_eq!(continuity.counts_at(Timestamp::now()), Ok(()));
        continuity.compare(&info("first", 11, None), continuity.changes());
        let lacks = continuity.lacks().unwrap();
        assert!(lacks.contains("number 11, but 12"), "{lacks}");
        continuity.compare(&info("first", 20, None), continuity.changes());
        assert_eq!(continuity.lacks(), Some(lacks));
    }

    #[test]
    fn another_bucket_lacks_counts_even_if_it_has_more_changes() {
        let continuity = known();
        continuity.compare(&info("second", 99, None), continuity.changes());
        assert!(continuity.lacks().unwrap().contains("another bucket"));
        let refused = continuity.counts_at(Timestamp::now());
        assert!(matches!(refused, Err(Failure::Lacks(_))));
    }

    #[test]
    fn a_description_that_others_overtook_is_no_step_back() {
        let continuity = known();
        let before = continuity.changes();
        continuity.advance(15, before).unwrap();
        continuity.compare(&info("first", 12, None), before);
        assert_eq!((continuity.lacks(), continuity.changes()), (None, 15));
    }

    #[test]
    fn a_change_with_a_number_that_was_given_before_is_a_step_back() {
        let continuity = known();
        let before = continuity.changes();
        continuity.advance(12, before).unwrap();
        continuity.advance(11, before).unwrap();
        assert_eq!(continuity.mark().changes, 12);
        let refused = continuity.advance(12, continuity.changes());
        assert!(matches!(refused, Err(Failure::Lacks(_))));
        assert!(continuity.lacks().is_some());
    }

    #[test]
    fn clocks_that_differ_too_much_count_nothing() {
        let continuity = known();
        let now = Timestamp::now();
        let near = MAX_SKEW - Duration::from_secs(5);
        let far = MAX_SKEW + Duration::from_secs(5);
        let earlier = |by: Duration| {
            let by = u64::try_from(by.as_millis()).unwrap();
            Timestamp::from_millis(now.as_millis() - by)
        };
        for at in [now, now.plus(near), earlier(near)] {
            assert_eq!(continuity.counts_at(at), Ok(()));
        }
        for at in [now.plus(far), earlier(far)] {
            let refused = continuity.counts_at(at);
            assert!(matches!(refused, Err(Failure::Server(_))));
        }
        let silent = Continuity::new("g".to_owned(), &info("first", 0, None));
        assert!(silent.counts_at(now).is_err());
    }
}
