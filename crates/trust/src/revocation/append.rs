//! Appends lines to a revocation list.

use super::entries::Taken;
use super::head::{HeadKey, Signers};
use super::list::List;
use super::{ListError, Part, Record, Revoked, ids};
use crate::regular;
use portcullis_model::file_error::unwritten;
use portcullis_model::marks::ListMark;
use portcullis_model::timestamp::Timestamp;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;

/// Appends a revocation or a checkpoint to the list in `file`.
///
/// The file is created if it is missing. It is locked during the write, so that other writers wait.
///
/// # Errors
///
/// [`ListError`] if the file is not a list or cannot be written.
pub fn append(file: &Path, revoked: Option<Revoked>, at: Timestamp) -> Result<Record, ListError> {
    let revoked = revoked.map(normal).transpose()?;
    let writer = ListWriter::open(file)?;
    match revoked {
        Some(revoked) => writer.revoke(revoked, at),
        None => writer.checkpoint(at),
    }
}

/// Appends the revocations of a security event to the list in `file`, as [`append`] does.
///
/// Revocations that the list already has from an event of that name are not appended again.
///
/// # Errors
///
/// [`ListError`] if the file is not a list or cannot be written, or if the event's revocations were all
/// appended before and lifted since.
pub fn append_event(file: &Path, event: &Event, at: Timestamp) -> Result<Vec<Record>, ListError> {
    if event.revoked.is_empty() {
        return Ok(Vec::new());
    }
    ListWriter::open(file)?
        .event(event, at)?
        .records_or_lifted()
}

/// Conditions for appending to a list.
#[derive(Debug, Default)]
pub struct Opening<'a> {
    /// Key that signs the heads of the list.
    pub key: Option<&'a HeadKey>,
    /// Signers of the list, if it must be signed.
    ///
    /// The list must end with a head of one of them, unless it has no head at all, and `key` must belong to
    /// one of them.
    pub signers: Option<Arc<Signers>>,
    /// Latest known mark of the list.
    ///
    /// Nothing is appended to an older list: the line would be lost once the latest list is restored.
    pub floor: Option<ListMark>,
    /// Signs a list whose last lines no signer signed. The signer vouches for them.
    pub sign_anew: bool,
}

/// Revocations of one security event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Issuer and `jti` of the event, by which the host recognises a repeated event.
    pub id: String,
    /// All ids of the subject to revoke; empty if the event requires no revocation.
    pub revoked: Vec<Revoked>,
    /// Trust domains that the issuer answers for. The event revokes only in these.
    pub domains: Vec<String>,
    /// Parts of the event that are not applied, with the reasons.
    pub left_out: Vec<String>,
}

/// Lines that were appended for a security event.
#[derive(Debug, Default)]
pub struct AddedOfEvent {
    /// New lines.
    pub records: Vec<Record>,
    /// Revocations of the event that were lifted, each with the epoch of the lift.
    ///
    /// They are not appended again.
    pub lifted: Vec<(String, u64)>,
}

impl AddedOfEvent {
    /// Returns the new lines.
    ///
    /// # Errors
    ///
    /// [`ListError::Lifted`] if there are none because the event's revocations were lifted.
    pub fn records_or_lifted(self) -> Result<Vec<Record>, ListError> {
        match self.lifted.into_iter().next() {
            Some((id, epoch)) if self.records.is_empty() => Err(ListError::Lifted { id, epoch }),
            _ => Ok(self.records),
        }
    }
}

/// A list that is open for appending. Other writers wait until it is dropped.
#[derive(Debug)]
pub struct ListWriter<'a> {
    path: &'a Path,
    file: File,
    list: List,
    lines: String,
    key: Option<&'a HeadKey>,
    signers: Option<Arc<Signers>>,
}

impl<'a> ListWriter<'a> {
    /// Opens or creates the list in `path`.
    ///
    /// # Errors
    ///
    /// [`ListError`] if the file is not a list or cannot be written.
    pub fn open(path: &'a Path) -> Result<Self, ListError> {
        Self::open_as(path, Opening::default())
    }

    /// Opens or creates the list in `path`, and signs new lines with `key`.
    ///
    /// If `signers` are given, the list must end with a head of one of them, unless it has no head at all.
    ///
    /// # Errors
    ///
    /// [`ListError`] if the file is not a list or cannot be written.
    pub fn open_signed(
        path: &'a Path,
        key: Option<&'a HeadKey>,
        signers: Option<Arc<Signers>>,
    ) -> Result<Self, ListError> {
        let opening = Opening {
            key,
            signers,
            ..Opening::default()
        };
        Self::open_as(path, opening)
    }

    /// Opens or creates the list in `path` under the conditions of `opening`.
    ///
    /// # Errors
    ///
    /// [`ListError`] if the file is not a list or cannot be written, or does not meet the conditions of
    /// `opening`.
    pub fn open_as(path: &'a Path, opening: Opening<'a>) -> Result<Self, ListError> {
        let Opening {
            key,
            signers,
            floor,
            sign_anew,
        } = opening;
        let known = floor.as_ref().map_or(0, |floor| floor.epoch);
        let mut options = OpenOptions::new();
        options.append(true).create(known == 0);
        let file = match regular::open_with(&mut options, path) {
            Ok(file) => file,
            Err(error) if known > 0 && error.kind() == io::ErrorKind::NotFound => {
                return Err(ListError::Behind { found: 0, known });
            }
            Err(error) => return Err(unwritable(path, &error)),
        };
        file.lock().map_err(|error| unwritable(path, &error))?;
        let list = List::read_held(path, signers.clone(), floor)?;
        if let Some(error @ (ListError::Behind { .. } | ListError::Another(_))) = list.unreliable()
        {
            return Err(error);
        }
        if list.has_head()
            && !sign_anew
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
            signers,
        })
    }

    /// Appends a revocation.
    ///
    /// # Errors
    ///
    /// [`ListError`] if no request could match its id, or the list cannot be written.
    pub fn revoke(mut self, revoked: Revoked, at: Timestamp) -> Result<Record, ListError> {
        let record = self.add_revocation(revoked, at)?;
        self.write(at)?;
        Ok(record)
    }

    /// Appends several revocations at once, or none of them.
    ///
    /// # Errors
    ///
    /// Those of [`ListWriter::revoke`].
    pub fn revoke_all(
        mut self,
        all: impl IntoIterator<Item = Revoked>,
        at: Timestamp,
    ) -> Result<Vec<Record>, ListError> {
        let records = all
            .into_iter()
            .map(|revoked| self.add_revocation(revoked, at))
            .collect::<Result<_, _>>()?;
        self.write(at)?;
        Ok(records)
    }

    fn add_revocation(&mut self, revoked: Revoked, at: Timestamp) -> Result<Record, ListError> {
        self.add(Record {
            revoked: Some(normal(revoked)?),
            ..Record::checkpoint(0, at)
        })
    }

    /// Lifts a mistaken revocation.
    ///
    /// The line of the revocation stays, and the lift is another line.
    ///
    /// # Errors
    ///
    /// [`ListError::NotRevoked`] if the id is not revoked, [`ListError::OfEveryIssuer`] if only the
    /// certificates of every issuer with that serial number are, and others if the list cannot be written.
    pub fn lift(mut self, lifted: Revoked, at: Timestamp) -> Result<Record, ListError> {
        let lifted = normal(lifted)?;
        self.list.entries.refuse_lift_of_nothing(&lifted)?;
        let record = Record {
            revoked: Some(lifted),
            lifts: true,
            ..Record::checkpoint(0, at)
        };
        let record = self.add(record)?;
        self.write(at)?;
        Ok(record)
    }

    /// Appends a checkpoint, which states that the list is complete as of `at`.
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

    /// Appends the revocations of a security event.
    ///
    /// - Revocations that the list has from an event of that name are not appended again, lifted or not.
    /// - Other revocations of an event of that name are appended as a conflict.
    /// - If the issuer answers for more trust domains than before, a revocation is appended for the new ones.
    ///
    /// # Errors
    ///
    /// [`ListError`] if no request could match an id, or the list cannot be written.
    pub fn event(mut self, event: &Event, at: Timestamp) -> Result<AddedOfEvent, ListError> {
        let mut added = AddedOfEvent::default();
        let mut new = Vec::new();
        // All revocations are compared before any is appended, so that an event does not conflict with
        // itself.
        for revoked in &event.revoked {
            let revoked = normal(revoked.clone())?;
            let (domains, conflict) =
                match self
                    .list
                    .entries
                    .taken_of(&event.id, &revoked, &event.domains)
                {
                    Taken::Yes => continue,
                    Taken::Lifted(epoch) => {
                        added.lifted.push((revoked.id, epoch));
                        continue;
                    }
                    Taken::No => (event.domains.clone(), false),
                    Taken::Otherwise => (event.domains.clone(), true),
                    Taken::Elsewhere(missing) => (missing, false),
                };
            new.push(Record {
                revoked: Some(revoked),
                domains,
                event: Some(event.id.clone()),
                conflict,
                ..Record::checkpoint(0, at)
            });
        }
        for record in new {
            added.records.push(self.add(record)?);
        }
        if !added.records.is_empty() {
            self.write(at)?;
        }
        Ok(added)
    }

    /// Appends delivered lines as they are, except those that the list has.
    ///
    /// They are held to the rules of every list: their epochs and times follow those before them, and if the
    /// list must be signed, they end with a head of a signer. Returns true if any line was appended.
    ///
    /// # Errors
    ///
    /// [`ListError`] if the lines do not continue the list, and those of [`ListWriter::revoke`]. Then nothing
    /// is written.
    pub fn copy(mut self, part: &Part) -> Result<bool, ListError> {
        let list = regular::read(self.path).map_err(|error| unwritable(self.path, &error))?;
        let missing = part.missing_in(&list)?;
        if missing.is_empty() {
            return Ok(false);
        }
        for line in missing.split_inclusive('\n') {
            self.list.add(line)?;
            self.lines.push_str(line);
        }
        self.list.verify_head();
        match self.list.refuse_unsigned_end() {
            Some(error) => Err(error),
            None => self.flush().map(|()| true),
        }
    }

    /// Adds a line for [`ListWriter::write`] to write. The list determines its epoch and time.
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
            let head = key.sign(&position)?;
            if let Some(signers) = &self.signers {
                signers
                    .verify(&head, &position)
                    .map_err(ListError::NotASigner)?;
            }
            let checkpoint = Record::checkpoint(position.epoch, position.at);
            self.add(Record {
                head: Some(head),
                ..checkpoint
            })?;
        } else if self.signers.is_some() {
            return Err(ListError::NotSigned(
                "there is no key to sign the added lines".to_owned(),
            ));
        }
        self.flush()
    }

    /// Writes the added lines to the disk.
    fn flush(&mut self) -> Result<(), ListError> {
        let written = self.file.write_all(self.lines.as_bytes());
        let synced = written.and_then(|()| self.file.sync_data());
        synced.map_err(|error| unwritable(self.path, &error))
    }
}

fn unwritable(path: &Path, error: &io::Error) -> ListError {
    ListError::Read(format!("{}: {}", path.display(), unwritten(error)))
}

fn normal(mut revoked: Revoked) -> Result<Revoked, ListError> {
    revoked.id = ids::normal_id(revoked.kind, &revoked.id)?;
    Ok(revoked)
}
