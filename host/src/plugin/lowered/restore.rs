//! Code that a module is given so that an instance of it can be put back as it began.
//!
//! All that an instance can change is its memory, its globals and its tables. A module whose tables change
//! is left alone. Its globals begin with numbers, which `restore` writes again. Of its memory, each
//! instruction that writes to it is followed by others that mark which part was written to; the host, which
//! writes the request there, tells `restore` where that was; and `restore` copies the parts that are marked
//! from an image of how the memory began. Marks and image are in a memory of their own, which no
//! instruction of the plugin's has a way to name.

use super::reach::Module;
use crate::limits::MAX_MEMORY_BYTES;
use wasm_encoder::{BlockType, Function, Instruction, MemArg, MemoryType, ValType};

/// The plugin's own memory.
const OWN: u32 = 0;
/// The memory for marks and image.
const ASIDE: u32 = 1;
const PAGE_BYTES: u64 = 64 * 1024;

/// How much is copied for one mark, at least, in bytes.
const LEAST_PART_BYTES: u64 = 1024;
/// In how many parts a memory is divided, at most.
const MOST_PARTS: u64 = 4096;
/// A write is marked where it begins, and writes at most this many bytes.
const WIDEST_WRITE: u64 = 16;

/// Where marks and image are.
pub(super) struct Aside {
    /// What a memory begins with, in bytes.
    memory_bytes: u64,
    /// A part has two to the power of this many bytes.
    part_bits: u32,
    /// How many parts there are, in whole words of eight marks.
    parts: u64,
    /// Where the image begins, in bytes.
    image: u64,
    pages: u64,
}

impl Aside {
    /// That for `module`, whose memory grows to at most `limit` bytes, if there is room for it.
    pub(super) fn of(module: &Module<'_>, limit: usize) -> Option<Self> {
        let memory_bytes = module.memory.initial.checked_mul(PAGE_BYTES)?;
        if module.memory.initial == 0 || memory_bytes > limit as u64 {
            return None;
        }
        let part = memory_bytes
            .div_ceil(MOST_PARTS)
            .next_power_of_two()
            .max(LEAST_PART_BYTES);
        // What is written beyond where the memory began is marked too: the instance goes then, but until
        // then to mark must not trap.
        let marks = (limit.min(MAX_MEMORY_BYTES) as u64 / part).next_multiple_of(8) + 8;
        let image = marks.next_multiple_of(PAGE_BYTES / 16);
        let pages = (image + memory_bytes).div_ceil(PAGE_BYTES);
        (pages * PAGE_BYTES <= (MAX_MEMORY_BYTES + crate::engine::SNAPSHOT_BYTES) as u64).then_some(
            Self {
                memory_bytes,
                part_bits: part.trailing_zeros(),
                parts: memory_bytes.div_ceil(part).next_multiple_of(8),
                image,
                pages,
            },
        )
    }

    /// The memory for marks and image, which never grows.
    pub(super) fn memory(&self) -> MemoryType {
        MemoryType {
            minimum: self.pages,
            maximum: Some(self.pages),
            memory64: false,
            shared: false,
            page_size_log2: None,
        }
    }

    /// Where in the image that stands which is at `offset` in the memory.
    pub(super) fn in_image(&self, offset: u32) -> Option<u32> {
        u32::try_from(u64::from(offset).checked_add(self.image)?).ok()
    }

    /// `restore(begin, length)`: copies back what was written to, those bytes included, and writes `globals`,
    /// each an index and what it began with. `mark_many` is the function that marks so many bytes.
    pub(super) fn restore(&self, globals: &[(u32, Instruction<'_>)], mark_many: u32) -> Function {
        let [word, mark, at, length] = [2, 3, 4, 5];
        let part_bytes = 1_i64 << self.part_bits;
        let mut code = Function::new([(4, ValType::I32)]);
        let mut emit = |instructions: &[Instruction<'_>]| {
            for instruction in instructions {
                code.instruction(instruction);
            }
        };
        let number = |number: u64| Instruction::I32Const(wrapped(number));
        emit(&[
            Instruction::LocalGet(0),
            Instruction::LocalGet(1),
            Instruction::Call(mark_many),
            // For each word of marks,
            Instruction::Loop(BlockType::Empty),
            Instruction::LocalGet(word),
            Instruction::I64Load(aside(3)),
            Instruction::I64Eqz,
            Instruction::I32Eqz,
            // in which there is one,
            Instruction::If(BlockType::Empty),
            Instruction::LocalGet(word),
            Instruction::LocalSet(mark),
            // for each mark of it
            Instruction::Loop(BlockType::Empty),
            Instruction::LocalGet(mark),
            Instruction::I32Load8U(aside(0)),
            Instruction::If(BlockType::Empty),
            Instruction::LocalGet(mark),
            Instruction::I32Const(self.part_bits.cast_signed()),
            Instruction::I32Shl,
            Instruction::LocalSet(at),
            // copy the part and what a write that begins in it may reach beyond it,
            number(u64::try_from(part_bytes).unwrap_or_default() + WIDEST_WRITE),
            Instruction::LocalTee(length),
            number(self.memory_bytes),
            Instruction::LocalGet(at),
            Instruction::I32Sub,
            Instruction::LocalGet(length),
            number(self.memory_bytes),
            Instruction::LocalGet(at),
            Instruction::I32Sub,
            Instruction::I32LtU,
            Instruction::Select,
            Instruction::LocalSet(length),
            Instruction::LocalGet(at),
            Instruction::LocalGet(at),
            number(self.image),
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
            // and take the marks away.
            Instruction::LocalGet(word),
            Instruction::I64Const(0),
            Instruction::I64Store(aside(3)),
            Instruction::End,
            Instruction::LocalGet(word),
            Instruction::I32Const(8),
            Instruction::I32Add,
            Instruction::LocalTee(word),
            number(self.parts),
            Instruction::I32LtU,
            Instruction::BrIf(0),
            Instruction::End,
        ]);
        for (index, beginning) in globals {
            emit(&[beginning.clone(), Instruction::GlobalSet(*index)]);
        }
        emit(&[Instruction::End]);
        code
    }

    /// `mark(begin, length)`: marks all parts of so many bytes.
    pub(super) fn mark(&self) -> Function {
        let [begin, length, last] = [0, 1, 2];
        let mut code = Function::new([(1, ValType::I32)]);
        let bits = Instruction::I32Const(self.part_bits.cast_signed());
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

    /// Emits `write`, an instruction of the plugin's, and what marks where it writes to, if it does.
    /// `scratch` are locals that nothing else uses, `mark` is the function of that name.
    pub(super) fn emit(
        &self,
        write: &Instruction<'_>,
        scratch: &Scratch,
        mark: u32,
        code: &mut Function,
    ) {
        match Write::of(write) {
            Write::None => {
                code.instruction(write);
            }
            Write::One { value, offset } => {
                let value = scratch.value(value);
                code.instruction(&Instruction::LocalSet(value));
                code.instruction(&Instruction::LocalTee(scratch.address()));
                code.instruction(&Instruction::LocalGet(value));
                // It traps where it would write beyond the memory; the rest is for where it did not.
                code.instruction(write);
                code.instruction(&Instruction::LocalGet(scratch.address()));
                if offset != 0 {
                    code.instruction(&Instruction::I32Const(wrapped(offset)));
                    code.instruction(&Instruction::I32Add);
                }
                code.instruction(&Instruction::I32Const(self.part_bits.cast_signed()));
                code.instruction(&Instruction::I32ShrU);
                code.instruction(&Instruction::I32Const(1));
                code.instruction(&Instruction::I32Store8(aside(0)));
            }
            Write::Many => {
                code.instruction(&Instruction::LocalSet(scratch.length()));
                code.instruction(&Instruction::LocalSet(scratch.value(ValType::I32)));
                code.instruction(&Instruction::LocalTee(scratch.address()));
                code.instruction(&Instruction::LocalGet(scratch.value(ValType::I32)));
                code.instruction(&Instruction::LocalGet(scratch.length()));
                code.instruction(write);
                code.instruction(&Instruction::LocalGet(scratch.address()));
                code.instruction(&Instruction::LocalGet(scratch.length()));
                code.instruction(&Instruction::Call(mark));
            }
        }
    }
}

/// What an instruction writes to memory.
enum Write {
    None,
    /// One value, at so many bytes from an address.
    One {
        value: ValType,
        offset: u64,
    },
    /// As many bytes as it is told, from an address: its operands are address, something and length.
    Many,
}

impl Write {
    /// Of all instructions of the features that [`Module::read`] lets pass.
    fn of(instruction: &Instruction<'_>) -> Self {
        let (value, memarg) = match instruction {
            Instruction::I32Store(memarg)
            | Instruction::I32Store8(memarg)
            | Instruction::I32Store16(memarg) => (ValType::I32, memarg),
            Instruction::I64Store(memarg)
            | Instruction::I64Store8(memarg)
            | Instruction::I64Store16(memarg)
            | Instruction::I64Store32(memarg) => (ValType::I64, memarg),
            Instruction::F32Store(memarg) => (ValType::F32, memarg),
            Instruction::F64Store(memarg) => (ValType::F64, memarg),
            Instruction::V128Store(memarg)
            | Instruction::V128Store8Lane { memarg, .. }
            | Instruction::V128Store16Lane { memarg, .. }
            | Instruction::V128Store32Lane { memarg, .. }
            | Instruction::V128Store64Lane { memarg, .. } => (ValType::V128, memarg),
            Instruction::MemoryFill(_)
            | Instruction::MemoryCopy { .. }
            | Instruction::MemoryInit { .. } => return Self::Many,
            _ => return Self::None,
        };
        Self::One {
            value,
            offset: memarg.offset,
        }
    }
}

/// Locals that a function is given for what marks its writes.
pub(super) struct Scratch {
    first: u32,
}

impl Scratch {
    /// Those after the `first` locals of a function.
    pub(super) const fn after(first: u32) -> Self {
        Self { first }
    }

    /// Their types.
    pub(super) const LOCALS: [(u32, ValType); 5] = [
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
                _ => 2,
            }
    }
}

/// A place in the memory for marks and image, at an address of two to the power of `align`.
const fn aside(align: u32) -> MemArg {
    MemArg {
        offset: 0,
        align,
        memory_index: ASIDE,
    }
}

/// The 32 bits of a number below 2^32.
fn wrapped(number: u64) -> i32 {
    u32::try_from(number).unwrap_or(u32::MAX).cast_signed()
}
