//! What Zero Trust demands for non-human identities, demand by demand: each folder of
//! `tests/cases/demands` is a test, named after it.
//!
//! A folder holds a configuration with what it names, a request that passes, one that is stopped by
//! exactly the check that the demand is about, and what is expected; or a configuration that is
//! refused; or commands, with how each ends and what it prints. What is signed in `intents` can be read
//! in `approved`.

use anyhow::{Context as _, bail, ensure};
use libtest_mimic::{Arguments, Trial};
use portcullis_host::{Conclusion, Pdp, Request, Timestamp, config, unverified_intent};
use portcullis_tests::case::{NOW, folders};
use portcullis_tests::{guests, root};
use serde::Deserialize;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// `expected.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    /// The demand, in words.
    demand: String,
    /// Requests that were permitted before, in this order.
    #[serde(default)]
    before: Vec<String>,
    /// When the request that is stopped is made, if that is what matters.
    #[serde(default, rename = "stopped-at")]
    stopped_at: Option<Timestamp>,
    /// What stops the request that is stopped.
    stopped: Option<Stopped>,
    /// What is said of the configuration, if that is what is refused.
    refused: Option<String>,
    /// What is run in a copy of the folder.
    #[serde(default)]
    command: Vec<Run>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stopped {
    check: String,
    cause: String,
}

/// A command, how it ends and what it prints.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Run {
    run: Vec<String>,
    exit: i32,
    #[serde(default)]
    prints: Vec<String>,
    #[serde(default)]
    withholds: Vec<String>,
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
    let demand = &expected.demand;
    approved(folder)?;
    if !expected.command.is_empty() {
        return commands(folder, &expected).context(demand.clone());
    }
    let checked = config::check(&folder.join("portcullis.toml"));
    let problems: Vec<_> = checked.problems.iter().map(ToString::to_string).collect();
    let problems = problems.join("\n");
    let pdp = match (checked.pdp, &expected.refused) {
        (None, Some(said)) => {
            ensure!(problems.contains(said), "{demand}: {problems}");
            return Ok(());
        }
        (Some(_), Some(said)) => {
            bail!("{demand}: the configuration is not refused for {said}")
        }
        (pdp, None) => pdp.with_context(|| problems.clone())?,
    };
    requests(folder, &expected, &pdp)
}

/// A signed intent is what is to be read beside it, in `approved`.
fn approved(folder: &Path) -> anyhow::Result<()> {
    let approved = folder.join("approved");
    if !approved.exists() {
        return Ok(());
    }
    for entry in fs::read_dir(approved)? {
        let readable = entry?.path();
        let name = readable.file_name().context("a name")?;
        let signed = folder.join("intents").join(name).with_extension("jwt");
        let signed = fs::read_to_string(&signed)?;
        let signed = unverified_intent(signed.trim()).map_err(anyhow::Error::msg)?;
        let signed: Value = serde_json::from_str(&signed)?;
        let readable: Value = serde_json::from_slice(&fs::read(readable)?)?;
        ensure!(signed == readable, "another intent was signed: {signed}");
    }
    Ok(())
}

fn requests(folder: &Path, expected: &Expected, pdp: &Pdp) -> anyhow::Result<()> {
    let now: Timestamp = NOW.parse()?;
    let demand = &expected.demand;
    let stopped = expected.stopped.as_ref().context("`stopped`")?;

    let (decision, checks) = pdp.explain_at(&request(folder, "passes.json")?, now);
    ensure!(
        decision.is_permit(),
        "{demand}: {} {checks:#?}",
        decision.cause()
    );
    for earlier in &expected.before {
        let decision = pdp.evaluate(&request(folder, earlier)?);
        ensure!(
            decision.is_permit(),
            "{demand}: {earlier} {}",
            decision.cause()
        );
    }

    let now = expected.stopped_at.unwrap_or(now);
    let request = request(folder, "stopped.json")?;
    let (decision, checks) = pdp.explain_at(&request, now);
    ensure!(!decision.is_permit(), "{demand}: it is not stopped");
    let stops: Vec<_> = checks
        .iter()
        .filter(|check| check.conclusion == Conclusion::Stop)
        .collect();
    ensure!(
        decision.cause().as_str() == stopped.cause
            && stops.len() == 1
            && stops[0].name == stopped.check,
        "{demand}: it is stopped by {stops:?}, because of {}",
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

fn commands(folder: &Path, expected: &Expected) -> anyhow::Result<()> {
    let copy = TempDir::new()?;
    copy_all(folder, copy.path())?;
    // Beside the configurations, where those of a copy look for it.
    fs::copy(
        root().join("target/cases/hostile.wasm"),
        copy.path().join("hostile.wasm"),
    )?;
    for Run {
        run,
        exit,
        prints,
        withholds,
    } in &expected.command
    {
        let ran = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .args(run)
            .current_dir(copy.path())
            .output()?;
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&ran.stdout),
            String::from_utf8_lossy(&ran.stderr)
        );
        ensure!(
            ran.status.code() == Some(*exit),
            "`{}` ended with {}: {said}",
            run.join(" "),
            ran.status
        );
        for text in prints {
            ensure!(said.contains(text), "`{text}` is not in: {said}");
        }
        for text in withholds {
            ensure!(!said.contains(text), "`{text}` is in: {said}");
        }
    }
    Ok(())
}

fn copy_all(from: &Path, to: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            fs::create_dir_all(&to)?;
            copy_all(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}

fn request(folder: &Path, name: &str) -> anyhow::Result<Request> {
    let file = folder.join(name);
    let json = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(Request::from_authzen(&json, &Default::default())?)
}
