//! One instance of a plugin, in a sandbox of its own.

use super::Fault;
use super::bindings::given::exports::portcullis::policy::types as given;
use super::bindings::passed::exports::portcullis::policy::types as passed;
use super::code::{Code, other_than_loaded};
use super::direct::Direct;
use super::entry::Entry;
use super::sandbox::{self, Sandbox};
use wasmtime::Store;
use wasmtime::component::Func;

/// An instance that can be asked.
pub(super) struct Instance {
    store: Store<Sandbox>,
    form: Form,
    metered: bool,
    output_bytes: usize,
    initial_memory_bytes: usize,
}

/// How it is asked.
enum Form {
    /// Through its component, with a block of bytes.
    Packed(Func),
    /// Through its component, with the record of the contract.
    Typed(Func),
    Direct(Direct),
}

impl Instance {
    /// A fresh instance of `entry`, which is cut off at its deadline from now on.
    pub(super) fn new(entry: &Entry) -> Result<Self, Fault> {
        let mut store = match entry.code.is_restorable() {
            true => sandbox::store_with_aside(entry.engine, &entry.limits),
            false => sandbox::store(entry.engine, &entry.limits),
        };
        sandbox::start_clock(&mut store, entry.limits.deadline);
        let form = match &entry.code {
            Code::Module(module) => Form::Direct(Direct::new(&mut store, module)?),
            Code::Component(component) => {
                let instance = component
                    .instance
                    .instantiate(&mut store)
                    .map_err(|error| Fault::at_instantiation(&error))?;
                let evaluate = instance
                    .get_func(&mut store, component.evaluate)
                    .ok_or_else(|| other_than_loaded("evaluate"))?;
                match component.packed {
                    true => Form::Packed(evaluate),
                    false => Form::Typed(evaluate),
                }
            }
        };
        let initial_memory_bytes = store.data().peak_memory_bytes;
        Ok(Self {
            store,
            form,
            metered: entry.metered,
            output_bytes: entry.limits.output_bytes,
            initial_memory_bytes,
        })
    }

    /// Has the instance judge `request`. It is not asked again if it fails.
    pub(super) fn call(&mut self, request: &passed::Request<'_>) -> Result<given::Verdict, Fault> {
        let trapped = |error: wasmtime::Error| Fault::from_error(&error);
        match &mut self.form {
            Form::Direct(direct) => {
                let request = packed(request)?;
                direct.call(&mut self.store, &request, self.output_bytes, unpacked)
            }
            Form::Packed(evaluate) => {
                let evaluate = evaluate
                    .typed::<(&[u8],), (Vec<u8>,)>(&self.store)
                    .map_err(trapped)?;
                let request = packed(request)?;
                let answer = evaluate.call(&mut self.store, (&request,));
                unpacked(&answer.map_err(trapped)?.0)
            }
            Form::Typed(evaluate) => {
                let evaluate = evaluate
                    .typed::<(&passed::Request<'_>,), (given::Verdict,)>(&self.store)
                    .map_err(trapped)?;
                let answer = evaluate.call(&mut self.store, (request,));
                Ok(answer.map_err(trapped)?.0)
            }
        }
    }

    /// From now on it is cut off at the deadline of `entry`.
    pub(super) fn start_clock(&mut self, entry: &Entry) {
        sandbox::start_clock(&mut self.store, entry.limits.deadline);
    }

    /// Puts it back as it began, where it can be, and says whether that was done.
    pub(super) fn restore(&mut self) -> bool {
        match &self.form {
            Form::Direct(direct) => !self.has_grown() && direct.restore(&mut self.store),
            Form::Packed(_) | Form::Typed(_) => false,
        }
    }

    /// Whether it has more memory than it began with.
    fn has_grown(&self) -> bool {
        self.peak_memory_bytes() > self.initial_memory_bytes
    }

    /// How many instructions it ran so far, if they are counted.
    pub(super) fn instructions(&self) -> Option<u64> {
        match self.metered {
            true => sandbox::instructions(&self.store),
            false => None,
        }
    }

    /// How much memory it takes while it is held, at most, in bytes: its own, and the image of that.
    pub(super) fn held_bytes(&self) -> usize {
        self.peak_memory_bytes().saturating_mul(2)
    }

    /// The most linear memory that the instance had, in bytes.
    pub(super) fn peak_memory_bytes(&self) -> usize {
        self.store.data().peak_memory_bytes
    }
}

fn packed(request: &passed::Request<'_>) -> Result<Vec<u8>, Fault> {
    postcard::to_extend(request, Vec::with_capacity(USUAL_BYTES))
        .map_err(|error| Fault::Sandbox(format!("the request cannot be packed: {error}")))
}

/// The verdict in `bytes`, which the plugin controls; how many they are is bounded already.
fn unpacked(bytes: &[u8]) -> Result<given::Verdict, Fault> {
    match postcard::take_from_bytes(bytes) {
        Ok((verdict, [])) => Ok(verdict),
        Ok((_, rest)) => Err(Fault::InvalidOutput(format!(
            "{} bytes follow the packed verdict",
            rest.len()
        ))),
        Err(error) => Err(Fault::InvalidOutput(format!("no packed verdict: {error}"))),
    }
}

/// What a request usually takes, packed, in bytes.
const USUAL_BYTES: usize = 1024;
