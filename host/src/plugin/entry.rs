//! What is instantiated and called.

use super::code::Code;
use super::lane::Places;
use crate::limits::PluginLimits;
use wasmtime::Engine;

/// A plugin's code, configured, with its bounds: what an instance is made from.
pub(super) struct Entry {
    pub(super) engine: &'static Engine,
    pub(super) limits: PluginLimits,
    pub(super) code: Code,
    /// Whether instructions are counted.
    pub(super) metered: bool,
    /// The instances that wait to be asked again, see [`Lane::Restored`](super::Lane::Restored).
    pub(super) places: Places,
}
