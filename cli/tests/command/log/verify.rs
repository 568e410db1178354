//! Logs that were edited, cut or lost.

use super::{recorded, with_sealed_files};
use crate::common::{Folder, Ran, Runs, each};
use portcullis_host::Pdp;
use serde_json::Value;
use snapbox::str;
use std::fs;

fn verify(folder: &Folder, more: &[&str]) -> Ran {
    folder.run(&[&["log", "verify", "decisions.jsonl"], more].concat())
}

#[test]
fn verify_reports_the_line_that_was_edited() {
    let folder = recorded();
    verify(&folder, &[]).is(str![[r#"
exit 0
-- stdout
whole 4 entries (keep its head elsewhere: [DIGEST])
"#]]);
    let json = verify(&folder, &["--format", "json"]).json();
    assert_eq!(
        (&json["whole"], &json["entries"]),
        (&true.into(), &4.into())
    );

    let log = folder.read("decisions.jsonl");
    folder.replace("decisions.jsonl", "/w/b", "/w/z");
    verify(&folder, &[]).is(str![[r#"
exit 3
-- stdout
broken decisions.jsonl:3: it does not follow from the line before it: that one was changed, or lines were removed, added or moved: restore the file, or move the log away and begin a new one
"#]]);
    folder.write("decisions.jsonl", log);
    let head = json["head"].as_str().unwrap();
    verify(&folder, &["--head", head]).is(str![[r#"
exit 0
-- stdout
whole 4 entries (keep its head elsewhere: [DIGEST])
"#]]);
    verify(&folder, &["--head", &head.replace('a', "b")]).is(str![[r#"
exit 3
-- stdout
broken no line has the given head: the log was recreated or truncated
"#]]);
}

#[cfg(unix)]
#[test]
fn a_log_that_cannot_be_read_is_no_broken_log() {
    let folder = recorded();
    fs::create_dir(folder.path().join("folder")).unwrap();
    let fifo = folder.path().join("fifo");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status();
    assert!(made.unwrap().success());
    let mut runs = Runs::default();
    for command in [
        "log verify none.jsonl",
        "log verify none.jsonl --format json",
        "log verify folder",
        "log verify fifo",
        "log verify decisions.jsonl/none.jsonl",
        "log verify decisions.jsonl --archive none",
        "log query none.jsonl",
        "log query folder",
        "log archive none.jsonl --to away",
        "log archive folder --to away",
        "replay none.jsonl",
        "replay folder",
        "posture report --log none.jsonl",
        "posture report --log folder",
        // Each of them reads a log that is there.
        "log verify decisions.jsonl",
    ] {
        runs.add(command, folder.run(&command.split(' ').collect::<Vec<_>>()));
    }
    runs.is(snapbox::file!["unread.txt"]);
}

#[test]
fn reports_an_edit_of_any_kind_at_its_line() {
    let folder = recorded();
    let whole = fs::read(folder.path().join("decisions.jsonl")).unwrap();
    let lines: Vec<_> = whole.split_inclusive(|byte| *byte == b'\n').collect();
    let text = String::from_utf8(lines[1].to_vec()).unwrap();
    let mut runs = Runs::default();
    for (edit, changed) in [
        (
            "another argument",
            text.replacen("/w/b", "/w/z", 1).into_bytes(),
        ),
        (
            "not UTF-8",
            [&lines[1][..40], b"\xff", &lines[1][40..]].concat(),
        ),
        ("NUL", [&lines[1][..40], b"\0", &lines[1][40..]].concat()),
        ("CR LF", text.replace('\n', "\r\n").into_bytes()),
        ("byte order mark", [b"\xef\xbb\xbf", lines[1]].concat()),
        ("empty line", [b"\n", lines[1]].concat()),
        (
            "another version",
            text.replacen("\"v\":2", "\"v\":3", 1).into_bytes(),
        ),
        (
            "another sequence",
            text.replacen("\"sequence\":2", "\"sequence\":18446744073709551615", 1)
                .into_bytes(),
        ),
    ] {
        folder.write(
            "decisions.jsonl",
            [lines[0], &changed, lines[2], lines[3]].concat(),
        );
        runs.add(edit, verify(&folder, &[]));
        let query = folder.run(&["log", "query", "decisions.jsonl"]);
        assert!(!query.err.contains("panicked"), "{query}");
    }
    runs.is(snapbox::file!["edits.txt"]);
    // The host reports the error as well, and does not panic.
    let last = String::from_utf8(lines[3].to_vec()).unwrap();
    let last = last.replacen("\"sequence\":4", "\"sequence\":18446744073709551615", 1);
    folder.write(
        "decisions.jsonl",
        [lines[0], lines[1], lines[2], last.as_bytes()].concat(),
    );
    let error = Pdp::from_file(folder.path().join("portcullis.toml")).unwrap_err();
    crate::common::equals(
        error,
        str![[r#"
[FOLDER]/portcullis.toml:7:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
[FOLDER]/portcullis.toml:13:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
[FOLDER]/portcullis.toml:20:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
[FOLDER]/portcullis.toml: error: [FOLDER]/decisions.jsonl is not a decision log that can be continued: its last line has the maximum number 18446744073709551615: it was edited: restore the file, or move the log away and begin a new one
"#]],
    );
}

#[cfg(unix)]
#[test]
fn check_warns_of_a_log_that_others_can_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = recorded();
    folder.run(&["check"]).is(str![[r#"
exit 0
-- stdout
pagemap-scan is off, the default: with it, wasmtime before 50 does not reset pages that are in swap
usable portcullis.toml: 3 integrations, 3 plugins
-- stderr
portcullis.toml:7:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
portcullis.toml:13:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
portcullis.toml:20:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
"#]]);
    let head = folder.path().join("decisions.jsonl.head");
    fs::set_permissions(head, fs::Permissions::from_mode(0o644)).unwrap();
    folder.run(&["check"]).is(str![[r#"
exit 0
-- stdout
pagemap-scan is off, the default: with it, wasmtime before 50 does not reset pages that are in swap
usable portcullis.toml: 3 integrations, 3 plugins
-- stderr
portcullis.toml:7:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
portcullis.toml:13:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
portcullis.toml:20:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
./decisions.jsonl.head: warning: it has mode 0644, so other users can read or change recorded decisions: `chmod 600` it
"#]]);
}

#[test]
fn accepts_a_kept_head_whose_line_was_archived() {
    let folder = with_sealed_files();
    let mut heads = Vec::new();
    portcullis_host::log::read(&folder.path().join("decisions.jsonl"), |_, _, line, _| {
        let head = portcullis_host::Digest::of(line.as_bytes()).to_string();
        heads.push(head.trim_start_matches("sha256:").to_owned());
        Ok(())
    })
    .unwrap();
    let archive = ["log", "archive", "decisions.jsonl", "--to", "away"];
    folder.run(&archive).exits(0);
    let held = |head: &str, more: &[&str]| verify(&folder, &[&["--head", head], more].concat());
    let with_archive = ["--archive", "away"];
    let last = heads.last().unwrap();
    for head in [&heads[0], &heads[1], last] {
        held(head, &with_archive).exits(0);
    }
    held(last, &[]).exits(0);
    held(&heads[1], &[]).is(str![[r#"
exit 1
-- stdout
whole 46 entries (keep its head elsewhere: [DIGEST])
note not read: lines 1 to 44, which are archived or accepted as missing: add `--archive`
not found no line that was read has the given head: it may be the head of lines 1 to 44, which are archived or accepted as missing: add `--archive`
"#]]);
    for record in folder.read("decisions.jsonl.archived").lines() {
        let record: Value = serde_json::from_str(record).unwrap();
        held(record["hash"].as_str().unwrap(), &[]).exits(0);
    }
    held(&"0".repeat(64), &with_archive).is(str![[r#"
exit 3
-- stdout
broken no line has the given head: the log was recreated or truncated
"#]]);
}

#[test]
fn check_refuses_a_log_that_the_host_would_not_start_with() {
    let folder = recorded();
    let log = folder.path().join("decisions.jsonl");
    let head = folder.path().join("decisions.jsonl.head");
    let (text, kept) = (folder.read("decisions.jsonl"), fs::read(&head).unwrap());
    let lines: Vec<_> = text.split_inclusive('\n').collect();
    let starts = || Pdp::from_file(folder.path().join("portcullis.toml")).is_ok();
    let check = || folder.run(&["check"]);
    let mut runs = Runs::default();
    for (edit, changed) in [
        ("cut", lines[..2].concat()),
        (
            "another argument",
            lines[..3].concat() + &lines[3].replacen("/w/c", "/w/z", 1),
        ),
        ("no JSON", lines[..3].concat() + "hello\n"),
        (
            "another version",
            lines[..3].concat() + &lines[3].replacen("\"v\":2", "\"v\":3", 1),
        ),
        ("empty", String::new()),
    ] {
        folder.write("decisions.jsonl", &changed);
        runs.add(edit, check());
        assert!(!starts());
    }
    fs::remove_file(&log).unwrap();
    runs.add("no latest file", check());
    runs.is(snapbox::file!["not-started.txt"]);
    each(
        [
            "log verify decisions.jsonl",
            "log query decisions.jsonl",
            "replay decisions.jsonl",
            "posture report --log decisions.jsonl",
        ],
        |command| folder.run(&command.split(' ').collect::<Vec<_>>()),
    )
    .is(str![[r##"
# log verify decisions.jsonl
exit 3
-- stdout
broken decisions.jsonl is missing, but other files of the log exist: if the host stopped while it created the file, it creates it at the next start; otherwise restore the file, or move the log away and begin a new one

# log query decisions.jsonl
exit 3
-- stderr
error: decisions.jsonl is missing, but other files of the log exist: if the host stopped while it created the file, it creates it at the next start; otherwise restore the file, or move the log away and begin a new one

# replay decisions.jsonl
exit 3
-- stderr
portcullis.toml:7:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
portcullis.toml:13:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
portcullis.toml:20:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
decisions.jsonl: error: a host does not start with it: it is missing, and the log had 4 lines: lines at its end are gone: restore the file, or move the log away and begin a new one

# posture report --log decisions.jsonl
exit 3
-- stderr
portcullis.toml:7:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
portcullis.toml:13:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
portcullis.toml:20:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
decisions.jsonl: error: a host does not start with it: it is missing, and the log had 4 lines: lines at its end are gone: restore the file, or move the log away and begin a new one
"##]]);
    fs::write(&log, &text).unwrap();
    fs::remove_file(&head).unwrap();
    check().is(str![[r#"
exit 3
-- stderr
portcullis.toml:7:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
portcullis.toml:13:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
portcullis.toml:20:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
./decisions.jsonl: warning: it has mode 0644, so other users can read or change recorded decisions: `chmod 600` it
decisions.jsonl: error: a host does not start with it: decisions.jsonl.head is missing or damaged, so lines at the end may be gone: restore the file, or move the log away and begin a new one
"#]]);
    fs::write(&head, kept).unwrap();
    check().is(str![[r#"
exit 0
-- stdout
pagemap-scan is off, the default: with it, wasmtime before 50 does not reset pages that are in swap
usable portcullis.toml: 3 integrations, 3 plugins
-- stderr
portcullis.toml:7:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
portcullis.toml:13:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
portcullis.toml:20:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
./decisions.jsonl: warning: it has mode 0644, so other users can read or change recorded decisions: `chmod 600` it
./decisions.jsonl.head: warning: it has mode 0644, so other users can read or change recorded decisions: `chmod 600` it
"#]]);
    // The host removes a line that a crash truncated.
    fs::write(&log, text.clone() + "{\"v\":2").unwrap();
    check().exits(0);
    assert!(starts());
}
