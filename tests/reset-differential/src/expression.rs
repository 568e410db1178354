//! Makes expressions.

use crate::body::{Body, COUNTER, LOCALS_OF};
use crate::layout::{OF_TYPE, PAGE, place};
use arbitrary::Result;
use wasm_encoder::{Instruction as I, MemArg, ValType};

const I32: &[I<'static>] = &[
    I::I32Add,
    I::I32Sub,
    I::I32Mul,
    I::I32And,
    I::I32Or,
    I::I32Xor,
    I::I32Shl,
    I::I32ShrS,
    I::I32ShrU,
    I::I32Rotl,
    I::I32Rotr,
    I::I32Eq,
    I::I32LtS,
    I::I32GtU,
];
const I64: &[I<'static>] = &[
    I::I64Add,
    I::I64Sub,
    I::I64Mul,
    I::I64And,
    I::I64Or,
    I::I64Xor,
    I::I64Shl,
    I::I64ShrS,
    I::I64ShrU,
    I::I64Rotl,
];
const F32: &[I<'static>] = &[
    I::F32Add,
    I::F32Sub,
    I::F32Mul,
    I::F32Div,
    I::F32Min,
    I::F32Max,
    I::F32Copysign,
];
const F64: &[I<'static>] = &[
    I::F64Add,
    I::F64Sub,
    I::F64Mul,
    I::F64Div,
    I::F64Min,
    I::F64Max,
    I::F64Copysign,
];
const V128: &[I<'static>] = &[
    I::I8x16Add,
    I::I16x8Sub,
    I::I32x4Mul,
    I::I64x2Add,
    I::F32x4Add,
    I::F64x2Mul,
    I::V128Xor,
    I::V128And,
];

/// Instructions from one value of a type to another of the same.
const UNARY: [(ValType, &[I<'static>]); 5] = [
    (
        ValType::I32,
        &[I::I32Clz, I::I32Popcnt, I::I32Eqz, I::I32Extend8S],
    ),
    (ValType::I64, &[I::I64Ctz, I::I64Popcnt, I::I64Extend32S]),
    (
        ValType::F32,
        &[I::F32Abs, I::F32Neg, I::F32Sqrt, I::F32Floor],
    ),
    (
        ValType::F64,
        &[I::F64Neg, I::F64Ceil, I::F64Trunc, I::F64Nearest],
    ),
    (
        ValType::V128,
        &[I::V128Not, I::I8x16Neg, I::F32x4Sqrt, I::I32x4Abs],
    ),
];

/// Instructions to a type, each with the type that it takes.
const CONVERSIONS: [(ValType, &[(ValType, I<'static>)]); 5] = [
    (
        ValType::I32,
        &[
            (ValType::I64, I::I32WrapI64),
            (ValType::F32, I::I32ReinterpretF32),
            (ValType::F64, I::I32TruncSatF64S),
            (ValType::V128, I::V128AnyTrue),
        ],
    ),
    (
        ValType::I64,
        &[
            (ValType::I32, I::I64ExtendI32S),
            (ValType::F64, I::I64ReinterpretF64),
            (ValType::F32, I::I64TruncSatF32U),
        ],
    ),
    (
        ValType::F32,
        &[
            (ValType::I32, I::F32ReinterpretI32),
            (ValType::I64, I::F32ConvertI64S),
            (ValType::F64, I::F32DemoteF64),
        ],
    ),
    (
        ValType::F64,
        &[
            (ValType::I64, I::F64ReinterpretI64),
            (ValType::I32, I::F64ConvertI32U),
            (ValType::F32, I::F64PromoteF32),
        ],
    ),
    (
        ValType::V128,
        &[
            (ValType::I32, I::I8x16Splat),
            (ValType::I64, I::I64x2Splat),
            (ValType::F32, I::F32x4Splat),
            (ValType::F64, I::F64x2Splat),
        ],
    ),
];

type Load = fn(MemArg) -> I<'static>;

const LOADS: [(ValType, &[Load]); 5] = [
    (
        ValType::I32,
        &[I::I32Load, I::I32Load8S, I::I32Load8U, I::I32Load16U],
    ),
    (ValType::I64, &[I::I64Load, I::I64Load32S, I::I64Load8U]),
    (ValType::F32, &[I::F32Load]),
    (ValType::F64, &[I::F64Load]),
    (
        ValType::V128,
        &[I::V128Load, I::V128Load32Splat, I::V128Load8x8S],
    ),
];

fn of<T: Copy>(list: &[(ValType, T)], of: ValType) -> T {
    let found = list.iter().find(|(kind, _)| *kind == of);
    found.expect("each list has each type").1
}

impl Body<'_, '_> {
    /// Emits an expression of type `kind`, of at most `depth` levels.
    pub(crate) fn value(&mut self, kind: ValType, depth: u32) -> Result<()> {
        let most = if depth == 0 { 2 } else { 7 };
        match self.choices.int_in_range(0..=most)? {
            0 => self.constant(kind)?,
            1 => {
                let local = match kind {
                    ValType::I32 => self.choices.int_in_range(0..=3)?,
                    other => of(&LOCALS_OF, other),
                };
                self.emit(I::LocalGet(local));
            }
            2 => {
                let global = OF_TYPE.iter().find(|(_, other)| *other == kind);
                self.emit(I::GlobalGet(global.map_or(1, |(index, _)| *index)));
            }
            3 => {
                let load = *self.choices.choose(of(&LOADS, kind))?;
                let offset = self.address(16, depth - 1)?;
                self.emit(load(place(offset, 0)));
            }
            4 => {
                let (from, conversion) = self.choices.choose(of(&CONVERSIONS, kind))?;
                self.value(*from, depth - 1)?;
                self.emit(conversion.clone());
            }
            5 => {
                self.value(kind, depth - 1)?;
                let unary = self.choices.choose(of(&UNARY, kind))?;
                self.emit(unary.clone());
            }
            _ => {
                self.value(kind, depth - 1)?;
                self.value(kind, depth - 1)?;
                let binary = match kind {
                    ValType::I32 => I32,
                    ValType::I64 => I64,
                    ValType::F32 => F32,
                    ValType::F64 => F64,
                    _ => V128,
                };
                let divides = kind == ValType::I32 && self.choices.ratio(1, 12)?;
                match divides {
                    // Mostly not by zero.
                    true => {
                        if !self.choices.ratio(1, 10)? {
                            self.emit(I::I32Const(1));
                            self.emit(I::I32Or);
                        }
                        let divide = [I::I32DivU, I::I32RemS];
                        let divide = self.choices.choose(&divide)?.clone();
                        self.emit(divide);
                    }
                    false => {
                        let binary = self.choices.choose(binary)?.clone();
                        self.emit(binary);
                    }
                }
            }
        }
        Ok(())
    }

    fn constant(&mut self, kind: ValType) -> Result<()> {
        let constant = match kind {
            ValType::I32 => I::I32Const(self.choices.arbitrary()?),
            ValType::I64 => I::I64Const(self.choices.arbitrary()?),
            ValType::F32 => I::F32Const(f32::from_bits(self.choices.arbitrary()?).into()),
            ValType::F64 => I::F64Const(f64::from_bits(self.choices.arbitrary()?).into()),
            _ => I::V128Const(self.choices.arbitrary()?),
        };
        self.emit(constant);
        Ok(())
    }

    /// Emits the address of `width` bytes, mostly within memory, and returns the constant offset to it.
    pub(crate) fn address(&mut self, width: u32, depth: u32) -> Result<u32> {
        let end = self.pages * PAGE;
        if self.choices.ratio(1, 120)? {
            // Wherever it is, also beyond the end.
            self.value(ValType::I32, depth)?;
            return self.choices.arbitrary();
        }
        let offset = match self.choices.int_in_range(0..=5)? {
            0..=2 => 0,
            3 => self.choices.int_in_range(0..=20)?,
            4 => self.choices.int_in_range(0..=4000)?,
            _ => (self.pages - 1) * PAGE,
        };
        let last = end - width - offset;
        match self.choices.int_in_range(0..=5)? {
            // About where one part ends and the next begins.
            0 => {
                let near = self.choices.int_in_range(1..=last / 1024)? * 1024;
                let at = (near + 17).saturating_sub(self.choices.int_in_range(0..=34)?);
                self.emit(I::I32Const(at.min(last).cast_signed()));
            }
            // About where the memory ends; the highest one is one byte too far, and rare.
            1 => {
                let back = self.choices.int_in_range(0..=160)?;
                let at = (last + 1).saturating_sub(back.max(u32::from(back > 0)));
                self.emit(I::I32Const(at.cast_signed()));
            }
            2 => {
                let at = self.choices.int_in_range(0..=last)?;
                self.emit(I::I32Const(at.cast_signed()));
            }
            // Another place in each round of a loop.
            3 | 4 if self.loops > 0 => {
                self.emit(I::LocalGet(COUNTER + self.loops - 1));
                let stride = self.choices.int_in_range(1..=600)?;
                self.emit(I::I32Const(stride));
                self.emit(I::I32Mul);
                let base = self.choices.int_in_range(0..=8000)?;
                self.emit(I::I32Const(base));
                self.emit(I::I32Add);
            }
            _ => {
                self.value(ValType::I32, depth)?;
                self.emit(I::I32Const(0x7fff));
                self.emit(I::I32And);
            }
        }
        Ok(offset)
    }
}
