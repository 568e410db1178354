//! The one WebAssembly engine of the process.

use std::fmt;
use std::sync::OnceLock;
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::limits::{MAX_MEMORY_BYTES, MAX_TABLE_ELEMENTS};
use crate::plugin::proposals::OF_THE_ENGINE;
use wasmparser::WasmFeatures;

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

/// How the pool finds the pages of a sandbox that were written to, which it resets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PagemapScan {
    /// It resets all of a sandbox.
    #[default]
    Off,
    /// It asks the kernel which pages were written to (`PAGEMAP_SCAN`, Linux 6.7 and later), and resets those.
    ///
    /// wasmtime before 50 does not reset a page that is in swap, and the next instance in its place reads
    /// it. So this is the operator's word that the host has no swap, zram included, while the process runs.
    NoSwap,
}

/// The engine does not scan as it is asked to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PagemapScanError {
    /// There is swap.
    #[error(
        "this host has swap, `{0}`, and wasmtime before 50 does not reset pages that are in swap: remove the swap, or `pagemap-scan`"
    )]
    Swap(String),
    /// The engine of the process was chosen in another way before.
    #[error(
        "`pagemap-scan` is the same for all configurations of a process, and an earlier one has it otherwise: restart the process"
    )]
    ChosenBefore,
}

/// Chooses how sandboxes are reset in this process, for all its decision points. It is to be chosen before
/// the first plugin is loaded, which otherwise chooses [`PagemapScan::Off`]; a configuration that is read
/// chooses with `[engine] pagemap-scan`.
///
/// # Errors
///
/// [`PagemapScanError::Swap`] if `scan` needs a host without swap and this one has some, and
/// [`PagemapScanError::ChosenBefore`] if it was chosen otherwise.
pub fn choose_pagemap_scan(scan: PagemapScan) -> Result<(), PagemapScanError> {
    if scan == PagemapScan::NoSwap {
        let swaps = std::fs::read_to_string("/proc/swaps").unwrap_or_default();
        if let Some(swap) = first_swap(&swaps) {
            return Err(PagemapScanError::Swap(swap.to_owned()));
        }
    }
    match *CHOSEN.get_or_init(|| scan) == scan {
        true => Ok(()),
        false => Err(PagemapScanError::ChosenBefore),
    }
}

/// The first swap in the text of `/proc/swaps`, whose first line has the names of its columns.
fn first_swap(swaps: &str) -> Option<&str> {
    swaps
        .lines()
        .skip(1)
        .find_map(|line| line.split_whitespace().next())
}

/// How sandboxes are reset in this process, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PagemapScanInForce {
    /// All of them, since nothing else was chosen.
    OffByDefault,
    /// All of them, since the kernel does not say which pages were written to.
    OffOnThisKernel,
    /// What was written to, since the operator says that there is no swap.
    On,
}

impl fmt::Display for PagemapScanInForce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OffByDefault => {
                "off, the default: with it, wasmtime before 50 does not reset pages that are in swap"
            }
            Self::OffOnThisKernel => {
                "off, although it is configured: this kernel lacks it, and Linux 6.7 has it"
            }
            Self::On => "on: the configuration says that this host has no swap",
        })
    }
}

/// What is in force of [`choose_pagemap_scan`], for whom a configuration is checked.
pub fn pagemap_scan_in_force() -> PagemapScanInForce {
    match CHOSEN.get().copied().unwrap_or_default() {
        PagemapScan::Off => PagemapScanInForce::OffByDefault,
        PagemapScan::NoSwap if PoolingAllocationConfig::is_pagemap_scan_available() => {
            PagemapScanInForce::On
        }
        PagemapScan::NoSwap => PagemapScanInForce::OffOnThisKernel,
    }
}

static CHOSEN: OnceLock<PagemapScan> = OnceLock::new();

/// The engine, which is made when it is first asked for.
///
/// One decides in a process, and it is never dropped: the pool of sandboxes is worth sharing.
pub(crate) fn engine() -> Result<&'static Engine, EngineError> {
    made(&ENGINE, || {
        engine_settings(*CHOSEN.get_or_init(PagemapScan::default))
    })
}

/// The engine that counts instructions, for reports: each costs a decision more. A plugin is of one
/// engine or the other, and nothing of the two mixes (RUSTSEC-2026-0222).
pub(crate) fn metered_engine() -> Result<&'static Engine, EngineError> {
    made(&METERED, || {
        // Without a pool, nothing is reset.
        let mut config = engine_settings(PagemapScan::Off);
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
pub fn engine_settings(scan: PagemapScan) -> Config {
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
        .pagemap_scan(match scan {
            PagemapScan::Off => Enabled::No,
            PagemapScan::NoSwap => Enabled::Auto,
        })
        .linear_memory_keep_resident(128 * 1024)
        .table_keep_resident(8 * 1024);

    let mut config = Config::new();
    config
        // Every proposal is on or off here, so that none is switched on by how a gateway builds the runtime.
        // What no policy needs is not there to be attacked.
        .wasm_features(WasmFeatures::all(), false)
        .wasm_features(OF_THE_ENGINE, true)
        .shared_memory(false)
        .concurrency_support(false)
        .epoch_interruption(true)
        // A decision replays bit for bit, on another architecture too.
        .cranelift_nan_canonicalization(true)
        .max_wasm_stack(256 * 1024)
        .wasm_backtrace_max_frames(None)
        .generate_address_map(false)
        .native_unwind_info(false)
        .memory_init_cow(true)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_chosen_is_kept_for_the_process() {
        // As every other test of this process has it.
        choose_pagemap_scan(PagemapScan::Off).unwrap();
        choose_pagemap_scan(PagemapScan::Off).unwrap();
        let refused = choose_pagemap_scan(PagemapScan::NoSwap).unwrap_err();
        match &refused {
            PagemapScanError::ChosenBefore => {
                assert!(refused.to_string().contains("restart the process"));
            }
            PagemapScanError::Swap(swap) => assert!(!swap.is_empty()),
        }
        assert_eq!(pagemap_scan_in_force(), PagemapScanInForce::OffByDefault);
    }

    #[test]
    fn swap_is_found_whatever_it_is() {
        const COLUMNS: &str = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n";
        assert_eq!(first_swap(""), None);
        assert_eq!(first_swap(COLUMNS), None);
        for (line, swap) in [
            (
                "/swapfile                               file\t\t16380\t\t0\t\t-2\n",
                "/swapfile",
            ),
            ("/dev/zram0 partition 8384508 0 100\n", "/dev/zram0"),
            (
                "/dev/dm-1 partition 1 0 -2\n/dev/zram0 partition 1 0 100",
                "/dev/dm-1",
            ),
        ] {
            assert_eq!(first_swap(&format!("{COLUMNS}{line}")), Some(swap));
        }
    }
}
