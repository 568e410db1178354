//! Tests of the list in a file, as a host follows it.

mod continuity;
mod delivered;
mod entries;
mod reading;
mod signed;

use super::*;
use portcullis_model::timestamp::Timestamp;
use std::path::PathBuf;
use std::time::Duration;

const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);

fn revoked(id: &str) -> Revoked {
    Revoked {
        kind: Revocable::Credential,
        id: id.to_owned(),
        reason: "leaked".to_owned(),
        by: "alice@acme.example".to_owned(),
    }
}

fn file(name: &str) -> PathBuf {
    let file = std::env::temp_dir().join(format!("portcullis-{name}-{}.jsonl", std::process::id()));
    let _ = std::fs::remove_file(&file);
    file
}
