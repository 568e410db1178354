//! Times of requests, grants and tokens.

pub use portcullis_contract::{Timestamp, TimestampError};

use std::time::Duration;

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

#[cfg(test)]
mod tests {
    use super::*;

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
}
