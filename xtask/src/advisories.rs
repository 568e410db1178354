//! Verifies the dependencies against `advisories.toml`.

use anyhow::{Context as _, bail, ensure};
use semver::Version;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use std::collections::HashMap;
use std::path::Path;

/// The project's lock files.
const LOCKS: [&str; 2] = ["Cargo.lock", "tests/default-features/Cargo.lock"];

/// The contents of `advisories.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Floors {
    floor: Vec<Floor>,
}

/// The minimum version of a crate, and the advisories that it fixes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Floor {
    #[serde(rename = "crate")]
    name: String,
    #[serde(deserialize_with = "version")]
    version: Version,
    advisories: Vec<String>,
}

#[derive(Deserialize)]
struct Lock {
    package: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    #[serde(deserialize_with = "version")]
    version: Version,
}

#[derive(Deserialize)]
struct Manifest {
    workspace: Workspace,
}

#[derive(Deserialize)]
struct Workspace {
    dependencies: HashMap<String, Dependency>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Dependency {
    Version(String),
    Table { version: String },
}

fn version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Version, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(D::Error::custom)
}

/// Refuses versions below a floor.
///
/// It covers the versions in each lock file, and requirements that allow a gateway to lock such a version.
pub(crate) fn check(root: &Path) -> anyhow::Result<()> {
    let read = |name: &str| {
        let file = root.join(name);
        std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))
    };
    let floors = read("advisories.toml")?;
    let manifest = read("Cargo.toml")?;
    for lock in LOCKS {
        hold(&floors, &manifest, &read(lock)?).with_context(|| lock.to_owned())?;
    }
    Ok(())
}

fn hold(floors: &str, manifest: &str, lock: &str) -> anyhow::Result<()> {
    let floors: Floors = toml::from_str(floors).context("advisories.toml")?;
    let manifest: Manifest = toml::from_str(manifest).context("Cargo.toml")?;
    let lock: Lock = toml::from_str(lock)?;
    for floor in &floors.floor {
        let Floor {
            name,
            version,
            advisories,
        } = floor;
        ensure!(
            !advisories.is_empty(),
            "`{name}` has a floor without an advisory"
        );
        let why = advisories.join(", ");
        let mut locked = lock.package.iter().filter(|it| it.name == *name).peekable();
        ensure!(
            locked.peek().is_some(),
            "`{name}` is locked in no version: take its floor out of advisories.toml"
        );
        if let Some(low) = locked.find(|it| it.version < *version) {
            bail!(
                "`{name}` is locked at {}, and {version} fixes {why}: run `cargo update -p {name}`",
                low.version
            );
        }
        let required = match manifest.workspace.dependencies.get(name) {
            None => continue,
            Some(Dependency::Version(required) | Dependency::Table { version: required }) => {
                required
            }
        };
        // A full version without an operator matches nothing below it.
        ensure!(
            required.parse::<Version>().is_ok_and(|it| it >= *version),
            "Cargo.toml asks for `{name}` `{required}`, which versions below {version} meet: write `{version}`"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLOORS: &str =
        "[[floor]]\ncrate = \"x\"\nversion = \"48.0.8\"\nadvisories = [\"GHSA-1\"]\n";

    fn manifest(required: &str) -> String {
        format!(
            "[workspace.dependencies]\ny = {{ path = \"y\", version = \"1\" }}\nx = {required}\n"
        )
    }

    fn lock(versions: &[&str]) -> String {
        let package =
            |version: &&str| format!("[[package]]\nname = \"x\"\nversion = \"{version}\"\n");
        let other = "[[package]]\nname = \"y\"\nversion = \"1.0.0\"\n";
        other.to_owned() + &versions.iter().map(package).collect::<String>()
    }

    #[test]
    fn the_project_is_held_to_its_floors() {
        check(&crate::steps::root()).unwrap();
    }

    #[test]
    fn a_lock_below_a_floor_is_refused() {
        let manifest = manifest("\"48.0.8\"");
        for versions in [
            &["48.0.8"][..],
            &["48.0.9"],
            &["48.1.0"],
            &["49.0.0", "48.0.8"],
        ] {
            hold(FLOORS, &manifest, &lock(versions)).unwrap();
        }
        for versions in [
            &["48.0.7"][..],
            &["48.0.8-rc.1"],
            &["9.0.0"],
            &["49.0.0", "48.0.0"],
            &[],
        ] {
            let refused = hold(FLOORS, &manifest, &lock(versions)).unwrap_err();
            assert!(refused.to_string().contains("`x` is locked"), "{refused}");
        }
    }

    #[test]
    fn a_requirement_that_a_lower_version_meets_is_refused() {
        let lock = lock(&["48.0.8"]);
        for required in [
            "\"48.0.8\"",
            "{ version = \"48.0.8\" }",
            "\"48.0.9\"",
            "\"49.0.0\"",
        ] {
            hold(FLOORS, &manifest(required), &lock).unwrap();
        }
        for required in [
            "\"48\"",
            "\"48.0\"",
            "{ version = \"48.0.7\" }",
            "\">=48.0.0\"",
            "\"*\"",
        ] {
            let refused = hold(FLOORS, &manifest(required), &lock).unwrap_err();
            assert!(refused.to_string().contains("Cargo.toml asks"), "{refused}");
        }
    }

    #[test]
    fn a_floor_says_why() {
        let floors = FLOORS.replace("\"GHSA-1\"", "");
        let manifest = manifest("\"48.0.8\"");
        assert!(hold(&floors, &manifest, &lock(&["48.0.8"])).is_err());
        let misspelt = FLOORS.replace("advisories", "advisory");
        assert!(hold(&misspelt, &manifest, &lock(&["48.0.8"])).is_err());
    }
}
