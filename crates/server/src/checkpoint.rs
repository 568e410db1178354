//! Checkpoints of the revocation list, for a server that owns the list.

use crate::state::App;
use portcullis_host::Timestamp;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

/// Adds a checkpoint at each interval, the first at once.
///
/// A list that was rewritten, or that no signer signed, gets none, so that hosts go on to refuse it.
pub(crate) async fn write(app: App, every: Duration) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last_failure = None;
    loop {
        ticks.tick().await;
        let pdp = app.pdp();
        // The list is locked, and the disk may be slow.
        let written = app.blocking(move || {
            let revocations = pdp.revocations()?;
            Some(revocations.checkpoint(Timestamp::now()))
        });
        let written = written.await;
        let failure = match written {
            Ok(Some(Ok(record))) => {
                app.note_checkpoint(format!("written at {}", record.at));
                None
            }
            Ok(Some(Err(error))) => Some(error.to_string()),
            Ok(None) => Some("there is no revocation list any more".to_owned()),
            Err(_) => Some("the host failed: please report it".to_owned()),
        };
        if let Some(failure) = &failure {
            app.note_checkpoint(format!("not written at {}: {failure}", Timestamp::now()));
            // The same failure is reported once.
            if last_failure.as_ref() != Some(failure) {
                app.say(&format!("no checkpoint is written: {failure}"));
            }
        }
        last_failure = failure;
    }
}
