//! The state of one host, in a file.

use super::instances::Instances;
use super::{Seen, SpendError, State, StateError, Use};
use crate::timestamp::Timestamp;
use redb::backends::InMemoryBackend;
use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What was spent: how often, and when that may be forgotten, in milliseconds since 1970.
const SPENT: TableDefinition<'_, &str, (u64, u64)> = TableDefinition::new("spent");

/// What may be forgotten when.
const ENDS: TableDefinition<'_, (u64, &str), ()> = TableDefinition::new("ends");

/// The latest end of what was forgotten, in milliseconds since 1970, under [`LATEST`].
const FORGOTTEN: TableDefinition<'_, &str, u64> = TableDefinition::new("forgotten");
const LATEST: &str = "latest";

/// The documents of intents, by id.
const INTENTS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("intents");

/// How high the mark of a name is.
const MARKS: TableDefinition<'_, &str, u64> = TableDefinition::new("marks");

/// How many counts that have ended are forgotten with each that is spent.
const FORGOTTEN_AT_ONCE: usize = 8;

/// The state of one host, in a file that it alone has open. What is spent is on disk before it is
/// known to be.
#[derive(Debug)]
pub struct EmbeddedState {
    /// Empty if it is kept in memory.
    file: PathBuf,
    /// Closed when the disk failed, and opened again when it is next needed.
    database: Mutex<Option<Arc<Database>>>,
    instances: Instances,
}

impl EmbeddedState {
    /// Opens the state in `file`, or makes it. Credentials are looked for in two places at a time
    /// within `clone_window`; which ones were seen is not kept in the file.
    ///
    /// # Errors
    ///
    /// [`StateError`] if it cannot be opened, as while another process has it open.
    pub fn open(file: impl Into<PathBuf>, clone_window: Duration) -> Result<Self, StateError> {
        let file = file.into();
        let database = open(&file)?;
        Ok(Self {
            file,
            database: Mutex::new(Some(Arc::new(database))),
            instances: Instances::new(clone_window),
        })
    }

    /// A state that begins empty and is gone with the process.
    pub fn in_memory(clone_window: Duration) -> Self {
        Self {
            file: PathBuf::new(),
            database: Mutex::new(None),
            instances: Instances::new(clone_window),
        }
    }

    /// Looks for at most so many credentials with another instance at a time (200,000 by default). Where
    /// there are more, whoever has most of them in this time has their oldest forgotten.
    #[must_use]
    pub fn max_credentials(mut self, most: usize) -> Self {
        self.instances = self.instances.max_credentials(most);
        self
    }

    fn database(&self) -> Result<Arc<Database>, StateError> {
        let mut database = self.database.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(database) = &*database {
            return Ok(Arc::clone(database));
        }
        let opened = Arc::new(open(&self.file)?);
        *database = Some(Arc::clone(&opened));
        Ok(opened)
    }

    /// Does something with the database, and closes it if that failed: after an error of the disk it
    /// does not go on before it is opened again.
    fn with<T>(
        &self,
        does: impl FnOnce(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, StateError> {
        let database = self.database()?;
        does(&database).map_err(|error| {
            drop(database);
            *self.database.lock().unwrap_or_else(PoisonError::into_inner) = None;
            failed(&self.file, &error)
        })
    }
}

impl State for EmbeddedState {
    fn spent(&self, key: &str) -> Result<u64, StateError> {
        self.with(|database| {
            let reading = database.begin_read()?;
            let spent = reading.open_table(SPENT)?.get(key)?;
            Ok(spent.map_or(0, |spent| spent.value().0))
        })
    }

    fn spend(&self, uses: &[Use], now: Timestamp) -> Result<(), SpendError> {
        let refused = self.with(|database| {
            let writing = database.begin_write()?;
            {
                let mut forgotten = writing.open_table(FORGOTTEN)?;
                let latest = forgotten.get(LATEST)?.map_or(0, |latest| latest.value());
                let mut spent = writing.open_table(SPENT)?;
                let mut ends = writing.open_table(ENDS)?;
                for one in uses {
                    let key = one.key.as_str();
                    let before = spent.get(key)?.map(|spent| spent.value());
                    let count = before.map_or(0, |(count, _)| count);
                    if count >= one.limit {
                        // What was written in this transaction is dropped with it.
                        return Ok(Some(SpendError::UsedUp(one.key.clone())));
                    }
                    let until = one.until.as_millis();
                    // The clock had gone past its end, and was set back: its count may be gone.
                    if before.is_none() && until <= latest {
                        return Ok(Some(SpendError::State(StateError::Forgotten {
                            key: one.key.clone(),
                            until: one.until,
                            forgotten: Timestamp::from_millis(latest),
                        })));
                    }
                    if let Some((_, end)) = before.filter(|(_, end)| *end != until) {
                        ends.remove((end, key))?;
                    }
                    spent.insert(key, (count + 1, until))?;
                    ends.insert((until, key), ())?;
                }
                let over: Vec<_> = ends
                    .range(..(now.as_millis(), ""))?
                    .take(FORGOTTEN_AT_ONCE)
                    .map(|entry| entry.map(|(end, _)| (end.value().0, end.value().1.to_owned())))
                    .collect::<Result<_, _>>()?;
                if let Some((end, _)) = over.last().filter(|(end, _)| *end > latest) {
                    forgotten.insert(LATEST, *end)?;
                }
                for (end, key) in over {
                    ends.remove((end, key.as_str()))?;
                    spent.remove(key.as_str())?;
                }
            }
            writing.commit()?;
            Ok(None)
        })?;
        match refused {
            None => Ok(()),
            Some(error) => Err(error),
        }
    }

    fn seen_elsewhere(&self, seen: &Seen<'_>) -> Result<Option<String>, StateError> {
        self.instances.seen_elsewhere(seen)
    }

    fn raise_mark(&self, name: &str, to: u64) -> Result<u64, StateError> {
        self.with(|database| {
            let reading = database.begin_read()?;
            let mark = reading.open_table(MARKS)?.get(name)?;
            let mark = mark.map_or(0, |mark| mark.value());
            if mark >= to {
                return Ok(mark);
            }
            let writing = database.begin_write()?;
            let mark = {
                let mut marks = writing.open_table(MARKS)?;
                // Somebody else may have raised it meanwhile.
                let before = marks.get(name)?.map_or(0, |mark| mark.value());
                let mark = before.max(to);
                marks.insert(name, mark)?;
                mark
            };
            writing.commit()?;
            Ok(mark)
        })
    }

    fn keep_intent(&self, id: &str, document: &[u8]) -> Result<(), StateError> {
        self.with(|database| {
            let writing = database.begin_write()?;
            writing.open_table(INTENTS)?.insert(id, document)?;
            writing.commit()?;
            Ok(())
        })
    }

    fn kept_intents(&self) -> Result<Vec<Vec<u8>>, StateError> {
        self.with(|database| {
            let reading = database.begin_read()?;
            let intents = reading.open_table(INTENTS)?;
            intents
                .iter()?
                .map(|entry| Ok(entry?.1.value().to_vec()))
                .collect()
        })
    }
}

/// Opens the database with all its tables, so that reading never lacks one.
fn open(file: &Path) -> Result<Database, StateError> {
    let make = || -> Result<Database, redb::Error> {
        let database = if file.as_os_str().is_empty() {
            Database::builder().create_with_backend(InMemoryBackend::new())?
        } else {
            Database::create(file)?
        };
        let writing = database.begin_write()?;
        writing.open_table(SPENT)?;
        writing.open_table(ENDS)?;
        writing.open_table(FORGOTTEN)?;
        writing.open_table(INTENTS)?;
        writing.open_table(MARKS)?;
        writing.commit()?;
        Ok(database)
    };
    make().map_err(|error| failed(file, &error))
}

fn failed(file: &Path, error: &redb::Error) -> StateError {
    StateError::Store {
        file: file.to_owned(),
        message: match error {
            redb::Error::DatabaseAlreadyOpen => {
                "another process has it open: give each host a file of its own".to_owned()
            }
            other => other.to_string(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);

    fn file(name: &str) -> PathBuf {
        let file =
            std::env::temp_dir().join(format!("portcullis-{name}-{}.redb", std::process::id()));
        let _ = std::fs::remove_file(&file);
        file
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
        std::fs::remove_file(file).unwrap();
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
        std::fs::remove_file(file).unwrap();
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
        std::fs::remove_file(file).unwrap();
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
        std::fs::remove_file(file).unwrap();
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
        // After a restart, too.
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
        std::fs::remove_file(file).unwrap();
    }
}
