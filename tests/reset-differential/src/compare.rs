//! Runs a module in both forms, and compares them.

use crate::generate::{Call, Generated};
use crate::layout::{MOST_PAGES, PAGE, TABLE};
use crate::tally::{REFUSED, STORES, Tally};
use arbitrary::Unstructured;
use portcullis_reset::{Bounds, DIFFERS, RESET, Refused, rewrite, rewrite_without};
use portcullis_sandbox::{PagemapScan, engine_settings};
use wasmtime::{
    Engine, Global, Instance, Memory, Module, OptLevel, RegallocAlgorithm, Store, Trap, TypedFunc,
    Val,
};

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
    /// With the same settings, but for code that is compiled faster, runs slower, and cannot be interrupted.
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
            fast: Engine::new(
                settings()
                    .cranelift_opt_level(OptLevel::None)
                    .cranelift_regalloc_algorithm(RegallocAlgorithm::SinglePass)
                    .epoch_interruption(false)
                    .table_lazy_init(false),
            )?,
        })
    }

    /// Makes a module of `choices`, runs it in both forms, and adds its counts to `tally`.
    ///
    /// The marks of the instruction called `omitted` are left out, if there is one. One in 64 modules is
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
        let engine = match choices.ratio(1, 64).unwrap_or_default() {
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
        let result = side_by_side(&plain, &rewritten, &generated, tally);
        let after: u64 = tally.executed[..STORES].iter().sum();
        tally.with_a_hundred_stores += u64::from(after - before >= 100);
        result
    }
}

fn side_by_side(
    plain: &Module,
    rewritten: &Module,
    generated: &Generated,
    tally: &mut Tally,
) -> Result<(), Difference> {
    let globals = generated.counters.globals();
    let mut reused = Running::new(rewritten, globals)?;
    let reset: TypedFunc<(u32, u32), ()> = reused.function(RESET)?;
    let differs: TypedFunc<(), i32> = reused.function(DIFFERS)?;
    let mut beginning = None;
    for (number, call) in (1..).zip(&generated.calls) {
        let mut fresh = Running::new(plain, globals)?;
        let beginning = match &beginning {
            Some(beginning) => beginning,
            None => beginning.insert(fresh.state()?),
        };
        // The instance that was reset is compared with a fresh one of the plain module.
        if number == 1 {
            beginning.compare(&mut reused, "as it begins")?;
        }
        let answers = [fresh.call(call)?, reused.call(call)?];
        tally.calls += 1;
        if answers[0] != answers[1] {
            return Err(format!("call {number} answers {answers:?}"));
        }
        tally.traps += u64::from(answers[0].is_err());
        let after = (fresh.globals()?, fresh.table()?);
        let memory = fresh.memory.data(&fresh.store);
        compare(
            (memory, &after.0, &after.1),
            &mut reused,
            &format!("after call {number}"),
        )?;
        let value = |global: u32| after.0[global as usize];
        for (index, count) in generated.counters.read(value) {
            tally.executed[index] += count;
        }
        if memory.len() > beginning.memory.len() {
            // The host discards it.
            tally.grown += 1;
            return Ok(());
        }
        let length = u32::try_from(call.written.len()).unwrap_or_default();
        let failed = |error: wasmtime::Error| format!("`reset` failed: {error:#}");
        reset
            .call(&mut reused.store, (call.at, length))
            .map_err(failed)?;
        tally.resets += 1;
        beginning.compare(&mut reused, &format!("after call {number} and a reset"))?;
        if differs.call(&mut reused.store, ()).map_err(failed)? != 0 {
            return Err(format!(
                "after call {number} and a reset, `differs` finds a difference"
            ));
        }
    }
    Ok(())
}

/// The whole state of an instance.
struct State {
    memory: Vec<u8>,
    /// The bits of each global.
    globals: Vec<u128>,
    /// For each element of the table, true if it is null.
    table: Vec<bool>,
}

impl State {
    fn compare(&self, other: &mut Running, when: &str) -> Result<(), Difference> {
        compare((&self.memory, &self.globals, &self.table), other, when)
    }
}

/// Compares memory, globals and table with those of `other`.
fn compare(
    (memory, globals, table): (&[u8], &[u128], &[bool]),
    other: &mut Running,
    when: &str,
) -> Result<(), Difference> {
    let found = other.memory.data(&other.store);
    if memory != found {
        let mut pairs = memory.iter().zip(found);
        return Err(match pairs.position(|(one, other)| one != other) {
            Some(at) => format!("{when}, the memories differ at {at}"),
            None => format!("{when}, the memories have different sizes"),
        });
    }
    let found = other.globals()?;
    if globals != found {
        return Err(format!(
            "{when}, the globals are {globals:x?} and {found:x?}"
        ));
    }
    let found = other.table()?;
    if table != found || table.len() != TABLE as usize {
        return Err(format!("{when}, the tables are {table:?} and {found:?}"));
    }
    Ok(())
}

/// An instance in its store.
struct Running {
    store: Store<()>,
    instance: Instance,
    memory: Memory,
    globals: Vec<Global>,
}

impl Running {
    /// An instance of `module`, which exports its `globals` under their numbers.
    fn new(module: &Module, globals: u32) -> Result<Self, Difference> {
        let mut store = Store::new(module.engine(), ());
        // No thread advances the epoch.
        store.set_epoch_deadline(1);
        let instance = Instance::new(&mut store, module, &[])
            .map_err(|error| format!("it is not instantiated: {error:#}"))?;
        let memory = instance
            .get_memory(&mut store, "memory")
            .ok_or("it has no memory")?;
        let globals = (0..globals)
            .map(|index| instance.get_global(&mut store, &index.to_string()))
            .collect::<Option<_>>()
            .ok_or("a global is not exported")?;
        Ok(Self {
            store,
            instance,
            memory,
            globals,
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

    fn state(&mut self) -> Result<State, Difference> {
        Ok(State {
            memory: self.memory.data(&self.store).to_vec(),
            globals: self.globals()?,
            table: self.table()?,
        })
    }

    fn globals(&mut self) -> Result<Vec<u128>, Difference> {
        let store = &mut self.store;
        let bits = self.globals.iter().map(|global| {
            Ok(match global.get(&mut *store) {
                Val::I32(number) => u128::from(number.cast_unsigned()),
                Val::I64(number) => u128::from(number.cast_unsigned()),
                Val::F32(bits) => u128::from(bits),
                Val::F64(bits) => u128::from(bits),
                Val::V128(bits) => bits.as_u128(),
                _ => return Err("a global is no number".to_owned()),
            })
        });
        bits.collect()
    }

    fn table(&mut self) -> Result<Vec<bool>, Difference> {
        let table = self.instance.get_table(&mut self.store, "table");
        let table = table.ok_or("it has no table")?;
        let elements = (0..table.size(&self.store)).map(|slot| {
            let element = table.get(&mut self.store, slot);
            Ok(matches!(
                element.ok_or("its table is shorter")?,
                wasmtime::Ref::Func(None)
            ))
        });
        elements.collect()
    }
}
