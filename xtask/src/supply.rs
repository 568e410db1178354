//! Checks of what the project depends on.

use anyhow::{Context as _, ensure};
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
    deny(&["bans", "licenses", "sources"])?;
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
    deny(&["advisories"])
}

fn deny(what: &[&str]) -> anyhow::Result<()> {
    let done = cargo()
        .args(["deny", "--offline", "check"])
        .args(what)
        .status()
        .context("cannot run cargo-deny")?;
    ensure!(done.success(), "cargo-deny found a problem, see above");
    Ok(())
}

fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// True if Cargo has the command.
pub(crate) fn is_installed(command: &str) -> bool {
    cargo()
        .args([command, "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
