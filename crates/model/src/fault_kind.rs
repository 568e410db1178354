//! Kinds of fault that a plugin can have during a decision.

use serde::Serialize;

/// Kind of a plugin fault, without its details.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
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
    Sandbox,
}
