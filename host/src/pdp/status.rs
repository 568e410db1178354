//! Parts of a decision point as an operator sees them.

use super::Pdp;
use crate::live::{BundleStatus, FileStatus, LogStatus, RegistryStatus, RevocationStatus};
use portcullis_model::timestamp::Timestamp;

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

    pub(crate) fn log_status(&self) -> Option<LogStatus> {
        let log = self.inner.parts.log.as_ref()?;
        Some(LogStatus {
            path: log.path().to_owned(),
            sequence: log.sequence(),
        })
    }

    pub(crate) fn registry_status(&self) -> Option<RegistryStatus> {
        let registry = self.inner.parts.registry.as_ref()?;
        Some(RegistryStatus {
            identities: registry.last_valid().len(),
            file: FileStatus::of(&registry.source().path()),
        })
    }

    pub(crate) fn revocation_status(&self, now: Timestamp) -> Option<RevocationStatus> {
        let list = self.inner.parts.revocations.as_ref()?;
        let seen = list.seen();
        let age = |at: Timestamp| now.as_millis().saturating_sub(at.as_millis()) / 1000;
        Some(RevocationStatus {
            path: list.file().to_owned(),
            epoch: seen.epoch,
            as_of: seen.as_of,
            age_seconds: seen.as_of.map(age),
            max_age_seconds: list.max_staleness().as_secs(),
        })
    }

    #[cfg(feature = "identity")]
    pub(crate) fn bundle_status(&self) -> Vec<BundleStatus> {
        let bundles = self.verifier().map(|verifier| verifier.bundles().files());
        let bundles = bundles.into_iter().flatten();
        let status = bundles.map(|(domain, file)| BundleStatus {
            domain,
            file: FileStatus::of(&file),
        });
        status.collect()
    }

    #[cfg(not(feature = "identity"))]
    pub(crate) fn bundle_status(&self) -> Vec<BundleStatus> {
        Vec::new()
    }
}
