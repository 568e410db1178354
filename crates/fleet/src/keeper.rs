//! The task that keeps watch over the connection and the bucket.

use crate::core::Core;
use async_nats::Event;
use std::sync::Weak;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;

/// Time between two comparisons of the bucket with the known one.
const EVERY: Duration = Duration::from_secs(1);

/// Time between two attempts to reach a server that does not answer.
const AGAIN: Duration = Duration::from_millis(200);

/// Keeps watch until the client is dropped.
///
/// A lost connection ends the requests in flight. After that, and after each request without an answer, the
/// bucket is compared with the known one before anything is asked again.
pub(crate) async fn keep(core: Weak<Core>, mut events: UnboundedReceiver<Event>) {
    let mut is_connected = true;
    let mut refused = None;
    loop {
        let Some(strong) = core.upgrade() else { return };
        let pause = match strong.connection.down() {
            Some(_) => AGAIN,
            None => EVERY,
        };
        tokio::select! {
            event = events.recv() => match event {
                None | Some(Event::Closed) => {
                    strong.connection.set_down("the connection is closed");
                    return;
                }
                Some(Event::Connected) => is_connected = true,
                Some(Event::Disconnected) => {
                    is_connected = false;
                    strong.connection.set_down(&lost(refused.take()));
                    continue;
                }
                Some(Event::ServerError(error)) => {
                    refused = Some(error.to_string());
                    continue;
                }
                Some(Event::ClientError(error)) => {
                    refused = Some(error.to_string());
                    if !is_connected {
                        strong.connection.set_down(&lost(refused.take()));
                    }
                    continue;
                }
                Some(_) => continue,
            },
            () = strong.connection.suspected() => {}
            () = tokio::time::sleep(pause) => {}
        }
        if !is_connected {
            continue;
        }
        match strong.compare().await {
            Ok(_) => strong.connection.set_up(),
            Err(fault) => strong.connection.set_down(&fault.to_string()),
        }
    }
}

fn lost(why: Option<String>) -> String {
    let why = why.map(|why| format!(": {why}")).unwrap_or_default();
    format!("the connection to the server is lost{why}")
}
