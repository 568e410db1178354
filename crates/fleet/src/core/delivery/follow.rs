//! Appends delivered lines to this host's list.

use super::position::Position;
use super::publish::on;
use super::{Channel, EVERY, LINES, SUBJECT};
use crate::core::Core;
use crate::failure::Fault;
use futures_util::StreamExt as _;
use portcullis_trust::state::shared::Part;
use std::sync::Weak;

/// Appends new lines until the client is dropped, or a problem ends it.
pub(super) async fn run(core: &Weak<Core>) -> Result<(), String> {
    let shown = |fault: Fault| fault.to_string();
    let (channel, mut news) = {
        let Some(core) = core.upgrade() else {
            return Ok(());
        };
        let channel = Channel::of(&core);
        let subject = channel.messages.subject(LINES);
        let subscribed = core.connection.client().subscribe(subject).await;
        (channel, subscribed.map_err(|error| error.to_string())?)
    };
    loop {
        let Some(strong) = core.upgrade() else {
            return Ok(());
        };
        take(&strong, &channel).await?;
        strong.problems.set(SUBJECT, None);
        drop(strong);
        // A message wakes it. One that is published while the connection is lost does not.
        let next = tokio::time::timeout(EVERY, news.next()).await;
        if matches!(next, Ok(None)) {
            return Err(shown(Fault::refused("the connection is closed")));
        }
    }
}

/// Applies the messages after the last one that was applied.
async fn take(core: &Core, channel: &Channel) -> Result<(), String> {
    let shown = |fault: Fault| fault.to_string();
    let list = core.delivering.list();
    let list = list.ok_or("no list is configured: add `[revocation]`")?;
    let looked = channel.wanted.look(&core.connection).await;
    let info = looked.map_err(shown)?;
    let info = info.ok_or("no host publishes it yet")?;
    let mut position = Position::read(list.file(), &channel.wanted.name, &info)?;
    while position.number < info.state.last_seq {
        let number = position.number.saturating_add(1);
        let entry = channel.messages.next(LINES, number).await.map_err(shown)?;
        let entry = entry.ok_or_else(|| format!("message {number} is missing"))?;
        if entry.revision != number {
            return Err(format!(
                "message {number} is missing: the next one is {}",
                entry.revision
            ));
        }
        let part: Part = serde_json::from_slice(&entry.value)
            .map_err(|error| format!("message {number} is damaged: {error}"))?;
        on(core, move |list| list.append_part(&part)).await?;
        position.number = number;
        position.write(list.file())?;
    }
    Ok(())
}
