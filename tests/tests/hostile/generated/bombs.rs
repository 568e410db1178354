//! Modules that cost much to read, to compile or to snapshot for their size.
//!
//! Those that are too costly for each run of the tests have a tenth of their full size.

use super::scaled;
use crate::frame::Made;
use std::fmt::Write as _;

/// One function of 60,000 additions; the engine accepts ten times as many.
pub(crate) fn function_of_sixty_thousand_additions() -> Made {
    let body = "(local.set 0 (i32.add (i32.mul (local.get 0) (i32.const 31)) (i32.const 7)))";
    Made::Bomb(format!(
        "(func (param i32) (result i32) {} (local.get 0))",
        body.repeat(scaled(60_000))
    ))
}

/// 10,000 functions; 100,000 at full size.
pub(crate) fn functions_of_ten_thousand() -> Made {
    Made::Bomb(
        "(func (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))"
            .repeat(scaled(10_000)),
    )
}

/// A `br_table` of 100,000 targets.
pub(crate) fn br_table_of_100_000() -> Made {
    Made::Bomb(format!(
        "(func (param i32) (block $a (block $b (br_table {} (local.get 0)))))",
        "$a $b ".repeat(50_000)
    ))
}

/// A function of 50,000 locals, the most that there can be.
pub(crate) fn locals_of_50_000() -> Made {
    Made::Bomb(format!("(func (local {}))", "i64 ".repeat(50_000)))
}

/// A hundred functions of 50,000 locals each, in few bytes.
pub(crate) fn locals_in_a_hundred_functions() -> Made {
    let function = format!("(func (local {}))", "i64 ".repeat(50_000));
    Made::Bomb(function.repeat(100))
}

/// 4,000 functions, each of which calls the next.
pub(crate) fn calls_in_a_chain() -> Made {
    let mut functions = String::new();
    for index in 0..4_000 {
        let next = index + 1;
        write!(functions, "(func $f{index} (call $f{next}))").expect("text");
    }
    Made::Bomb(format!(
        "{functions} (func $f4000) (func $evaluate (result i32) (call $f0) (global.get $clean))"
    ))
}

/// An element segment of 100,000 functions; a million at full size.
pub(crate) fn elements_of_100_000() -> Made {
    Made::Bomb(format!(
        "(table 1 funcref) (func $f) (elem $e func {})",
        "$f ".repeat(scaled(100_000))
    ))
}

/// An element segment of 100,000 expressions.
pub(crate) fn elements_of_100_000_expressions() -> Made {
    Made::Bomb(format!(
        "(table 1 funcref) (elem $e funcref {})",
        "(ref.null func)".repeat(scaled(100_000))
    ))
}

/// 10,000 element segments.
pub(crate) fn segments_of_elements() -> Made {
    Made::Bomb(format!(
        "(table 1 funcref) (func $f) {}",
        "(elem (i32.const 0) $f)".repeat(scaled(10_000))
    ))
}

/// 10,000 data segments; the engine accepts ten times as many.
pub(crate) fn segments_of_data() -> Made {
    Made::Bomb("(data (i32.const 4096) \"a\")".repeat(scaled(10_000)))
}

/// 10,000 passive data segments.
pub(crate) fn segments_of_passive_data() -> Made {
    Made::Bomb("(data \"a\")".repeat(scaled(10_000)))
}

/// 1.4 MB of data; the largest file holds ten times as much.
pub(crate) fn data_of_a_megabyte() -> Made {
    Made::Bomb(format!(
        "(memory $memory 256) (data (i32.const 131072) \"{}\")",
        "ab".repeat(scaled(700_000))
    ))
}

/// 3,000 globals, which fit an instance; 100,000 do not, and cost as if they did.
pub(crate) fn globals_of_three_thousand() -> Made {
    Made::Bomb("(global (mut i32) (i32.const 7))".repeat(scaled(3_000)))
}

/// 10,000 globals that nothing changes.
pub(crate) fn globals_that_are_constant() -> Made {
    Made::Bomb("(global i32 (i32.const 7))".repeat(scaled(10_000)))
}

/// A constant expression of 50,000 additions.
pub(crate) fn constant_of_many_additions() -> Made {
    Made::Bomb(format!(
        "(global i32 i32.const 1 {})",
        "i32.const 1 i32.add ".repeat(scaled(50_000))
    ))
}

/// Blocks nested 10,000 deep; 100,000 at full size.
pub(crate) fn blocks_nested_deep() -> Made {
    Made::Bomb(format!(
        "(func {} {})",
        "block ".repeat(scaled(10_000)),
        "end ".repeat(scaled(10_000))
    ))
}

/// Loops nested 300 deep, each with a way back; 3,000 of them, in 26 KB, take a minute to compile.
pub(crate) fn loops_nested_deep() -> Made {
    Made::Bomb(format!(
        "(func (param i32) {} {})",
        "loop ".repeat(scaled(300)),
        "local.get 0 br_if 0 end ".repeat(scaled(300))
    ))
}

/// Conditions nested 1,000 deep, each with two ways; 10,000 of them take half a gigabyte to compile.
pub(crate) fn conditions_nested_deep() -> Made {
    Made::Bomb(format!(
        "(func (param i32) (result i32) {} i32.const 1 {})",
        "local.get 0 if (result i32) ".repeat(scaled(3_000)),
        "else i32.const 2 end ".repeat(scaled(3_000))
    ))
}

/// An expression of 10,000 operands before the first operation.
pub(crate) fn expression_of_many_operands() -> Made {
    Made::Bomb(format!(
        "(func (param i32) (result i32) {} {})",
        "local.get 0 ".repeat(scaled(10_000)),
        "i32.xor ".repeat(scaled(10_000) - 1)
    ))
}

/// 1,000 parameters and 1,000 results, the most that there can be, in 50 functions.
pub(crate) fn parameters_and_results_of_a_thousand() -> Made {
    let values: String = (0..1000)
        .map(|index| format!("local.get {index} "))
        .collect();
    let function = format!(
        "(func (param {}) (result {}) {values})",
        "i64 ".repeat(1000),
        "i64 ".repeat(1000)
    );
    Made::Bomb(function.repeat(50))
}

/// 60 locals that change in each of 60 nested loops, so that 3,600 values join.
///
/// With 300 of each, 12 KB take a minute to compile.
pub(crate) fn locals_that_join_in_loops() -> Made {
    let most = 60;
    let changes: String = (1..most)
        .map(|index| format!("local.get {index} i32.const 1 i32.add local.set {index} "))
        .collect();
    let ends: String = (1..most)
        .map(|index| {
            format!("local.get {index} local.get 0 i32.xor local.set {index} local.get {index} br_if 0 end ")
        })
        .collect();
    Made::Bomb(format!(
        "(func (param i32) (local {}) {} {changes} {ends})",
        "i32 ".repeat(most - 1),
        "loop ".repeat(most - 1)
    ))
}

/// 2,000 values that live at once.
pub(crate) fn values_that_live_at_once() -> Made {
    let loads: String = (0..2000)
        .map(|index| format!("local.get 0 i64.load offset={} ", index * 8))
        .collect();
    Made::Bomb(format!(
        "(func (param i32) (result i64) {loads} {})",
        "i64.add ".repeat(1999)
    ))
}

/// 20,000 shuffles of vectors.
pub(crate) fn shuffles_of_vectors() -> Made {
    let shuffle =
        "local.get 0 local.get 0 i8x16.shuffle 15 1 14 3 12 5 10 7 8 9 6 11 4 13 2 0 local.set 0 ";
    Made::Bomb(format!(
        "(func (param v128) (result v128) {} local.get 0)",
        shuffle.repeat(20_000)
    ))
}

/// 1,000 indirect calls, each of a type of its own.
pub(crate) fn indirect_calls_of_many_types() -> Made {
    let mut text = "(table 1 funcref)".to_owned();
    let mut calls = String::new();
    for index in 0..1_000_u32 {
        let parameters: String = (0..13)
            .map(|bit| match index >> bit & 1 {
                0 => "i32 ",
                _ => "i64 ",
            })
            .collect();
        let arguments: String = (0..13)
            .map(|bit| match index >> bit & 1 {
                0 => "i32.const 0 ",
                _ => "i64.const 0 ",
            })
            .collect();
        write!(text, "(type $t{index} (func (param {parameters})))").expect("text");
        write!(
            calls,
            "{arguments} local.get 0 call_indirect (type $t{index}) "
        )
        .expect("text");
    }
    Made::Bomb(format!("{text} (func (param i32) {calls})"))
}

/// 10,000 types of functions.
pub(crate) fn types_of_ten_thousand() -> Made {
    Made::Bomb("(type (func (param i32 i64 f32 f64) (result i32)))".repeat(scaled(10_000)))
}

/// 10,000 exports.
pub(crate) fn exports_of_ten_thousand() -> Made {
    let mut exports = "(func $f)".to_owned();
    for index in 0..10_000 {
        write!(exports, "(export \"e{index}\" (func $f))").expect("text");
    }
    Made::Bomb(exports)
}

/// Names of 1 MB for a function that needs none.
pub(crate) fn names_of_a_megabyte() -> Made {
    Made::Bomb(format!("(func ${})", "a".repeat(1_000_000)))
}

/// `configure` leaves a byte in each pair of 16 MiB, which are more runs than are kept.
pub(crate) fn memory_of_too_many_runs() -> Made {
    scattered(2)
}

/// `configure` leaves a byte in each 64 of 16 MiB: 262,144 runs, of which 4 million are kept at most.
pub(crate) fn memory_of_many_runs() -> Made {
    scattered(64)
}

/// `configure` fills 16 MiB, all of which is snapshotted.
pub(crate) fn memory_that_is_full() -> Made {
    Made::Bomb(
        "(memory $memory 256) (func $configure (param i32 i32) (result i32)
           (memory.fill (i32.const 131072) (i32.const 255) (i32.const 16646144)) (i32.const 0))"
            .to_owned(),
    )
}

/// `configure` leaves a byte in each `step` of its memory.
fn scattered(step: u32) -> Made {
    Made::Bomb(format!(
        "(memory $memory 256) (func $configure (param i32 i32) (result i32)
           (local $at i32)
           (local.set $at (i32.const 131072))
           (loop $next
             (i32.store8 (local.get $at) (i32.const 1))
             (br_if $next
               (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const {step}))) (i32.const 16777216))))
           (i32.const 0))"
    ))
}
