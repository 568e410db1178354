//! Calls a plugin without its component.
//!
//! It follows the canonical ABI for a function that takes a list of bytes and returns one.

#[cfg(feature = "reset")]
use crate::code;
use crate::code::{ModuleCode, other_than_loaded};
use crate::core_module;
use crate::fault::Fault;
use crate::sandbox::Sandbox;
use wasmtime::{Instance, Memory, ModuleExport, Store, TypedFunc, WasmParams, WasmResults};

/// Exports of an instance that the host calls.
pub(crate) struct Direct {
    memory: Memory,
    /// Maps a block, its size, an alignment and a new size to a new block.
    realloc: TypedFunc<(u32, u32, u32, u32), u32>,
    /// Maps a block and its size to the address of the answer's.
    evaluate: TypedFunc<(u32, u32), u32>,
    #[cfg(feature = "reset")]
    reset: Option<Box<Reset>>,
    /// Block that the last request was written to, and its size.
    #[cfg(feature = "reset")]
    written: (u32, u32),
}

/// Functions of an instance that can be reset.
#[cfg(feature = "reset")]
struct Reset {
    /// Takes a block that the host wrote to, and its size.
    reset: TypedFunc<(u32, u32), ()>,
    /// Returns 1 if memory or globals differ from their initial state.
    differs: TypedFunc<(), i32>,
}

impl Direct {
    /// Makes an instance of `code`, and finds its exports.
    pub(crate) fn new(store: &mut Store<Sandbox>, code: &ModuleCode) -> Result<Self, Fault> {
        let instance = code
            .instance
            .instantiate(&mut *store)
            .map_err(|error| Fault::at_instantiation(&error))?;
        let memory = instance
            .get_module_export(&mut *store, &code.memory)
            .and_then(wasmtime::Extern::into_memory)
            .ok_or_else(|| other_than_loaded(core_module::MEMORY))?;
        Ok(Self {
            memory,
            realloc: function(store, &instance, (&code.realloc, core_module::REALLOC))?,
            evaluate: function(store, &instance, (&code.evaluate, core_module::EVALUATE))?,
            #[cfg(feature = "reset")]
            reset: match &code.reset {
                Some(code::Reset { reset, differs }) => Some(Box::new(Reset {
                    reset: function(store, &instance, (reset, portcullis_reset::RESET))?,
                    differs: function(store, &instance, (differs, portcullis_reset::DIFFERS))?,
                })),
                None => None,
            },
            #[cfg(feature = "reset")]
            written: (0, 0),
        })
    }

    /// Calls `evaluate` with `request`, and `read` with the answer.
    ///
    /// The answer has at most `most` bytes.
    pub(crate) fn call<R>(
        &mut self,
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
        #[cfg(feature = "reset")]
        {
            self.written = (begin, length);
        }
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
}

#[cfg(feature = "reset")]
impl Direct {
    /// Resets the instance to its initial state; returns false if that fails.
    pub(crate) fn reset(&self, store: &mut Store<Sandbox>) -> bool {
        let reset = self.reset.as_ref();
        reset.is_some_and(|it| it.reset.call(store, self.written).is_ok())
    }

    /// True if it differs from its initial state; `None` if the comparison was interrupted.
    pub(crate) fn differs(&self, store: &mut Store<Sandbox>) -> Option<bool> {
        let differs = self.reset.as_ref()?.differs.call(store, ()).ok()?;
        Some(differs != 0)
    }

    /// Changes a byte of its memory that no mark names.
    #[cfg(test)]
    pub(crate) fn corrupt(&self, store: &mut Store<Sandbox>) {
        if let Some(last) = self.memory.data_mut(store).last_mut() {
            *last ^= 1;
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Ticking;
    use crate::code::{Code, Compiled};
    use crate::engine::engine;
    use crate::sandbox;
    use portcullis_model::limits::PluginLimits;

    /// An instance of a module with fixed results.
    ///
    /// Its `cabi_realloc` returns `room`, its `evaluate` returns `answer`, and it contains `more`.
    fn instance(room: i64, answer: i64, more: &str) -> (Store<Sandbox>, Direct) {
        let engine = engine().unwrap();
        let limits = PluginLimits {
            deadline: std::time::Duration::from_secs(5),
            ..PluginLimits::default()
        };
        let component = core_module::tests::wrapping(&format!(
            r#"(memory (export "memory") 1) {more}
               (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const {room}))
               (func (export "other") (param i32 i32) (result i32) (i32.const 0))
               (func (export "decide") (param i32 i32) (result i32) (i32.const {answer}))"#
        ));
        #[cfg(feature = "reset")]
        let compiled = Compiled::resettable(engine, &component, &limits).unwrap();
        #[cfg(not(feature = "reset"))]
        let compiled = Compiled::of(engine, &component).unwrap();
        let Code::Module(code) = compiled.instantiable(engine).unwrap() else {
            panic!("it decides through its component");
        };
        #[cfg(feature = "reset")]
        let mut store = sandbox::store_with_aside(engine, &limits);
        #[cfg(not(feature = "reset"))]
        let mut store = sandbox::store(engine, &limits);
        sandbox::start_clock(&mut store, limits.deadline);
        let direct = Direct::new(&mut store, &code).unwrap();
        (store, direct)
    }

    /// Data with the answer `five!` at address 1000.
    const FIVE: &str = r#"(data (i32.const 1000) "\f0\03\00\00\05\00\00\00five!")"#;

    #[cfg(feature = "reset")]
    #[test]
    fn what_the_host_writes_is_reset_as_well() {
        let _ticking = Ticking::start().unwrap();
        let (mut store, mut direct) = instance(5000, 1000, FIVE);
        let before = direct.memory.data(&store).to_vec();
        for length in [5000, 1, 17, 3000, 60_536] {
            let request = vec![7; length];
            let answer = direct.call(&mut store, &request, 5, |it| Ok(it.to_vec()));
            assert_eq!(answer.unwrap(), b"five!", "{length}");
            assert!(direct.memory.data(&store) != before, "{length}");
            assert!(direct.reset(&mut store));
            assert!(direct.memory.data(&store) == before, "{length}");
        }
    }

    #[test]
    fn an_answer_beyond_the_memory_or_too_long_is_refused() {
        let _ticking = Ticking::start().unwrap();
        let invalid = |fault: &Fault| matches!(fault, Fault::InvalidOutput(_));
        let answered = |room, answer, more: &str, most| {
            let (mut store, mut direct) = instance(room, answer, more);
            direct.call(&mut store, b"request", most, |it| Ok(it.len()))
        };
        assert_eq!(answered(0, 1000, FIVE, 5), Ok(5));
        assert_eq!(answered(0, 1000, FIVE, 4), Err(Fault::OutputTooLarge));
        for (what, room, answer, more) in [
            ("no room", -1, 1000, FIVE),
            ("room that reaches beyond", 65_530, 1000, FIVE),
            ("not aligned", 0, 1002, FIVE),
            ("at the end", 0, 65_532, FIVE),
            ("beyond the end", 0, 65_536, FIVE),
            ("at the end of all memory", 0, -4, FIVE),
            (
                "a block that reaches beyond",
                0,
                1000,
                r#"(data (i32.const 1000) "\fe\ff\00\00\03\00\00\00")"#,
            ),
            (
                "a block whose end is no number",
                0,
                1000,
                r#"(data (i32.const 1000) "\ff\ff\ff\ff\03\00\00\00")"#,
            ),
        ] {
            let fault = answered(room, answer, more, 100).unwrap_err();
            assert!(invalid(&fault), "{what}: {fault}");
        }
    }
}
