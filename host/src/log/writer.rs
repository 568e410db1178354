//! Decisions made at the same time share one trip to the disk.
//!
//! The first thread to come writes what is pending, its own line included; the others wait until theirs
//! are written. A decision that has no other beside it costs no change of thread.

use super::latest::Latest;
use super::{LogError, LogOptions};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

#[derive(Debug)]
pub(super) struct Writer {
    queue: Mutex<Queue>,
    written: Condvar,
    /// Held by the thread that writes.
    file: Mutex<Latest>,
    /// The number of the last line that was recorded, without waiting for a group that is being written.
    sequence: AtomicU64,
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
    /// Opens the log. Gives how many lines lie behind its head, which a crash or an edit left there.
    pub(super) fn open(options: &LogOptions) -> Result<(Self, u64), LogError> {
        let (file, behind_head) = Latest::open(options)?;
        let writer = Self {
            queue: Mutex::default(),
            written: Condvar::new(),
            sequence: AtomicU64::new(file.sequence()),
            file: Mutex::new(file),
        };
        Ok((writer, behind_head))
    }

    /// The number of the last line that was recorded.
    pub(super) fn sequence(&self) -> u64 {
        self.sequence.load(Ordering::Acquire)
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
                let written = file.write(bodies.map(Vec::as_slice));
                self.sequence.store(file.sequence(), Ordering::Release);
                written
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
