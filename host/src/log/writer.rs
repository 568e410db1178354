//! Group commit: concurrent decisions share one write and sync.
//!
//! The first thread writes all pending lines, its own included; the others wait until theirs are written.
//! A decision without concurrent ones needs no change of thread.

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
    /// Number of the last recorded line, readable while a group is being written.
    sequence: AtomicU64,
}

#[derive(Debug, Default)]
struct Queue {
    /// Ticket of the next append.
    next: u64,
    pending: Vec<(u64, Vec<Vec<u8>>)>,
    /// Results of finished appends, until their threads fetch them.
    results: HashMap<u64, Result<(), LogError>>,
    is_writing: bool,
    /// Number of waiting threads.
    waiting: usize,
}

impl Writer {
    /// Opens the log; returns the number of lines behind its head.
    ///
    /// A crash or an edit leaves such lines.
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

    /// Number of the last recorded line.
    pub(super) fn sequence(&self) -> u64 {
        self.sequence.load(Ordering::Acquire)
    }

    /// Writes lines, all or none; returns once they are as durable as configured.
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
            // Waiting threads get a result even after a panic.
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
            // Lines are pending until written, so the group included this thread's own.
            return result;
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // No code that holds the lock can panic half way through a change.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
