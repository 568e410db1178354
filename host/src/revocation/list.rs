//! A revocation list, as far as it was read.

use super::{ListError, Record, Revocable, Revoked};
use crate::Timestamp;
use crate::followed::{FileIdentity, identity_of};
use crate::timestamp::CLOCK_LEEWAY;
use portcullis_contract::{has_well_known_token, withheld};
use sha2::{Digest as _, Sha256};
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

/// What was read of the file so far.
#[derive(Debug, Default)]
pub(super) struct List {
    pub(super) epoch: u64,
    pub(super) as_of: Option<Timestamp>,
    /// What is revoked, each with the epoch from which on it is.
    pub(super) revoked: HashMap<Revocable, HashMap<String, (u64, Revoked)>>,
    /// The security events that are on it.
    pub(super) events: HashSet<String>,
    pub(super) bytes_read: u64,
    pub(super) lines_read: usize,
    /// The lines that have text which looks like a secret.
    pub(super) lines_with_tokens: Vec<usize>,
    /// The hash of what was read, to tell another file in the place of this one.
    hash: Sha256,
    pub(super) file: Option<FileIdentity>,
    pub(super) error: Option<ListError>,
}

/// How far a list was read.
pub(super) struct Position {
    pub(super) bytes_read: u64,
    hash: Sha256,
    file: Option<FileIdentity>,
}

/// What was added to a list.
pub(super) struct Added {
    lines: String,
    file: FileIdentity,
}

impl Added {
    /// Reads what was added since `known`. If another file is in the place of the one that was read, it
    /// has to begin with all that was read.
    pub(super) fn read(file: &Path, known: &Position) -> Result<Self, ListError> {
        let unreadable = |error: io::Error| ListError::Read(format!("{}: {error}", file.display()));
        let mut opened = File::open(file).map_err(unreadable)?;
        let metadata = opened.metadata().map_err(unreadable)?;
        if metadata.len() < known.bytes_read {
            return Err(ListError::Rewritten);
        }
        let identity = identity_of(&metadata);
        if known.file == Some(identity) {
            opened
                .seek(SeekFrom::Start(known.bytes_read))
                .map_err(unreadable)?;
        } else {
            let mut before = Sha256::new();
            let mut begin = (&mut opened).take(known.bytes_read);
            io::copy(&mut begin, &mut HashWriter(&mut before)).map_err(unreadable)?;
            if before.finalize() != known.hash.clone().finalize() {
                return Err(ListError::Rewritten);
            }
        }
        let mut lines = String::new();
        opened.read_to_string(&mut lines).map_err(unreadable)?;
        Ok(Self {
            lines,
            file: identity,
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

impl List {
    pub(super) fn read(file: &Path) -> Result<Self, ListError> {
        let mut list = Self::default();
        let added = Added::read(file, &list.position())?;
        list.take_up(added, &mut Vec::new())?;
        Ok(list)
    }

    pub(super) fn position(&self) -> Position {
        Position {
            bytes_read: self.bytes_read,
            hash: self.hash.clone(),
            file: self.file,
        }
    }

    /// Takes up the lines that were added. One that is still being written waits for the next time.
    pub(super) fn take_up(
        &mut self,
        added: Added,
        new: &mut Vec<(u64, Revoked)>,
    ) -> Result<(), ListError> {
        self.file = Some(added.file);
        for line in added.lines.split_inclusive('\n') {
            if !line.ends_with('\n') {
                break;
            }
            new.extend(self.add(line)?);
            self.hash.update(line.as_bytes());
            self.bytes_read += line.len() as u64;
            self.lines_read += 1;
        }
        Ok(())
    }

    /// Adds a line, and gives what it revokes.
    fn add(&mut self, line: &str) -> Result<Option<(u64, Revoked)>, ListError> {
        let wrong = |message: String| ListError::Line {
            line: self.lines_read + 1,
            message: withheld(&message),
        };
        let mut record: Record =
            serde_json::from_str(line).map_err(|error| wrong(error.to_string()))?;
        let expected = self.epoch + u64::from(record.revoked.is_some());
        if record.epoch != expected {
            return Err(wrong(format!(
                "its epoch is {}, and {expected} comes next",
                record.epoch
            )));
        }
        if record.at > Timestamp::now().plus(CLOCK_LEEWAY) {
            return Err(wrong(
                "it is from the future, and would never be stale".to_owned(),
            ));
        }
        if self.as_of.is_some_and(|as_of| record.at < as_of) {
            return Err(wrong("it is earlier than the line before it".to_owned()));
        }
        self.epoch = record.epoch;
        self.as_of = Some(record.at);
        self.events.extend(record.event);
        // What revokes a credential names it, often with hexadecimal digits.
        let mut has_token = has_well_known_token(line);
        if let Some(revoked) = &mut record.revoked {
            has_token |= revoked.withhold_tokens();
        }
        if has_token {
            self.lines_with_tokens.push(self.lines_read + 1);
        }
        let new = record.revoked.clone();
        if let Some(revoked) = record.revoked {
            let of_kind = self.revoked.entry(revoked.kind).or_default();
            let from = record.epoch;
            of_kind.entry(revoked.id.clone()).or_insert((from, revoked));
        }
        Ok(new.map(|revoked| (record.epoch, revoked)))
    }
}
