//! Adds to a revocation list.

use super::list::List;
use super::{Event, ListError, Record, Revoked};
use crate::Timestamp;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

/// Adds a line to the list in `file`: a revocation, or a checkpoint. The file is made if there is
/// none; while it is written to, other writers wait.
///
/// # Errors
///
/// [`ListError`] if it is not a list or cannot be written.
pub fn append(file: &Path, revoked: Option<Revoked>, at: Timestamp) -> Result<Record, ListError> {
    if let Some(revoked) = &revoked {
        revoked.could_be_found()?;
    }
    let mut writer = ListWriter::open(file)?;
    let record = writer.add(revoked, None, at)?;
    writer.write()?;
    Ok(record)
}

/// Adds what a security event revokes to the list in `file`, as [`append`] does. Nothing is added,
/// and nothing given, if it revokes nothing or is on the list already.
///
/// # Errors
///
/// [`ListError`] if it is not a list or cannot be written.
pub fn append_event(file: &Path, event: &Event, at: Timestamp) -> Result<Vec<Record>, ListError> {
    if event.revoked.is_empty() {
        return Ok(Vec::new());
    }
    event.revoked.iter().try_for_each(Revoked::could_be_found)?;
    let mut writer = ListWriter::open(file)?;
    if writer.list.events.contains(&event.id) {
        return Ok(Vec::new());
    }
    let records = event
        .revoked
        .iter()
        .map(|revoked| writer.add(Some(revoked.clone()), Some(&event.id), at))
        .collect::<Result<_, _>>()?;
    writer.write()?;
    Ok(records)
}

/// A list that is added to; other writers wait.
struct ListWriter<'a> {
    path: &'a Path,
    file: File,
    list: List,
    lines: String,
}

impl<'a> ListWriter<'a> {
    fn open(path: &'a Path) -> Result<Self, ListError> {
        let unwritable = |error: io::Error| ListError::Read(format!("{}: {error}", path.display()));
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .map_err(unwritable)?;
        file.lock().map_err(unwritable)?;
        let list = List::read(path)?;
        if list.bytes_read != file.metadata().map_err(unwritable)?.len() {
            let message =
                "it has no end: somebody was cut off while writing it; remove it".to_owned();
            return Err(ListError::Line {
                line: list.lines_read + 1,
                message,
            });
        }
        Ok(Self {
            path,
            file,
            list,
            lines: String::new(),
        })
    }

    /// Adds a line, which [`ListWriter::write`] writes.
    fn add(
        &mut self,
        mut revoked: Option<Revoked>,
        event: Option<&str>,
        at: Timestamp,
    ) -> Result<Record, ListError> {
        if let Some(revoked) = &mut revoked {
            revoked.withhold_tokens();
        }
        let list = &mut self.list;
        list.epoch += u64::from(revoked.is_some());
        let record = Record {
            epoch: list.epoch,
            at: list.as_of.map_or(at, |as_of| as_of.max(at)),
            revoked,
            event: event.map(str::to_owned),
        };
        list.as_of = Some(record.at);
        let line =
            serde_json::to_string(&record).map_err(|error| ListError::Read(error.to_string()))?;
        self.lines.push_str(&line);
        self.lines.push('\n');
        Ok(record)
    }

    fn write(mut self) -> Result<(), ListError> {
        let path = self.path;
        let unwritable = |error: io::Error| ListError::Read(format!("{}: {error}", path.display()));
        self.file
            .write_all(self.lines.as_bytes())
            .map_err(unwritable)?;
        self.file.sync_data().map_err(unwritable)
    }
}
