//! A plugin: one sandboxed WebAssembly component, loaded and ready to decide.

use crate::cache::CodeSource;
use crate::entry::Entry;
#[cfg(feature = "reset")]
use crate::held::Places;
use portcullis_contract::Manifest;
use portcullis_model::digest::Digest;
use portcullis_model::limits::PluginLimits;
use std::fmt;
use std::sync::Arc;

/// A configured plugin, ready to decide. Each decision is made in a fresh or reset instance.
pub struct Plugin {
    pub(crate) manifest: Manifest,
    pub(crate) digest: Digest,
    pub(crate) digest_text: String,
    pub(crate) settings_digest: Digest,
    pub(crate) code_source: CodeSource,
    pub(crate) entry: Arc<Entry>,
    /// Reset instances held for their next decision, see [`Instances::Reset`](crate::instances::Instances::Reset).
    #[cfg(feature = "reset")]
    pub(crate) places: Places,
}

impl Plugin {
    /// The plugin's manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Digest of the file that it was loaded from.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Digest of the file, as text.
    pub fn digest_text(&self) -> &str {
        &self.digest_text
    }

    /// Digest of its settings in canonical form.
    pub fn settings_digest(&self) -> Digest {
        self.settings_digest
    }

    /// Source of its code: compiled or cached.
    pub fn code_source(&self) -> &CodeSource {
        &self.code_source
    }

    /// True if its instances can be reset.
    ///
    /// Otherwise, [`Instances::Reset`](crate::instances::Instances::Reset) works as
    /// [`Instances::Fresh`](crate::instances::Instances::Fresh) for this plugin.
    #[cfg(feature = "reset")]
    pub fn is_resettable(&self) -> bool {
        self.entry.code.is_resettable()
    }

    /// True if a self-check found that a reset was not complete.
    ///
    /// The plugin decides in fresh instances from then on; load it again to reset instances again. Decisions
    /// since the last self-check that passed are in doubt: replay them.
    #[cfg(feature = "reset")]
    pub fn reset_failed(&self) -> bool {
        self.places.failed()
    }

    /// Number of self-checks that found an instance to equal its initial state.
    #[cfg(feature = "reset")]
    pub fn reset_checks_passed(&self) -> u64 {
        self.places.passed()
    }

    /// The plugin's limits.
    pub fn limits(&self) -> &PluginLimits {
        &self.entry.limits
    }
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin")
            .field("name", &self.manifest.name)
            .field("version", &self.manifest.version)
            .field("digest", &self.digest)
            .finish_non_exhaustive()
    }
}
