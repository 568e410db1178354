//! Delivers the revocation list from one host to the others.
//!
//! One host publishes the lines of its list, in order, to a stream. The others append them to their own lists, byte for
//! byte, so that every rule of a list holds there as well: epochs, times, and the signatures of its heads. A part names the
//! digest of all that comes before it, so that no other list, and no part out of order, can be appended.
//!
//! A host remembers the stream and the number of the last message that it applied. It reads neither another stream nor an
//! earlier message, also after a restart. If it cannot go on, its list becomes stale, and it denies.

mod follow;
mod position;
mod publish;

use crate::bucket::Bucket;
use crate::core::Core;
use crate::stream::{Holds, Wanted};
use portcullis_trust::state::shared::{Delivery, SharedList};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

/// Time between two looks at the list or the stream.
const EVERY: Duration = Duration::from_millis(250);

/// Time between two attempts after a problem.
const AGAIN: Duration = Duration::from_secs(1);

/// Subject of the problems of the delivery.
const SUBJECT: &str = "delivery of the revocation list";

/// Key of all messages.
const LINES: &str = "lines";

/// The list of this host.
#[derive(Debug, Default)]
pub(crate) struct Delivering(Mutex<Option<Arc<dyn SharedList>>>);

impl Delivering {
    /// Sets the list. True if nothing delivers it yet.
    pub(crate) fn set(&self, list: Arc<dyn SharedList>) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.replace(list).is_none()
    }

    fn list(&self) -> Option<Arc<dyn SharedList>> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// The stream that the list is delivered through.
#[derive(Debug)]
struct Channel {
    wanted: Wanted,
    messages: Bucket,
}

impl Channel {
    fn of(core: &Core) -> Self {
        let bucket = &core.options.bucket;
        let name = format!("{bucket}-revocations");
        let prefix = format!("portcullis.{bucket}.revocations.");
        Self {
            messages: Bucket::new(&core.connection, &name, &prefix),
            wanted: Wanted {
                name,
                subjects: format!("{prefix}{LINES}"),
                holds: Holds::All,
                replicas: core.options.replicas,
            },
        }
    }
}

/// Delivers the list until the client is dropped.
pub(crate) async fn run(core: Weak<Core>, role: Delivery) {
    loop {
        let done = match role {
            Delivery::Publish => publish::run(&core).await,
            Delivery::Follow => follow::run(&core).await,
        };
        let Some(core) = core.upgrade() else { return };
        core.problems.set(SUBJECT, done.err());
        drop(core);
        tokio::time::sleep(AGAIN).await;
    }
}
