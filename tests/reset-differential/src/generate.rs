//! Makes a module, and the calls of it.

use crate::body::Body;
use crate::counters::{COUNTERS, Counters};
use crate::layout::{CALLABLE, MOST_PAGES, OF_TYPE, PAGE, PASSIVE_BYTES, TABLE, TWO_TO_ONE};
use crate::tally::REFUSED;
use arbitrary::{Result, Unstructured};
use wasm_encoder::{
    CodeSection, ConstExpr, DataCountSection, DataSection, ElementSection, Elements, ExportKind,
    ExportSection, FunctionSection, GlobalSection, GlobalType, MemorySection, MemoryType, Module,
    RefType, TableSection, TableType, TypeSection, ValType,
};

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
    pub(crate) counters: Counters,
}

impl Generated {
    pub(crate) fn new(choices: &mut Unstructured<'_>) -> Result<Self> {
        let pages = *choices.choose(&[1, 1, 1, 2, 3])?;
        let refused = match choices.ratio(1, 10)? {
            true => Some(choices.choose_index(REFUSED.len())?),
            false => None,
        };
        let functions = *choices.choose(&[1, 1, 1, 2])?;
        let active = choices.int_in_range(1..=2)?;

        let mut counters = Counters::default();
        let mut code = CodeSection::new();
        for function in 0..functions {
            let refused = refused.filter(|_| function == 0);
            let body = Body::new(choices, &mut counters, pages, functions, active);
            code.function(&body.function(function, refused.map(|index| REFUSED[index]))?);
        }

        let mut types = TypeSection::new();
        types.ty().function([ValType::I32; 2], [ValType::I32]);
        let mut of_functions = FunctionSection::new();
        for _ in 0..functions {
            of_functions.function(TWO_TO_ONE);
        }
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
        for global in 0..counters.globals() {
            exports.export(&global.to_string(), ExportKind::Global, global);
        }
        let mut elements = ElementSection::new();
        let callable: Vec<_> = (0..CALLABLE).map(|slot| slot % functions).collect();
        elements.active(
            None,
            &ConstExpr::i32_const(0),
            Elements::Functions(callable.as_slice().into()),
        );
        elements.passive(Elements::Functions(callable.as_slice().into()));
        let globals = globals(choices, &counters)?;
        let data = data(choices, active, pages)?;

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
            counters,
        })
    }
}

fn globals(choices: &mut Unstructured<'_>, counters: &Counters) -> Result<GlobalSection> {
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
    for _ in COUNTERS..counters.globals() {
        global(ValType::I64, &ConstExpr::i64_const(0));
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
