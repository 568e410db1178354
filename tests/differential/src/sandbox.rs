//! The plugins, each in its sandbox.

use crate::asked::Asked;
use anyhow::{Context as _, ensure};
use portcullis_host::{ActionClass, Lane, Plugin, PluginSource, Request, Timestamp, Verdict};
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
        .limits(portcullis_cases::limits())
        .restorable();
    let plugin = Plugin::load(&source).with_context(|| format!("the plugin `{name}`"))?;
    ensure!(plugin.is_restorable(), "`{name}` cannot be put back");
    Ok(plugin)
}

/// What the plugin says of what is asked: in an instance of its own, and in one that was put back.
///
/// # Errors
///
/// If it faults, or says something else in one than in the other.
pub fn judge(plugin: &Plugin, asked: &Asked) -> anyhow::Result<Verdict> {
    judge_request(plugin, &asked.request(), asked.class, asked.clock())
}

/// As [`judge`], of a request that was read, whose action is of `class`.
///
/// # Errors
///
/// If it faults, or says something else in one than in the other.
pub fn judge_request(
    plugin: &Plugin,
    request: &Request,
    class: ActionClass,
    clock: Timestamp,
) -> anyhow::Result<Verdict> {
    let [fresh, restored] = [Lane::Fresh, Lane::Restored].map(|lane| {
        let evaluation = plugin.evaluate_in(lane, request, class, clock);
        evaluation.outcome.context("the plugin faulted")
    });
    let (fresh, restored) = (fresh?, restored?);
    ensure!(
        fresh == restored,
        "fresh it says {fresh:?}, and put back {restored:?}"
    );
    Ok(fresh)
}

/// Says how far a test is. The test harness does not keep this to itself, as it does what is printed.
pub fn report(progress: &str) {
    // A test without an audience goes on.
    let _ = writeln!(std::io::stderr(), "{progress}");
}
