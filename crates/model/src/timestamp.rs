//! Times, as stated by requests and grants.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A time in whole milliseconds since the Unix epoch, UTC. In JSON and text: RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

/// Maximum lead of another machine's clock over the host's clock.
pub const CLOCK_LEEWAY: Duration = Duration::from_secs(5);

/// Last second of the year 9999. A greater number of seconds is one of milliseconds.
const LAST_SECOND: u64 = 253_402_300_799;

/// Reads a time of a JSON Web Token (RFC 7519, NumericDate).
///
/// The value is a number of seconds since 1970, with an optional fraction. It is rounded to milliseconds.
///
/// # Errors
///
/// Description of the actual value.
pub fn numeric_date(value: &serde_json::Value) -> Result<Timestamp, &'static str> {
    let Some(seconds) = value.as_f64() else {
        return Err("no number: seconds since 1970 are needed, such as 1790000000");
    };
    if !(0.0..=LAST_SECOND as f64).contains(&seconds) {
        return Err(match seconds < 0.0 {
            true => "before 1970: seconds since then are needed",
            false => "past the year 9999: seconds since 1970 are needed, not milliseconds",
        });
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "it is between 0 and the year 9999"
    )]
    let millis = (seconds * 1000.0).round() as u64;
    Ok(Timestamp::from_millis(millis))
}

/// Error for an invalid RFC 3339 time, or one before 1970.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a time as in RFC 3339, such as `2026-11-22T09:00:00Z`")]
pub struct TimestampError(String);

impl Timestamp {
    /// Returns the time `millis` milliseconds after the Unix epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

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
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
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

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
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
    fn a_numeric_date_is_a_number_of_seconds() {
        let read = |json: &str| numeric_date(&serde_json::from_str(json).unwrap());
        for (json, millis) in [
            ("1790000000", 1_790_000_000_000),
            ("1790000000.25", 1_790_000_000_250),
            ("1790000000.0", 1_790_000_000_000),
            ("1.79e9", 1_790_000_000_000),
            ("1790000000.1234567", 1_790_000_000_123),
            ("0", 0),
        ] {
            assert_eq!(read(json), Ok(Timestamp::from_millis(millis)), "{json}");
        }
        for (json, why) in [
            ("\"1790000000\"", "no number"),
            ("null", "no number"),
            ("[1790000000]", "no number"),
            ("true", "no number"),
            ("-1", "before 1970"),
            ("1790000000000", "milliseconds"),
            ("1e300", "milliseconds"),
        ] {
            assert!(read(json).unwrap_err().contains(why), "{json}");
        }
    }

    #[test]
    fn the_last_moment_stays_the_last() {
        let last = Timestamp::from_millis(u64::MAX);
        assert_eq!(last.plus(Duration::MAX), last);
        assert!(last.to_string().starts_with("9999-"));
        let writable = last.writable();
        assert_eq!(writable.to_string().parse(), Ok(writable));
    }
}
