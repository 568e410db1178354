//! The thread that looks at every watched file of a host.

use super::{HOST_FAILED, Look, Source};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Default time between two looks at a file.
pub const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// Pause after a look that panicked, so that a panic on each look does not flood the standard error.
const AFTER_A_PANIC: Duration = Duration::from_secs(10);

/// Time that a round may take, however long the interval is, before it is reported.
const SLOW_ROUND: Duration = Duration::from_secs(10);

/// Maximum time for which dropping a watcher waits for a look that hangs.
const STOPS_WITHIN: Duration = Duration::from_secs(1);

/// Watched files of a host, and the thread that looks at them.
///
/// Each look takes its turn: a slow file delays the other files for as long as it takes to read, and no
/// decision. Dropping the watcher ends the thread and waits for it; if a look hangs, for a second at most.
pub struct Watcher {
    sources: Vec<Source>,
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

/// State of the thread.
#[derive(Default)]
struct State {
    is_stopping: bool,
    has_ended: bool,
    /// Start of the current look, and its file.
    looking: Option<(Instant, PathBuf)>,
    /// Files on which the last look panicked, each with the time.
    failed: Vec<(PathBuf, Instant)>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watcher {
    /// Creates a watcher without a thread, which looks at the files only on request.
    pub fn idle(sources: Vec<Source>) -> Self {
        Self {
            sources,
            shared: Arc::default(),
            thread: Mutex::default(),
        }
    }

    /// Starts a thread that looks at each file once in each `interval`.
    ///
    /// Without sources, no thread is started.
    ///
    /// # Errors
    ///
    /// Those of the operating system, if it refuses the thread.
    pub fn start(sources: Vec<Source>, interval: Duration) -> io::Result<Self> {
        let watcher = Self::idle(sources);
        watcher.begin(interval)?;
        Ok(watcher)
    }

    /// Starts the thread of a watcher that is idle or stopped.
    ///
    /// # Errors
    ///
    /// Those of the operating system, if it refuses the thread.
    pub fn begin(&self, interval: Duration) -> io::Result<()> {
        let mut thread = self.thread();
        if self.sources.is_empty() {
            return Ok(());
        }
        {
            let mut state = self.shared.lock();
            state.is_stopping = false;
            if thread.is_some() {
                // It did not end when it was stopped, and goes on.
                return Ok(());
            }
            state.has_ended = false;
        }
        let (shared, sources) = (Arc::clone(&self.shared), self.sources.clone());
        let new = thread::Builder::new().name("portcullis-files".to_owned());
        *thread = Some(new.spawn(move || watch(&shared, &sources, interval))?);
        Ok(())
    }

    /// Ends the thread, and waits for it; if a look hangs, for a second at most.
    pub fn stop(&self) {
        let mut thread = self.thread();
        let Some(running) = thread.take() else {
            return;
        };
        let mut state = self.shared.lock();
        state.is_stopping = true;
        self.shared.changed.notify_all();
        // A listener of a file may hold the last reference to the host.
        if running.thread().id() == thread::current().id() {
            return;
        }
        let waited = self
            .shared
            .changed
            .wait_timeout_while(state, STOPS_WITHIN, |state| !state.has_ended);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let has_ended = state.has_ended;
        drop(state);
        if has_ended {
            // A panic of the thread was reported by its hook.
            let _ = running.join();
        } else {
            *thread = Some(running);
        }
    }

    fn thread(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.thread.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at every file now, in the calling thread.
    pub fn refresh(&self) {
        for source in &self.sources {
            source.look(Look::AtOnce);
        }
    }

    /// Files that are not in force as they are, each with the reason, and faults of the thread.
    pub fn problems(&self) -> Vec<(PathBuf, String)> {
        let sources = self.sources.iter();
        let mut problems: Vec<_> = sources
            .filter_map(|source| Some((source.path(), source.problem()?)))
            .collect();
        let state = self.shared.lock();
        let failed = state.failed.iter();
        problems.extend(failed.map(|(file, _)| (file.clone(), HOST_FAILED.to_owned())));
        if let Some((since, file)) = &state.looking
            && since.elapsed() > SLOW_ROUND
        {
            let message = format!(
                "reading it has taken {:?} so far, and no other file is reloaded meanwhile: repair its file system",
                since.elapsed()
            );
            problems.push((file.clone(), message));
        }
        if state.has_ended {
            let message = "the thread that reloads files has ended, so no change takes effect: restart the host, and please report it";
            let sources = self.sources.iter();
            problems.extend(sources.map(|source| (source.path(), message.to_owned())));
        }
        problems
    }

    #[cfg(test)]
    fn has_thread(&self) -> bool {
        self.thread().is_some()
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.stop();
    }
}

impl std::fmt::Debug for Watcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let files: Vec<_> = self.sources.iter().map(|source| source.path()).collect();
        f.debug_struct("Watcher")
            .field("files", &files)
            .finish_non_exhaustive()
    }
}

/// Notes that the thread has ended, however it ends.
struct Ends<'a>(&'a Shared);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.lock().has_ended = true;
        self.0.changed.notify_all();
    }
}

fn watch(shared: &Shared, sources: &[Source], interval: Duration) {
    let _ends = Ends(shared);
    loop {
        let state = shared.lock();
        let waited = shared
            .changed
            .wait_timeout_while(state, interval, |state| !state.is_stopping);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
        for source in sources {
            if !take_turn(shared, source) {
                return;
            }
        }
    }
}

/// Looks at one file. False if the thread must end.
fn take_turn(shared: &Shared, source: &Source) -> bool {
    let path = source.path();
    {
        let mut state = shared.lock();
        if state.is_stopping {
            return false;
        }
        let failed = state.failed.iter().find(|(file, _)| *file == path);
        if failed.is_some_and(|(_, at)| at.elapsed() < AFTER_A_PANIC) {
            return true;
        }
        state.failed.retain(|(file, _)| *file != path);
        state.looking = Some((Instant::now(), path.clone()));
    }
    let looked = catch_unwind(AssertUnwindSafe(|| source.look(Look::InTurn)));
    let mut state = shared.lock();
    state.looking = None;
    if looked.is_err() {
        state.failed.push((path, Instant::now()));
        drop(state);
        source.look_failed();
    }
    true
}

#[cfg(test)]
mod tests {
    use super::super::Watch;
    use super::*;
    use crate::waiting::until;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::{Receiver, Sender, channel};

    const OFTEN: Duration = Duration::from_millis(1);

    /// A file whose looks are counted, and which may do something else.
    struct Looked {
        name: &'static str,
        looks: AtomicUsize,
        then: Box<dyn Fn() + Send + Sync>,
    }

    impl Looked {
        fn new(name: &'static str, then: impl Fn() + Send + Sync + 'static) -> Arc<Self> {
            Arc::new(Self {
                name,
                looks: AtomicUsize::new(0),
                then: Box::new(then),
            })
        }

        fn looks(&self) -> usize {
            self.looks.load(Ordering::SeqCst)
        }
    }

    impl Watch for Looked {
        fn path(&self) -> PathBuf {
            self.name.into()
        }

        fn look(&self, _: Look) {
            self.looks.fetch_add(1, Ordering::SeqCst);
            (self.then)();
        }

        fn problem(&self) -> Option<String> {
            None
        }
    }

    /// A file whose look takes until the sender is dropped or sends, and the signs that it began.
    fn blocking() -> (Arc<Looked>, Sender<()>, Receiver<()>) {
        let (release, released) = channel::<()>();
        let (begins, begun) = channel();
        let (released, begins) = (Mutex::new(released), Mutex::new(begins));
        let looked = Looked::new("slow", move || {
            let _ = begins.lock().unwrap().send(());
            let _ = released.lock().unwrap().recv();
        });
        (looked, release, begun)
    }

    #[test]
    fn every_file_is_looked_at_until_the_watcher_is_dropped() {
        let files = [Looked::new("a", || {}), Looked::new("b", || {})];
        let sources = files
            .iter()
            .map(|it| -> Source { Arc::<Looked>::clone(it) });
        let watcher = Watcher::start(sources.collect(), OFTEN).unwrap();
        until("looks", || files.iter().all(|file| file.looks() > 2));
        assert_eq!(watcher.problems(), []);
        let shared = Arc::clone(&watcher.shared);
        drop(watcher);
        assert!(shared.lock().has_ended);
        assert_eq!(
            Arc::strong_count(&files[0]),
            1,
            "the thread has let go of it"
        );
    }

    #[test]
    fn a_watcher_without_files_or_not_started_has_no_thread_and_still_looks() {
        assert!(!Watcher::start(Vec::new(), OFTEN).unwrap().has_thread());
        let file = Looked::new("a", || {});
        let idle = Watcher::idle(vec![Arc::<Looked>::clone(&file)]);
        assert!(!idle.has_thread());
        assert_eq!(file.looks(), 0);
        idle.refresh();
        assert_eq!(file.looks(), 1);
    }

    #[test]
    fn a_watcher_that_was_stopped_begins_again() {
        let file = Looked::new("a", || {});
        let watcher = Watcher::start(vec![Arc::<Looked>::clone(&file)], OFTEN).unwrap();
        until("looks", || file.looks() > 0);
        watcher.stop();
        assert!(!watcher.has_thread());
        let looks = file.looks();
        watcher.refresh();
        assert_eq!(file.looks(), looks + 1, "only the request looks");
        watcher.begin(OFTEN).unwrap();
        until("looks go on", || file.looks() > looks + 1);
        assert_eq!(watcher.problems(), []);
    }

    #[test]
    fn a_watcher_with_a_long_interval_ends_without_waiting_for_it() {
        let file = Looked::new("a", || {});
        let hour = Duration::from_secs(3600);
        let watcher = Watcher::start(vec![Arc::<Looked>::clone(&file)], hour).unwrap();
        let shared = Arc::clone(&watcher.shared);
        drop(watcher);
        assert!(shared.lock().has_ended);
        assert_eq!(file.looks(), 0);
    }

    #[test]
    fn a_slow_file_delays_the_others_for_its_turn_only() {
        let (slow, release, begun) = blocking();
        let other = Looked::new("other", || {});
        let sources: Vec<Source> = vec![slow, Arc::<Looked>::clone(&other)];
        let watcher = Watcher::start(sources, OFTEN).unwrap();
        begun.recv().unwrap();
        assert_eq!(other.looks(), 0);
        release.send(()).unwrap();
        begun.recv().unwrap();
        assert_eq!(other.looks(), 1);
        drop(release);
        until("looks go on", || other.looks() > 3);
        drop(watcher);
    }

    #[test]
    fn a_file_that_hangs_is_reported_and_does_not_keep_the_host() {
        let (slow, release, begun) = blocking();
        let watcher = Watcher::start(vec![slow], OFTEN).unwrap();
        begun.recv().unwrap();
        assert_eq!(watcher.problems(), []);
        if let Some((since, _)) = &mut watcher.shared.lock().looking {
            *since = since.checked_sub(SLOW_ROUND * 2).unwrap();
        }
        let problems = watcher.problems();
        assert!(
            problems[0].1.contains("repair its file system"),
            "{problems:?}"
        );
        let shared = Arc::clone(&watcher.shared);
        drop(watcher);
        assert!(!shared.lock().has_ended, "it hangs still");
        drop(release);
        until("it ends", || shared.lock().has_ended);
    }

    #[test]
    fn a_panic_at_one_file_is_reported_and_the_others_go_on() {
        let bad = Looked::new("bad", || panic!("on purpose"));
        let other = Looked::new("other", || {});
        let sources: Vec<Source> = vec![Arc::<Looked>::clone(&bad), Arc::<Looked>::clone(&other)];
        let watcher = Watcher::start(sources, OFTEN).unwrap();
        until("looks go on", || other.looks() > 3);
        let problems = watcher.problems();
        assert!(
            matches!(problems.as_slice(), [(file, why)] if file.as_os_str() == "bad" && why == HOST_FAILED),
            "{problems:?}"
        );
        assert_eq!(bad.looks(), 1, "not at each look");
        watcher.shared.lock().failed[0].1 = Instant::now().checked_sub(AFTER_A_PANIC).unwrap();
        until("it is looked at again", || bad.looks() > 1);
    }

    #[test]
    fn a_thread_that_ended_by_itself_is_reported() {
        let file = Looked::new("a", || {});
        let watcher = Watcher::start(vec![Arc::<Looked>::clone(&file)], OFTEN).unwrap();
        watcher.shared.lock().is_stopping = true;
        watcher.shared.changed.notify_all();
        until("it ends", || watcher.shared.lock().has_ended);
        let problems = watcher.problems();
        assert!(problems[0].1.contains("has ended"), "{problems:?}");
    }

    #[test]
    fn a_watcher_that_is_dropped_by_its_own_thread_ends() {
        let slot: Arc<Mutex<Option<Watcher>>> = Arc::default();
        let dropped = Arc::clone(&slot);
        let file = Looked::new("a", move || drop(dropped.lock().unwrap().take()));
        let watcher = Watcher::start(vec![file], Duration::from_millis(20)).unwrap();
        let shared = Arc::clone(&watcher.shared);
        *slot.lock().unwrap() = Some(watcher);
        until("it ends", || shared.lock().has_ended);
    }
}
