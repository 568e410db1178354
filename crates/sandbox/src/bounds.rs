//! Bounds on the parts of a component, so that work on a file is in proportion to its size.
//!
//! Parsers, validators and compilers spend far more on some parts than the parts take in the file. They are
//! counted in one pass before any other work. Memories and tables that begin beyond their limit are refused in the
//! same pass: the error names the limit, which the engine does not know.

use crate::load_error::{GrowingPart, LoadError, malformed};
use portcullis_model::limits::{MAX_MEMORY_BYTES, MAX_TABLE_ELEMENTS, PluginLimits};
use wasmparser::{
    BinaryReaderError, ConstExpr, DataKind, ElementItems, ElementKind, FunctionBody, MemoryType,
    Operator, Parser, Payload,
};

/// Maximum depth of modules and components in each other. Build tools make 2 or 3 levels.
const NESTING: u64 = 16;
/// Maximum number of core modules, and of components.
const MODULES: u64 = 64;
/// Maximum number of types, imports, exports, aliases, instances and canonical functions, of each.
const ITEMS: u64 = 10_000;
/// Maximum number of functions with a body.
const FUNCTIONS: u64 = 30_000;
/// Maximum size of a function in bytes.
const BODY_BYTES: u64 = 1024 * 1024;
/// Maximum number of locals of a function.
const LOCALS: u64 = 5_000;
/// Maximum number of locals of all functions.
const ALL_LOCALS: u64 = 2_000_000;
/// Maximum depth of blocks in a function, and of loops in each other. A `match` of many cases is many blocks.
const BLOCKS: usize = 2_000;
const LOOPS: usize = 100;
/// Maximum size of a constant expression in bytes, such as the initial value of a global.
const CONSTANT_BYTES: u64 = 1_000;
/// Maximum number of custom sections.
const CUSTOM_SECTIONS: u64 = 1_000;
/// Maximum number of globals. Compilers make a few.
const GLOBALS: u64 = 1_000;
/// Maximum number of element segments, and of data segments.
const SEGMENTS: u64 = 10_000;

/// Refuses a component with more of something than is allowed.
pub(crate) fn check(bytes: &[u8], limits: &PluginLimits) -> Result<(), LoadError> {
    count(bytes, limits).unwrap_or_else(|error| Err(malformed(&error)))
}

/// A number of parts, and its maximum.
struct Counted {
    what: &'static str,
    found: u64,
    most: u64,
}

impl Counted {
    fn of(what: &'static str, most: u64) -> Self {
        Self {
            what,
            found: 0,
            most,
        }
    }

    fn add(&mut self, more: u64) -> Result<(), LoadError> {
        self.found = self.found.saturating_add(more);
        match self.found > self.most {
            false => Ok(()),
            true => Err(LoadError::TooMany {
                what: self.what.into(),
                found: self.found,
                most: self.most,
            }),
        }
    }
}

/// Checks the size of a constant expression.
fn constant(expression: &ConstExpr<'_>) -> Result<(), LoadError> {
    let size = expression.get_binary_reader().bytes_remaining() as u64;
    Counted::of("bytes in a constant expression", CONSTANT_BYTES).add(size)
}

/// Checks the size with which a memory or a table begins.
fn begins_within(part: GrowingPart, found: u64, limit: usize) -> Result<(), LoadError> {
    match found > limit as u64 {
        false => Ok(()),
        true => Err(LoadError::BeginsBeyond { part, found, limit }),
    }
}

/// A number of pages of a memory in bytes.
fn bytes_of(memory: &MemoryType, pages: u64) -> u64 {
    const PAGE_LOG2: u32 = 16;
    let page = 1_u64.checked_shl(memory.page_size_log2.unwrap_or(PAGE_LOG2));
    pages.saturating_mul(page.unwrap_or(u64::MAX))
}

/// The lowest maximum that a memory of the component declares, in bytes.
pub(crate) fn declared_maximum(component: &[u8]) -> Option<u64> {
    let payloads = Parser::new(0).parse_all(component).map_while(Result::ok);
    let memories = payloads.filter_map(|payload| match payload {
        Payload::MemorySection(memories) => Some(memories),
        _ => None,
    });
    let memories = memories.flatten().map_while(Result::ok);
    memories
        .filter_map(|memory| Some(bytes_of(&memory, memory.maximum?)))
        .min()
}

/// Checks how deep the blocks and loops of a function are in each other; the outer error is one of the format.
fn blocks(body: &FunctionBody<'_>) -> Result<Result<(), LoadError>, BinaryReaderError> {
    // True for each open block that is a loop.
    let mut open = Vec::new();
    let mut loops = 0;
    for operator in body.get_operators_reader()? {
        let is_loop = match operator? {
            Operator::Loop { .. } => true,
            Operator::Block { .. } | Operator::If { .. } | Operator::TryTable { .. } => false,
            Operator::End => {
                loops -= usize::from(open.pop() == Some(true));
                continue;
            }
            _ => continue,
        };
        open.push(is_loop);
        loops += usize::from(is_loop);
        for (what, found, most) in [
            ("levels of blocks in a function", open.len(), BLOCKS),
            ("levels of loops in a function", loops, LOOPS),
        ] {
            if found > most {
                return Ok(Err(LoadError::TooMany {
                    what: what.into(),
                    found: found as u64,
                    most: most as u64,
                }));
            }
        }
    }
    Ok(Ok(()))
}

/// Counts the parts; the outer error is one of the format.
fn count(bytes: &[u8], limits: &PluginLimits) -> Result<Result<(), LoadError>, BinaryReaderError> {
    let mut nesting = Counted::of("levels of modules and components in each other", NESTING);
    let mut modules = Counted::of("core modules and components", MODULES);
    let mut types = Counted::of("types", ITEMS);
    let mut imports = Counted::of("imports", ITEMS);
    let mut exports = Counted::of("exports", ITEMS);
    let mut aliases = Counted::of("aliases", ITEMS);
    let mut instances = Counted::of("instances", ITEMS);
    let mut canonical = Counted::of("canonical functions", ITEMS);
    let mut functions = Counted::of("functions", FUNCTIONS);
    let mut locals = Counted::of("locals", ALL_LOCALS);
    let mut globals = Counted::of("globals", GLOBALS);
    let mut items = Counted::of(
        "items in element segments (`table-elements`)",
        limits.table_elements as u64,
    );
    let mut custom = Counted::of("custom sections", CUSTOM_SECTIONS);
    let mut segments = Counted::of("element and data segments", SEGMENTS);
    for payload in Parser::new(0).parse_all(bytes) {
        let counted = match payload? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {
                nesting.add(1).and_then(|()| modules.add(1))
            }
            Payload::End(_) => {
                nesting.found = nesting.found.saturating_sub(1);
                Ok(())
            }
            Payload::TypeSection(section) => types.add(section.count().into()),
            Payload::CoreTypeSection(section) => types.add(section.count().into()),
            Payload::ComponentTypeSection(section) => types.add(section.count().into()),
            Payload::ImportSection(section) => imports.add(section.count().into()),
            Payload::ComponentImportSection(section) => imports.add(section.count().into()),
            Payload::ExportSection(section) => exports.add(section.count().into()),
            Payload::ComponentExportSection(section) => exports.add(section.count().into()),
            Payload::ComponentAliasSection(section) => aliases.add(section.count().into()),
            Payload::InstanceSection(section) => instances.add(section.count().into()),
            Payload::ComponentInstanceSection(section) => instances.add(section.count().into()),
            Payload::ComponentCanonicalSection(section) => canonical.add(section.count().into()),
            Payload::MemorySection(section) => {
                let limit = limits.memory_bytes.min(MAX_MEMORY_BYTES);
                let mut counted = Ok(());
                for memory in section {
                    let memory = memory?;
                    let found = bytes_of(&memory, memory.initial);
                    counted = counted.and(begins_within(GrowingPart::Memory, found, limit));
                }
                counted
            }
            Payload::TableSection(section) => {
                let limit = limits.table_elements.min(MAX_TABLE_ELEMENTS);
                let mut counted = Ok(());
                for table in section {
                    let found = table?.ty.initial;
                    counted = counted.and(begins_within(GrowingPart::Table, found, limit));
                }
                counted
            }
            Payload::FunctionSection(section) => functions.add(section.count().into()),
            Payload::CustomSection(_) => custom.add(1),
            Payload::GlobalSection(section) => {
                let mut counted = globals.add(section.count().into());
                if counted.is_ok() {
                    for global in section {
                        counted = counted.and(constant(&global?.init_expr));
                    }
                }
                counted
            }
            Payload::DataSection(section) => {
                let mut counted = segments.add(section.count().into());
                if counted.is_ok() {
                    for data in section {
                        if let DataKind::Active { offset_expr, .. } = data?.kind {
                            counted = counted.and(constant(&offset_expr));
                        }
                    }
                }
                counted
            }
            Payload::ElementSection(section) => {
                let mut counted = segments.add(section.count().into());
                for element in section {
                    let element = element?;
                    if let ElementKind::Active { offset_expr, .. } = &element.kind {
                        counted = counted.and(constant(offset_expr));
                    }
                    let count = match element.items {
                        ElementItems::Functions(functions) => functions.count(),
                        ElementItems::Expressions(_, expressions) => expressions.count(),
                    };
                    counted = counted.and_then(|()| items.add(count.into()));
                    if counted.is_err() {
                        break;
                    }
                }
                counted
            }
            Payload::CodeSectionEntry(body) => {
                let mut size = Counted::of("bytes in one function", BODY_BYTES);
                let mut of_body = Counted::of("locals in one function", LOCALS);
                let mut counted = size.add(body.as_bytes().len() as u64);
                if counted.is_ok() {
                    for local in body.get_locals_reader()? {
                        let (count, _) = local?;
                        counted = counted
                            .and_then(|()| of_body.add(count.into()))
                            .and_then(|()| locals.add(count.into()));
                    }
                    counted = counted.and(blocks(&body)?);
                }
                counted
            }
            _ => Ok(()),
        };
        if counted.is_err() {
            return Ok(counted);
        }
    }
    Ok(Ok(()))
}
