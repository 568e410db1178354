//! The body of a function under construction.

use crate::counters::Counters;
use arbitrary::Unstructured;
use wasm_encoder::{Function, ValType};

/// Locals: two parameters and two more numbers, one of each other type, then counters of nested loops.
pub(crate) const LOCALS: [(u32, ValType); 6] = [
    (2, ValType::I32),
    (1, ValType::I64),
    (1, ValType::F32),
    (1, ValType::F64),
    (1, ValType::V128),
    (MOST_LOOPS, ValType::I32),
];
pub(crate) const LOCALS_OF: [(ValType, u32); 4] = [
    (ValType::I64, 4),
    (ValType::F32, 5),
    (ValType::F64, 6),
    (ValType::V128, 7),
];
/// First counter of a loop.
pub(crate) const COUNTER: u32 = 8;
pub(crate) const MOST_LOOPS: u32 = 2;

/// The body of a function that is being made.
pub(crate) struct Body<'c, 'b> {
    pub(crate) choices: &'c mut Unstructured<'b>,
    pub(crate) counters: &'c mut Counters,
    pub(crate) pages: u32,
    /// Loops around this place.
    pub(crate) loops: u32,
    pub(crate) functions: u32,
    /// Index of the passive data segment.
    pub(crate) passive: u32,
    /// Labels around this place.
    pub(crate) labels: u32,
    pub(crate) code: Function,
}
