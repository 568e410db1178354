//! Selects the instance that decides, and holds reset instances.

use crate::engine::MAX_HELD;
use crate::entry::Entry;
use crate::fault::Fault;
use crate::instance::Instance;
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Kind of plugin instance that decides a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Instances {
    /// An instance made for the decision, and discarded after it.
    #[default]
    Fresh,
    /// An instance that decided before and was reset to its initial state.
    ///
    /// Before a decision is returned, the instance's memory and globals are reset, byte for byte, to those of
    /// the configured plugin; nothing else of it can change. The isolation is that of [`Instances::Fresh`], but it
    /// relies on code that the host adds to the plugin, not on the runtime. The plugin must be loaded with
    /// [`PluginSource::resettable`](crate::load::PluginSource::resettable); any other decides as in
    /// [`Instances::Fresh`]. An instance that faults, or whose memory grows, is discarded.
    Reset,
}

/// Place for the instance of one plugin that one thread reuses.
struct Place {
    entry: Weak<Entry>,
    waiting: Mutex<Option<(Instance, Held)>>,
}

/// Places of one plugin. Dropping them drops the instances held there.
#[derive(Default)]
pub(crate) struct Places(Mutex<Vec<Weak<Place>>>);

thread_local! {
    /// This thread's places, by the address of their entry.
    ///
    /// A place refers to its entry weakly, which keeps another entry from getting that address.
    static PLACES: RefCell<HashMap<*const Entry, Arc<Place>>> = RefCell::default();
}

/// A deciding instance, and the place that it returns to.
pub(crate) struct Taken {
    pub(crate) instance: Instance,
    /// Permission under which it was held, if it was held.
    held: Option<Held>,
    place: Option<Arc<Place>>,
}

/// Takes the instance of `entry` held for this thread, or makes one.
pub(crate) fn take(entry: &Arc<Entry>, places: &Places) -> Result<Taken, Fault> {
    let place = match entry.code.is_resettable() {
        true => place_of(entry, places),
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
    /// Resets the instance and returns it to its place; discards it if that fails.
    pub(crate) fn put_back(mut self) {
        let Some(place) = self.place else { return };
        if !self.instance.reset() {
            return;
        }
        let bytes = self.instance.held_bytes();
        if let Some(held) = self.held.or_else(|| Held::of(bytes)) {
            *locked(&place.waiting) = Some((self.instance, held));
        }
    }
}

fn place_of(entry: &Arc<Entry>, of_entry: &Places) -> Option<Arc<Place>> {
    let key = Arc::as_ptr(entry);
    PLACES
        .try_with(|places| {
            let mut places = places.borrow_mut();
            if let Some(place) = places.get(&key) {
                return Arc::clone(place);
            }
            // Places of plugins that were dropped are empty: remove them now.
            places.retain(|_, place| place.entry.strong_count() > 0);
            let place = Arc::new(Place {
                entry: Arc::downgrade(entry),
                waiting: Mutex::default(),
            });
            let mut of_entry = locked(&of_entry.0);
            // Remove places of threads that ended.
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

/// Permission to hold an instance between decisions.
///
/// INVARIANT (room to decide): the process holds at most [`MAX_HELD`] instances, in slots reserved for
/// them, so that all plugins always find room; and the total memory of held instances is bounded.
struct Held {
    bytes: usize,
}

/// Maximum total memory of held instances, in bytes.
const MOST_HELD_BYTES: usize = 512 * 1024 * 1024;

static HELD: AtomicUsize = AtomicUsize::new(0);
static HELD_BYTES: AtomicUsize = AtomicUsize::new(0);

impl Held {
    /// Permission for an instance of that size, if the limits allow it.
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
    // The data behind these locks is consistent even after a panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Ticking;
    use crate::code::Compiled;
    use crate::core_module;
    use crate::engine::engine;
    use portcullis_model::limits::PluginLimits;
    use std::thread;

    /// Parts of a test plugin: an entry, and places for its instances.
    struct Owner {
        entry: Arc<Entry>,
        places: Places,
    }

    fn owner(resettable: bool) -> Owner {
        let engine = engine().unwrap();
        let limits = PluginLimits::default();
        let component = core_module::tests::plain();
        let compiled = Compiled::of(engine, &component, &limits, resettable).unwrap();
        let entry = Arc::new(Entry {
            engine,
            limits,
            code: compiled.instantiable(engine).unwrap(),
            metered: false,
        });
        Owner {
            entry,
            places: Places::default(),
        }
    }

    impl Owner {
        fn take(&self) -> Taken {
            take(&self.entry, &self.places).unwrap()
        }
    }

    fn was_held(owner: &Owner) -> bool {
        owner.take().held.is_some()
    }

    // Held instances are counted per process, so one test covers all of it.
    #[test]
    fn an_instance_that_was_put_back_is_the_next_one() {
        let _ticking = Ticking::start().unwrap();
        let (one, other) = (owner(true), owner(true));

        let half = MOST_HELD_BYTES / 2 + 1;
        let first = Held::of(half).unwrap();
        assert!(Held::of(half).is_none());
        drop(first);
        assert!(Held::of(half).is_some());
        let all: Vec<_> = (0..MAX_HELD).map(|_| Held::of(0).unwrap()).collect();
        assert!(Held::of(0).is_none());
        // An instance without a permission to be held is discarded.
        one.take().put_back();
        assert!(!was_held(&one));
        drop(all);

        let taken = one.take();
        assert!(taken.held.is_none());
        taken.put_back();
        assert!(!was_held(&other));
        let again = one.take();
        assert!(again.held.is_some());
        // It is not held while it is in use, nor for another thread.
        assert!(!was_held(&one));
        again.put_back();
        thread::scope(|scope| {
            assert!(!scope.spawn(|| was_held(&one)).join().unwrap());
        });
        assert!(was_held(&one));
        // It is dropped with its plugin.
        one.take().put_back();
        assert_eq!(HELD.load(Ordering::Relaxed), 1);
        drop(one);
        assert_eq!(HELD.load(Ordering::Relaxed), 0);

        // An instance that cannot be reset is never held.
        let plain = owner(false);
        plain.take().put_back();
        assert!(!was_held(&plain));
    }
}
