//! The instances that decided before, each for one principal.

use super::Fault;
use super::entry::Entry;
use super::instance::Instance;
use super::lane::Held;
use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many instances of one plugin are kept, at most.
const MOST: usize = 64;

/// The instances of one plugin that decided before, by principal.
#[derive(Default)]
pub(super) struct Kept(Mutex<ByPrincipal>);

#[derive(Default)]
struct ByPrincipal {
    instances: HashMap<String, Vec<(Used, Held)>>,
    count: usize,
}

/// An instance, and how many requests it was given.
pub(super) struct Used {
    pub(super) instance: Instance,
    uses: u32,
}

impl Used {
    /// A fresh instance of `entry`.
    pub(super) fn new(entry: &Entry) -> Result<Self, Fault> {
        Ok(Self {
            instance: Instance::new(entry)?,
            uses: 1,
        })
    }

    /// The same for another request, within the deadline of `entry`.
    pub(super) fn again(mut self, entry: &Entry) -> Self {
        self.uses = self.uses.saturating_add(1);
        self.instance.start_clock(entry);
        self
    }

    /// Whether it may decide another request, of which it answered the last.
    pub(super) fn is_fit(&self, max_uses: NonZeroU32) -> bool {
        self.uses < max_uses.get() && !self.instance.has_grown()
    }
}

impl Kept {
    /// An instance that decided for `principal` before, which nobody else has meanwhile.
    pub(super) fn take(&self, principal: &str) -> Option<Used> {
        let mut kept = self.locked();
        let of_principal = kept.instances.get_mut(principal)?;
        let used = of_principal.pop();
        if of_principal.is_empty() {
            kept.instances.remove(principal);
        }
        kept.count -= usize::from(used.is_some());
        used.map(|(used, _)| used)
    }

    /// Keeps `used` for the next request of `principal`. Where as many are kept as may be, another
    /// principal's goes.
    pub(super) fn keep(&self, entry: &Entry, principal: &str, used: Used) {
        let bytes = used.instance.held_bytes();
        let Some(held) = Held::of(entry, bytes) else {
            return;
        };
        let mut kept = self.locked();
        let gone = match kept.count < MOST {
            true => None,
            false => kept.forget_one(),
        };
        match kept.instances.get_mut(principal) {
            Some(of_principal) => of_principal.push((used, held)),
            None => {
                kept.instances
                    .insert(principal.to_owned(), vec![(used, held)]);
            }
        }
        kept.count += 1;
        // An instance is taken away outside the lock.
        drop(kept);
        drop(gone);
    }

    fn locked(&self) -> MutexGuard<'_, ByPrincipal> {
        // What is behind it is whole after a panic too.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ByPrincipal {
    fn forget_one(&mut self) -> Option<(Used, Held)> {
        let principal = self.instances.keys().next()?.clone();
        let of_principal = self.instances.get_mut(&principal)?;
        let used = of_principal.pop();
        if of_principal.is_empty() {
            self.instances.remove(&principal);
        }
        self.count -= usize::from(used.is_some());
        used
    }
}
