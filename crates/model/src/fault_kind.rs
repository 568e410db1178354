//! Kinds of fault that a plugin can have during a decision.

use serde::{Deserialize, Serialize};

/// Kind of a plugin fault, without its details.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(
    missing_docs,
    reason = "each is the variant of `Fault` of that name, in the sandbox crate"
)]
pub enum FaultKind {
    Trap,
    Deadline,
    Memory,
    Table,
    OutputTooLarge,
    InvalidOutput,
    Overloaded,
    HostBusy,
    Quarantined,
    Sandbox,
}

impl FaultKind {
    /// True if the plugin itself is at fault, and not the host or its load.
    pub const fn is_of_plugin(self) -> bool {
        match self {
            Self::Trap
            | Self::Deadline
            | Self::Memory
            | Self::Table
            | Self::OutputTooLarge
            | Self::InvalidOutput => true,
            Self::Overloaded | Self::HostBusy | Self::Quarantined | Self::Sandbox => false,
        }
    }
}
