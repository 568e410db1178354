//! The plugins, each in its sandbox.

use crate::asked::Asked;
use anyhow::Context as _;
use portcullis_host::{Plugin, PluginSource, Verdict};
use portcullis_tests::guests;
use serde_json::Value;
use std::io::Write as _;

/// The plugin called `name`, loaded with `settings`.
///
/// # Errors
///
/// If it does not build or load.
pub fn load(name: &str, settings: Value) -> anyhow::Result<Plugin> {
    let source = PluginSource::new(guests::plugin(name)?)
        .settings(settings)
        .limits(portcullis_cases::limits());
    Plugin::load(&source).with_context(|| format!("the plugin `{name}`"))
}

/// What the plugin says of a request.
///
/// # Errors
///
/// If it faults.
pub fn judge(plugin: &Plugin, asked: &Asked) -> anyhow::Result<Verdict> {
    let evaluation = plugin.evaluate(&asked.request(), asked.class, asked.clock());
    evaluation.outcome.context("the plugin faulted")
}

/// Says how far a test is. The test harness does not keep this to itself, as it does what is printed.
pub fn report(progress: &str) {
    // A test without an audience goes on.
    let _ = writeln!(std::io::stderr(), "{progress}");
}
