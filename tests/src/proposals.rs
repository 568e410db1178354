//! Components with proposals of WebAssembly that plugins may not use, and with those that they may.

use crate::raw;

/// Refused proposals, each with a module that uses it.
pub const REFUSED: [(&str, &str); 21] = [
    ("memory64", "(memory i64 1)"),
    ("memory64", "(table i64 1 funcref)"),
    ("multi-memory", "(memory 1) (memory 1)"),
    ("threads", "(memory 1 1 shared)"),
    (
        "threads",
        "(memory 1) (func (drop (i32.atomic.load (i32.const 0))))",
    ),
    ("threads", "(func (atomic.fence))"),
    ("gc", "(type (struct (field i32)))"),
    ("gc", "(type (array i8))"),
    ("gc", "(func (param i31ref))"),
    ("gc-types", "(table 1 externref)"),
    ("gc-types", "(global externref (ref.null extern))"),
    (
        "function-references",
        "(type $t (func)) (func (param (ref $t)) (call_ref $t (local.get 0)))",
    ),
    ("tail-call", "(func $f (return_call $f))"),
    (
        "tail-call",
        "(type $t (func)) (table 1 funcref) (func (return_call_indirect (type $t) (i32.const 0)))",
    ),
    ("exceptions", "(tag)"),
    ("exceptions", "(func (param exnref))"),
    (
        "stack-switching",
        "(type $f (func)) (type $c (cont $f)) (func (param (ref null $c)))",
    ),
    (
        "wide-arithmetic",
        "(func (result i64 i64) (i64.mul_wide_u (i64.const 1) (i64.const 2)))",
    ),
    ("custom-page-sizes", "(memory 1 (pagesize 1))"),
    (
        "relaxed-simd",
        "(func (param v128) (result v128) (i8x16.relaxed_swizzle (local.get 0) (local.get 0)))",
    ),
    (
        "relaxed-simd",
        "(func (param v128) (result v128) (f32x4.relaxed_madd (local.get 0) (local.get 0) (local.get 0)))",
    ),
];

/// Refused component types, each with its proposal.
pub const REFUSED_TYPES: [(&str, &str); 3] = [
    ("component-model-fixed-length-lists", "(type (list u8 4))"),
    ("component-model-map", "(type (map string u8))"),
    ("component-model-async", "(type (stream u8))"),
];

/// Accepted modules.
pub const ACCEPTED: [&str; 9] = [
    "(func (result i32) (i32.extend8_s (i32.const 200)))",
    "(func (result i32) (i32.trunc_sat_f32_s (f32.const 1)))",
    "(func (result i32 i32) (i32.const 1) (i32.const 2))",
    "(memory 1) (func (memory.fill (i32.const 0) (i32.const 0) (i32.const 9)))",
    "(global (export \"g\") (mut i32) (i32.const 0))",
    "(table 1 funcref) (func (result i32) (table.size 0))",
    "(func (result v128) (i32x4.splat (i32.const 1)))",
    "(global i32 (i32.add (i32.const 1) (i32.const 2)))",
    "(func (result f64) (f64.sqrt (f64.const 2)))",
];

/// Returns a valid policy component with an additional module of `fields`.
///
/// # Panics
///
/// If `fields` is not a module in WebAssembly text.
pub fn with_module(fields: &str) -> Vec<u8> {
    with_section(&wat::parse_str(format!("(component (core module {fields}))")).expect(fields))
}

/// As [`with_module`], with the type `definition`.
///
/// # Panics
///
/// If `definition` is not a type in WebAssembly text.
pub fn with_type(definition: &str) -> Vec<u8> {
    with_section(&wat::parse_str(format!("(component {definition})")).expect(definition))
}

/// Appends the sections of another component, which refer to nothing outside of it.
fn with_section(other: &[u8]) -> Vec<u8> {
    const HEADER: usize = 8;
    let mut component = raw::component(&raw::answering("\\02"));
    component.extend(other.iter().skip(HEADER));
    component
}
