//! Ships the decision log to a receiver: in order, at least once, and beside the decisions.
//!
//! The log's own files are the queue: a task reads them after the last line that the receiver confirmed, and no decision waits
//! for it. The cursor is written after the receiver answered 2xx, so a crash in between sends a batch again.

mod batch;
mod cursor;

use crate::outbound::{LARGEST, Outbound};
use crate::settings::{Format, ShipSettings};
use crate::shipping::ShipStatus;
use crate::state::App;
use bytes::Bytes;
use cursor::Cursor;
use http::{Response, StatusCode, header};
use portcullis_host::log::{Line, Lines, Most, read_after};
use portcullis_host::{Timestamp, counted, printable};
use std::path::Path;
use std::time::Duration;
use tokio::time::sleep;

/// Time until the first attempt after a failure. It doubles with each failure.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// Maximum time between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Maximum number of characters of a receiver's message that are shown.
const SHOWN: usize = 200;

/// A batch that was not shipped.
struct Failure {
    /// Reason, as a label of the counter.
    reason: &'static str,
    message: String,
    next: Next,
}

/// The next attempt after a failure.
enum Next {
    /// After a pause that grows with each failure, or that the receiver wants, up to the maximum.
    Later(Option<Duration>),
    /// As soon as the settings are read again.
    Stop,
}

impl Failure {
    /// A failure of the files of the log or of the cursor, which an operator may repair at any time.
    fn of_files(message: String) -> Self {
        Self {
            reason: "log",
            message,
            next: Next::Later(None),
        }
    }

    fn refused(message: String) -> Self {
        Self {
            reason: "refused",
            message,
            next: Next::Stop,
        }
    }
}

/// The client of the receiver, kept from batch to batch, and what is known of the progress.
#[derive(Default)]
struct Shipper {
    client: Option<Outbound>,
    /// Number of the last line that the receiver confirmed.
    confirmed: u64,
    /// Number of the last line that was recorded.
    recorded: u64,
}

/// Ships the log while the settings name a receiver.
pub(crate) async fn follow(app: App) {
    let mut changes = app.settings_changes();
    let mut shipper = Shipper::default();
    let mut pause = FIRST_PAUSE;
    loop {
        changes.borrow_and_update();
        let settings = app.settings();
        let wait = match &settings.ship {
            None => {
                app.note_shipping(None);
                None
            }
            Some(ship) => match shipper.batch(&app, ship).await {
                Ok(count) => {
                    pause = FIRST_PAUSE;
                    shipper.note_shipped(&app, ship, count);
                    match shipper.confirmed < shipper.recorded {
                        true => Some(Duration::ZERO),
                        false => Some(ship.interval),
                    }
                }
                Err(failure) => {
                    let wait = match failure.next {
                        Next::Stop => None,
                        Next::Later(wanted) => {
                            let wait = wait(wanted, pause);
                            pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
                            Some(wait)
                        }
                    };
                    shipper.note_failure(&app, ship, &failure);
                    wait
                }
            },
        };
        let waited = async {
            match wait {
                Some(wait) => sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = waited => {}
            // The sender lives as long as the application.
            _ = changes.changed() => pause = FIRST_PAUSE,
        }
    }
}

impl Shipper {
    /// Sends the next lines, writes the cursor, and returns their number.
    async fn batch(&mut self, app: &App, ship: &ShipSettings) -> Result<usize, Failure> {
        let pdp = app.pdp();
        let Some(log) = pdp.log_path() else {
            let message =
                "there is no decision log any more: add `[log]`, or remove `[serve.ship]`";
            return Err(Failure::of_files(message.to_owned()));
        };
        let cursor = Cursor::of(log, ship.cursor.as_deref());
        let mut most = Most {
            lines: ship.max_lines,
            bytes: ship.max_bytes,
        };
        loop {
            let lines = blocking(app, {
                let (cursor, log) = (cursor.clone(), log.to_owned());
                move || next_lines(&cursor, &log, most)
            })
            .await?;
            self.recorded = lines.recorded;
            let last = lines.position.sequence();
            let Some(first) = lines.lines.first() else {
                self.confirmed = last;
                return Ok(0);
            };
            self.confirmed = first.sequence.saturating_sub(1);
            let request = batch::request(ship, &lines.lines).map_err(Failure::refused)?;
            let response = self.client(ship)?.send(request).await;
            let response = response.map_err(|message| Failure {
                reason: "unreachable",
                message: format!("{}: {message}", ship.endpoint.url),
                next: Next::Later(None),
            })?;
            let count = lines.lines.len();
            if response.status() == StatusCode::PAYLOAD_TOO_LARGE && count > 1 {
                most.lines = count / 2;
                continue;
            }
            confirmed(ship, &lines.lines, &response)?;
            blocking(app, move || cursor.write(&lines.position)).await?;
            self.confirmed = last;
            return Ok(count);
        }
    }

    /// The client of the receiver.
    fn client(&mut self, ship: &ShipSettings) -> Result<&Outbound, Failure> {
        let usable = self.client.take();
        let client = match usable.filter(|it| *it.endpoint() == ship.endpoint) {
            Some(client) => client,
            None => Outbound::new(&ship.endpoint).map_err(Failure::refused)?,
        };
        Ok(self.client.insert(client))
    }

    fn note_shipped(&self, app: &App, ship: &ShipSettings, count: usize) {
        app.metrics().shipped.inc_by(count as u64);
        let before = app.shipping();
        if count > 0 && before.is_some_and(|before| before.problem.is_some()) {
            app.say(&format!(
                "the decision log is shipped again: line {} is confirmed",
                self.confirmed
            ));
        }
        app.note_shipping(Some(self.status(ship)));
    }

    fn note_failure(&self, app: &App, ship: &ShipSettings, failure: &Failure) {
        app.metrics().not_shipped(failure.reason);
        let before = app.shipping();
        let stopped = matches!(failure.next, Next::Stop);
        // The same failure is reported once.
        let is_same = |before: &ShipStatus| {
            before.stopped == stopped && before.problem.as_ref() == Some(&failure.message)
        };
        let since = before.filter(is_same).and_then(|before| before.since);
        if since.is_none() {
            let then = match stopped {
                true => "nothing is shipped until the settings are reloaded",
                false => "it is tried again",
            };
            app.say(&format!(
                "the decision log is not shipped: {}; {then}",
                failure.message
            ));
        }
        app.note_shipping(Some(ShipStatus {
            stopped,
            problem: Some(failure.message.clone()),
            since: since.or_else(|| Some(Timestamp::now())),
            ..self.status(ship)
        }));
    }

    fn status(&self, ship: &ShipSettings) -> ShipStatus {
        ShipStatus {
            url: ship.endpoint.url.clone(),
            confirmed: self.confirmed,
            behind: self.recorded.saturating_sub(self.confirmed),
            stopped: false,
            problem: None,
            since: None,
        }
    }
}

fn next_lines(cursor: &Cursor, log: &Path, most: Most) -> Result<Lines, String> {
    let position = cursor.read()?;
    read_after(log, position.as_ref(), most).map_err(|error| {
        let remedy = match position {
            None => String::new(),
            Some(position) => format!(
                " (line {} was shipped, by {}; without that file, what there is of the log is shipped from its first line)",
                position.sequence(),
                cursor.path().display()
            ),
        };
        format!("{error}{remedy}")
    })
}

/// Runs `work`, which waits for the disk.
async fn blocking<T: Send + 'static>(
    app: &App,
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, Failure> {
    match app.blocking(work).await {
        Ok(done) => done.map_err(Failure::of_files),
        Err(_) => Err(Failure::of_files(
            "the host failed: please report it".to_owned(),
        )),
    }
}

/// Checks that the receiver has all lines of a batch.
fn confirmed(
    ship: &ShipSettings,
    lines: &[Line],
    response: &Response<Bytes>,
) -> Result<(), Failure> {
    let status = response.status();
    let url = &ship.endpoint.url;
    if status.is_success() {
        if ship.format == Format::Otlp && response.body().len() >= LARGEST {
            return Err(Failure::refused(format!(
                "{url} answers {status} with {} or more, in which rejected lines cannot be looked for",
                counted(LARGEST, "byte")
            )));
        }
        return match batch::rejected(ship, response) {
            None => Ok(()),
            Some((count, message)) => Err(Failure::refused(format!(
                "{url} rejected {} of a batch: {}",
                counted(count, "line"),
                shown(ship, &message)
            ))),
        };
    }
    let said = shown(ship, &String::from_utf8_lossy(response.body()));
    let mut message = format!("{url} answers {status}: {said}");
    if let ([line], StatusCode::PAYLOAD_TOO_LARGE) = (lines, status) {
        message.push_str(&format!(
            ": line {} alone has {}: raise the limit of the receiver",
            line.sequence,
            counted(line.text.len(), "byte")
        ));
    }
    let is_temporary = status.is_server_error()
        || status == StatusCode::TOO_MANY_REQUESTS
        || status == StatusCode::REQUEST_TIMEOUT;
    if !is_temporary {
        return Err(Failure::refused(message));
    }
    Err(Failure {
        reason: "unavailable",
        message,
        next: Next::Later(retry_after(response)),
    })
}

/// The pause that the receiver wants, in seconds; a date is not read.
fn retry_after(response: &Response<Bytes>) -> Option<Duration> {
    let seconds = response.headers().get(header::RETRY_AFTER)?;
    let seconds = seconds.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// Time until the next attempt: at least `pause`.
fn wait(wanted: Option<Duration>, pause: Duration) -> Duration {
    wanted.unwrap_or_default().clamp(pause, LONGEST_PAUSE)
}

/// A message of the receiver: its beginning, in one line, without the secrets that were sent to it.
fn shown(ship: &ShipSettings, message: &str) -> String {
    let message = ship.endpoint.without_secrets(message.trim());
    printable(&message).chars().take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_lengthens_a_pause_up_to_the_maximum() {
        let after = |value: &str| {
            let mut response = Response::new(Bytes::new());
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, value.parse().unwrap());
            wait(retry_after(&response), FIRST_PAUSE)
        };
        assert_eq!(after("7"), Duration::from_secs(7));
        for longest in ["60", "86400", "18446744073709551615"] {
            assert_eq!(after(longest), LONGEST_PAUSE, "{longest}");
        }
        for other in [
            "",
            "0",
            "-1",
            "soon",
            "18446744073709551616",
            "Wed, 21 Oct 2026 07:28:00 GMT",
        ] {
            assert_eq!(after(other), FIRST_PAUSE, "{other}");
        }
        assert_eq!(wait(None, LONGEST_PAUSE), LONGEST_PAUSE);
        assert_eq!(
            wait(Some(Duration::from_secs(7)), LONGEST_PAUSE),
            LONGEST_PAUSE
        );
    }
}
