//! Programs of others: nginx and load generators of the system, and Envoy from a pinned wheel.

use super::process::output;
use crate::steps::root;
use anyhow::Context as _;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The pins of the tests of gateways.
const REQUIREMENTS: &str = "tests/network/tests/gateways/requirements.txt";

/// A program that cannot be had, so that its row is skipped.
#[derive(Debug)]
pub(super) struct Missing(pub(super) String);

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Missing {}

pub(super) fn nginx() -> anyhow::Result<PathBuf> {
    of_the_system("nginx", "nginx-light")
}

pub(super) fn wrk() -> anyhow::Result<PathBuf> {
    of_the_system("wrk", "wrk")
}

pub(super) fn h2load() -> anyhow::Result<PathBuf> {
    of_the_system("h2load", "nghttp2-client")
}

/// A program in `PATH` or `/usr/sbin`, which a package of Debian has.
fn of_the_system(name: &str, package: &str) -> anyhow::Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    let mut programs = folders.map(|folder| folder.join(name));
    let found = programs.find(|program| program.is_file());
    found.ok_or_else(|| {
        Missing(format!(
            "`{name}` is not installed: `apt-get install {package}`"
        ))
        .into()
    })
}

/// Envoy from the wheel that the tests of gateways use, installed once for each version of their pins.
pub(super) fn envoy() -> anyhow::Result<PathBuf> {
    let tools = root().join("target/tmp/reach");
    let found = install(&tools).map(|()| envoy_in(&tools).unwrap_or_default());
    match found {
        Ok(Some(program)) => Ok(program),
        Ok(None) => Err(Missing(format!("{REQUIREMENTS} has no Envoy for this machine")).into()),
        Err(error) => Err(Missing(format!("Envoy cannot be installed: {error:#}")).into()),
    }
}

/// Installs the wheels of [`REQUIREMENTS`] into an environment of Python.
fn install(tools: &Path) -> anyhow::Result<()> {
    let pins = fs::read_to_string(root().join(REQUIREMENTS))
        .with_context(|| format!("cannot read {REQUIREMENTS}"))?;
    // It is written last, so that an installation that was interrupted is made again.
    let installed = tools.join("installed.txt");
    if fs::read_to_string(&installed).is_ok_and(|it| it == pins) {
        return Ok(());
    }
    eprintln!("    installing Envoy into {}", tools.display());
    if tools.exists() {
        fs::remove_dir_all(tools)?;
    }
    output(Command::new("python3").args(["-m", "venv"]).arg(tools))?;
    output(
        Command::new(tools.join("bin/pip"))
            .args(["install", "--quiet", "--disable-pip-version-check"])
            .args(["--retries", "1", "--timeout", "20"])
            .args(["--no-deps", "--only-binary=:all:", "--require-hashes"])
            .arg("--requirement")
            .arg(root().join(REQUIREMENTS)),
    )?;
    fs::write(&installed, pins)?;
    Ok(())
}

/// The program in an environment of Python, whose folder has the version of Python in its name.
fn envoy_in(tools: &Path) -> anyhow::Result<Option<PathBuf>> {
    for python in fs::read_dir(tools.join("lib"))? {
        let program = python?.path().join("site-packages/envoy/_bin/envoy");
        if program.is_file() {
            return Ok(Some(program));
        }
    }
    Ok(None)
}
