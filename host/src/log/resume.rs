//! Reads the lines after a position, in order, while a host writes.

use super::archive::Archived;
use super::chain::{follows, opening};
use super::files::{Files, Head, Next, RESTORE, hash, numbered};
use super::{Corrupt, Event, line, since};
use portcullis_model::count::counted;
use portcullis_model::timestamp::Timestamp;
use serde::{Deserialize, Serialize};
use std::cell::OnceCell;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

/// A line of a log, after which reading continues.
///
/// It has the hash of the line, so that a log that was cut, changed or replaced is noticed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Position {
    /// Number of the file to read next.
    file: u32,
    /// Number of the line in that file; 0 before its first line.
    line: usize,
    /// First byte of the line in that file.
    begin: u64,
    /// First byte after the line; 0 before the first line of the file.
    end: u64,
    /// Number of the line in the log.
    sequence: u64,
    /// Hash of the line.
    hash: String,
}

impl Position {
    /// Number of the line in the log.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The position before the first line that was not archived.
    fn first(path: &Path) -> Result<Self, Corrupt> {
        let files = Files {
            path,
            archive: None,
        };
        let runs = files.runs(&Archived::read(path)?)?;
        // Without the archive, there is one run.
        let first = runs.into_iter().next();
        let first = first.ok_or_else(|| Corrupt::NoLatest(path.to_owned()))?;
        Ok(Self::before_file(first.file, first.sequence, first.hash))
    }

    fn before_file(file: u32, sequence: u64, hash: String) -> Self {
        Self {
            file,
            line: 0,
            begin: 0,
            end: 0,
            sequence,
            hash,
        }
    }

    /// Opens the file, at the first byte after the line.
    ///
    /// # Errors
    ///
    /// [`Corrupt`] if the file is missing, or does not have the line.
    fn open(&self, path: &Path) -> Result<(PathBuf, BufReader<File>), Corrupt> {
        let (name, mut file) = self.file(path)?;
        let unreadable = |error| Corrupt::Read {
            file: name.clone(),
            error,
        };
        if self.end > 0 {
            let has_line = self.is_in(&mut file).map_err(unreadable)?;
            if !has_line {
                return Err(self.differs(&name));
            }
        } else {
            // The end of an archived file was read, to recognise it.
            file.rewind().map_err(unreadable)?;
        }
        Ok((name, BufReader::with_capacity(256 * 1024, file)))
    }

    /// Opens the file of that number: the latest, or a sealed one beside the log or in the archive.
    fn file(&self, path: &Path) -> Result<(PathBuf, File), Corrupt> {
        let files = Files {
            path,
            archive: None,
        };
        match files.open(self.file)? {
            Next::Sealed(name, file) => Ok((name, file)),
            Next::Latest(file) => match opening(path, &file)? {
                Some(first) if first.number > self.file => {
                    let name = numbered(path, self.file);
                    match since::sealed(path, self.file, &OnceCell::new()) {
                        Some(file) => Ok((name, file)),
                        None => Err(Corrupt::Missing(vec![name])),
                    }
                }
                _ => Ok((path.to_owned(), file)),
            },
        }
    }

    /// True if the file has the line; the file is then at the first byte after it.
    fn is_in(&self, file: &mut File) -> io::Result<bool> {
        let bytes = self.end.saturating_sub(self.begin);
        if bytes > line::MAX_BYTES {
            return Ok(false);
        }
        file.seek(SeekFrom::Start(self.begin))?;
        let mut found = Vec::new();
        file.take(bytes).read_to_end(&mut found)?;
        Ok(found.len() as u64 == bytes && found.pop() == Some(b'\n') && hash(&found) == self.hash)
    }

    fn differs(&self, file: &Path) -> Corrupt {
        Corrupt::Line {
            file: file.to_owned(),
            line: self.line,
            message: format!(
                "it is not line {} of the log that was read before: the log was cut, changed or replaced: {RESTORE}",
                self.sequence
            ),
        }
    }
}

/// Bounds on the lines that are read at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Most {
    /// Maximum number of lines.
    pub lines: usize,
    /// Maximum number of bytes, if there is more than one line.
    pub bytes: usize,
}

/// Lines of a log, and the position after them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lines {
    /// The lines, in order.
    pub lines: Vec<Line>,
    /// Position of the last line.
    pub position: Position,
    /// Number of the last line that was recorded.
    pub recorded: u64,
}

/// A line of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Line {
    /// Number of the line.
    pub sequence: u64,
    /// Time of the line.
    pub at: Timestamp,
    /// The line as it is in the file, without its line end.
    pub text: String,
}

/// Reads the lines after `position`; without one, from the first that was not archived.
///
/// A line is read once the host has recorded it as the log requires ([`Durability`](super::Durability)). Each has to
/// follow from the line before it. A host may write lines and start the next file at the same time.
///
/// # Errors
///
/// [`Corrupt`] if the log does not have the line of the position any more, or a line does not follow.
pub fn read_after(path: &Path, position: Option<&Position>, most: Most) -> Result<Lines, Corrupt> {
    let position = match position {
        Some(position) => position.clone(),
        None => Position::first(path)?,
    };
    // Read before the lines, which the host writes first.
    let Some(head) = Head::read(path) else {
        return Err(Head::missing(path));
    };
    if head.sequence < position.sequence {
        return Err(Corrupt::Truncated {
            file: path.to_owned(),
            found: head.sequence,
            recorded: position.sequence,
        });
    }
    if head.sequence == position.sequence && head.hash != position.hash {
        return Err(position.differs(path));
    }
    let mut read = Reader {
        found: Lines {
            lines: Vec::new(),
            position,
            recorded: head.sequence,
        },
        bytes: 0,
        most,
    };
    while read.has_more() && read.file(path)? {}
    Ok(read.found)
}

struct Reader {
    found: Lines,
    bytes: usize,
    most: Most,
}

impl Reader {
    fn has_more(&self) -> bool {
        self.found.position.sequence < self.found.recorded
            && self.found.lines.len() < self.most.lines
    }

    /// Reads lines of one file; false if the next line exceeds the bounds.
    fn file(&mut self, path: &Path) -> Result<bool, Corrupt> {
        let (file, mut reader) = self.found.position.open(path)?;
        while self.has_more() {
            let mut found = Vec::new();
            let limited = reader.by_ref().take(line::MAX_BYTES);
            let bytes =
                { limited }
                    .read_until(b'\n', &mut found)
                    .map_err(|error| Corrupt::Read {
                        file: file.clone(),
                        error,
                    })?;
            let position = &self.found.position;
            let index = position.line.saturating_add(1);
            let wrong = |message: String| Corrupt::Line {
                file: file.clone(),
                line: index,
                message,
            };
            if found.pop() != Some(b'\n') {
                return Err(wrong(format!(
                    "it is cut off, and the log had {}: {RESTORE}",
                    counted(self.found.recorded, "line")
                )));
            }
            let (text, entry) = line::parse(&found).map_err(wrong)?;
            follows(&file, index, &entry, position.sequence, &position.hash)?;
            let has_room = self.bytes.saturating_add(bytes) <= self.most.bytes;
            if !has_room && !self.found.lines.is_empty() {
                return Ok(false);
            }
            self.bytes = self.bytes.saturating_add(bytes);
            let (begin, hash) = (position.end, hash(&found));
            let is_seal = matches!(entry.event, Event::Seal(_));
            self.found.position = match is_seal {
                true => {
                    Position::before_file(position.file.saturating_add(1), entry.sequence, hash)
                }
                false => Position {
                    file: position.file,
                    line: index,
                    begin,
                    end: begin.saturating_add(bytes as u64),
                    sequence: entry.sequence,
                    hash,
                },
            };
            self.found.lines.push(Line {
                sequence: entry.sequence,
                at: entry.at,
                text: text.to_owned(),
            });
            if is_seal {
                return Ok(true);
            }
        }
        Ok(true)
    }
}
