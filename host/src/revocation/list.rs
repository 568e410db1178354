//! A revocation list, as far as it was read.

use super::head::{self, Signers};
use super::ids::{self, lift_reaches, may_be_same_issuer, trust_domain};
use super::{Change, ListError, ListMark, Record, Revocable, Revoked};
use crate::Timestamp;
use crate::followed::{FileIdentity, Stamp, identity_of};
use crate::regular;
use crate::timestamp::CLOCK_LEEWAY;
use portcullis_contract::{has_well_known_token, withheld};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
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
    events: HashMap<String, Vec<OfEvent>>,
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
    /// Which keys of the signers that was found with.
    keys_version: u64,
    /// How far the list is known to have gone.
    floor: Option<ListMark>,
    /// The epoch and the hash of the list as far as the line that came to it.
    last_change: Option<ListMark>,
    /// Whether the list went another way than the one that is known.
    is_another: bool,
    /// Why it cannot be told whether the list is an older one.
    distrusted: Option<ListError>,
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

/// Why a line is none of a list, and what to do about it.
fn no_record(line: &str, error: &serde_json::Error) -> String {
    if line.trim().is_empty() {
        return "it is blank: remove it".to_owned();
    }
    if line.starts_with('\u{feff}') {
        return "it begins with a byte order mark: save the list as UTF-8 without one".to_owned();
    }
    let why = error.to_string();
    // Each line is read by itself, so that the parser counts one.
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

/// The revocations of one security event.
#[derive(Debug)]
struct OfEvent {
    kind: Revocable,
    id: String,
    issuer: Option<Box<str>>,
    domains: Box<[String]>,
}

/// The state on the list of something that a security event revokes.
#[derive(Debug)]
pub(super) enum Taken {
    /// The event is not on it.
    No,
    /// The event is on it, and did not revoke this.
    Otherwise,
    /// The event revoked it, and not in these trust domains.
    Elsewhere(Vec<String>),
    /// The event revoked it.
    Yes,
    /// The event revoked it, and that was lifted at this epoch.
    Lifted(u64),
}

/// How far a list was read.
pub(super) struct Read {
    pub(super) bytes_read: u64,
    lines_read: usize,
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
        let lines = String::from_utf8(bytes).map_err(|error| {
            let valid = error
                .as_bytes()
                .iter()
                .take(error.utf8_error().valid_up_to());
            ListError::Line {
                line: known.lines_read + 1 + valid.filter(|byte| **byte == b'\n').count(),
                message: "it is not UTF-8: correct it, or restore the list from a copy".to_owned(),
            }
        })?;
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
            lines_read: self.lines_read,
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
        ListMark::raise_known(&mut self.floor.clone(), floor)
    }

    /// Holds the list in `file` to what is known of it: it goes on from there. Of one that went past that, only
    /// reading it again tells whether it came by there.
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
                    // Not relied on before it is read from its beginning.
                    error: Some(error),
                    signers,
                    ..Self::default()
                });
                self.distrusted = distrusted;
            }
        }
        self.floor = Some(held);
    }

    /// Relies on the list no more: it cannot be told how far it went before.
    pub(super) fn distrust(&mut self, why: ListError) {
        self.distrusted.get_or_insert(why);
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
        self.verify_head();
        Ok(())
    }

    /// Finds out anew whether the last line is the head of a signer, with the keys that they have now.
    pub(super) fn verify_head(&mut self) {
        let Some(signers) = &self.signers else {
            return;
        };
        // Asked before they are used: keys that change in between are another version.
        self.keys_version = signers.version();
        self.not_signed = match &self.head {
            None => Some("its last line is not signed".to_owned()),
            Some((head, position)) => signers.verify(head, position).err(),
        };
    }

    /// With which keys of the signers the last line was looked at.
    pub(super) fn keys_version(&self) -> u64 {
        self.keys_version
    }

    /// Adds a line that is whole, and gives what it changes.
    pub(super) fn add(&mut self, line: &str) -> Result<Option<(u64, Change)>, ListError> {
        let wrong = |message: String| ListError::Line {
            line: self.lines_read + 1,
            message: withheld(&message),
        };
        let mut record: Record = serde_json::from_str(line.trim_end())
            .map_err(|error| wrong(no_record(line, &error)))?;
        if let Some(revoked) = &record.revoked
            && let Err(ListError::Id { id, expected }) = ids::normal_id(revoked.kind, &revoked.id)
        {
            return Err(wrong(format!(
                "no request could match it, since `{id}` is not {expected}; correct the line, or remove it and revoke what is meant"
            )));
        }
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

    /// The state on the list of `revoked`, which the security event `event` revokes in `domains`.
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
        // Where it is not revoked any more, it was lifted.
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

    /// Refuses a lift that would end nothing.
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
