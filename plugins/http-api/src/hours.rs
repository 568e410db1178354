//! Time windows.

use portcullis_sdk::{Timestamp, Weekday};
use serde::Deserialize;
use std::fmt;
use std::time::Duration;

/// Hours of selected weekdays, in UTC.
///
/// If `to` is not after `from`, the window ends on the next day.
#[derive(Debug, Deserialize)]
pub(crate) struct Hours {
    from: Time,
    to: Time,
    #[serde(default)]
    days: Option<Vec<Weekday>>,
}

/// A time of day, such as `08:30`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
struct Time(Duration);

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

impl TryFrom<String> for Time {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let part = |text: &str, most: u64| {
            let number = text.parse::<u64>().ok()?;
            let digits = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
            (digits && number < most).then_some(number)
        };
        text.split_once(':')
            .and_then(|(hour, minute)| Some((part(hour, 24)?, part(minute, 60)?)))
            .map(|(hour, minute)| Self(Duration::from_secs((hour * 60 + minute) * 60)))
            .ok_or_else(|| format!("`{text}` is no time of day, such as `08:30`"))
    }
}

impl Hours {
    /// True if `now` is within these hours.
    pub(crate) fn contain(&self, now: Timestamp) -> bool {
        let time = now.time_of_day();
        let (from, to) = (self.from.0, self.to.0);
        if from < to {
            return self.on(now.weekday()) && from <= time && time < to;
        }
        // After midnight, the window belongs to the previous day.
        (from <= time && self.on(now.weekday()))
            || (time < to
                && self
                    .on(Timestamp::from_millis(now.as_millis().saturating_sub(DAY_MS)).weekday()))
    }

    /// Returns the time from `now`, which is within these hours, to their end.
    pub(crate) fn left(&self, now: Timestamp) -> Duration {
        let (time, end) = (now.time_of_day(), self.to.0);
        match end.checked_sub(time) {
            Some(left) if !left.is_zero() => left,
            _ => end + Duration::from_millis(DAY_MS) - time,
        }
    }

    /// True if the list of days is empty, so that the hours never apply.
    pub(crate) fn are_never(&self) -> bool {
        self.days.as_ref().is_some_and(Vec::is_empty)
    }

    fn on(&self, day: Weekday) -> bool {
        self.days.as_ref().is_none_or(|days| days.contains(&day))
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "from {} to {} UTC", self.from, self.to)?;
        match &self.days {
            None => Ok(()),
            Some(days) => {
                let days: Vec<_> = days
                    .iter()
                    .map(|day| format!("{day:?}").to_lowercase())
                    .collect();
                write!(f, " on {}", days.join(", "))
            }
        }
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let minutes = self.0.as_secs() / 60;
        write!(f, "{:02}:{:02}", minutes / 60, minutes % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIDNIGHT_ON_SUNDAY: u64 = 1_795_305_600_000;

    fn hours(from: &str, to: &str, days: Option<Vec<Weekday>>) -> Hours {
        let time = |text: &str| Time::try_from(text.to_owned()).unwrap();
        Hours {
            from: time(from),
            to: time(to),
            days,
        }
    }

    fn at(hours: u64) -> Timestamp {
        Timestamp::from_millis(MIDNIGHT_ON_SUNDAY + hours * 60 * 60 * 1000)
    }

    #[test]
    fn the_end_is_not_in_the_window() {
        let day = hours("08:00", "18:00", None);
        assert!(day.contain(at(8)) && day.contain(at(17)));
        assert!(!day.contain(at(7)) && !day.contain(at(18)));
    }

    #[test]
    fn a_window_past_midnight_belongs_to_the_day_it_began() {
        let night = hours("22:00", "04:00", Some(vec![Weekday::Saturday]));
        assert!(night.contain(at(3)), "Sunday at 3 is Saturday's night");
        assert!(!night.contain(at(23)), "Sunday's night");
        assert!(!night.contain(at(5)));
        assert_eq!(night.left(at(3)), Duration::from_secs(3600));
        assert_eq!(night.left(at(23)), Duration::from_secs(5 * 3600));
    }

    #[test]
    fn refuses_what_is_no_time_of_day() {
        for text in ["24:00", "8:00", "08:60", "08", "0800", "+8:00"] {
            assert!(Time::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
