//! Configurations, checked in a folder with the files that one may name.
//!
//! - Each problem has a file, a place in it and one printable line of text.
//! - There are not more problems than the text has bytes.
//! - A configuration is usable exactly if no problem is an error.

use crate::members::expect_printable;
use crate::{Read, key::Key};
use portcullis_host::config;
use portcullis_tests::raw;
use std::sync::LazyLock;

/// Files that a configuration may name, each with its content.
static FILES: LazyLock<[(&str, Vec<u8>); 6]> = LazyLock::new(|| {
    let answer =
        r#"(data (i32.const 1024) "\01\00\00\00\00\00") (data (i32.const 1000) "\00\04\00\00\06")"#;
    let module = raw::packed_module(answer, "(i32.const 1000)");
    let list = "{\"epoch\":0,\"at\":\"2026-11-22T09:00:00Z\"}\n";
    let registry = "[[identity]]\nid = \"spiffe://a.example/x\"\n";
    [
        ("raw.wasm", raw::packed_component(&module, "")),
        ("keys.json", Key::of(7).jwks("sig").into_bytes()),
        ("trust.json", Key::of(8).jwks("jwt-svid").into_bytes()),
        ("revocations.jsonl", list.into()),
        ("registry.toml", registry.into()),
        ("posture.json", b"{}".to_vec()),
    ]
});

pub(super) fn run(input: &[u8]) -> Read {
    let Ok(text) = std::str::from_utf8(input) else {
        return Read::Refused;
    };
    if names_other_folders(text) {
        return Read::Refused;
    }
    let folder = tempfile::tempdir().expect("a folder");
    for (name, content) in FILES.iter() {
        std::fs::write(folder.path().join(name), content).expect("a file");
    }
    let file = folder.path().join("portcullis.toml");
    std::fs::write(&file, text).expect("a file");
    let checked = config::check(&file);
    let problems = &checked.problems;
    assert!(
        problems.len() <= text.len() + 8,
        "{} problems",
        problems.len()
    );
    let lines = text.split('\n').count();
    for problem in problems {
        assert!(problem.file.starts_with(folder.path()), "{problem}");
        assert_eq!(problem.line == 0, problem.column == 0, "{problem}");
        if problem.file == file {
            assert!(problem.line <= lines, "{problem} of {lines} lines");
        }
        expect_printable(&problem.message);
        assert!(problem.message.len() < 8 * 1024, "{problem}");
    }
    let has_error = problems
        .iter()
        .any(|problem| problem.severity == config::Severity::Error);
    assert_eq!(checked.pdp.is_none(), has_error, "{problems:?}");
    match has_error {
        true => Read::Refused,
        false => Read::Accepted,
    }
}

/// True if a text may name a file outside the folder, which a check could then create or read.
fn names_other_folders(text: &str) -> bool {
    let is_absolute = |line: &str| {
        ["\"/", "'/"].iter().any(|begin| line.contains(begin)) && !line.starts_with("mask")
    };
    text.contains("..") || text.contains('\\') || text.lines().any(is_absolute)
}
