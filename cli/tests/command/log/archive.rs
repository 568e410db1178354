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
    archive(&[]).is(str![[r#"
exit 1
-- stderr
error: the following required arguments were not provided:
  --to <TO>

Usage: portcullis log archive --to <TO> <FILE>

For more information, try '--help'.
"#]]);
    archive(&["--to", "away", "--keep", "1"]).is(str![[r#"
exit 0
-- stdout
{"v":1,"file":1,"first":1,"last":14,"previous":"the beginning","hash":"[DIGEST]","digest":"sha256:[DIGEST]","moved-to":"[FOLDER]/away","at":"[TIME]"}
{"v":1,"file":2,"first":15,"last":29,"previous":"[DIGEST]","hash":"[DIGEST]","digest":"sha256:[DIGEST]","moved-to":"[FOLDER]/away","at":"[TIME]"}
-- stderr
file 1, lines 1 to 14: archived in [FOLDER]/away
file 2, lines 15 to 29: archived in [FOLDER]/away
"#]]);
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
        .is(str![[r#"
exit 3
-- stdout
broken missing: decisions.000003.jsonl: restore files that were moved by hand, and move them with `portcullis log archive`; if the oldest files are lost for good, record that with `portcullis log archive --accept-missing`
"#]]);
    archive(&["--accept-missing"]).is(str![[r#"
exit 0
-- stdout
{"v":1,"file":3,"first":30,"last":44,"previous":"[DIGEST]","hash":"[DIGEST]","at":"[TIME]"}
-- stderr
file 3, lines 30 to 44: accepted as missing
"#]]);
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
    .is(str![[r#"
# --archive away
exit 0
-- stdout
whole 46 entries (keep its head elsewhere: [DIGEST])

# --archive empty
exit 3
-- stdout
broken missing: empty/decisions.000001.jsonl, empty/decisions.000002.jsonl, empty/decisions.000003.jsonl, which are recorded as archived: name the folder that they were moved to, or restore them there

# --archive gone
exit 1
-- stderr
error: cannot read the archive gone: No such file or directory (os error 2): name the folder that `portcullis log archive` moved files to
"#]]);
    folder.remove("away/decisions.000001.jsonl");
    verify("--archive away").is(str![[r#"
exit 3
-- stdout
broken missing: away/decisions.000001.jsonl, which are recorded as archived: name the folder that they were moved to, or restore them there
"#]]);
    verify("").is(str![[r#"
exit 0
-- stdout
whole 46 entries (keep its head elsewhere: [DIGEST])
note not read: lines 1 to 44, which are archived or accepted as missing: add `--archive`
"#]]);
}

#[test]
fn creates_nothing_for_a_file_that_is_no_log() {
    let folder = recorded();
    let archive = |log: &str, to: &[&str]| folder.run(&[&["log", "archive", log], to].concat());
    let elsewhere = ["--to", "elsewhere"];
    archive("nolog.jsonl", &elsewhere).is(str![[r#"
exit 1
-- stderr
error: cannot read nolog.jsonl: No such file or directory (os error 2): name the latest file of the log, which is `path` under `[log]` of the configuration
"#]]);
    archive("nolog.jsonl", &["--accept-missing"]).is(str![[r#"
exit 1
-- stderr
error: cannot read nolog.jsonl: No such file or directory (os error 2): name the latest file of the log, which is `path` under `[log]` of the configuration
"#]]);
    for name in ["elsewhere", "nolog.jsonl.archiving", "nolog.jsonl"] {
        assert!(!folder.path().join(name).exists(), "{name}");
    }
    // A file with a higher number than the latest file expects is reported by name.
    folder.write("decisions.000020.jsonl", "");
    archive("decisions.jsonl", &elsewhere).is(str![[r#"
exit 1
-- stderr
error: cannot archive decisions.000020.jsonl: it is no sealed file of this log, whose latest file has number 1: move it away
"#]]);
    folder.remove("decisions.000020.jsonl");
    archive("decisions.jsonl", &elsewhere).is(str![[r#"
exit 0
-- stderr
there is no sealed file to archive
"#]]);
}
