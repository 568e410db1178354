//! Loads and runs the plugins in their sandbox.

use crate::asked::Asked;
use anyhow::{Context as _, ensure};
use portcullis_host::{ActionClass, Instances, Plugin, PluginSource, Request, Timestamp, Verdict};
use portcullis_tests::guests;
use serde_json::Value;
use std::io::Write as _;

/// Loads the plugin called `name` with `settings`.
///
/// # Errors
///
/// If it does not build or load.
pub fn load(name: &str, settings: Value) -> anyhow::Result<Plugin> {
    let source = PluginSource::new(guests::plugin(name)?)
        .compile_in_process()
        .settings(settings)
        .limits(portcullis_cases::limits())
        .resettable();
    let plugin = Plugin::load(&source).with_context(|| format!("the plugin `{name}`"))?;
    ensure!(plugin.is_resettable(), "`{name}` cannot be put back");
    Ok(plugin)
}

/// Evaluates `asked` in a fresh instance and in a reset one, and returns the verdict.
///
/// # Errors
///
/// If the plugin faults, or the two verdicts differ.
pub fn judge(plugin: &Plugin, asked: &Asked) -> anyhow::Result<Verdict> {
    judge_request(plugin, &asked.request(), asked.class, asked.clock())
}

/// As [`judge`], for a parsed request whose action is of `class`.
///
/// # Errors
///
/// If the plugin faults, or the two verdicts differ.
pub fn judge_request(
    plugin: &Plugin,
    request: &Request,
    class: ActionClass,
    clock: Timestamp,
) -> anyhow::Result<Verdict> {
    let [fresh, reset] = [Instances::Fresh, Instances::Reset].map(|instances| {
        let evaluation = plugin.evaluate_in(instances, request, class, clock);
        evaluation.outcome.context("the plugin faulted")
    });
    let (fresh, reset) = (fresh?, reset?);
    ensure!(
        fresh == reset,
        "fresh it says {fresh:?}, and put back {reset:?}"
    );
    Ok(fresh)
}

/// Prints the progress of a test, bypassing the test harness, which captures printed output.
pub fn report(progress: &str) {
    // A failure to print does not fail the test.
    let _ = writeln!(std::io::stderr(), "{progress}");
}
