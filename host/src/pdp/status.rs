//! Parts of a decision point that a report on it needs.

use super::Pdp;
use crate::log::DecisionLog;
use portcullis_model::timestamp::Timestamp;
use portcullis_trust::registry::FollowedRegistry;
use std::path::Path;

impl Pdp {
    /// Reasons why this host would deny requests that it should not; none if it is ready.
    ///
    /// They are a revocation list that is stale or unusable, and a log that cannot be written.
    pub fn unready(&self) -> Vec<String> {
        let parts = &self.inner.parts;
        let list = parts.revocations.as_ref().and_then(|list| {
            let unusable = list.unreliable().map(|error| error.to_string());
            unusable.or_else(|| list.now_known().unreliable(Timestamp::now()))
        });
        let log = parts.log.as_ref().and_then(|log| log.problem());
        list.into_iter()
            .chain(log.map(|error| error.to_string()))
            .collect()
    }

    /// Path of the latest file of the decision log, if decisions are recorded.
    pub fn log_path(&self) -> Option<&Path> {
        self.log().map(DecisionLog::path)
    }

    pub(crate) fn log(&self) -> Option<&DecisionLog> {
        self.inner.parts.log.as_ref()
    }

    pub(crate) fn followed_registry(&self) -> Option<&FollowedRegistry> {
        self.inner.parts.registry.as_ref()
    }
}
