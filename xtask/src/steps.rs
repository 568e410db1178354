//! The steps of the commands.

use crate::engines::ENGINES;
use anyhow::{Context as _, bail};
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

/// The Rust target of plugins.
const TARGET: &str = "wasm32-unknown-unknown";

/// Runs every test but those of [`engines`].
pub(crate) fn test() -> anyhow::Result<()> {
    step("the WebAssembly target", install_target)?;
    // One build with the whole workspace's features, so that the runtime is built once. No flag names the targets:
    // it would build a program for those without tests as well. The benches are left to clippy.
    step("tests", || {
        cargo_without_engines(&["test", "--release"], &["--exclude", "portcullis-benches"])
    })
}

/// Tests the plugins with Cedar and Rego, and the host with the runtime's default features and without its own.
///
/// The plugins are compared with the native engines.
pub(crate) fn engines() -> anyhow::Result<()> {
    step("the WebAssembly target", install_target)?;
    step("tests of the plugins", || {
        cargo(&["test", "--release", "-p", ENGINES[0], "-p", ENGINES[1]])
    })?;
    step(
        "the plugins in their sandbox, beside the native engines",
        || cargo(&["test", "--release", "-p", ENGINES[2]]),
    )?;
    step("the host, with all features of the runtime", || {
        // Other features need a second build, in a target folder of its own.
        cargo(&[
            "test",
            "--locked",
            "--manifest-path",
            "tests/default-features/Cargo.toml",
            "--target-dir",
            "target/default-features",
        ])
    })?;
    // Other features of our crates are other features of the runtime's dependencies: it is built again.
    const HOST: [&str; 3] = ["-p", "portcullis-host", "--no-default-features"];
    step("the host without its features", || {
        cargo(&[&["test", "--release", "--doc"], &HOST[..]].concat())
    })?;
    for more in [
        &[][..],
        &["--features", "identity"],
        &["--features", "embedded-state"],
    ] {
        step("clippy, the host with some of its features", || {
            cargo(&[&["clippy"], &HOST[..], more, &["--", "--deny", "warnings"]].concat())
        })?;
    }
    step("clippy", || {
        let mut clippy = vec!["clippy", "--release", "--all-targets"];
        for package in ENGINES {
            clippy.extend(["-p", package]);
        }
        clippy.extend(["--", "--deny", "warnings"]);
        cargo(&clippy)
    })
}

/// Measures the performance targets, beside Cedar, regorus and the runtime alone.
pub(crate) fn bench() -> anyhow::Result<()> {
    step("the WebAssembly target", install_target)?;
    const REPORT: [&str; 7] = [
        "--release",
        "-p",
        "portcullis-benches",
        "--features",
        "peers",
        "--bin",
        "report",
    ];
    step("the benches, with Cedar and regorus", || {
        cargo(&[&["build"], &REPORT[..]].concat())
    })?;
    step("measurements, some minutes", || {
        cargo(&[&["run", "--quiet"], &REPORT[..]].concat())
    })
}

/// Runs the further steps of CI, without the tests.
pub(crate) fn lint() -> anyhow::Result<()> {
    step("advisories", || crate::advisories::check(&root()))?;
    step("licences and sources", crate::supply::check)?;
    step("layout", || crate::house::check(&root()))?;
    step("code map", || crate::code_map::check(&root()))?;
    step("prose", || crate::prose::check(&root()))?;
    step("formatting", || cargo(&["fmt", "--all", "--check"]))?;
    step("clippy", || {
        cargo_without_engines(
            &["clippy", "--release", "--all-targets"],
            &["--", "--deny", "warnings"],
        )
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
        let mut doc = without_engines(&["doc", "--release", "--no-deps"], &[]);
        run(doc.env("RUSTDOCFLAGS", "--deny warnings"))
    })
}

/// Copies the contract to the crates that include it.
pub(crate) fn copy_wit() -> anyhow::Result<()> {
    let source = root().join("wit/policy.wit");
    for copy in ["crates/sandbox/wit/policy.wit", "guest-sdk/wit/policy.wit"] {
        let copy = root().join(copy);
        std::fs::copy(&source, &copy)
            .with_context(|| format!("cannot write {}", copy.display()))?;
    }
    Ok(())
}

/// Returns a command that runs the built CLI.
pub(crate) fn portcullis() -> Command {
    command(program())
}

/// Returns the file of the built CLI.
pub(crate) fn program() -> PathBuf {
    let name = format!("target/release/portcullis{}", std::env::consts::EXE_SUFFIX);
    root().join(name)
}

/// Prints the step's name, runs it, and prints its duration.
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

pub(crate) fn install_target() -> anyhow::Result<()> {
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

/// Runs Cargo on the workspace without [`ENGINES`]. `more` is appended to the arguments.
fn cargo_without_engines(arguments: &[&str], more: &[&str]) -> anyhow::Result<()> {
    run(&mut without_engines(arguments, more))
}

/// Builds the `portcullis` command.
///
/// It has the features of the whole workspace, as in the tests, so that the runtime is built once for both.
pub(crate) fn build_command() -> anyhow::Result<()> {
    cargo_without_engines(&["build", "--release"], &["--bin", "portcullis"])
}

fn without_engines(arguments: &[&str], more: &[&str]) -> Command {
    let mut cargo = command("cargo");
    cargo.args(arguments).arg("--workspace");
    for package in ENGINES {
        cargo.args(["--exclude", package]);
    }
    cargo.args(more);
    cargo
}

pub(crate) fn cargo(arguments: &[&str]) -> anyhow::Result<()> {
    run(command("cargo").args(arguments))
}

/// Returns a command that runs `program` in the repository's root.
pub(crate) fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root());
    command
}

/// Returns the repository's root.
pub(crate) fn root() -> PathBuf {
    let mut root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.pop();
    root
}
