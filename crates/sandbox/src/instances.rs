//! Kinds of the instance that decides.

/// Kind of plugin instance that decides a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Instances {
    /// An instance made for the decision, and discarded after it.
    #[default]
    Fresh,
    /// An instance that decided before and was reset to its initial state. Needs the Cargo feature `reset`.
    ///
    /// Before a decision is returned, the instance's memory and globals are reset, byte for byte, to those of
    /// the configured plugin; nothing else of it can change. The isolation is that of [`Instances::Fresh`], but it
    /// relies on code that the host adds to the plugin, not on the runtime. The plugin must be loaded with
    /// [`PluginSource::resettable`](crate::load::PluginSource::resettable); any other decides as in
    /// [`Instances::Fresh`]. An instance that faults, or whose memory grows, is discarded.
    ///
    /// Every so many resets, the whole instance is compared with its initial state
    /// ([`PluginSource::check_resets_every`](crate::load::PluginSource::check_resets_every)). If it differs, the
    /// plugin decides as in [`Instances::Fresh`] from then on, and reports that
    /// ([`Plugin::reset_failed`](crate::plugin::Plugin::reset_failed)).
    #[cfg(feature = "reset")]
    Reset,
}
