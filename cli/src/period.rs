//! Durations on the command line.

use jiff::SignedDuration;
use std::time::Duration;

/// Parses a duration such as `30d` or `24h`.
pub(crate) fn period(text: &str) -> Result<Duration, String> {
    let days = text
        .strip_suffix('d')
        .and_then(|days| days.parse::<u64>().ok());
    if let Some(days) = days {
        return Ok(Duration::from_secs(days.saturating_mul(24 * 60 * 60)));
    }
    text.parse::<SignedDuration>()
        .ok()
        .and_then(|signed| Duration::try_from(signed).ok())
        .ok_or_else(|| format!("`{text}` is not a duration, such as `30d` or `24h`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_has_days_and_hours() {
        assert_eq!(period("30d"), Ok(Duration::from_secs(30 * 24 * 3600)));
        assert_eq!(period("24h"), Ok(Duration::from_secs(24 * 3600)));
        assert!(period("soon").is_err());
    }
}
