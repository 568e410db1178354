//! Decision logs.
//!
//! The first byte selects a valid log, to whose head the others, as its lines, are held.
//!
//! - A log is verified only if it begins with all lines that its head counts, byte for byte.
//! - Its lines are read in order, each as one line of the text.

use crate::Read;
use portcullis_host::log;
use std::path::Path;

/// Logs of the repository, each with its head.
const LOGS: [(&str, &str); 3] = [
    (
        include_str!("../../../cases/demands/20-edited-log-is-refused/decisions.jsonl"),
        include_str!("../../../cases/demands/20-edited-log-is-refused/decisions.jsonl.head"),
    ),
    (
        include_str!(
            "../../../cases/demands/25-posture-report-compares-two-periods/decisions.jsonl"
        ),
        include_str!(
            "../../../cases/demands/25-posture-report-compares-two-periods/decisions.jsonl.head"
        ),
    ),
    (
        include_str!("../../../cases/demands/27-dormant-identity-is-reported/decisions.jsonl"),
        include_str!("../../../cases/demands/27-dormant-identity-is-reported/decisions.jsonl.head"),
    ),
];

pub(super) fn run(input: &[u8]) -> Read {
    let Some((choice, text)) = input.split_first() else {
        return Read::Refused;
    };
    let (whole, head) = LOGS[usize::from(*choice) % LOGS.len()];
    let text = ended(text);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("decisions.jsonl");
    std::fs::write(&path, &text).expect("a file");
    std::fs::write(folder.path().join("decisions.jsonl.head"), head).expect("a file");
    let lines = expect_in_order(&path, &text);
    match log::verify(&path) {
        Ok(verified) => {
            assert!(
                text.starts_with(whole.as_bytes()),
                "a log that was changed is verified"
            );
            assert_eq!(lines, Some(verified.entries), "lines that are not counted");
            let counted = whole.lines().count() as u64;
            assert_eq!(verified.entries - verified.behind_head, counted);
            Read::Accepted
        }
        Err(error) => {
            assert!(text != whole.as_bytes(), "a whole log is refused: {error}");
            assert!(!error.to_string().is_empty());
            Read::Refused
        }
    }
}

/// The text with an end of its last line, except for a few texts.
///
/// A reader waits a tenth of a second for the end of a line that a host may be writing.
pub(super) fn ended(text: &[u8]) -> Vec<u8> {
    let mut text = text.to_vec();
    if !text.ends_with(b"\n") && !text.len().is_multiple_of(32) {
        text.push(b'\n');
    }
    text
}

/// Reads all lines, and panics if one is no line of `text`; the number of lines, if all can be read.
fn expect_in_order(path: &Path, text: &[u8]) -> Option<u64> {
    let mut written = text.split(|byte| *byte == b'\n');
    let mut lines = 0;
    let read = log::read(path, |_, line, found, _| {
        lines += 1;
        assert_eq!(line as u64, lines);
        assert_eq!(written.next(), Some(found.as_bytes()));
        Ok(())
    });
    read.is_ok().then_some(lines)
}
