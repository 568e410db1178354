//! Plugins that are in use, so that a host which reads its configuration again does not load them again.

use crate::load::{PluginSource, SourceId};
use crate::load_error::LoadError;
use crate::plugin::Plugin;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Plugins by what they were loaded from, as long as they are in use.
#[derive(Debug, Default)]
pub struct LoadedPlugins {
    by_source: Mutex<HashMap<SourceId, Weak<Plugin>>>,
}

impl LoadedPlugins {
    /// Returns the plugin in use that was loaded from the same source, or loads it.
    ///
    /// The same source has the same file, settings, limits and options. A plugin whose reset failed is loaded
    /// again.
    ///
    /// # Errors
    ///
    /// As [`Plugin::load`].
    pub fn load(&self, source: &PluginSource) -> Result<Arc<Plugin>, LoadError> {
        let id = source.id()?;
        let known = self.locked().get(&id).and_then(Weak::upgrade);
        #[cfg(feature = "reset")]
        let known = known.filter(|plugin| !plugin.reset_failed());
        if let Some(plugin) = known {
            return Ok(plugin);
        }
        let plugin = Arc::new(Plugin::load(source)?);
        let mut by_source = self.locked();
        by_source.retain(|_, plugin| plugin.strong_count() > 0);
        by_source.insert(id, Arc::downgrade(&plugin));
        Ok(plugin)
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<SourceId, Weak<Plugin>>> {
        // Each change under the lock is complete.
        self.by_source
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
