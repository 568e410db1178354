//! Makes a module, and the calls of it.

use crate::statement::Body;
use crate::tally::{EXECUTED, REFUSED};
use arbitrary::{Result, Unstructured};
use wasm_encoder::{
    CodeSection, ConstExpr, DataCountSection, DataSection, ElementSection, Elements, ExportKind,
    ExportSection, FunctionSection, GlobalSection, GlobalType, MemorySection, MemoryType, Module,
    RefType, TableSection, TableType, TypeSection, ValType,
};

/// Size of a page of memory, in bytes.
pub(crate) const PAGE: u32 = 64 * 1024;
/// Maximum size of a module's memory, in pages.
pub(crate) const MOST_PAGES: u32 = 4;

/// Type of every function but one: two numbers to one.
pub(crate) const TWO_TO_ONE: u32 = 0;
/// Type of the function that no `call_indirect` names.
const OTHER_TYPE: u32 = 1;

/// Elements of the table: functions of [`TWO_TO_ONE`], then one of the other type, then null.
pub(crate) const CALLABLE: u32 = 4;
pub(crate) const TABLE: u32 = CALLABLE + 2;

/// Bytes of the passive data segment, which is the last one.
pub(crate) const PASSIVE_BYTES: u32 = 48;

/// Globals: the number of loop rounds and calls that are left, then one of each type, then a counter for each
/// of [`EXECUTED`].
pub(crate) const LEFT: u32 = 0;
pub(crate) const OF_TYPE: [(u32, ValType); 5] = [
    (1, ValType::I32),
    (2, ValType::I64),
    (3, ValType::F32),
    (4, ValType::F64),
    (5, ValType::V128),
];
pub(crate) const COUNTERS: u32 = 6;
/// Number of globals, each exported under its number.
pub(crate) const GLOBALS: u32 = COUNTERS + 22;
const _: () = assert!(EXECUTED.len() == 22);

/// Rounds of loops and calls of one call of the module.
const ROUNDS: i32 = 600;

/// One call of a module: bytes that the host writes to its memory before, and arguments.
pub(crate) struct Call {
    pub(crate) at: u32,
    pub(crate) written: Vec<u8>,
    pub(crate) arguments: (i32, i32),
}

/// A module with calls of its function `evaluate`.
pub(crate) struct Generated {
    pub(crate) bytes: Vec<u8>,
    /// Index in [`REFUSED`] of an instruction in it for which the rewriting refuses it.
    pub(crate) refused: Option<usize>,
    pub(crate) calls: Vec<Call>,
}

impl Generated {
    pub(crate) fn new(choices: &mut Unstructured<'_>) -> Result<Self> {
        let pages = *choices.choose(&[1, 1, 1, 2, 3])?;
        let refused = match choices.ratio(1, 10)? {
            true => Some(choices.choose_index(REFUSED.len())?),
            false => None,
        };
        let functions = choices.int_in_range(1..=3)?;
        let active = choices.int_in_range(1..=3)?;

        let mut types = TypeSection::new();
        types.ty().function([ValType::I32; 2], [ValType::I32]);
        types.ty().function([], []);
        let mut of_functions = FunctionSection::new();
        for _ in 0..functions {
            of_functions.function(TWO_TO_ONE);
        }
        of_functions.function(OTHER_TYPE);
        let mut tables = TableSection::new();
        tables.table(TableType {
            element_type: RefType::FUNCREF,
            table64: false,
            minimum: TABLE.into(),
            maximum: Some((TABLE + 4).into()),
            shared: false,
        });
        let mut memories = MemorySection::new();
        memories.memory(MemoryType {
            minimum: pages.into(),
            maximum: Some(MOST_PAGES.into()),
            memory64: false,
            shared: false,
            page_size_log2: None,
        });
        let mut exports = ExportSection::new();
        exports
            .export("memory", ExportKind::Memory, 0)
            .export("table", ExportKind::Table, 0)
            .export("evaluate", ExportKind::Func, 0);
        for global in 0..GLOBALS {
            exports.export(&global.to_string(), ExportKind::Global, global);
        }
        let mut elements = ElementSection::new();
        let callable: Vec<_> = (0..CALLABLE).map(|slot| slot % functions).collect();
        let named = [callable.as_slice(), &[functions]].concat();
        elements.active(
            None,
            &ConstExpr::i32_const(0),
            Elements::Functions(named.as_slice().into()),
        );
        elements.passive(Elements::Functions(callable.as_slice().into()));
        let globals = globals(choices)?;
        let data = data(choices, active, pages)?;

        let mut code = CodeSection::new();
        for function in 0..functions {
            let refused = refused.filter(|_| function == 0);
            let body = Body::new(choices, pages, functions, active);
            code.function(&body.function(refused.map(|index| REFUSED[index]))?);
        }
        let mut nothing = wasm_encoder::Function::new([]);
        nothing.instructions().end();
        code.function(&nothing);

        let mut module = Module::new();
        module
            .section(&types)
            .section(&of_functions)
            .section(&tables)
            .section(&memories)
            .section(&globals)
            .section(&exports)
            .section(&elements)
            .section(&DataCountSection { count: active + 1 })
            .section(&code)
            .section(&data);
        Ok(Self {
            bytes: module.finish(),
            refused,
            calls: calls(choices, pages)?,
        })
    }
}

fn globals(choices: &mut Unstructured<'_>) -> Result<GlobalSection> {
    let mut globals = GlobalSection::new();
    let mut global = |val_type, beginning: &ConstExpr| {
        let mutable = GlobalType {
            val_type,
            mutable: true,
            shared: false,
        };
        globals.global(mutable, beginning);
    };
    global(ValType::I32, &ConstExpr::i32_const(ROUNDS));
    for (_, of) in OF_TYPE {
        let beginning = match of {
            ValType::I32 => ConstExpr::i32_const(choices.arbitrary()?),
            ValType::I64 => ConstExpr::i64_const(choices.arbitrary()?),
            ValType::F32 => ConstExpr::f32_const(f32::from_bits(choices.arbitrary()?).into()),
            ValType::F64 => ConstExpr::f64_const(f64::from_bits(choices.arbitrary()?).into()),
            _ => ConstExpr::v128_const(choices.arbitrary()?),
        };
        global(of, &beginning);
    }
    for _ in EXECUTED {
        global(ValType::I32, &ConstExpr::i32_const(0));
    }
    Ok(globals)
}

fn data(choices: &mut Unstructured<'_>, active: u32, pages: u32) -> Result<DataSection> {
    let mut data = DataSection::new();
    for _ in 0..active {
        let length = choices.int_in_range(1..=64_u32)?;
        let bytes = bytes(choices, length)?;
        let at = choices.int_in_range(0..=pages * PAGE - length)?;
        data.active(0, &ConstExpr::i32_const(at.cast_signed()), bytes);
    }
    data.passive(bytes(choices, PASSIVE_BYTES)?);
    Ok(data)
}

fn calls(choices: &mut Unstructured<'_>, pages: u32) -> Result<Vec<Call>> {
    let count = choices.int_in_range(2..=3)?;
    let mut calls = Vec::new();
    for _ in 0..count {
        let length = match choices.int_in_range(0..=7)? {
            0 => 0,
            1 => choices.int_in_range(1000..=5000)?,
            _ => choices.int_in_range(1..=64)?,
        };
        let end = pages * PAGE - length;
        let at = match choices.ratio(1, 4)? {
            true => end - choices.int_in_range(0..=16)?,
            false => choices.int_in_range(0..=end)?,
        };
        // A long request repeats one byte, so that it does not use up the choices.
        let written = match length > 64 {
            true => vec![choices.arbitrary::<u8>()? | 1; length as usize],
            false => bytes(choices, length)?,
        };
        calls.push(Call {
            at,
            written,
            arguments: (choices.arbitrary()?, choices.arbitrary()?),
        });
    }
    Ok(calls)
}

fn bytes(choices: &mut Unstructured<'_>, length: u32) -> Result<Vec<u8>> {
    let mut bytes = vec![0; length as usize];
    choices.fill_buffer(&mut bytes)?;
    Ok(bytes)
}
