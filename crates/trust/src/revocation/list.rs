//! Content of a revocation list that was read so far.

use super::added::{Added, Parsed, Read, no_record, parse};
use super::entries::Entries;
use super::head::{self, Signers};
use super::ids;
use super::{Change, ListError};
use crate::watched::{FileIdentity, Stamp};
use portcullis_model::marks::ListMark;
use portcullis_model::secret::{has_well_known_token, withheld};
use portcullis_model::timestamp::CLOCK_LEEWAY;
use portcullis_model::timestamp::Timestamp;
use sha2::{Digest as _, Sha256};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Number of attempts to read the end of a line that is being written, and pause between them.
const PATIENCE: usize = 50;
const PAUSE: Duration = Duration::from_millis(2);

/// Maximum time for which a line may lack its end.
const WRITTEN_WITHIN: Duration = Duration::from_secs(1);

/// Maximum size of a list that is compared with the known content at each change.
///
/// A longer list that grows is compared once per [`COMPARED_EVERY`].
const COMPARED_BYTES: u64 = 4 * 1024 * 1024;
const COMPARED_EVERY: Duration = Duration::from_secs(60);

/// Content of the file that was read so far.
#[derive(Debug, Default)]
pub(super) struct List {
    pub(super) epoch: u64,
    pub(super) as_of: Option<Timestamp>,
    pub(super) entries: Entries,
    pub(super) bytes_read: u64,
    pub(super) lines_read: usize,
    /// Numbers of the lines with text that looks like a secret.
    pub(super) lines_with_tokens: Vec<usize>,
    /// Hash of the content read so far, to detect another file in its place.
    hash: Sha256,
    pub(super) file: Option<FileIdentity>,
    pub(super) error: Option<ListError>,
    /// Stamp of the file, and true if other content may have the same stamp.
    stamp: Option<(Stamp, bool)>,
    compared_at: Option<Instant>,
    /// Time since which the last line lacks its end, and true if it is complete otherwise.
    unfinished: Option<(Instant, bool)>,
    /// Signers of the head, if the list must be signed.
    signers: Option<Arc<Signers>>,
    /// Head in the last line, with the position that it must sign.
    head: Option<(String, head::Position)>,
    has_head: bool,
    /// Reason why the last line is not a head of a signer.
    not_signed: Option<String>,
    /// Version of the signers' keys that `not_signed` was determined with.
    keys_version: u64,
    /// Latest known mark of the list.
    floor: Option<ListMark>,
    /// Epoch of the last change, with the hash of the list up to that line.
    last_change: Option<ListMark>,
    /// True if the list differs from the known one at or before the floor.
    is_another: bool,
    /// Reason why the host cannot determine whether the list is an older one.
    distrusted: Option<ListError>,
}

impl List {
    /// Reads a list from its beginning.
    ///
    /// If the last line lacks its end, the call waits for the time that writing a line takes.
    ///
    /// # Errors
    ///
    /// [`ListError`] if the file is not a list, or if its last line has no end.
    pub(super) fn read(file: &Path, signers: Option<Arc<Signers>>) -> Result<Self, ListError> {
        Self::read_held(file, signers, None)
    }

    /// As [`List::read`], for a list that must continue from `floor`.
    ///
    /// # Errors
    ///
    /// Those of [`List::read`].
    pub(super) fn read_held(
        file: &Path,
        signers: Option<Arc<Signers>>,
        floor: Option<ListMark>,
    ) -> Result<Self, ListError> {
        let mut list = Self {
            signers,
            floor,
            ..Self::default()
        };
        for _ in 0..PATIENCE {
            let added = Added::read(file, &list.position())?;
            list.take_up(added, &mut Vec::new())?;
            if list.unfinished.is_none() {
                return Ok(list);
            }
            std::thread::sleep(PAUSE);
        }
        Err(list.no_end())
    }

    pub(super) fn position(&self) -> Read {
        Read {
            bytes_read: self.bytes_read,
            lines_read: self.lines_read,
            hash: self.hash.clone(),
            file: self.file,
            is_compared: self.bytes_read <= COMPARED_BYTES
                || self
                    .compared_at
                    .is_none_or(|at| at.elapsed() >= COMPARED_EVERY),
        }
    }

    /// True if a file with this stamp and size may differ from the content read.
    pub(super) fn may_differ(&self, stamp: Stamp, bytes: u64) -> bool {
        bytes != self.bytes_read
            || self.error.is_some()
            || self.stamp.is_none_or(|(known, is_recent)| {
                known != stamp || is_recent && self.bytes_read <= COMPARED_BYTES
            })
    }

    /// True if `floor` is later than the current floor.
    pub(super) fn is_held_to_less_than(&self, floor: &ListMark) -> bool {
        ListMark::raise_known(&mut self.floor.clone(), floor)
    }

    /// Requires that the list in `file` continues from `floor`.
    ///
    /// If the list has passed that epoch, it is read from its beginning to check the content at that epoch.
    pub(super) fn hold_to(&mut self, file: &Path, floor: &ListMark) {
        let mut held = self.floor.take().unwrap_or_else(|| floor.clone());
        held.raise(floor);
        if let (Some(last), Some((epoch, digest))) = (&self.last_change, held.fixed()) {
            if last.epoch == epoch {
                self.is_another = last.digest.as_deref() != Some(digest);
            } else if last.epoch > epoch {
                let signers = self.signers.take();
                let distrusted = self.distrusted.take();
                let read = Self::read_held(file, signers.clone(), Some(held.clone()));
                *self = read.unwrap_or_else(|error| Self {
                    // The error stays until the list is read from its beginning.
                    error: Some(error),
                    signers,
                    ..Self::default()
                });
                self.distrusted = distrusted;
            }
        }
        self.floor = Some(held);
    }

    /// Marks the list as unreliable, because its earlier extent is unknown.
    pub(super) fn distrust(&mut self, why: ListError) {
        self.distrusted.get_or_insert(why);
    }

    /// Mark of the last change, from which the list must continue later.
    pub(super) fn mark(&self) -> Option<ListMark> {
        self.last_change.clone()
    }

    /// Applies added lines. A line that is still being written is read again later.
    pub(super) fn take_up(
        &mut self,
        added: Added,
        new: &mut Vec<(u64, Change)>,
    ) -> Result<(), ListError> {
        self.file = Some(added.file);
        self.stamp = Some((added.stamp, added.is_recent));
        if added.was_compared {
            self.compared_at = Some(Instant::now());
        }
        let mut unfinished = None;
        for (line, parsed) in added.lines {
            if !line.ends_with('\n') {
                let since = self
                    .unfinished
                    .map_or_else(Instant::now, |(since, _)| since);
                unfinished = Some((since, parsed.is_ok()));
                break;
            }
            new.extend(self.add_parsed(&line, parsed)?);
        }
        self.unfinished = unfinished;
        self.verify_head();
        Ok(())
    }

    /// Verifies with the signers' current keys that the last line is a head of a signer.
    pub(super) fn verify_head(&mut self) {
        let Some(signers) = &self.signers else {
            return;
        };
        // The version is read before the keys, so that a change in between is noticed.
        self.keys_version = signers.version();
        self.not_signed = match &self.head {
            None => Some("its last line is not signed".to_owned()),
            Some((head, position)) => signers.verify(head, position).err(),
        };
    }

    /// Version of the signers' keys that the last line was verified with.
    pub(super) fn keys_version(&self) -> u64 {
        self.keys_version
    }

    /// Adds a complete line and returns its change.
    pub(super) fn add(&mut self, line: &str) -> Result<Option<(u64, Change)>, ListError> {
        self.add_parsed(line, parse(line))
    }

    fn add_parsed(
        &mut self,
        line: &str,
        parsed: Parsed,
    ) -> Result<Option<(u64, Change)>, ListError> {
        let wrong = |message: String| ListError::Line {
            line: self.lines_read + 1,
            message: withheld(&message),
        };
        let mut record = parsed.map_err(|error| wrong(no_record(line, &error)))?;
        if let Some(revoked) = &record.revoked
            && let Err(ListError::Id { id, expected }) = ids::normal_id(revoked.kind, &revoked.id)
        {
            return Err(wrong(format!(
                "no request could match it, since `{id}` is not {expected}; correct the line, or remove it and revoke the intended id"
            )));
        }
        let is_change = record.revoked.is_some();
        let expected = self.epoch.saturating_add(u64::from(is_change));
        if record.epoch != expected {
            return Err(wrong(format!(
                "its epoch is {}, but {expected} is expected",
                record.epoch
            )));
        }
        if record.at > Timestamp::now().plus(CLOCK_LEEWAY) {
            return Err(wrong(
                "it is from the future, so the list would never be stale".to_owned(),
            ));
        }
        if self.as_of.is_some_and(|as_of| record.at < as_of) {
            return Err(wrong("it is earlier than the line before it".to_owned()));
        }
        self.epoch = record.epoch;
        self.as_of = Some(record.at);
        // A head signs everything before it.
        self.head = record
            .head
            .take()
            .map(|head| (head, self.signed_position(record.at)));
        self.has_head |= self.head.is_some();
        // Only well-known token formats are searched for: a revocation names a credential, often in
        // hexadecimal digits. A head is a token and is not searched.
        let mut has_token = self.head.is_none() && has_well_known_token(line);
        if let Some(revoked) = &mut record.revoked {
            has_token |= revoked.withhold_tokens();
        }
        if has_token {
            self.lines_with_tokens.push(self.lines_read + 1);
        }
        self.hash.update(line.as_bytes());
        self.bytes_read += line.len() as u64;
        self.lines_read += 1;
        if is_change {
            let mark = ListMark::new(self.epoch, Some(self.digest()));
            if let Some((epoch, digest)) = self.floor.as_ref().and_then(ListMark::fixed)
                && epoch == mark.epoch
            {
                self.is_another = mark.digest.as_deref() != Some(digest);
            }
            self.last_change = Some(mark);
        }
        Ok(self.entries.take_record(record))
    }

    /// Position that a head in the next line signs.
    pub(super) fn signed_position(&self, at: Timestamp) -> head::Position {
        head::Position {
            epoch: self.epoch,
            at,
            digest: self.digest(),
        }
    }

    fn digest(&self) -> String {
        base16ct::lower::encode_string(&self.hash.clone().finalize())
    }

    /// True if any line is a head. A list without one may be signed for the first time.
    pub(super) fn has_head(&self) -> bool {
        self.has_head
    }

    /// Time of the next line: the later of `at` and the last line's time.
    pub(super) fn no_earlier(&self, at: Timestamp) -> Timestamp {
        self.as_of.map_or(at, |as_of| as_of.max(at))
    }

    /// Error if the list must end with a head of a signer and does not.
    pub(super) fn refuse_unsigned_end(&self) -> Option<ListError> {
        self.not_signed
            .as_ref()
            .map(|why| ListError::NotSigned(why.clone()))
    }

    /// Reason why the list is unreliable, regardless of its age.
    pub(super) fn unreliable(&self) -> Option<ListError> {
        if let Some(error) = &self.error {
            return Some(error.clone());
        }
        if self
            .unfinished
            .is_some_and(|(since, is_whole)| is_whole || since.elapsed() >= WRITTEN_WITHIN)
        {
            return Some(self.no_end());
        }
        if let Some(floor) = &self.floor
            && self.epoch < floor.epoch
        {
            return Some(ListError::Behind {
                found: self.epoch,
                known: floor.epoch,
            });
        }
        if self.is_another {
            let fixed = self.floor.as_ref().and_then(ListMark::fixed);
            return Some(ListError::Another(fixed.map_or(0, |(epoch, _)| epoch)));
        }
        if let Some(why) = &self.distrusted {
            return Some(why.clone());
        }
        self.refuse_unsigned_end()
    }

    fn no_end(&self) -> ListError {
        ListError::Line {
            line: self.lines_read + 1,
            message: "it has no line end, so it is ignored: a write was interrupted; end the line, or remove it".to_owned(),
        }
    }
}
