//! `portcullis log archive`.

use super::{recorded, with_sealed_files};
use crate::common::each;
use snapbox::str;
use std::fs;

#[test]
fn verifies_archived_files_with_their_folder() {
    let folder = with_sealed_files();
    let archive =
        |more: &[&str]| folder.run(&[&["log", "archive", "decisions.jsonl"], more].concat());
    archive(&[]).is(str![""]);
    archive(&["--to", "away", "--keep", "1"]).is(str![""]);
    let verify = |more: &[&str]| {
        let arguments = ["log", "verify", "decisions.jsonl", "--format", "json"];
        let ran = folder.run(&[&arguments, more].concat());
        ran.exits(0).json()["first"].as_u64()
    };
    assert!(verify(&[]) > Some(1));
    assert_eq!(verify(&["--archive", "away"]), Some(1));
    folder.run(&["replay", "decisions.jsonl"]).exits(0);
    // A missing file that is not recorded as archived is reported by name.
    let sealed = (2..9).map(|n| format!("decisions.{n:06}.jsonl"));
    let sealed = sealed
        .map(|name| folder.path().join(name))
        .find(|file| file.exists())
        .unwrap();
    fs::remove_file(&sealed).unwrap();
    folder
        .run(&["log", "verify", "decisions.jsonl"])
        .is(str![""]);
    archive(&["--accept-missing"]).is(str![""]);
    verify(&[]);
}

#[test]
fn verifies_an_archive_with_every_recorded_file() {
    let folder = with_sealed_files();
    let archive = ["log", "archive", "decisions.jsonl", "--to", "away"];
    folder.run(&archive).exits(0);
    fs::create_dir(folder.path().join("empty")).unwrap();
    let verify = |archive: &str| {
        let more: Vec<_> = archive.split_whitespace().collect();
        folder.run(&[&["log", "verify", "decisions.jsonl"], &more[..]].concat())
    };
    each(
        ["--archive away", "--archive empty", "--archive gone"],
        |archive| verify(archive),
    )
    .is(str![""]);
    folder.remove("away/decisions.000001.jsonl");
    verify("--archive away").is(str![""]);
    verify("").is(str![""]);
}

#[test]
fn creates_nothing_for_a_file_that_is_no_log() {
    let folder = recorded();
    let archive = |log: &str, to: &[&str]| folder.run(&[&["log", "archive", log], to].concat());
    let elsewhere = ["--to", "elsewhere"];
    archive("nolog.jsonl", &elsewhere).is(str![""]);
    archive("nolog.jsonl", &["--accept-missing"]).is(str![""]);
    for name in ["elsewhere", "nolog.jsonl.archiving", "nolog.jsonl"] {
        assert!(!folder.path().join(name).exists(), "{name}");
    }
    // A file with a higher number than the latest file expects is reported by name.
    folder.write("decisions.000020.jsonl", "");
    archive("decisions.jsonl", &elsewhere).is(str![""]);
    folder.remove("decisions.000020.jsonl");
    archive("decisions.jsonl", &elsewhere).is(str![""]);
}
