//! Bounds of the decisions in flight, so that no caller waits in a queue without end.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Default maximum number of decisions in flight in a decision point.
pub(crate) const MAX_IN_FLIGHT: u32 = 512;
/// Default maximum number of decisions in flight of one integration.
pub(crate) const MAX_OF_INTEGRATION: u32 = 256;

/// Decisions in flight, up to a maximum.
///
/// It has a cache line of its own: each decision writes to it.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct InFlight {
    now: AtomicU32,
    most: u32,
    /// Requests refused since the last call of [`InFlight::take_refused`].
    refused: AtomicU64,
}

/// A decision in flight.
#[derive(Debug)]
pub(crate) struct Place<'a>(&'a InFlight);

impl InFlight {
    pub(crate) fn new(most: u32) -> Self {
        Self {
            now: AtomicU32::new(0),
            most,
            refused: AtomicU64::new(0),
        }
    }

    /// The maximum.
    pub(crate) fn most(&self) -> u32 {
        self.most
    }

    /// Number of decisions in flight.
    pub(crate) fn now(&self) -> u32 {
        // A refused one counts for an instant.
        self.now.load(Ordering::Relaxed).min(self.most)
    }

    /// A place for one more decision; `None` if the maximum is reached.
    pub(crate) fn enter(&self) -> Option<Place<'_>> {
        let place = Place(self);
        match self.now.fetch_add(1, Ordering::Relaxed) < self.most {
            true => Some(place),
            false => {
                self.refused.fetch_add(1, Ordering::Relaxed);
                None
            }
        }
    }

    /// Adds to the number of refused requests, which could not be recorded.
    pub(crate) fn put_back_refused(&self, refused: u64) {
        self.refused.fetch_add(refused, Ordering::Relaxed);
    }

    /// Number of requests refused since the last call.
    pub(crate) fn take_refused(&self) -> u64 {
        match self.refused.load(Ordering::Relaxed) {
            0 => 0,
            _ => self.refused.swap(0, Ordering::Relaxed),
        }
    }
}

impl Default for InFlight {
    fn default() -> Self {
        Self::new(MAX_IN_FLIGHT)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_beyond_the_maximum_and_then_has_room_again() {
        let in_flight = InFlight::new(2);
        let (one, two) = (in_flight.enter().unwrap(), in_flight.enter());
        assert!(two.is_some());
        assert!(in_flight.enter().is_none());
        assert!(in_flight.enter().is_none());
        drop(one);
        let three = in_flight.enter();
        assert!(three.is_some());
        assert!(in_flight.enter().is_none());
        assert_eq!(in_flight.take_refused(), 3);
        assert_eq!(in_flight.take_refused(), 0);
    }
}
