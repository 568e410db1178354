//! Python packages that tests install: pinned, below Cargo's target folder.

use anyhow::{Context as _, bail, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Installs the wheels of a file of requirements, once for each version of the file, and returns the environment.
///
/// `target` is a folder below Cargo's target folder, in which the environment is made.
///
/// # Errors
///
/// Python, or the network, cannot be had.
pub fn install(requirements: &Path, target: &Path) -> anyhow::Result<PathBuf> {
    let text = fs::read(requirements)?;
    let version = portcullis_host::Digest::of(&text).to_string();
    let folder = target.join(format!("wheels-{}", version.replace(':', "-")));
    if folder.is_dir() {
        return Ok(folder);
    }
    // Under another name until it is complete, since other processes may install too.
    let begun = tempfile::tempdir_in(target)?;
    run(Command::new("python3")
        .args(["-m", "venv"])
        .arg(begun.path()))?;
    run(Command::new(begun.path().join("bin/python"))
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ])
        .args(["--retries", "1", "--timeout", "20"])
        .args([
            "--no-deps",
            "--only-binary=:all:",
            "--require-hashes",
            "--requirement",
        ])
        .arg(requirements))?;
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

/// Runs a command to its end.
///
/// # Errors
///
/// It fails; the message has the last line of its standard error.
pub fn run(command: &mut Command) -> anyhow::Result<()> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("{command:?}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().rfind(|line| !line.trim().is_empty());
        bail!("{command:?}: {}", last.unwrap_or_default());
    }
    Ok(())
}

/// The first file below a folder for which `is` holds.
///
/// # Errors
///
/// A folder cannot be read.
pub fn find(folder: &Path, is: fn(&Path) -> bool) -> anyhow::Result<Option<PathBuf>> {
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
