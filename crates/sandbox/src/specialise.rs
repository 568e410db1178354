//! Snapshots a configured instance into a component.
//!
//! Decisions then do not pay for `configure`.

use crate::bindings::given::exports::portcullis::policy::types as given;
use crate::bindings::passed::exports::portcullis::policy::types as passed;
use crate::bounds;
use crate::clock::Ticking;
use crate::component::{compile, export, instantiable};
use crate::fault::{Fault, text_of};
use crate::load_error::{LoadError, LoadStage};
use crate::sandbox::{self, Sandbox};
use portcullis_model::limits::PluginLimits;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use wasmtime::component::{ComponentExportIndex, ComponentNamedList, Instance, Lift, WasmList};
use wasmtime::{Engine, Store, Trap};
use wasmtime_wizer::{ComponentInstanceState, Wizer};

/// Instantiates `component`, calls `configure`, and returns a snapshot as a component.
///
/// Instances of the snapshot start in the state in which that instance was left.
pub(crate) fn specialise(
    engine: &'static Engine,
    component: &[u8],
    limits: &PluginLimits,
    configure: impl FnOnce(
        &mut Store<Sandbox>,
        (Instance, ComponentExportIndex),
    ) -> Result<(), LoadError>,
) -> Result<Vec<u8>, LoadError> {
    let unsupported = |error: wasmtime::Error| LoadError::Snapshot(text_of(&error));
    let mut wizer = Wizer::new();
    // Otherwise, the library would remove an export of that name without renumbering the others.
    wizer.keep_init_func(true);
    let (context, instrumented) = wizer.instrument_component(component).map_err(unsupported)?;
    let compiled = compile(engine, &instrumented)?;
    let (_, function) = export(&compiled, "configure")?;
    let evaluate = export(&compiled, "evaluate")?;
    let instantiable = instantiable(engine, &compiled)?;

    let ticking = Ticking::start()?;
    // The instrumentation adds a core instance of its own.
    let mut store = sandbox::store(
        engine,
        &PluginLimits {
            instances: limits.instances.saturating_add(1),
            ..*limits
        },
    );
    sandbox::start_loading(&mut store, limits);
    let instance = match instantiable.instantiate(&mut store) {
        Ok(instance) => instance,
        Err(error) => {
            return Err(match Fault::at_instantiation(&error) {
                Fault::Deadline => LoadError::Unfinished {
                    what: LoadStage::Start,
                    limit: sandbox::exceeded_in_loading(&store, limits),
                },
                fault => LoadError::Instantiate(fault),
            });
        }
    };
    drop(ticking);
    typecheck(&mut store, &instance, evaluate)?;
    configure(&mut store, (instance, function))?;

    // The code that runs below is the host's own instrumentation, and cannot loop.
    sandbox::make_room_for_snapshot(&mut store);
    store.set_hostcall_fuel(limits.memory_bytes.saturating_mul(2));
    let mut state = State {
        store,
        instance,
        error: None,
    };
    let snapshot = {
        let snapshot = pin!(wizer.snapshot_component(&context, &mut state));
        // The future never waits, since `State` answers at once. The library may panic on values that
        // could not be read and are missing from the snapshot.
        let snapshot = catch_unwind(AssertUnwindSafe(|| {
            snapshot.poll(&mut Context::from_waker(Waker::noop()))
        }));
        match snapshot {
            Ok(Poll::Ready(snapshot)) => snapshot.map_err(unsupported),
            Ok(Poll::Pending) => Err(LoadError::Snapshot("it did not finish".to_owned())),
            Err(_) => Err(LoadError::Snapshot("the snapshot failed".to_owned())),
        }
    };
    match state.error {
        Some(error) => Err(unread(&error, component)),
        None => snapshot,
    }
}

/// The error of a configured instance that cannot be read.
fn unread(error: &wasmtime::Error, component: &[u8]) -> LoadError {
    // The instrumentation traps so only if the memory does not grow, and the host does not hinder it.
    let is_full = error.downcast_ref::<Trap>() == Some(&Trap::UnreachableCodeReached);
    match bounds::declared_maximum(component) {
        Some(maximum) if is_full => LoadError::CannotGrow { maximum },
        _ => LoadError::Snapshot(text_of(error)),
    }
}

/// Checks `evaluate` against the contract's types.
///
/// It maps a block of bytes to another, or a request to a verdict.
fn typecheck(
    store: &mut Store<Sandbox>,
    instance: &Instance,
    (packed, evaluate): (bool, ComponentExportIndex),
) -> Result<(), LoadError> {
    let evaluate = instance
        .get_func(&mut *store, evaluate)
        .ok_or_else(|| LoadError::Signature("`evaluate` is no function".to_owned()))?;
    match packed {
        true => evaluate.typed::<(&[u8],), (Vec<u8>,)>(&*store).map(drop),
        false => evaluate
            .typed::<(&passed::Request<'_>,), (given::Verdict,)>(&*store)
            .map(drop),
    }
    .map_err(|error| LoadError::Signature(text_of(&error)))
}

/// Maximum number of runs of non-zero bytes in a snapshot.
const MAX_RUNS: usize = 4_000_000;

fn runs(bytes: &[u8]) -> usize {
    let begins = |pair: &[u8]| matches!(pair, [0, b] if *b != 0);
    bytes.windows(2).filter(|pair| begins(pair)).count() + 1
}

/// The configured instance that the snapshot reads.
struct State {
    store: Store<Sandbox>,
    instance: Instance,
    /// First read error, which makes the snapshot unusable.
    error: Option<wasmtime::Error>,
}

impl State {
    fn read<R>(&mut self, instance: &str, function: &str) -> wasmtime::Result<R>
    where
        R: Lift + Send + Sync + 'static,
        (R,): ComponentNamedList + Lift,
    {
        let missing = || wasmtime::format_err!("`{instance}#{function}` is missing");
        let interface = self
            .instance
            .get_export_index(&mut self.store, None, instance)
            .ok_or_else(missing)?;
        let function = self
            .instance
            .get_export_index(&mut self.store, Some(&interface), function)
            .ok_or_else(missing)?;
        let function = self
            .instance
            .get_typed_func::<(), (R,)>(&mut self.store, function)?;
        Ok(function.call(&mut self.store, ())?.0)
    }

    fn read_or<R>(&mut self, instance: &str, function: &str, otherwise: R) -> R
    where
        R: Lift + Send + Sync + 'static,
        (R,): ComponentNamedList + Lift,
    {
        self.read(instance, function).unwrap_or_else(|error| {
            self.error.get_or_insert(error);
            otherwise
        })
    }
}

impl ComponentInstanceState for State {
    async fn call_func_ret_list_u8(
        &mut self,
        instance: &str,
        func: &str,
        contents: impl FnOnce(&[u8]) + Send,
    ) {
        match self.read::<WasmList<u8>>(instance, func) {
            Ok(list) => {
                let bytes = list.as_le_slice(&self.store);
                // While the snapshot is made, each run takes a range in the host's memory.
                if runs(bytes) <= MAX_RUNS {
                    contents(bytes);
                } else {
                    let error = wasmtime::format_err!(
                        "its memory has more than {MAX_RUNS} runs of bytes between zeros"
                    );
                    self.error.get_or_insert(error);
                }
            }
            Err(error) => {
                self.error.get_or_insert(error);
            }
        }
    }

    async fn call_func_ret_s32(&mut self, instance: &str, func: &str) -> i32 {
        self.read_or(instance, func, 0)
    }

    async fn call_func_ret_s64(&mut self, instance: &str, func: &str) -> i64 {
        self.read_or(instance, func, 0)
    }

    async fn call_func_ret_f32(&mut self, instance: &str, func: &str) -> u32 {
        self.read_or(instance, func, 0_f32).to_bits()
    }

    async fn call_func_ret_f64(&mut self, instance: &str, func: &str) -> u64 {
        self.read_or(instance, func, 0_f64).to_bits()
    }
}
