//! State of one host, in a file.

mod about;
mod checksums;
mod counts;
mod database;
mod failure;

use super::instances::Sightings;
use super::{GONE, Kept, Marks, State as _, StateError};
use about::{About, Lacks, about, lacks, list_of, marks_beside};
use checksums::sealed_text;
use database::{ABOUT, open};
use failure::Failure;
use portcullis_model::marks::ListMark;
use portcullis_model::marks::StateMark;
use redb::{Database, WriteTransaction};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// State of one host, in a file that only this host has open.
///
/// A spending is on disk before [`State::spend`](super::State::spend) returns.
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
    /// [`State::distrust`](super::State::distrust) then has no effect.
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

    /// Sets window and maximum number of credentials of a state in use; what it has seen stays.
    pub fn reconfigure(&self, clone_window: Duration, max_credentials: usize) {
        self.instances.reconfigure(clone_window, max_credentials);
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

#[cfg(test)]
mod tests;
