//! What is instantiated and called.

use super::lane::Shelves;
use super::reused::Kept;
use super::sandbox::Sandbox;
use crate::limits::PluginLimits;
use wasmtime::Engine;
use wasmtime::component::{ComponentExportIndex, InstancePre};

/// A plugin's code, configured, with its bounds: what an instance is made from.
pub(super) struct Entry {
    pub(super) engine: &'static Engine,
    pub(super) limits: PluginLimits,
    pub(super) instance: InstancePre<Sandbox>,
    pub(super) evaluate: ComponentExportIndex,
    /// Whether `evaluate` takes a block of bytes, or else the record of the contract.
    pub(super) packed: bool,
    /// Whether instructions are counted.
    pub(super) metered: bool,
    /// The instances that were made ahead, see [`Lane::Warm`](super::Lane::Warm).
    pub(super) shelves: Shelves,
    /// The instances that decided before, see [`Lane::Reused`](super::Lane::Reused).
    pub(super) kept: Kept,
}
