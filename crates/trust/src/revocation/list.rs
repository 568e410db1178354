//! Content of a revocation list that was read so far.

use super::head::{self, Signers};
use super::ids::{self, lift_reaches, may_be_same_issuer, trust_domain};
use super::{Change, ListError, Record, Revocable, Revoked};
use crate::regular;
use crate::watched::{FileIdentity, Stamp, identity_of};
use portcullis_model::marks::ListMark;
use portcullis_model::secret::{has_well_known_token, withheld};
use portcullis_model::timestamp::CLOCK_LEEWAY;
use portcullis_model::timestamp::Timestamp;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

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
    /// Current and lifted revocations by normal form, and for certificates by serial number.
    entries: HashMap<Revocable, HashMap<String, Vec<Entry>>>,
    /// Security events on the list, each with its revocations.
    events: HashMap<String, Vec<OfEvent>>,
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

/// A revocation and the range of epochs in which it holds.
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

/// A line as parsed.
type Parsed = Result<Record, serde_json::Error>;

fn parse(line: &str) -> Parsed {
    serde_json::from_str(line.trim_end())
}

/// Message for a line that is not a list line, with the fix.
fn no_record(line: &str, error: &serde_json::Error) -> String {
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
    format!("{what} ({why}): correct it, or restore the list from a copy")
}

/// A revocation of a security event.
#[derive(Debug)]
struct OfEvent {
    kind: Revocable,
    id: String,
    issuer: Option<Box<str>>,
    domains: Box<[String]>,
}

/// State of an event's revocation on the list.
#[derive(Debug)]
pub(super) enum Taken {
    /// The event is not on the list.
    No,
    /// The event is on the list, without this revocation.
    Otherwise,
    /// The event revoked it, but not in these trust domains.
    Elsewhere(Vec<String>),
    /// The event revoked it.
    Yes,
    /// The event revoked it, and it was lifted at this epoch.
    Lifted(u64),
}

/// Position up to which a list was read.
pub(super) struct Read {
    pub(super) bytes_read: u64,
    lines_read: usize,
    hash: Sha256,
    file: Option<FileIdentity>,
    is_compared: bool,
}

/// Lines that were added to a list, parsed.
pub(super) struct Added {
    lines: Vec<(String, Parsed)>,
    file: FileIdentity,
    stamp: Stamp,
    is_recent: bool,
    was_compared: bool,
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
        Ok(self.take_record(record))
    }

    fn take_record(&mut self, record: Record) -> Option<(u64, Change)> {
        let epoch = record.epoch;
        let revoked = record.revoked?;
        let (id, issuer) = {
            let key = ids::key(revoked.kind, &revoked.id);
            let issuer = key.issuer.map(|issuer| Box::<str>::from(issuer.as_ref()));
            (key.id.into_owned(), issuer)
        };
        let of_id = self
            .entries
            .entry(revoked.kind)
            .or_default()
            .entry(id.clone())
            .or_default();
        if record.lifts {
            for entry in of_id.iter_mut().filter(|entry| entry.lifted_at.is_none()) {
                if lift_reaches(issuer.as_deref(), entry.issuer.as_deref()) {
                    entry.lifted_at = Some(epoch);
                }
            }
            return Some((epoch, Change::Lifted(revoked)));
        }
        let domains = record.domains.into_boxed_slice();
        if let Some(event) = record.event {
            self.events.entry(event).or_default().push(OfEvent {
                kind: revoked.kind,
                id,
                issuer: issuer.clone(),
                domains: domains.clone(),
            });
        }
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

    /// Returns the revocation of `id` for `principal` as of `epoch`.
    pub(super) fn find(
        &self,
        kind: Revocable,
        id: &str,
        principal: Option<&str>,
        epoch: u64,
    ) -> Option<&Revoked> {
        let key = ids::key(kind, id);
        let of_id = self.entries_of(kind, &key);
        let principal = match kind {
            Revocable::Principal => Some(id),
            _ => principal,
        };
        let domain = principal.and_then(trust_domain);
        of_id
            .iter()
            .find(|entry| {
                entry.holds_at(epoch)
                    && may_be_same_issuer(entry.issuer.as_deref(), key.issuer.as_deref())
                    && entry.is_about(domain.as_deref())
            })
            .map(|entry| &entry.revoked)
    }

    /// State on the list of `revoked`, which `event` revokes in `domains`.
    pub(super) fn taken_of(&self, event: &str, revoked: &Revoked, domains: &[String]) -> Taken {
        let key = ids::key(revoked.kind, &revoked.id);
        let issuer = key.issuer.as_deref();
        let Some(of_event) = self.events.get(event) else {
            return Taken::No;
        };
        let same: Vec<_> = of_event
            .iter()
            .filter(|one| one.kind == revoked.kind && one.id == key.id)
            .filter(|one| one.issuer.as_deref() == issuer)
            .map(|one| &*one.domains)
            .collect();
        if same.is_empty() {
            return Taken::Otherwise;
        }
        let is_everywhere = same.iter().any(|of| of.is_empty());
        let mut missing = domains.to_vec();
        missing.retain(|domain| !same.iter().any(|of| of.contains(domain)));
        if !is_everywhere && (domains.is_empty() || !missing.is_empty()) {
            return Taken::Elsewhere(missing);
        }
        // It was lifted if no matching entry is in force.
        let entries = self.entries_of(revoked.kind, &key);
        let lifted_in = |domain: Option<&str>| {
            let about = entries.iter().filter(|entry| {
                let is_it = entry.issuer.is_none() || entry.issuer.as_deref() == issuer;
                is_it && entry.is_about(domain)
            });
            let lifted: Option<Vec<u64>> = about.map(|entry| entry.lifted_at).collect();
            lifted.and_then(|lifted| lifted.into_iter().max())
        };
        let lifted = match domains {
            [] => lifted_in(None),
            domains => domains.iter().filter_map(|one| lifted_in(Some(one))).max(),
        };
        lifted.map_or(Taken::Yes, Taken::Lifted)
    }

    /// Refuses a lift of an id that is not revoked.
    pub(super) fn refuse_lift_of_nothing(&self, lifted: &Revoked) -> Result<(), ListError> {
        let key = ids::key(lifted.kind, &lifted.id);
        let issuer = key.issuer.as_deref();
        let in_force: Vec<_> = self
            .entries_of(lifted.kind, &key)
            .iter()
            .filter(|entry| entry.lifted_at.is_none())
            .map(|entry| entry.issuer.as_deref())
            .collect();
        if in_force.iter().any(|of| lift_reaches(issuer, *of)) {
            return Ok(());
        }
        Err(match in_force.contains(&None) {
            true => ListError::OfEveryIssuer {
                id: lifted.id.clone(),
                wider: key.id.into_owned(),
            },
            false => ListError::NotRevoked(lifted.id.clone()),
        })
    }

    fn entries_of(&self, kind: Revocable, key: &ids::Key<'_>) -> &[Entry] {
        let of_kind = self.entries.get(&kind);
        of_kind
            .and_then(|of_kind| of_kind.get(key.id.as_ref()))
            .map_or(&[], Vec::as_slice)
    }

    /// Current revocations, each with its epoch.
    pub(super) fn revoked(&self) -> impl Iterator<Item = (u64, &Revoked)> {
        self.entries
            .values()
            .flat_map(HashMap::values)
            .flatten()
            .filter(|entry| entry.holds_at(self.epoch))
            .map(|entry| (entry.from, &entry.revoked))
    }

    /// Current revocations, each with its trust domains.
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

    /// Lifted revocations, with the epochs of the revocation and of the lift.
    pub(super) fn lifted(&self) -> impl Iterator<Item = (u64, u64, &Revoked)> {
        self.entries
            .values()
            .flat_map(HashMap::values)
            .flatten()
            .filter_map(|entry| Some((entry.from, entry.lifted_at?, &entry.revoked)))
    }
}
