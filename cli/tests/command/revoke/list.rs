//! Files that are no revocation list.

use super::{recording, with};
use crate::common::Runs;
use portcullis_host::Timestamp;
use std::fs;

#[cfg(unix)]
#[test]
fn does_not_wait_for_a_fifo() {
    let folder = recording();
    let list = folder.path().join("revocations.jsonl");
    fs::remove_file(&list).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&list).status();
    assert!(made.unwrap().success());
    let mut runs = Runs::default();
    for command in [
        "check",
        "revoke --checkpoint",
        "revoke credential jti-1 --reason r --by b --unknown",
    ] {
        let arguments: Vec<_> = command.split(' ').collect();
        runs.add(command, folder.run(&arguments));
    }
    fs::remove_file(&list).unwrap();
    std::os::unix::fs::symlink(&list, &list).unwrap();
    runs.add("check, with a link to itself", folder.run(&["check"]));
    runs.is(snapbox::file!["fifo.txt"]);
    fs::remove_file(&list).unwrap();
    folder.run(&["revoke", "--checkpoint"]).exits(0);
    folder.run(&["check"]).exits(0);
}

#[test]
fn refuses_a_last_line_without_an_end() {
    let folder = recording();
    let whole = folder.read("revocations.jsonl");
    let now = Timestamp::now();
    let line = format!(
        "{{\"epoch\":1,\"at\":\"{now}\",\"kind\":\"credential\",\"id\":\"jti-1\",\"reason\":\"r\",\"by\":\"b\"}}"
    );
    let mut runs = Runs::default();
    for (what, unended) in [
        ("a whole line", line.as_str()),
        ("half a line", &line[..30]),
        ("no JSON", "x"),
    ] {
        folder.write("revocations.jsonl", format!("{whole}{unended}"));
        runs.add(what, folder.run(&["check"]));
    }
    runs.is(snapbox::file!["no-line-end.txt"]);
    folder.write("revocations.jsonl", format!("{whole}{line}\n"));
    folder.run(&["check"]).exits(0);
    folder.evaluate(&with("jti-1")).exits(2);
}
