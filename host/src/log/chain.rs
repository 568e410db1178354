//! Whether a log is whole.

use super::Entry;
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What the first line names as the one before it.
pub(super) const BEGINNING: &str = "the beginning";

/// How often it is looked again for what a host is just about to write, and how long it takes for it
/// in between.
const PATIENCE: usize = 100;
const PAUSE: Duration = Duration::from_millis(1);

/// A log that is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// How many decisions it has.
    pub entries: u64,
    /// The hash of its last line. Keep it elsewhere to tell later that the log was not made anew.
    pub head: String,
    /// How many lines lie behind the head that is kept beside the log: they were recorded while it
    /// was read, or just before a crash, or somebody added them.
    pub behind_head: u64,
}

/// Where a log is not whole.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// A file cannot be read.
    #[error("cannot read {}: {error}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A line was changed, removed, added or moved.
    #[error("{}:{line}: {message}", file.display())]
    Line {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong there.
        message: String,
    },
    /// What was recorded last is not kept beside the log.
    #[error("{} cannot be read, so that nobody can tell whether lines at the end are gone", .0.display())]
    NoHead(PathBuf),
    /// Lines at the end are gone.
    #[error("{} ends with decision {found}, and {recorded} were recorded: lines at its end are gone", file.display())]
    Truncated {
        /// The file.
        file: PathBuf,
        /// The last decision there.
        found: u64,
        /// The last decision that was recorded.
        recorded: u64,
    },
}

/// Verifies the log of which `path` is the latest file: that no line was changed, removed, added or
/// moved, in it and the full files beside it, and that none is gone from its end.
///
/// # Errors
///
/// [`Broken`], at the first place.
pub fn verify(path: &Path) -> Result<Verified, Broken> {
    let mut verified = Verified {
        entries: 0,
        head: BEGINNING.to_owned(),
        behind_head: 0,
    };
    let there = open_next(path, 1);
    there.map_err(|error| Broken::Read {
        file: path.to_owned(),
        error,
    })?;
    // Read first: decisions may be recorded while the lines are read.
    let Some(recorded) = Head::read(path) else {
        return Err(Broken::NoHead(Head::file(path)));
    };
    read(path, |file, line, text, entry| {
        let wrong = |message: String| Broken::Line {
            file: file.to_owned(),
            line,
            message,
        };
        if entry.previous != verified.head {
            return Err(wrong("it does not follow from the line before it: that one was changed, or lines were removed, added or moved".to_owned()));
        }
        if entry.sequence != verified.entries + 1 {
            let message = format!(
                "its number is {}, and {} comes next",
                entry.sequence,
                verified.entries + 1
            );
            return Err(wrong(message));
        }
        verified.entries = entry.sequence;
        verified.head = hash(text.as_bytes());
        if verified.entries == recorded.sequence && verified.head != recorded.hash {
            return Err(wrong(
                "it is not the line that was recorded last: it was changed".to_owned(),
            ));
        }
        Ok(())
    })?;
    if recorded.sequence > verified.entries {
        return Err(Broken::Truncated {
            file: path.to_owned(),
            found: verified.entries,
            recorded: recorded.sequence,
        });
    }
    verified.behind_head = verified.entries - recorded.sequence;
    Ok(verified)
}

/// Reads every line of the log of which `path` is the latest file, in order. A host may write it
/// meanwhile, and begin the next file.
///
/// # Errors
///
/// What `each` gives, or [`Broken`] if a line is not one of a log.
pub fn read(
    path: &Path,
    mut each: impl FnMut(&Path, usize, &str, Entry) -> Result<(), Broken>,
) -> Result<(), Broken> {
    let unreadable = |file: &Path, error| Broken::Read {
        file: file.to_owned(),
        error,
    };
    for number in 1.. {
        let next = open_next(path, number).map_err(|error| unreadable(path, error))?;
        let file = match &next {
            Next::Full(file, _) => file.as_path(),
            Next::Latest(_) => path,
        };
        let (Next::Full(_, opened) | Next::Latest(opened)) = &next;
        let mut reader = BufReader::new(opened);
        for index in 1.. {
            let line = whole_line(&mut reader).map_err(|error| unreadable(file, error))?;
            let Some(line) = line else {
                break;
            };
            let entry = serde_json::from_str(&line).map_err(|error| Broken::Line {
                file: file.to_owned(),
                line: index,
                message: format!("it is no decision: {error}"),
            })?;
            each(file, index, &line, entry)?;
        }
        if matches!(next, Next::Latest(_)) {
            break;
        }
    }
    Ok(())
}

/// The file of a log that comes next, open.
enum Next {
    Full(PathBuf, File),
    Latest(File),
}

/// Opens the file of that number: a full one, or else the latest.
///
/// A host that begins the next file gives the latest its number and makes another. So what was opened
/// as the latest is the one of that number only if there is still no full one of it: then it had not
/// been renamed when it was opened. A file that is missing is not made up for by any of this: those
/// behind it do not follow from those before it.
fn open_next(path: &Path, number: u32) -> io::Result<Next> {
    let mut missing = io::Error::from(io::ErrorKind::NotFound);
    for _ in 0..PATIENCE {
        let full = numbered(path, number);
        if full.exists() {
            let opened = File::open(&full)?;
            return Ok(Next::Full(full, opened));
        }
        let latest = File::open(path);
        if full.exists() {
            continue;
        }
        match latest {
            Ok(latest) => return Ok(Next::Latest(latest)),
            // The one before it has its number, and the next is about to be made.
            Err(error) if error.kind() == io::ErrorKind::NotFound && number > 1 => {
                missing = error;
                std::thread::sleep(PAUSE);
            }
            Err(error) => return Err(error),
        }
    }
    Err(missing)
}

/// The next line, without its end. One at the end of a file that has none may be about to be written
/// in full.
fn whole_line(reader: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    reader.read_until(b'\n', &mut line)?;
    for _ in 0..PATIENCE {
        if line.is_empty() || line.ends_with(b"\n") {
            break;
        }
        std::thread::sleep(PAUSE);
        reader.read_until(b'\n', &mut line)?;
    }
    if line.is_empty() {
        return Ok(None);
    }
    if line.ends_with(b"\n") {
        line.pop();
    }
    String::from_utf8(line)
        .map(Some)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// The full files, in order.
pub(super) fn full_files(path: &Path) -> Vec<PathBuf> {
    (1..)
        .map(|number| numbered(path, number))
        .take_while(|file| file.exists())
        .collect()
}

/// The full files and then the latest.
pub(super) fn files(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = full_files(path);
    // Without the latest there is no log.
    std::fs::metadata(path)?;
    files.push(path.to_owned());
    Ok(files)
}

/// The name of the full file of that number.
pub(super) fn numbered(path: &Path, number: u32) -> PathBuf {
    let extension = path.extension().unwrap_or_default().to_string_lossy();
    path.with_extension(format!("{number:06}.{extension}"))
}

pub(super) fn hash(line: &[u8]) -> String {
    base16ct::lower::encode_string(&Sha256::digest(line))
}

/// The last line that was recorded, kept beside the log to tell when lines at its end are gone.
pub(super) struct Head {
    pub(super) sequence: u64,
    pub(super) hash: String,
}

impl Head {
    pub(super) fn file(path: &Path) -> PathBuf {
        let mut name = path.as_os_str().to_owned();
        name.push(".head");
        PathBuf::from(name)
    }

    pub(super) fn read(path: &Path) -> Option<Self> {
        let file = Self::file(path);
        let mut text = std::fs::read_to_string(&file).ok()?;
        // A host may write it meanwhile: what is read alike twice is not half of one and half of another.
        for _ in 0..PATIENCE {
            let again = std::fs::read_to_string(&file).ok()?;
            if again == text {
                break;
            }
            text = again;
        }
        let (sequence, hash) = text.trim().split_once(' ')?;
        Some(Self {
            sequence: sequence.parse().ok()?,
            hash: hash.to_owned(),
        })
    }
}
