//! Checks of what the project depends on, and the list of it for a release.

use crate::steps::{cargo, root, step};
use anyhow::{Context as _, bail};
use std::process::{Command, Stdio};

/// Checks licences, sources and banned crates of all dependencies with cargo-deny, and advisories if its database is
/// there.
///
/// Without cargo-deny, it prints a line that says so.
pub(crate) fn check() -> anyhow::Result<()> {
    if !is_installed("deny") {
        println!(
            "    skipped: cargo-deny is not installed, so licences and sources are not checked: `cargo install --locked cargo-deny`"
        );
        return Ok(());
    }
    cargo(&["deny", "--offline", "check", "bans", "licenses", "sources"])?;
    let home = std::env::var_os("CARGO_HOME").map(std::path::PathBuf::from);
    let home =
        home.or_else(|| Some(std::path::PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    let has_database = home.is_some_and(|home| home.join("advisory-dbs").is_dir());
    if !has_database {
        println!(
            "    skipped: there is no database of advisories, so only advisories.toml was checked: `cargo deny fetch db`"
        );
        return Ok(());
    }
    cargo(&["deny", "--offline", "check", "advisories"])
}

/// Writes the bill of materials of the `portcullis` command and of the host, in CycloneDX.
pub(crate) fn bill_of_materials() -> anyhow::Result<()> {
    if !is_installed("cyclonedx") {
        step("cargo-cyclonedx", || {
            cargo(&["install", "--locked", "cargo-cyclonedx"])
        })?;
    }
    let folder = root().join("target/sbom");
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make {}", folder.display()))?;
    for package in ["cli", "host"] {
        step(&format!("bill of materials of {package}"), || {
            let manifest = format!("{package}/Cargo.toml");
            cargo(&[
                "cyclonedx",
                "--format",
                "json",
                "--manifest-path",
                &manifest,
            ])
        })?;
    }
    // The tool writes beside each manifest of the workspace.
    let mut written = Vec::new();
    for package in ["cli", "host"] {
        let name = format!("portcullis-{package}.cdx.json");
        let from = root().join(package).join(&name);
        if from.exists() {
            std::fs::rename(&from, folder.join(&name))
                .with_context(|| format!("cannot move {}", from.display()))?;
            written.push(name);
        }
    }
    if written.is_empty() {
        bail!("cargo-cyclonedx wrote no bill of materials");
    }
    println!("wrote {} to {}", written.join(", "), folder.display());
    Ok(())
}

fn is_installed(command: &str) -> bool {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args([command, "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
