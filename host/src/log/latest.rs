//! The latest file of a log: where it ends, how lines are added to it, and how the next one is begun.

use super::archive::{Archived, sync_folder_of};
use super::chain::opening;
use super::files::{
    BEGINNING, Head, hash, name_of, newest_sealed, not_in_place, numbered, private,
};
use super::tail::Backwards;
use super::{Broken, Durability, Event, LogError, LogOptions, Opening, Seal, body, line};
use crate::followed::{FileIdentity, identity_of};
use crate::timestamp::Timestamp;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

/// How much room for lines is kept, in bytes.
const MOST_BYTES_KEPT: usize = 256 * 1024;

/// The latest file of a log, and where its chain is.
#[derive(Debug)]
pub(super) struct Latest {
    options: LogOptions,
    file: File,
    identity: FileIdentity,
    head: File,
    head_identity: FileIdentity,
    place: Place,
    /// How much of the file is whole lines that were recorded.
    bytes: u64,
    /// Whether something may lie behind that, which a failed write left.
    unclean: bool,
    /// Whether the file ends with its seal, so that the next one has to be begun.
    sealed: bool,
    /// Whether the file is one that its opening is not yet in.
    unopened: bool,
    /// What lines are made in.
    lines: Vec<u8>,
}

/// Where in the chain a log is.
#[derive(Debug, Clone)]
struct Place {
    /// The number of the latest file.
    file: u32,
    /// The number of the first line of the latest file.
    first: u64,
    /// The hash of the seal of the file before it.
    seal: String,
    /// The number of the last line.
    sequence: u64,
    /// The hash of the last line.
    previous: String,
}

fn failed(path: &Path, error: &io::Error) -> LogError {
    LogError::Write {
        file: path.to_owned(),
        message: error.to_string(),
    }
}

fn not_a_log(path: &Path, message: impl Into<String>) -> LogError {
    LogError::NotALog {
        file: path.to_owned(),
        message: message.into(),
    }
}

impl Latest {
    /// Opens the log, or begins it. Only the latest file is read, from its end to its head. Gives how many
    /// lines lie behind the head.
    pub(super) fn open(options: &LogOptions) -> Result<(Self, u64), LogError> {
        let path = options.path.as_path();
        let failed = |error: io::Error| failed(path, &error);
        refuse_links(path)?;
        refuse_links(&Head::file(path))?;
        let file = open_latest(path).map_err(failed)?;
        lock(&file, path)?;
        // Read before it is made.
        let recorded = Head::read(path);
        let head = private()
            .create(true)
            .truncate(false)
            .write(true)
            .open(Head::file(path))
            .map_err(failed)?;
        // The lines go on in other files; this one is always the log's.
        lock(&head, path)?;
        let identity = identity_of(&file.metadata().map_err(failed)?);
        let head_identity = identity_of(&head.metadata().map_err(failed)?);
        let mut log = Self {
            options: options.clone(),
            file,
            identity,
            head,
            head_identity,
            place: Place {
                file: 1,
                first: 1,
                seal: BEGINNING.to_owned(),
                sequence: 0,
                previous: BEGINNING.to_owned(),
            },
            bytes: 0,
            unclean: false,
            sealed: false,
            unopened: false,
            lines: Vec::new(),
        };
        let behind_head = log.find_end(recorded)?;
        log.clean().map_err(failed)?;
        log.unclean = false;
        if log.sealed {
            // The host stopped between the seal and the next file.
            log.begin_next_file()?;
        }
        if log.unopened {
            log.write(std::iter::empty())?;
        } else {
            log.write_head().map_err(failed)?;
        }
        log.sync_folder().map_err(failed)?;
        Ok((log, behind_head))
    }

    /// Finds the last whole line, and where what follows it begins. What was recorded last has to be there
    /// as it was.
    fn find_end(&mut self, recorded: Option<Head>) -> Result<u64, LogError> {
        let path = self.options.path.clone();
        let failed = |error: io::Error| failed(&path, &error);
        let broken = |error: Broken| not_a_log(&path, error.to_string());
        let latest = self.file.try_clone().map_err(failed)?;
        let mut lines = Backwards::new(&latest).map_err(failed)?;
        (self.bytes, self.unclean) = lines.whole();
        match lines.next().map_err(failed)? {
            Some(last) => {
                let (_, entry) = line::parse(&last)
                    .map_err(|message| not_a_log(&path, format!("its last line: {message}")))?;
                self.place.sequence = entry.sequence;
                self.place.previous = hash(&last);
                self.sealed = matches!(entry.event, Event::Seal(_));
                if entry.sequence == u64::MAX {
                    return Err(not_a_log(
                        &path,
                        format!(
                            "its last line has number {}, after which there is none: it was edited; see `portcullis log verify`",
                            entry.sequence
                        ),
                    ));
                }
                if let Some(first) = opening(&path, &latest).map_err(broken)? {
                    self.place.file = first.number;
                    self.place.first = first.sequence;
                    self.place.seal = first.previous;
                }
            }
            None => self.follow_what_was_sealed()?,
        }
        let Some(head) = recorded else {
            return match self.place.sequence {
                0 => Ok(0),
                _ => Err(not_a_log(
                    &path,
                    format!(
                        "{} is missing or damaged, without which lines at the end can be gone: restore it, or move the log away and begin a new one",
                        Head::file(&path).display()
                    ),
                )),
            };
        };
        let Some(behind_head) = self.place.sequence.checked_sub(head.sequence) else {
            return Err(not_a_log(
                &path,
                format!(
                    "it ends with line {}, and {} were recorded: see `portcullis log verify`",
                    self.place.sequence, head.sequence
                ),
            ));
        };
        if head.sequence > 0 && self.hash_of(head.sequence)? != Some(head.hash) {
            return Err(not_a_log(
                &path,
                format!(
                    "line {} is not the one that was recorded last: see `portcullis log verify`",
                    head.sequence
                ),
            ));
        }
        Ok(behind_head)
    }

    /// The latest file has no line: it follows the newest sealed file, or the last that was archived.
    fn follow_what_was_sealed(&mut self) -> Result<(), LogError> {
        let path = self.options.path.clone();
        let failed = |error: io::Error| failed(&path, &error);
        let archived =
            Archived::read(&path).map_err(|error| not_a_log(&path, error.to_string()))?;
        let archived = archived.last();
        let newest = newest_sealed(&path).map_err(failed)?;
        let Some(number) = newest.max(archived.map(|last| last.file)) else {
            return Ok(());
        };
        let (sequence, seal) = match archived {
            Some(last) if last.file == number => (last.last, last.hash.clone()),
            _ => {
                let file = numbered(&path, number);
                let opened = File::open(&file).map_err(failed)?;
                let last = Backwards::new(&opened).and_then(|mut lines| lines.next());
                let last = last.map_err(failed)?.unwrap_or_default();
                match line::parse(&last) {
                    Ok((_, entry)) if matches!(entry.event, Event::Seal(_)) => {
                        (entry.sequence, hash(&last))
                    }
                    _ => {
                        return Err(not_a_log(
                            &path,
                            format!(
                                "{} does not end with its seal: see `portcullis log verify`",
                                file.display()
                            ),
                        ));
                    }
                }
            }
        };
        let next = number.checked_add(1);
        let next = next.ok_or_else(|| not_a_log(&path, "there is no number for another file"))?;
        self.begin_after(next, sequence, seal)
    }

    fn begin_after(&mut self, file: u32, sequence: u64, seal: String) -> Result<(), LogError> {
        let first = sequence.checked_add(1);
        let first = first.ok_or_else(|| LogError::Exhausted(self.options.path.clone()))?;
        self.place = Place {
            file,
            first,
            seal: seal.clone(),
            sequence,
            previous: seal,
        };
        self.unopened = true;
        Ok(())
    }

    /// The hash of a line near the end of the log, if it is there.
    fn hash_of(&self, sequence: u64) -> Result<Option<String>, LogError> {
        let path = &self.options.path;
        let failed = |error: io::Error| failed(path, &error);
        // A head that is a little behind may be that of the file before.
        let (mut number, mut at) = (self.place.file, self.place.sequence);
        if at == sequence {
            return Ok(Some(self.place.previous.clone()));
        }
        if Some(sequence) == self.place.first.checked_sub(1) {
            return Ok(Some(self.place.seal.clone()));
        }
        let mut opened = self.file.try_clone().map_err(failed)?;
        loop {
            let mut lines = Backwards::new(&opened).map_err(failed)?;
            while let Some(line) = lines.next().map_err(failed)? {
                if at == sequence {
                    return Ok(Some(hash(&line)));
                }
                let Some(before) = at.checked_sub(1) else {
                    return Ok(None);
                };
                at = before;
            }
            number = match number.checked_sub(1) {
                Some(number) if numbered(path, number).exists() => number,
                _ => return Ok(None),
            };
            opened = File::open(numbered(path, number)).map_err(failed)?;
        }
    }

    /// Writes lines, all or none, as durably as the log is. Nothing is recorded unless the log is where it
    /// was opened, and as long as what was written to it.
    pub(super) fn write<'a>(
        &mut self,
        bodies: impl Iterator<Item = &'a [u8]>,
    ) -> Result<(), LogError> {
        if self.unclean {
            // After something failed: is it over?
            self.clean().map_err(|error| self.failed(&error))?;
            self.in_place(self.bytes)?;
            self.unclean = false;
        }
        if self.bytes >= self.options.max_file_bytes && !self.sealed && !self.unopened {
            self.seal()?;
        }
        if self.sealed {
            self.begin_next_file()?;
        }
        if self.unopened {
            let opening = self.opening();
            self.write_all(std::iter::once(opening.as_slice()))?;
            self.unopened = false;
        }
        self.write_all(bodies)
    }

    fn failed(&self, error: &io::Error) -> LogError {
        failed(&self.options.path, error)
    }

    fn write_all<'a>(&mut self, bodies: impl Iterator<Item = &'a [u8]>) -> Result<(), LogError> {
        let before = (self.place.sequence, self.place.previous.clone());
        let mut lines = std::mem::take(&mut self.lines);
        let written = self.write_lines(bodies, &mut lines);
        self.lines = lines;
        self.lines.clear();
        // One request that was large once is no reason to keep so much for ever.
        self.lines.shrink_to(MOST_BYTES_KEPT);
        if written.is_err() {
            // None of them was released. What was written of them is removed, now or as soon as that
            // is possible again.
            (self.place.sequence, self.place.previous) = before;
            self.unclean = true;
            // The error that is reported is the write's.
            let _ = self.clean();
        }
        written
    }

    /// Makes lines of bodies in `lines`, and writes them.
    fn write_lines<'a>(
        &mut self,
        bodies: impl Iterator<Item = &'a [u8]>,
        lines: &mut Vec<u8>,
    ) -> Result<(), LogError> {
        for body in bodies {
            let begin = lines.len();
            let sequence = self.place.sequence.checked_add(1);
            let sequence =
                sequence.ok_or_else(|| LogError::Exhausted(self.options.path.clone()))?;
            let previous = &self.place.previous;
            let version = line::VERSION;
            write!(
                lines,
                r#"{{"v":{version},"sequence":{sequence},"previous":"{previous}","#
            )
            .map_err(|error| self.failed(&error))?;
            lines.extend_from_slice(body.strip_prefix(b"{").unwrap_or(body));
            self.place.previous = hash(lines.get(begin..).unwrap_or_default());
            self.place.sequence = sequence;
            lines.push(b'\n');
        }
        let bytes = self.bytes.saturating_add(lines.len() as u64);
        let written = self
            .file
            .write_all(lines)
            .and_then(|()| match self.options.durability {
                Durability::Fsync => self.file.sync_data(),
                Durability::Buffered => Ok(()),
            });
        written.map_err(|error| self.failed(&error))?;
        // A file that is no longer there takes what is written to it, and nobody finds it again.
        self.in_place(bytes)?;
        self.write_head().map_err(|error| self.failed(&error))?;
        self.bytes = bytes;
        Ok(())
    }

    /// Whether the log and its head are where they were opened, and the log has that many bytes.
    fn in_place(&self, bytes: u64) -> Result<(), LogError> {
        let path = &self.options.path;
        let head = Head::file(path);
        let moved = |file: &Path, message: String| LogError::NotInPlace {
            file: file.to_owned(),
            message,
        };
        if let Some(message) = not_in_place(path, self.identity, Some(bytes)) {
            return Err(moved(path, message));
        }
        match not_in_place(&head, self.head_identity, None) {
            Some(message) => Err(moved(&head, message)),
            None => Ok(()),
        }
    }

    /// Removes what a failed write left.
    fn clean(&self) -> io::Result<()> {
        // What is shorter was cut: it is not made longer.
        if self.unclean && self.file.metadata()?.len() > self.bytes {
            self.file.set_len(self.bytes)?;
        }
        Ok(())
    }

    /// Ends the full file with its seal.
    fn seal(&mut self) -> Result<(), LogError> {
        let Place {
            file,
            first,
            sequence,
            ..
        } = self.place;
        let next = file.checked_add(1);
        let next = next.ok_or_else(|| LogError::Exhausted(self.options.path.clone()))?;
        let seal = Seal {
            file,
            first,
            // With the seal itself.
            lines: sequence.saturating_sub(first).saturating_add(2),
            previous_seal: self.place.seal.clone(),
            next: name_of(&numbered(&self.options.path, next)),
        };
        let body = body::seal(&seal, Timestamp::now());
        self.write_all(std::iter::once(body.as_slice()))?;
        self.sealed = true;
        Ok(())
    }

    fn opening(&self) -> Vec<u8> {
        let opening = Opening {
            file: self.place.file,
        };
        body::opening(&opening, Timestamp::now())
    }

    /// Gives the sealed file a number of its own and begins the next one. The chain goes on.
    fn begin_next_file(&mut self) -> Result<(), LogError> {
        // What is in its place instead would be renamed.
        self.in_place(self.bytes)?;
        let path = self.options.path.clone();
        let failed = |error: io::Error| failed(&path, &error);
        let full = numbered(&path, self.place.file);
        if full.exists() {
            return Err(not_a_log(
                &path,
                format!("{} is there already: move it away", full.display()),
            ));
        }
        let number = self.place.file.checked_add(1);
        let number = number.ok_or_else(|| LogError::Exhausted(path.clone()))?;
        std::fs::rename(&path, &full).map_err(failed)?;
        let next = private()
            .create_new(true)
            .read(true)
            .append(true)
            .open(&path);
        let next = next.and_then(|next| {
            next.try_lock().map_err(io::Error::other)?;
            let identity = identity_of(&next.metadata()?);
            Ok((next, identity))
        });
        match next {
            Ok(next) => (self.file, self.identity) = next,
            Err(error) => {
                // As it was, so that it can be tried again.
                std::fs::rename(&full, &path).map_err(failed)?;
                return Err(failed(error));
            }
        }
        self.bytes = 0;
        self.sealed = false;
        let (sequence, seal) = (self.place.sequence, self.place.previous.clone());
        self.begin_after(number, sequence, seal)?;
        self.sync_folder().map_err(failed)
    }

    /// Brings the names of files to disk, where the log is to survive the machine.
    fn sync_folder(&self) -> io::Result<()> {
        match self.options.durability {
            Durability::Buffered => Ok(()),
            Durability::Fsync => sync_folder_of(&self.options.path),
        }
    }

    /// Notes what was recorded last beside the log. Only after the lines: a head that is ahead of them
    /// would say that they are gone.
    fn write_head(&mut self) -> io::Result<()> {
        let head = format!("{:020} {}\n", self.place.sequence, self.place.previous);
        #[cfg(unix)]
        {
            use std::os::unix::fs::FileExt as _;
            self.head.write_all_at(head.as_bytes(), 0)
        }
        #[cfg(not(unix))]
        {
            use std::io::{Seek as _, SeekFrom};
            self.head.seek(SeekFrom::Start(0))?;
            self.head.write_all(head.as_bytes())
        }
    }
}

/// A link is refused: renamed when the file is full, it would leave the lines behind.
fn refuse_links(file: &Path) -> Result<(), LogError> {
    match std::fs::symlink_metadata(file) {
        Ok(found) if found.file_type().is_symlink() => Err(not_a_log(
            file,
            "it is a symbolic link: name the file itself",
        )),
        Ok(found) if !found.is_file() => Err(not_a_log(file, "it is not a file")),
        _ => Ok(()),
    }
}

fn open_latest(path: &Path) -> io::Result<File> {
    private().create(true).read(true).append(true).open(path)
}

fn lock(file: &File, path: &Path) -> Result<(), LogError> {
    file.try_lock()
        .map_err(|_| not_a_log(path, "another process writes it"))
}
