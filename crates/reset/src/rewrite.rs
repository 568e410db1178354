//! Writes a module again, with the code that resets its instances.

use crate::layout::{ASIDE, Bounds, Layout};
use crate::marks::{self, Scratch};
use crate::module::Module;
use crate::operators::{Entries, Found, Kind};
use crate::refused::Refused;
use crate::restore;
use crate::{DIFFERS, RESET};
use wasm_encoder::reencode::{Reencode as _, RoundtripReencoder};
use wasm_encoder::{
    CodeSection, ConstExpr, DataCountSection, DataSection, DataSegment, DataSegmentMode,
    ExportKind, ExportSection, Function, FunctionSection, MemorySection, RawSection, TypeSection,
    ValType,
};
use wasmparser::{BinaryReader, FunctionBody};

/// Sections that are written again, by their numbers in the format.
const TYPES: u8 = 1;
const FUNCTIONS: u8 = 3;
const MEMORIES: u8 = 5;
const EXPORTS: u8 = 7;
const CODE: u8 = 10;
const DATA: u8 = 11;
const DATA_COUNT: u8 = 12;
/// Every section, in the order of the format.
const ORDER: [u8; 10] = [
    TYPES, FUNCTIONS, 4, MEMORIES, 6, EXPORTS, 9, DATA_COUNT, CODE, DATA,
];

/// The module, with the code that resets its instances.
///
/// The writes of an instruction are marked if `marks` returns true for its name, which it always does but in tests.
pub(crate) fn rewrite(
    module: &[u8],
    bounds: &Bounds,
    marks: impl Fn(&'static str) -> bool,
) -> Result<Vec<u8>, Refused> {
    let module = Module::read(module)?;
    let layout = Layout::of(module.initial_pages, bounds).ok_or(Refused::Memory)?;
    let added = Added::behind(&module)?;
    let mut written = wasm_encoder::Module::new();
    for id in ORDER {
        let mut found = module.sections.iter().filter(|(of, _)| *of == id);
        let old = found
            .next()
            .and_then(|(_, at)| module.bytes.get(at.clone()));
        match id {
            TYPES => {
                let mut types = TypeSection::new();
                if let Some(old) = old {
                    RoundtripReencoder.parse_type_section(&mut types, reader(old)?)?;
                }
                // Address and length of a range of bytes.
                types.ty().function([ValType::I32; 2], []);
                types.ty().function([], [ValType::I32]);
                written.section(&types);
            }
            FUNCTIONS => {
                let mut functions = FunctionSection::new();
                if let Some(old) = old {
                    RoundtripReencoder.parse_function_section(&mut functions, reader(old)?)?;
                }
                functions.function(added.types);
                functions.function(added.types);
                functions.function(added.types + 1);
                written.section(&functions);
            }
            MEMORIES => {
                let mut memories = MemorySection::new();
                if let Some(old) = old {
                    RoundtripReencoder.parse_memory_section(&mut memories, reader(old)?)?;
                }
                memories.memory(layout.memory());
                written.section(&memories);
            }
            EXPORTS => {
                let mut exports = ExportSection::new();
                if let Some(old) = old {
                    RoundtripReencoder.parse_export_section(&mut exports, reader(old)?)?;
                }
                exports.export(RESET, ExportKind::Func, added.reset);
                exports.export(DIFFERS, ExportKind::Func, added.differs);
                written.section(&exports);
            }
            CODE => {
                written.section(&code(&module, &layout, &added, &marks)?);
            }
            DATA => {
                written.section(&data(&module, &layout)?);
            }
            DATA_COUNT if old.is_some() => {
                let count = module.data.len() + module.active.len();
                let count = u32::try_from(count).map_err(|_| Refused::Memory)?;
                written.section(&DataCountSection { count });
            }
            _ => {
                if let Some(data) = old {
                    written.section(&RawSection { id, data });
                }
            }
        }
    }
    Ok(written.finish())
}

/// Indices of what is added, behind the module's own.
struct Added {
    /// The type of `reset` and `mark`; that of `differs` follows.
    types: u32,
    reset: u32,
    mark: u32,
    differs: u32,
}

impl Added {
    fn behind(module: &Module<'_>) -> Result<Self, Refused> {
        let count = |of: usize| u32::try_from(of).map_err(|_| Refused::Item("too many items"));
        let functions = count(module.functions.len())?;
        Ok(Self {
            types: count(module.types.len())?,
            reset: functions,
            mark: functions + 1,
            differs: functions + 2,
        })
    }
}

/// A section's own reader.
fn reader<'a, T: wasmparser::FromReader<'a>>(
    bytes: &'a [u8],
) -> Result<wasmparser::SectionLimited<'a, T>, Refused> {
    Ok(wasmparser::SectionLimited::new(BinaryReader::new(
        bytes, 0,
    ))?)
}

fn code(
    module: &Module<'_>,
    layout: &Layout,
    added: &Added,
    marks: &impl Fn(&'static str) -> bool,
) -> Result<CodeSection, Refused> {
    let mut code = CodeSection::new();
    for (index, body) in module.bodies.iter().enumerate() {
        let parameters = module.parameters(index).unwrap_or_default();
        code.function(&function(
            module,
            body,
            parameters,
            |found, bytes, scratch, code| {
                let found = match marks(found.name) {
                    true => found,
                    false => Found {
                        kind: Kind::Keep,
                        ..found
                    },
                };
                marks::mark_after(found, bytes, layout, (scratch, added.mark), code)
            },
        )?);
    }
    code.function(&restore::reset(layout, &module.globals, added.mark));
    code.function(&marks::mark(layout));
    code.function(&restore::differs(layout, &module.globals));
    Ok(code)
}

/// Writes one function again: its instructions byte for byte, as `emit` writes each.
fn function(
    module: &Module<'_>,
    body: &FunctionBody<'_>,
    parameters: u32,
    emit: impl Fn(Found, &[u8], &Scratch, &mut Function) -> bool,
) -> Result<Function, Refused> {
    let damaged = || Refused::Invalid("a function is cut short".to_owned());
    let mut locals = Vec::new();
    let mut count = parameters;
    for group in body.get_locals_reader()? {
        let (of_group, kind) = group?;
        count = count.checked_add(of_group).ok_or_else(damaged)?;
        locals.push((of_group, RoundtripReencoder.val_type(kind)?));
    }
    let scratch = Scratch::after(count);
    locals.extend(Scratch::LOCALS);
    let mut code = Function::new(locals);
    let mut operators = body.get_operators_reader()?;
    while !operators.eof() {
        let begin = operators.original_position();
        let found = operators.visit_operator(&mut Entries)?;
        let bytes = module.bytes.get(begin..operators.original_position());
        if !emit(found, bytes.ok_or_else(damaged)?, &scratch, &mut code) {
            return Err(Refused::Instruction(found.name));
        }
    }
    Ok(code)
}

/// Initial bytes of the memory, and a copy of them for the image.
fn data(module: &Module<'_>, layout: &Layout) -> Result<DataSection, Refused> {
    let mut data = DataSection::new();
    for segment in &module.data {
        RoundtripReencoder.parse_data(&mut data, segment.clone())?;
    }
    for (offset, bytes) in &module.active {
        let offset = layout.in_image(*offset).ok_or(Refused::Memory)?;
        data.segment(DataSegment {
            mode: DataSegmentMode::Active {
                memory_index: ASIDE,
                offset: &ConstExpr::i32_const(offset.cast_signed()),
            },
            data: bytes.iter().copied(),
        });
    }
    Ok(data)
}
