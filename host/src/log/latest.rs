//! The latest file of a log: finds its end, appends lines and starts the next file.

use super::archive::sync_folder_of;
use super::end::{End, Place, refuse_links};
use super::faults::{failed, moved, not_a_log};
use super::files::{Head, bytes_in_place, hash, name_of, numbered};
use super::{Durability, LogError, LogOptions, Opening, Seal, body, line};
use portcullis_model::count::counted;
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

    /// Sets durability and size of files from the next line on.
    pub(super) fn set_options(&mut self, options: &LogOptions) {
        self.options.durability = options.durability;
        self.options.max_file_bytes = options.max_file_bytes;
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

/// Describes the difference between the bytes found and written, if any.
fn other_bytes(found: u64, written: u64) -> Option<String> {
    let why = match found.cmp(&written) {
        Ordering::Equal => return None,
        Ordering::Less => "it was cut",
        Ordering::Greater => "something else writes it",
    };
    Some(format!(
        "it has {}, and {written} after the last write: {why}",
        counted(found, "byte")
    ))
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
