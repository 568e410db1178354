//! Verifies the hash chain of a log.

use super::archive::Archived;
use super::files::{Files, Found, Head, Next, RESTORE, Run, hash, next_line};
use super::{Entry, Event, Seal, line};
use portcullis_model::count::counted;
use std::fs::File;
use std::io::{self, BufReader, Seek as _};
use std::path::{Path, PathBuf};

/// Result of verifying an intact log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Number of the last line, which counts archived lines too.
    pub entries: u64,
    /// Number of the first line read: 1, or the line after the last archived seal.
    pub first: u64,
    /// Lines that were not read, as the first and last of each range.
    ///
    /// Those are archived lines, if the archive was not read, and lines accepted as missing.
    pub not_read: Vec<(u64, u64)>,
    /// Hash of the last line. Store it elsewhere to detect that the log was rewritten.
    pub head: String,
    /// True if the wanted head was read or belongs to an archived file.
    ///
    /// `None` if no head was wanted.
    pub has_head: Option<bool>,
    /// Number of lines behind the head stored beside the log.
    ///
    /// They were recorded during the read or just before a crash, or were added by hand.
    pub behind_head: u64,
}

/// Reason why a log failed verification, and the place.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Corrupt {
    /// A file cannot be read.
    #[error("cannot read {}: {error}{}", file.display(), remedy(error.kind()))]
    Read {
        /// The file.
        file: PathBuf,
        /// Error of the operating system.
        error: io::Error,
    },
    /// The folder of archived files cannot be read.
    #[error("cannot read the archive {}: {error}: name the folder that `portcullis log archive` moved files to", folder.display())]
    Archive {
        /// The folder.
        folder: PathBuf,
        /// Error of the operating system.
        error: io::Error,
    },
    /// A line was changed, removed, added or moved.
    #[error("{}:{line}: {message}", file.display())]
    Line {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// Problem of the line.
        message: String,
    },
    /// Files are missing and were not archived.
    #[error("missing: {}: restore files that were moved by hand, and move them with `portcullis log archive`; if the oldest files are lost for good, record that with `portcullis log archive --accept-missing`", names(.0))]
    Missing(Vec<PathBuf>),
    /// Files recorded as archived are missing in the archive.
    #[error("missing: {}, which are recorded as archived: name the folder that they were moved to, or restore them there", names(.0))]
    NotInArchive(Vec<PathBuf>),
    /// The latest file is missing.
    #[error("{} is missing, but other files of the log exist: if the host stopped while it created the file, it creates it at the next start; otherwise {}", .0.display(), RESTORE)]
    NoLatest(PathBuf),
    /// The last line of the latest file is cut off.
    #[error("{}:{line}: it is cut off: after a crash, the host removes such a line at the next start, and it was never released; otherwise it was cut by hand", file.display())]
    CutOff {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// The head beside the log is missing or damaged.
    ///
    /// It names the last recorded line.
    #[error("{} is missing or damaged, so lines at the end may be gone: {}", .0.display(), RESTORE)]
    NoHead(PathBuf),
    /// Lines at the end are missing.
    #[error("{} ends with line {found}, and the log had {}: lines at its end are gone: {}", file.display(), counted(*recorded, "line"), RESTORE)]
    Truncated {
        /// The file.
        file: PathBuf,
        /// Number of the last line found.
        found: u64,
        /// Number of the last recorded line.
        recorded: u64,
    },
}

impl Corrupt {
    /// True if nothing is known of the log, because a file or the archive cannot be read.
    pub fn is_unread(&self) -> bool {
        matches!(self, Self::Read { .. } | Self::Archive { .. })
    }
}

/// The remedy for a file that cannot be read, as the end of a message.
fn remedy(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            ": name the latest file of the log, which is `path` under `[log]` of the configuration"
        }
        io::ErrorKind::PermissionDenied => {
            ": run the command as a user who may read it, such as that of the host"
        }
        // The message says what is there, and to restore the file.
        io::ErrorKind::InvalidInput => ", or name the latest file of the log",
        _ => ": check the disk, or restore the file",
    }
}

/// Maximum number of missing files that are listed.
const NAMED: usize = 8;

fn names(files: &[PathBuf]) -> String {
    let named = files.iter().take(NAMED);
    let mut text: Vec<_> = named.map(|file| file.display().to_string()).collect();
    if files.len() > NAMED {
        text.push(format!("{} more", files.len() - NAMED));
    }
    text.join(", ")
}

/// Verifies the log whose latest file is `path`.
///
/// It checks that no line was changed, removed, added or moved, in this file and the sealed files beside
/// it, and that none is missing at the end. Archived files are not read: verification starts at the seal
/// of the last archived file.
///
/// # Errors
///
/// [`Corrupt`], at the first failure.
pub fn verify(path: &Path) -> Result<Verified, Corrupt> {
    verify_with_head(path, None, None)
}

/// Verifies the log as [`verify`] does, including the files archived in `archive`.
///
/// All files recorded as archived must be there.
///
/// # Errors
///
/// [`Corrupt`], at the first failure.
pub fn verify_with_archive(path: &Path, archive: &Path) -> Result<Verified, Corrupt> {
    verify_with_head(path, Some(archive), None)
}

/// Verifies the log, and looks for a head that was stored elsewhere.
///
/// See [`verify`] and [`verify_with_archive`].
///
/// # Errors
///
/// [`Corrupt`], at the first failure. A missing head is not an error, see [`Verified::has_head`].
pub fn verify_with_head(
    path: &Path,
    archive: Option<&Path>,
    wanted: Option<&str>,
) -> Result<Verified, Corrupt> {
    let files = Files { path, archive };
    let records = Archived::read(path)?;
    let runs = files.runs(&records)?;
    if let Some(first) = runs.first() {
        files.open(first.file)?;
    }
    // Read first: a host may record decisions while the lines are read.
    let Some(recorded) = Head::read(path) else {
        return Err(Head::missing(path));
    };
    let mut has_head = wanted.is_some_and(|wanted| {
        records
            .iter()
            .any(|one| one.hash == wanted || (one.previous == wanted && one.first > 1))
    });
    let (mut entries, mut head) = (0, String::new());
    let first_line = runs.first().map(|run| run.sequence.saturating_add(1));
    let mut not_read = Vec::new();
    for run in runs {
        if run.sequence > entries {
            not_read.push((entries.saturating_add(1), run.sequence));
        }
        let mut number = run.file;
        // Number and hash of the line before the current file: a seal, except for the first file.
        let (mut before, mut sealed) = (run.sequence, run.hash.clone());
        (entries, head) = (run.sequence, run.hash.clone());
        let read = read_run(&files, &run, |file, line, text, entry| {
            let wrong = |message: String| {
                Err(Corrupt::Line {
                    file: file.to_owned(),
                    line,
                    message,
                })
            };
            follows(file, line, &entry, entries, &head)?;
            entries = entry.sequence;
            head = hash(text.as_bytes());
            has_head |= wanted == Some(head.as_str());
            if entries == recorded.sequence && head != recorded.hash {
                return wrong(format!(
                    "it differs from the last recorded line: it or the head beside the log was changed: {RESTORE}"
                ));
            }
            if let Event::Seal(seal) = &entry.event {
                seals(file, line, seal, number, before, entries, &sealed)?;
                let record = records.iter().find(|record| record.file == number);
                if record.is_some_and(|record| record.hash != head) {
                    return wrong(
                        "it differs from the recorded seal of the archived file".to_owned(),
                    );
                }
                number = number.saturating_add(1);
                (before, sealed) = (entries, head.clone());
            }
            Ok(())
        });
        match read {
            Err(Corrupt::CutOff { file, line }) if recorded.sequence > entries => {
                return Err(Corrupt::Line {
                    file,
                    line,
                    message: format!(
                        "it is cut off, and the log had {}: {RESTORE}",
                        counted(recorded.sequence, "line")
                    ),
                });
            }
            read => read?,
        }
    }
    if recorded.sequence > entries {
        return Err(Corrupt::Truncated {
            file: path.to_owned(),
            found: entries,
            recorded: recorded.sequence,
        });
    }
    Ok(Verified {
        entries,
        first: first_line.unwrap_or(1),
        not_read,
        head,
        has_head: wanted.is_some().then_some(has_head),
        behind_head: entries - recorded.sequence,
    })
}

/// Checks that a line follows the line before it.
pub(super) fn follows(
    file: &Path,
    line: usize,
    entry: &Entry,
    sequence: u64,
    hash: &str,
) -> Result<(), Corrupt> {
    let wrong = |message: String| {
        Err(Corrupt::Line {
            file: file.to_owned(),
            line,
            message,
        })
    };
    if entry.previous != hash {
        return wrong(format!(
            "it does not follow from the line before it: that one was changed, or lines were removed, added or moved: {RESTORE}"
        ));
    }
    match sequence.checked_add(1) {
        Some(next) if next == entry.sequence => Ok(()),
        Some(next) => wrong(format!(
            "its number is {}, but {next} is expected",
            entry.sequence
        )),
        None => wrong("its number is higher than any line can have".to_owned()),
    }
}

/// Checks that a seal matches its file: number, lines and previous seal.
///
/// The name of the next file is not checked.
pub(super) fn seals(
    file: &Path,
    line: usize,
    seal: &Seal,
    number: u32,
    before: u64,
    sequence: u64,
    previous_seal: &str,
) -> Result<(), Corrupt> {
    let is_right = seal.file == number
        && Some(seal.first) == before.checked_add(1)
        && Some(seal.lines) == sequence.checked_sub(before)
        && seal.previous_seal == previous_seal;
    match is_right {
        true => Ok(()),
        false => Err(Corrupt::Line {
            file: file.to_owned(),
            line,
            message: "the seal does not match this file and the seal before it".to_owned(),
        }),
    }
}

/// Reads every line of the log whose latest file is `path`, in order.
///
/// It starts at the first file that was not archived. A host may write lines and start the next file at
/// the same time.
///
/// # Errors
///
/// The error of `each`, or [`Corrupt`] if a line is not a line of a log, or a file is missing.
pub fn read(
    path: &Path,
    mut each: impl FnMut(&Path, usize, &str, Entry) -> Result<(), Corrupt>,
) -> Result<(), Corrupt> {
    let files = Files {
        path,
        archive: None,
    };
    for run in files.runs(&Archived::read(path)?)? {
        read_run(&files, &run, &mut each)?;
    }
    Ok(())
}

fn read_run(
    files: &Files<'_>,
    run: &Run,
    mut each: impl FnMut(&Path, usize, &str, Entry) -> Result<(), Corrupt>,
) -> Result<(), Corrupt> {
    for number in run.file..=run.until.unwrap_or(u32::MAX) {
        match files.open(number)? {
            Next::Sealed(file, opened) => {
                read_file(&file, opened, number, true, &mut each)?;
            }
            Next::Latest(opened) => {
                if let Some(opening) = opening(files.path, &opened)?
                    && opening.number > number
                {
                    return Err(Corrupt::Missing(files.missing(number, opening.number)));
                }
                read_file(files.path, opened, number, false, &mut each)?;
                break;
            }
        }
    }
    Ok(())
}

/// Reads the lines of the file with that number; returns true if it is sealed.
///
/// # Errors
///
/// The error of `each`, or [`Corrupt`] if a line is not a line of a log, if it is another file, or if it
/// has to be sealed and is not.
pub(super) fn read_file(
    file: &Path,
    opened: File,
    number: u32,
    has_to_be_sealed: bool,
    each: &mut impl FnMut(&Path, usize, &str, Entry) -> Result<(), Corrupt>,
) -> Result<bool, Corrupt> {
    let wrong = |line: usize, message: String| Corrupt::Line {
        file: file.to_owned(),
        line,
        message,
    };
    let mut reader = BufReader::with_capacity(256 * 1024, opened);
    let (mut is_sealed, mut lines) = (false, 0);
    loop {
        let index = lines + 1;
        let found = next_line(&mut reader).map_err(|error| Corrupt::Read {
            file: file.to_owned(),
            error,
        })?;
        let found = match found {
            Found::End => break,
            Found::Whole(found) => found,
            Found::CutOff if has_to_be_sealed => {
                return Err(wrong(index, format!("it is cut off: {RESTORE}")));
            }
            Found::CutOff => {
                return Err(Corrupt::CutOff {
                    file: file.to_owned(),
                    line: index,
                });
            }
            Found::TooLong => {
                return Err(wrong(
                    index,
                    "it is longer than any that a host writes".to_owned(),
                ));
            }
        };
        lines = index;
        if is_sealed {
            return Err(wrong(index, "it is behind the seal of its file".to_owned()));
        }
        let (text, entry) = line::parse(&found).map_err(|message| wrong(index, message))?;
        match &entry.event {
            Event::Opening(opening) if index > 1 => {
                return Err(wrong(
                    index,
                    format!("it opens file {}, but is not its first line", opening.file),
                ));
            }
            Event::Opening(opening) if opening.file != number => {
                return Err(wrong(
                    index,
                    format!("it opens file {}, but this is file {number}", opening.file),
                ));
            }
            Event::Opening(_) => {}
            _ if index == 1 && number > 1 => {
                return Err(wrong(
                    index,
                    format!(
                        "file {number} must begin with its opening, but this line is another one"
                    ),
                ));
            }
            Event::Seal(seal) => {
                if seal.file != number {
                    return Err(wrong(
                        index,
                        format!(
                            "the seal is that of file {}, but this is file {number}",
                            seal.file
                        ),
                    ));
                }
                is_sealed = true;
            }
            _ => {}
        }
        each(file, index, text, entry)?;
    }
    if has_to_be_sealed && !is_sealed {
        return Err(wrong(
            lines + 1,
            "its seal is missing: lines at its end are gone".to_owned(),
        ));
    }
    Ok(is_sealed)
}

/// Contents of the first line of a file.
pub(super) struct FirstLine {
    /// Number of the file.
    pub(super) number: u32,
    /// Number of its first line.
    pub(super) sequence: u64,
    /// Hash of the line before that.
    pub(super) previous: String,
}

/// Reads the first line of a file, if it has a complete one.
pub(super) fn opening(file: &Path, opened: &File) -> Result<Option<FirstLine>, Corrupt> {
    let unreadable = |error| Corrupt::Read {
        file: file.to_owned(),
        error,
    };
    let mut opened = opened;
    opened.rewind().map_err(unreadable)?;
    let found = next_line(&mut BufReader::new(opened)).map_err(unreadable)?;
    opened.rewind().map_err(unreadable)?;
    let Found::Whole(found) = found else {
        return Ok(None);
    };
    let (_, entry) = line::parse(&found).map_err(|message| Corrupt::Line {
        file: file.to_owned(),
        line: 1,
        message,
    })?;
    Ok(Some(FirstLine {
        number: match entry.event {
            Event::Opening(opening) => opening.file,
            _ => 1,
        },
        sequence: entry.sequence,
        previous: entry.previous,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unread_file_has_the_remedy_of_its_error() {
        let text = |kind: io::ErrorKind| {
            let error = Corrupt::Read {
                file: "a.jsonl".into(),
                error: kind.into(),
            };
            assert!(error.is_unread());
            error.to_string()
        };
        for (kind, remedy) in [
            (io::ErrorKind::NotFound, "name the latest file of the log"),
            (
                io::ErrorKind::NotADirectory,
                "name the latest file of the log",
            ),
            (
                io::ErrorKind::InvalidInput,
                "name the latest file of the log",
            ),
            (
                io::ErrorKind::PermissionDenied,
                "run the command as a user who may read it",
            ),
            (io::ErrorKind::UnexpectedEof, "check the disk"),
        ] {
            let text = text(kind);
            assert!(text.starts_with("cannot read a.jsonl: "), "{text}");
            assert!(text.contains(remedy), "{text}");
        }
        assert!(!Corrupt::NoHead("a.jsonl.head".into()).is_unread());
    }
}
