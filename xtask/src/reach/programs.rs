//! Programs of this repository: built, or taken from a folder.

use super::tools::Missing;
use crate::plugins;
use crate::steps::{cargo, command, root, step};
use anyhow::{Context as _, ensure};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Programs that every row needs.
pub(super) struct Programs {
    pub(super) portcullis: PathBuf,
    /// `benches/src/bin/reach`: peers, and load at a fixed rate.
    pub(super) peers: PathBuf,
    /// The plugin `http-api`.
    pub(super) plugin: PathBuf,
    /// Folder of all programs, if nothing is built.
    given: Option<PathBuf>,
}

impl Programs {
    /// Builds the programs, or finds them in the folder `given`.
    pub(super) fn get(given: Option<&Path>) -> anyhow::Result<Self> {
        let (release, components) = match given {
            Some(folder) => (folder.to_owned(), folder.to_owned()),
            None => {
                plugins::run(&[])?;
                step("the peers", || {
                    const PEERS: [&str; 4] = ["-p", "portcullis-benches", "--bin", "reach"];
                    cargo(&[&["build", "--release"], &PEERS[..]].concat())
                })?;
                (root().join("target/release"), root().join("target/plugins"))
            }
        };
        let found = |file: PathBuf| {
            ensure!(file.is_file(), "there is no {}", file.display());
            Ok(file)
        };
        Ok(Self {
            portcullis: found(release.join("portcullis"))?,
            peers: found(release.join("reach"))?,
            plugin: found(components.join("http-api.wasm"))?,
            given: given.map(Path::to_owned),
        })
    }

    /// The program of a criterion bench, which is built.
    pub(super) fn bench(&self, package: &str, name: &str) -> anyhow::Result<PathBuf> {
        if let Some(folder) = &self.given {
            let program = folder.join(name);
            if !program.is_file() {
                let why = format!("there is no {}", program.display());
                return Err(Missing(why).into());
            }
            return Ok(program);
        }
        let mut build = command("cargo");
        build.args([
            "bench",
            "--no-run",
            "--message-format=json-render-diagnostics",
        ]);
        build.args(["-p", package, "--bench", name]);
        let output = build
            .stderr(std::process::Stdio::inherit())
            .output()
            .context("cannot run `cargo`")?;
        ensure!(
            output.status.success(),
            "`cargo bench` ended with {}: see its messages above",
            output.status
        );
        let messages = String::from_utf8_lossy(&output.stdout);
        let program = messages
            .lines()
            .filter_map(|line| executable(line, name))
            .next_back();
        program.with_context(|| format!("`cargo bench` built no `{name}`"))
    }
}

/// The program in a message of Cargo, if it is the target called `name`.
fn executable(message: &str, name: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(message).ok()?;
    if message.pointer("/target/name")?.as_str()? != name {
        return None;
    }
    message.get("executable")?.as_str().map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_of_the_target_is_found() {
        let message =
            r#"{"reason":"compiler-artifact","target":{"name":"layer"},"executable":"/t/layer-1"}"#;
        assert_eq!(executable(message, "layer"), Some("/t/layer-1".into()));
        assert_eq!(executable(message, "fleet"), None);
        let library =
            r#"{"reason":"compiler-artifact","target":{"name":"layer"},"executable":null}"#;
        assert_eq!(executable(library, "layer"), None);
        assert_eq!(executable("text", "layer"), None);
    }
}
