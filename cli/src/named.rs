//! Files that a command line gives names to.

use std::path::PathBuf;

/// A name and a file, such as `alice@acme.example=keys/alice.json`.
pub(crate) fn named(text: &str) -> Result<(String, PathBuf), String> {
    match text.rsplit_once('=') {
        Some((name, file)) if !name.is_empty() && !file.is_empty() => {
            Ok((name.to_owned(), PathBuf::from(file)))
        }
        _ => Err("expected NAME=FILE, such as `alice@acme.example=keys/alice.json`".to_owned()),
    }
}
