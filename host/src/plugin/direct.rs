//! Calls of a plugin without its component, by the rules of the canonical ABI for a function that takes
//! a list of bytes and gives one.

use super::Fault;
use super::code::{ModuleCode, other_than_loaded};
use super::lowered;
use super::sandbox::Sandbox;
use wasmtime::{Instance, Memory, ModuleExport, Store, TypedFunc, WasmParams, WasmResults};

/// What is called of an instance.
pub(super) struct Direct {
    memory: Memory,
    /// From a block, its size, an alignment and another size, to a block of that.
    realloc: TypedFunc<(u32, u32, u32, u32), u32>,
    /// From a block and its size, to where those of the answer stand.
    evaluate: TypedFunc<(u32, u32), u32>,
    restore: Option<TypedFunc<(), ()>>,
}

impl Direct {
    /// What is called of a fresh instance of `code`.
    pub(super) fn new(store: &mut Store<Sandbox>, code: &ModuleCode) -> Result<Self, Fault> {
        let instance = code
            .instance
            .instantiate(&mut *store)
            .map_err(|error| Fault::at_instantiation(&error))?;
        let memory = instance
            .get_module_export(&mut *store, &code.memory)
            .and_then(wasmtime::Extern::into_memory)
            .ok_or_else(|| other_than_loaded(lowered::MEMORY))?;
        Ok(Self {
            memory,
            realloc: function(store, &instance, (&code.realloc, lowered::REALLOC))?,
            evaluate: function(store, &instance, (&code.evaluate, lowered::EVALUATE))?,
            restore: match &code.restore {
                Some(restore) => Some(function(store, &instance, (restore, lowered::RESTORE))?),
                None => None,
            },
        })
    }

    /// Has `evaluate` answer `request`, and has `read` read the answer, of at most `most` bytes.
    pub(super) fn call<R>(
        &self,
        store: &mut Store<Sandbox>,
        request: &[u8],
        most: usize,
        read: impl FnOnce(&[u8]) -> Result<R, Fault>,
    ) -> Result<R, Fault> {
        let trapped = |error: wasmtime::Error| Fault::from_error(&error);
        let beyond = || Fault::InvalidOutput("a block beyond the end of its memory".to_owned());
        let length = u32::try_from(request.len())
            .map_err(|_| Fault::Sandbox("the request is too large".to_owned()))?;
        let begin = self
            .realloc
            .call(&mut *store, (0, 0, 1, length))
            .map_err(trapped)?;
        bytes_of(begin, length)
            .and_then(|bytes| self.memory.data_mut(&mut *store).get_mut(bytes))
            .ok_or_else(beyond)?
            .copy_from_slice(request);
        let answer = self
            .evaluate
            .call(&mut *store, (begin, length))
            .map_err(trapped)?;
        let memory = self.memory.data(&*store);
        let number = |at: u32| -> Option<u32> {
            let bytes = memory.get(bytes_of(at, 4)?)?;
            Some(u32::from_le_bytes(bytes.try_into().ok()?))
        };
        if answer % 4 != 0 {
            return Err(Fault::InvalidOutput("an answer that is not aligned".into()));
        }
        let begin = number(answer).ok_or_else(beyond)?;
        let length = answer.checked_add(4).and_then(number).ok_or_else(beyond)?;
        if length as usize > most {
            return Err(Fault::OutputTooLarge);
        }
        let answer = bytes_of(begin, length).and_then(|bytes| memory.get(bytes));
        read(answer.ok_or_else(beyond)?)
    }

    /// Puts the instance back as it began, and says whether that was done.
    pub(super) fn restore(&self, store: &mut Store<Sandbox>) -> bool {
        let restore = self.restore.as_ref();
        restore.is_some_and(|restore| restore.call(store, ()).is_ok())
    }
}

fn function<P: WasmParams, R: WasmResults>(
    store: &mut Store<Sandbox>,
    instance: &Instance,
    (export, name): (&ModuleExport, &str),
) -> Result<TypedFunc<P, R>, Fault> {
    instance
        .get_module_export(&mut *store, export)
        .and_then(wasmtime::Extern::into_func)
        .and_then(|function| function.typed(&*store).ok())
        .ok_or_else(|| other_than_loaded(name))
}

fn bytes_of(begin: u32, length: u32) -> Option<std::ops::Range<usize>> {
    let begin = begin as usize;
    Some(begin..begin.checked_add(length as usize)?)
}
