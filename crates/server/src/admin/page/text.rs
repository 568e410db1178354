//! Texts, times and durations of the page.

use maud::{Markup, html};
use portcullis_host::{Timestamp, printable, well_known_withheld};

/// A time in whole seconds, which a page is read in.
pub(super) fn time(at: Timestamp) -> Markup {
    html! { time.whole datetime=(at) { (seconds_of(at).replace('T', " ")) } }
}

/// A time without its date.
pub(super) fn clock(at: Timestamp) -> Markup {
    let text = seconds_of(at);
    html! { time datetime=(at) { (text.split_once('T').map_or(text.as_str(), |(_, clock)| clock)) } }
}

fn seconds_of(at: Timestamp) -> String {
    let text = at.to_string();
    match text.split_once('.') {
        Some((seconds, _)) => format!("{seconds}Z"),
        None => text,
    }
}

/// The time from `then` to `now`.
pub(super) fn ago(now: Timestamp, then: Timestamp) -> String {
    let millis = now.as_millis().saturating_sub(then.as_millis());
    duration(millis / 1000)
}

/// A duration in the largest unit of which it has at least two.
pub(super) fn duration(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// A text of a file, a plugin or a request for display.
pub(super) fn shown(text: &str) -> String {
    printable(&well_known_withheld(text))
}

pub(super) fn milliseconds(micros: u64) -> String {
    format!("{}.{:03} ms", micros / 1000, micros % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_one_unit_and_times_whole_seconds() {
        let of = [0, 119, 120, 7_199, 7_200, 172_799, 172_800].map(duration);
        assert_eq!(
            of,
            ["0 s", "119 s", "2 min", "119 min", "2 h", "47 h", "2 days"]
        );
        let at = Timestamp::from_millis(1_500);
        assert_eq!(seconds_of(at), "1970-01-01T00:00:01Z");
        assert_eq!(
            seconds_of(Timestamp::from_millis(1_000)),
            "1970-01-01T00:00:01Z"
        );
        assert_eq!(ago(Timestamp::from_millis(62_000), at), "60 s");
        // A clock that was set back.
        assert_eq!(ago(at, Timestamp::from_millis(62_000)), "0 s");
    }
}
