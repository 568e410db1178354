//! Named files on the command line.

use std::path::PathBuf;

/// Parses a name and a file, such as `alice@acme.example=keys/alice.json`.
pub(crate) fn named(text: &str) -> Result<(String, PathBuf), String> {
    match text.rsplit_once('=') {
        Some((name, file)) if !name.is_empty() && !file.is_empty() => {
            Ok((name.to_owned(), PathBuf::from(file)))
        }
        _ => Err("expected NAME=FILE, such as `alice@acme.example=keys/alice.json`".to_owned()),
    }
}
