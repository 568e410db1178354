//! From one decision point to the one that replaces it.

use super::{Parts, Pdp, PdpError};
use crate::log::Configured;
use portcullis_model::timestamp::Timestamp;
use portcullis_trust::watched::Watcher;
use std::sync::Arc;

impl Parts {
    /// Goes on with what `before` counted or imported in memory.
    pub(super) fn take_over(&mut self, before: &Self) {
        self.instances = Arc::clone(&before.instances);
        // A state has the imported intents.
        if let (None, Some(rule), Some(known)) = (&self.state, &self.intents, &before.intents) {
            let imported = known.intents.inserted();
            let imported = imported.into_iter().map(|document| ((), document));
            // Ignored: an intent that is no longer valid is reported with the intents.
            let _ = rule.intents.insert_all(imported.collect());
        }
    }
}

impl Pdp {
    /// Starts the threads that read changed files, and takes part in what hosts with the same state share.
    pub(super) fn watch(&self) -> Result<(), PdpError> {
        self.share();
        for watcher in &self.inner.watchers {
            let begun = watcher.begin(self.inner.poll_interval);
            begun.map_err(|error| PdpError::Watcher(error.to_string()))?;
        }
        Ok(())
    }

    /// Shares the revocation list and imported intents with hosts that have the same state.
    fn share(&self) {
        let parts = &self.inner.parts;
        let Some(state) = &parts.state else { return };
        if let Some(list) = &parts.revocations {
            state.share_list(Arc::new(list.clone()));
        }
        if parts.intents.is_some() {
            // Weak: the state must not keep the decision point that it belongs to.
            let inner = Arc::downgrade(&self.inner);
            state.share_intents(Box::new(move |document| {
                let inner = inner.upgrade().ok_or("the host ends")?;
                let accepted = Self { inner }.accept_shared_intent(document);
                accepted.map_err(|error| error.to_string())
            }));
        }
    }

    /// Replaces `before`, and records that.
    ///
    /// From then on, only this decision point reads changed files. Decisions that `before` began end as they
    /// began.
    ///
    /// # Errors
    ///
    /// [`PdpError`]; `before` then goes on.
    pub(crate) fn succeed(&self, before: &Self, configured: &Configured) -> Result<(), PdpError> {
        let stop = |pdp: &Self| pdp.inner.watchers.iter().for_each(Watcher::stop);
        stop(before);
        // Changes since the last look of `before`.
        self.refresh();
        let now = Timestamp::now();
        let begun = self
            .record_configuration(configured)
            .and_then(|()| self.record_what_is_new(before, now))
            .map_err(PdpError::from)
            .and_then(|()| self.watch());
        if begun.is_err() {
            stop(self);
            before.watch()?;
        }
        begun
    }
}
