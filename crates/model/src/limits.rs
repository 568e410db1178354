//! Limits for requests and plugins. No limit is optional; each has a default.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Upper bound of a plugin's linear memory in bytes, for every configuration.
pub const MAX_MEMORY_BYTES: usize = 64 * 1024 * 1024;

/// Upper bound of the elements in a plugin's table, for every configuration.
pub const MAX_TABLE_ELEMENTS: usize = 20_000;

/// Maximum size of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestLimits {
    /// Maximum size in bytes. 64 KiB by default.
    ///
    /// It applies to the JSON document, or to all texts of a request built in code.
    pub bytes: usize,
    /// Maximum nesting depth of objects and lists. 32 by default.
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

/// Resource limits of a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PluginLimits {
    /// Maximum wall clock of one decision. 10 ms by default.
    ///
    /// It is counted from instantiation, in steps of a millisecond.
    pub deadline: Duration,
    /// Maximum wall clock of `configure`, when the plugin is loaded. 1 s by default.
    pub configure_deadline: Duration,
    /// Maximum linear memory of an instance in bytes.
    ///
    /// 16 MiB by default, at most [`MAX_MEMORY_BYTES`].
    pub memory_bytes: usize,
    /// Maximum number of elements in each table of an instance.
    ///
    /// 4096 by default, at most [`MAX_TABLE_ELEMENTS`].
    pub table_elements: usize,
    /// Maximum number of core instances in an instance of the component. 4 by default.
    pub instances: usize,
    /// Maximum size of a verdict, in bytes of texts and lists. 64 KiB by default.
    pub output_bytes: usize,
    /// Maximum size of the component file in bytes. 16 MiB by default.
    pub component_bytes: usize,
    /// Maximum wall clock of compiling the plugin in a child process. 10 s by default.
    pub load_deadline: Duration,
    /// Maximum memory of the child process that compiles the plugin, in bytes. 256 MiB by default.
    pub load_memory_bytes: usize,
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
            load_deadline: Duration::from_secs(10),
            load_memory_bytes: 256 * 1024 * 1024,
        }
    }
}
