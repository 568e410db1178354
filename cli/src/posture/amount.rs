//! Measured amounts and their changes.

use std::time::Duration;

/// A measured amount, `None` if it is unknown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Amount {
    /// A number of items.
    Count(Option<u64>),
    /// A percentage.
    Percent(Option<f64>),
    /// A duration in seconds.
    Seconds(Option<u64>),
}

impl Amount {
    /// Formats the amount.
    pub(super) fn text(self) -> String {
        match self {
            Self::Count(count) => count.map_or("-".to_owned(), |count| count.to_string()),
            Self::Percent(share) => share.map_or("-".to_owned(), |share| format!("{share:.1} %")),
            Self::Seconds(seconds) => seconds.map_or("-".to_owned(), duration),
        }
    }

    /// Formats the change from `before`, or returns `None` if either is unknown.
    pub(super) fn change(self, before: Self) -> Option<String> {
        let signed = |now: u64, before: u64, text: fn(u64) -> String| {
            if now < before {
                format!("-{}", text(before - now))
            } else {
                format!("+{}", text(now - before))
            }
        };
        match (self, before) {
            (Self::Count(Some(now)), Self::Count(Some(before))) => {
                Some(signed(now, before, |count| count.to_string()))
            }
            (Self::Percent(Some(now)), Self::Percent(Some(before))) => {
                // Avoids `-0.0`.
                let points = now - before;
                let points = if points.abs() < 0.05 { 0.0 } else { points };
                Some(format!("{points:+.1} points"))
            }
            (Self::Seconds(Some(now)), Self::Seconds(Some(before))) => {
                Some(signed(now, before, duration))
            }
            _ => None,
        }
    }

    /// Returns the change from `before`: a number, percentage points, or seconds.
    pub(super) fn difference(self, before: Self) -> Option<f64> {
        Some(self.number()? - before.number()?)
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "counts and seconds are far below 2^53"
    )]
    fn number(self) -> Option<f64> {
        match self {
            Self::Count(whole) | Self::Seconds(whole) => whole.map(|whole| whole as f64),
            Self::Percent(share) => share,
        }
    }
}

fn duration(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{:?}", Duration::from_secs(seconds)),
        120..=7199 => format!("{} min", seconds / 60),
        7200..=172_799 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_has_a_sign() {
        use Amount::{Count, Percent, Seconds};
        for (now, before, change) in [
            (Count(Some(5)), Count(Some(7)), Some("-2")),
            (Count(Some(7)), Count(Some(7)), Some("+0")),
            (
                Percent(Some(50.0)),
                Percent(Some(66.66)),
                Some("-16.7 points"),
            ),
            (
                Percent(Some(50.0)),
                Percent(Some(50.01)),
                Some("+0.0 points"),
            ),
            (Seconds(Some(900)), Seconds(Some(600)), Some("+5 min")),
            (Percent(None), Percent(Some(50.0)), None),
        ] {
            assert_eq!(now.change(before).as_deref(), change);
        }
        assert_eq!(
            Seconds(Some(600)).difference(Seconds(Some(900))),
            Some(-300.0)
        );
        assert_eq!(Count(None).difference(Count(Some(1))), None);
    }
}
