//! One instance of a plugin, in its own sandbox.

use crate::bindings::given::exports::portcullis::policy::types as given;
use crate::bindings::passed::exports::portcullis::policy::types as passed;
use crate::code::{Code, other_than_loaded};
use crate::direct::Direct;
use crate::entry::Entry;
use crate::fault::Fault;
use crate::sandbox::{self, Sandbox};
use portcullis_model::count::counted;
use wasmtime::Store;
use wasmtime::component::Func;

/// An instance that can evaluate requests.
pub(crate) struct Instance {
    store: Store<Sandbox>,
    form: Form,
    metered: bool,
    output_bytes: usize,
    #[cfg(feature = "reset")]
    initial_memory_bytes: usize,
}

/// Form in which an instance is called.
enum Form {
    /// Through its component, with a block of bytes.
    Packed(Func),
    /// Through its component, with the record of the contract.
    Typed(Func),
    Direct(Direct),
}

impl Instance {
    /// Makes an instance of `entry`, and starts its deadline.
    pub(crate) fn new(entry: &Entry) -> Result<Self, Fault> {
        #[cfg(feature = "reset")]
        let mut store = match entry.code.is_resettable() {
            true => sandbox::store_with_aside(entry.engine, &entry.limits),
            false => sandbox::store(entry.engine, &entry.limits),
        };
        #[cfg(not(feature = "reset"))]
        let mut store = sandbox::store(entry.engine, &entry.limits);
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
        Ok(Self {
            #[cfg(feature = "reset")]
            initial_memory_bytes: store.data().peak_memory_bytes,
            store,
            form,
            metered: entry.metered,
            output_bytes: entry.limits.output_bytes,
        })
    }

    /// Evaluates `request`. If that fails, the instance is not used again.
    pub(crate) fn call(&mut self, request: &passed::Request<'_>) -> Result<given::Verdict, Fault> {
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

    /// Number of instructions executed so far, if they are counted.
    pub(crate) fn instructions(&self) -> Option<u64> {
        match self.metered {
            true => sandbox::instructions(&self.store),
            false => None,
        }
    }

    /// Peak linear memory of the instance, in bytes.
    pub(crate) fn peak_memory_bytes(&self) -> usize {
        self.store.data().peak_memory_bytes
    }
}

#[cfg(feature = "reset")]
impl Instance {
    /// Starts the deadline of `entry`.
    pub(crate) fn start_clock(&mut self, entry: &Entry) {
        sandbox::start_clock(&mut self.store, entry.limits.deadline);
    }

    /// Resets it to its initial state; returns false if that is not possible.
    pub(crate) fn reset(&mut self) -> bool {
        match &self.form {
            Form::Direct(direct) => !self.has_grown() && direct.reset(&mut self.store),
            Form::Packed(_) | Form::Typed(_) => false,
        }
    }

    /// True if its memory has grown.
    fn has_grown(&self) -> bool {
        self.peak_memory_bytes() > self.initial_memory_bytes
    }

    /// True if it differs from its initial state; `None` if that is not known.
    pub(crate) fn differs(&mut self) -> Option<bool> {
        match &self.form {
            Form::Direct(direct) => direct.differs(&mut self.store),
            Form::Packed(_) | Form::Typed(_) => None,
        }
    }

    /// Changes it so that a reset does not restore it.
    #[cfg(test)]
    pub(crate) fn corrupt(&mut self) {
        if let Form::Direct(direct) = &self.form {
            direct.corrupt(&mut self.store);
        }
    }

    /// Maximum memory of a held instance in bytes: its own, and the image of that.
    pub(crate) fn held_bytes(&self) -> usize {
        self.peak_memory_bytes().saturating_mul(2)
    }
}

fn packed(request: &passed::Request<'_>) -> Result<Vec<u8>, Fault> {
    postcard::to_extend(request, Vec::with_capacity(USUAL_BYTES))
        .map_err(|error| Fault::Sandbox(format!("the request cannot be packed: {error}")))
}

/// Unpacks the verdict in `bytes`, which the plugin controls; their number is bounded already.
fn unpacked(bytes: &[u8]) -> Result<given::Verdict, Fault> {
    match postcard::take_from_bytes(bytes) {
        Ok((verdict, [])) => Ok(verdict),
        Ok((_, rest)) => Err(Fault::InvalidOutput(format!(
            "the packed verdict is followed by {}",
            counted(rest.len(), "byte")
        ))),
        Err(error) => Err(Fault::InvalidOutput(format!("no packed verdict: {error}"))),
    }
}

/// Usual size of a packed request, in bytes.
const USUAL_BYTES: usize = 1024;
