//! Programs of the proxies: nginx from the system, the others from pinned wheels below Cargo's target folder.
//!
//! A program that cannot be had skips its tests, with a line that says so. With `PORTCULLIS_REQUIRE_PROXIES=1`, it fails
//! them.

use anyhow::{Context as _, bail, ensure};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::{env, fs};

/// Variable that makes a missing proxy an error.
const REQUIRED: &str = "PORTCULLIS_REQUIRE_PROXIES";

/// A proxy that the tests start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    Nginx,
    Envoy,
    Traefik,
    Caddy,
}

impl Tool {
    /// Its program; `None` if the tests of it are skipped.
    ///
    /// # Panics
    ///
    /// If it cannot be had, and is required.
    pub(crate) fn program(self) -> Option<PathBuf> {
        let found = match self {
            Self::Nginx => nginx(),
            Self::Envoy => from_wheel(|path| path.ends_with("envoy/_bin/envoy")),
            Self::Traefik => from_wheel(|path| path.ends_with("bin/traefik")),
            Self::Caddy => from_wheel(|path| path.ends_with("bin/caddy")),
        };
        match found {
            Ok(program) => Some(program),
            Err(error) => {
                assert!(
                    env::var_os(REQUIRED).is_none_or(|value| value.is_empty() || value == "0"),
                    "{self:?} is required by {REQUIRED}: {error:#}"
                );
                // Not `eprintln!`, whose lines are not shown for a test that passes.
                let _ = writeln!(
                    std::io::stderr(),
                    "skipped: {self:?} cannot be had: {error:#}"
                );
                None
            }
        }
    }
}

fn nginx() -> anyhow::Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    let mut programs = folders.map(|folder| folder.join("nginx"));
    let found = programs.find(|program| program.is_file());
    found.context("no `nginx` is installed: `apt-get install nginx-light`")
}

/// The first file of the wheels for which `is` holds.
fn from_wheel(is: fn(&Path) -> bool) -> anyhow::Result<PathBuf> {
    static INSTALLED: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let installed = INSTALLED.get_or_init(|| install().map_err(|error| format!("{error:#}")));
    let folder = installed
        .as_ref()
        .map_err(|error| anyhow::anyhow!("{error}"))?;
    find(folder, is)?.with_context(|| format!("{} has no such program", folder.display()))
}

/// Installs the wheels of `requirements.txt` once for each version of the file.
fn install() -> anyhow::Result<PathBuf> {
    let requirements =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gateways/requirements.txt");
    let text = fs::read(&requirements)?;
    let version = portcullis_host::Digest::of(&text).to_string();
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let folder = target.join(format!("proxies-{}", version.replace(':', "-")));
    if folder.is_dir() {
        return Ok(folder);
    }
    // Under another name until it is complete, since other processes may install too.
    let begun = tempfile::tempdir_in(target)?;
    run(Command::new("python3")
        .args(["-m", "venv"])
        .arg(begun.path()))?;
    run(Command::new(begun.path().join("bin/pip"))
        .args(["install", "--quiet", "--disable-pip-version-check"])
        .args(["--retries", "1", "--timeout", "20"])
        .args([
            "--no-deps",
            "--only-binary=:all:",
            "--require-hashes",
            "--requirement",
        ])
        .arg(&requirements))?;
    let begun = begun.keep();
    match fs::rename(&begun, &folder) {
        Ok(()) => Ok(folder),
        Err(error) => {
            let _ = fs::remove_dir_all(&begun);
            ensure!(folder.is_dir(), "{}: {error}", folder.display());
            Ok(folder)
        }
    }
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("{command:?}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().rfind(|line| !line.trim().is_empty());
        bail!("{command:?}: {}", last.unwrap_or_default());
    }
    Ok(())
}

fn find(folder: &Path, is: fn(&Path) -> bool) -> anyhow::Result<Option<PathBuf>> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            if let Some(found) = find(&path, is)? {
                return Ok(Some(found));
            }
        } else if is(&path) {
            return Ok(Some(path));
        }
    }
    Ok(None)
}
