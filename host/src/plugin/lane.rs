//! Which instance decides, and the instances that wait to be asked again.

use super::Fault;
use super::entry::Entry;
use super::instance::Instance;
use crate::engine::MAX_HELD;
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Which instance of a plugin decides a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lane {
    /// One that is made for the decision and thrown away after it.
    #[default]
    Fresh,
    /// One that decided before and was put back as it began, byte for byte: before a decision is given, its
    /// memory and its globals are what they were when the plugin had been configured, and nothing else of
    /// it can change. The isolation is that of [`Lane::Fresh`]; what vouches for it is code that the host
    /// adds to the plugin's, not the runtime. It takes a plugin that was loaded with
    /// [`PluginSource::restorable`](crate::PluginSource::restorable); any other decides as in
    /// [`Lane::Fresh`]. An instance that faults, or whose memory grows, is thrown away.
    Restored,
}

/// The instance of one plugin that one thread asks again.
struct Place {
    entry: Weak<Entry>,
    waiting: Mutex<Option<(Instance, Held)>>,
}

/// The places of one plugin, for when it goes.
#[derive(Default)]
pub(super) struct Places(Mutex<Vec<Weak<Place>>>);

thread_local! {
    /// This thread's places, by where their entry is: a place keeps another entry from being there.
    static PLACES: RefCell<HashMap<*const Entry, Arc<Place>>> = RefCell::default();
}

/// An instance that decides, and the place where it waits afterwards.
pub(super) struct Taken {
    pub(super) instance: Instance,
    /// The right by which it was held, if it was.
    held: Option<Held>,
    place: Option<Arc<Place>>,
}

/// The instance of `entry` that waits for this thread, or a fresh one where none does.
pub(super) fn take(entry: &Arc<Entry>) -> Result<Taken, Fault> {
    let place = match entry.code.is_restorable() {
        true => place_of(entry),
        false => None,
    };
    let waiting = place.as_ref().and_then(|it| locked(&it.waiting).take());
    let (instance, held) = match waiting {
        Some((mut instance, held)) => {
            instance.start_clock(entry);
            (instance, Some(held))
        }
        None => (Instance::new(entry)?, None),
    };
    Ok(Taken {
        instance,
        held,
        place,
    })
}

impl Taken {
    /// Puts the instance back as it began, and then in its place. If it cannot be, it goes.
    pub(super) fn put_back(mut self) {
        let Some(place) = self.place else { return };
        if !self.instance.restore() {
            return;
        }
        let bytes = self.instance.held_bytes();
        if let Some(held) = self.held.or_else(|| Held::of(bytes)) {
            *locked(&place.waiting) = Some((self.instance, held));
        }
    }
}

fn place_of(entry: &Arc<Entry>) -> Option<Arc<Place>> {
    let key = Arc::as_ptr(entry);
    PLACES
        .try_with(|places| {
            let mut places = places.borrow_mut();
            if let Some(place) = places.get(&key) {
                return Arc::clone(place);
            }
            // Those of plugins that are gone are empty; this is when they are forgotten.
            places.retain(|_, place| place.entry.strong_count() > 0);
            let place = Arc::new(Place {
                entry: Arc::downgrade(entry),
                waiting: Mutex::default(),
            });
            let mut of_entry = locked(&entry.places.0);
            // Threads come and go.
            of_entry.retain(|place| place.strong_count() > 0);
            of_entry.push(Arc::downgrade(&place));
            drop(of_entry);
            places.insert(key, Arc::clone(&place));
            place
        })
        .ok()
}

impl Drop for Places {
    fn drop(&mut self) {
        for place in locked(&self.0).iter().filter_map(Weak::upgrade) {
            let gone = locked(&place.waiting).take();
            drop(gone);
        }
    }
}

/// The right to hold an instance while nothing is decided.
///
/// INVARIANT (room to decide): the process holds at most [`MAX_HELD`] instances, in places that are there
/// for them, so that plugins of all lanes always find room; and what they hold has at most so much memory
/// together.
struct Held {
    bytes: usize,
}

/// How much memory held instances have together, at most, in bytes.
const MOST_HELD_BYTES: usize = 512 * 1024 * 1024;

static HELD: AtomicUsize = AtomicUsize::new(0);
static HELD_BYTES: AtomicUsize = AtomicUsize::new(0);

impl Held {
    /// For an instance that has so much memory.
    fn of(bytes: usize) -> Option<Self> {
        let others = HELD.fetch_add(1, Ordering::Relaxed);
        let other_bytes = HELD_BYTES.fetch_add(bytes, Ordering::Relaxed);
        let held = Self { bytes };
        (others < MAX_HELD as usize && other_bytes.saturating_add(bytes) <= MOST_HELD_BYTES)
            .then_some(held)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        HELD.fetch_sub(1, Ordering::Relaxed);
        HELD_BYTES.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is behind them is whole after a panic too.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Ticking;
    use crate::engine::engine;
    use crate::limits::PluginLimits;
    use crate::plugin::code::Compiled;
    use crate::plugin::lowered;
    use std::thread;

    /// An entry whose instances can be put back, if `restorable`.
    fn entry(restorable: bool) -> Arc<Entry> {
        let engine = engine().unwrap();
        let limits = PluginLimits::default();
        let component = lowered::tests::plain();
        let compiled = Compiled::of(engine, &component, &limits, restorable).unwrap();
        Arc::new(Entry {
            engine,
            limits,
            code: compiled.instantiable(engine).unwrap(),
            metered: false,
            places: Places::default(),
        })
    }

    fn was_held(entry: &Arc<Entry>) -> bool {
        take(entry).unwrap().held.is_some()
    }

    // What is held is counted for the whole process, so one test looks at all of it.
    #[test]
    fn an_instance_that_was_put_back_is_the_next_one() {
        let _ticking = Ticking::start().unwrap();
        let (one, other) = (entry(true), entry(true));

        let half = MOST_HELD_BYTES / 2 + 1;
        let first = Held::of(half).unwrap();
        assert!(Held::of(half).is_none());
        drop(first);
        assert!(Held::of(half).is_some());
        let all: Vec<_> = (0..MAX_HELD).map(|_| Held::of(0).unwrap()).collect();
        assert!(Held::of(0).is_none());
        // One that finds no place goes.
        take(&one).unwrap().put_back();
        assert!(!was_held(&one));
        drop(all);

        let taken = take(&one).unwrap();
        assert!(taken.held.is_none());
        taken.put_back();
        assert!(!was_held(&other));
        let again = take(&one).unwrap();
        assert!(again.held.is_some());
        // It is not there while it is in use, nor for another thread.
        assert!(!was_held(&one));
        again.put_back();
        thread::scope(|scope| {
            assert!(!scope.spawn(|| was_held(&one)).join().unwrap());
        });
        assert!(was_held(&one));
        // It goes with its plugin.
        take(&one).unwrap().put_back();
        assert_eq!(HELD.load(Ordering::Relaxed), 1);
        drop(one);
        assert_eq!(HELD.load(Ordering::Relaxed), 0);

        // One that cannot be put back never waits.
        let plain = entry(false);
        take(&plain).unwrap().put_back();
        assert!(!was_held(&plain));
    }
}
