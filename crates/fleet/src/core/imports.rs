//! Intents that other hosts store while this one runs.

use crate::bucket::Entry;
use crate::core::Core;
use crate::core::documents::{Document, INTENT};
use crate::failure::Failure;
use futures_util::StreamExt as _;
use portcullis_trust::state::AcceptIntent;
use sha2::{Digest as _, Sha256};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

/// Time between two looks, besides those that a new intent causes.
const EVERY: Duration = Duration::from_secs(5);

/// Intents that this host knows, and the way in which it puts others in force.
#[derive(Default)]
pub(crate) struct Imports(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    /// Hashes of the documents that need not be put in force.
    known: HashSet<[u8; 32]>,
    accept: Option<Arc<AcceptIntent>>,
    is_followed: bool,
}

impl std::fmt::Debug for Imports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let known = self.lock().known.len();
        f.debug_struct("Imports")
            .field("known", &known)
            .finish_non_exhaustive()
    }
}

impl Imports {
    /// Notes that this host has the document.
    pub(crate) fn note(&self, document: &[u8]) {
        self.lock().known.insert(Sha256::digest(document).into());
    }

    /// Sets the way in which intents are put in force. True if nothing follows them yet.
    pub(crate) fn set(&self, accept: AcceptIntent) -> bool {
        let mut inner = self.lock();
        inner.accept = Some(Arc::new(accept));
        !std::mem::replace(&mut inner.is_followed, true)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Puts the intents of other hosts in force, until the client is dropped.
///
/// It reads them in the order in which they were stored, and never an earlier one again.
pub(crate) async fn follow(core: Weak<Core>) {
    let mut from = 1;
    loop {
        let Some(strong) = core.upgrade() else { return };
        let pattern = strong.values.subject(&format!("{INTENT}.*"));
        // A subscription survives a lost connection.
        let subscribed = strong.connection.client().subscribe(pattern).await;
        drop(strong);
        let Ok(mut news) = subscribed else {
            tokio::time::sleep(EVERY).await;
            continue;
        };
        loop {
            let Some(strong) = core.upgrade() else { return };
            let taken = strong.take_imports(&mut from).await;
            let why = taken.err().map(|failure| format!("{failure:?}"));
            strong.problems.set("intents of other hosts", why);
            drop(strong);
            let next = tokio::time::timeout(EVERY, news.next()).await;
            if matches!(next, Ok(None)) {
                break;
            }
        }
    }
}

impl Core {
    /// Puts the intents in force that were stored since `from`.
    async fn take_imports(&self, from: &mut u64) -> Result<(), Failure> {
        if let Some(why) = self.continuity.lacks() {
            return Err(Failure::Lacks(why));
        }
        let pattern = format!("{INTENT}.*");
        while let Some(entry) = self.values.next(&pattern, *from).await? {
            let revision = entry.revision;
            self.take_import(entry).await?;
            *from = revision.saturating_add(1);
        }
        Ok(())
    }

    async fn take_import(&self, entry: Entry) -> Result<(), Failure> {
        let kept = Document::read(&entry.value)?;
        let document = kept.bytes()?;
        let hash: [u8; 32] = Sha256::digest(&document).into();
        let accept = {
            let inner = self.imports.lock();
            match inner.known.contains(&hash) {
                true => None,
                false => inner.accept.clone(),
            }
        };
        let Some(accept) = accept else { return Ok(()) };
        // It verifies signatures and writes to the log, which may take a while.
        let accepted = tokio::task::spawn_blocking(move || accept(&document)).await;
        let refused = match accepted {
            Ok(Ok(())) => None,
            Ok(Err(why)) => Some(why),
            Err(error) => Some(error.to_string()),
        };
        self.imports.lock().known.insert(hash);
        let subject = format!("intent `{}` of another host", kept.id);
        self.problems.set(&subject, refused);
        Ok(())
    }
}
