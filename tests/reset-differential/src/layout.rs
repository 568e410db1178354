//! Layout of the modules that are made: memory, table, globals and segments.

use wasm_encoder::{MemArg, ValType};

/// Size of a page of memory, in bytes.
pub(crate) const PAGE: u32 = 64 * 1024;
/// Maximum size of a module's memory, in pages.
pub(crate) const MOST_PAGES: u32 = 4;

/// Type of every function: two numbers to one.
pub(crate) const TWO_TO_ONE: u32 = 0;

/// Elements of the table: functions, then one that is null.
pub(crate) const CALLABLE: u32 = 4;
pub(crate) const TABLE: u32 = CALLABLE + 1;

/// Bytes of the passive data segment, which is the last one.
pub(crate) const PASSIVE_BYTES: u32 = 48;

/// Globals: the number of loop rounds and calls that are left, then one of each type, then counters.
pub(crate) const LEFT: u32 = 0;
pub(crate) const OF_TYPE: [(u32, ValType); 5] = [
    (1, ValType::I32),
    (2, ValType::I64),
    (3, ValType::F32),
    (4, ValType::F64),
    (5, ValType::V128),
];

/// Constants of a memory instruction.
pub(crate) const fn place(offset: u32, align: u32) -> MemArg {
    MemArg {
        offset: offset as u64,
        align,
        memory_index: 0,
    }
}
