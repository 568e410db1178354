//! Which instance decides, and the instances that were made ahead.

use super::Fault;
use super::code::Code;
use super::entry::Entry;
use super::instance::Instance;
use crate::clock::Ticking;
use crate::engine::{MAX_CONCURRENT_DECISIONS, MAX_HELD};
use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::thread;

/// Which instance of a plugin decides a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lane {
    /// One that is made for the decision and thrown away after it.
    #[default]
    Fresh,
    /// As [`Lane::Fresh`], but the instance was made ahead, so that making it is not waited for: each
    /// thread that asks has two of its own, which a thread of the host makes and takes away. The work
    /// is the same; it is done on another processor. Where none is ready, one is made.
    Warm,
    /// One that decided before and was put back as it began, byte for byte: before a decision is given, its
    /// memory and its globals are what they were when the plugin had been configured, and nothing else of
    /// it can change. The isolation is that of [`Lane::Fresh`]; what vouches for it is code that the host
    /// adds to the plugin's, not the runtime. It takes a plugin that was loaded with
    /// [`PluginSource::restorable`](crate::PluginSource::restorable); any other decides as in
    /// [`Lane::Fresh`]. An instance that faults, or whose memory grows, is thrown away.
    Restored,
    /// One that may have decided other requests of the same principal before, at most `max_uses` in
    /// all. **It gives up the isolation between those**: what a plugin remembers, or somebody who owns
    /// a plugin has it remember, of one request of a principal, it knows in the next one of that
    /// principal, and a decision need not replay. Between principals, and between plugins, nothing is
    /// shared. An instance that faults, or whose memory grows, is thrown away.
    Reused {
        /// How many requests an instance decides, at most.
        max_uses: NonZeroU32,
    },
}

/// How many instances are made ahead for each plugin and thread.
const DEPTH: usize = 2;

/// How many used instances wait to be taken away, at most. Beyond that, who used one takes it away.
const MOST_USED: usize = 64;

/// The instances that were made ahead of one plugin for one thread.
struct Shelf {
    entry: Weak<Entry>,
    ready: Mutex<VecDeque<(Instance, Held)>>,
}

/// What the instances on a shelf are: those of one lane are not given to the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// Made ahead, and never asked.
    Ahead,
    /// Put back as they began.
    PutBack,
}

/// The shelves of one plugin, for when it goes.
#[derive(Default)]
pub(super) struct Shelves(Mutex<Vec<Weak<Shelf>>>);

thread_local! {
    /// This thread's shelves, by where their entry is: a shelf keeps another from being there.
    static SHELVES: RefCell<HashMap<(*const Entry, Kind), Arc<Shelf>>> = RefCell::default();
}

/// An instance that decides, and the shelf that it is replaced on.
pub(super) struct Ahead {
    pub(super) instance: Instance,
    /// The right by which it was held, if it was.
    held: Option<Held>,
    shelf: Option<Arc<Shelf>>,
}

/// An instance of `entry` and that kind which is ready for this thread, or a fresh one where none is.
pub(super) fn take(entry: &Arc<Entry>, kind: Kind) -> Result<Ahead, Fault> {
    let shelf = shelf_of(entry, kind);
    let ready = shelf.as_ref().and_then(|shelf| shelf.take());
    let (instance, held) = match ready {
        Some((mut ready, held)) => {
            ready.start_clock(entry);
            (ready, Some(held))
        }
        None => (Instance::new(entry)?, None),
    };
    Ok(Ahead {
        instance,
        held,
        shelf,
    })
}

impl Ahead {
    /// Puts the instance of `entry` back as it began, and then on its shelf. If it cannot be, it goes.
    pub(super) fn put_back(mut self, entry: &Entry) {
        let Some(shelf) = self.shelf else { return };
        if !self.instance.restore() {
            return;
        }
        let bytes = self.instance.held_bytes();
        let Some(held) = self.held.or_else(|| Held::of(entry, bytes)) else {
            return;
        };
        let mut ready = locked(&shelf.ready);
        if ready.len() < DEPTH {
            ready.push_front((self.instance, held));
        }
    }

    /// Has the instance taken away, and another one made in its place.
    pub(super) fn give_back(self) {
        drop(self.held);
        let Some(shelf) = self.shelf else { return };
        if let Some(keeper) = keeper() {
            // Where too many wait, the instance goes here and now.
            let _ = keeper.try_send((self.instance, Arc::downgrade(&shelf)));
        }
    }
}

fn shelf_of(entry: &Arc<Entry>, kind: Kind) -> Option<Arc<Shelf>> {
    let place = (Arc::as_ptr(entry), kind);
    SHELVES
        .try_with(|shelves| {
            let mut shelves = shelves.borrow_mut();
            if let Some(shelf) = shelves.get(&place) {
                return Arc::clone(shelf);
            }
            // Those of plugins that are gone are empty; this is when they are forgotten.
            shelves.retain(|_, shelf| shelf.entry.strong_count() > 0);
            let shelf = Arc::new(Shelf {
                entry: Arc::downgrade(entry),
                ready: Mutex::default(),
            });
            let mut of_entry = locked(&entry.shelves.0);
            // Threads come and go.
            of_entry.retain(|shelf| shelf.strong_count() > 0);
            of_entry.push(Arc::downgrade(&shelf));
            drop(of_entry);
            shelves.insert(place, Arc::clone(&shelf));
            shelf
        })
        .ok()
}

impl Shelf {
    fn take(&self) -> Option<(Instance, Held)> {
        locked(&self.ready).pop_front()
    }

    /// Makes instances until there are as many as there should be.
    fn fill(&self) {
        while locked(&self.ready).len() < DEPTH {
            let Some(entry) = self.entry.upgrade() else {
                return;
            };
            if Held::of(&entry, 0).is_none() {
                return;
            }
            // Its start function may run for as long as a decision may.
            let made = Ticking::start()
                .ok()
                .and_then(|_ticking| Instance::new(&entry).ok());
            let Some(instance) = made else { return };
            let Some(held) = Held::of(&entry, instance.held_bytes()) else {
                return;
            };
            locked(&self.ready).push_back((instance, held));
        }
    }
}

impl Drop for Shelves {
    fn drop(&mut self) {
        for shelf in locked(&self.0).iter().filter_map(Weak::upgrade) {
            let gone = std::mem::take(&mut *locked(&shelf.ready));
            drop(gone);
        }
    }
}

/// The right to hold an instance while nothing is decided.
///
/// INVARIANT (room to decide): the process holds at most half of the places for components this way, and
/// modules only in places that are there for it, so that plugins of all lanes always find room; and what
/// they hold has at most so much memory together.
pub(super) struct Held {
    count: &'static AtomicUsize,
    bytes: usize,
}

/// How much memory held instances have together, at most, in bytes.
const MOST_HELD_BYTES: usize = 512 * 1024 * 1024;

static HELD_BYTES: AtomicUsize = AtomicUsize::new(0);

impl Held {
    /// Those that wait to be taken away are not counted, so there is room for them.
    const MOST_COMPONENTS: usize = MAX_CONCURRENT_DECISIONS as usize / 2 - MOST_USED - 1;

    /// For an instance of `entry` that has so much memory.
    pub(super) fn of(entry: &Entry, bytes: usize) -> Option<Self> {
        static COMPONENTS: AtomicUsize = AtomicUsize::new(0);
        static MODULES: AtomicUsize = AtomicUsize::new(0);
        let (count, most) = match entry.code {
            Code::Component(_) => (&COMPONENTS, Self::MOST_COMPONENTS),
            Code::Module(_) => (&MODULES, MAX_HELD as usize),
        };
        let others = count.fetch_add(1, Ordering::Relaxed);
        let other_bytes = HELD_BYTES.fetch_add(bytes, Ordering::Relaxed);
        let held = Self { count, bytes };
        (others < most && other_bytes.saturating_add(bytes) <= MOST_HELD_BYTES).then_some(held)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
        HELD_BYTES.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

type Used = (Instance, Weak<Shelf>);

/// The thread that takes used instances away and makes others ahead. Without it, the lane is fresh.
fn keeper() -> Option<&'static SyncSender<Used>> {
    static KEEPER: OnceLock<Option<SyncSender<Used>>> = OnceLock::new();
    KEEPER
        .get_or_init(|| {
            let (sender, receiver) = sync_channel(MOST_USED);
            thread::Builder::new()
                .name("portcullis-keeper".to_owned())
                .spawn(move || keep(&receiver))
                .ok()
                .map(|_| sender)
        })
        .as_ref()
}

fn keep(used: &Receiver<Used>) {
    for (instance, shelf) in used {
        drop(instance);
        if let Some(shelf) = shelf.upgrade() {
            shelf.fill();
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is behind them is whole after a panic too.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::engine;
    use crate::limits::PluginLimits;
    use crate::plugin::code::Compiled;
    use crate::plugin::load::compile;
    use crate::plugin::lowered;
    use crate::plugin::reused::Kept;
    use std::time::{Duration, Instant};

    /// For one test at a time: what is held is counted for the whole process.
    static HOLDING: Mutex<()> = Mutex::new(());

    /// An entry whose instances can be put back.
    fn entry() -> Arc<Entry> {
        let engine = engine().unwrap();
        let limits = PluginLimits::default();
        let component = lowered::tests::plain();
        let compiled = Compiled::of(engine, &component, &limits, true).unwrap();
        Arc::new(Entry {
            engine,
            limits,
            code: compiled.instantiable(engine).unwrap(),
            metered: false,
            shelves: Shelves::default(),
            kept: Kept::default(),
        })
    }

    fn no_more_is_held_than_may_be(module: &Entry) {
        let half = MOST_HELD_BYTES / 2 + 1;
        let first = Held::of(module, half).unwrap();
        assert!(Held::of(module, half).is_none());
        drop(first);
        assert!(Held::of(module, half).is_some());

        let component = lowered::tests::plain();
        let component = compile(module.engine, &component).unwrap();
        let code = Compiled::Component(component).instantiable(module.engine);
        let component = Entry {
            code: code.unwrap(),
            shelves: Shelves::default(),
            kept: Kept::default(),
            ..*module
        };
        for (entry, most) in [
            (module, MAX_HELD as usize),
            (&component, Held::MOST_COMPONENTS),
        ] {
            let held: Vec<_> = (0..most).map(|_| Held::of(entry, 0).unwrap()).collect();
            assert!(Held::of(entry, 0).is_none());
            drop(held);
            assert!(Held::of(entry, 0).is_some());
        }
    }

    /// Waits until one is on the shelf that this thread has for `entry`.
    fn wait_for_one_ahead(entry: &Arc<Entry>) {
        let given_up = Instant::now() + Duration::from_secs(60);
        let shelf = shelf_of(entry, Kind::Ahead).unwrap();
        while locked(&shelf.ready).is_empty() {
            assert!(Instant::now() < given_up, "none was made");
            thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn once_one_was_used_the_next_one_is_made_ahead_for_the_thread_that_asks() {
        let _alone = locked(&HOLDING);
        let _ticking = Ticking::start().unwrap();
        let entry = entry();
        let first = take(&entry, Kind::Ahead).unwrap();
        assert!(first.held.is_none());
        first.give_back();
        wait_for_one_ahead(&entry);
        thread::scope(|scope| {
            let elsewhere = scope.spawn(|| take(&entry, Kind::Ahead).unwrap().held.is_some());
            assert!(!elsewhere.join().unwrap());
        });
        assert!(take(&entry, Kind::Ahead).unwrap().held.is_some());
    }

    #[test]
    fn an_instance_that_was_put_back_is_the_next_one() {
        let _alone = locked(&HOLDING);
        let _ticking = Ticking::start().unwrap();
        let (one, other) = (entry(), entry());
        no_more_is_held_than_may_be(&one);
        let taken = take(&one, Kind::PutBack).unwrap();
        assert!(taken.held.is_none());
        taken.put_back(&one);
        assert!(take(&other, Kind::PutBack).unwrap().held.is_none());
        let again = take(&one, Kind::PutBack).unwrap();
        assert!(again.held.is_some());
        // It is not there while somebody has it, nor for another thread.
        assert!(take(&one, Kind::PutBack).unwrap().held.is_none());
        again.put_back(&one);
        thread::scope(|scope| {
            let of_other_thread = scope.spawn(|| take(&one, Kind::PutBack).unwrap().held.is_some());
            assert!(!of_other_thread.join().unwrap());
        });
        // Nor is it one that was made ahead.
        assert!(take(&one, Kind::Ahead).unwrap().held.is_none());
        assert!(take(&one, Kind::PutBack).unwrap().held.is_some());
    }
}
