//! Plugins that a decision consulted.

use portcullis_contract::printable;
use portcullis_model::digest::Digest;
use portcullis_model::verdict::Effect;
use portcullis_sandbox::{Evaluation, Fault, Plugin};
use std::time::Duration;

/// A plugin that was consulted, and the result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consulted {
    /// The plugin's name.
    pub name: String,
    /// The plugin's version.
    pub version: String,
    /// The digest of the file that it was loaded from.
    pub digest: Digest,
    /// The digest of its settings in canonical form (RFC 8785).
    pub settings_digest: Digest,
    /// Its effect, or its fault.
    pub outcome: Result<Effect, Fault>,
    /// Wall-clock time of the evaluation.
    pub time: Duration,
    /// Peak linear memory, in bytes.
    pub peak_memory_bytes: usize,
    /// Number of instructions executed, if they are counted.
    pub instructions: Option<u64>,
    /// True if a self-check found that a reset of the plugin's instances was not complete.
    ///
    /// The plugin decides in fresh instances from then on. Report it: the host's rewriting or the runtime is at
    /// fault.
    pub reset_failed: bool,
}

impl Consulted {
    pub(crate) fn new(plugin: &Plugin, evaluation: &Evaluation) -> Self {
        Self {
            name: plugin.manifest().name.clone(),
            version: printable(&plugin.manifest().version),
            digest: plugin.digest(),
            settings_digest: plugin.settings_digest(),
            outcome: match &evaluation.outcome {
                Ok(verdict) => Ok(verdict.effect),
                Err(fault) => Err(fault.clone()),
            },
            time: evaluation.time,
            peak_memory_bytes: evaluation.peak_memory_bytes,
            instructions: evaluation.instructions,
            reset_failed: evaluation.reset_failed,
        }
    }
}
