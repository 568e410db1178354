//! The host's clock.

use std::time::Duration;

/// A point in time: milliseconds since the Unix epoch, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
#[cfg_attr(
    all(target_family = "wasm", not(feature = "typed")),
    derive(serde::Deserialize)
)]
pub struct Timestamp(pub u64);

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "they are the days of the week")]
pub enum Weekday {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

impl Timestamp {
    /// Returns the day of the week, UTC.
    pub fn weekday(self) -> Weekday {
        // The epoch was a Thursday.
        match (self.0 / DAY_MS) % 7 {
            0 => Weekday::Thursday,
            1 => Weekday::Friday,
            2 => Weekday::Saturday,
            3 => Weekday::Sunday,
            4 => Weekday::Monday,
            5 => Weekday::Tuesday,
            _ => Weekday::Wednesday,
        }
    }

    /// Returns the time since midnight, UTC.
    pub fn time_of_day(self) -> Duration {
        Duration::from_millis(self.0 % DAY_MS)
    }

    /// Returns the time from `earlier` to this one; zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_day_and_the_time() {
        // 2026-11-22T07:21:51Z is a Sunday.
        let at = Timestamp(1_795_332_111_000);
        assert_eq!(at.weekday(), Weekday::Sunday);
        assert_eq!(
            at.time_of_day(),
            Duration::from_secs(7 * 3600 + 21 * 60 + 51)
        );
    }
}
