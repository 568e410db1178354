//! Adds to a revocation list.

use super::head::{HeadKey, Signers};
use super::list::List;
use super::{Event, ListError, Record, Revoked, ids};
use crate::Timestamp;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;

/// Adds a line to the list in `file`: a revocation, or a checkpoint. The file is made if there is
/// none; while it is written to, other writers wait.
///
/// # Errors
///
/// [`ListError`] if it is not a list or cannot be written.
pub fn append(file: &Path, revoked: Option<Revoked>, at: Timestamp) -> Result<Record, ListError> {
    let revoked = revoked.map(normal).transpose()?;
    let writer = ListWriter::open(file)?;
    match revoked {
        Some(revoked) => writer.revoke(revoked, at),
        None => writer.checkpoint(at),
    }
}

/// Adds what a security event revokes to the list in `file`, as [`append`] does. What the list has from
/// an event of that name is not added again.
///
/// # Errors
///
/// [`ListError`] if it is not a list or cannot be written.
pub fn append_event(file: &Path, event: &Event, at: Timestamp) -> Result<Vec<Record>, ListError> {
    if event.revoked.is_empty() {
        return Ok(Vec::new());
    }
    ListWriter::open(file)?.event(event, at)
}

/// A list that is added to; other writers wait for as long as there is one.
#[derive(Debug)]
pub struct ListWriter<'a> {
    path: &'a Path,
    file: File,
    list: List,
    lines: String,
    key: Option<&'a HeadKey>,
}

impl<'a> ListWriter<'a> {
    /// Opens the list in `path`, or makes it.
    ///
    /// # Errors
    ///
    /// [`ListError`] if it is not a list or cannot be written.
    pub fn open(path: &'a Path) -> Result<Self, ListError> {
        Self::open_signed(path, None, None)
    }

    /// Opens the list in `path`, or makes it. What is added is signed with `key`. Where `signers` are
    /// given, the list has to end with a head of one of them, unless it has no head at all.
    ///
    /// # Errors
    ///
    /// [`ListError`] if it is not a list or cannot be written.
    pub fn open_signed(
        path: &'a Path,
        key: Option<&'a HeadKey>,
        signers: Option<Arc<Signers>>,
    ) -> Result<Self, ListError> {
        let unwritable = |error: io::Error| ListError::Read(format!("{}: {error}", path.display()));
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .map_err(unwritable)?;
        file.lock().map_err(unwritable)?;
        let list = List::read(path, signers)?;
        if list.has_head()
            && let Some(error) = list.refuse_unsigned_end()
        {
            return Err(error);
        }
        Ok(Self {
            path,
            file,
            list,
            lines: String::new(),
            key,
        })
    }

    /// Revokes something.
    ///
    /// # Errors
    ///
    /// [`ListError`] if no request could be known by its id, or the list cannot be written.
    pub fn revoke(mut self, revoked: Revoked, at: Timestamp) -> Result<Record, ListError> {
        let record = Record {
            revoked: Some(normal(revoked)?),
            ..Record::checkpoint(0, at)
        };
        let record = self.add(record)?;
        self.write(at)?;
        Ok(record)
    }

    /// Ends a revocation that was a mistake. Its line stays, and this is another.
    ///
    /// # Errors
    ///
    /// [`ListError::NotRevoked`] if it is not revoked, and others if the list cannot be written.
    pub fn lift(mut self, lifted: Revoked, at: Timestamp) -> Result<Record, ListError> {
        let lifted = normal(lifted)?;
        let epoch = self.list.epoch;
        if self
            .list
            .find(lifted.kind, &lifted.id, None, epoch)
            .is_none()
        {
            return Err(ListError::NotRevoked(lifted.id));
        }
        let record = Record {
            revoked: Some(lifted),
            lifts: true,
            ..Record::checkpoint(0, at)
        };
        let record = self.add(record)?;
        self.write(at)?;
        Ok(record)
    }

    /// Says that the list is whole as of `at`.
    ///
    /// # Errors
    ///
    /// [`ListError`] if the list cannot be written.
    pub fn checkpoint(mut self, at: Timestamp) -> Result<Record, ListError> {
        let record = Record::checkpoint(self.list.epoch, self.list.no_earlier(at));
        if self.key.is_none() {
            self.add(record.clone())?;
        }
        self.write(at)?;
        Ok(record)
    }

    /// Adds what a security event revokes. What the list has from an event of that name is not added
    /// again; what it has not is, as a conflict.
    ///
    /// # Errors
    ///
    /// [`ListError`] if no request could be known by an id, or the list cannot be written.
    pub fn event(mut self, event: &Event, at: Timestamp) -> Result<Vec<Record>, ListError> {
        let known = self.list.events.get(&event.id).cloned();
        let conflict = known.is_some();
        let known = known.unwrap_or_default();
        let mut records = Vec::new();
        for revoked in &event.revoked {
            let revoked = normal(revoked.clone())?;
            let id = ids::key(revoked.kind, &revoked.id).id.into_owned();
            if known.contains(&(revoked.kind, id)) {
                continue;
            }
            records.push(self.add(Record {
                revoked: Some(revoked),
                domains: event.domains.clone(),
                event: Some(event.id.clone()),
                conflict,
                ..Record::checkpoint(0, at)
            })?);
        }
        if !records.is_empty() {
            self.write(at)?;
        }
        Ok(records)
    }

    /// Adds a line, which [`ListWriter::write`] writes. Its epoch and time follow from the list.
    fn add(&mut self, mut record: Record) -> Result<Record, ListError> {
        if let Some(revoked) = &mut record.revoked {
            revoked.withhold_tokens();
        }
        let is_change = u64::from(record.revoked.is_some());
        record.epoch = self.list.epoch.saturating_add(is_change);
        record.at = self.list.no_earlier(record.at);
        let mut line =
            serde_json::to_string(&record).map_err(|error| ListError::Read(error.to_string()))?;
        line.push('\n');
        self.list.add(&line)?;
        self.lines.push_str(&line);
        Ok(record)
    }

    fn write(mut self, at: Timestamp) -> Result<(), ListError> {
        if let Some(key) = self.key {
            let position = self.list.signed_position(self.list.no_earlier(at));
            let head = Some(key.sign(&position)?);
            let checkpoint = Record::checkpoint(position.epoch, position.at);
            self.add(Record { head, ..checkpoint })?;
        }
        let path = self.path;
        let unwritable = |error: io::Error| ListError::Read(format!("{}: {error}", path.display()));
        self.file
            .write_all(self.lines.as_bytes())
            .map_err(unwritable)?;
        self.file.sync_data().map_err(unwritable)
    }
}

fn normal(mut revoked: Revoked) -> Result<Revoked, ListError> {
    revoked.id = ids::normal_id(revoked.kind, &revoked.id)?;
    Ok(revoked)
}
