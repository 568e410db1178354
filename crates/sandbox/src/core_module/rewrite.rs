//! Rewrites a module to contain only the code that a decision needs.

use super::reach::{Module, Reached};
use wasm_encoder::reencode::{Error, Reencode};
use wasm_encoder::{
    CodeSection, DataCountSection, DataSection, ElementSection, ExportKind, ExportSection,
    Function, FunctionSection, GlobalSection, Instruction, MemorySection, TableSection,
    TypeSection,
};

/// Indices of the exported functions in the original module.
pub(super) struct Exported {
    pub(super) realloc: u32,
    pub(super) evaluate: u32,
}

/// The module with its reached functions.
pub(super) fn rewrite(
    module: &Module<'_>,
    reached: &Reached,
    exported: &Exported,
) -> Option<Vec<u8>> {
    let mut renumber = Renumber::of(reached);
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
            code.function(&function(&mut renumber, body)?);
        } else {
            let mut stub = Function::new([]);
            stub.instruction(&Instruction::Unreachable);
            stub.instruction(&Instruction::End);
            code.function(&stub);
        }
    }
    let mut data = DataSection::new();
    for segment in &module.data {
        renumber.parse_data(&mut data, segment.clone()).ok()?;
    }

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

/// Rewrites one function.
fn function(renumber: &mut Renumber, body: &wasmparser::FunctionBody<'_>) -> Option<Function> {
    let mut locals = Vec::new();
    for group in body.get_locals_reader().ok()? {
        let (of_group, kind) = group.ok()?;
        locals.push((of_group, renumber.val_type(kind).ok()?));
    }
    let mut code = Function::new(locals);
    for operator in body.get_operators_reader().ok()? {
        code.instruction(&renumber.instruction(operator.ok()?).ok()?);
    }
    Some(code)
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
