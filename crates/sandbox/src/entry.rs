//! A plugin's code with its limits.

use crate::code::Code;
use portcullis_model::limits::PluginLimits;
use wasmtime::Engine;

/// A configured plugin's code and limits, from which instances are made.
pub(crate) struct Entry {
    pub(crate) engine: &'static Engine,
    pub(crate) limits: PluginLimits,
    pub(crate) code: Code,
    /// True if instructions are counted.
    pub(crate) metered: bool,
}
