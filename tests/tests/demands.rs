//! What Zero Trust demands for non-human identities, demand by demand: each folder of
//! `tests/cases/demands` is a test, named after it.
//!
//! A folder holds a configuration with what it names, a request that passes, one that is stopped by
//! exactly the check that the demand is about, and what is expected; or a configuration that is
//! refused.

use anyhow::{Context as _, bail, ensure};
use libtest_mimic::{Arguments, Trial};
use portcullis_host::{Conclusion, Pdp, Request, Timestamp};
use portcullis_tests::case::{NOW, folders};
use portcullis_tests::{guests, root};
use serde::Deserialize;
use std::fs;
use std::path::Path;

/// `expected.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    /// The demand, in words.
    demand: String,
    /// When the request that is stopped is made, if that is what matters.
    #[serde(default, rename = "stopped-at")]
    stopped_at: Option<Timestamp>,
    /// What stops the request that is stopped.
    stopped: Option<Stopped>,
    /// What is said of the configuration, if that is what is refused.
    refused: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stopped {
    check: String,
    cause: String,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::from_args();
    // The configurations name the plugin by its place in `target`.
    let plugin = root().join("target/cases/hostile.wasm");
    fs::create_dir_all(plugin.parent().context("a folder")?)?;
    let beside = plugin.with_extension(std::process::id().to_string());
    fs::write(&beside, guests::component("tests/guests/hostile")?)?;
    fs::rename(beside, plugin)?;
    let trials = folders(&root().join("tests/cases/demands"))?
        .into_iter()
        .map(|folder| {
            let name = folder
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            Trial::test(name, move || {
                run(&folder).map_err(|error| format!("{error:#}").into())
            })
        })
        .collect();
    libtest_mimic::run(&arguments, trials).exit();
}

fn run(folder: &Path) -> anyhow::Result<()> {
    let expected = fs::read_to_string(folder.join("expected.toml"))?;
    let expected: Expected = toml::from_str(&expected)?;
    let pdp = match (
        Pdp::from_file(folder.join("portcullis.toml")),
        &expected.refused,
    ) {
        (Err(error), Some(said)) => {
            ensure!(
                error.to_string().contains(said),
                "{}: {error}",
                expected.demand
            );
            return Ok(());
        }
        (Ok(_), Some(said)) => bail!(
            "{}: the configuration is not refused for {said}",
            expected.demand
        ),
        (pdp, None) => pdp?,
    };
    let now: Timestamp = NOW.parse()?;
    let stopped = expected.stopped.context("`stopped` or `refused`")?;

    let (decision, checks) = pdp.explain_at(&request(folder, "passes.json")?, now);
    ensure!(
        decision.is_permit(),
        "{}: {} {checks:#?}",
        expected.demand,
        decision.cause()
    );

    let now = expected.stopped_at.unwrap_or(now);
    let request = request(folder, "stopped.json")?;
    let (decision, checks) = pdp.explain_at(&request, now);
    ensure!(
        !decision.is_permit(),
        "{}: it is not stopped",
        expected.demand
    );
    let stops: Vec<_> = checks
        .iter()
        .filter(|check| check.conclusion == Conclusion::Stop)
        .collect();
    ensure!(
        decision.cause().as_str() == stopped.cause
            && stops.len() == 1
            && stops[0].name == stopped.check,
        "{}: it is stopped by {stops:?}, because of {}",
        expected.demand,
        decision.cause()
    );
    ensure!(
        !decision.detail().is_empty(),
        "a deny says what would have to change"
    );
    // Without the steps being noted, the decision is the same.
    ensure!(pdp.evaluate_at(&request, now).cause() == decision.cause());
    Ok(())
}

fn request(folder: &Path, name: &str) -> anyhow::Result<Request> {
    let file = folder.join(name);
    let json = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(Request::from_authzen(&json, &Default::default())?)
}
