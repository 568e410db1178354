//! Group commit: concurrent decisions share one write and sync.
//!
//! The first thread writes all pending lines, its own included; the others wait until theirs are written.
//! A decision without concurrent ones needs no change of thread.
//!
//! A task of an async runtime must not wait for a disk: all others of its thread would wait too. Lines of tasks
//! are therefore synced by one thread of the log, which starts with the first of them.

use super::latest::Latest;
use super::{Durability, LogError, LogOptions};
use std::collections::HashMap;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread::{self, JoinHandle};

/// The lines of a log on their way to its file.
#[derive(Debug)]
pub(super) struct Writer {
    shared: Arc<Shared>,
    /// The thread that writes for tasks.
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    /// Signals a written group, new lines of tasks, and the end of the log.
    changed: Condvar,
    /// Held by the thread that writes.
    file: Mutex<Latest>,
    /// Number of the last recorded line, readable while a group is being written.
    sequence: AtomicU64,
    /// True if lines are synced, so that writing waits for the disk.
    waits_for_disk: AtomicBool,
    /// Error of the last write, unless a later one succeeded.
    problem: Mutex<Option<LogError>>,
    has_problem: AtomicBool,
}

#[derive(Debug, Default)]
struct Queue {
    /// Ticket of the next append of a thread.
    next: u64,
    pending: Vec<Pending>,
    /// Results of finished appends, until their threads fetch them.
    results: HashMap<u64, Result<(), LogError>>,
    is_writing: bool,
    /// Number of waiting threads.
    waiting: usize,
    is_closing: bool,
}

#[derive(Debug)]
struct Pending {
    by: By,
    bodies: Vec<Vec<u8>>,
}

/// Caller that waits for an append.
#[derive(Debug)]
enum By {
    /// A thread, with its ticket.
    Thread(u64),
    Task(Arc<Completion>),
}

/// Result of a task's append, once there is one.
#[derive(Debug, Default)]
struct Completion(Mutex<Completed>);

#[derive(Debug, Default)]
struct Completed {
    result: Option<Result<(), LogError>>,
    waker: Option<Waker>,
}

impl Completion {
    fn complete(&self, result: Result<(), LogError>) {
        let waker = {
            let mut completed = self.lock();
            completed.result = Some(result);
            completed.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Completed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits until lines are recorded.
///
/// They are recorded even if it is dropped before.
struct Recording(Arc<Completion>);

impl Future for Recording {
    type Output = Result<(), LogError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut completed = self.0.lock();
        match completed.result.take() {
            Some(result) => Poll::Ready(result),
            None => {
                completed.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Writer {
    /// Opens the log; returns the number of lines behind its head.
    ///
    /// A crash or an edit leaves such lines.
    pub(super) fn open(options: &LogOptions) -> Result<(Self, u64), LogError> {
        let (file, behind_head) = Latest::open(options)?;
        let shared = Shared {
            queue: Mutex::default(),
            changed: Condvar::new(),
            sequence: AtomicU64::new(file.sequence()),
            waits_for_disk: AtomicBool::new(options.durability == Durability::Fsync),
            file: Mutex::new(file),
            problem: Mutex::default(),
            has_problem: AtomicBool::new(false),
        };
        let writer = Self {
            shared: Arc::new(shared),
            thread: Mutex::default(),
        };
        Ok((writer, behind_head))
    }

    /// Number of the last recorded line.
    pub(super) fn sequence(&self) -> u64 {
        self.shared.sequence.load(Ordering::Acquire)
    }

    /// Error of the last write, unless a later one succeeded.
    pub(super) fn problem(&self) -> Option<LogError> {
        let problem = self.shared.problem.lock();
        problem.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets durability and size of files for the lines from now on.
    pub(super) fn set_options(&self, options: &LogOptions) {
        self.shared.file().set_options(options);
        let waits = options.durability == Durability::Fsync;
        self.shared.waits_for_disk.store(waits, Ordering::Release);
    }

    /// Writes lines, all or none; returns once they are as durable as configured.
    pub(super) fn append(&self, bodies: Vec<Vec<u8>>) -> Result<(), LogError> {
        let shared = &*self.shared;
        let mut queue = shared.queue();
        let own = queue.next;
        queue.next += 1;
        let by = By::Thread(own);
        queue.pending.push(Pending { by, bodies });
        loop {
            if let Some(result) = queue.results.remove(&own) {
                return result;
            }
            if queue.is_writing {
                queue = shared.wait(queue);
                continue;
            }
            // Lines are pending until written, so the group includes this thread's own.
            return shared.write_pending(queue, Some(own)).1;
        }
    }

    /// As [`Writer::append`], for a task: only the future waits.
    ///
    /// Lines that need no sync are written in the calling thread, which takes microseconds.
    pub(super) async fn append_async(&self, bodies: Vec<Vec<u8>>) -> Result<(), LogError> {
        match self.shared.waits_for_disk.load(Ordering::Acquire) {
            false => self.append(bodies),
            true => self.enqueue(bodies)?.await,
        }
    }

    /// Leaves lines to the thread of the log.
    fn enqueue(&self, bodies: Vec<Vec<u8>>) -> Result<Recording, LogError> {
        self.has_thread()?;
        let completion = Arc::<Completion>::default();
        let by = By::Task(Arc::clone(&completion));
        let mut queue = self.shared.queue();
        queue.pending.push(Pending { by, bodies });
        if queue.waiting > 0 && !queue.is_writing {
            self.shared.changed.notify_all();
        }
        Ok(Recording(completion))
    }

    /// Starts the thread of the log, unless it runs.
    fn has_thread(&self) -> Result<(), LogError> {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if thread.is_none() {
            let shared = Arc::clone(&self.shared);
            let new = thread::Builder::new().name("portcullis-log".to_owned());
            let new = new.spawn(move || shared.write_for_tasks());
            *thread = Some(new.map_err(|error| LogError::Thread(error.to_string()))?);
        }
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let thread = self.thread.get_mut();
        let Some(thread) = thread.unwrap_or_else(PoisonError::into_inner).take() else {
            return;
        };
        self.shared.queue().is_closing = true;
        self.shared.changed.notify_all();
        // It ends once all lines are written. A panic of the thread was reported by its hook.
        let _ = thread.join();
    }
}

impl Shared {
    /// Writes the lines of tasks until the log is closed.
    fn write_for_tasks(&self) {
        let mut queue = self.queue();
        loop {
            queue = match (queue.is_writing, queue.pending.is_empty()) {
                (false, false) => self.write_pending(queue, None).0,
                (false, true) if queue.is_closing => return,
                _ => self.wait(queue),
            };
        }
    }

    /// Writes all pending lines, and hands out the result to all callers but the one with the ticket `own`.
    fn write_pending<'a>(
        &'a self,
        mut queue: MutexGuard<'a, Queue>,
        own: Option<u64>,
    ) -> (MutexGuard<'a, Queue>, Result<(), LogError>) {
        queue.is_writing = true;
        let group = std::mem::take(&mut queue.pending);
        drop(queue);
        // Waiting callers get a result even after a panic.
        let result = catch_unwind(AssertUnwindSafe(|| {
            let mut file = self.file();
            let bodies = group.iter().flat_map(|pending| &pending.bodies);
            let written = file.write(bodies.map(Vec::as_slice));
            self.sequence.store(file.sequence(), Ordering::Release);
            written
        }))
        .unwrap_or(Err(LogError::Panicked));
        self.note(&result);
        let mut tasks = Vec::new();
        let mut queue = self.queue();
        queue.is_writing = false;
        for pending in group {
            match pending.by {
                By::Thread(ticket) if Some(ticket) == own => {}
                By::Thread(ticket) => {
                    queue.results.insert(ticket, result.clone());
                }
                By::Task(completion) => tasks.push(completion),
            }
        }
        if queue.waiting > 0 {
            self.changed.notify_all();
        }
        if tasks.is_empty() {
            return (queue, result);
        }
        drop(queue);
        for completion in tasks {
            completion.complete(result.clone());
        }
        (self.queue(), result)
    }

    fn note(&self, result: &Result<(), LogError>) {
        // Written only on a change, which is rare.
        if result.is_err() || self.has_problem.load(Ordering::Relaxed) {
            let mut problem = self.problem.lock().unwrap_or_else(PoisonError::into_inner);
            *problem = result.clone().err();
            self.has_problem.store(result.is_err(), Ordering::Relaxed);
        }
    }

    fn wait<'a>(&'a self, mut queue: MutexGuard<'a, Queue>) -> MutexGuard<'a, Queue> {
        queue.waiting += 1;
        let mut queue = self
            .changed
            .wait(queue)
            .unwrap_or_else(PoisonError::into_inner);
        queue.waiting -= 1;
        queue
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // No code that holds the lock can panic half way through a change.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn file(&self) -> MutexGuard<'_, Latest> {
        // A panic during a write left the file to be cleaned before the next one.
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;
    use std::pin::pin;
    use std::task::Wake;
    use std::thread::Thread;

    /// Wakes the thread that waits for a future.
    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    fn wait_for<T>(future: impl Future<Output = T>) -> T {
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut context = Context::from_waker(&waker);
        let mut future = pin!(future);
        loop {
            match future.as_mut().poll(&mut context) {
                Poll::Ready(value) => return value,
                Poll::Pending => thread::park(),
            }
        }
    }

    struct Example {
        folder: PathBuf,
        writer: Option<Writer>,
    }

    impl Example {
        fn new(name: &str, durability: Durability) -> Self {
            let name = format!("portcullis-writer-{name}-{}", std::process::id());
            let folder = std::env::temp_dir().join(name);
            std::fs::create_dir_all(&folder).unwrap();
            let mut options = LogOptions::new(folder.join("log.jsonl"));
            options.durability = durability;
            let (writer, _) = Writer::open(&options).unwrap();
            Self {
                folder,
                writer: Some(writer),
            }
        }

        fn writer(&self) -> &Writer {
            self.writer.as_ref().unwrap()
        }

        fn lines(&self) -> usize {
            let log = std::fs::read_to_string(self.folder.join("log.jsonl")).unwrap();
            log.lines().filter(|line| line.ends_with('}')).count()
        }
    }

    impl Drop for Example {
        fn drop(&mut self) {
            drop(self.writer.take());
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }

    fn body() -> Vec<Vec<u8>> {
        vec![br#"{"event":"x"}"#.to_vec()]
    }

    #[test]
    fn tasks_and_threads_share_a_log() {
        for durability in [Durability::Fsync, Durability::Buffered] {
            let example = Example::new("shared", durability);
            let writer = example.writer();
            thread::scope(|scope| {
                for task in [true, false, true, false] {
                    scope.spawn(move || {
                        for _ in 0..25 {
                            match task {
                                true => wait_for(writer.append_async(body())).unwrap(),
                                false => writer.append(body()).unwrap(),
                            }
                        }
                    });
                }
            });
            assert_eq!((writer.sequence(), example.lines()), (100, 100));
            let thread = writer.thread.lock().unwrap();
            assert_eq!(thread.is_some(), durability == Durability::Fsync);
        }
    }

    #[test]
    fn lines_of_a_dropped_task_are_written() {
        let mut example = Example::new("dropped", Durability::Fsync);
        let writer = example.writer();
        for _ in 0..50 {
            drop(writer.enqueue(body()).unwrap());
        }
        drop(example.writer.take());
        assert_eq!(example.lines(), 50);
    }

    #[test]
    fn a_task_gets_the_error_of_its_write() {
        let example = Example::new("error", Durability::Fsync);
        let writer = example.writer();
        wait_for(writer.append_async(body())).unwrap();
        let log = example.folder.join("log.jsonl");
        std::fs::rename(&log, example.folder.join("away")).unwrap();
        let error = wait_for(writer.append_async(body())).unwrap_err();
        assert!(
            matches!(error, LogError::Write { .. } | LogError::NotInPlace { .. }),
            "{error}"
        );
        std::fs::rename(example.folder.join("away"), &log).unwrap();
        wait_for(writer.append_async(body())).unwrap();
        assert_eq!(example.lines(), 2);
    }

    #[test]
    fn other_options_count_from_the_next_line_on() {
        let example = Example::new("options", Durability::Buffered);
        let writer = example.writer();
        wait_for(writer.append_async(body())).unwrap();
        assert!(writer.thread.lock().unwrap().is_none());
        let mut options = LogOptions::new(example.folder.join("log.jsonl"));
        options.durability = Durability::Fsync;
        writer.set_options(&options);
        wait_for(writer.append_async(body())).unwrap();
        assert!(writer.thread.lock().unwrap().is_some());
        assert_eq!(example.lines(), 2);
    }
}
