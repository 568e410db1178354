//! Runs a module in both forms, and compares them.

use crate::generate::{COUNTERS, Call, GLOBALS, Generated, MOST_PAGES, PAGE, TABLE};
use crate::tally::{EXECUTED, REFUSED, STORES, Tally};
use arbitrary::Unstructured;
use portcullis_reset::{Bounds, DIFFERS, RESET, Refused, rewrite, rewrite_without};
use portcullis_sandbox::{PagemapScan, engine_settings};
use wasmtime::{Engine, Instance, Memory, Module, OptLevel, Store, Trap, TypedFunc, Val};

/// Bounds of generated modules.
const BOUNDS: Bounds = Bounds {
    memory_bytes: MOST_PAGES as u64 * PAGE as u64,
    added_bytes: (MOST_PAGES as u64 + 1) * PAGE as u64,
};

/// A difference between the two forms, in words.
type Difference = String;

/// Runs modules on the engine of decisions.
pub struct Bench {
    /// With the settings of decisions.
    engine: Engine,
    /// With the same settings, but for code that is compiled faster and runs slower.
    fast: Engine,
}

impl Bench {
    /// Makes the engines.
    ///
    /// # Errors
    ///
    /// Those of the runtime.
    pub fn new() -> wasmtime::Result<Self> {
        let settings = || {
            let mut settings = engine_settings(PagemapScan::Off);
            settings.parallel_compilation(false);
            settings
        };
        Ok(Self {
            engine: Engine::new(&settings())?,
            fast: Engine::new(settings().cranelift_opt_level(OptLevel::None))?,
        })
    }

    /// Makes a module of `choices`, runs it in both forms, and adds its counts to `tally`.
    ///
    /// The marks of the instruction called `omitted` are left out, if there is one. One in 16 modules is
    /// compiled with the settings of decisions, the others with those that compile faster.
    ///
    /// # Errors
    ///
    /// The difference that was found, or the reason why there is nothing to compare.
    pub fn check(
        &self,
        choices: &mut Unstructured<'_>,
        omitted: Option<&str>,
        tally: &mut Tally,
    ) -> Result<(), Difference> {
        let engine = match choices.ratio(1, 16).unwrap_or_default() {
            true => &self.engine,
            false => &self.fast,
        };
        let generated = Generated::new(choices).map_err(|error| error.to_string())?;
        let rewritten = match omitted {
            None => rewrite(&generated.bytes, &BOUNDS),
            Some(omitted) => rewrite_without(&generated.bytes, &BOUNDS, omitted),
        };
        let rewritten = match (rewritten, generated.refused) {
            (Ok(rewritten), None) => rewritten,
            (Err(Refused::Instruction(found)), Some(planted)) if found == REFUSED[planted] => {
                tally.refused[planted] += 1;
                return Ok(());
            }
            (Ok(_), Some(planted)) => {
                return Err(format!("`{}` is not refused", REFUSED[planted]));
            }
            (Err(refused), _) => return Err(format!("it is refused: {refused}")),
        };
        let compile = |bytes: &[u8]| {
            Module::from_binary(engine, bytes)
                .map_err(|error| format!("it does not compile: {error:#}"))
        };
        let (plain, rewritten) = (compile(&generated.bytes)?, compile(&rewritten)?);
        tally.ran += 1;
        let before: u64 = tally.executed[..STORES].iter().sum();
        let result = side_by_side(&plain, &rewritten, &generated.calls, tally);
        let after: u64 = tally.executed[..STORES].iter().sum();
        tally.with_a_hundred_stores += u64::from(after - before >= 100);
        result
    }
}

fn side_by_side(
    plain: &Module,
    rewritten: &Module,
    calls: &[Call],
    tally: &mut Tally,
) -> Result<(), Difference> {
    let mut reused = Running::new(rewritten)?;
    let reset: TypedFunc<(u32, u32), ()> = reused.function(RESET)?;
    let differs: TypedFunc<(), i32> = reused.function(DIFFERS)?;
    for (number, call) in (1..).zip(calls) {
        // The instance that was reset is compared with a fresh one of the plain module.
        let mut fresh = Running::new(plain)?;
        compare(&mut fresh, &mut reused, &format!("before call {number}"))?;
        let answers = [fresh.call(call)?, reused.call(call)?];
        tally.calls += 1;
        if answers[0] != answers[1] {
            return Err(format!("call {number} answers {answers:?}"));
        }
        tally.traps += u64::from(answers[0].is_err());
        fresh.count(tally);
        compare(&mut fresh, &mut reused, &format!("after call {number}"))?;
        if reused.has_grown() {
            // The host discards it.
            tally.grown += 1;
            reused = Running::new(rewritten)?;
            return compare(&mut Running::new(plain)?, &mut reused, "as it begins");
        }
        let length = u32::try_from(call.written.len()).unwrap_or_default();
        let failed = |error: wasmtime::Error| format!("`reset` failed: {error:#}");
        reset
            .call(&mut reused.store, (call.at, length))
            .map_err(failed)?;
        tally.resets += 1;
        if differs.call(&mut reused.store, ()).map_err(failed)? != 0 {
            return Err(format!(
                "after call {number} and a reset, `differs` finds a difference"
            ));
        }
    }
    compare(&mut Running::new(plain)?, &mut reused, "at the end")
}

/// An instance in its store.
struct Running {
    store: Store<()>,
    instance: Instance,
    memory: Memory,
    initial_bytes: usize,
}

impl Running {
    fn new(module: &Module) -> Result<Self, Difference> {
        let mut store = Store::new(module.engine(), ());
        // No thread advances the epoch.
        store.set_epoch_deadline(1);
        let instance = Instance::new(&mut store, module, &[])
            .map_err(|error| format!("it is not instantiated: {error:#}"))?;
        let memory = instance
            .get_memory(&mut store, "memory")
            .ok_or("it has no memory")?;
        Ok(Self {
            initial_bytes: memory.data_size(&store),
            store,
            instance,
            memory,
        })
    }

    fn function<P: wasmtime::WasmParams, R: wasmtime::WasmResults>(
        &mut self,
        name: &str,
    ) -> Result<TypedFunc<P, R>, Difference> {
        self.instance
            .get_typed_func(&mut self.store, name)
            .map_err(|error| format!("`{name}`: {error:#}"))
    }

    /// Writes to its memory as the host does, and calls it.
    fn call(&mut self, call: &Call) -> Result<Result<i32, Trap>, Difference> {
        self.memory
            .write(&mut self.store, call.at as usize, &call.written)
            .map_err(|error| error.to_string())?;
        let evaluate: TypedFunc<(i32, i32), i32> = self.function("evaluate")?;
        match evaluate.call(&mut self.store, call.arguments) {
            Ok(answer) => Ok(Ok(answer)),
            Err(error) => match error.downcast_ref::<Trap>() {
                Some(trap) => Ok(Err(*trap)),
                None => Err(format!("it failed otherwise: {error:#}")),
            },
        }
    }

    fn has_grown(&self) -> bool {
        self.memory.data_size(&self.store) > self.initial_bytes
    }

    fn global(&mut self, index: u32) -> Option<u128> {
        let global = self
            .instance
            .get_global(&mut self.store, &index.to_string())?;
        Some(match global.get(&mut self.store) {
            Val::I32(number) => u128::from(number.cast_unsigned()),
            Val::I64(number) => u128::from(number.cast_unsigned()),
            Val::F32(bits) => u128::from(bits),
            Val::F64(bits) => u128::from(bits),
            Val::V128(bits) => bits.as_u128(),
            _ => return None,
        })
    }

    /// Adds its counts of instructions.
    fn count(&mut self, tally: &mut Tally) {
        for (index, _) in (COUNTERS..).zip(EXECUTED) {
            let count = self.global(index).unwrap_or_default();
            tally.executed[(index - COUNTERS) as usize] += u64::try_from(count).unwrap_or_default();
        }
    }

    /// For each element of its table, true if it is null.
    fn table(&mut self) -> Option<Vec<bool>> {
        let table = self.instance.get_table(&mut self.store, "table")?;
        (0..table.size(&self.store))
            .map(|slot| {
                Some(matches!(
                    table.get(&mut self.store, slot)?,
                    wasmtime::Ref::Func(None)
                ))
            })
            .collect()
    }
}

/// Compares the whole state of two instances.
fn compare(plain: &mut Running, reused: &mut Running, when: &str) -> Result<(), Difference> {
    let memories = [
        plain.memory.data(&plain.store),
        reused.memory.data(&reused.store),
    ];
    if memories[0] != memories[1] {
        let at = memories[0]
            .iter()
            .zip(memories[1])
            .position(|(one, other)| one != other);
        return Err(match at {
            Some(at) => format!("{when}, the memories differ at {at}"),
            None => format!("{when}, the memories have different sizes"),
        });
    }
    for index in 0..GLOBALS {
        let values = [plain.global(index), reused.global(index)];
        if values[0] != values[1] || values[0].is_none() {
            return Err(format!("{when}, global {index} is {values:?}"));
        }
    }
    let tables = [plain.table(), reused.table()];
    if tables[0] != tables[1] || tables[0].as_ref().map(Vec::len) != Some(TABLE as usize) {
        return Err(format!("{when}, the tables are {tables:?}"));
    }
    Ok(())
}
