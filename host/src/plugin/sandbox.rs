//! The bounds of one instance.

use crate::clock::end_after;
use crate::engine::{SNAPSHOT_BYTES, is_metered};
use crate::limits::{MAX_MEMORY_BYTES, MAX_TABLE_ELEMENTS, PluginLimits};
use std::time::Duration;
use wasmtime::{Engine, ResourceLimiter, Store};

/// What a store knows of its instance: its bounds and what it took.
#[derive(Debug)]
pub(crate) struct Sandbox {
    memory_bytes: usize,
    table_elements: usize,
    instances: usize,
    /// How many memories an instance has.
    memories: usize,
    /// How many of them were made.
    made: usize,
    /// The most linear memory that the instance had, in bytes.
    pub(crate) peak_memory_bytes: usize,
}

/// An instance asked for more than it may have. As the error of the growth it ends the call.
#[derive(Debug, Clone, Copy, thiserror::Error)]
pub(crate) enum Exceeded {
    #[error("it asked for {0} bytes of memory")]
    Memory(usize),
    #[error("it asked for a table of {0} elements")]
    Table(usize),
}

/// How many instructions a metered instance runs, at most.
const MAX_INSTRUCTIONS: u64 = 100_000_000_000;

/// How many instructions were run in `store`, if they are counted.
pub(super) fn instructions(store: &Store<Sandbox>) -> Option<u64> {
    let left = store.get_fuel().ok()?;
    Some(MAX_INSTRUCTIONS - left)
}

/// A store for one instance within `limits`. Its clock stands: until it is started, code traps.
pub(super) fn store(engine: &Engine, limits: &PluginLimits) -> Store<Sandbox> {
    store_of(engine, limits, 1)
}

/// As [`store`], with room for a memory that the host adds to the instance, which is made after the
/// plugin's own and does not grow.
pub(super) fn store_with_aside(engine: &Engine, limits: &PluginLimits) -> Store<Sandbox> {
    store_of(engine, limits, 2)
}

fn store_of(engine: &Engine, limits: &PluginLimits, memories: usize) -> Store<Sandbox> {
    let sandbox = Sandbox {
        memory_bytes: limits.memory_bytes.min(MAX_MEMORY_BYTES),
        table_elements: limits.table_elements.min(MAX_TABLE_ELEMENTS),
        instances: limits.instances,
        memories,
        made: 0,
        peak_memory_bytes: 0,
    };
    let mut store = Store::new(engine, sandbox);
    store.limiter(|sandbox| sandbox);
    store.set_hostcall_fuel(limits.output_bytes);
    if is_metered(engine) {
        // The engine takes fuel, so this cannot fail; without any, code traps.
        let _ = store.set_fuel(MAX_INSTRUCTIONS);
    }
    store
}

/// From now on the store's code may run for `deadline`.
pub(super) fn start_clock(store: &mut Store<Sandbox>, deadline: Duration) {
    end_after(deadline, |ticks| store.set_epoch_deadline(ticks));
}

/// From now on the store's code may run for as long as it likes.
fn stop_clock(store: &mut Store<Sandbox>) {
    start_clock(store, Duration::MAX);
}

/// Room for the host's own reading of a configured instance, which adds to its memory.
pub(super) fn make_room_for_snapshot(store: &mut Store<Sandbox>) {
    store.data_mut().memory_bytes += SNAPSHOT_BYTES;
    stop_clock(store);
}

impl ResourceLimiter for Sandbox {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if current == 0 && self.made < self.memories {
            self.made += 1;
            if self.made == 2 {
                return Ok(true);
            }
        }
        if desired > self.memory_bytes {
            return Err(Exceeded::Memory(desired).into());
        }
        self.peak_memory_bytes = self.peak_memory_bytes.max(desired);
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if desired > self.table_elements {
            return Err(Exceeded::Table(desired).into());
        }
        Ok(true)
    }

    fn instances(&self) -> usize {
        self.instances
    }

    fn memories(&self) -> usize {
        self.memories
    }

    fn tables(&self) -> usize {
        2
    }
}
