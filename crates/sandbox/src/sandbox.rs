//! The limits of one instance.

use crate::clock::end_after;
use crate::engine::{SNAPSHOT_BYTES, is_metered};
use portcullis_model::limits::{MAX_MEMORY_BYTES, MAX_TABLE_ELEMENTS, PluginLimits};
use std::time::Duration;
use wasmtime::{Engine, ResourceLimiter, Store};

/// Data of a store: the limits of its instance, and their use.
#[derive(Debug)]
pub(crate) struct Sandbox {
    memory_bytes: usize,
    table_elements: usize,
    instances: usize,
    /// Number of memories that an instance has.
    memories: usize,
    /// Number of memories created so far.
    made: usize,
    /// Peak linear memory of the instance, in bytes.
    pub(crate) peak_memory_bytes: usize,
}

/// An instance exceeded a limit. As the error of the growth, it ends the call.
#[derive(Debug, Clone, Copy, thiserror::Error)]
pub(crate) enum Exceeded {
    #[error("it asked for {0} bytes of memory")]
    Memory(usize),
    #[error("it asked for a table of {0} elements")]
    Table(usize),
}

/// Bound of the code that runs while a plugin is loaded.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, serde::Serialize, serde::Deserialize,
)]
pub enum LoadLimit {
    /// The plugin's `configure-deadline`.
    #[error(
        "it ran longer than its `configure-deadline` of {0:?}: look for a loop in it, or raise `configure-deadline` in `limits`"
    )]
    Deadline(Duration),
    /// The number of instructions, where they are counted.
    #[error(
        "it ran {0} instructions, the most that loading takes while they are counted: look for a loop in it, or let it do less"
    )]
    Instructions(u64),
}

/// Maximum number of instructions of a metered instance.
const MAX_INSTRUCTIONS: u64 = 100_000_000_000;

/// Maximum number of instructions that a metered instance takes to begin and to be configured.
///
/// They take about a second, which is the default `configure-deadline`, and are the same on every machine.
pub(crate) const MAX_CONFIGURE_INSTRUCTIONS: u64 = 5_000_000_000;

/// Number of instructions executed in `store`, if they are counted.
pub(crate) fn instructions(store: &Store<Sandbox>) -> Option<u64> {
    let left = store.get_fuel().ok()?;
    Some(MAX_INSTRUCTIONS - left)
}

/// Makes a store for one instance within `limits`.
///
/// Its clock is stopped: code traps until the clock is started.
pub(crate) fn store(engine: &Engine, limits: &PluginLimits) -> Store<Sandbox> {
    store_of(engine, limits, 1)
}

/// As [`store`], with room for a memory that the host adds.
///
/// The added memory is created after the plugin's own, and does not grow.
#[cfg(feature = "reset")]
pub(crate) fn store_with_aside(engine: &Engine, limits: &PluginLimits) -> Store<Sandbox> {
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
        // Cannot fail, because the engine uses fuel; without fuel, code traps.
        let _ = store.set_fuel(MAX_INSTRUCTIONS);
    }
    store
}

/// Starts the deadline: the store's code may run for `deadline` from now on.
pub(crate) fn start_clock(store: &mut Store<Sandbox>, deadline: Duration) {
    end_after(deadline, |ticks| store.set_epoch_deadline(ticks));
}

/// Starts the bounds of code that runs while a plugin is loaded.
pub(crate) fn start_loading(store: &mut Store<Sandbox>, limits: &PluginLimits) {
    start_clock(store, limits.configure_deadline);
    // Fails if instructions are not counted.
    let _ = store.set_fuel(MAX_CONFIGURE_INSTRUCTIONS);
}

/// The bound that ended code while a plugin was loaded.
pub(crate) fn exceeded_in_loading(store: &Store<Sandbox>, limits: &PluginLimits) -> LoadLimit {
    match store.get_fuel() {
        Ok(0) => LoadLimit::Instructions(MAX_CONFIGURE_INSTRUCTIONS),
        _ => LoadLimit::Deadline(limits.configure_deadline),
    }
}

/// Removes the deadline of the store's code.
fn stop_clock(store: &mut Store<Sandbox>) {
    start_clock(store, Duration::MAX);
}

/// Makes room for the host's read of a configured instance, which adds memory.
///
/// It also removes the bounds of [`start_loading`].
pub(crate) fn make_room_for_snapshot(store: &mut Store<Sandbox>) {
    store.data_mut().memory_bytes += SNAPSHOT_BYTES;
    // Fails if instructions are not counted.
    let _ = store.set_fuel(MAX_INSTRUCTIONS);
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
