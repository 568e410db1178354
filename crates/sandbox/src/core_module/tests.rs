use super::*;
use wasmtime::{Engine, Instance, Linker, Store};

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
        assert!(lower(&component).is_none(), "{what}");
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
        assert!(lower(&with_module(&module)).is_none(), "{what}");
    }
    assert!(lower(&with_module(MODULE)).is_some());
}

/// The core module made of `module`, which exports `evaluate` and `cabi_realloc`.
fn core_of(module: &[u8]) -> Option<Vec<u8>> {
    let module = Module::read(module).unwrap();
    let function = |name| module.export(name, ExternalKind::Func).unwrap();
    let exported = Exported {
        realloc: function("cabi_realloc"),
        evaluate: function("evaluate"),
    };
    let reached = Reached::from(&module, &[exported.realloc, exported.evaluate]).unwrap();
    rewrite::rewrite(&module, &reached, &exported)
}

fn engine() -> Engine {
    Engine::default()
}

fn instantiate(engine: &Engine, module: &[u8]) -> (Store<()>, Instance) {
    let module = wasmtime::Module::new(engine, module).unwrap();
    let mut store = Store::new(engine, ());
    let instance = Linker::new(engine)
        .instantiate(&mut store, &module)
        .unwrap();
    (store, instance)
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
fn only_what_is_reached_is_kept_and_tables_trap_as_before() {
    let more = r#"(type $taken (func (result i32))) (type $other (func (param i64)))
        (table 3 funcref) (elem (i32.const 0) func $a $b $c)
        (func $a (type $taken) (i32.const 41)) (func $b (type $other)) (func $c (param f32))
        (func $unreached (result i64) (i64.const 77777777)) (func $called (result i32) (i32.const 1))"#;
    let body = "(i32.add (call $called) (call_indirect (type $taken) (local.get 0)))";
    let module = module(more, body);
    let core = core_of(&module).unwrap();
    let read = |bytes| Module::read(bytes).map(|it| it.bodies.len());
    // `cabi_realloc`, `evaluate`, `$a`, `$called`, and one for `$b` and `$c`.
    assert_eq!(read(&module), Some(7));
    let engine = engine();
    let code = wasmtime::Module::new(&engine, &core).unwrap();
    assert_eq!(code.exports().len(), 3);
    let count = wasmparser::Parser::new(0)
        .parse_all(&core)
        .filter(|payload| matches!(payload, Ok(wasmparser::Payload::CodeSectionEntry(_))))
        .count();
    assert_eq!(count, 5);
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
