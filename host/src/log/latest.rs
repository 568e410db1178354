//! The latest file of a log: finds its end, appends lines and starts the next file.

use super::archive::{Archived, sync_folder_of};
use super::chain::opening;
use super::files::{
    BEGINNING, Head, RESTORE, bytes_in_place, hash, name_of, newest_sealed, numbered,
};
use super::tail::Backwards;
use super::{Corrupt, Durability, Event, LogError, LogOptions, Opening, Seal, body, line};
use portcullis_model::timestamp::Timestamp;
use portcullis_trust::regular;
use portcullis_trust::watched::{FileIdentity, identity_of};
use std::cmp::Ordering;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

/// Maximum buffer capacity kept for lines, in bytes.
const MOST_BYTES_KEPT: usize = 256 * 1024;

/// The latest file of a log, with its position in the chain.
#[derive(Debug)]
pub(super) struct Latest {
    options: LogOptions,
    file: File,
    identity: FileIdentity,
    head: File,
    head_identity: FileIdentity,
    /// Number of bytes written to the head.
    head_bytes: u64,
    place: Place,
    /// Length of the recorded whole lines, in bytes.
    bytes: u64,
    /// True if a failed write may have left bytes behind them.
    unclean: bool,
    /// Error for a file from which recorded lines were cut off.
    ///
    /// Nothing more is recorded in it: new lines would fill the place of the missing bytes.
    cut: Option<LogError>,
    /// True if the file ends with its seal, so the next must be started.
    sealed: bool,
    /// True if the file does not yet contain its opening.
    unopened: bool,
    /// Buffer in which lines are built.
    lines: Vec<u8>,
}

/// The end of a log, as found in its files.
#[derive(Debug)]
struct End {
    place: Place,
    /// Length of the whole lines of the latest file, in bytes.
    bytes: u64,
    /// True if the file contains more bytes than that.
    unclean: bool,
    sealed: bool,
    unopened: bool,
    /// Number of lines behind the head.
    behind_head: u64,
}

/// Position of a log in its chain.
#[derive(Debug, Clone)]
struct Place {
    /// Number of the latest file.
    file: u32,
    /// Number of the first line of the latest file.
    first: u64,
    /// Hash of the seal of the previous file.
    seal: String,
    /// Number of the last line.
    sequence: u64,
    /// Hash of the last line.
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

/// Error for a log whose end differs from the recorded end.
fn changed(path: &Path, message: impl std::fmt::Display) -> LogError {
    not_a_log(path, format!("{message}: {RESTORE}"))
}

/// Verifies that a host could continue the log, or start one.
///
/// Nothing is written or locked, so that it works while a host runs.
///
/// # Errors
///
/// [`LogError`], as a host would report it.
pub(crate) fn can_be_continued(path: &Path) -> Result<(), LogError> {
    let find = || {
        refuse_links(path)?;
        refuse_links(&Head::file(path))?;
        // Read first: a host may record decisions at the same time.
        let recorded = Head::read(path);
        let file = match File::open(path) {
            Ok(file) => Some(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(path, &error)),
        };
        End::find(path, file.as_ref(), recorded).map(|_| ())
    };
    // Retry once: a host may have started the next file, or an operator archived files, in between.
    find().or_else(|_| find())
}

impl End {
    /// Finds the last whole line of the log whose latest file is `latest`.
    ///
    /// The line that was recorded last must be present and unchanged.
    fn find(path: &Path, latest: Option<&File>, recorded: Option<Head>) -> Result<Self, LogError> {
        let mut end = Self {
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
            behind_head: 0,
        };
        let has_line = match latest {
            Some(latest) => end.note_last_of(path, latest)?,
            None => false,
        };
        if !has_line && let Some(place) = Place::after_what_was_sealed(path)? {
            end.place = place;
            end.unopened = true;
        }
        end.behind_head = end.place.behind(path, latest, recorded)?;
        Ok(end)
    }

    /// Stores the last whole line of the latest file; returns false if there is none.
    fn note_last_of(&mut self, path: &Path, latest: &File) -> Result<bool, LogError> {
        let failed = |error: io::Error| failed(path, &error);
        let mut lines = Backwards::new(latest).map_err(failed)?;
        (self.bytes, self.unclean) = lines.whole();
        let Some(last) = lines.next().map_err(failed)? else {
            return Ok(false);
        };
        let (_, entry) = line::parse(&last)
            .map_err(|message| changed(path, format!("its last line: {message}")))?;
        self.place.sequence = entry.sequence;
        self.place.previous = hash(&last);
        self.sealed = matches!(entry.event, Event::Seal(_));
        if entry.sequence == u64::MAX {
            return Err(changed(
                path,
                format!(
                    "its last line has the maximum number {}: it was edited",
                    entry.sequence
                ),
            ));
        }
        if let Some(first) = opening(path, latest).map_err(|broken| changed(path, broken))? {
            self.place.file = first.number;
            self.place.first = first.sequence;
            self.place.seal = first.previous;
        }
        Ok(true)
    }
}

impl Place {
    /// The end of a log whose latest file has no line.
    ///
    /// It follows the newest sealed file, or the last one that was archived.
    fn after_what_was_sealed(path: &Path) -> Result<Option<Self>, LogError> {
        let failed = |error: io::Error| failed(path, &error);
        let archived = Archived::read(path).map_err(|broken| changed(path, broken))?;
        let archived = archived.last();
        let newest = match newest_sealed(path) {
            // The folder of a new log may not exist yet.
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            newest => newest.map_err(failed)?,
        };
        let Some(number) = newest.max(archived.map(|last| last.file)) else {
            return Ok(None);
        };
        let (sequence, seal) = match archived {
            Some(last) if last.file == number => (last.last, last.hash.clone()),
            _ => {
                let file = numbered(path, number);
                let opened = File::open(&file).map_err(failed)?;
                let last = Backwards::new(&opened).and_then(|mut lines| lines.next());
                let last = last.map_err(failed)?.unwrap_or_default();
                match line::parse(&last) {
                    Ok((_, entry)) if matches!(entry.event, Event::Seal(_)) => {
                        (entry.sequence, hash(&last))
                    }
                    _ => {
                        let file = file.display();
                        return Err(changed(path, format!("{file} does not end with its seal")));
                    }
                }
            }
        };
        let next = number.checked_add(1);
        let next = next.ok_or_else(|| not_a_log(path, "no number is left for another file"))?;
        Self::after(path, next, sequence, seal).map(Some)
    }

    /// The end of a log with the next file's number and the last seal.
    fn after(path: &Path, file: u32, sequence: u64, seal: String) -> Result<Self, LogError> {
        let first = sequence.checked_add(1);
        let first = first.ok_or_else(|| LogError::Exhausted(path.to_owned()))?;
        Ok(Self {
            file,
            first,
            seal: seal.clone(),
            sequence,
            previous: seal,
        })
    }

    /// Number of lines behind the head, which must name an existing line.
    fn behind(
        &self,
        path: &Path,
        latest: Option<&File>,
        recorded: Option<Head>,
    ) -> Result<u64, LogError> {
        let Some(head) = recorded else {
            return match self.sequence {
                0 => Ok(0),
                _ => Err(not_a_log(
                    path,
                    Corrupt::NoHead(Head::file(path)).to_string(),
                )),
            };
        };
        let Some(behind_head) = self.sequence.checked_sub(head.sequence) else {
            let found = match latest {
                Some(_) => format!("it ends with line {}", self.sequence),
                None => "it is missing".to_owned(),
            };
            let recorded = head.sequence;
            return Err(changed(
                path,
                format!("{found}, and {recorded} lines were recorded: lines at its end are gone"),
            ));
        };
        if head.sequence > 0 && self.hash_of(path, latest, head.sequence)? != Some(head.hash) {
            return Err(changed(
                path,
                format!(
                    "line {} differs from the last recorded line: that line or the head beside the log was changed",
                    head.sequence
                ),
            ));
        }
        Ok(behind_head)
    }

    /// Hash of a line near the end of the log, if it exists.
    fn hash_of(
        &self,
        path: &Path,
        latest: Option<&File>,
        sequence: u64,
    ) -> Result<Option<String>, LogError> {
        let failed = |error: io::Error| failed(path, &error);
        // A head slightly behind may name a line of the previous file.
        let (mut number, mut at) = (self.file, self.sequence);
        if at == sequence {
            return Ok(Some(self.previous.clone()));
        }
        if Some(sequence) == self.first.checked_sub(1) {
            return Ok(Some(self.seal.clone()));
        }
        let Some(latest) = latest else {
            return Ok(None);
        };
        let mut opened = latest.try_clone().map_err(failed)?;
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
}

impl Latest {
    /// Opens the log, or starts it; returns the number of lines behind the head.
    ///
    /// Only the latest file is read, from its end to its head.
    pub(super) fn open(options: &LogOptions) -> Result<(Self, u64), LogError> {
        let path = options.path.as_path();
        let failed = |error: io::Error| failed(path, &error);
        refuse_links(path)?;
        refuse_links(&Head::file(path))?;
        let file = open_latest(path).map_err(failed)?;
        lock(&file, path)?;
        // Read before the file is created.
        let recorded = Head::read(path);
        let head = regular::private()
            .create(true)
            .truncate(false)
            .write(true)
            .open(Head::file(path))
            .map_err(failed)?;
        // The log moves on to other files; the head file stays, so its lock covers the whole log.
        lock(&head, path)?;
        let identity = identity_of(&file.metadata().map_err(failed)?);
        let head_identity = identity_of(&head.metadata().map_err(failed)?);
        let end = End::find(path, Some(&file), recorded)?;
        let mut log = Self {
            options: options.clone(),
            file,
            identity,
            head,
            head_identity,
            head_bytes: 0,
            place: end.place,
            bytes: end.bytes,
            unclean: end.unclean,
            cut: None,
            sealed: end.sealed,
            unopened: end.unopened,
            lines: Vec::new(),
        };
        log.clean().map_err(failed)?;
        log.unclean = false;
        // Keeps the head from being ahead of the lines if starting the next file fails.
        log.write_whole_head().map_err(failed)?;
        if log.sealed {
            // The host stopped between the seal and the next file.
            log.begin_next_file()?;
        }
        if log.unopened {
            log.write(std::iter::empty())?;
        }
        log.sync_folder().map_err(failed)?;
        Ok((log, end.behind_head))
    }

    /// Number of the last recorded line.
    pub(super) fn sequence(&self) -> u64 {
        self.place.sequence
    }

    /// Writes lines, all or none, as durably as configured.
    ///
    /// Nothing is recorded unless the log is where it was opened, and has the length that was written.
    pub(super) fn write<'a>(
        &mut self,
        bodies: impl Iterator<Item = &'a [u8]>,
    ) -> Result<(), LogError> {
        if let Some(cut) = &self.cut {
            return Err(cut.clone());
        }
        if self.unclean {
            // An earlier write failed: clean up, and verify that the files are in order.
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
        // One large request must not keep a large buffer allocated.
        self.lines.shrink_to(MOST_BYTES_KEPT);
        if written.is_err() {
            // None of the lines was released. Their bytes are removed now, or as soon as that is possible.
            (self.place.sequence, self.place.previous) = before;
            self.unclean = true;
            // Ignored: the error of the write is reported instead.
            let _ = self.clean();
        }
        written
    }

    /// Builds lines from bodies in `lines`, and writes them.
    fn write_lines<'a>(
        &mut self,
        bodies: impl Iterator<Item = &'a [u8]>,
        lines: &mut Vec<u8>,
    ) -> Result<(), LogError> {
        // Checked before writing too: the file may have been cut by as much as is written now.
        let found = self.file.metadata().map_err(|error| self.failed(&error))?;
        self.has_bytes(found.len(), self.bytes)?;
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
        // A deleted file accepts writes, but its lines are lost.
        self.in_place(bytes)?;
        self.write_head().map_err(|error| self.failed(&error))?;
        self.bytes = bytes;
        Ok(())
    }

    /// Verifies that the log and its head are unmoved and have the written lengths.
    fn in_place(&mut self, bytes: u64) -> Result<(), LogError> {
        let path = self.options.path.as_path();
        let head = Head::file(path);
        let found = bytes_in_place(path, self.identity).map_err(|message| moved(path, message))?;
        self.has_bytes(found, bytes)?;
        let found =
            bytes_in_place(&head, self.head_identity).map_err(|message| moved(&head, message))?;
        match other_bytes(found, self.head_bytes) {
            Some(message) => Err(moved(&head, message)),
            None => Ok(()),
        }
    }

    /// Verifies that the log has as many bytes as were written; `found` is its length.
    fn has_bytes(&mut self, found: u64, bytes: u64) -> Result<(), LogError> {
        let Some(message) = other_bytes(found, bytes) else {
            return Ok(());
        };
        let error = moved(&self.options.path, message);
        if found < bytes {
            self.cut = Some(error.clone());
        }
        Err(error)
    }

    /// Removes bytes that a failed write left, or that another program added.
    fn clean(&mut self) -> io::Result<()> {
        // A file that was cut is left as found.
        if !self.unclean || self.cut.is_some() {
            return Ok(());
        }
        if self.file.metadata()?.len() > self.bytes {
            self.file.set_len(self.bytes)?;
        }
        match self.head.metadata()?.len() == self.head_bytes {
            true => Ok(()),
            false => self.write_whole_head(),
        }
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
            // Includes the seal itself.
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

    /// Renames the sealed file to its number, and starts the next one.
    ///
    /// The chain continues in the next file.
    fn begin_next_file(&mut self) -> Result<(), LogError> {
        // Otherwise, a file put in its place would be renamed.
        let in_place = self.in_place(self.bytes);
        self.unclean |= in_place.is_err();
        in_place?;
        let path = self.options.path.clone();
        let failed = |error: io::Error| failed(&path, &error);
        let full = numbered(&path, self.place.file);
        if full.exists() {
            return Err(not_a_log(
                &path,
                format!("{} exists already: move it away", full.display()),
            ));
        }
        let number = self.place.file.checked_add(1);
        let number = number.ok_or_else(|| LogError::Exhausted(path.clone()))?;
        std::fs::rename(&path, &full).map_err(failed)?;
        let next = regular::private()
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
                // Undo the rename, so that it can be tried again.
                std::fs::rename(&full, &path).map_err(failed)?;
                return Err(failed(error));
            }
        }
        self.bytes = 0;
        self.sealed = false;
        let (sequence, seal) = (self.place.sequence, self.place.previous.clone());
        self.place = Place::after(&path, number, sequence, seal)?;
        self.unopened = true;
        self.sync_folder().map_err(failed)
    }

    /// Syncs file names to disk, if durability is [`Durability::Fsync`].
    fn sync_folder(&self) -> io::Result<()> {
        match self.options.durability {
            Durability::Buffered => Ok(()),
            Durability::Fsync => sync_folder_of(&self.options.path),
        }
    }

    /// Writes the last recorded line to the head beside the log.
    ///
    /// It is written after the lines: a head ahead of them would mean that they are missing.
    fn write_head(&mut self) -> io::Result<()> {
        let head = Head::text(self.place.sequence, &self.place.previous);
        #[cfg(unix)]
        {
            use std::os::unix::fs::FileExt as _;
            self.head.write_all_at(head.as_bytes(), 0)?;
        }
        #[cfg(not(unix))]
        {
            use std::io::{Seek as _, SeekFrom};
            self.head.seek(SeekFrom::Start(0))?;
            self.head.write_all(head.as_bytes())?;
        }
        self.head_bytes = head.len() as u64;
        Ok(())
    }

    /// Writes the head, and removes any bytes behind it.
    fn write_whole_head(&mut self) -> io::Result<()> {
        self.write_head()?;
        self.head.set_len(self.head_bytes)
    }
}

fn moved(file: &Path, message: String) -> LogError {
    LogError::NotInPlace {
        file: file.to_owned(),
        message,
    }
}

/// Describes the difference between the bytes found and written, if any.
fn other_bytes(found: u64, written: u64) -> Option<String> {
    let why = match found.cmp(&written) {
        Ordering::Equal => return None,
        Ordering::Less => "it was cut",
        Ordering::Greater => "something else writes it",
    };
    Some(format!(
        "it has {found} bytes, and {written} were written: {why}"
    ))
}

/// Refuses a symbolic link: renaming a full file would rename the link, not the file.
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
    regular::private()
        .create(true)
        .read(true)
        .append(true)
        .open(path)
}

fn lock(file: &File, path: &Path) -> Result<(), LogError> {
    file.try_lock()
        .map_err(|_| not_a_log(path, "another process writes it"))
}
