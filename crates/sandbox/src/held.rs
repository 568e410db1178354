//! Holds instances that were reset, and checks them.

use crate::engine::MAX_HELD;
use crate::entry::Entry;
use crate::fault::Fault;
use crate::instance::Instance;
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Number of resets of a thread's instance between two self-checks, by default.
pub(crate) const CHECKED_EVERY: u32 = 1024;

/// Place for the instance of one plugin that one thread reuses.
struct Place {
    entry: Weak<Entry>,
    waiting: Mutex<Option<(Instance, Held)>>,
    /// Resets since the last self-check. Only this place's thread counts them.
    unchecked: AtomicU32,
}

/// Places of one plugin. Dropping them drops the instances held there.
pub(crate) struct Places {
    of_threads: Mutex<Vec<Weak<Place>>>,
    /// Number of resets between two self-checks; 0 turns them off.
    check_every: u32,
    /// Self-checks that found no difference.
    passed: AtomicU64,
    /// True if a self-check found a difference: no instance is held from then on.
    failed: AtomicBool,
}

impl Places {
    /// No places, for instances that are checked once in `check_every` resets.
    pub(crate) fn new(check_every: u32) -> Self {
        Self {
            of_threads: Mutex::default(),
            check_every,
            passed: AtomicU64::new(0),
            failed: AtomicBool::new(false),
        }
    }

    /// True if a self-check found a difference.
    pub(crate) fn failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// Self-checks that found no difference.
    pub(crate) fn passed(&self) -> u64 {
        self.passed.load(Ordering::Relaxed)
    }

    /// Drops all instances that wait.
    fn clear(&self) {
        for place in locked(&self.of_threads).iter().filter_map(Weak::upgrade) {
            let gone = locked(&place.waiting).take();
            drop(gone);
        }
    }

    /// True if the instance of `place`, which was reset, may be used again.
    ///
    /// It compares the whole instance with its initial state if a self-check is due. After a difference,
    /// no instance of the plugin is used again: the rewriting or the runtime is at fault, not this instance.
    fn accept(&self, place: &Place, entry: &Entry, instance: &mut Instance) -> bool {
        if self.check_every == 0 {
            return !self.failed();
        }
        let unchecked = place.unchecked.load(Ordering::Relaxed) + 1;
        if unchecked < self.check_every {
            place.unchecked.store(unchecked, Ordering::Relaxed);
            return !self.failed();
        }
        place.unchecked.store(0, Ordering::Relaxed);
        instance.start_clock(entry);
        match instance.differs() {
            Some(false) => {
                self.passed.fetch_add(1, Ordering::Relaxed);
                !self.failed()
            }
            Some(true) => {
                self.failed.store(true, Ordering::Release);
                self.clear();
                false
            }
            // It was interrupted: nothing is known of this instance.
            None => false,
        }
    }
}

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
    let place = match entry.code.is_resettable() && !places.failed() {
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
    ///
    /// False if its decision is in doubt: a self-check of the plugin has found a difference. A decision in an
    /// instance without a place is not in doubt, because that instance is fresh.
    pub(crate) fn put_back(mut self, entry: &Entry, places: &Places) -> bool {
        let Some(place) = self.place else {
            return true;
        };
        if !self.instance.reset() || !places.accept(&place, entry, &mut self.instance) {
            return !places.failed();
        }
        let bytes = self.instance.held_bytes();
        if let Some(held) = self.held.or_else(|| Held::of(bytes)) {
            *locked(&place.waiting) = Some((self.instance, held));
            // Another thread's self-check may have failed since, and have cleared the places before.
            if places.failed() {
                places.clear();
            }
        }
        !places.failed()
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
                // The first reset is checked, also for threads that decide seldom.
                unchecked: AtomicU32::new(of_entry.check_every.saturating_sub(1)),
            });
            let mut of_entry = locked(&of_entry.of_threads);
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
        self.clear();
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
        let compiled = match resettable {
            true => Compiled::resettable(engine, &component, &limits),
            false => Compiled::of(engine, &component),
        };
        let compiled = compiled.unwrap();
        let entry = Arc::new(Entry {
            engine,
            limits,
            code: compiled.instantiable(engine).unwrap(),
            metered: false,
        });
        Owner {
            entry,
            places: Places::new(CHECKED_EVERY),
        }
    }

    impl Owner {
        fn take(&self) -> Taken {
            take(&self.entry, &self.places).unwrap()
        }

        fn put_back(&self, taken: Taken) -> bool {
            taken.put_back(&self.entry, &self.places)
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
        one.put_back(one.take());
        assert!(!was_held(&one));
        drop(all);

        let taken = one.take();
        assert!(taken.held.is_none());
        one.put_back(taken);
        assert!(!was_held(&other));
        let again = one.take();
        assert!(again.held.is_some());
        // It is not held while it is in use, nor for another thread.
        assert!(!was_held(&one));
        one.put_back(again);
        thread::scope(|scope| {
            assert!(!scope.spawn(|| was_held(&one)).join().unwrap());
        });
        assert!(was_held(&one));
        // It is dropped with its plugin.
        one.put_back(one.take());
        assert_eq!(HELD.load(Ordering::Relaxed), 1);
        drop(one);
        assert_eq!(HELD.load(Ordering::Relaxed), 0);

        self_checks();

        // An instance that cannot be reset is never held.
        let plain = owner(false);
        plain.put_back(plain.take());
        assert!(!was_held(&plain));
    }

    /// Checks of instances whose state is changed behind the back of the marks.
    fn self_checks() {
        let every = |check_every| Owner {
            places: Places::new(check_every),
            ..owner(true)
        };
        let corrupted = |owner: &Owner| {
            let mut taken = owner.take();
            taken.instance.corrupt();
            owner.put_back(taken);
        };

        // Intact instances pass, and stay.
        let intact = every(3);
        for resets in 1..=9_u64 {
            intact.put_back(intact.take());
            assert_eq!(intact.places.passed(), resets.div_ceil(3));
        }
        assert!(was_held(&intact) && !intact.places.failed());

        // The first reset is checked, and every third after it: until then, a difference passes.
        let checked = every(3);
        checked.put_back(checked.take());
        corrupted(&checked);
        checked.put_back(checked.take());
        assert!(!checked.places.failed());
        // Instances of other threads are dropped as well.
        thread::scope(|scope| {
            let (tell, told) = std::sync::mpsc::channel();
            let (end, ended) = std::sync::mpsc::channel::<()>();
            let (checked, intact) = (&checked, &intact);
            let other = scope.spawn(move || {
                checked.put_back(checked.take());
                intact.put_back(intact.take());
                tell.send(()).unwrap();
                let _ = ended.recv();
                [was_held(checked), was_held(intact)]
            });
            told.recv().unwrap();
            assert!(!checked.put_back(checked.take()));
            assert!(checked.places.failed());
            drop(end);
            assert_eq!(other.join().unwrap(), [false, true]);
        });
        // From then on, each decision has a fresh instance.
        for _ in 0..3 {
            let taken = checked.take();
            assert!(taken.held.is_none() && taken.place.is_none());
            assert!(checked.put_back(taken), "it is not decided twice");
        }
        assert_eq!(checked.places.passed(), 2);

        // One that is turned off finds nothing.
        let unchecked = every(0);
        corrupted(&unchecked);
        for _ in 0..5 {
            unchecked.put_back(unchecked.take());
        }
        assert!(!unchecked.places.failed() && was_held(&unchecked));
        assert_eq!(unchecked.places.passed(), 0);
    }
}
