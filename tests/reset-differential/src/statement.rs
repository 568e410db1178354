//! Makes functions: loops that end, calls, and each instruction that writes.

use crate::body::{Body, COUNTER, LOCALS, LOCALS_OF, MOST_LOOPS};
use crate::counters::Counters;
use crate::layout::{CALLABLE, LEFT, OF_TYPE, PAGE, PASSIVE_BYTES, TABLE, TWO_TO_ONE, place};
use crate::tally::{EXECUTED, STORES};
use arbitrary::{Result, Unstructured};
use wasm_encoder::{BlockType, Function, HeapType, Instruction as I, MemArg, ValType};

/// Rounds that one call counts as.
const ROUNDS_OF_A_CALL: i32 = 12;

/// Lane of a vector that is stored.
type Lane = u8;

/// Makes an instruction that writes one value.
type Write = fn(MemArg, Lane) -> I<'static>;

/// The instruction of that index in [`EXECUTED`], with the type of its value and the bytes that it writes.
const WRITTEN: [(Write, ValType, u32); STORES] = [
    (|at, _| I::I32Store(at), ValType::I32, 4),
    (|at, _| I::I32Store8(at), ValType::I32, 1),
    (|at, _| I::I32Store16(at), ValType::I32, 2),
    (|at, _| I::I64Store(at), ValType::I64, 8),
    (|at, _| I::I64Store8(at), ValType::I64, 1),
    (|at, _| I::I64Store16(at), ValType::I64, 2),
    (|at, _| I::I64Store32(at), ValType::I64, 4),
    (|at, _| I::F32Store(at), ValType::F32, 4),
    (|at, _| I::F64Store(at), ValType::F64, 8),
    (|at, _| I::V128Store(at), ValType::V128, 16),
    (
        |memarg, lane| I::V128Store8Lane {
            memarg,
            lane: lane % 16,
        },
        ValType::V128,
        1,
    ),
    (
        |memarg, lane| I::V128Store16Lane {
            memarg,
            lane: lane % 8,
        },
        ValType::V128,
        2,
    ),
    (
        |memarg, lane| I::V128Store32Lane {
            memarg,
            lane: lane % 4,
        },
        ValType::V128,
        4,
    ),
    (
        |memarg, lane| I::V128Store64Lane {
            memarg,
            lane: lane % 2,
        },
        ValType::V128,
        8,
    ),
];

impl<'c, 'b> Body<'c, 'b> {
    pub(crate) fn new(
        choices: &'c mut Unstructured<'b>,
        counters: &'c mut Counters,
        pages: u32,
        functions: u32,
        passive: u32,
    ) -> Self {
        Self {
            choices,
            counters,
            pages,
            loops: 0,
            functions,
            passive,
            labels: 0,
            code: Function::new(LOCALS),
        }
    }

    pub(crate) fn emit(&mut self, instruction: I<'static>) {
        self.code.instruction(&instruction);
    }

    /// Makes function `index`, which also has the instruction `refused`.
    ///
    /// The first one always has a loop; the others are short.
    pub(crate) fn function(mut self, index: u32, refused: Option<&str>) -> Result<Function> {
        self.spend(ROUNDS_OF_A_CALL, |body| {
            body.emit(I::I32Const(-1));
            body.emit(I::Return);
        });
        if let Some(refused) = refused {
            self.refused(refused);
        }
        if index == 0 {
            self.statements(0, 1)?;
            self.repeat()?;
        }
        self.statements(0, 1)?;
        self.value(ValType::I32, 0)?;
        self.emit(I::End);
        Ok(self.code)
    }

    /// Emits code that takes `rounds` of those that are left, or does `otherwise`.
    fn spend(&mut self, rounds: i32, otherwise: impl FnOnce(&mut Self)) {
        self.emit(I::GlobalGet(LEFT));
        self.emit(I::I32Const(rounds));
        self.emit(I::I32LtS);
        self.emit(I::If(BlockType::Empty));
        otherwise(self);
        self.emit(I::End);
        self.emit(I::GlobalGet(LEFT));
        self.emit(I::I32Const(rounds));
        self.emit(I::I32Sub);
        self.emit(I::GlobalSet(LEFT));
    }

    fn statements(&mut self, least: u32, most: u32) -> Result<()> {
        for _ in 0..self.choices.int_in_range(least..=most)? {
            self.statement()?;
        }
        Ok(())
    }

    fn statement(&mut self) -> Result<()> {
        match self.choices.int_in_range(0..=31)? {
            0..=15 => self.store(),
            16..=18 => self.range(),
            19 => {
                let (global, kind) = *self.choices.choose(&OF_TYPE)?;
                let depth = *self.choices.choose(&[0, 0, 1, 1, 2])?;
                self.value(kind, depth)?;
                self.emit(I::GlobalSet(global));
                Ok(())
            }
            20 | 21 => self.set_local(),
            22 if self.loops < MOST_LOOPS => self.repeat(),
            23 if self.labels < 6 => self.either(),
            24 if self.labels > 0 => {
                self.value(ValType::I32, 1)?;
                let label = self.choices.int_in_range(0..=self.labels - 1)?;
                self.emit(I::BrIf(label));
                Ok(())
            }
            25 => {
                self.value(ValType::I32, 1)?;
                self.value(ValType::I32, 1)?;
                let function = self.choices.int_in_range(0..=self.functions - 1)?;
                self.emit(I::Call(function));
                self.emit(I::LocalSet(2));
                Ok(())
            }
            26 | 27 => self.call_indirect(),
            28 => {
                let slot = match self.choices.ratio(1, 100)? {
                    true => TABLE,
                    false => self.choices.int_in_range(0..=TABLE - 1)?,
                };
                self.emit(I::I32Const(slot.cast_signed()));
                self.emit(I::TableGet(0));
                self.emit(I::RefIsNull);
                self.emit(I::LocalSet(3));
                self.count("TableGet");
                Ok(())
            }
            29 => {
                self.emit(I::TableSize(0));
                self.emit(I::LocalSet(3));
                self.count("TableSize");
                Ok(())
            }
            30 => {
                self.emit(I::MemorySize(0));
                self.emit(I::LocalSet(3));
                self.count("MemorySize");
                Ok(())
            }
            _ => self.grow(),
        }
    }

    /// Counts an execution of the instruction `name`, which did not trap.
    fn count(&mut self, name: &str) {
        let index = EXECUTED.iter().position(|other| *other == name);
        let (counter, one) = self.counters.counter(index.expect("it is counted"));
        self.emit(I::GlobalGet(counter));
        self.emit(I::I64Const(one));
        self.emit(I::I64Add);
        self.emit(I::GlobalSet(counter));
    }

    fn store(&mut self) -> Result<()> {
        let index = self.choices.choose_index(STORES)?;
        let (write, kind, width) = WRITTEN[index];
        let offset = self.address(width, 1)?;
        let depth = *self.choices.choose(&[0, 0, 1, 1, 2])?;
        self.value(kind, depth)?;
        let align = self.choices.int_in_range(0..=width.trailing_zeros())?;
        let lane = self.choices.arbitrary()?;
        self.emit(write(place(offset, align), lane));
        self.count(EXECUTED[index]);
        Ok(())
    }

    /// Emits an instruction that writes a range.
    fn range(&mut self) -> Result<()> {
        let length = match self.choices.int_in_range(0..=9)? {
            0 => 0,
            1 => self.choices.int_in_range(1000..=4100)?,
            _ => self.choices.int_in_range(1..=40)?,
        };
        let end = self.pages * PAGE - length;
        // Rarely one byte too far.
        let end = end + u32::from(self.choices.ratio(1, 200)?);
        let at = match self.choices.ratio(1, 3)? {
            true => end,
            false => self.choices.int_in_range(0..=end)?,
        };
        self.emit(I::I32Const(at.cast_signed()));
        let length = length.cast_signed();
        match self.choices.int_in_range(0..=2)? {
            0 => {
                self.value(ValType::I32, 1)?;
                self.emit(I::I32Const(length));
                self.emit(I::MemoryFill(0));
                self.count("MemoryFill");
            }
            1 => {
                let from = self.choices.int_in_range(0..=PAGE - 4100)?;
                self.emit(I::I32Const(from.cast_signed()));
                self.emit(I::I32Const(length));
                self.emit(I::MemoryCopy {
                    src_mem: 0,
                    dst_mem: 0,
                });
                self.count("MemoryCopy");
            }
            _ => {
                let length = length.unsigned_abs().min(PASSIVE_BYTES);
                let from = PASSIVE_BYTES - length + u32::from(self.choices.ratio(1, 200)?);
                self.emit(I::I32Const(from.cast_signed()));
                self.emit(I::I32Const(length.cast_signed()));
                self.emit(I::MemoryInit {
                    mem: 0,
                    data_index: self.passive,
                });
                self.count("MemoryInit");
            }
        }
        Ok(())
    }

    fn set_local(&mut self) -> Result<()> {
        let (kind, local) = match self.choices.ratio(1, 2)? {
            true => (ValType::I32, self.choices.int_in_range(0..=3)?),
            false => *self.choices.choose(&LOCALS_OF)?,
        };
        let depth = *self.choices.choose(&[0, 0, 1, 1, 2])?;
        self.value(kind, depth)?;
        self.emit(I::LocalSet(local));
        Ok(())
    }

    /// Emits a loop of a bounded number of rounds, which begins with a write.
    fn repeat(&mut self) -> Result<()> {
        let counter = COUNTER + self.loops;
        let rounds = self.choices.int_in_range(24..=64)?;
        self.emit(I::I32Const(0));
        self.emit(I::LocalSet(counter));
        self.emit(I::Block(BlockType::Empty));
        self.emit(I::Loop(BlockType::Empty));
        self.labels += 2;
        self.loops += 1;
        self.emit(I::LocalGet(counter));
        self.emit(I::I32Const(rounds));
        self.emit(I::I32GeU);
        self.emit(I::BrIf(1));
        self.spend(1, |body| body.emit(I::Br(2)));
        self.store()?;
        self.statements(0, 2)?;
        self.emit(I::LocalGet(counter));
        self.emit(I::I32Const(1));
        self.emit(I::I32Add);
        self.emit(I::LocalSet(counter));
        self.emit(I::Br(0));
        self.emit(I::End);
        self.emit(I::End);
        self.labels -= 2;
        self.loops -= 1;
        Ok(())
    }

    fn either(&mut self) -> Result<()> {
        self.value(ValType::I32, 1)?;
        self.emit(I::If(BlockType::Empty));
        self.labels += 1;
        self.statements(1, 2)?;
        self.emit(I::Else);
        self.statements(1, 2)?;
        self.emit(I::End);
        self.labels -= 1;
        Ok(())
    }

    fn call_indirect(&mut self) -> Result<()> {
        self.value(ValType::I32, 1)?;
        self.value(ValType::I32, 1)?;
        // Rarely one that traps: null, or beyond the table.
        let slot = match self.choices.ratio(1, 60)? {
            true => self.choices.int_in_range(CALLABLE..=TABLE)?,
            false => self.choices.int_in_range(0..=CALLABLE - 1)?,
        };
        self.emit(I::I32Const(slot.cast_signed()));
        self.emit(I::CallIndirect {
            type_index: TWO_TO_ONE,
            table_index: 0,
        });
        self.emit(I::LocalSet(2));
        self.count("CallIndirect");
        Ok(())
    }

    fn grow(&mut self) -> Result<()> {
        // By nothing, which succeeds, by more than there may be, which fails, and rarely by one page.
        let by = match self.choices.ratio(1, 12)? {
            true => 1,
            false => *self.choices.choose(&[0, 5, -1])?,
        };
        self.emit(I::I32Const(by));
        self.emit(I::MemoryGrow(0));
        self.emit(I::LocalSet(3));
        self.count("MemoryGrow");
        Ok(())
    }

    /// Emits the instruction called `name`, for which the rewriting refuses the module.
    fn refused(&mut self, name: &str) {
        let null = I::RefNull(HeapType::FUNC);
        let [zero, one] = [I::I32Const(0), I::I32Const(1)];
        let code = match name {
            "TableSet" => vec![zero, null, I::TableSet(0)],
            "TableGrow" => vec![null, one, I::TableGrow(0), I::Drop],
            "TableFill" => vec![zero, null, one, I::TableFill(0)],
            "TableCopy" => vec![
                zero.clone(),
                one.clone(),
                one,
                I::TableCopy {
                    src_table: 0,
                    dst_table: 0,
                },
            ],
            "TableInit" => vec![
                zero.clone(),
                zero,
                one,
                I::TableInit {
                    elem_index: 1,
                    table: 0,
                },
            ],
            "ElemDrop" => vec![I::ElemDrop(1)],
            _ => vec![I::DataDrop(self.passive)],
        };
        for instruction in code {
            self.emit(instruction);
        }
    }
}
