//! Lines that were added to the file of a list, read without a lock.

use super::{ListError, Record};
use crate::regular;
use crate::watched::{FileIdentity, Stamp, identity_of};
use portcullis_contract::{one_line, printable};
use sha2::{Digest as _, Sha256};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::time::SystemTime;

/// A line as parsed.
pub(super) type Parsed = Result<Record, serde_json::Error>;

pub(super) fn parse(line: &str) -> Parsed {
    serde_json::from_str(line.trim_end())
}

/// Message for a line that is not a list line, with the fix.
pub(super) fn no_record(line: &str, error: &serde_json::Error) -> String {
    if line.trim().is_empty() {
        return "it is blank: remove it".to_owned();
    }
    if line.starts_with('\u{feff}') {
        return "it begins with a byte order mark: save the list as UTF-8 without one".to_owned();
    }
    let why = error.to_string();
    // Each line is parsed by itself, so that the parser always reports line 1.
    let why = match why.rsplit_once(" at line ") {
        Some((why, _)) => format!("{why}, at column {}", error.column()),
        None => why,
    };
    let what = match error.classify() {
        serde_json::error::Category::Data => "it is no line of a list",
        _ => "it is not JSON",
    };
    // The line controls the names in it.
    let why = printable(&one_line(&why));
    format!("{what} ({why}): correct it, or restore the list from a copy")
}

/// Position up to which a list was read.
pub(super) struct Read {
    pub(super) bytes_read: u64,
    pub(super) lines_read: usize,
    pub(super) hash: Sha256,
    pub(super) file: Option<FileIdentity>,
    pub(super) is_compared: bool,
}

/// Lines that were added to a list, parsed.
pub(super) struct Added {
    pub(super) lines: Vec<(String, Parsed)>,
    pub(super) file: FileIdentity,
    pub(super) stamp: Stamp,
    pub(super) is_recent: bool,
    pub(super) was_compared: bool,
}

impl Added {
    /// Reads the lines that were added since `known`.
    ///
    /// Unless the file only grew, it must begin with the content that was read before.
    pub(super) fn read(file: &Path, known: &Read) -> Result<Self, ListError> {
        let unreadable = |error: io::Error| ListError::Read(format!("{}: {error}", file.display()));
        let mut opened = regular::open(file).map_err(unreadable)?;
        let metadata = opened.metadata().map_err(unreadable)?;
        if metadata.len() < known.bytes_read {
            return Err(ListError::Rewritten);
        }
        let (identity, stamp) = (identity_of(&metadata), Stamp::of(&metadata));
        let is_recent = stamp.is_recent(SystemTime::now());
        let only_grew = known.file == Some(identity) && metadata.len() > known.bytes_read;
        let was_compared = !only_grew || known.is_compared;
        if was_compared {
            let mut before = Sha256::new();
            let mut begin = (&mut opened).take(known.bytes_read);
            io::copy(&mut begin, &mut HashWriter(&mut before)).map_err(unreadable)?;
            if before.finalize() != known.hash.clone().finalize() {
                return Err(ListError::Rewritten);
            }
        } else {
            opened
                .seek(SeekFrom::Start(known.bytes_read))
                .map_err(unreadable)?;
        }
        let mut bytes = Vec::new();
        opened.read_to_end(&mut bytes).map_err(unreadable)?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let valid = error
                .as_bytes()
                .iter()
                .take(error.utf8_error().valid_up_to());
            ListError::Line {
                line: known.lines_read + 1 + valid.filter(|byte| **byte == b'\n').count(),
                message: "it is not UTF-8: correct it, or restore the list from a copy".to_owned(),
            }
        })?;
        // A list of many lines is parsed here, before it is locked against the decisions that look it up.
        let lines = text
            .split_inclusive('\n')
            .map(|line| (line.to_owned(), parse(line)))
            .collect();
        Ok(Self {
            lines,
            file: identity,
            stamp,
            is_recent,
            was_compared,
        })
    }
}

struct HashWriter<'a>(&'a mut Sha256);

impl io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
