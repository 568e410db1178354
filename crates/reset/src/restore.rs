//! Code that resets an instance, and code that compares it: the other end of the invariant.
//!
//! INVARIANT (marked): every byte that differs from the image lies in a marked part; `marks.rs` is where it is
//! kept. So after [`reset`] copied each marked part, with the bytes behind it that a write can reach, the memory
//! equals the image, and [`differs`] finds no difference. It compares every byte, and does not rely on the marks.

use crate::layout::{ASIDE, Layout, OWN, aside, wrapped};
use crate::marks::WIDEST_WRITE;
use wasm_encoder::{BlockType, Function, Instruction, MemArg, ValType};

/// A mutable global, and the number that it begins with.
pub(crate) struct Global {
    pub(crate) index: u32,
    pub(crate) beginning: Instruction<'static>,
}

/// Builds `reset(begin, length)`, which resets memory and globals.
///
/// It copies back what was written to, including those `length` bytes. `mark_many` is the function that marks
/// a range.
pub(crate) fn reset(layout: &Layout, globals: &[Global], mark_many: u32) -> Function {
    let [word, mark, at, length] = [2, 3, 4, 5];
    let part_bytes = 1_u64 << layout.part_bits;
    let number = |number: u64| Instruction::I32Const(wrapped(number));
    let mut code = Function::new([(4, ValType::I32)]);
    for instruction in [
        Instruction::LocalGet(0),
        Instruction::LocalGet(1),
        Instruction::Call(mark_many),
        // For each word of marks
        Instruction::Loop(BlockType::Empty),
        Instruction::LocalGet(word),
        Instruction::I64Load(aside(3)),
        Instruction::I64Eqz,
        Instruction::I32Eqz,
        // with a mark that is set:
        Instruction::If(BlockType::Empty),
        Instruction::LocalGet(word),
        Instruction::LocalSet(mark),
        // for each mark that is set in the word,
        Instruction::Loop(BlockType::Empty),
        Instruction::LocalGet(mark),
        Instruction::I32Load8U(aside(0)),
        Instruction::If(BlockType::Empty),
        Instruction::LocalGet(mark),
        Instruction::I32Const(layout.part_bits.cast_signed()),
        Instruction::I32Shl,
        Instruction::LocalSet(at),
        // copy the part, and the bytes beyond it that a write beginning in it can reach;
        number(part_bytes + WIDEST_WRITE),
        Instruction::LocalTee(length),
        number(layout.memory_bytes),
        Instruction::LocalGet(at),
        Instruction::I32Sub,
        Instruction::LocalGet(length),
        number(layout.memory_bytes),
        Instruction::LocalGet(at),
        Instruction::I32Sub,
        Instruction::I32LtU,
        Instruction::Select,
        Instruction::LocalSet(length),
        Instruction::LocalGet(at),
        Instruction::LocalGet(at),
        number(layout.image),
        Instruction::I32Add,
        Instruction::LocalGet(length),
        Instruction::MemoryCopy {
            src_mem: ASIDE,
            dst_mem: OWN,
        },
        Instruction::End,
        Instruction::LocalGet(mark),
        Instruction::I32Const(1),
        Instruction::I32Add,
        Instruction::LocalTee(mark),
        Instruction::LocalGet(word),
        Instruction::I32Const(8),
        Instruction::I32Add,
        Instruction::I32LtU,
        Instruction::BrIf(0),
        Instruction::End,
        // then clear the word.
        Instruction::LocalGet(word),
        Instruction::I64Const(0),
        Instruction::I64Store(aside(3)),
        Instruction::End,
        Instruction::LocalGet(word),
        Instruction::I32Const(8),
        Instruction::I32Add,
        Instruction::LocalTee(word),
        number(layout.parts),
        Instruction::I32LtU,
        Instruction::BrIf(0),
        Instruction::End,
    ] {
        code.instruction(&instruction);
    }
    for global in globals {
        code.instruction(&global.beginning);
        code.instruction(&Instruction::GlobalSet(global.index));
    }
    code.instruction(&Instruction::End);
    code
}

/// Builds `differs() -> i32`, which compares memory and globals with their initial state, bit for bit.
pub(crate) fn differs(layout: &Layout, globals: &[Global]) -> Function {
    /// Bytes compared in one round; they divide a page.
    const ROUND: u64 = 32;
    let [at, difference] = [0, 1];
    let word = |offset: u64, memory_index: u32| {
        Instruction::I64Load(MemArg {
            offset,
            align: 3,
            memory_index,
        })
    };
    let mut code = Function::new([(1, ValType::I32), (1, ValType::I64)]);
    code.instruction(&Instruction::Loop(BlockType::Empty));
    code.instruction(&Instruction::LocalGet(difference));
    for offset in (0..ROUND).step_by(8) {
        code.instruction(&Instruction::LocalGet(at));
        code.instruction(&word(offset, OWN));
        code.instruction(&Instruction::LocalGet(at));
        code.instruction(&word(layout.image + offset, ASIDE));
        code.instruction(&Instruction::I64Xor);
        code.instruction(&Instruction::I64Or);
    }
    code.instruction(&Instruction::LocalSet(difference));
    code.instruction(&Instruction::LocalGet(at));
    code.instruction(&Instruction::I32Const(wrapped(ROUND)));
    code.instruction(&Instruction::I32Add);
    code.instruction(&Instruction::LocalTee(at));
    code.instruction(&Instruction::I32Const(wrapped(layout.memory_bytes)));
    code.instruction(&Instruction::I32LtU);
    code.instruction(&Instruction::BrIf(0));
    code.instruction(&Instruction::End);
    code.instruction(&Instruction::LocalGet(difference));
    code.instruction(&Instruction::I64Eqz);
    code.instruction(&Instruction::I32Eqz);
    for global in globals {
        // Floats are compared as their bits, because a NaN is not equal to itself.
        let (bits, compare): (_, &[Instruction<'_>]) = match global.beginning {
            Instruction::I64Const(_) => (None, &[Instruction::I64Ne]),
            Instruction::F32Const(_) => {
                (Some(Instruction::I32ReinterpretF32), &[Instruction::I32Ne])
            }
            Instruction::F64Const(_) => {
                (Some(Instruction::I64ReinterpretF64), &[Instruction::I64Ne])
            }
            Instruction::V128Const(_) => (None, &[Instruction::V128Xor, Instruction::V128AnyTrue]),
            _ => (None, &[Instruction::I32Ne]),
        };
        for operand in [&Instruction::GlobalGet(global.index), &global.beginning] {
            code.instruction(operand);
            if let Some(bits) = &bits {
                code.instruction(bits);
            }
        }
        for instruction in compare {
            code.instruction(instruction);
        }
        code.instruction(&Instruction::I32Or);
    }
    code.instruction(&Instruction::End);
    code
}
