//! Marks of a state and a revocation list, in a small file beside the log, the state or the list.
//!
//! With them the host detects at its next start that an older state or list is in place.

use crate::regular;
use portcullis_model::inputs::Inputs;
use portcullis_model::marks::ListMark;
use portcullis_model::marks::StateMark;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Number of new log lines after which their position is written, although nothing else changed.
const LINES: u64 = 256;

/// Length of the file in bytes: one block, which a single write replaces.
const LENGTH: usize = 512;

/// Number of hexadecimal digits of the checksum.
const SUM: usize = 32;

/// Content of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Kept {
    /// The mark of the state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<StateMark>,
    /// The mark of the revocation list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<ListMark>,
    /// Last log line that these marks cover. Later lines are read at the next start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    log: Option<u64>,
    /// Epoch of the list up to which the log records everything in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded: Option<u64>,
    /// True if the mark of the list was damaged, so that the list's earlier epoch is unknown.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) list_is_lost: bool,
}

impl Kept {
    /// Marks of a state alone.
    pub fn of_state(mark: StateMark) -> Self {
        Self {
            state: Some(mark),
            ..Self::default()
        }
    }

    /// Marks of a revocation list alone.
    pub fn of_list(mark: ListMark) -> Self {
        Self {
            list: Some(mark),
            ..Self::default()
        }
    }

    fn raise_state(&mut self, mark: &StateMark) -> bool {
        let is_farther = match &self.state {
            None => true,
            // Another generation is another state, which only an operator can accept.
            Some(known) => known.generation == mark.generation && known.changes < mark.changes,
        };
        if is_farther {
            self.state = Some(mark.clone());
        }
        is_farther
    }

    /// Raises the marks to those in the inputs of a decision. True if that changed them.
    fn raise(&mut self, inputs: &Inputs) -> bool {
        let mut raised = false;
        if let Some(state) = &inputs.state {
            raised |= self.raise_state(state);
        }
        for seen in [&inputs.revocation, &inputs.revocation_again] {
            let seen = seen.as_ref().filter(|seen| seen.error.is_none());
            // Compared before anything is allocated, because this runs for every decision.
            let farther = seen.filter(|seen| {
                let known = self.list.as_ref();
                let fixed = known.and_then(ListMark::fixed).map(|(epoch, _)| epoch);
                let seen_fixed = seen.digest.as_ref().map(|_| seen.epoch);
                known.is_none_or(|known| known.epoch < seen.epoch) || fixed < seen_fixed
            });
            if let Some(seen) = farther {
                raised |= ListMark::raise_known(
                    &mut self.list,
                    &ListMark::new(seen.epoch, seen.digest.clone()),
                );
            }
        }
        raised
    }

    fn accept(&mut self, accepted: &Self) {
        if accepted.state.is_some() {
            self.state.clone_from(&accepted.state);
        }
        if accepted.list.is_some() {
            self.list.clone_from(&accepted.list);
            self.list_is_lost = false;
            // The accepted list may have other revocations in force than the one before.
            self.recorded = None;
        }
    }
}

/// The marks of the state and the revocation list in one log line.
#[derive(Debug, Default)]
pub struct LineMarks {
    /// Number of the line.
    pub sequence: u64,
    /// True if an operator accepted these marks, regardless of earlier ones.
    pub accepts: bool,
    /// The mark of the state.
    pub state: Option<StateMark>,
    /// The mark of the revocation list.
    pub list: Option<ListMark>,
    /// Epoch of the list, with everything in force recorded, at which a host started.
    pub has_all: Option<u64>,
}

impl LineMarks {
    /// Raises the mark of the revocation list.
    pub fn raise_list(&mut self, epoch: u64, digest: Option<String>) {
        ListMark::raise_known(&mut self.list, &ListMark::new(epoch, digest));
    }
}

/// The marks in the log lines after an acceptance, or in all lines if there is none.
#[derive(Debug, Default)]
struct Stretch {
    /// Accepted marks.
    accepted: Kept,
    /// Highest mark of each generation of the state, in reverse order.
    states: Vec<StateMark>,
    list: Option<ListMark>,
    recorded: Option<u64>,
}

impl Stretch {
    /// Adds the marks of a line that is earlier than those added before.
    fn take(&mut self, said: LineMarks) {
        if let Some(state) = said.state {
            let known = self
                .states
                .iter()
                .position(|known| known.generation == state.generation);
            let farthest = known.map(|at| self.states.remove(at));
            let farthest = farthest.filter(|known| known.changes > state.changes);
            self.states.push(farthest.unwrap_or(state));
        }
        if let Some(list) = said.list {
            ListMark::raise_known(&mut self.list, &list);
        }
        self.recorded = self.recorded.max(said.has_all);
    }

    fn apply_to(&self, kept: &mut Kept) {
        kept.accept(&self.accepted);
        for state in self.states.iter().rev() {
            kept.raise_state(state);
        }
        if let Some(list) = &self.list {
            ListMark::raise_known(&mut kept.list, list);
        }
        kept.recorded = kept.recorded.max(self.recorded);
    }
}

/// Marks in a file.
#[derive(Debug)]
pub struct Marks {
    file: PathBuf,
    writes: bool,
    kept: Mutex<Kept>,
    /// Reason why the file was unreadable, if the lines of the log replace it.
    unreadable: Option<String>,
}

impl Marks {
    /// Reads the marks beside `path`.
    ///
    /// With `writes`, changed marks are written there.
    ///
    /// # Errors
    ///
    /// The reason why existing marks are unreadable.
    pub fn beside(path: &Path, writes: bool) -> Result<Self, String> {
        let file = Self::file(path);
        let kept = read(&file)?;
        Ok(Self {
            file,
            writes,
            kept: Mutex::new(kept.unwrap_or_default()),
            unreadable: None,
        })
    }

    /// Opens the marks beside `path` for an acceptance.
    ///
    /// Damaged marks are replaced by empty ones. Nothing is written yet.
    ///
    /// # Errors
    ///
    /// The reason why the file cannot be written, with the remedy.
    pub fn to_accept(path: &Path) -> Result<Self, String> {
        let file = Self::file(path);
        let kept = read(&file).map(Option::unwrap_or_default);
        let marks = Self {
            writes: true,
            kept: Mutex::new(kept.unwrap_or_else(|_| Kept {
                list_is_lost: true,
                ..Kept::default()
            })),
            unreadable: None,
            file,
        };
        marks.can_be_written()?;
        Ok(marks)
    }

    /// Reads the marks beside the log in `path`, and those in its later lines.
    ///
    /// If there are no readable marks beside the log, all lines are read. `backwards` reads the lines of a
    /// log after the line of the given number, from the last one on.
    pub fn of_log(
        path: &Path,
        writes: bool,
        backwards: impl FnOnce(&Path, u64, &mut dyn FnMut(LineMarks)) -> io::Result<()>,
    ) -> Self {
        let file = Self::file(path);
        let (before, unreadable) = match read(&file) {
            Ok(kept) => (kept, None),
            Err(error) => (None, Some(error)),
        };
        let mut kept = before.clone().unwrap_or_default();
        // Lines are read from the last one on. In the order of time, every stretch after the first begins
        // with an acceptance.
        let mut stretches = vec![Stretch::default()];
        let mut last = 0;
        let read = backwards(path, kept.log.unwrap_or(0), &mut |said| {
            last = last.max(said.sequence);
            let Some(stretch) = stretches.last_mut() else {
                return;
            };
            if said.accepts {
                stretch.accepted.state = said.state;
                stretch.accepted.list = said.list;
                stretches.push(Stretch::default());
            } else {
                stretch.take(said);
            }
        });
        for stretch in stretches.iter().rev() {
            stretch.apply_to(&mut kept);
        }
        // If the log cannot be read to its end, it is read again at the next start.
        if read.is_ok() {
            kept.log = Some(last);
        }
        let is_news = before.as_ref() != Some(&kept);
        let marks = Self {
            file,
            writes,
            kept: Mutex::new(kept),
            unreadable,
        };
        if is_news {
            // If this fails, the lines are read again at the next start.
            let _ = marks.write(&marks.lock());
        }
        marks
    }

    /// Reason why the file beside a log was unreadable. The lines of the log are used instead.
    pub fn unreadable(&self) -> Option<&str> {
        self.unreadable.as_deref()
    }

    fn file(path: &Path) -> PathBuf {
        regular::beside(path, ".marks")
    }

    /// A copy of the marks.
    pub fn kept(&self) -> Kept {
        self.lock().clone()
    }

    /// Raises the mark of the state.
    ///
    /// # Errors
    ///
    /// The reason why it cannot be written, with the remedy.
    #[cfg(feature = "embedded-state")]
    pub(crate) fn note_state(&self, mark: &StateMark) -> Result<(), String> {
        let mut kept = self.lock();
        match kept.raise_state(mark) {
            true => self.write(&kept).map_err(|error| self.unwritable(&error)),
            false => Ok(()),
        }
    }

    /// Raises the mark of the list.
    pub fn note_list(&self, mark: &ListMark) -> io::Result<()> {
        let mut kept = self.lock();
        match ListMark::raise_known(&mut kept.list, mark) {
            true => self.write(&kept),
            false => Ok(()),
        }
    }

    /// Raises the marks for a decision that is about to be recorded after log line `sequence`.
    pub fn note(&self, inputs: &Inputs, sequence: u64) -> io::Result<()> {
        let mut kept = self.lock();
        let is_due = kept
            .log
            .is_none_or(|known| sequence.checked_sub(known).is_none_or(|more| more >= LINES));
        match kept.raise(inputs) || is_due {
            true => {
                // All lines up to this one were noted before they were recorded.
                kept.log = Some(sequence);
                self.write(&kept)
            }
            false => Ok(()),
        }
    }

    /// Notes that the log, up to line `sequence`, records everything in force up to `epoch`.
    pub fn note_recorded(&self, epoch: u64, sequence: u64) -> io::Result<()> {
        let mut kept = self.lock();
        kept.log = Some(sequence);
        kept.recorded = Some(epoch);
        self.write(&kept)
    }

    /// Notes that the log recorded the next change of the list.
    pub fn note_change_recorded(&self, epoch: u64) -> io::Result<()> {
        let mut kept = self.lock();
        match kept.recorded.and_then(|known| known.checked_add(1)) {
            Some(next) if next == epoch => {
                kept.recorded = Some(epoch);
                self.write(&kept)
            }
            _ => Ok(()),
        }
    }

    /// Replaces the marks of the state or the list by accepted ones.
    ///
    /// # Errors
    ///
    /// The reason why they cannot be written, with the remedy.
    pub fn accept(&self, accepted: &Kept) -> Result<(), String> {
        let mut kept = self.lock();
        kept.accept(accepted);
        self.write(&kept).map_err(|error| self.unwritable(&error))
    }

    /// Checks that the file can be written, without changing it.
    ///
    /// # Errors
    ///
    /// The reason why it cannot, with the remedy.
    pub fn can_be_written(&self) -> Result<(), String> {
        let was_there = std::fs::symlink_metadata(&self.file).is_ok();
        let opened = create(&self.file);
        if !was_there && opened.is_ok() {
            // An empty file would count as damaged.
            let _ = std::fs::remove_file(&self.file);
        }
        opened.map(drop).map_err(|error| self.unwritable(&error))
    }

    fn unwritable(&self, error: &io::Error) -> String {
        format!(
            "{} cannot be written ({error}): remove it, and make its folder writable",
            self.file.display()
        )
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, kept: &Kept) -> io::Result<()> {
        if !self.writes {
            return Ok(());
        }
        let json = serde_json::to_string(kept)?;
        let line = format!("{} {json}", sum(&json));
        let padded = format!("{line:<width$}\n", width = LENGTH - 1);
        let mut file = create(&self.file)?;
        file.write_all(padded.as_bytes())?;
        if file.metadata()?.len() > padded.len() as u64 {
            // The file was longer, so that it had other content.
            file.set_len(padded.len() as u64)?;
        }
        Ok(())
    }
}

fn create(file: &Path) -> io::Result<File> {
    let mut options = regular::private();
    options.create(true).truncate(false).write(true);
    regular::open_with(&mut options, file)
}

fn sum(json: &str) -> String {
    let digest = base16ct::lower::encode_string(&Sha256::digest(json));
    digest.get(..SUM).unwrap_or(&digest).to_owned()
}

/// Reads the marks in a file, if it exists.
fn read(file: &Path) -> Result<Option<Kept>, String> {
    let wrong = |why: &str| format!("{} {why}", file.display());
    let bytes = match regular::read(file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(wrong(&format!("cannot be read ({error})"))),
    };
    let damaged = || wrong("is damaged");
    let text = std::str::from_utf8(&bytes).map_err(|_| damaged())?;
    let (found, json) = text.trim_end().split_once(' ').ok_or_else(damaged)?;
    if sum(json) != found {
        return Err(damaged());
    }
    serde_json::from_str(json).map(Some).map_err(|_| damaged())
}

#[cfg(test)]
mod tests;
