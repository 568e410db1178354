//! Adds code to a module that resets an instance to its initial state.
//!
//! An instance can change only its memory, its globals and its tables. Modules that change their tables are
//! not supported. Globals begin with numbers, which `reset` writes again. After each instruction that
//! writes to memory, added instructions mark the part that was written. The host, which writes the request
//! into the memory, passes the place of the request to `reset`. `reset` copies the marked parts from an
//! image of the initial memory. Marks and image are in a separate memory, which no instruction of the
//! plugin can name.

use super::reach::Module;
use portcullis_model::limits::MAX_MEMORY_BYTES;
use wasm_encoder::{BlockType, Function, Instruction, MemArg, MemoryType, ValType};

/// Index of the plugin's own memory.
const OWN: u32 = 0;
/// Index of the memory for marks and image.
const ASIDE: u32 = 1;
const PAGE_BYTES: u64 = 64 * 1024;

/// Minimum number of bytes that one mark covers.
const LEAST_PART_BYTES: u64 = 1024;
/// Maximum number of parts of a memory.
const MOST_PARTS: u64 = 4096;
/// Maximum size of one write, in bytes. A write is marked only at its beginning.
const WIDEST_WRITE: u64 = 16;

/// Layout of the memory for marks and image.
pub(super) struct Aside {
    /// Initial size of the plugin's memory, in bytes.
    memory_bytes: u64,
    /// Size of a part in bytes, as a power of two.
    part_bits: u32,
    /// Number of parts, rounded up to whole words of eight marks.
    parts: u64,
    /// Offset of the image, in bytes.
    image: u64,
    pages: u64,
}

impl Aside {
    /// Layout for `module`, if there is room for it.
    ///
    /// The memory of `module` grows to at most `limit` bytes.
    pub(super) fn of(module: &Module<'_>, limit: usize) -> Option<Self> {
        let memory_bytes = module.memory.initial.checked_mul(PAGE_BYTES)?;
        if module.memory.initial == 0 || memory_bytes > limit as u64 {
            return None;
        }
        let part = memory_bytes
            .div_ceil(MOST_PARTS)
            .next_power_of_two()
            .max(LEAST_PART_BYTES);
        // Writes beyond the initial memory are marked too: the instance is discarded later, but until
        // then, marking must not trap.
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

    /// Offset in the image of the byte at `offset` in the memory.
    pub(super) fn in_image(&self, offset: u32) -> Option<u32> {
        u32::try_from(u64::from(offset).checked_add(self.image)?).ok()
    }

    /// Builds `reset(begin, length)`, which resets memory and globals.
    ///
    /// It copies back what was written to, including those `length` bytes, and writes `globals`, each an
    /// index with its initial value. `mark_many` is the function that marks a range.
    pub(super) fn reset(&self, globals: &[(u32, Instruction<'_>)], mark_many: u32) -> Function {
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
            Instruction::I32Const(self.part_bits.cast_signed()),
            Instruction::I32Shl,
            Instruction::LocalSet(at),
            // copy the part, and the bytes beyond it that a write beginning in it can reach;
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
            // then clear the word.
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

    /// Builds `mark(begin, length)`, which marks all parts of a range.
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

    /// Emits `write`, an instruction of the plugin, and code that marks its write.
    ///
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
                // It traps if it would write beyond the memory; the code after it runs only if it did not.
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

/// Kind of write to memory.
enum Write {
    None,
    /// One value, `offset` bytes after an address.
    One {
        value: ValType,
        offset: u64,
    },
    /// As many bytes as an operand says; the operands are address, value or source, and length.
    Many,
}

impl Write {
    /// Covers all instructions of the features that [`Module::read`] accepts.
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

/// Locals added to a function for marking its writes.
pub(super) struct Scratch {
    first: u32,
}

impl Scratch {
    /// Locals after the `first` locals of a function.
    pub(super) const fn after(first: u32) -> Self {
        Self { first }
    }

    /// Types of these locals.
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

/// Place in the memory for marks and image, aligned to 2^`align`.
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
