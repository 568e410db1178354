//! How far a state and a revocation list went, remembered in a small file beside the log, the state or the
//! list, so that an older one in its place is noticed at the next start.

use super::StateMark;
use crate::log::{Decided, Entry, Event};
use crate::revocation::ListMark;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// How much of the end of a log is read for what it says itself, in bytes.
const TAIL: u64 = 256 * 1024;

/// How long the file is: writing it is one write of one block.
const LENGTH: usize = 512;

/// How many hexadecimal digits its checksum has.
const SUM: usize = 32;

/// What is remembered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) state: Option<StateMark>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) list: Option<ListMark>,
}

impl Kept {
    fn raise_state(&mut self, mark: &StateMark) -> bool {
        let is_farther = match &self.state {
            None => true,
            // One of another generation is another state: only an operator accepts that.
            Some(known) => known.generation == mark.generation && known.changes < mark.changes,
        };
        if is_farther {
            self.state = Some(mark.clone());
        }
        is_farther
    }

    fn raise_list(&mut self, mark: &ListMark) -> bool {
        let is_farther = self.list.as_ref().is_none_or(|known| {
            known.epoch < mark.epoch || known.epoch == mark.epoch && known.digest.is_none()
        });
        if is_farther && self.list.as_ref() != Some(mark) {
            self.list = Some(mark.clone());
            return true;
        }
        false
    }

    /// Takes over what a line of the log says.
    fn read_entry(&mut self, entry: &Entry) {
        let list = |epoch| ListMark {
            epoch,
            digest: None,
        };
        match &entry.event {
            Event::Decision(decided) => self.read_decision(decided),
            Event::Revocation { epoch, .. } | Event::Lift { epoch, .. } => {
                self.raise_list(&list(*epoch));
            }
            Event::Accepted(accepted) => {
                if let Some(state) = &accepted.state {
                    self.state = Some(state.clone());
                }
                if let Some(list) = &accepted.list {
                    self.list = Some(list.clone());
                }
            }
            _ => {}
        }
    }

    fn read_decision(&mut self, decided: &Decided) {
        let evidence = &decided.evidence;
        if let Some(state) = &evidence.state {
            self.raise_state(state);
        }
        for seen in [&evidence.revocation, &evidence.revocation_again] {
            if let Some(seen) = seen.as_ref().filter(|seen| seen.error.is_none()) {
                self.raise_list(&ListMark {
                    epoch: seen.epoch,
                    digest: None,
                });
            }
        }
    }
}

/// Marks in a file.
#[derive(Debug)]
pub(crate) struct Marks {
    file: PathBuf,
    writes: bool,
    kept: Mutex<Kept>,
}

impl Marks {
    /// What is remembered beside `path`. With `writes`, what is noted is written there.
    ///
    /// # Errors
    ///
    /// Why what is there cannot be read.
    pub(crate) fn beside(path: &Path, writes: bool) -> Result<Self, String> {
        let file = Self::file(path);
        let kept = read(&file)?.unwrap_or_default();
        Ok(Self {
            file,
            writes,
            kept: Mutex::new(kept),
        })
    }

    /// What is remembered beside the log in `path`, or else what its lines say.
    pub(crate) fn of_log(path: &Path, writes: bool) -> Self {
        let file = Self::file(path);
        let kept = match read(&file) {
            Ok(Some(mut kept)) => {
                // What the end of the log says counts as well: the file may be an older one.
                for entry in last_entries(path).unwrap_or_default() {
                    kept.read_entry(&entry);
                }
                kept
            }
            // It is not there or damaged: the log has it, line by line.
            Ok(None) | Err(_) => {
                let mut kept = Kept::default();
                let _ = crate::log::read(path, |_, _, _, entry| {
                    kept.read_entry(&entry);
                    Ok(())
                });
                kept
            }
        };
        Self {
            file,
            writes,
            kept: Mutex::new(kept),
        }
    }

    /// Forgets what is remembered beside `path`.
    pub(crate) fn remove(path: &Path) -> io::Result<()> {
        std::fs::remove_file(Self::file(path))
    }

    fn file(path: &Path) -> PathBuf {
        let mut name = path.as_os_str().to_owned();
        name.push(".marks");
        PathBuf::from(name)
    }

    pub(crate) fn kept(&self) -> Kept {
        self.lock().clone()
    }

    /// Remembers how far a state went.
    pub(crate) fn note_state(&self, mark: &StateMark) -> io::Result<()> {
        let mut kept = self.lock();
        match kept.raise_state(mark) {
            true => self.write(&kept),
            false => Ok(()),
        }
    }

    /// Remembers how far a list went.
    pub(crate) fn note_list(&self, mark: &ListMark) -> io::Result<()> {
        let mut kept = self.lock();
        match kept.raise_list(mark) {
            true => self.write(&kept),
            false => Ok(()),
        }
    }

    /// Forgets what was known of the state or the list, in favour of what an operator accepts.
    pub(crate) fn accept(&self, accepted: &Kept) -> io::Result<()> {
        let mut kept = self.lock();
        if accepted.state.is_some() {
            kept.state.clone_from(&accepted.state);
        }
        if accepted.list.is_some() {
            kept.list.clone_from(&accepted.list);
        }
        self.write(&kept)
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
        file.seek(SeekFrom::Start(0))?;
        file.write_all(padded.as_bytes())
    }
}

fn create(file: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(file)
}

fn sum(json: &str) -> String {
    let digest = base16ct::lower::encode_string(&Sha256::digest(json));
    digest.get(..SUM).unwrap_or(&digest).to_owned()
}

/// What a file remembers, if it is there.
fn read(file: &Path) -> Result<Option<Kept>, String> {
    let wrong = |why: &str| format!("{} {why}", file.display());
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(wrong(&format!("cannot be read: {error}"))),
    };
    let damaged = || wrong("is damaged");
    let (found, json) = text.trim_end().split_once(' ').ok_or_else(damaged)?;
    if sum(json) != found {
        return Err(damaged());
    }
    serde_json::from_str(json).map(Some).map_err(|_| damaged())
}

/// The last lines of a log, as far as they can be read.
fn last_entries(path: &Path) -> io::Result<Vec<Entry>> {
    let mut file = File::open(path)?;
    let begin = file.metadata()?.len().saturating_sub(TAIL);
    file.seek(SeekFrom::Start(begin))?;
    let mut bytes = Vec::new();
    file.take(TAIL).read_to_end(&mut bytes)?;
    let lines = bytes.split(|byte| *byte == b'\n');
    Ok(lines
        .filter_map(|line| serde_json::from_slice(line).ok())
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(generation: &str, changes: u64) -> StateMark {
        StateMark {
            generation: generation.into(),
            changes,
        }
    }

    #[test]
    fn marks_only_go_up_until_an_operator_accepts_others() {
        let folder = std::env::temp_dir().join(format!("portcullis-marks-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("x");
        let marks = || Marks::beside(&path, true).unwrap();
        assert_eq!(marks().kept(), Kept::default());
        marks().note_state(&state("a", 3)).unwrap();
        for lower in [state("a", 2), state("b", 9)] {
            marks().note_state(&lower).unwrap();
            assert_eq!(marks().kept().state, Some(state("a", 3)));
        }
        let list = |epoch| ListMark {
            epoch,
            digest: Some("d".into()),
        };
        marks().note_list(&list(2)).unwrap();
        marks().note_list(&list(1)).unwrap();
        assert_eq!(marks().kept().list, Some(list(2)));
        let accepted = Kept {
            state: Some(state("b", 0)),
            list: None,
        };
        marks().accept(&accepted).unwrap();
        assert_eq!(marks().kept().state, Some(state("b", 0)));
        assert_eq!(marks().kept().list, Some(list(2)));
        // One flipped bit is noticed.
        let file = Marks::file(&path);
        let whole = std::fs::read(&file).unwrap();
        assert_eq!(whole.len(), LENGTH);
        for place in 0..100 {
            let mut flipped = whole.clone();
            flipped[place] ^= 1;
            std::fs::write(&file, flipped).unwrap();
            assert!(Marks::beside(&path, true).is_err(), "byte {place}");
        }
        std::fs::remove_dir_all(folder).unwrap();
    }
}
