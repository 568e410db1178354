//! Decisions made at the same time share one trip to the disk.
//!
//! Whoever comes first writes what is pending, its own line included; the others wait until somebody
//! has written theirs. A decision that nobody else is in the way of costs no change of thread.

use super::chain::{BEGINNING, Head, files, full_files, hash, numbered};
use super::{Durability, Entry, LogError, LogOptions};
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

#[derive(Debug)]
pub(super) struct Writer {
    queue: Mutex<Queue>,
    written: Condvar,
    /// Held by whoever writes.
    file: Mutex<LogFile>,
}

#[derive(Debug, Default)]
struct Queue {
    /// The number of the next line to come.
    next: u64,
    pending: Vec<(u64, Vec<Vec<u8>>)>,
    /// What came of lines that were written, until their owners take note.
    results: HashMap<u64, Result<(), LogError>>,
    is_writing: bool,
    /// How many wait to be told.
    waiting: usize,
}

impl Writer {
    /// Opens the log. Gives how many lines lie behind its head, which a crash or somebody else left
    /// there.
    pub(super) fn open(options: &LogOptions) -> Result<(Self, u64), LogError> {
        let (file, behind_head) = LogFile::open(options)?;
        let writer = Self {
            queue: Mutex::default(),
            written: Condvar::new(),
            file: Mutex::new(file),
        };
        Ok((writer, behind_head))
    }

    /// Writes lines, all or none, and comes back when they are written as durably as the log is.
    pub(super) fn append(&self, bodies: Vec<Vec<u8>>) -> Result<(), LogError> {
        let mut queue = self.queue();
        let own = queue.next;
        queue.next += 1;
        queue.pending.push((own, bodies));
        loop {
            if let Some(result) = queue.results.remove(&own) {
                return result;
            }
            if queue.is_writing {
                queue.waiting += 1;
                queue = self
                    .written
                    .wait(queue)
                    .unwrap_or_else(PoisonError::into_inner);
                queue.waiting -= 1;
                continue;
            }
            queue.is_writing = true;
            let group = std::mem::take(&mut queue.pending);
            drop(queue);
            // Whatever happens, those that wait are told.
            let result = catch_unwind(AssertUnwindSafe(|| {
                let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
                let bodies = group.iter().flat_map(|(_, bodies)| bodies);
                file.write(bodies.map(Vec::as_slice))
            }))
            .unwrap_or(Err(LogError::Panicked));
            queue = self.queue();
            queue.is_writing = false;
            let others = group.iter().map(|(number, _)| *number);
            queue.results.extend(
                others
                    .filter(|number| *number != own)
                    .map(|number| (number, result.clone())),
            );
            if queue.waiting > 0 {
                self.written.notify_all();
            }
            // What is not written yet is pending, so one's own was among them.
            return result;
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Nothing that holds it can panic half way through a change.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The latest file of a log, and where its chain is.
#[derive(Debug)]
struct LogFile {
    options: LogOptions,
    file: File,
    head: File,
    sequence: u64,
    previous: String,
    /// How much of the file is whole lines that were recorded.
    bytes: u64,
    /// Whether something may lie behind that, which a failed write left.
    unclean: bool,
    /// What lines are made in.
    lines: Vec<u8>,
}

/// How much room for lines is kept, in bytes.
const MOST_BYTES_KEPT: usize = 256 * 1024;

fn failed(options: &LogOptions, error: &io::Error) -> LogError {
    LogError::Write {
        file: options.path.clone(),
        message: error.to_string(),
    }
}

impl LogFile {
    fn open(options: &LogOptions) -> Result<(Self, u64), LogError> {
        let failed = |error: io::Error| failed(options, &error);
        let path = &options.path;
        let file = OpenOptions::new()
            .create(true)
            .read(true)
            .append(true)
            .open(path)
            .map_err(failed)?;
        file.try_lock().map_err(|_| LogError::NotALog {
            file: path.clone(),
            message: "another process writes it".to_owned(),
        })?;
        // Read before it is made.
        let recorded = Head::read(path);
        let head = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(Head::file(path))
            .map_err(failed)?;
        // The lines go on in other files; this one is always the log's.
        head.try_lock().map_err(|_| LogError::NotALog {
            file: path.clone(),
            message: "another process writes it".to_owned(),
        })?;
        let mut log = Self {
            options: options.clone(),
            file,
            head,
            sequence: 0,
            previous: BEGINNING.to_owned(),
            bytes: 0,
            unclean: false,
            lines: Vec::new(),
        };
        let behind_head = log.find_end(recorded)?;
        Ok((log, behind_head))
    }

    /// Finds the last whole line, and removes what somebody was cut off while writing. What was recorded
    /// last has to be there as it was.
    fn find_end(&mut self, recorded: Option<Head>) -> Result<u64, LogError> {
        let options = self.options.clone();
        let failed = |error: io::Error| failed(&options, &error);
        let (mut last, mut lines, mut at_head) = (None, 0, None);
        for path in files(&options.path).map_err(failed)? {
            let mut reader = BufReader::new(File::open(&path).map_err(failed)?);
            self.bytes = 0;
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).map_err(failed)? > 0 {
                if line.pop_if(|byte| *byte == b'\n').is_some() {
                    self.bytes += line.len() as u64 + 1;
                    lines += 1;
                    if recorded.as_ref().is_some_and(|it| it.sequence == lines) {
                        at_head = Some(hash(&line));
                    }
                    last = Some(std::mem::take(&mut line));
                } else {
                    self.unclean = true;
                }
            }
        }
        if let Some(line) = last {
            let entry: Entry =
                serde_json::from_slice(&line).map_err(|error| LogError::NotALog {
                    file: options.path.clone(),
                    message: format!("its last line is no decision: {error}"),
                })?;
            self.sequence = entry.sequence;
            self.previous = hash(&line);
        }
        let not_ours = |message: String| LogError::NotALog {
            file: options.path.clone(),
            message,
        };
        let behind_head = match recorded {
            None if self.sequence == 0 => 0,
            None => {
                let head = Head::file(&options.path);
                return Err(not_ours(format!(
                    "{} is missing, so that nobody can tell whether lines at the end are gone: restore it, or move the log away and begin a new one",
                    head.display()
                )));
            }
            Some(head) if head.sequence > self.sequence => {
                return Err(not_ours(format!(
                    "it ends with line {}, and {} were recorded: see `portcullis log verify`",
                    self.sequence, head.sequence
                )));
            }
            Some(head) if head.sequence > 0 && at_head.as_ref() != Some(&head.hash) => {
                return Err(not_ours(format!(
                    "line {} is not the one that was recorded last: see `portcullis log verify`",
                    head.sequence
                )));
            }
            Some(head) => self.sequence - head.sequence,
        };
        self.clean().map_err(failed)?;
        self.write_head().map_err(failed)?;
        self.sync_folder().map_err(failed)?;
        Ok(behind_head)
    }

    /// Removes what a failed write left.
    fn clean(&mut self) -> io::Result<()> {
        if self.unclean {
            self.file.set_len(self.bytes)?;
            self.unclean = false;
        }
        Ok(())
    }

    fn write<'a>(&mut self, bodies: impl Iterator<Item = &'a [u8]>) -> Result<(), LogError> {
        let before = (self.sequence, self.previous.clone());
        self.try_write(bodies).map_err(|error| {
            // None of them was released. What was written of them is removed, now or as soon as that
            // is possible again.
            (self.sequence, self.previous) = before;
            self.unclean = true;
            // The error that is reported is the write's.
            let _ = self.clean();
            failed(&self.options, &error)
        })
    }

    fn try_write<'a>(&mut self, bodies: impl Iterator<Item = &'a [u8]>) -> io::Result<()> {
        self.clean()?;
        if self.bytes >= self.options.max_file_bytes {
            self.begin_next_file()?;
        }
        let mut lines = std::mem::take(&mut self.lines);
        let written = self.write_lines(bodies, &mut lines);
        self.lines = lines;
        self.lines.clear();
        // One request that was large once is no reason to keep so much for ever.
        self.lines.shrink_to(MOST_BYTES_KEPT);
        written
    }

    /// Makes lines of bodies in `lines`, and writes them.
    fn write_lines<'a>(
        &mut self,
        bodies: impl Iterator<Item = &'a [u8]>,
        lines: &mut Vec<u8>,
    ) -> io::Result<()> {
        for body in bodies {
            let begin = lines.len();
            let (sequence, previous) = (self.sequence + 1, &self.previous);
            write!(
                lines,
                "{{\"sequence\":{sequence},\"previous\":\"{previous}\","
            )?;
            lines.extend_from_slice(body.strip_prefix(b"{").unwrap_or(body));
            self.previous = hash(lines.get(begin..).unwrap_or_default());
            self.sequence = sequence;
            lines.push(b'\n');
        }
        self.file.write_all(lines)?;
        if self.options.durability == Durability::Fsync {
            self.file.sync_data()?;
        }
        self.write_head()?;
        self.bytes += lines.len() as u64;
        Ok(())
    }

    /// Gives the full file a number of its own and begins the next one. The chain goes on.
    fn begin_next_file(&mut self) -> io::Result<()> {
        let path = &self.options.path;
        let number = u32::try_from(full_files(path).len() + 1).map_err(io::Error::other)?;
        let full = numbered(path, number);
        std::fs::rename(path, &full)?;
        let next = OpenOptions::new()
            .create_new(true)
            .read(true)
            .append(true)
            .open(path);
        let next = next.and_then(|next| {
            next.try_lock().map_err(io::Error::other)?;
            Ok(next)
        });
        match next {
            Ok(next) => self.file = next,
            Err(error) => {
                // As it was, so that it can be tried again.
                std::fs::rename(&full, path)?;
                return Err(error);
            }
        }
        self.bytes = 0;
        self.sync_folder()
    }

    /// Brings the names of files to disk, where the log is to survive the machine.
    fn sync_folder(&self) -> io::Result<()> {
        if self.options.durability == Durability::Buffered {
            return Ok(());
        }
        match self.options.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
            _ => File::open(".")?.sync_all(),
        }
    }

    /// Notes what was recorded last beside the log. Only after the lines: a head that is ahead of them
    /// would say that they are gone.
    fn write_head(&mut self) -> io::Result<()> {
        let head = format!("{:020} {}\n", self.sequence, self.previous);
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
