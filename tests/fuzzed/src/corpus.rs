//! The committed cases of the targets.

use anyhow::Context as _;
use std::fs;
use std::path::{Path, PathBuf};

/// A committed input.
#[derive(Debug, Clone)]
pub struct Case {
    /// Name of its file.
    pub name: String,
    /// The input.
    pub input: Vec<u8>,
}

/// Returns the folder with the cases of all targets.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

/// Returns the cases of a target, in the order of their names.
///
/// # Errors
///
/// If the folder or a case cannot be read.
pub fn cases(target: &str) -> anyhow::Result<Vec<Case>> {
    let folder = folder().join(target);
    let entries =
        fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut cases = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let input = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = name.into_owned();
        cases.push(Case { name, input });
    }
    cases.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(cases)
}
