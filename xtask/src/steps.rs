//! What the commands consist of.

use anyhow::{Context as _, bail};
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

/// The Rust target of plugins.
const TARGET: &str = "wasm32-unknown-unknown";

/// The reference plugins and the test guests that the demo uses, as folders.
const PLUGINS: [&str; 4] = [
    "plugins/http-api",
    "plugins/mcp-tools",
    "plugins/github",
    "tests/guests/hostile",
];

/// Runs every test.
pub(crate) fn test() -> anyhow::Result<()> {
    step("the WebAssembly target", install_target)?;
    step("tests", || {
        // Everything is built with the features that the whole workspace needs, so that the
        // runtime is built once.
        cargo(&["test", "--release", "--workspace", "--all-targets"])
    })?;
    step("documentation tests", || {
        cargo(&["test", "--release", "--workspace", "--doc"])
    })
}

/// Runs what CI checks besides the tests.
pub(crate) fn lint() -> anyhow::Result<()> {
    step("formatting", || cargo(&["fmt", "--all", "--check"]))?;
    step("clippy", || {
        cargo(&[
            "clippy",
            "--release",
            "--workspace",
            "--all-targets",
            "--",
            "--deny",
            "warnings",
        ])
    })?;
    step("clippy, as plugins are compiled", || {
        cargo(&[
            "clippy",
            "--release",
            "--target",
            TARGET,
            "-p",
            "portcullis-sdk",
            "-p",
            "portcullis-plugin-http-api",
            "-p",
            "portcullis-plugin-mcp-tools",
            "-p",
            "portcullis-plugin-github",
            "--",
            "--deny",
            "warnings",
        ])
    })?;
    step("documentation", || {
        let mut doc = command("cargo");
        doc.args(["doc", "--release", "--workspace", "--no-deps"])
            .env("RUSTDOCFLAGS", "--deny warnings");
        run(&mut doc)
    })
}

/// Builds the reference plugins into `target/plugins`, with the CLI.
pub(crate) fn plugins() -> anyhow::Result<()> {
    step("the WebAssembly target", install_target)?;
    step("the `portcullis` command", || {
        cargo(&["build", "--release", "-p", "portcullis-cli"])
    })?;
    let folder = root().join("target/plugins");
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make {}", folder.display()))?;
    for plugin in PLUGINS {
        let name = plugin.rsplit('/').next().unwrap_or(plugin);
        step(&format!("plugin {name}"), || {
            let mut build = portcullis();
            build
                .args(["build", plugin, "--output"])
                .arg(folder.join(format!("{name}.wasm")));
            // The digest that it prints is for a configuration that pins it.
            run(build.stdout(std::process::Stdio::null()))
        })?;
    }
    Ok(())
}

/// Copies the contract to the crates that carry it.
pub(crate) fn copy_wit() -> anyhow::Result<()> {
    let source = root().join("wit/policy.wit");
    for copy in ["host/wit/policy.wit", "guest-sdk/wit/policy.wit"] {
        let copy = root().join(copy);
        std::fs::copy(&source, &copy)
            .with_context(|| format!("cannot write {}", copy.display()))?;
    }
    Ok(())
}

/// The CLI that was built.
pub(crate) fn portcullis() -> Command {
    let name = format!("target/release/portcullis{}", std::env::consts::EXE_SUFFIX);
    command(root().join(name))
}

/// Says what is done, does it, and says how long it took.
pub(crate) fn step(name: &str, does: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
    eprintln!("==> {name}");
    let started = Instant::now();
    does().with_context(|| name.to_owned())?;
    eprintln!("    done in {:.1} s", started.elapsed().as_secs_f64());
    Ok(())
}

pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command
        .status()
        .with_context(|| format!("cannot run `{program}`"))?;
    if !status.success() {
        bail!("`{program}` ended with {status}: see its messages above");
    }
    Ok(())
}

fn install_target() -> anyhow::Result<()> {
    let libraries = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", TARGET])
        .current_dir(root())
        .output()
        .context("cannot run `rustc`: install Rust from https://rustup.rs")?;
    let libraries = String::from_utf8_lossy(&libraries.stdout).trim().to_owned();
    if !libraries.is_empty() && PathBuf::from(&libraries).is_dir() {
        return Ok(());
    }
    let installed = Command::new("rustup")
        .args(["target", "add", TARGET])
        .current_dir(root())
        .status();
    match installed {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => bail!(
            "`rustup target add {TARGET}` ended with {status}: plugins are compiled for that target; run it by hand where the network allows, and try again"
        ),
        Err(error) => bail!(
            "cannot run `rustup` ({error}): install the Rust target {TARGET} as your Rust came, and try again"
        ),
    }
}

fn cargo(arguments: &[&str]) -> anyhow::Result<()> {
    run(command("cargo").args(arguments))
}

fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root());
    command
}

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    let mut root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.pop();
    root
}
