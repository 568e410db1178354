//! A revocation list, as far as it was read.

use super::head::{self, Signers};
use super::ids::{self, may_be_same_issuer, trust_domain};
use super::{Change, ListError, ListMark, Record, Revocable, Revoked};
use crate::Timestamp;
use crate::followed::{FileIdentity, Stamp, identity_of};
use crate::timestamp::CLOCK_LEEWAY;
use portcullis_contract::{has_well_known_token, withheld};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// How often it is looked again for the end of a line that is being written, and how long it takes in between.
const PATIENCE: usize = 50;
const PAUSE: Duration = Duration::from_millis(2);

/// For how long a line may be without its end.
const WRITTEN_WITHIN: Duration = Duration::from_secs(1);

/// A list of up to so many bytes is compared with what was read of it whenever it changes; a longer one that
/// grows, once in [`COMPARED_EVERY`].
const COMPARED_BYTES: u64 = 4 * 1024 * 1024;
const COMPARED_EVERY: Duration = Duration::from_secs(60);

/// What was read of the file so far.
#[derive(Debug, Default)]
pub(super) struct List {
    pub(super) epoch: u64,
    pub(super) as_of: Option<Timestamp>,
    /// What is or was revoked, by its normal form; of a certificate, by its serial number.
    entries: HashMap<Revocable, HashMap<String, Vec<Entry>>>,
    /// The security events that are on it, each with what it revokes.
    pub(super) events: HashMap<String, Vec<(Revocable, String)>>,
    pub(super) bytes_read: u64,
    pub(super) lines_read: usize,
    /// The lines that have text which looks like a secret.
    pub(super) lines_with_tokens: Vec<usize>,
    /// The hash of what was read, to tell another file in the place of this one.
    hash: Sha256,
    pub(super) file: Option<FileIdentity>,
    pub(super) error: Option<ListError>,
    /// The file's stamp, and whether other content may have the same one.
    stamp: Option<(Stamp, bool)>,
    compared_at: Option<Instant>,
    /// Since when the last line has no end, and whether it is whole but for that.
    unfinished: Option<(Instant, bool)>,
    /// Who may sign its head, if it has to be signed.
    signers: Option<Arc<Signers>>,
    /// The head that the last line is, with what it has to sign.
    head: Option<(String, head::Position)>,
    has_head: bool,
    /// Why the last line is no head of a signer.
    not_signed: Option<String>,
    /// How far the list is known to have gone.
    floor: Option<ListMark>,
    /// The epoch and the hash of the list as far as the line that came to it.
    last_change: Option<ListMark>,
    /// Whether the list went another way than the one that is known.
    is_another: bool,
}

/// Something that is revoked, and from which epoch up to which.
#[derive(Debug)]
struct Entry {
    from: u64,
    lifted_at: Option<u64>,
    issuer: Option<Box<str>>,
    domains: Box<[String]>,
    revoked: Revoked,
}

impl Entry {
    fn holds_at(&self, epoch: u64) -> bool {
        self.from <= epoch && self.lifted_at.is_none_or(|lifted| epoch < lifted)
    }

    fn is_about(&self, domain: Option<&str>) -> bool {
        self.domains.is_empty()
            || domain.is_none_or(|domain| self.domains.iter().any(|one| one == domain))
    }
}

/// How far a list was read.
pub(super) struct Read {
    pub(super) bytes_read: u64,
    hash: Sha256,
    file: Option<FileIdentity>,
    is_compared: bool,
}

/// What was added to a list.
pub(super) struct Added {
    lines: String,
    file: FileIdentity,
    stamp: Stamp,
    is_recent: bool,
    was_compared: bool,
}

impl Added {
    /// Reads what was added since `known`. A list that did not only grow has to begin with all that was
    /// read.
    pub(super) fn read(file: &Path, known: &Read) -> Result<Self, ListError> {
        let unreadable = |error: io::Error| ListError::Read(format!("{}: {error}", file.display()));
        let mut opened = File::open(file).map_err(unreadable)?;
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
        let mut lines = String::new();
        opened.read_to_string(&mut lines).map_err(unreadable)?;
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

impl List {
    /// Reads a list from its beginning. A line that has no end yet gets the time that writing it takes.
    ///
    /// # Errors
    ///
    /// [`ListError`] if it is none; also if its last line has no end.
    pub(super) fn read(file: &Path, signers: Option<Arc<Signers>>) -> Result<Self, ListError> {
        Self::read_held(file, signers, None)
    }

    /// As [`List::read`], of a list that has to go on from `floor`.
    ///
    /// # Errors
    ///
    /// As of [`List::read`].
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
            hash: self.hash.clone(),
            file: self.file,
            is_compared: self.bytes_read <= COMPARED_BYTES
                || self
                    .compared_at
                    .is_none_or(|at| at.elapsed() >= COMPARED_EVERY),
        }
    }

    /// Whether a file that the file system describes so may have more than what was read, or something else.
    pub(super) fn may_differ(&self, stamp: Stamp, bytes: u64) -> bool {
        bytes != self.bytes_read
            || self.error.is_some()
            || self.stamp.is_none_or(|(known, is_recent)| {
                known != stamp || is_recent && self.bytes_read <= COMPARED_BYTES
            })
    }

    /// Whether `floor` is farther than what the list is held to.
    pub(super) fn is_held_to_less_than(&self, floor: &ListMark) -> bool {
        self.floor
            .as_ref()
            .is_none_or(|known| known.epoch < floor.epoch)
    }

    /// Whether the list went past `floor`, so that only reading it again tells whether it came by there.
    pub(super) fn went_past(&self, floor: &ListMark) -> bool {
        floor.digest.is_some() && floor.epoch > 0 && self.epoch > floor.epoch
    }

    /// Holds the list to what is known of it: it goes on from there.
    pub(super) fn hold_to(&mut self, floor: &ListMark) {
        if let (Some(last), Some(digest)) = (&self.last_change, &floor.digest)
            && last.epoch == floor.epoch
        {
            self.is_another = last.digest.as_ref() != Some(digest);
        }
        self.floor = Some(floor.clone());
    }

    /// How far the list went, for who holds it to that later.
    pub(super) fn mark(&self) -> Option<ListMark> {
        self.last_change.clone()
    }

    /// Takes up the lines that were added. One that is still being written waits for the next time.
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
        for line in added.lines.split_inclusive('\n') {
            if !line.ends_with('\n') {
                let since = self
                    .unfinished
                    .map_or_else(Instant::now, |(since, _)| since);
                unfinished = Some((since, serde_json::from_str::<Record>(line).is_ok()));
                break;
            }
            new.extend(self.add(line)?);
        }
        self.unfinished = unfinished;
        if let Some(signers) = &self.signers {
            self.not_signed = match &self.head {
                None => Some("its last line is not signed".to_owned()),
                Some((head, position)) => signers.verify(head, position).err(),
            };
        }
        Ok(())
    }

    /// Adds a line that is whole, and gives what it changes.
    pub(super) fn add(&mut self, line: &str) -> Result<Option<(u64, Change)>, ListError> {
        let wrong = |message: String| ListError::Line {
            line: self.lines_read + 1,
            message: withheld(&message),
        };
        let mut record: Record =
            serde_json::from_str(line).map_err(|error| wrong(error.to_string()))?;
        let is_change = record.revoked.is_some();
        let expected = self.epoch.saturating_add(u64::from(is_change));
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
        // What a head signs is everything before it.
        self.head = record
            .head
            .take()
            .map(|head| (head, self.signed_position(record.at)));
        self.has_head |= self.head.is_some();
        // What revokes a credential names it, often with hexadecimal digits. A head is a token by nature.
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
            let mark = ListMark {
                epoch: self.epoch,
                digest: Some(self.digest()),
            };
            if let Some(floor) = &self.floor
                && floor.epoch == mark.epoch
                && floor.digest.is_some()
            {
                self.is_another = floor.digest != mark.digest;
            }
            self.last_change = Some(mark);
        }
        Ok(self.take_record(record))
    }

    fn take_record(&mut self, record: Record) -> Option<(u64, Change)> {
        let epoch = record.epoch;
        let revoked = record.revoked?;
        let (id, issuer) = {
            let key = ids::key(revoked.kind, &revoked.id);
            (key.id.into_owned(), key.issuer.map(Box::<str>::from))
        };
        let of_id = self
            .entries
            .entry(revoked.kind)
            .or_default()
            .entry(id.clone())
            .or_default();
        if record.lifts {
            for entry in of_id.iter_mut().filter(|entry| entry.lifted_at.is_none()) {
                if may_be_same_issuer(entry.issuer.as_deref(), issuer.as_deref()) {
                    entry.lifted_at = Some(epoch);
                }
            }
            return Some((epoch, Change::Lifted(revoked)));
        }
        if let Some(event) = record.event {
            self.events
                .entry(event)
                .or_default()
                .push((revoked.kind, id));
        }
        let domains = record.domains.into_boxed_slice();
        let is_known = of_id.iter().any(|entry| {
            entry.lifted_at.is_none() && entry.issuer == issuer && entry.domains == domains
        });
        if !is_known {
            of_id.reserve_exact(1);
            of_id.push(Entry {
                from: epoch,
                lifted_at: None,
                issuer,
                domains,
                revoked: revoked.clone(),
            });
        }
        Some((epoch, Change::Revoked(revoked)))
    }

    /// What a head that is the next line signs.
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

    /// Whether any line is a head. A list that never had one may be signed for the first time.
    pub(super) fn has_head(&self) -> bool {
        self.has_head
    }

    /// The time of the next line: no line is earlier than the one before it.
    pub(super) fn no_earlier(&self, at: Timestamp) -> Timestamp {
        self.as_of.map_or(at, |as_of| as_of.max(at))
    }

    /// Why the list does not end with the head of a signer, where it has to.
    pub(super) fn refuse_unsigned_end(&self) -> Option<ListError> {
        self.not_signed
            .as_ref()
            .map(|why| ListError::NotSigned(why.clone()))
    }

    /// What keeps the list from being relied on, besides its age.
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
            return Some(ListError::Another(
                self.floor.as_ref().map_or(0, |floor| floor.epoch),
            ));
        }
        self.refuse_unsigned_end()
    }

    fn no_end(&self) -> ListError {
        ListError::Line {
            line: self.lines_read + 1,
            message: "it has no line end, so that it does not count: a writer was cut off; end the line, or remove it".to_owned(),
        }
    }

    /// What revokes `id`, of a principal in `domain`, as of `epoch`.
    pub(super) fn find(
        &self,
        kind: Revocable,
        id: &str,
        principal: Option<&str>,
        epoch: u64,
    ) -> Option<&Revoked> {
        let of_kind = self.entries.get(&kind)?;
        let key = ids::key(kind, id);
        let of_id = of_kind.get(key.id.as_ref())?;
        let principal = match kind {
            Revocable::Principal => Some(id),
            _ => principal,
        };
        let domain = principal.and_then(trust_domain);
        of_id
            .iter()
            .find(|entry| {
                entry.holds_at(epoch)
                    && may_be_same_issuer(entry.issuer.as_deref(), key.issuer)
                    && entry.is_about(domain.as_deref())
            })
            .map(|entry| &entry.revoked)
    }

    /// Everything that is revoked now, with the epoch from which on it is.
    pub(super) fn revoked(&self) -> impl Iterator<Item = (u64, &Revoked)> {
        self.entries
            .values()
            .flat_map(HashMap::values)
            .flatten()
            .filter(|entry| entry.holds_at(self.epoch))
            .map(|entry| (entry.from, &entry.revoked))
    }

    /// Everything that is revoked now, with the trust domains that it is about.
    pub(super) fn in_force(&self) -> impl Iterator<Item = Record> {
        self.entries
            .values()
            .flat_map(HashMap::values)
            .flatten()
            .filter(|entry| entry.holds_at(self.epoch))
            .map(|entry| Record {
                domains: entry.domains.to_vec(),
                ..Record::revocation(entry.from, entry.revoked.clone())
            })
    }

    /// Everything that was revoked and no longer is, with the epochs of both.
    pub(super) fn lifted(&self) -> impl Iterator<Item = (u64, u64, &Revoked)> {
        self.entries
            .values()
            .flat_map(HashMap::values)
            .flatten()
            .filter_map(|entry| Some((entry.from, entry.lifted_at?, &entry.revoked)))
    }
}
