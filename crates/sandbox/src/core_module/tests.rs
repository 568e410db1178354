use super::*;
use wasm_smith::{Config, InstructionKind, InstructionKinds, MemoryOffsetChoices};
use wasmtime::{Engine, Instance, Linker, Store, Val, ValType};

const MEMORY_BYTES: usize = 4 * 64 * 1024;
const INTERFACE: &str = "portcullis:policy/packed-policy@0.2.0";

/// A component that wraps `module` as plugins are wrapped; `lift` lifts `evaluate`.
fn component(module: &str, instance: &str, lift: &str) -> Vec<u8> {
    let text = format!(
        r#"(component
          (core module $m {module})
          {instance}
          (alias core export $i "memory" (core memory $memory))
          (alias core export $i "cabi_realloc" (core func $realloc))
          (alias core export $i "other" (core func $other))
          (alias core export $i "decide" (core func $decide))
          (type $t (func (param "request" (list u8)) (result (list u8))))
          (func $other (type $t) (canon lift (core func $other) (memory $memory) (realloc $realloc)))
          (func $lifted (type $t) (canon lift (core func $decide) {lift}))
          (component $shim
            (type $t (func (param "request" (list u8)) (result (list u8))))
            (import "first" (func $first (type $t)))
            (import "second" (func $second (type $t)))
            (export "other" (func $first))
            (export "evaluate" (func $second)))
          (instance $shim (instantiate $shim
            (with "second" (func $lifted)) (with "first" (func $other))))
          (export "{INTERFACE}" (instance $shim)))"#
    );
    wat::parse_str(text).unwrap()
}

const INSTANCE: &str = "(core instance $i (instantiate $m))";
const LIFT: &str = "(memory $memory) (realloc $realloc)";
const MODULE: &str = r#"
    (memory (export "memory") 1)
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0))
    (func $ignored (param i32 i32) (result i32) (i32.const 0))
    (func (export "other") (param i32 i32) (result i32) (i32.const 1))
    (func (export "decide") (param i32 i32) (result i32) (i32.const 2))"#;

/// A plugin's component, reduced to its decision part, that wraps `module`.
pub(crate) fn wrapping(module: &str) -> Vec<u8> {
    component(module, INSTANCE, LIFT)
}

/// As [`wrapping`], for a module that does nothing.
pub(crate) fn plain() -> Vec<u8> {
    wrapping(MODULE)
}

#[test]
fn what_an_export_calls_is_found_through_what_wraps_it() {
    let component = component(MODULE, INSTANCE, LIFT);
    let found = exports::find(&component, INTERFACE, "evaluate").unwrap();
    assert_eq!(found.function, "decide");
    assert_eq!(found.realloc, "cabi_realloc");
    assert_eq!(found.memory, "memory");
    let other = exports::find(&component, INTERFACE, "other").unwrap();
    assert_eq!(other.function, "other");
    assert!(exports::find(&component, INTERFACE, "configure").is_none());
    assert!(exports::find(&component, "another:interface/x", "evaluate").is_none());
}

#[test]
fn nothing_is_found_where_a_call_would_be_more_than_a_call() {
    let with_module = |module: &str| component(module, INSTANCE, LIFT);
    let imports = MODULE.replacen("(memory", r#"(import "e" "f" (func)) (memory"#, 1);
    let given = "(core module $e (func (export \"f\"))) (core instance $e (instantiate $e))
                 (core instance $i (instantiate $m (with \"e\" (instance $e))))";
    let twice = "(core instance $j (instantiate $m)) (core instance $i (instantiate $m))";
    let post = format!("{MODULE} (func (export \"post\") (param i32))");
    let post_lift = format!("{LIFT} (post-return (core func $i \"post\"))");
    for (what, component) in [
        ("it is given imports", component(&imports, given, LIFT)),
        ("there are two instances", component(MODULE, twice, LIFT)),
        (
            "something is called afterwards",
            component(&post, INSTANCE, &post_lift),
        ),
    ] {
        assert!(
            wasmparser::Validator::new()
                .validate_all(&component)
                .is_ok(),
            "{what}"
        );
        assert!(
            exports::find(&component, INTERFACE, "evaluate").is_none(),
            "{what}"
        );
        assert!(lower(&component, false, MEMORY_BYTES).is_none(), "{what}");
    }
    for (what, module) in [
        (
            "it runs when it is instantiated",
            format!("{MODULE} (start $s) (func $s)"),
        ),
        (
            "it uses what is not known of",
            format!("{MODULE} (func (param i32) (return_call 2 (local.get 0) (local.get 0)) drop)")
                .replace(
                    "(return_call 2 (local.get 0) (local.get 0)) drop",
                    "(drop (memory.atomic.notify (local.get 0) (local.get 0)))",
                ),
        ),
    ] {
        assert!(
            lower(&with_module(&module), false, MEMORY_BYTES).is_none(),
            "{what}"
        );
    }
    assert!(lower(&with_module(MODULE), false, MEMORY_BYTES).is_some());
}

/// The core module made of `module`, which exports `evaluate` and `cabi_realloc`.
fn core_of(module: &[u8], resettable: bool) -> Option<Vec<u8>> {
    let module = Module::read(module).unwrap();
    let function = |name| module.export(name, ExternalKind::Func).unwrap();
    let exported = Exported {
        realloc: function("cabi_realloc"),
        evaluate: function("evaluate"),
    };
    let reached = Reached::from(&module, &[exported.realloc, exported.evaluate]).unwrap();
    let aside = resettable
        .then(|| aside(&module, &reached, MEMORY_BYTES))
        .flatten();
    if resettable && aside.is_none() {
        return None;
    }
    rewrite::rewrite(&module, &reached, &exported, aside.as_ref())
}

fn engine() -> Engine {
    let mut config = wasmtime::Config::new();
    config.consume_fuel(true);
    Engine::new(&config).unwrap()
}

fn instantiate(engine: &Engine, module: &[u8]) -> (Store<()>, Instance) {
    let module = wasmtime::Module::new(engine, module).unwrap();
    let mut store = Store::new(engine, ());
    store.set_fuel(1_000_000).unwrap();
    let instance = Linker::new(engine)
        .instantiate(&mut store, &module)
        .unwrap();
    (store, instance)
}

fn memory(store: &mut Store<()>, instance: &Instance) -> Vec<u8> {
    let memory = instance.get_memory(&mut *store, MEMORY).unwrap();
    memory.data(&*store).to_vec()
}

fn reset(store: &mut Store<()>, instance: &Instance) {
    let reset = instance
        .get_typed_func::<(i32, i32), ()>(&mut *store, RESET)
        .unwrap();
    store.set_fuel(10_000_000).unwrap();
    reset.call(store, (0, 0)).unwrap();
}

fn call(store: &mut Store<()>, instance: &Instance, a: i32, b: i32) -> i32 {
    let evaluate = instance
        .get_typed_func::<(i32, i32), i32>(&mut *store, EVALUATE)
        .unwrap();
    evaluate.call(store, (a, b)).unwrap()
}

/// A module of three pages with data in memory; `evaluate` has the given body.
fn module(more: &str, body: &str) -> Vec<u8> {
    let text = format!(
        r#"(module (memory (export "memory") 3)
          (data (i32.const 1000) "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz")
          (data (i32.const 196600) "the end.")
          (data $passive "passive bytes, some of them")
          (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0))
          {more}
          (func (export "evaluate") (param i32 i32) (result i32) {body}))"#
    );
    wat::parse_str(text).unwrap()
}

#[test]
fn whatever_an_instruction_writes_is_put_back() {
    let v128 = "(v128.const i32x4 -1 -1 -1 -1)";
    let mut writes = vec![
        ("i32.store", "(i32.const -1)".to_owned(), 4),
        ("i32.store8", "(i32.const -1)".to_owned(), 1),
        ("i32.store16", "(i32.const -1)".to_owned(), 2),
        ("i64.store", "(i64.const -1)".to_owned(), 8),
        ("i64.store8", "(i64.const -1)".to_owned(), 1),
        ("i64.store16", "(i64.const -1)".to_owned(), 2),
        ("i64.store32", "(i64.const -1)".to_owned(), 4),
        ("f32.store", "(f32.const -1.5)".to_owned(), 4),
        ("f64.store", "(f64.const -1.5)".to_owned(), 8),
        ("v128.store", v128.to_owned(), 16),
    ];
    for (lanes, bits) in [(16, 8), (8, 16), (4, 32), (2, 64)] {
        let name: &'static str = [
            "v128.store8_lane",
            "v128.store16_lane",
            "v128.store32_lane",
            "v128.store64_lane",
        ][[8, 16, 32, 64].iter().position(|it| *it == bits).unwrap()];
        assert!(lanes * bits == 128);
        writes.push((name, v128.to_owned(), bits / 8));
    }
    let engine = engine();
    let mut changed = 0;
    for (name, value, width) in writes {
        for offset in [0, 7, 65_536] {
            let lane = if name.ends_with("_lane") { " 1" } else { "" };
            let body =
                format!("({name} offset={offset}{lane} (local.get 0) {value}) (local.get 0)");
            let module = module("", &body);
            let (mut store, instance) = instantiate(&engine, &core_of(&module, true).unwrap());
            let before = memory(&mut store, &instance);
            let last = 3 * 65_536 - width - offset;
            for address in [
                0,
                1,
                999,
                1017,
                1023,
                1024,
                2047 - offset % 1024,
                65_535,
                last - 1,
                last,
            ] {
                assert_eq!(call(&mut store, &instance, address, 0), address);
                changed += usize::from(memory(&mut store, &instance) != before);
                reset(&mut store, &instance);
                assert!(
                    memory(&mut store, &instance) == before,
                    "{name} {offset} {address}"
                );
            }
        }
    }
    assert_eq!(changed, 14 * 3 * 10);
}

#[test]
fn whatever_many_bytes_are_written_are_put_back() {
    let engine = engine();
    for body in [
        "(memory.fill (local.get 0) (i32.const 7) (local.get 1))",
        "(memory.copy (local.get 0) (i32.const 1001) (local.get 1))",
    ] {
        let module = module("", &format!("{body} (local.get 1)"));
        let (mut store, instance) = instantiate(&engine, &core_of(&module, true).unwrap());
        let before = memory(&mut store, &instance);
        for address in [0, 1000, 1023, 1024, 70_000] {
            for length in [0, 1, 2, 1023, 1024, 1025, 5000, 100_000] {
                call(&mut store, &instance, address, length);
                assert_eq!(
                    memory(&mut store, &instance) == before,
                    length == 0,
                    "{body}"
                );
                reset(&mut store, &instance);
                assert!(
                    memory(&mut store, &instance) == before,
                    "{body} {address} {length}"
                );
            }
        }
        call(&mut store, &instance, 0, 3 * 65_536 - 2000);
        call(&mut store, &instance, 3 * 65_536 - 10, 10);
        reset(&mut store, &instance);
        assert!(memory(&mut store, &instance) == before, "{body}");
    }
    let module = module(
        "",
        "(memory.init $passive (local.get 0) (i32.const 1) (local.get 1)) (i32.const 0)",
    );
    let (mut store, instance) = instantiate(&engine, &core_of(&module, true).unwrap());
    let before = memory(&mut store, &instance);
    for address in [0, 1010, 3 * 65_536 - 20] {
        call(&mut store, &instance, address, 20);
        assert!(memory(&mut store, &instance) != before);
        reset(&mut store, &instance);
        assert!(memory(&mut store, &instance) == before);
    }
}

#[test]
fn globals_are_put_back() {
    let globals = r#"
        (global $i32 (mut i32) (i32.const 11)) (global $kept i32 (i32.const 5))
        (global $i64 (mut i64) (i64.const -12)) (global $f32 (mut f32) (f32.const 1.5))
        (global $f64 (mut f64) (f64.const nan:0x123)) (global $v128 (mut v128) (v128.const i32x4 1 2 3 4))"#;
    // With 0 it writes to all globals, otherwise it returns one of them.
    let body = "(if (i32.eqz (local.get 0)) (then
            (global.set $i32 (i32.const 99)) (global.set $i64 (i64.const 99))
            (global.set $f32 (f32.const 99)) (global.set $f64 (f64.const 99))
            (global.set $v128 (v128.const i32x4 99 99 99 99))))
        (if (i32.eq (local.get 0) (i32.const 1)) (then (return (global.get $i32))))
        (if (i32.eq (local.get 0) (i32.const 2)) (then (return (i32.wrap_i64 (global.get $i64)))))
        (if (i32.eq (local.get 0) (i32.const 3)) (then (return (i32.reinterpret_f32 (global.get $f32)))))
        (if (i32.eq (local.get 0) (i32.const 4))
            (then (return (i32.wrap_i64 (i64.reinterpret_f64 (global.get $f64))))))
        (if (i32.eq (local.get 0) (i32.const 5)) (then (return (i32x4.extract_lane 3 (global.get $v128)))))
        (i32.const 0)";
    let module = module(globals, body);
    let (mut store, instance) = instantiate(&engine(), &core_of(&module, true).unwrap());
    let mut values = || [1, 2, 3, 4, 5].map(|which| call(&mut store, &instance, which, 0));
    let before = values();
    assert_eq!(before, [11, -12, 1.5_f32.to_bits().cast_signed(), 0x123, 4]);
    call(&mut store, &instance, 0, 0);
    let mut values = || [1, 2, 3, 4, 5].map(|which| call(&mut store, &instance, which, 0));
    assert!(
        values()
            .iter()
            .zip(before)
            .all(|(now, before)| *now != before)
    );
    reset(&mut store, &instance);
    let mut values = || [1, 2, 3, 4, 5].map(|which| call(&mut store, &instance, which, 0));
    assert_eq!(values(), before);
}

#[test]
fn what_grows_may_write_to_all_that_it_gets() {
    let body = "(drop (memory.grow (i32.const 1)))
        (memory.fill (i32.const 0) (i32.const 1) (i32.const 262144))
        (i32.store (i32.const 262140) (i32.const 7)) (i32.load (i32.const 262140))";
    let (mut store, instance) = instantiate(&engine(), &core_of(&module("", body), true).unwrap());
    assert_eq!(call(&mut store, &instance, 0, 0), 7);
}

#[test]
fn what_changes_its_tables_or_drops_a_segment_cannot_be_put_back() {
    let table = "(table 2 funcref) (elem (i32.const 0) func $f) (elem $e func $f) (func $f)";
    for (what, resettable) in [
        ("(call_indirect (i32.const 0))", true),
        ("(drop (table.get (i32.const 0)))", true),
        ("(table.set (i32.const 0) (ref.null func))", false),
        ("(drop (table.grow (ref.null func) (i32.const 1)))", false),
        (
            "(table.fill (i32.const 0) (ref.null func) (i32.const 1))",
            false,
        ),
        (
            "(table.copy (i32.const 0) (i32.const 1) (i32.const 1))",
            false,
        ),
        (
            "(table.init $e (i32.const 0) (i32.const 0) (i32.const 1))",
            false,
        ),
        ("(elem.drop $e)", false),
        ("(data.drop $passive)", false),
    ] {
        let module = module(table, &format!("{what} (i32.const 0)"));
        assert_eq!(core_of(&module, true).is_some(), resettable, "{what}");
        let (mut store, instance) = instantiate(&engine(), &core_of(&module, false).unwrap());
        assert_eq!(call(&mut store, &instance, 0, 0), 0, "{what}");
    }
    let global = "(global (mut funcref) (ref.func $f)) (func $f)";
    assert!(core_of(&module(global, "(i32.const 0)"), true).is_none());
}

#[test]
fn only_what_is_reached_is_kept_and_tables_trap_as_before() {
    let more = r#"(type $taken (func (result i32))) (type $other (func (param i64)))
        (table 3 funcref) (elem (i32.const 0) func $a $b $c)
        (func $a (type $taken) (i32.const 41)) (func $b (type $other)) (func $c (param f32))
        (func $unreached (result i64) (i64.const 77777777)) (func $called (result i32) (i32.const 1))"#;
    let body = "(i32.add (call $called) (call_indirect (type $taken) (local.get 0)))";
    let module = module(more, body);
    let core = core_of(&module, true).unwrap();
    let read = |bytes| Module::read(bytes).map(|it| it.bodies.len());
    // `cabi_realloc`, `evaluate`, `$a`, `$called`, and one for `$b` and `$c`. `Module::read` takes one
    // memory, and the core module has two.
    assert_eq!(read(&module), Some(7));
    let engine = engine();
    let code = wasmtime::Module::new(&engine, &core).unwrap();
    assert_eq!(code.exports().len(), 4);
    let count = wasmparser::Parser::new(0)
        .parse_all(&core)
        .filter(|payload| matches!(payload, Ok(wasmparser::Payload::CodeSectionEntry(_))))
        .count();
    assert_eq!(count, 5 + 2);
    for (element, traps) in [(0, false), (1, true), (2, true), (3, true)] {
        for bytes in [&module, &core] {
            let (mut store, instance) = instantiate(&engine, bytes);
            let evaluate = instance
                .get_typed_func::<(i32, i32), i32>(&mut store, EVALUATE)
                .unwrap();
            let answer = evaluate.call(&mut store, (element, 0));
            assert_eq!(answer.as_ref().ok(), (!traps).then_some(&42), "{element}");
            if let Err(error) = answer {
                let trap = *error.downcast_ref::<wasmtime::Trap>().unwrap();
                let wanted = match element {
                    3 => wasmtime::Trap::TableOutOfBounds,
                    _ => wasmtime::Trap::BadSignature,
                };
                assert_eq!(trap, wanted, "{element}");
            }
        }
    }
}

/// Reproducible random numbers: xorshift64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u16 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        u16::try_from(self.0 >> 48).unwrap_or_default()
    }
}

/// True if reached code may write to memory.
fn writes(module: &Module<'_>, reached: &Reached) -> bool {
    let bodies = module.bodies.iter().zip(&reached.functions);
    bodies.filter(|(_, reached)| **reached).any(|(body, _)| {
        let mut operators = body.get_operators_reader().unwrap().into_iter();
        operators.any(|operator| {
            let name = format!("{:?}", operator.unwrap());
            name.contains("Store") || name.starts_with("Memory")
        })
    })
}

/// Makes modules from random bytes, runs each of their functions, and resets them.
#[test]
fn whatever_a_module_does_to_its_memory_is_put_back() {
    let config = Config {
        allow_start_export: false,
        allowed_instructions: InstructionKinds::new(&[
            InstructionKind::Memory,
            InstructionKind::NumericInt,
            InstructionKind::VectorInt,
            InstructionKind::Variable,
            InstructionKind::Parametric,
        ]),
        bulk_memory_enabled: true,
        disallow_traps: true,
        exceptions_enabled: false,
        extended_const_enabled: false,
        gc_enabled: false,
        max_imports: 0,
        max_memories: 1,
        min_memories: 1,
        min_funcs: 3,
        max_globals: 3,
        max_memory32_bytes: 3 * 64 * 1024,
        memory64_enabled: false,
        memory_offset_choices: MemoryOffsetChoices(99, 1, 0),
        min_data_segments: 1,
        multi_value_enabled: true,
        reference_types_enabled: false,
        relaxed_simd_enabled: false,
        simd_enabled: true,
        shared_everything_threads_enabled: false,
        tail_call_enabled: false,
        threads_enabled: false,
        ..Config::default()
    };
    let engine = engine();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let (mut ran, mut changed) = (0, 0);
    for _ in 0..1500 {
        let bytes: Vec<u8> = std::iter::repeat_with(|| random.next().to_le_bytes()[0])
            .take(6000)
            .collect();
        let mut bytes = arbitrary::Unstructured::new(&bytes);
        let Ok(mut random_module) = wasm_smith::Module::new(config.clone(), &mut bytes) else {
            continue;
        };
        if random_module.ensure_termination(2_000).is_err() {
            continue;
        }
        let bytes = random_module.to_bytes();
        let Some(module) = Module::read(&bytes) else {
            continue;
        };
        for function in 0..u32::try_from(module.bodies.len()).unwrap() {
            let exported = Exported {
                realloc: function,
                evaluate: function,
            };
            let reached = Reached::from(&module, &[function]).unwrap();
            if !writes(&module, &reached) {
                continue;
            }
            let Some(aside) = aside(&module, &reached, MEMORY_BYTES) else {
                continue;
            };
            let rewritten = rewrite::rewrite(&module, &reached, &exported, Some(&aside)).unwrap();
            let (mut store, instance) = instantiate(&engine, &rewritten);
            let before = memory(&mut store, &instance);
            let evaluate = instance.get_func(&mut store, EVALUATE).unwrap();
            let kind = evaluate.ty(&store);
            let arguments: Vec<_> = kind
                .params()
                .map(|of| match of {
                    ValType::I32 => Val::I32(i32::from(random.next())),
                    ValType::I64 => Val::I64(i64::from(random.next())),
                    other => Val::default_for_ty(&other).unwrap(),
                })
                .collect();
            let mut results = vec![Val::I32(0); kind.results().len()];
            if evaluate.call(&mut store, &arguments, &mut results).is_err() {
                continue;
            }
            let after = memory(&mut store, &instance);
            if after.len() > before.len() {
                continue;
            }
            ran += 1;
            changed += usize::from(after != before);
            reset(&mut store, &instance);
            assert!(memory(&mut store, &instance) == before);
        }
    }
    assert!(ran > 300 && changed > 10, "{changed} of {ran}");
}
