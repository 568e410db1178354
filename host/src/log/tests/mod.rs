//! Tests of the decision log in a folder.

mod archive;
mod damage;
mod files;
mod place;
mod resume;
mod writing;

use super::*;
use crate::RequestLimits;
use portcullis_model::cause::Cause;
use portcullis_model::request::{Principal, Resource};
use serde_json::json;
use std::fs;
use std::path::Path;

const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder =
            std::env::temp_dir().join(format!("portcullis-log-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn log(&self) -> PathBuf {
        self.0.join("decisions.jsonl")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn request(n: u32) -> Request {
    Request::builder(
        "x",
        Principal {
            id: "agent-x".into(),
            ..Principal::default()
        },
        "a",
        Resource::default(),
    )
    .arguments(json!({ "n": n, "password": "hunter2" }))
    .build(&RequestLimits::default())
    .unwrap()
}

fn record(log: &DecisionLog, n: u32) -> Result<(), LogError> {
    let repeats = "`/password` is `hunter2`";
    let decision = Decision::deny(Cause::PluginDenied, repeats).named();
    log.record(&request(n), &decision, NOW)
}

fn agent() -> Principal {
    Principal {
        id: "agent-x".into(),
        ..Principal::default()
    }
}

/// Number of decisions in an intact log.
fn decisions(path: &Path) -> u64 {
    verify(path).unwrap();
    let mut decisions = 0;
    read(path, |_, _, _, entry| {
        decisions += u64::from(matches!(entry.event, Event::Decision(_)));
        Ok(())
    })
    .unwrap();
    decisions
}

fn options(path: &Path) -> LogOptions {
    LogOptions {
        mask: Mask::new(["/password"]).unwrap(),
        ..LogOptions::new(path)
    }
}

/// A log of several sealed files, and its options.
fn sealed(name: &str) -> (Folder, LogOptions) {
    let folder = Folder::new(name);
    let options = LogOptions {
        max_file_bytes: 2000,
        ..options(&folder.log())
    };
    let log = DecisionLog::open(options.clone()).unwrap();
    (0..30).for_each(|n| record(&log, n).unwrap());
    drop(log);
    assert!(folder.0.join("decisions.000004.jsonl").exists());
    (folder, options)
}

fn chain_of(folder: &Folder) -> Vec<PathBuf> {
    (1..)
        .map(|number| crate::log::files::numbered(&folder.log(), number))
        .take_while(|file| file.exists())
        .collect()
}

fn head_of(folder: &Folder) -> PathBuf {
    folder.0.join("decisions.jsonl.head")
}

fn set_len(file: &Path, bytes: usize) {
    let file = fs::OpenOptions::new().write(true).open(file).unwrap();
    file.set_len(bytes as u64).unwrap();
}
