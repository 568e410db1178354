//! State of one host, in a file.

use super::instances::Sightings;
use super::{GONE, Kept, Marks, Seen, SpendError, State, StateError, Use};
use crate::regular;
use portcullis_model::marks::ListMark;
use portcullis_model::marks::StateMark;
use portcullis_model::timestamp::Timestamp;
use redb::backends::InMemoryBackend;
use redb::{
    Database, ReadableDatabase as _, ReadableTable as _, TableDefinition, TableHandle as _,
    WriteTransaction,
};
use sha2::{Digest as _, Sha256};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Spent uses by key: count, end in milliseconds since 1970, and checksum of both with the key.
///
/// The count may be deleted after the end.
const SPENT: TableDefinition<'_, &str, (u64, u64, u64)> =
    TableDefinition::new("spent with checksums");

/// Keys of spent uses, ordered by their ends.
const ENDS: TableDefinition<'_, (u64, &str), ()> = TableDefinition::new("ends");

/// Documents of intents by id, each after its checksum.
const INTENTS: TableDefinition<'_, &str, (u64, &[u8])> =
    TableDefinition::new("intents with checksums");

/// Marks by name, each with the checksum of both.
const MARKS: TableDefinition<'_, &str, (u64, u64)> = TableDefinition::new("marks with checksums");

/// Identity of the state, see [`About`].
const ABOUT: TableDefinition<'_, &str, &str> = TableDefinition::new("about");

/// Tables of older states, which had no checksums.
const SPENT_BEFORE: TableDefinition<'_, &str, (u64, u64)> = TableDefinition::new("spent");
const INTENTS_BEFORE: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("intents");

/// Maximum number of ended counts that one spending deletes.
const FORGOTTEN_AT_ONCE: usize = 8;

/// State of one host, in a file that only this host has open.
///
/// A spending is on disk before [`State::spend`] returns.
///
/// A file beside it, whose name ends in `.marks`, records the identity of the state and its number of
/// changes. A state that is another one, or has fewer changes, denies counted requests until an operator
/// accepts it.
#[derive(Debug)]
pub struct EmbeddedState {
    /// Path of the file, which may be missing; empty for a state in memory without one.
    file: PathBuf,
    /// True for a state in memory.
    in_memory: bool,
    /// True if a host has the file open that this state stands in for.
    ///
    /// [`State::distrust`] then has no effect.
    host_has_it: bool,
    /// Closed after an error of the disk, and reopened at the next use.
    database: Mutex<Option<Arc<Database>>>,
    instances: Sightings,
    /// Marks beside the file; `None` if there is no file or they are unreadable.
    marks: Option<Marks>,
    mark: Mutex<StateMark>,
    /// Reason why the state lacks earlier counts.
    lacks: Mutex<Option<Lacks>>,
    /// Mark of the revocation list that is stored in the state itself.
    list: Mutex<Option<ListMark>>,
    /// Reason why the mark of the revocation list is lost.
    list_is_lost: Option<String>,
}

/// Reason why a state lacks earlier counts.
#[derive(Debug, Clone)]
struct Lacks {
    why: String,
    /// True if only the marks are missing, so that a log with a mark of the state can confirm it.
    is_unsaid: bool,
}

impl Lacks {
    fn of(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            is_unsaid: false,
        }
    }
}

/// Identity of the state and number of its changes.
///
/// `forgotten` is the latest end of the deleted counts, in milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
struct About {
    mark: StateMark,
    forgotten: u64,
}

impl About {
    fn new() -> Result<Self, Failure> {
        let mut name = [0; 16];
        getrandom::fill(&mut name).map_err(|error| Failure::Store(error.to_string()))?;
        Ok(Self {
            mark: StateMark {
                generation: base16ct::lower::encode_string(&name),
                changes: 0,
            },
            forgotten: 0,
        })
    }

    fn text(&self) -> String {
        let StateMark {
            generation,
            changes,
        } = &self.mark;
        sealed_text(&format!("{generation} {changes} {}", self.forgotten))
    }

    fn read(text: &str) -> Result<Self, Failure> {
        let read = || {
            let mut parts = opened_text(text)?.split(' ');
            Some(Self {
                mark: StateMark {
                    generation: parts.next()?.to_owned(),
                    changes: parts.next()?.parse().ok()?,
                },
                forgotten: parts.next()?.parse().ok()?,
            })
        };
        read().ok_or_else(|| {
            Failure::Damaged("the identity of the state has a wrong checksum".to_owned())
        })
    }
}

/// Error of the database.
#[derive(Debug)]
enum Failure {
    InUse,
    Store(String),
    Damaged(String),
}

impl Failure {
    fn of(error: redb::Error) -> Self {
        match error {
            redb::Error::DatabaseAlreadyOpen => Self::InUse,
            // A file that ends too early is damaged; the disk did not fail.
            redb::Error::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                Self::Damaged(error.to_string())
            }
            error @ (redb::Error::Corrupted(_)
            | redb::Error::TableTypeMismatch { .. }
            | redb::Error::TableIsMultimap(_)
            | redb::Error::TableDoesNotExist(_)
            | redb::Error::TypeDefinitionChanged { .. }
            | redb::Error::UpgradeRequired(_)
            | redb::Error::RepairAborted) => Self::Damaged(error.to_string()),
            redb::Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                Self::Damaged(error.to_string())
            }
            other => Self::Store(other.to_string()),
        }
    }

    fn at(self, file: &Path) -> StateError {
        let file = file.to_owned();
        match self {
            Self::InUse => StateError::InUse(file),
            Self::Store(message) => StateError::Store { file, message },
            Self::Damaged(message) => StateError::Damaged { file, message },
        }
    }
}

/// Converts the errors of all database operations to [`Failure`].
macro_rules! failures {
    ($($error:ident)*) => {
        $(impl From<redb::$error> for Failure {
            fn from(error: redb::$error) -> Self {
                Self::of(error.into())
            }
        })*
    };
}

failures! { CommitError DatabaseError StorageError TableError TransactionError }

impl EmbeddedState {
    /// Opens or creates the state in `file`, and verifies every page of it.
    ///
    /// A credential that two instances present within `clone_window` counts as cloned. Presented credentials
    /// are not stored in the file.
    ///
    /// # Errors
    ///
    /// [`StateError`] if the file is damaged or cannot be opened, for example because another process has it
    /// open.
    pub fn open(file: impl Into<PathBuf>, clone_window: Duration) -> Result<Self, StateError> {
        let file = file.into();
        let was_there = std::fs::metadata(&file).is_ok_and(|it| it.len() > 0);
        let (marks, list_is_lost) = marks_beside(&file, true);
        let (database, about) = open(&file, false)?;
        let list = list_of(&database).map_err(|failure| failure.at(&file))?;
        let mark = about.mark;
        let lacks = match &marks {
            Ok(marks) => lacks(&marks.kept(), &mark, was_there),
            Err(why) => {
                let lacks = format!("{why}, so the earlier counts are unknown");
                Some(Lacks::of(lacks))
            }
        };
        let marks = marks.ok();
        Ok(Self {
            file,
            in_memory: false,
            host_has_it: false,
            database: Mutex::new(Some(Arc::new(database))),
            instances: Sightings::new(clone_window),
            marks,
            mark: Mutex::new(mark),
            lacks: Mutex::new(lacks),
            list: Mutex::new(list),
            list_is_lost,
        })
    }

    /// Creates an empty state that ends with the process.
    pub fn in_memory(clone_window: Duration) -> Self {
        Self {
            file: PathBuf::new(),
            in_memory: true,
            host_has_it: false,
            database: Mutex::new(None),
            instances: Sightings::new(clone_window),
            marks: None,
            mark: Mutex::new(StateMark {
                generation: String::new(),
                changes: 0,
            }),
            lacks: Mutex::default(),
            list: Mutex::default(),
            list_is_lost: None,
        }
    }

    /// Sets the maximum number of credentials that are watched for clones (200,000 by default).
    ///
    /// Beyond it, the oldest credential of the principal that has most of them is forgotten.
    #[must_use]
    pub fn max_credentials(mut self, most: usize) -> Self {
        self.instances = self.instances.max_credentials(most);
        self
    }

    /// State in memory for a dry run, in place of a missing `file`.
    ///
    /// If the marks name an earlier state, this one lacks its counts.
    pub fn in_place_of(file: &Path, clone_window: Duration) -> Self {
        let (state, unreadable) = Self::beside(file, clone_window);
        if let Some(why) = &unreadable {
            state.distrust(why);
        }
        let kept = state.marks.as_ref().map(Marks::kept);
        if kept.is_some_and(|kept| kept.state.is_some()) {
            state.distrust(GONE);
        }
        state
    }

    /// State in memory for a dry run, while a host has `file` open.
    ///
    /// The mark of the revocation list beside the file applies.
    pub fn beside_host(file: &Path, clone_window: Duration) -> Self {
        Self {
            host_has_it: true,
            ..Self::beside(file, clone_window).0
        }
    }

    /// State in memory with the marks beside `file`, and the reason if they are unreadable.
    fn beside(file: &Path, clone_window: Duration) -> (Self, Option<String>) {
        let (marks, list_is_lost) = marks_beside(file, false);
        let unreadable = marks.as_ref().err().cloned();
        let state = Self {
            file: file.to_owned(),
            marks: marks.ok(),
            list_is_lost,
            ..Self::in_memory(clone_window)
        };
        (state, unreadable)
    }

    /// Error if the state lacks earlier counts.
    pub fn lacks(&self) -> Option<StateError> {
        let lacks = locked(&self.lacks).clone()?;
        Some(StateError::Lacks {
            file: self.file.clone(),
            message: lacks.why,
        })
    }

    /// Accepts the current counts, and gives the state a new generation.
    ///
    /// Marks of the generation before no longer match the state. `record` is called before the change takes
    /// effect, and may refuse it.
    ///
    /// # Errors
    ///
    /// [`StateError`] if the change cannot be stored. Then, and if `record` refuses it, the state is
    /// unchanged.
    pub fn accept(
        &self,
        record: impl FnOnce(&StateMark) -> Result<(), String>,
    ) -> Result<StateMark, StateError> {
        let marks = self.marks_to_accept()?;
        let mark = self.with(|database| {
            let writing = database.begin_write()?;
            let forgotten = about(&writing)?.forgotten;
            let about = About {
                forgotten,
                ..About::new()?
            };
            writing
                .open_table(ABOUT)?
                .insert("state", about.text().as_str())?;
            record(&about.mark).map_err(Failure::Store)?;
            writing.commit()?;
            Ok(about.mark)
        })?;
        marks
            .accept(&Kept::of_state(mark.clone()))
            .map_err(|error| self.not_remembered(error))?;
        *locked(&self.mark) = mark.clone();
        *locked(&self.lacks) = None;
        Ok(mark)
    }

    /// Accepts `mark` as the mark of the revocation list, regardless of earlier marks.
    ///
    /// `record` is called before the change takes effect, and may refuse it.
    ///
    /// # Errors
    ///
    /// Those of [`EmbeddedState::accept`].
    pub fn accept_list(
        &self,
        mark: &ListMark,
        record: impl FnOnce() -> Result<(), String>,
    ) -> Result<(), StateError> {
        let marks = self.marks_to_accept()?;
        record().map_err(|error| Failure::Store(error).at(&self.file))?;
        self.write_list(mark)?;
        marks
            .accept(&Kept::of_list(mark.clone()))
            .map_err(|error| self.not_remembered(error))?;
        *locked(&self.list) = Some(mark.clone());
        Ok(())
    }

    fn marks_to_accept(&self) -> Result<Marks, StateError> {
        Marks::to_accept(&self.file).map_err(|error| self.not_remembered(error))
    }

    /// Error for marks beside the file that cannot be written.
    fn not_remembered(&self, error: String) -> StateError {
        Failure::Store(error).at(&self.file)
    }

    /// Stores the mark of the revocation list in the state itself.
    fn write_list(&self, mark: &ListMark) -> Result<(), StateError> {
        self.with(|database| {
            let json =
                serde_json::to_string(mark).map_err(|error| Failure::Store(error.to_string()))?;
            let writing = database.begin_write()?;
            writing
                .open_table(ABOUT)?
                .insert("list", sealed_text(&json).as_str())?;
            writing.commit()?;
            Ok(())
        })
    }

    fn database(&self) -> Result<Arc<Database>, StateError> {
        let mut database = locked(&self.database);
        if let Some(database) = &*database {
            return Ok(Arc::clone(database));
        }
        let (opened, about) = open(&self.file, self.in_memory)?;
        let opened = Arc::new(opened);
        if !self.in_memory {
            let kept = Kept::of_state(locked(&self.mark).clone());
            if let Some(lacks) = lacks(&kept, &about.mark, true) {
                self.distrust(&lacks.why);
            }
        }
        *database = Some(Arc::clone(&opened));
        Ok(opened)
    }

    /// Runs `does` on the database, and closes the database if that failed.
    ///
    /// After an error of the disk, the database is unusable until it is reopened.
    fn with<T>(&self, does: impl FnOnce(&Database) -> Result<T, Failure>) -> Result<T, StateError> {
        let database = self.database()?;
        // The library panics on unexpected pages.
        let done = catch_unwind(AssertUnwindSafe(|| does(&database))).unwrap_or_else(|_| {
            Err(Failure::Damaged(
                "reading it failed as only a damaged file does".to_owned(),
            ))
        });
        done.map_err(|failure| {
            let others = locked(&self.database).take();
            let _ = catch_unwind(AssertUnwindSafe(move || {
                drop(database);
                drop(others);
            }));
            failure.at(&self.file)
        })
    }

    /// As [`EmbeddedState::with`], for counts.
    ///
    /// Returns an error if the state lacks earlier counts.
    fn counted<T>(
        &self,
        does: impl FnOnce(&Database) -> Result<T, Failure>,
    ) -> Result<T, StateError> {
        match self.lacks() {
            Some(lacks) => Err(lacks),
            None => self.with(does),
        }
    }

    /// Changes counts if `change` requires it, and increments the number of changes.
    fn change<T>(
        &self,
        change: impl FnOnce(&WriteTransaction, &mut About) -> Result<Change<T>, Failure>,
    ) -> Result<T, StateError> {
        let (result, mark) = self.counted(|database| {
            let writing = database.begin_write()?;
            let mut about = about(&writing)?;
            match change(&writing, &mut about)? {
                // Dropping the transaction drops its writes.
                Change::None(result) => Ok((result, None)),
                Change::Of(result) => {
                    about.mark.changes += 1;
                    writing
                        .open_table(ABOUT)?
                        .insert("state", about.text().as_str())?;
                    writing.commit()?;
                    Ok((result, Some(about.mark)))
                }
            }
        })?;
        if let Some(mark) = mark {
            if self.in_memory {
                // A state in memory never belongs to another process.
                return Ok(result);
            }
            if let Some(marks) = &self.marks {
                marks
                    .note_state(&mark)
                    .map_err(|error| self.not_remembered(error))?;
            }
            let mut known = locked(&self.mark);
            if known.changes < mark.changes || known.generation != mark.generation {
                *known = mark;
            }
        }
        Ok(result)
    }
}

/// Result of a transaction, without or with a change.
enum Change<T> {
    None(T),
    Of(T),
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads the marks beside `file`, or returns the reason why they are unreadable.
///
/// The second value is the reason why the mark of the revocation list is lost, if it is.
fn marks_beside(file: &Path, writes: bool) -> (Result<Marks, String>, Option<String>) {
    let marks = Marks::beside(file, writes);
    let list_is_lost = match &marks {
        Ok(marks) => marks
            .kept()
            .list_is_lost
            .then(|| "the mark of the revocation list beside the state was damaged".to_owned()),
        Err(why) => Some(why.clone()),
    };
    (marks, list_is_lost)
}

/// Compares a state with its marks: the reason why it lacks earlier counts, if it does.
fn lacks(kept: &Kept, found: &StateMark, was_there: bool) -> Option<Lacks> {
    let Some(known) = &kept.state else {
        let changes = found.changes;
        return (changes > 0).then(|| Lacks {
            why: format!(
                "it has {changes} changes, but the file of marks beside it, which counts them, is missing"
            ),
            is_unsaid: true,
        });
    };
    if !was_there {
        return Some(Lacks::of(GONE));
    }
    found.falls_short_of(known).map(Lacks::of)
}

/// Mark of the revocation list that is stored in the state.
fn list_of(database: &Database) -> Result<Option<ListMark>, Failure> {
    let reading = database.begin_read()?;
    let Some(text) = reading.open_table(ABOUT)?.get("list")? else {
        return Ok(None);
    };
    let list = opened_text(text.value()).and_then(|json| serde_json::from_str(json).ok());
    list.map(Some).ok_or_else(|| {
        Failure::Damaged("the mark of the revocation list has a wrong checksum".to_owned())
    })
}

fn about(writing: &WriteTransaction) -> Result<About, Failure> {
    match writing.open_table(ABOUT)?.get("state")? {
        Some(text) => About::read(text.value()),
        None => Err(Failure::Damaged(
            "the identity of the state is missing".to_owned(),
        )),
    }
}

/// Checksum of a record.
fn checksum(parts: &[&[u8]]) -> u64 {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let digest: [u8; 32] = hash.finalize().into();
    digest
        .iter()
        .take(8)
        .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

fn checksum_of_count(key: &str, count: u64, until: u64) -> u64 {
    checksum(&[key.as_bytes(), &count.to_be_bytes(), &until.to_be_bytes()])
}

/// Appends a checksum to a text.
fn sealed_text(text: &str) -> String {
    format!("{text} {}", checksum(&[text.as_bytes()]))
}

/// Removes the checksum from a text; `None` if it is wrong.
fn opened_text(sealed: &str) -> Option<&str> {
    let (text, sum) = sealed.rsplit_once(' ')?;
    (sum.parse() == Ok(checksum(&[text.as_bytes()]))).then_some(text)
}

/// Adds a checksum to a count.
fn sealed(key: &str, count: u64, until: u64) -> (u64, u64, u64) {
    (count, until, checksum_of_count(key, count, until))
}

/// Returns a count and its end, or an error if the checksum is wrong.
fn opened(key: &str, (count, until, sum): (u64, u64, u64)) -> Result<(u64, u64), Failure> {
    match sum == checksum_of_count(key, count, until) {
        true => Ok((count, until)),
        false => Err(Failure::Damaged(
            "a count of spent uses has a wrong checksum".to_owned(),
        )),
    }
}

impl State for EmbeddedState {
    fn spent(&self, key: &str) -> Result<u64, StateError> {
        self.counted(|database| {
            let reading = database.begin_read()?;
            match reading.open_table(SPENT)?.get(key)? {
                None => Ok(0),
                Some(spent) => Ok(opened(key, spent.value())?.0),
            }
        })
    }

    fn spend(&self, uses: &[Use], now: Timestamp) -> Result<(), SpendError> {
        let refused = self.change(|writing, about| {
            let mut spent = writing.open_table(SPENT)?;
            let mut ends = writing.open_table(ENDS)?;
            for one in uses {
                let key = one.key.as_str();
                let until = one.until.as_millis();
                let before = spent.get(key)?.map(|spent| spent.value());
                let before = before.map(|spent| opened(key, spent)).transpose()?;
                // The clock passed this end and was set back since: the count may be deleted already.
                if before.is_none() && until <= about.forgotten {
                    let error = StateError::Forgotten {
                        key: one.key.clone(),
                        until: one.until,
                        forgotten: Timestamp::from_millis(about.forgotten),
                    };
                    return Ok(Change::None(Some(SpendError::State(error))));
                }
                let count = before.map_or(0, |(count, _)| count);
                if count >= one.limit {
                    let error = SpendError::UsedUp(one.key.clone());
                    return Ok(Change::None(Some(error)));
                }
                if let Some((_, end)) = before.filter(|(_, end)| *end != until) {
                    ends.remove((end, key))?;
                }
                spent.insert(key, sealed(key, count + 1, until))?;
                ends.insert((until, key), ())?;
            }
            let over: Vec<_> = ends
                .range(..(now.as_millis(), ""))?
                .take(FORGOTTEN_AT_ONCE)
                .map(|entry| entry.map(|(end, _)| (end.value().0, end.value().1.to_owned())))
                .collect::<Result<_, _>>()?;
            for (end, key) in over {
                ends.remove((end, key.as_str()))?;
                spent.remove(key.as_str())?;
                about.forgotten = about.forgotten.max(end);
            }
            Ok(Change::Of(None))
        })?;
        match refused {
            None => Ok(()),
            Some(error) => Err(error),
        }
    }

    fn give_back(&self, decision: &str, uses: &[Use], _: Timestamp) -> Result<bool, StateError> {
        self.change(|writing, _| {
            let mut spent = writing.open_table(SPENT)?;
            let mut ends = writing.open_table(ENDS)?;
            // Giving back is recorded as a use of the decision, so that it happens once.
            let given = format!("given-back {decision}");
            let given = given.as_str();
            if spent.get(given)?.is_some() {
                return Ok(Change::None(false));
            }
            let until = uses.iter().map(|one| one.until.as_millis()).max();
            let until = until.unwrap_or(0);
            spent.insert(given, sealed(given, 1, until))?;
            ends.insert((until, given), ())?;
            for one in uses {
                let key = one.key.as_str();
                let before = spent.get(key)?.map(|spent| spent.value());
                if let Some(before) = before {
                    let (count, until) = opened(key, before)?;
                    spent.insert(key, sealed(key, count.saturating_sub(1), until))?;
                }
            }
            Ok(Change::Of(true))
        })
    }

    fn seen_elsewhere(&self, seen: &Seen<'_>) -> Result<Option<String>, StateError> {
        self.instances.seen_elsewhere(seen)
    }

    fn raise_mark(&self, name: &str, to: u64) -> Result<u64, StateError> {
        let opened = |found: Option<(u64, u64)>| match found {
            None => Ok(0),
            Some((mark, sum)) if sum == checksum_of_count(name, mark, 0) => Ok(mark),
            Some(_) => Err(Failure::Damaged("a mark has a wrong checksum".to_owned())),
        };
        // The marks of a missing or older state are unknown: this is an error then.
        let mark = self.counted(|database| {
            let mark = database.begin_read()?.open_table(MARKS)?.get(name)?;
            opened(mark.map(|mark| mark.value()))
        })?;
        if mark >= to {
            return Ok(mark);
        }
        self.change(|writing, _| {
            let mut marks = writing.open_table(MARKS)?;
            // Another thread may have raised the mark meanwhile.
            let before = marks.get(name)?.map(|mark| mark.value());
            let mark = opened(before)?.max(to);
            marks.insert(name, (mark, checksum_of_count(name, mark, 0)))?;
            Ok(Change::Of(mark))
        })
    }

    fn keep_intent(&self, id: &str, document: &[u8]) -> Result<(), StateError> {
        self.with(|database| {
            let writing = database.begin_write()?;
            let sum = checksum(&[id.as_bytes(), document]);
            writing.open_table(INTENTS)?.insert(id, (sum, document))?;
            writing.commit()?;
            Ok(())
        })
    }

    fn kept_intents(&self) -> Result<Vec<Vec<u8>>, StateError> {
        self.with(|database| {
            let reading = database.begin_read()?;
            let intents = reading.open_table(INTENTS)?;
            let mut kept = Vec::new();
            for entry in intents.iter()? {
                let (id, document) = entry?;
                let (sum, document) = document.value();
                if sum != checksum(&[id.value().as_bytes(), document]) {
                    return Err(Failure::Damaged(
                        "a stored intent has a wrong checksum".to_owned(),
                    ));
                }
                kept.push(document.to_vec());
            }
            Ok(kept)
        })
    }

    fn mark(&self) -> Option<StateMark> {
        let mark = locked(&self.mark);
        (!mark.generation.is_empty()).then(|| mark.clone())
    }

    fn distrust(&self, why: &str) {
        if self.host_has_it {
            return;
        }
        let mut lacks = locked(&self.lacks);
        match &*lacks {
            Some(known) if !known.is_unsaid => {}
            _ => *lacks = Some(Lacks::of(why)),
        }
    }

    fn vouch(&self) {
        let mut lacks = locked(&self.lacks);
        if lacks.as_ref().is_some_and(|lacks| lacks.is_unsaid) {
            *lacks = None;
        }
    }

    fn remember(&self) -> Result<(), StateError> {
        if let Some(marks) = &self.marks
            && locked(&self.lacks).is_none()
        {
            marks
                .note_state(&locked(&self.mark))
                .map_err(|error| self.not_remembered(error))?;
        }
        Ok(())
    }

    fn list_seen(&self) -> Option<ListMark> {
        let mut seen = self.marks.as_ref().and_then(|marks| marks.kept().list);
        if let Some(own) = &*locked(&self.list) {
            ListMark::raise_known(&mut seen, own);
        }
        seen
    }

    fn list_is_lost(&self) -> Option<String> {
        self.list_is_lost.clone()
    }

    fn note_list(&self, mark: &ListMark) {
        if self.in_memory {
            return;
        }
        // A failure is harmless: the log has the mark too, and the next change is written again.
        if let Some(marks) = &self.marks {
            let _ = marks.note_list(mark);
        }
        let mut list = locked(&self.list);
        let mut raised = list.clone();
        if ListMark::raise_known(&mut raised, mark)
            && let Some(raised) = raised
            && self.write_list(&raised).is_ok()
        {
            *list = Some(raised);
        }
    }
}

/// Opens the database, creates missing tables, and verifies every page.
///
/// Reading therefore never finds a table missing, and a file that another program changed is refused.
fn open(file: &Path, in_memory: bool) -> Result<(Database, About), StateError> {
    let make = || -> Result<(Database, About), Failure> {
        let mut builder = Database::builder();
        builder.set_check_integrity_on_open(true);
        let database = if in_memory {
            builder.create_with_backend(InMemoryBackend::new())?
        } else {
            // Only the host's user may read the file.
            let mut options = regular::private();
            options.create(true).truncate(false).write(true);
            regular::open_with(&mut options, file)
                .map_err(|error| Failure::of(redb::Error::Io(error)))?;
            builder.create(file)?
        };
        let writing = database.begin_write()?;
        let about = {
            let mut spent = writing.open_table(SPENT)?;
            writing.open_table(ENDS)?;
            writing.open_table(MARKS)?;
            let mut intents = writing.open_table(INTENTS)?;
            let before: Vec<String> = writing
                .list_tables()?
                .map(|table| table.name().to_owned())
                .collect();
            if before.iter().any(|name| name == SPENT_BEFORE.name()) {
                for entry in writing.open_table(SPENT_BEFORE)?.iter()? {
                    let (key, count) = entry?;
                    let (count, until) = count.value();
                    spent.insert(key.value(), sealed(key.value(), count, until))?;
                }
                writing.delete_table(SPENT_BEFORE)?;
            }
            if before.iter().any(|name| name == INTENTS_BEFORE.name()) {
                for entry in writing.open_table(INTENTS_BEFORE)?.iter()? {
                    let (id, document) = entry?;
                    let sum = checksum(&[id.value().as_bytes(), document.value()]);
                    intents.insert(id.value(), (sum, document.value()))?;
                }
                writing.delete_table(INTENTS_BEFORE)?;
            }
            let mut table = writing.open_table(ABOUT)?;
            let known = table
                .get("state")?
                .map(|text| About::read(text.value()))
                .transpose()?;
            match known {
                Some(about) => about,
                None => {
                    let about = About::new()?;
                    table.insert("state", about.text().as_str())?;
                    about
                }
            }
        };
        writing.commit()?;
        verify_records(&database)?;
        Ok((database, about))
    };
    catch_unwind(AssertUnwindSafe(make))
        .unwrap_or_else(|_| {
            Err(Failure::Damaged(
                "opening it failed as only a damaged file does".to_owned(),
            ))
        })
        .map_err(|failure| failure.at(file))
}

/// Verifies checksum and end of every count.
fn verify_records(database: &Database) -> Result<(), Failure> {
    let reading = database.begin_read()?;
    let ends = reading.open_table(ENDS)?;
    for entry in reading.open_table(SPENT)?.iter()? {
        let (key, spent) = entry?;
        let (_, until) = opened(key.value(), spent.value())?;
        if ends.get((until, key.value()))?.is_none() {
            return Err(Failure::Damaged(
                "the end of a spent use is missing".to_owned(),
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);

    fn file(name: &str) -> PathBuf {
        let file =
            std::env::temp_dir().join(format!("portcullis-{name}-{}.redb", std::process::id()));
        remove(&file);
        file
    }

    /// Removes a state with its marks.
    fn remove(file: &Path) {
        let _ = std::fs::remove_file(file);
        let _ = std::fs::remove_file(marks_of(file));
    }

    fn marks_of(file: &Path) -> PathBuf {
        file.with_extension("redb.marks")
    }

    fn one(key: &str, limit: u64) -> Use {
        Use {
            key: key.to_owned(),
            limit,
            until: NOW.plus(Duration::from_secs(60)),
        }
    }

    #[test]
    fn what_is_spent_is_spent_after_it_is_opened_again() {
        let file = file("spent");
        let window = Duration::from_secs(60);
        let state = EmbeddedState::open(&file, window).unwrap();
        state.spend(&[one("a", 2), one("b", 9)], NOW).unwrap();
        drop(state);
        let state = EmbeddedState::open(&file, window).unwrap();
        assert_eq!((state.spent("a"), state.spent("b")), (Ok(1), Ok(1)));
        state.spend(&[one("a", 2)], NOW).unwrap();
        assert_eq!(
            state.spend(&[one("b", 9), one("a", 2)], NOW),
            Err(SpendError::UsedUp("a".into()))
        );
        assert_eq!(state.spent("b"), Ok(1), "all or none");
        remove(&file);
    }

    #[test]
    fn the_last_use_is_spent_once_however_many_try() {
        let file = file("race");
        let state = EmbeddedState::open(&file, Duration::from_secs(60)).unwrap();
        let spent = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        (0..10)
                            .filter(|_| state.spend(&[one("a", 17)], NOW).is_ok())
                            .count()
                    })
                })
                .collect();
            threads
                .into_iter()
                .map(|t| t.join().unwrap())
                .sum::<usize>()
        });
        assert_eq!((spent, state.spent("a")), (17, Ok(17)));
        remove(&file);
    }

    #[test]
    fn what_has_ended_is_forgotten_and_nothing_else() {
        let file = file("ended");
        let state = EmbeddedState::open(&file, Duration::from_secs(60)).unwrap();
        state.spend(&[one("a", 1)], NOW).unwrap();
        let longer = Use {
            until: NOW.plus(Duration::from_secs(600)),
            ..one("b", 1)
        };
        state.spend(&[longer], NOW).unwrap();
        state
            .spend(&[one("c", 1)], NOW.plus(Duration::from_secs(61)))
            .unwrap();
        assert_eq!((state.spent("a"), state.spent("b")), (Ok(0), Ok(1)));
        remove(&file);
    }

    fn reopen(file: &Path) -> Result<EmbeddedState, StateError> {
        EmbeddedState::open(file, Duration::from_secs(60))
    }

    fn is_lacking<T: std::fmt::Debug>(result: Result<T, StateError>) -> bool {
        matches!(result, Err(StateError::Lacks { .. }))
    }

    #[test]
    fn a_state_that_is_gone_or_older_counts_nothing_until_it_is_accepted() {
        let file = file("lacking");
        reopen(&file).unwrap().spend(&[one("a", 2)], NOW).unwrap();
        let older = std::fs::read(&file).unwrap();
        reopen(&file).unwrap().spend(&[one("a", 2)], NOW).unwrap();
        let latest = std::fs::read(&file).unwrap();
        for (put, why) in [
            (None, "missing"),
            (Some(Vec::new()), "missing"),
            (Some(older), "older copy"),
        ] {
            match &put {
                None => std::fs::remove_file(&file).unwrap(),
                Some(bytes) => std::fs::write(&file, bytes).unwrap(),
            }
            for _ in 0..2 {
                // Opening it again does not change that.
                let state = reopen(&file).unwrap();
                let lacks = state.lacks().unwrap().to_string();
                assert!(lacks.contains(why), "{lacks}");
                assert!(lacks.contains("portcullis state accept"), "{lacks}");
                assert!(is_lacking(state.spent("a")));
                let refused = state.spend(&[one("b", 1)], NOW);
                assert!(matches!(
                    refused,
                    Err(SpendError::State(StateError::Lacks { .. }))
                ));
                assert_eq!(state.kept_intents(), Ok(Vec::new()), "they do not count");
            }
            std::fs::write(&file, &latest).unwrap();
            assert_eq!(
                reopen(&file).unwrap().spent("a"),
                Ok(2),
                "the latest is back"
            );
        }
        // Another state in its place.
        let other = self::file("lacking-other");
        drop(reopen(&other).unwrap());
        std::fs::copy(&other, &file).unwrap();
        assert!(is_lacking(reopen(&file).unwrap().spent("a")));
        remove(&other);
        // With damaged marks, earlier counts are unknown.
        std::fs::write(&file, &latest).unwrap();
        let marks = std::fs::read(marks_of(&file)).unwrap();
        std::fs::write(marks_of(&file), b"nonsense").unwrap();
        assert!(is_lacking(reopen(&file).unwrap().spent("a")));
        std::fs::write(marks_of(&file), &marks).unwrap();
        assert_eq!(reopen(&file).unwrap().spent("a"), Ok(2));
        // After acceptance it counts from there, and the state before is another one.
        std::fs::remove_file(&file).unwrap();
        let state = reopen(&file).unwrap();
        // If `record` refuses, the state is unchanged.
        let refused = state.accept(|_| Err("the disk is full".to_owned()));
        assert!(refused.unwrap_err().to_string().contains("disk is full"));
        assert!(is_lacking(state.spent("a")));
        state.accept(|_| Ok(())).unwrap();
        assert_eq!(state.spent("a"), Ok(0));
        state.spend(&[one("a", 2)], NOW).unwrap();
        drop(state);
        assert_eq!(reopen(&file).unwrap().spent("a"), Ok(1));
        std::fs::write(&file, &latest).unwrap();
        assert!(is_lacking(reopen(&file).unwrap().spent("a")));
        remove(&file);
    }

    #[test]
    fn a_state_that_counted_and_has_no_marks_counts_nothing_unless_the_log_knows_it() {
        let file = file("no-marks");
        reopen(&file).unwrap().spend(&[one("a", 2)], NOW).unwrap();
        std::fs::remove_file(marks_of(&file)).unwrap();
        let state = reopen(&file).unwrap();
        let lacks = state.lacks().unwrap().to_string();
        assert!(lacks.contains("file of marks"), "{lacks}");
        assert!(is_lacking(state.spent("a")));
        // Its mark is not stored before the log confirms it.
        state.remember().unwrap();
        assert!(!marks_of(&file).exists());
        state.vouch();
        state.remember().unwrap();
        assert_eq!(state.spent("a"), Ok(1));
        drop(state);
        assert_eq!(reopen(&file).unwrap().spent("a"), Ok(1));
        // A contradiction in the log takes precedence over everything else.
        std::fs::remove_file(marks_of(&file)).unwrap();
        let state = reopen(&file).unwrap();
        state.distrust("the log says more");
        state.vouch();
        assert!(is_lacking(state.spent("a")));
        drop(state);
        // A state that never counted anything needs no marks.
        remove(&file);
        drop(reopen(&file).unwrap());
        assert_eq!(reopen(&file).unwrap().spent("a"), Ok(0));
        remove(&file);
    }

    #[test]
    fn how_far_the_list_went_is_in_the_state_as_well_as_beside_it() {
        let file = file("list");
        let list = |epoch| ListMark::new(epoch, Some(format!("digest {epoch}")));
        let state = reopen(&file).unwrap();
        assert_eq!(state.list_seen(), None);
        state.note_list(&list(2));
        state.note_list(&list(1));
        drop(state);
        std::fs::remove_file(marks_of(&file)).unwrap();
        let state = reopen(&file).unwrap();
        assert_eq!(state.list_seen(), Some(list(2)));
        assert_eq!(state.list_is_lost(), None);
        drop(state);
        // Damaged marks may have belonged to a longer list.
        std::fs::write(marks_of(&file), "x").unwrap();
        let state = reopen(&file).unwrap();
        assert!(state.list_is_lost().unwrap().contains("is damaged"));
        // Accepting the state does not accept the list.
        state.accept(|_| Ok(())).unwrap();
        drop(state);
        let state = reopen(&file).unwrap();
        assert!(state.lacks().is_none() && state.list_is_lost().is_some());
        // A dry run beside that host reports the same.
        let dry = EmbeddedState::beside_host(&file, Duration::from_secs(60));
        assert!(dry.lacks().is_none() && dry.list_is_lost().is_some());
        state.accept_list(&list(1), || Ok(())).unwrap();
        drop(state);
        let state = reopen(&file).unwrap();
        assert_eq!(state.list_seen(), Some(list(1)));
        assert_eq!(state.list_is_lost(), None);
        // The mark applies beside a host that has the state open, and in place of a missing state.
        for state in [
            EmbeddedState::beside_host(&file, Duration::from_secs(60)),
            EmbeddedState::in_place_of(&file, Duration::from_secs(60)),
        ] {
            assert_eq!(state.list_seen(), Some(list(1)));
        }
        remove(&file);
    }

    #[test]
    fn a_state_that_is_gone_is_named_in_a_dry_run() {
        let file = file("named");
        reopen(&file).unwrap().spend(&[one("a", 2)], NOW).unwrap();
        std::fs::remove_file(&file).unwrap();
        let state = EmbeddedState::in_place_of(&file, Duration::from_secs(60));
        let lacks = state.lacks().unwrap().to_string();
        let named = format!("the state in {} lacks", file.display());
        assert!(
            lacks.contains(&named) && lacks.contains("missing"),
            "{lacks}"
        );
        assert!(!file.exists());
        remove(&file);
    }

    #[cfg(unix)]
    #[test]
    fn what_is_not_a_file_is_refused_in_the_place_of_a_state_and_its_marks() {
        let file = file("fifo");
        for place in [file.clone(), marks_of(&file)] {
            let made = std::process::Command::new("mkfifo").arg(&place).status();
            assert!(made.unwrap().success());
            match reopen(&file) {
                Err(error) => {
                    let error = error.to_string();
                    assert!(error.contains("redb") && error.contains("fifo"), "{error}");
                }
                Ok(state) => {
                    let lacks = state.lacks().unwrap().to_string();
                    assert!(lacks.contains("a fifo"), "{lacks}");
                    let refused = state.accept(|_| Ok(())).unwrap_err().to_string();
                    assert!(refused.contains("marks") && refused.contains("remove it"));
                }
            }
            std::fs::remove_file(&place).unwrap();
        }
        // A folder is refused as well; a link to a state is accepted.
        std::fs::remove_file(&file).unwrap();
        std::fs::create_dir(&file).unwrap();
        let refused = reopen(&file).unwrap_err().to_string();
        assert!(refused.contains("a folder"), "{refused}");
        std::fs::remove_dir(&file).unwrap();
        let linked = file.with_extension("linked");
        std::os::unix::fs::symlink(&linked, &file).unwrap();
        assert!(reopen(&file).unwrap().spend(&[one("a", 1)], NOW).is_ok());
        std::fs::remove_file(linked).unwrap();
        remove(&file);
    }

    #[test]
    fn what_has_ended_stays_spent_when_the_clock_goes_back() {
        let file = file("clock");
        let state = reopen(&file).unwrap();
        state.spend(&[one("a", 1)], NOW).unwrap();
        let later = NOW.plus(Duration::from_secs(3600));
        let long = |key: &str| Use {
            until: later.plus(Duration::from_secs(60)),
            ..one(key, 1)
        };
        state.spend(&[long("b")], later).unwrap();
        assert_eq!(state.spent("a"), Ok(0), "it is forgotten");
        drop(state);
        let state = reopen(&file).unwrap();
        for key in ["a", "c"] {
            let refused = state.spend(&[one(key, 1)], NOW);
            assert!(matches!(
                refused,
                Err(SpendError::State(StateError::Forgotten { .. }))
            ));
        }
        state.spend(&[long("c")], NOW).unwrap();
        assert_eq!(
            state.spend(&[long("b")], NOW),
            Err(SpendError::UsedUp("b".into()))
        );
        remove(&file);
    }

    #[test]
    fn what_was_spent_without_checksums_is_still_spent() {
        let file = file("before");
        let database = Database::create(&file).unwrap();
        let writing = database.begin_write().unwrap();
        let until = NOW.plus(Duration::from_secs(60)).as_millis();
        let mut spent = writing.open_table(SPENT_BEFORE).unwrap();
        spent.insert("a", (1, until)).unwrap();
        drop(spent);
        let mut ends = writing.open_table(ENDS).unwrap();
        ends.insert((until, "a"), ()).unwrap();
        drop(ends);
        let mut intents = writing.open_table(INTENTS_BEFORE).unwrap();
        intents.insert("int-1", b"{}".as_slice()).unwrap();
        drop(intents);
        writing.commit().unwrap();
        drop(database);
        for _ in 0..2 {
            let state = reopen(&file).unwrap();
            assert_eq!(state.spent("a"), Ok(1));
            assert_eq!(state.kept_intents(), Ok(vec![b"{}".to_vec()]));
        }
        remove(&file);
    }

    #[test]
    fn no_flipped_bit_is_taken_for_what_was_spent() {
        let file = file("flipped");
        let state = reopen(&file).unwrap();
        let spent: Vec<_> = (0..60).map(|number| format!("intent {number}")).collect();
        for key in &spent {
            state.spend(&[one(key, 3)], NOW).unwrap();
        }
        state.keep_intent("int-1", b"{\"max-uses\":2}").unwrap();
        drop(state);
        let (whole, marks) = (
            std::fs::read(&file).unwrap(),
            std::fs::read(marks_of(&file)).unwrap(),
        );
        // Half of the places are anywhere, and half of them where bytes are not zero.
        let used: Vec<_> = (0..whole.len())
            .filter(|place| whole[*place] != 0)
            .collect();
        let mut random = 0x2545_f491_4f6c_dd1d_u64;
        let mut next = |below: usize| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            usize::try_from(random % below as u64).unwrap()
        };
        let (mut damaged, mut unharmed, mut lacking) = (0, 0, 0);
        for flip in 0..400 {
            let place = match flip % 2 {
                0 => next(whole.len()),
                _ => used[next(used.len())],
            };
            let mut bytes = whole.clone();
            bytes[place] ^= 1 << next(8);
            std::fs::write(&file, bytes).unwrap();
            std::fs::write(marks_of(&file), &marks).unwrap();
            match reopen(&file) {
                Err(error @ StateError::Damaged { .. }) => {
                    assert!(error.to_string().contains("flipped"), "{error}");
                    damaged += 1;
                }
                Err(error) => panic!("{error}"),
                Ok(state) if state.lacks().is_some() => lacking += 1,
                Ok(state) => {
                    for key in &spent {
                        assert_eq!(state.spent(key), Ok(1), "byte {place}");
                    }
                    let kept = state.kept_intents().unwrap();
                    assert_eq!(kept, [b"{\"max-uses\":2}".to_vec()], "byte {place}");
                    unharmed += 1;
                }
            }
        }
        assert!(
            damaged > 10,
            "{damaged} damaged, {lacking} older, {unharmed} unharmed"
        );
        // Every occurrence of a record, because any copy of its page may be the current one.
        for (record, mask) in [(&b"intent 59"[..], 1), (b"intent 3", 2), (b"max-uses", 4)] {
            let mut bytes = whole.clone();
            for place in 0..whole.len() - record.len() {
                if whole[place..].starts_with(record) {
                    bytes[place] ^= mask;
                }
            }
            assert_ne!(bytes, whole);
            std::fs::write(&file, bytes).unwrap();
            std::fs::write(marks_of(&file), &marks).unwrap();
            assert!(matches!(reopen(&file), Err(StateError::Damaged { .. })));
        }
        remove(&file);
    }

    #[test]
    fn a_bit_that_flips_under_a_running_host_is_not_taken_for_what_was_spent() {
        let spent = sealed("a", 7, 9);
        assert!(opened("a", spent).is_ok());
        for bit in 0..64 {
            for (key, flipped) in [
                ("a", (spent.0 ^ 1 << bit, spent.1, spent.2)),
                ("a", (spent.0, spent.1 ^ 1 << bit, spent.2)),
                ("a", (spent.0, spent.1, spent.2 ^ 1 << bit)),
                ("b", spent),
            ] {
                assert!(matches!(opened(key, flipped), Err(Failure::Damaged(_))));
            }
        }
    }

    #[test]
    fn a_mark_never_goes_back() {
        let file = file("mark");
        let open = || EmbeddedState::open(&file, Duration::from_secs(60)).unwrap();
        let state = open();
        assert_eq!(state.raise_mark("a", 0), Ok(0));
        assert_eq!(state.raise_mark("a", 7), Ok(7));
        assert_eq!(state.raise_mark("a", 3), Ok(7));
        drop(state);
        let state = open();
        assert_eq!(state.raise_mark("a", 0), Ok(7));
        assert_eq!(state.raise_mark("b", 0), Ok(0));
        drop(state);
        remove(&file);
    }

    #[test]
    fn what_was_forgotten_is_not_given_out_again_when_the_clock_goes_back() {
        let file = file("back");
        let window = Duration::from_secs(60);
        let state = EmbeddedState::open(&file, window).unwrap();
        let ends = |key: &str, seconds| Use {
            until: NOW.plus(Duration::from_secs(seconds)),
            ..one(key, 1)
        };
        state.spend(&[ends("spent", 60)], NOW).unwrap();
        state.spend(&[ends("longer", 600)], NOW).unwrap();
        let later = NOW.plus(Duration::from_secs(61));
        state.spend(&[ends("later", 700)], later).unwrap();
        assert_eq!(state.spent("spent"), Ok(0), "it was forgotten");
        // The same after a restart.
        drop(state);
        let state = EmbeddedState::open(&file, window).unwrap();
        for (key, seconds) in [("spent", 60), ("of the same end", 60), ("sooner", 30)] {
            let again = state.spend(&[ends(key, seconds)], NOW);
            let forgotten = matches!(again, Err(SpendError::State(StateError::Forgotten { .. })));
            assert!(forgotten, "{key}: {again:?}");
        }
        let still = state.spend(&[ends("longer", 600)], NOW);
        assert_eq!(still, Err(SpendError::UsedUp("longer".into())));
        assert_eq!(state.spend(&[ends("another", 61)], NOW), Ok(()));
        remove(&file);
    }
}
