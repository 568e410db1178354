//! One instance of a plugin, in a sandbox of its own.

use super::Fault;
use super::bindings::given::exports::portcullis::policy::types as given;
use super::bindings::passed::exports::portcullis::policy::types as passed;
use super::entry::Entry;
use super::sandbox::{self, Sandbox};
use wasmtime::Store;
use wasmtime::component::Func;

/// An instance that can be asked.
pub(super) struct Instance {
    store: Store<Sandbox>,
    evaluate: Func,
    packed: bool,
    metered: bool,
    initial_memory_bytes: usize,
}

impl Instance {
    /// A fresh instance of `entry`, which is cut off at its deadline from now on.
    pub(super) fn new(entry: &Entry) -> Result<Self, Fault> {
        let mut store = sandbox::store(entry.engine, &entry.limits);
        sandbox::start_clock(&mut store, entry.limits.deadline);
        let instance = entry
            .instance
            .instantiate(&mut store)
            .map_err(|error| Fault::at_instantiation(&error))?;
        let evaluate = instance
            .get_func(&mut store, entry.evaluate)
            .ok_or_else(|| Fault::Sandbox("`evaluate` is no function".to_owned()))?;
        let initial_memory_bytes = store.data().peak_memory_bytes;
        Ok(Self {
            store,
            evaluate,
            packed: entry.packed,
            metered: entry.metered,
            initial_memory_bytes,
        })
    }

    /// Whether `evaluate` has the contract's type.
    pub(super) fn typecheck(&self) -> wasmtime::Result<()> {
        if self.packed {
            self.evaluate.typed::<(&[u8],), (Vec<u8>,)>(&self.store)?;
        } else {
            self.evaluate
                .typed::<(&passed::Request<'_>,), (given::Verdict,)>(&self.store)?;
        }
        Ok(())
    }

    /// Has the instance judge `request`. It is not asked again if it fails.
    pub(super) fn call(&mut self, request: &passed::Request<'_>) -> Result<given::Verdict, Fault> {
        let verdict = match self.packed {
            true => self.call_packed(request),
            false => self.call_typed(request),
        };
        verdict.map_err(|error| Fault::from_error(&error))
    }

    fn call_typed(&mut self, request: &passed::Request<'_>) -> wasmtime::Result<given::Verdict> {
        let evaluate = self
            .evaluate
            .typed::<(&passed::Request<'_>,), (given::Verdict,)>(&self.store)?;
        let (verdict,) = evaluate.call(&mut self.store, (request,))?;
        Ok(verdict)
    }

    fn call_packed(&mut self, request: &passed::Request<'_>) -> wasmtime::Result<given::Verdict> {
        let evaluate = self.evaluate.typed::<(&[u8],), (Vec<u8>,)>(&self.store)?;
        let request = postcard::to_extend(request, Vec::with_capacity(USUAL_BYTES))
            .map_err(|error| wasmtime::format_err!("the request cannot be packed: {error}"))?;
        let (verdict,) = evaluate.call(&mut self.store, (&request,))?;
        // The plugin controls these bytes; how many they are is bounded as they are read.
        match postcard::take_from_bytes(&verdict) {
            Ok((verdict, [])) => Ok(verdict),
            Ok((_, rest)) => Err(wasmtime::format_err!(
                "{} bytes follow the packed verdict",
                rest.len()
            )),
            Err(error) => Err(wasmtime::format_err!("no packed verdict: {error}")),
        }
    }

    /// From now on it is cut off at the deadline of `entry`.
    pub(super) fn start_clock(&mut self, entry: &Entry) {
        sandbox::start_clock(&mut self.store, entry.limits.deadline);
    }

    /// Whether it has more memory than it began with.
    pub(super) fn has_grown(&self) -> bool {
        self.peak_memory_bytes() > self.initial_memory_bytes
    }

    /// How many instructions it ran so far, if they are counted.
    pub(super) fn instructions(&self) -> Option<u64> {
        match self.metered {
            true => sandbox::instructions(&self.store),
            false => None,
        }
    }

    /// The most linear memory that the instance had, in bytes.
    pub(super) fn peak_memory_bytes(&self) -> usize {
        self.store.data().peak_memory_bytes
    }
}

/// What a request usually takes, packed, in bytes.
const USUAL_BYTES: usize = 1024;
