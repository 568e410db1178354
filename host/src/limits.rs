//! How much a request and a plugin may take. No bound is optional: each has a default.

use std::time::Duration;

/// The most linear memory that any plugin can be given, in bytes.
pub const MAX_MEMORY_BYTES: usize = 64 * 1024 * 1024;

/// The most elements that any table of a plugin can be given.
pub const MAX_TABLE_ELEMENTS: usize = 20_000;

/// How large a request may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestLimits {
    /// The request's size in bytes: of the JSON document, or of all texts of a request built from
    /// code. 64 KiB by default.
    pub bytes: usize,
    /// How deep objects and lists may be nested. 32 by default.
    pub depth: usize,
}

impl Default for RequestLimits {
    fn default() -> Self {
        Self {
            bytes: 64 * 1024,
            depth: 32,
        }
    }
}

/// How much a plugin may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PluginLimits {
    /// The wall clock of one decision, counted from instantiation in steps of a millisecond.
    /// 10 ms by default.
    pub deadline: Duration,
    /// The wall clock of `configure`, when the plugin is loaded. 1 s by default.
    pub configure_deadline: Duration,
    /// The linear memory of an instance, in bytes. 16 MiB by default, at most
    /// [`MAX_MEMORY_BYTES`].
    pub memory_bytes: usize,
    /// The elements of each table of an instance. 4096 by default, at most
    /// [`MAX_TABLE_ELEMENTS`].
    pub table_elements: usize,
    /// The core instances that an instance of the component consists of. 4 by default.
    pub instances: usize,
    /// The size of a verdict, in bytes of texts and lists. 64 KiB by default.
    pub output_bytes: usize,
    /// The size of the component file, in bytes. 16 MiB by default.
    pub component_bytes: usize,
}

impl Default for PluginLimits {
    fn default() -> Self {
        Self {
            deadline: Duration::from_millis(10),
            configure_deadline: Duration::from_secs(1),
            memory_bytes: 16 * 1024 * 1024,
            table_elements: 4096,
            instances: 4,
            output_bytes: 64 * 1024,
            component_bytes: 16 * 1024 * 1024,
        }
    }
}
