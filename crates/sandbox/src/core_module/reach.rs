//! Finds the functions of a module that a decision can reach.

use crate::features::OF_MODULES;
use std::collections::HashMap;
use wasmparser::{
    CodeSectionReader, ConstExpr, Data, Element, ElementItems, ExternalKind, FuncType,
    FunctionBody, Global, MemoryType, Operator, Parser, Payload, Table,
};

/// A module that was read.
pub(super) struct Module<'a> {
    pub(super) types: Vec<FuncType>,
    /// The type of each function.
    pub(super) functions: Vec<u32>,
    pub(super) tables: Vec<Table<'a>>,
    pub(super) memory: MemoryType,
    pub(super) globals: Vec<Global<'a>>,
    exports: Vec<(&'a str, ExternalKind, u32)>,
    pub(super) elements: Vec<Element<'a>>,
    pub(super) counts_data: bool,
    pub(super) data: Vec<Data<'a>>,
    pub(super) bodies: Vec<FunctionBody<'a>>,
}

impl<'a> Module<'a> {
    /// Reads `bytes`, if they are a module of the supported form.
    ///
    /// The module has one memory, no imports and no start function, and uses only [`OF_MODULES`].
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        wasmparser::Validator::new_with_features(OF_MODULES)
            .validate_all(bytes)
            .ok()?;
        let mut read = Self {
            types: Vec::new(),
            functions: Vec::new(),
            tables: Vec::new(),
            memory: MemoryType {
                memory64: false,
                shared: false,
                initial: 0,
                maximum: None,
                page_size_log2: None,
            },
            globals: Vec::new(),
            exports: Vec::new(),
            elements: Vec::new(),
            counts_data: false,
            data: Vec::new(),
            bodies: Vec::new(),
        };
        let mut memories = 0;
        for payload in Parser::new(0).parse_all(bytes) {
            match payload.ok()? {
                Payload::TypeSection(section) => {
                    for read_type in section.into_iter_err_on_gc_types() {
                        read.types.push(read_type.ok()?);
                    }
                }
                Payload::FunctionSection(section) => read.functions = all(section)?,
                Payload::TableSection(section) => read.tables = all(section)?,
                Payload::MemorySection(section) => {
                    for memory in section {
                        read.memory = memory.ok()?;
                        memories += 1;
                    }
                }
                Payload::GlobalSection(section) => read.globals = all(section)?,
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export.ok()?;
                        read.exports.push((export.name, export.kind, export.index));
                    }
                }
                Payload::ElementSection(section) => read.elements = all(section)?,
                Payload::DataCountSection { .. } => read.counts_data = true,
                Payload::DataSection(section) => read.data = all(section)?,
                Payload::CodeSectionStart { range, .. } => {
                    let code = bytes.get(range.clone())?;
                    let code = wasmparser::BinaryReader::new(code, range.start);
                    read.bodies = all(CodeSectionReader::new(code).ok()?)?;
                }
                Payload::CodeSectionEntry(_)
                | Payload::Version { .. }
                | Payload::CustomSection(_)
                | Payload::End(_) => {}
                // Any other section, such as imports or a start function, is not supported.
                _ => return None,
            }
        }
        (memories == 1).then_some(read)
    }

    /// Index of the export `name`.
    pub(super) fn export(&self, name: &str, kind: ExternalKind) -> Option<u32> {
        let found = self
            .exports
            .iter()
            .find(|(n, k, _)| *n == name && *k == kind)?;
        Some(found.2)
    }

    /// The type of function `index`.
    pub(super) fn type_of(&self, index: u32) -> Option<&FuncType> {
        let index = *self.functions.get(index as usize)?;
        self.types.get(index as usize)
    }
}

fn all<'a, T: wasmparser::FromReader<'a>>(
    section: wasmparser::SectionLimited<'a, T>,
) -> Option<Vec<T>> {
    section.into_iter().collect::<Result<_, _>>().ok()
}

/// Parts of a module that a call of some functions can reach.
pub(super) struct Reached {
    /// For each function, true if it is reached.
    pub(super) functions: Vec<bool>,
    /// For each function, true if a table or an element segment names it.
    pub(super) in_tables: Vec<bool>,
}

impl Reached {
    /// Finds what `roots` can reach, by calls, by references and by tables.
    ///
    /// Through tables, they reach every function of a type that reached code calls indirectly.
    pub(super) fn from(module: &Module<'_>, roots: &[u32]) -> Option<Self> {
        let mut named = vec![false; module.functions.len()];
        let mut in_tables = HashMap::<_, Vec<_>>::new();
        for function in in_tables_of(module)? {
            if !std::mem::replace(named.get_mut(function as usize)?, true) {
                let of_type = in_tables.entry(module.type_of(function)?).or_default();
                of_type.push(function);
            }
        }
        let mut search = Search {
            module,
            reached: Self {
                functions: vec![false; module.functions.len()],
                in_tables: named,
            },
            waiting: Vec::new(),
            in_tables,
        };
        roots.iter().try_for_each(|root| search.reach(*root))?;
        for global in &module.globals {
            for function in referred(&global.init_expr)? {
                search.reach(function)?;
            }
        }
        while let Some(function) = search.waiting.pop() {
            search.look_through(function)?;
        }
        Some(search.reached)
    }
}

struct Search<'a, 'm> {
    module: &'m Module<'a>,
    reached: Reached,
    waiting: Vec<u32>,
    /// Functions in tables that are not yet reached through them, by type.
    in_tables: HashMap<&'m FuncType, Vec<u32>>,
}

impl Search<'_, '_> {
    fn reach(&mut self, function: u32) -> Option<()> {
        let reached = self.reached.functions.get_mut(function as usize)?;
        if !std::mem::replace(reached, true) {
            self.waiting.push(function);
        }
        Some(())
    }

    /// Reaches all functions in tables, for instructions other than `call_indirect`.
    fn reach_all_in_tables(&mut self) -> Option<()> {
        let all = std::mem::take(&mut self.in_tables);
        all.into_values()
            .flatten()
            .try_for_each(|function| self.reach(function))
    }

    fn look_through(&mut self, function: u32) -> Option<()> {
        let body = self.module.bodies.get(function as usize)?;
        for operator in body.get_operators_reader().ok()? {
            match operator.ok()? {
                Operator::Call { function_index } | Operator::RefFunc { function_index } => {
                    self.reach(function_index)?;
                }
                Operator::CallIndirect { type_index, .. } => {
                    let called = self.module.types.get(type_index as usize)?;
                    for function in self.in_tables.remove(called).unwrap_or_default() {
                        self.reach(function)?;
                    }
                }
                Operator::TableGet { .. }
                | Operator::TableSet { .. }
                | Operator::TableGrow { .. }
                | Operator::TableFill { .. }
                | Operator::TableCopy { .. }
                | Operator::TableInit { .. }
                | Operator::ElemDrop { .. } => self.reach_all_in_tables()?,
                _ => {}
            }
        }
        Some(())
    }
}

/// Functions that tables and element segments name.
fn in_tables_of(module: &Module<'_>) -> Option<Vec<u32>> {
    let mut found = Vec::new();
    for table in &module.tables {
        if let wasmparser::TableInit::Expr(expression) = &table.init {
            found.extend(referred(expression)?);
        }
    }
    for element in &module.elements {
        match &element.items {
            ElementItems::Functions(functions) => {
                for function in functions.clone() {
                    found.push(function.ok()?);
                }
            }
            ElementItems::Expressions(_, expressions) => {
                for expression in expressions.clone() {
                    found.extend(referred(&expression.ok()?)?);
                }
            }
        }
    }
    Some(found)
}

/// Functions that an expression refers to.
fn referred(expression: &ConstExpr<'_>) -> Option<Vec<u32>> {
    let mut found = Vec::new();
    for operator in expression.get_operators_reader() {
        if let Operator::RefFunc { function_index } = operator.ok()? {
            found.push(function_index);
        }
    }
    Some(found)
}
