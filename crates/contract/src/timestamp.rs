//! Times of requests and grants.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::time::Duration;

/// A time in whole milliseconds since the Unix epoch, UTC. In JSON and text: RFC 3339.
///
/// In a plugin, a time has no text: the host passes milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(u64);

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
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
    /// Returns the time `millis` milliseconds after the Unix epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Duration from `earlier` to this time; zero if `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// Adds `duration`, up to the last possible time.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }

    /// Day of the week, UTC.
    pub const fn weekday(self) -> Weekday {
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

    /// Time since midnight, UTC.
    pub const fn time_of_day(self) -> Duration {
        Duration::from_millis(self.0 % DAY_MS)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(not(target_family = "wasm"))]
mod text {
    //! Text of a time, and the system clock. A plugin has neither.

    use super::{Timestamp, millis};
    use std::fmt;
    use std::str::FromStr;
    use std::time::{SystemTime, UNIX_EPOCH};

    /// Error for an invalid RFC 3339 time, or one before 1970.
    #[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
    #[error("`{0}` is not a time as in RFC 3339, such as `2026-11-22T09:00:00Z`")]
    pub struct TimestampError(String);

    impl Timestamp {
        /// Reads the system clock.
        ///
        /// If the clock is before 1970, the result is the last possible time, at which everything has expired.
        pub fn now() -> Self {
            SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(Self(u64::MAX), |since| Self(millis(since)))
        }

        /// Limits the time to the last one that RFC 3339 can express.
        ///
        /// The text of the result reads back as the same time.
        #[must_use]
        pub fn writable(self) -> Self {
            // Truncated to milliseconds, the precision of `Timestamp`.
            let last = jiff::Timestamp::MAX.as_millisecond();
            Self(self.0.min(last.unsigned_abs()))
        }
    }

    impl fmt::Display for Timestamp {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            // RFC 3339 ends with the year 9999; a later time prints as the latest expressible one.
            let moment = i64::try_from(self.0)
                .ok()
                .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok())
                .unwrap_or(jiff::Timestamp::MAX);
            write!(f, "{moment}")
        }
    }

    impl FromStr for Timestamp {
        type Err = TimestampError;

        fn from_str(text: &str) -> Result<Self, TimestampError> {
            text.parse::<jiff::Timestamp>()
                .ok()
                .and_then(|moment| u64::try_from(moment.as_millisecond()).ok())
                .map(Self)
                .ok_or_else(|| TimestampError(text.to_owned()))
        }
    }
}

#[cfg(not(target_family = "wasm"))]
pub use text::TimestampError;

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[cfg(not(target_family = "wasm"))]
        if serializer.is_human_readable() {
            return serializer.collect_str(self);
        }
        serializer.serialize_u64(self.0)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[cfg(not(target_family = "wasm"))]
        if deserializer.is_human_readable() {
            return String::deserialize(deserializer)?
                .parse()
                .map_err(serde::de::Error::custom);
        }
        u64::deserialize(deserializer).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_rfc_3339() {
        let at: Timestamp = "2026-11-22T09:00:00.250+01:00".parse().unwrap();
        assert_eq!(at.to_string(), "2026-11-22T08:00:00.25Z");
        assert!("2026-11-22".parse::<Timestamp>().is_err());
        assert!("1969-12-31T23:59:59Z".parse::<Timestamp>().is_err());
    }

    #[test]
    fn the_last_moment_stays_the_last() {
        let last = Timestamp::from_millis(u64::MAX);
        assert_eq!(last.plus(Duration::MAX), last);
        assert!(last.to_string().starts_with("9999-"));
        let writable = last.writable();
        assert_eq!(writable.to_string().parse(), Ok(writable));
    }

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
