//! Modules in text form, run beside their initial state. Random ones are in `tests/reset-differential`.

mod golden;

use super::*;
use wasmtime::{Engine, Instance, Linker, Store, Val};

const BOUNDS: Bounds = Bounds {
    memory_bytes: 4 * 64 * 1024,
    added_bytes: 8 * 64 * 1024,
};

fn engine() -> Engine {
    Engine::new(&wasmtime::Config::new()).unwrap()
}

fn instantiate(engine: &Engine, module: &[u8]) -> (Store<()>, Instance) {
    let module = wasmtime::Module::new(engine, module).unwrap();
    let mut store = Store::new(engine, ());
    let instance = Linker::new(engine)
        .instantiate(&mut store, &module)
        .unwrap();
    (store, instance)
}

fn memory(store: &mut Store<()>, instance: &Instance) -> Vec<u8> {
    let memory = instance.get_memory(&mut *store, "memory").unwrap();
    memory.data(&*store).to_vec()
}

fn reset(store: &mut Store<()>, instance: &Instance) {
    let reset = instance
        .get_typed_func::<(i32, i32), ()>(&mut *store, RESET)
        .unwrap();
    reset.call(store, (0, 0)).unwrap();
}

fn differs(store: &mut Store<()>, instance: &Instance) -> bool {
    let differs = instance
        .get_typed_func::<(), i32>(&mut *store, DIFFERS)
        .unwrap();
    differs.call(store, ()).unwrap() != 0
}

fn call(store: &mut Store<()>, instance: &Instance, a: i32, b: i32) -> i32 {
    let evaluate = instance
        .get_typed_func::<(i32, i32), i32>(&mut *store, "evaluate")
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
          {more}
          (func (export "evaluate") (param i32 i32) (result i32) {body}))"#
    );
    wat::parse_str(text).unwrap()
}

fn rewritten(more: &str, body: &str) -> Vec<u8> {
    rewrite(&module(more, body), &BOUNDS).unwrap()
}

/// Each instruction that writes one value, with a value for it, and the bytes that it writes.
fn stores() -> Vec<(&'static str, &'static str, i32)> {
    let v128 = "(v128.const i32x4 -1 -1 -1 -1)";
    vec![
        ("i32.store", "(i32.const -1)", 4),
        ("i32.store8", "(i32.const -1)", 1),
        ("i32.store16", "(i32.const -1)", 2),
        ("i64.store", "(i64.const -1)", 8),
        ("i64.store8", "(i64.const -1)", 1),
        ("i64.store16", "(i64.const -1)", 2),
        ("i64.store32", "(i64.const -1)", 4),
        ("f32.store", "(f32.const -1.5)", 4),
        ("f64.store", "(f64.const -1.5)", 8),
        ("v128.store", v128, 16),
        ("v128.store8_lane", v128, 1),
        ("v128.store16_lane", v128, 2),
        ("v128.store32_lane", v128, 4),
        ("v128.store64_lane", v128, 8),
    ]
}

#[test]
fn resets_each_write_of_one_value() {
    let engine = engine();
    let mut changed = 0;
    for (name, value, width) in stores() {
        for offset in [0, 7, 65_536] {
            let lane = if name.ends_with("_lane") { " 1" } else { "" };
            let body =
                format!("({name} offset={offset}{lane} (local.get 0) {value}) (local.get 0)");
            let (mut store, instance) = instantiate(&engine, &rewritten("", &body));
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
                assert!(memory(&mut store, &instance) != before);
                assert!(differs(&mut store, &instance), "{name} {offset} {address}");
                changed += 1;
                reset(&mut store, &instance);
                assert!(
                    memory(&mut store, &instance) == before,
                    "{name} {offset} {address}"
                );
                assert!(!differs(&mut store, &instance), "{name} {offset} {address}");
            }
        }
    }
    assert_eq!(changed, 14 * 3 * 10);
}

#[test]
fn resets_each_write_of_a_range() {
    let engine = engine();
    for body in [
        "(memory.fill (local.get 0) (i32.const 7) (local.get 1))",
        "(memory.copy (local.get 0) (i32.const 1001) (local.get 1))",
    ] {
        let module = rewritten("", &format!("{body} (local.get 1)"));
        let (mut store, instance) = instantiate(&engine, &module);
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
    let module = rewritten(
        "",
        "(memory.init $passive (local.get 0) (i32.const 1) (local.get 1)) (i32.const 0)",
    );
    let (mut store, instance) = instantiate(&engine, &module);
    let before = memory(&mut store, &instance);
    for address in [0, 1010, 3 * 65_536 - 20] {
        call(&mut store, &instance, address, 20);
        assert!(memory(&mut store, &instance) != before);
        reset(&mut store, &instance);
        assert!(memory(&mut store, &instance) == before);
    }
}

/// A global of each type, exported under its type's name.
const GLOBALS: &str = r#"
    (global $i32 (export "i32") (mut i32) (i32.const 11)) (global $kept i32 (i32.const 5))
    (global $i64 (export "i64") (mut i64) (i64.const -12))
    (global $f32 (export "f32") (mut f32) (f32.const 1.5))
    (global $f64 (export "f64") (mut f64) (f64.const nan:0x123))
    (global $v128 (export "v128") (mut v128) (v128.const i32x4 1 2 3 4))"#;

#[test]
fn resets_and_compares_each_type_of_global() {
    let module = rewritten(GLOBALS, "(i32.const 0)");
    let (mut store, instance) = instantiate(&engine(), &module);
    // One value of each type, and for floats one that is equal as a number, or no number either.
    for (name, value) in [
        ("i32", Val::I32(12)),
        ("i64", Val::I64(-12 ^ (1 << 40))),
        ("f32", Val::F32(0x3fc0_0001)),
        ("f64", Val::F64(0x7ff0_0000_0000_0124)),
        ("v128", Val::V128((1 << 100).into())),
    ] {
        let global = instance.get_global(&mut store, name).unwrap();
        let before = format!("{:?}", global.get(&mut store));
        assert!(!differs(&mut store, &instance), "{name}");
        global.set(&mut store, value).unwrap();
        assert!(differs(&mut store, &instance), "{name}");
        reset(&mut store, &instance);
        assert_eq!(format!("{:?}", global.get(&mut store)), before);
        assert!(!differs(&mut store, &instance), "{name}");
    }
}

#[test]
fn compares_every_byte_whether_it_is_marked_or_not() {
    let (mut store, instance) = instantiate(&engine(), &rewritten("", "(i32.const 0)"));
    let memory = instance.get_memory(&mut store, "memory").unwrap();
    for at in [
        0,
        7,
        8,
        24,
        31,
        32,
        1000,
        65_535,
        131_072,
        3 * 65_536 - 33,
        3 * 65_536 - 1,
    ] {
        for bit in [1, 128] {
            let byte = &mut memory.data_mut(&mut store)[at];
            *byte ^= bit;
            assert!(differs(&mut store, &instance), "{at}");
            // No mark says that it was written.
            reset(&mut store, &instance);
            assert!(differs(&mut store, &instance), "{at}");
            memory.data_mut(&mut store)[at] ^= bit;
            assert!(!differs(&mut store, &instance), "{at}");
        }
    }
}

#[test]
fn an_instance_that_grows_may_write_to_all_of_its_memory() {
    let body = "(drop (memory.grow (i32.const 1)))
        (memory.fill (i32.const 0) (i32.const 1) (i32.const 262144))
        (i32.store (i32.const 262140) (i32.const 7)) (i32.load (i32.const 262140))";
    let (mut store, instance) = instantiate(&engine(), &rewritten("", body));
    assert_eq!(call(&mut store, &instance, 0, 0), 7);
}

#[test]
fn refuses_modules_that_change_a_table_or_drop_a_segment() {
    let table = "(table 2 funcref) (elem (i32.const 0) func $f) (elem $e func $f) (func $f)";
    for (code, refused) in [
        ("(call_indirect (i32.const 0))", None),
        ("(drop (table.get (i32.const 0)))", None),
        ("(drop (table.size))", None),
        (
            "(table.set (i32.const 0) (ref.null func))",
            Some("TableSet"),
        ),
        (
            "(drop (table.grow (ref.null func) (i32.const 1)))",
            Some("TableGrow"),
        ),
        (
            "(table.fill (i32.const 0) (ref.null func) (i32.const 1))",
            Some("TableFill"),
        ),
        (
            "(table.copy (i32.const 0) (i32.const 1) (i32.const 1))",
            Some("TableCopy"),
        ),
        (
            "(table.init $e (i32.const 0) (i32.const 0) (i32.const 1))",
            Some("TableInit"),
        ),
        ("(elem.drop $e)", Some("ElemDrop")),
        ("(data.drop $passive)", Some("DataDrop")),
    ] {
        let module = module(table, &format!("{code} (i32.const 0)"));
        let found = rewrite(&module, &BOUNDS).err();
        assert_eq!(found, refused.map(Refused::Instruction), "{code}");
    }
}

#[test]
fn refuses_modules_of_other_forms() {
    let refused = |text: &str| rewrite(&wat::parse_str(text).unwrap(), &BOUNDS).unwrap_err();
    for (text, item) in [
        ("(module)", "no memory"),
        (r#"(module (import "a" "b" (func)) (memory 1))"#, "imports"),
        (
            "(module (memory 1) (start $s) (func $s))",
            "a start function",
        ),
        (
            r#"(module (memory 1) (func (export "differs")))"#,
            "an export called `reset` or `differs`",
        ),
    ] {
        assert_eq!(refused(text), Refused::Item(item), "{text}");
    }
    for text in [
        "(module (memory 1) (memory 1))",
        "(module (memory 1 1 shared) (func (drop (memory.atomic.notify (i32.const 0) (i32.const 0)))))",
        "(module (memory i64 1))",
        "(module (memory 1) (func $f (return_call $f)))",
    ] {
        assert!(matches!(refused(text), Refused::Invalid(_)), "{text}");
    }
    for text in ["(module (memory 0))", "(module (memory 5))"] {
        assert_eq!(refused(text), Refused::Memory, "{text}");
    }
    let global = "(module (memory 1) (global (mut funcref) (ref.func $f)) (func $f))";
    assert_eq!(refused(global), Refused::NotConstant);
    let neighbour = "(module (memory 4) (global funcref (ref.func $f)) (func $f))";
    assert!(rewrite(&wat::parse_str(neighbour).unwrap(), &BOUNDS).is_ok());
}

#[test]
fn leaves_out_the_marks_of_the_named_instruction_only() {
    let body = "(i32.store (i32.const 0) (i32.const 1)) (i32.store8 (i32.const 9000) (i32.const 1))
        (i32.const 0)";
    for (omitted, differs_after) in [
        ("I32Store", true),
        ("I32Store8", true),
        ("I32Store16", false),
        ("MemoryFill", false),
    ] {
        let module = rewrite_without(&module("", body), &BOUNDS, omitted).unwrap();
        let (mut store, instance) = instantiate(&engine(), &module);
        call(&mut store, &instance, 0, 0);
        reset(&mut store, &instance);
        assert_eq!(differs(&mut store, &instance), differs_after, "{omitted}");
    }
}
