//! Rewrites a module to contain only the code that a decision needs.

use super::reach::{Module, Reached};
use super::reset::{Aside, Scratch};
use wasm_encoder::reencode::{Error, Reencode};
use wasm_encoder::{
    CodeSection, ConstExpr, DataCountSection, DataSection, DataSegment, DataSegmentMode,
    ElementSection, ExportKind, ExportSection, Function, FunctionSection, GlobalSection,
    Instruction, MemorySection, TableSection, TypeSection,
};
use wasmparser::{DataKind, Operator};

/// Indices of the exported functions in the original module.
pub(super) struct Exported {
    pub(super) realloc: u32,
    pub(super) evaluate: u32,
}

/// The module with its reached functions; with `aside`, also `reset`.
pub(super) fn rewrite(
    module: &Module<'_>,
    reached: &Reached,
    exported: &Exported,
    aside: Option<&Aside>,
) -> Option<Vec<u8>> {
    let mut renumber = Renumber::of(reached);
    let own_types = u32::try_from(module.types.len()).ok()?;
    let own_functions = renumber.count;
    // Indices after the plugin's own functions, in this order.
    let [reset, mark] = [own_functions, own_functions + 1];

    let mut types = TypeSection::new();
    for function in &module.types {
        let function = renumber.func_type(function.clone()).ok()?;
        types.ty().func_type(&function);
    }
    let mut functions = FunctionSection::new();
    for (index, of) in module.functions.iter().enumerate() {
        if renumber.keeps(index) {
            functions.function(*of);
        }
    }
    let mut memories = MemorySection::new();
    memories.memory(renumber.memory_type(module.memory).ok()?);
    let mut exports = ExportSection::new();
    exports.export(super::MEMORY, ExportKind::Memory, 0);
    for (name, function) in [
        (super::REALLOC, exported.realloc),
        (super::EVALUATE, exported.evaluate),
    ] {
        let function = renumber.function_index(function).ok()?;
        exports.export(name, ExportKind::Func, function);
    }
    if let Some(aside) = aside {
        // Address and length of a range of bytes.
        types.ty().function([wasm_encoder::ValType::I32; 2], []);
        functions.function(own_types);
        functions.function(own_types);
        memories.memory(aside.memory());
        exports.export(super::RESET, ExportKind::Func, reset);
    }

    let mut tables = TableSection::new();
    for table in &module.tables {
        renumber.parse_table(&mut tables, table.clone()).ok()?;
    }
    let mut globals = GlobalSection::new();
    for global in &module.globals {
        renumber.parse_global(&mut globals, global.clone()).ok()?;
    }
    let mut elements = ElementSection::new();
    for element in &module.elements {
        renumber
            .parse_element(&mut elements, element.clone())
            .ok()?;
    }
    let mut code = CodeSection::new();
    for (index, body) in module.bodies.iter().enumerate() {
        if !renumber.keeps(index) {
            continue;
        }
        if reached.functions.get(index) == Some(&true) {
            let parameters = module.type_of(u32::try_from(index).ok()?)?.params().len();
            let of = (u32::try_from(parameters).ok()?, mark);
            code.function(&function(&mut renumber, body, of, aside)?);
        } else {
            let mut stub = Function::new([]);
            stub.instruction(&Instruction::Unreachable);
            stub.instruction(&Instruction::End);
            code.function(&stub);
        }
    }
    if let Some(aside) = aside {
        code.function(&aside.reset(&beginnings(&mut renumber, module)?, mark));
        code.function(&aside.mark());
    }
    let data = data(&mut renumber, module, aside)?;

    let mut written = wasm_encoder::Module::new();
    written.section(&types).section(&functions);
    if !tables.is_empty() {
        written.section(&tables);
    }
    written
        .section(&memories)
        .section(&globals)
        .section(&exports)
        .section(&elements);
    if module.counts_data {
        written.section(&DataCountSection { count: data.len() });
    }
    written.section(&code).section(&data);
    Some(written.finish())
}

/// Rewrites one function, and marks its writes if there is an `aside`.
///
/// The pair holds its number of parameters, and the index of the function that marks.
fn function(
    renumber: &mut Renumber,
    body: &wasmparser::FunctionBody<'_>,
    (parameters, mark): (u32, u32),
    aside: Option<&Aside>,
) -> Option<Function> {
    let mut locals = Vec::new();
    let mut count = parameters;
    for group in body.get_locals_reader().ok()? {
        let (of_group, kind) = group.ok()?;
        count = count.checked_add(of_group)?;
        locals.push((of_group, renumber.val_type(kind).ok()?));
    }
    let scratch = Scratch::after(count);
    if aside.is_some() {
        locals.extend(Scratch::LOCALS);
    }
    let mut code = Function::new(locals);
    for operator in body.get_operators_reader().ok()? {
        let instruction = renumber.instruction(operator.ok()?).ok()?;
        match aside {
            Some(aside) => aside.emit(&instruction, &scratch, mark, &mut code),
            None => {
                code.instruction(&instruction);
            }
        }
    }
    Some(code)
}

/// Mutable globals with their initial values.
fn beginnings(
    renumber: &mut Renumber,
    module: &Module<'_>,
) -> Option<Vec<(u32, Instruction<'static>)>> {
    let mut beginnings = Vec::new();
    for (index, global) in (0..).zip(&module.globals) {
        if global.ty.mutable {
            let operator = global.init_expr.get_operators_reader().read().ok()?;
            let beginning = match renumber.instruction(operator).ok()? {
                Instruction::I32Const(number) => Instruction::I32Const(number),
                Instruction::I64Const(number) => Instruction::I64Const(number),
                Instruction::F32Const(number) => Instruction::F32Const(number),
                Instruction::F64Const(number) => Instruction::F64Const(number),
                Instruction::V128Const(number) => Instruction::V128Const(number),
                _ => return None,
            };
            beginnings.push((index, beginning));
        }
    }
    Some(beginnings)
}

/// Initial bytes of the memory, and a copy of them for the image.
fn data(
    renumber: &mut Renumber,
    module: &Module<'_>,
    aside: Option<&Aside>,
) -> Option<DataSection> {
    let mut data = DataSection::new();
    for segment in &module.data {
        renumber.parse_data(&mut data, segment.clone()).ok()?;
    }
    let Some(aside) = aside else {
        return Some(data);
    };
    for segment in &module.data {
        let DataKind::Active { offset_expr, .. } = &segment.kind else {
            continue;
        };
        let Ok(Operator::I32Const { value }) = offset_expr.get_operators_reader().read() else {
            return None;
        };
        let offset = aside.in_image(value.cast_unsigned())?;
        data.segment(DataSegment {
            mode: DataSegmentMode::Active {
                memory_index: 1,
                offset: &ConstExpr::i32_const(offset.cast_signed()),
            },
            data: segment.data.iter().copied(),
        });
    }
    Some(data)
}

/// Renumbers the functions that are kept.
struct Renumber {
    /// New number of each function that is kept.
    numbers: Vec<Option<u32>>,
    /// Number of the stub for all functions that are not kept.
    ///
    /// Tables name them, but no reached code calls a table with their types: such a call traps at the type
    /// check, whichever function is there.
    other: Option<u32>,
    count: u32,
}

impl Renumber {
    fn of(reached: &Reached) -> Self {
        let mut this = Self {
            numbers: Vec::with_capacity(reached.functions.len()),
            other: None,
            count: 0,
        };
        for (reached, named) in reached.functions.iter().zip(&reached.in_tables) {
            let other = !reached && *named && this.other.is_none();
            let number = (*reached || other).then_some(this.count);
            if other {
                this.other = number;
            }
            this.count += u32::from(number.is_some());
            this.numbers.push(number);
        }
        this
    }

    fn keeps(&self, index: usize) -> bool {
        matches!(self.numbers.get(index), Some(Some(_)))
    }
}

impl Reencode for Renumber {
    type Error = Unreached;

    fn function_index(&mut self, function: u32) -> Result<u32, Error<Unreached>> {
        let number = self.numbers.get(function as usize).copied().flatten();
        number.or(self.other).ok_or(Error::UserError(Unreached))
    }
}

/// A function that nothing reaches is named, which cannot happen.
#[derive(Debug)]
pub(super) struct Unreached;
