//! Code that marks the parts of the memory that were written to: one end of the invariant.
//!
//! INVARIANT (marked): every byte that differs from the image lies in a marked part. A part is 2^n bytes, with the
//! [`WIDEST_WRITE`] bytes behind them, which a write that begins in the part can reach. Instances begin equal to
//! the image, so it holds if each write marks the part in which it begins, and a range each part that it touches:
//! [`mark_after`] does this for the instructions of the module, and [`mark`] for ranges, also for those that the
//! host wrote, which it passes to `reset`. `restore.rs` is the other end: it copies the marked parts.

use crate::layout::{Layout, aside, wrapped};
use crate::operators::{Found, Kind};
use wasm_encoder::{BlockType, Function, Instruction, ValType};

/// Maximum size of one write, in bytes. A write is marked only at its beginning.
pub(crate) const WIDEST_WRITE: u64 = 16;

/// Emits `bytes`, the instruction that was `found`, and code that marks its write.
///
/// `scratch` are locals that nothing else uses, `mark` is the function of that name. Returns false for an
/// instruction whose effect cannot be reset.
pub(crate) fn mark_after(
    found: Found,
    bytes: &[u8],
    layout: &Layout,
    (scratch, mark): (&Scratch, u32),
    code: &mut Function,
) -> bool {
    match found.kind {
        Kind::Keep => {
            code.raw(bytes.iter().copied());
        }
        Kind::Store(value) => {
            let value = scratch.value(value);
            code.instruction(&Instruction::LocalSet(value));
            code.instruction(&Instruction::LocalTee(scratch.address()));
            code.instruction(&Instruction::LocalGet(value));
            // It traps if it would write beyond the memory; the code after it runs only if it did not.
            code.raw(bytes.iter().copied());
            code.instruction(&Instruction::LocalGet(scratch.address()));
            if found.offset != 0 {
                code.instruction(&Instruction::I32Const(wrapped(found.offset)));
                code.instruction(&Instruction::I32Add);
            }
            code.instruction(&Instruction::I32Const(layout.part_bits.cast_signed()));
            code.instruction(&Instruction::I32ShrU);
            code.instruction(&Instruction::I32Const(1));
            code.instruction(&Instruction::I32Store8(aside(0)));
        }
        Kind::Range => {
            code.instruction(&Instruction::LocalSet(scratch.length()));
            code.instruction(&Instruction::LocalSet(scratch.value(ValType::I32)));
            code.instruction(&Instruction::LocalTee(scratch.address()));
            code.instruction(&Instruction::LocalGet(scratch.value(ValType::I32)));
            code.instruction(&Instruction::LocalGet(scratch.length()));
            code.raw(bytes.iter().copied());
            code.instruction(&Instruction::LocalGet(scratch.address()));
            code.instruction(&Instruction::LocalGet(scratch.length()));
            code.instruction(&Instruction::Call(mark));
        }
        Kind::Refuse => return false,
    }
    true
}

/// Builds `mark(begin, length)`, which marks all parts of a range.
pub(crate) fn mark(layout: &Layout) -> Function {
    let [begin, length, last] = [0, 1, 2];
    let mut code = Function::new([(1, ValType::I32)]);
    let bits = Instruction::I32Const(layout.part_bits.cast_signed());
    for instruction in [
        Instruction::LocalGet(length),
        Instruction::If(BlockType::Empty),
        Instruction::LocalGet(begin),
        Instruction::LocalGet(length),
        Instruction::I32Add,
        Instruction::I32Const(1),
        Instruction::I32Sub,
        bits.clone(),
        Instruction::I32ShrU,
        Instruction::LocalSet(last),
        Instruction::LocalGet(begin),
        bits,
        Instruction::I32ShrU,
        Instruction::LocalSet(begin),
        Instruction::Loop(BlockType::Empty),
        Instruction::LocalGet(begin),
        Instruction::I32Const(1),
        Instruction::I32Store8(aside(0)),
        Instruction::LocalGet(begin),
        Instruction::LocalGet(last),
        Instruction::I32LtU,
        Instruction::If(BlockType::Empty),
        Instruction::LocalGet(begin),
        Instruction::I32Const(1),
        Instruction::I32Add,
        Instruction::LocalSet(begin),
        Instruction::Br(1),
        Instruction::End,
        Instruction::End,
        Instruction::End,
        Instruction::End,
    ] {
        code.instruction(&instruction);
    }
    code
}

/// Locals added to a function for marking its writes.
pub(crate) struct Scratch {
    first: u32,
}

impl Scratch {
    /// Locals after the `first` locals of a function.
    pub(crate) const fn after(first: u32) -> Self {
        Self { first }
    }

    /// Types of these locals.
    pub(crate) const LOCALS: [(u32, ValType); 5] = [
        (3, ValType::I32),
        (1, ValType::I64),
        (1, ValType::F32),
        (1, ValType::F64),
        (1, ValType::V128),
    ];

    const fn address(&self) -> u32 {
        self.first
    }

    const fn length(&self) -> u32 {
        self.first + 1
    }

    const fn value(&self, of: ValType) -> u32 {
        self.first
            + match of {
                ValType::I64 => 3,
                ValType::F32 => 4,
                ValType::F64 => 5,
                ValType::V128 => 6,
                ValType::I32 | ValType::Ref(_) => 2,
            }
    }
}
