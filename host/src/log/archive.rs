//! Moves sealed files to an archive, and keeps the record of it.
//!
//! The rest of the log is verified from that record.

use super::chain::{self, Corrupt};
use super::files::{BEGINNING, Files, Next, folder_of, name_of, newest_sealed, numbered};
use super::tail::Backwards;
use super::{Entry, Event};
use portcullis_contract::printable;
use portcullis_model::timestamp::Timestamp;
use portcullis_trust::regular;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fs::{self, File};
use std::io::{self, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};

/// Version of the lines of the record.
const RECORD_VERSION: u64 = 1;

/// Record of an archived file, or of missing files that an operator accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Archived {
    /// Version of the record.
    v: u64,
    /// Number of the file; for several missing files, of the last one.
    pub file: u32,
    /// Number of its first line.
    pub first: u64,
    /// Number of its last line, the seal.
    pub last: u64,
    /// Hash of the line before its first line.
    pub previous: String,
    /// Hash of its seal.
    pub hash: String,
    /// Digest of the file; `None` if it was missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Folder that it was moved to; `None` if it was missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved_to: Option<String>,
    /// Time of the record.
    pub at: Timestamp,
}

impl Archived {
    fn record(path: &Path) -> PathBuf {
        regular::beside(path, ".archived")
    }

    /// Reads the records of a log, in order.
    pub(super) fn read(path: &Path) -> Result<Vec<Self>, Corrupt> {
        let record = Self::record(path);
        let mut text = Vec::new();
        let read = regular::open(&record).and_then(|mut opened| opened.read_to_end(&mut text));
        match read {
            Ok(_) => {}
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                return Ok(Vec::new());
            }
            Err(error) => {
                return Err(Corrupt::Read {
                    file: record,
                    error,
                });
            }
        }
        let mut all: Vec<Self> = Vec::new();
        let lines = text.split_inclusive(|byte| *byte == b'\n');
        // A last record without a line end was being written: its file was not yet removed.
        let whole = lines.filter(|line| line.ends_with(b"\n"));
        for (index, text) in whole.enumerate() {
            let wrong = |message: String| Corrupt::Line {
                file: record.clone(),
                line: index + 1,
                message,
            };
            let one: Self = serde_json::from_slice(text).map_err(|error| {
                let error = printable(&error.to_string());
                wrong(format!("it is no record of an archived file: {error}"))
            })?;
            if one.v != RECORD_VERSION {
                return Err(wrong(format!(
                    "it has version `{}`, but only version {} is supported",
                    one.v, RECORD_VERSION
                )));
            }
            let (file, last, hash) = match all.last() {
                None => (0, 0, BEGINNING),
                Some(before) => (before.file, before.last, before.hash.as_str()),
            };
            let follows = one.file > file
                && one.previous == hash
                && last.checked_add(1) == Some(one.first)
                && one.last >= one.first;
            if !follows {
                return Err(wrong(
                    "it does not follow from the record before it: lines were changed, removed, added or moved".to_owned(),
                ));
            }
            all.push(one);
        }
        Ok(all)
    }

    /// Appends the record as a whole line, or not at all.
    fn append(&self, path: &Path) -> io::Result<()> {
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        let mut record = regular::private()
            .create(true)
            .read(true)
            .append(true)
            .open(Self::record(path))?;
        let (before, is_unended) = Backwards::new(&record)?.whole();
        if is_unended {
            record.set_len(before)?;
        }
        let written = record.write_all(&line).and_then(|()| record.sync_all());
        if written.is_err() {
            // Ignored: the error of the write is reported instead.
            let _ = record.set_len(before);
        }
        written?;
        sync_folder_of(path)
    }
}

/// Reason why archiving failed or stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The log, or a file to archive, failed verification.
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
    /// A file cannot be moved.
    #[error("cannot archive {}: {message}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// Message of the operating system, or the obstacle.
        message: String,
    },
    /// Another `log archive` is running.
    #[error("another process archives {}: wait until it is done", .0.display())]
    Busy(PathBuf),
}

/// Moves sealed files of a log to the folder `to`.
///
/// `path` is the latest file of the log. The move starts with the oldest file, and leaves the `keep`
/// newest. The host may keep writing. Each file is verified first. It is in the folder and on record
/// before it is removed, so that an interrupted archive can safely be repeated.
///
/// # Errors
///
/// [`ArchiveError`]; files before the one that it names were archived.
pub fn archive(path: &Path, to: &Path, keep: usize) -> Result<Vec<Archived>, ArchiveError> {
    let newest = newest(path)?;
    let _alone = alone(path)?;
    let end = u64::from(newest).saturating_sub(keep as u64);
    make_folder(to).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => ArchiveError::File {
            file: path.to_owned(),
            message: format!(
                "{} is a file, not a folder: name a folder, which is created if it is missing",
                to.display()
            ),
        },
        _ => failed(to, error),
    })?;
    // In the log's own folder, each file would be copied to itself, and then removed.
    if let (Ok(to), Ok(folder)) = (fs::canonicalize(to), fs::canonicalize(folder_of(path)))
        && to == folder
    {
        return Err(ArchiveError::File {
            file: path.to_owned(),
            message: format!(
                "{} is the folder of the log itself: name another",
                to.display()
            ),
        });
    }
    let mut done = Vec::new();
    for number in oldest(path)?..=u32::try_from(end).unwrap_or(u32::MAX) {
        let records = Archived::read(path)?;
        let file = numbered(path, number);
        if records.last().is_some_and(|last| last.file >= number) {
            // An earlier run was interrupted after it recorded this file.
            let record = records.iter().find(|record| record.file == number);
            remove_copied(&file, to, record)?;
            continue;
        }
        let mut one = sealed(path, number, &records)?;
        one.digest = Some(copy(&file, &to.join(name_of(&file)))?);
        let to = fs::canonicalize(to).unwrap_or_else(|_| to.to_owned());
        one.moved_to = Some(printable(&to.to_string_lossy()));
        one.append(path).map_err(|error| failed(&file, error))?;
        fs::remove_file(&file).map_err(|error| failed(&file, error))?;
        sync_folder_of(path).map_err(|error| failed(path, error))?;
        done.push(one);
    }
    Ok(done)
}

/// Accepts that the oldest files of a log are missing; returns `None` if none is.
///
/// The record states where the remaining log begins. The missing files can no longer be verified.
///
/// # Errors
///
/// [`ArchiveError`] if the remaining log does not begin at the start of a file.
pub fn accept_missing(path: &Path) -> Result<Option<Archived>, ArchiveError> {
    let newest = newest(path)?;
    let _alone = alone(path)?;
    let records = Archived::read(path)?;
    let next = records.last().map_or(1, |last| last.file.saturating_add(1));
    let first = (next..=newest).find(|number| numbered(path, *number).exists());
    let file = match first {
        Some(number) => numbered(path, number),
        None => path.to_owned(),
    };
    let opened = File::open(&file).map_err(|error| failed(&file, error))?;
    let Some(begin) = chain::opening(&file, &opened)? else {
        return Ok(None);
    };
    if begin.number <= next {
        return Ok(None);
    }
    let (first, previous) = match records.last() {
        None => (1, BEGINNING.to_owned()),
        Some(last) => (last.last.saturating_add(1), last.hash.clone()),
    };
    let one = Archived {
        v: RECORD_VERSION,
        file: begin.number - 1,
        first,
        last: begin.sequence.saturating_sub(1),
        previous,
        hash: begin.previous,
        digest: None,
        moved_to: None,
        at: Timestamp::now(),
    };
    one.append(path).map_err(|error| failed(path, error))?;
    Ok(Some(one))
}

/// Verifies a sealed file that follows the recorded ones.
fn sealed(path: &Path, number: u32, records: &[Archived]) -> Result<Archived, ArchiveError> {
    let (mut sequence, mut hash) = match records.last() {
        None => (0, BEGINNING.to_owned()),
        Some(last) => (last.last, last.hash.clone()),
    };
    let (before, previous) = (sequence, hash.clone());
    let files = Files {
        path,
        archive: None,
    };
    let file = numbered(path, number);
    let missing = || Corrupt::Missing(vec![file.clone()]);
    let opened = match files.open(number)? {
        Next::Sealed(_, opened) => opened,
        Next::Latest(_) => return Err(missing().into()),
    };
    let is_sealed = chain::read_file(
        &file,
        opened,
        number,
        true,
        &mut |file: &Path, line: usize, text: &str, entry: Entry| {
            chain::follows(file, line, &entry, sequence, &hash)?;
            sequence = entry.sequence;
            hash = super::files::hash(text.as_bytes());
            if let Event::Seal(seal) = &entry.event {
                chain::seals(file, line, seal, number, before, sequence, &previous)?;
            }
            Ok(())
        },
    )?;
    debug_assert!(
        is_sealed,
        "a sealed file ends with its seal, or it is refused"
    );
    Ok(Archived {
        v: RECORD_VERSION,
        file: number,
        first: before.saturating_add(1),
        last: sequence,
        previous,
        hash,
        digest: None,
        moved_to: None,
        at: Timestamp::now(),
    })
}

/// Number of the oldest sealed file beside the log.
///
/// Without one, the number after the newest file.
fn oldest(path: &Path) -> Result<u32, ArchiveError> {
    let records = Archived::read(path)?;
    let mut next = records.last().map_or(1, |last| last.file.saturating_add(1));
    while next > 1 && numbered(path, next - 1).exists() {
        next -= 1;
    }
    Ok(next)
}

/// Number of the newest sealed file of the log; 0 if there is none.
///
/// The latest file must exist, and have a higher number.
fn newest(path: &Path) -> Result<u32, ArchiveError> {
    // Read first: the host may start the next file at the same time.
    let newest = newest_sealed(path).map_err(|error| failed(path, error))?;
    let newest = newest.unwrap_or(0);
    let files = Files {
        path,
        archive: None,
    };
    let latest = chain::opening(path, &files.latest()?)?;
    match latest {
        Some(latest) if newest >= latest.number => Err(ArchiveError::File {
            file: numbered(path, newest),
            message: format!(
                "it is no sealed file of this log, whose latest file has number {}: move it away",
                latest.number
            ),
        }),
        _ => Ok(newest),
    }
}

/// Copies a file, synced to disk; returns its digest.
fn copy(file: &Path, to: &Path) -> Result<String, ArchiveError> {
    if to.exists() {
        // Left by an archive that was interrupted before it recorded this file.
        let (there, here) = (digest(to), digest(file));
        return match (there, here) {
            (Ok(there), Ok(here)) if there == here => Ok(here),
            (Err(error), _) | (_, Err(error)) => Err(failed(to, error)),
            _ => Err(ArchiveError::File {
                file: file.to_owned(),
                message: format!(
                    "{} exists already, and differs: choose another folder",
                    to.display()
                ),
            }),
        };
    }
    let partial = regular::beside(to, ".partial");
    let copied = || -> io::Result<()> {
        let mut source = File::open(file)?;
        let mut target = regular::private()
            .create(true)
            .truncate(true)
            .write(true)
            .open(&partial)?;
        io::copy(&mut source, &mut target)?;
        target.sync_all()?;
        fs::rename(&partial, to)?;
        sync_folder_of(to)
    };
    copied().map_err(|error| {
        // Ignored: the error of the copy is reported instead.
        let _ = fs::remove_file(&partial);
        failed(file, error)
    })?;
    let (there, here) = (digest(to), digest(file));
    match (there, here) {
        (Ok(there), Ok(here)) if there == here => Ok(here),
        (Err(error), _) | (_, Err(error)) => Err(failed(to, error)),
        _ => Err(ArchiveError::File {
            file: file.to_owned(),
            message: format!("{} differs from what was written to it", to.display()),
        }),
    }
}

/// Removes a file that is on record and was copied to the folder.
fn remove_copied(file: &Path, to: &Path, record: Option<&Archived>) -> Result<(), ArchiveError> {
    let copied = to.join(name_of(file));
    let recorded = record.and_then(|record| record.digest.as_ref());
    let is_there = |at: &Path| digest(at).ok().as_ref() == recorded;
    if recorded.is_some() && is_there(&copied) && is_there(file) {
        return fs::remove_file(file).map_err(|error| failed(file, error));
    }
    Err(ArchiveError::File {
        file: file.to_owned(),
        message: format!(
            "it is recorded as archived, but is not in {}: name the folder that it was moved to, or move it away from the log",
            to.display()
        ),
    })
}

fn digest(file: &Path) -> io::Result<String> {
    let mut reader = BufReader::new(File::open(file)?);
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = reader.read(&mut buffer)?;
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else {
            break;
        };
        hasher.update(bytes);
    }
    let hex = base16ct::lower::encode_string(&hasher.finalize());
    Ok(format!("sha256:{hex}"))
}

/// Locks the log against concurrent archiving.
fn alone(path: &Path) -> Result<File, ArchiveError> {
    let file = regular::beside(path, ".archiving");
    let lock = regular::private()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&file)
        .map_err(|error| failed(&file, error))?;
    lock.try_lock()
        .map_err(|_| ArchiveError::Busy(path.to_owned()))?;
    Ok(lock)
}

fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(folder)
}

pub(super) fn sync_folder_of(path: &Path) -> io::Result<()> {
    File::open(folder_of(path))?.sync_all()
}

fn failed(file: &Path, error: io::Error) -> ArchiveError {
    ArchiveError::File {
        file: file.to_owned(),
        message: error.to_string(),
    }
}
