//! What is instantiated and called.

use super::code::Code;
use super::lane::Shelves;
use super::reused::Kept;
use crate::limits::PluginLimits;
use wasmtime::Engine;

/// A plugin's code, configured, with its bounds: what an instance is made from.
pub(super) struct Entry {
    pub(super) engine: &'static Engine,
    pub(super) limits: PluginLimits,
    pub(super) code: Code,
    /// Whether instructions are counted.
    pub(super) metered: bool,
    /// The instances that were made ahead, see [`Lane::Warm`](super::Lane::Warm).
    pub(super) shelves: Shelves,
    /// The instances that decided before, see [`Lane::Reused`](super::Lane::Reused).
    pub(super) kept: Kept,
}
