//! The one WebAssembly engine of the process.

use std::sync::OnceLock;
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::limits::{MAX_MEMORY_BYTES, MAX_TABLE_ELEMENTS};

/// How many decisions the process can take at the same time.
/// One beyond what there is room for is denied as [`Fault::Overloaded`](crate::Fault::Overloaded).
pub const MAX_CONCURRENT_DECISIONS: u32 = 512;

/// How many instances wait for their next decision, at most: room for them is beside that for [`MAX_CONCURRENT_DECISIONS`].
pub(crate) const MAX_HELD: u32 = 1024;

/// How many places there are for memories: more than are in use, so that each of so many plugins finds its
/// memory as it left it, rather than one of another plugin that has to be mapped anew.
const MEMORY_SLOTS: u32 = 4096;

/// The most core instances that one component may consist of, instrumentation included.
pub(crate) const MAX_CORE_INSTANCES: u32 = 8;

/// What reading a configured instance adds to its memory, in bytes: a page for each of two readings.
pub(crate) const SNAPSHOT_BYTES: usize = 2 * 64 * 1024;

/// The engine cannot run on this machine.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the WebAssembly engine does not start on this machine: {0}")]
pub struct EngineError(pub(crate) String);

/// The engine, which is made when it is first asked for.
///
/// One decides in a process, and it is never dropped: the pool of sandboxes is worth sharing.
pub(crate) fn engine() -> Result<&'static Engine, EngineError> {
    made(&ENGINE, engine_settings)
}

/// The engine that counts instructions, for reports: each costs a decision more. A plugin is of one
/// engine or the other, and nothing of the two mixes (RUSTSEC-2026-0222).
pub(crate) fn metered_engine() -> Result<&'static Engine, EngineError> {
    made(&METERED, || {
        let mut config = engine_settings();
        config
            .consume_fuel(true)
            .allocation_strategy(InstanceAllocationStrategy::OnDemand);
        config
    })
}

/// Whether `engine` counts instructions.
pub(crate) fn is_metered(engine: &Engine) -> bool {
    matches!(METERED.get(), Some(Ok(metered)) if Engine::same(metered, engine))
}

/// The engines that were made.
pub(crate) fn engines() -> impl Iterator<Item = &'static Engine> {
    [ENGINE.get(), METERED.get()]
        .into_iter()
        .filter_map(|made| made?.as_ref().ok())
}

static ENGINE: OnceLock<Result<Engine, EngineError>> = OnceLock::new();
static METERED: OnceLock<Result<Engine, EngineError>> = OnceLock::new();

fn made(
    engine: &'static OnceLock<Result<Engine, EngineError>>,
    settings: fn() -> Config,
) -> Result<&'static Engine, EngineError> {
    engine
        .get_or_init(|| Engine::new(&settings()).map_err(|e| EngineError(format!("{e:#}"))))
        .as_ref()
        .map_err(Clone::clone)
}

/// The settings of the engine that decides, for who measures what the runtime alone costs with them.
#[doc(hidden)]
#[must_use]
pub fn engine_settings() -> Config {
    let slots = MAX_CONCURRENT_DECISIONS;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(slots)
        .total_core_instances(slots * MAX_CORE_INSTANCES + MAX_HELD)
        .total_memories(MEMORY_SLOTS)
        .total_tables(MEMORY_SLOTS)
        .max_core_instances_per_component(MAX_CORE_INSTANCES)
        .max_memories_per_component(1)
        .max_memories_per_module(2)
        .max_tables_per_component(2)
        .max_component_instance_size(256 * 1024)
        .max_core_instance_size(256 * 1024)
        .max_memory_size(MAX_MEMORY_BYTES + SNAPSHOT_BYTES)
        .table_elements(MAX_TABLE_ELEMENTS)
        .max_unused_warm_slots(MEMORY_SLOTS)
        // With the kernel's list of written pages, resetting a slot costs what was written, not
        // what is kept; without it, keeping more than this costs more than it saves.
        .pagemap_scan(Enabled::Auto)
        .linear_memory_keep_resident(128 * 1024)
        .table_keep_resident(8 * 1024);

    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .concurrency_support(false)
        .epoch_interruption(true)
        // A decision replays bit for bit, on another architecture too.
        .cranelift_nan_canonicalization(true)
        .wasm_relaxed_simd(false)
        // What no policy needs is not there to be attacked.
        .wasm_memory64(false)
        // For the host's own memory beside a plugin's; plugins have one.
        .wasm_multi_memory(true)
        .wasm_tail_call(false)
        .max_wasm_stack(256 * 1024)
        .wasm_backtrace_max_frames(None)
        .generate_address_map(false)
        .native_unwind_info(false)
        .memory_init_cow(true)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}
