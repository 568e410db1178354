//! `cargo xtask plugins`: builds the reference plugins, and writes their digests.

use crate::steps::{build_command, install_target, portcullis, root, step};
use anyhow::{Context as _, bail};
use std::fmt::Write as _;
use std::process::{Command, Stdio};

/// Reference plugins whose digests are in the repository.
const REFERENCE: [&str; 3] = ["plugins/http-api", "plugins/mcp-tools", "plugins/github"];

/// A guest of the tests, which the demo needs.
const HOSTILE: &str = "tests/guests/hostile";

/// The file of the digests.
const DIGESTS: &str = "plugins/digests.toml";

/// Builds the reference plugins and the guest of the demo into `target/plugins`, with the CLI.
///
/// With `--digests` it writes [`DIGESTS`], which the tests compare with what they build.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<()> {
    let writes = match arguments {
        [] => false,
        [flag] if flag == "--digests" => true,
        _ => bail!("`cargo xtask plugins` takes only `--digests`"),
    };
    step("the WebAssembly target", install_target)?;
    step("the `portcullis` command", build_command)?;
    let mut digests = String::new();
    for folder in REFERENCE {
        step(folder, || {
            let digest = build(folder)?;
            Ok(writeln!(digests, "{} = {digest:?}", name_of(folder))?)
        })?;
    }
    step(HOSTILE, || build(HOSTILE).map(drop))?;
    if writes {
        let rustc = Command::new("rustc").arg("--version").output()?.stdout;
        let rustc = String::from_utf8(rustc)?;
        let text = format!(
            "# Digests of the components that `portcullis build` makes of the folders beside this file, with this compiler.\n\
             # `cargo xtask plugins --digests` writes them.\n\
             rustc = {:?}\n\n[digests]\n{digests}",
            rustc.trim()
        );
        std::fs::write(root().join(DIGESTS), text)
            .with_context(|| format!("cannot write {DIGESTS}"))?;
    }
    Ok(())
}

/// Builds the plugin in `folder`, and returns the digest that the command prints.
pub(crate) fn build(folder: &str) -> anyhow::Result<String> {
    let target = root().join("target/plugins");
    std::fs::create_dir_all(&target)
        .with_context(|| format!("cannot make {}", target.display()))?;
    let file = target.join(format!("{}.wasm", name_of(folder)));
    let output = portcullis()
        .args(["build", folder, "--output"])
        .arg(file)
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run `portcullis`")?;
    if !output.status.success() {
        bail!(
            "`portcullis build {folder}` ended with {}: see its messages above",
            output.status
        );
    }
    let printed: toml::Table = String::from_utf8(output.stdout)?.parse()?;
    let digest = printed.get("digest").and_then(toml::Value::as_str);
    Ok(digest
        .context("`portcullis build` printed no digest")?
        .to_owned())
}

/// Returns the last segment of a path.
fn name_of(folder: &str) -> &str {
    folder.rsplit('/').next().unwrap_or(folder)
}
