//! The WebAssembly engine that the decisions of the process share.

use std::fmt;
use std::num::NonZero;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::features::OF_THE_ENGINE;
use portcullis_model::limits::{MAX_MEMORY_BYTES, MAX_TABLE_ELEMENTS};
use wasmparser::WasmFeatures;

/// Maximum number of concurrent decisions in the process.
///
/// Further ones are denied as [`Fault::Overloaded`](crate::fault::Fault::Overloaded).
pub const MAX_CONCURRENT_DECISIONS: u32 = 512;

/// Maximum number of instances held for their next decision.
///
/// Their slots are in addition to those for [`MAX_CONCURRENT_DECISIONS`].
pub(crate) const MAX_HELD: u32 = 1024;

/// Number of memory slots in the pool.
///
/// There are more than are in use, so that each of many plugins finds the slot with its own memory again,
/// rather than a slot of another plugin that has to be mapped again.
const MEMORY_SLOTS: u32 = 4096;

/// Maximum number of core instances of one component, instrumentation included.
pub const MAX_CORE_INSTANCES: u32 = 8;

/// Memory of a sandbox that stays resident between decisions, in bytes.
///
/// It covers the whole memory of a small plugin (192 KiB, with the SDK): what lies beyond is given back to the kernel
/// after each decision, and faulted in again by the next. That costs 15 of 40 µs on a virtual machine, where a page
/// fault and a change of mappings are expensive, and other threads of the process wait for it.
const KEPT_BYTES: usize = 256 * 1024;

/// Memory that reading a configured instance adds, in bytes: two reads of one page.
pub(crate) const SNAPSHOT_BYTES: usize = 2 * 64 * 1024;

/// Sandboxes that are kept beside those of the expected plugins, for plugins that replace others.
const SPARE: usize = 16;

/// The engine cannot run on this machine.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the WebAssembly engine does not start on this machine: {0}")]
pub struct EngineError(pub(crate) String);

/// Method of finding the written pages of a sandbox, which the pool resets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PagemapScan {
    /// Resets the whole sandbox.
    #[default]
    Off,
    /// Resets the pages that the kernel reports as written.
    ///
    /// This uses `PAGEMAP_SCAN`, of Linux 6.7 and later. wasmtime before 50 does not reset a page that is in
    /// swap, and the next instance in the same slot can read it. So with this value, the operator states that
    /// the host has no swap, zram included, while the process runs.
    NoSwap,
}

/// The requested [`PagemapScan`] cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PagemapScanError {
    /// The host has swap.
    #[error(
        "this host has swap, `{0}`, and wasmtime before 50 does not reset pages that are in swap: remove the swap, or `pagemap-scan`"
    )]
    Swap(String),
    /// Another value was chosen before in this process.
    #[error(
        "`pagemap-scan` applies to the whole process, and an earlier configuration set another value: restart the process"
    )]
    ChosenBefore,
}

/// Sets how sandboxes are reset, for all decision points of this process.
///
/// Call it before the first plugin is loaded, which otherwise sets [`PagemapScan::Off`]. A configuration
/// sets it with `[engine] pagemap-scan`.
///
/// # Errors
///
/// [`PagemapScanError::Swap`] if `scan` needs a host without swap and this host has swap, and
/// [`PagemapScanError::ChosenBefore`] if another value was set before.
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

/// First swap in `/proc/swaps`, whose first line holds the column names.
fn first_swap(swaps: &str) -> Option<&str> {
    swaps
        .lines()
        .skip(1)
        .find_map(|line| line.split_whitespace().next())
}

/// Method of resetting sandboxes in this process, with the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PagemapScanInForce {
    /// Whole sandboxes, because nothing else was chosen.
    OffByDefault,
    /// Whole sandboxes, because the kernel does not report written pages.
    OffOnThisKernel,
    /// Written pages, because the operator states that the host has no swap.
    On,
}

impl fmt::Display for PagemapScanInForce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OffByDefault => {
                "off, the default: with it, wasmtime before 50 does not reset pages that are in swap"
            }
            Self::OffOnThisKernel => {
                "off, although it is configured: this kernel does not support it: use Linux 6.7 or later"
            }
            Self::On => "on: the configuration says that this host has no swap",
        })
    }
}

/// The method in force, for a report on a configuration; see [`choose_pagemap_scan`].
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

/// Sets how many plugins this process has loaded at a time, so that it keeps as many sandboxes for their next decisions.
///
/// Call it before the first plugin is loaded; later calls change nothing. More plugins may be loaded, and decide more
/// slowly. Without a call, the process keeps up to 4096 sandboxes, so it grows by up to 256 KiB with each plugin that
/// is loaded in place of another, until it has that many. A configuration sets the number of its plugins and
/// candidates.
pub fn expect_plugins(count: usize) {
    let _ = EXPECTED.set(count);
}

static EXPECTED: OnceLock<usize> = OnceLock::new();

/// Maximum number of unused sandboxes that are kept.
///
/// The runtime divides them among as many parts as it has processors, and a thread uses one part. A plugin that can be
/// reset has two memories.
fn kept_slots(expected: Option<usize>, processors: usize) -> u32 {
    let kept = expected.map(|plugins| {
        let of_a_part = plugins.saturating_mul(2).saturating_add(SPARE);
        of_a_part.saturating_mul(processors)
    });
    let kept = kept.and_then(|kept| u32::try_from(kept).ok());
    kept.map_or(MEMORY_SLOTS, |kept| kept.min(MEMORY_SLOTS))
}

/// The engine for decisions, created on first use.
///
/// There is one per process, and it is never dropped, so that all plugins share its pool of sandboxes.
pub(crate) fn engine() -> Result<&'static Engine, EngineError> {
    made(&ENGINE, || {
        let mut config = engine_settings(*CHOSEN.get_or_init(PagemapScan::default));
        if IS_WITHOUT_POOL.load(Ordering::Relaxed) {
            config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
        }
        config
    })
}

/// Starts the engine of this process without a pool, for a process that only compiles.
///
/// The pool reserves memory that a limit on the process would count. Code compiles to the same without it.
pub(crate) fn start_without_pool() {
    IS_WITHOUT_POOL.store(true, Ordering::Relaxed);
}

static IS_WITHOUT_POOL: AtomicBool = AtomicBool::new(false);

/// The engine that counts instructions, for reports; it makes each decision slower.
///
/// A plugin belongs to one engine or the other, and their objects are never mixed (RUSTSEC-2026-0222).
pub(crate) fn metered_engine() -> Result<&'static Engine, EngineError> {
    made(&METERED, || {
        // Without a pool, no sandbox is reset.
        let mut config = engine_settings(PagemapScan::Off);
        config
            .consume_fuel(true)
            .allocation_strategy(InstanceAllocationStrategy::OnDemand);
        config
    })
}

/// True if `engine` counts instructions.
pub(crate) fn is_metered(engine: &Engine) -> bool {
    matches!(METERED.get(), Some(Ok(metered)) if Engine::same(metered, engine))
}

/// The engines created so far.
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

/// Settings of the engine for decisions, also for benchmarks of the runtime alone.
#[doc(hidden)]
#[must_use]
pub fn engine_settings(scan: PagemapScan) -> Config {
    let slots = MAX_CONCURRENT_DECISIONS;
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(slots)
        .total_core_instances(slots * MAX_CORE_INSTANCES + MAX_HELD)
        .total_memories(MEMORY_SLOTS)
        .total_tables(MEMORY_SLOTS)
        .max_core_instances_per_component(MAX_CORE_INSTANCES)
        .max_memories_per_component(1)
        .max_memories_per_module(2)
        .max_tables_per_component(2)
        .max_tables_per_module(2)
        .max_component_instance_size(256 * 1024)
        .max_core_instance_size(256 * 1024)
        .max_memory_size(MAX_MEMORY_BYTES + SNAPSHOT_BYTES)
        .table_elements(MAX_TABLE_ELEMENTS)
        .max_unused_warm_slots(kept_slots(EXPECTED.get().copied(), processors))
        // With the kernel's list of written pages, resetting a slot costs its written pages. Without the list, it
        // costs the resident ones: they are copied, which is less than giving them back to the kernel.
        .pagemap_scan(match scan {
            PagemapScan::Off => Enabled::No,
            PagemapScan::NoSwap => Enabled::Auto,
        })
        .linear_memory_keep_resident(KEPT_BYTES)
        .table_keep_resident(8 * 1024);

    let mut config = Config::new();
    config
        // Sets every proposal, so that the gateway's build of the runtime cannot switch one on.
        // Features that no policy needs are off, so that they cannot be attacked.
        .wasm_features(WasmFeatures::all(), false)
        .wasm_features(OF_THE_ENGINE, true)
        .shared_memory(false)
        .concurrency_support(false)
        .epoch_interruption(true)
        // Decisions then replay bit for bit, on another architecture too.
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
        // The value that all tests of this process use.
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
    fn as_many_sandboxes_are_kept_as_plugins_need() {
        assert_eq!(kept_slots(None, 2), MEMORY_SLOTS);
        assert_eq!(kept_slots(Some(0), 2), 32);
        assert_eq!(kept_slots(Some(3), 2), 44);
        assert_eq!(kept_slots(Some(3), 16), 352);
        assert_eq!(kept_slots(Some(1000), 2), 4032);
        for huge in [5000, usize::MAX] {
            assert_eq!(kept_slots(Some(huge), 2), MEMORY_SLOTS);
        }
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
