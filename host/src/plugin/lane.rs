//! Which instance decides, and the instances that were made ahead.

use super::Fault;
use super::entry::Entry;
use super::instance::Instance;
use crate::engine::{MAX_CONCURRENT_DECISIONS, Ticking};
use std::cell::RefCell;
use std::collections::VecDeque;
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

/// The shelves of one plugin, for when it goes.
#[derive(Default)]
pub(super) struct Shelves(Mutex<Vec<Weak<Shelf>>>);

thread_local! {
    /// This thread's shelves.
    static SHELVES: RefCell<Vec<Arc<Shelf>>> = const { RefCell::new(Vec::new()) };
}

/// An instance that decides, and the shelf that it is replaced on.
pub(super) struct Ahead {
    pub(super) instance: Instance,
    shelf: Option<Arc<Shelf>>,
}

/// An instance of `entry` that was made ahead for this thread, or a fresh one where none is ready.
pub(super) fn take(entry: &Arc<Entry>) -> Result<Ahead, Fault> {
    let shelf = shelf_of(entry);
    let ready = shelf.as_ref().and_then(|shelf| shelf.take());
    let instance = match ready {
        Some(mut ready) => {
            ready.start_clock(entry);
            ready
        }
        None => Instance::new(entry)?,
    };
    Ok(Ahead { instance, shelf })
}

impl Ahead {
    /// Has the instance taken away, and another one made in its place.
    pub(super) fn give_back(self) {
        let Some(shelf) = self.shelf else { return };
        if let Some(keeper) = keeper() {
            // Where too many wait, the instance goes here and now.
            let _ = keeper.try_send((self.instance, Arc::downgrade(&shelf)));
        }
    }
}

fn shelf_of(entry: &Arc<Entry>) -> Option<Arc<Shelf>> {
    SHELVES
        .try_with(|shelves| {
            let mut shelves = shelves.borrow_mut();
            let of_entry =
                |shelf: &&Arc<Shelf>| std::ptr::eq(shelf.entry.as_ptr(), &raw const **entry);
            if let Some(shelf) = shelves.iter().find(of_entry) {
                return Arc::clone(shelf);
            }
            // Those of plugins that are gone are empty; this is when they are forgotten.
            shelves.retain(|shelf| shelf.entry.strong_count() > 0);
            let shelf = Arc::new(Shelf {
                entry: Arc::downgrade(entry),
                ready: Mutex::default(),
            });
            let mut of_entry = locked(&entry.shelves.0);
            // Threads come and go.
            of_entry.retain(|shelf| shelf.strong_count() > 0);
            of_entry.push(Arc::downgrade(&shelf));
            drop(of_entry);
            shelves.push(Arc::clone(&shelf));
            shelf
        })
        .ok()
}

impl Shelf {
    fn take(&self) -> Option<Instance> {
        locked(&self.ready)
            .pop_front()
            .map(|(instance, _)| instance)
    }

    /// Makes instances until there are as many as there should be.
    fn fill(&self) {
        while locked(&self.ready).len() < DEPTH {
            let Some(entry) = self.entry.upgrade() else {
                return;
            };
            let Some(held) = Held::one() else { return };
            // Its start function may run for as long as a decision may.
            let made = Ticking::start()
                .ok()
                .and_then(|_ticking| Instance::new(&entry).ok());
            match made {
                Some(instance) => locked(&self.ready).push_back((instance, held)),
                None => return,
            }
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
/// INVARIANT (room to decide): the process holds at most half of the pool this way, so that plugins of
/// all lanes always find room.
pub(super) struct Held(());

impl Held {
    /// Those that wait to be taken away are not counted, so there is room for them.
    const MOST: usize = MAX_CONCURRENT_DECISIONS as usize / 2 - MOST_USED - 1;

    pub(super) fn one() -> Option<Self> {
        let held = Self(());
        (HELD.fetch_add(1, Ordering::Relaxed) < Self::MOST).then_some(held)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        HELD.fetch_sub(1, Ordering::Relaxed);
    }
}

static HELD: AtomicUsize = AtomicUsize::new(0);

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
