//! Publishes the lines of this host's list.

use super::{Channel, EVERY, LINES, SUBJECT};
use crate::bucket::{If, Put};
use crate::core::Core;
use crate::failure::Fault;
use bytes::Bytes;
use portcullis_trust::state::shared::{Part, SharedList};
use std::sync::Weak;

/// Publishes new lines until the client is dropped, or a problem ends it.
///
/// The lines that the stream has must be those of the list.
pub(super) async fn run(core: &Weak<Core>) -> Result<(), String> {
    let shown = |fault: Fault| fault.to_string();
    let (channel, mut last, mut end) = {
        let Some(core) = core.upgrade() else {
            return Ok(());
        };
        let channel = Channel::of(&core);
        let looked = channel.wanted.look_or_create(&core.connection);
        let info = looked.await.map_err(shown)?;
        let latest = channel.messages.get_latest(LINES).await.map_err(shown)?;
        let end = match latest {
            None => 0,
            Some(entry) => {
                let part: Part = serde_json::from_slice(&entry.value)
                    .map_err(|error| format!("the last message is damaged: {error}"))?;
                let end = part.end();
                let held = on(&core, move |list| list.holds(&part)).await?;
                if !held {
                    return Err("the stream has lines that the list lacks: another host publishes, or the list is an older copy".to_owned());
                }
                end
            }
        };
        (channel, info.state.last_seq, end)
    };
    loop {
        let Some(strong) = core.upgrade() else {
            return Ok(());
        };
        while let Some(part) = next(&strong, end).await? {
            let json = serde_json::to_vec(&part).map_err(|error| error.to_string())?;
            // The condition refuses a second host that publishes.
            let put = channel
                .messages
                .put(LINES, Bytes::from(json), If::Stream(last), None);
            match put.await.map_err(shown)? {
                Put::Stored(number) => (last, end) = (number, part.end()),
                Put::Changed => return Err("another host publishes as well".to_owned()),
            }
        }
        strong.problems.set(SUBJECT, None);
        drop(strong);
        tokio::time::sleep(EVERY).await;
    }
}

/// The lines of the list after byte `end`.
async fn next(core: &Core, end: u64) -> Result<Option<Part>, String> {
    on(core, move |list| {
        // The length alone shows that nothing was added.
        let length = std::fs::metadata(list.file()).map(|it| it.len());
        match length {
            Ok(length) if length == end => Ok(None),
            _ => list.part_from(end),
        }
    })
    .await
}

/// Runs `does` on the list, on a thread that may wait for the disk.
pub(super) async fn on<T: Send + 'static>(
    core: &Core,
    does: impl FnOnce(&dyn SharedList) -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    let list = core.delivering.list();
    let list = list.ok_or("no list is configured: add `[revocation]`")?;
    let done = tokio::task::spawn_blocking(move || does(list.as_ref())).await;
    done.map_err(|error| error.to_string())?
}
