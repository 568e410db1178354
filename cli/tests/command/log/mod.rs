//! `portcullis log`, `portcullis replay` and `portcullis diff`.

mod archive;
mod candidate;
mod diff;
mod query;
mod replay;
mod verify;

use crate::common::{Folder, Request};

/// A call of the tool `read`.
fn read(path: &str) -> Request {
    Request::new("files", "read").argument("path", path)
}

/// Creates a folder with a log of four requests.
fn recorded() -> Folder {
    let folder = Folder::with_plugins();
    folder.configure("log = { path = \"decisions.jsonl\" }");
    let pdp = folder.host();
    for path in ["/w/a", "/w/b", "/etc/x", "/w/c"] {
        let _recorded = read(path).decide(&pdp);
    }
    folder
}

/// Creates a folder whose log has several sealed files.
fn with_sealed_files() -> Folder {
    let folder = Folder::with_plugins();
    folder.configure("log = { path = \"decisions.jsonl\", max-file-bytes = 65536 }");
    let pdp = folder.host();
    let path = "x".repeat(4000);
    for _ in 0..40 {
        let _recorded = read(&path).decide(&pdp);
    }
    folder
}

#[test]
fn escapes_control_characters_of_a_log() {
    let folder = recorded();
    // Only an edit can write raw control characters: the host escapes them.
    let log = folder.read("decisions.jsonl");
    let edited = log.replacen("/w/c", "/w/\u{202e}\u{9b}31mc", 1);
    folder.write("decisions.jsonl", &edited);
    for command in [
        "log query decisions.jsonl",
        "log verify decisions.jsonl",
        "log verify decisions.jsonl --format json",
        "replay decisions.jsonl",
        "posture report --log decisions.jsonl",
        "posture report --log decisions.jsonl --format json",
    ] {
        let ran = folder.run(&command.split(' ').collect::<Vec<_>>());
        let said = format!("{}{}", ran.out, ran.err);
        let hidden = ['\u{202e}', '\u{9b}', '\u{1b}', '\r'];
        assert!(!said.contains(hidden), "{command}: {said:?}");
    }
    let query = folder.run(&["log", "query", "decisions.jsonl", "--sequence", "4"]);
    assert_eq!(
        query.json()["request"]["action"]["properties"]["path"],
        "/w/\u{202e}\u{9b}31mc"
    );
}
