//! Reads a module, as far as the rewriting needs it.

use crate::operators::FEATURES;
use crate::refused::Refused;
use crate::restore::Global;
use crate::{DIFFERS, RESET};
use std::ops::Range;
use wasm_encoder::Instruction;
use wasm_encoder::reencode::{Reencode as _, RoundtripReencoder};
use wasmparser::{ConstExpr, Data, DataKind, FuncType, FunctionBody, Parser, Payload};

/// A module that was read.
pub(crate) struct Module<'a> {
    pub(crate) bytes: &'a [u8],
    /// Every section but custom ones, by its number in the format.
    pub(crate) sections: Vec<(u8, Range<usize>)>,
    pub(crate) types: Vec<FuncType>,
    /// The type of each function.
    pub(crate) functions: Vec<u32>,
    /// Initial size of its memory, in pages.
    pub(crate) initial_pages: u64,
    pub(crate) globals: Vec<Global>,
    /// Active data segments, each with its offset.
    pub(crate) active: Vec<(u32, &'a [u8])>,
    pub(crate) data: Vec<Data<'a>>,
    pub(crate) bodies: Vec<FunctionBody<'a>>,
}

impl<'a> Module<'a> {
    /// Reads `bytes`, which must be a module with one memory, without imports and a start function.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, Refused> {
        wasmparser::Validator::new_with_features(FEATURES).validate_all(bytes)?;
        let mut read = Self {
            bytes,
            sections: Vec::new(),
            types: Vec::new(),
            functions: Vec::new(),
            initial_pages: 0,
            globals: Vec::new(),
            active: Vec::new(),
            data: Vec::new(),
            bodies: Vec::new(),
        };
        let mut has_memory = false;
        for payload in Parser::new(0).parse_all(bytes) {
            let payload = payload?;
            if let Some(section) = payload.as_section()
                && !matches!(payload, Payload::CustomSection(_))
            {
                read.sections.push(section);
            }
            match payload {
                Payload::TypeSection(section) => {
                    for function in section.into_iter_err_on_gc_types() {
                        read.types.push(function?);
                    }
                }
                Payload::FunctionSection(section) => {
                    read.functions = section.into_iter().collect::<Result<_, _>>()?;
                }
                Payload::MemorySection(section) => {
                    for memory in section {
                        // The features allow one.
                        read.initial_pages = memory?.initial;
                        has_memory = true;
                    }
                }
                Payload::GlobalSection(section) => {
                    for (index, global) in (0..).zip(section) {
                        let global = global?;
                        if global.ty.mutable {
                            read.globals.push(Global {
                                index,
                                beginning: number(&global.init_expr)?,
                            });
                        }
                    }
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        if [RESET, DIFFERS].contains(&export?.name) {
                            return Err(Refused::Item("an export called `reset` or `differs`"));
                        }
                    }
                }
                Payload::DataSection(section) => {
                    read.data = section.into_iter().collect::<Result<_, _>>()?;
                }
                Payload::CodeSectionEntry(body) => read.bodies.push(body),
                Payload::TableSection(_)
                | Payload::ElementSection(_)
                | Payload::DataCountSection { .. }
                | Payload::CodeSectionStart { .. }
                | Payload::Version { .. }
                | Payload::CustomSection(_)
                | Payload::End(_) => {}
                Payload::ImportSection(section) if section.count() == 0 => {}
                Payload::ImportSection(_) => return Err(Refused::Item("imports")),
                Payload::StartSection { .. } => return Err(Refused::Item("a start function")),
                _ => return Err(Refused::Item("a section that is not supported")),
            }
        }
        for data in &read.data {
            if let DataKind::Active { offset_expr, .. } = &data.kind {
                match number(offset_expr)? {
                    Instruction::I32Const(offset) => {
                        read.active.push((offset.cast_unsigned(), data.data));
                    }
                    _ => return Err(Refused::NotConstant),
                }
            }
        }
        match has_memory {
            true => Ok(read),
            false => Err(Refused::Item("no memory")),
        }
    }

    /// Number of parameters of function `index`.
    pub(crate) fn parameters(&self, index: usize) -> Option<u32> {
        let of_type = usize::try_from(*self.functions.get(index)?).ok()?;
        u32::try_from(self.types.get(of_type)?.params().len()).ok()
    }
}

/// The instruction in an expression that is one constant number.
fn number(expression: &ConstExpr<'_>) -> Result<Instruction<'static>, Refused> {
    let mut operators = expression.get_operators_reader();
    let first = RoundtripReencoder.instruction(operators.read()?)?;
    let number = match first {
        Instruction::I32Const(number) => Instruction::I32Const(number),
        Instruction::I64Const(number) => Instruction::I64Const(number),
        Instruction::F32Const(number) => Instruction::F32Const(number),
        Instruction::F64Const(number) => Instruction::F64Const(number),
        Instruction::V128Const(number) => Instruction::V128Const(number),
        _ => return Err(Refused::NotConstant),
    };
    match operators.is_end_then_eof() {
        true => Ok(number),
        false => Err(Refused::NotConstant),
    }
}
