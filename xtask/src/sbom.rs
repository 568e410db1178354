//! The bill of materials of a release.

use crate::steps::{cargo, root, step};
use crate::supply::is_installed;
use anyhow::{Context as _, bail};

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
