//! Components of unusual shapes: all are valid policies with sections after their own.

use super::scaled;
use crate::frame::{Form, Made, component, module};
use std::fmt::Write as _;
use wasm_encoder::{
    Component, InstanceSection, MemorySection, MemoryType, Module, ModuleSection, TableSection,
};
use wasmparser::{Parser, Payload};

/// A harmless policy.
pub(super) fn valid() -> Vec<u8> {
    component(&module("", Form::Packed), Form::Packed)
}

/// Ten thousand types.
pub(crate) fn types_of_ten_thousand() -> Made {
    with_text(&"(type (list u8))".repeat(10_000))
}

/// Ten thousand types of functions with twenty parameters each.
pub(crate) fn types_of_long_functions() -> Made {
    let parameters: String = (0..20)
        .map(|index| format!("(param \"p{index}\" u64)"))
        .collect();
    with_text(&format!("(type (func {parameters}))").repeat(10_000))
}

/// A type of lists in lists, a thousand deep.
pub(crate) fn type_nested_deep() -> Made {
    let mut types = "(type $t0 (list u8))".to_owned();
    for depth in 1..1000 {
        write!(types, "(type $t{depth} (list $t{}))", depth - 1).expect("text");
    }
    with_text(&format!("(component {types})"))
}

/// A type that holds the one before it twice, 40 times over.
pub(crate) fn type_of_exponential_size() -> Made {
    let mut types = "(type $t0 (tuple u8 u8))".to_owned();
    for depth in 1..40 {
        let before = depth - 1;
        write!(types, "(type $t{depth} (tuple $t{before} $t{before}))").expect("text");
    }
    with_text(&format!("(component {types})"))
}

/// A record of ten thousand fields.
pub(crate) fn record_of_ten_thousand_fields() -> Made {
    let fields: String = (0..10_000)
        .map(|index| format!("(field \"f{index}\" u8)"))
        .collect();
    with_text(&format!("(type (record {fields}))"))
}

/// A variant of ten thousand cases.
pub(crate) fn enum_of_ten_thousand_cases() -> Made {
    let cases: String = (0..10_000).map(|index| format!(" \"c{index}\"")).collect();
    with_text(&format!("(type (enum {cases}))"))
}

/// Components nested a hundred deep.
pub(crate) fn nested_a_hundred_deep() -> Made {
    nested(100)
}

/// Components nested 3,000 deep, in 36 KB; 30,000 at full size.
pub(crate) fn nested_three_thousand_deep() -> Made {
    nested(scaled(3_000))
}

/// A hundred components beside each other.
pub(crate) fn components_of_a_hundred() -> Made {
    with_text(&"(component)".repeat(100))
}

/// A hundred modules, none of which is instantiated.
pub(crate) fn modules_of_a_hundred() -> Made {
    with_text(&"(core module (func))".repeat(100))
}

/// Two more instances of a module, which are within `instances`.
pub(crate) fn instances_within_the_limit() -> Made {
    with_instances(2, &Module::new())
}

/// More instances of modules than `instances`.
pub(crate) fn instances_beyond_the_limit() -> Made {
    with_instances(5, &Module::new())
}

/// A hundred instances of modules.
pub(crate) fn instances_of_a_hundred() -> Made {
    with_instances(100, &Module::new())
}

/// A hundred instances, each in a component of its own.
pub(crate) fn instances_in_components() -> Made {
    let inner = "(component (core module $m) (core instance (instantiate $m)))";
    let instances: String = (0..100)
        .map(|index| format!("(component $c{index} {inner} (instance (instantiate 0)))"))
        .collect();
    let all: String = (0..100)
        .map(|index| format!("(instance (instantiate $c{index}))"))
        .collect();
    instantiated(&format!("(component {instances} {all})"))
}

/// A second module with a memory.
pub(crate) fn memory_of_a_second_module() -> Made {
    let mut module = Module::new();
    let mut memories = MemorySection::new();
    memories.memory(MemoryType {
        minimum: 256,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    module.section(&memories);
    with_instances(1, &module)
}

/// A second module with two tables of the largest size.
pub(crate) fn tables_of_a_second_module() -> Made {
    let mut module = Module::new();
    let mut tables = TableSection::new();
    for _ in 0..3 {
        tables.table(wasm_encoder::TableType {
            element_type: wasm_encoder::RefType::FUNCREF,
            table64: false,
            minimum: 4096,
            maximum: None,
            shared: false,
        });
    }
    module.section(&tables);
    with_instances(1, &module)
}

/// A second module whose start function never ends.
pub(crate) fn start_function_of_a_second_module() -> Made {
    let mut component = Component::new();
    let text = "(module (func $f (loop (br 0))) (start $f))";
    let bytes = wat::parse_str(text).expect("a module");
    component.section(&wasm_encoder::RawSection {
        id: 1,
        data: &bytes,
    });
    let mut instances = InstanceSection::new();
    instances.instantiate::<_, &str>(modules(), []);
    component.section(&instances);
    with(&component.finish())
}

/// A thousand imports.
pub(crate) fn imports_of_a_thousand() -> Made {
    let import = |index| format!("(import \"i{index}\" (func))");
    importing(&(0..1000).map(import).collect::<String>())
}

/// An import with a name of 80 KB.
pub(crate) fn import_of_a_long_name() -> Made {
    importing(&format!("(import \"a{}\" (func))", "-a".repeat(40_000)))
}

/// Ten thousand exports of types, and not those of the contract.
pub(crate) fn exports_of_ten_thousand() -> Made {
    let exports: String = (0..10_000)
        .map(|index| format!("(export \"e{index}\" (type $t))"))
        .collect();
    let text = format!("(component (type $t u8) {exports})");
    Made::File(wat::parse_str(text).expect("a component"))
}

/// An inner component with ten thousand exports, which is instantiated.
pub(crate) fn exports_of_an_inner_component() -> Made {
    let exports: String = (0..10_000)
        .map(|index| format!("(export \"e{index}\" (type $t))"))
        .collect();
    instantiated(&format!("(component (type $t u8) {exports})"))
}

/// Ten thousand aliases of an outer type.
pub(crate) fn aliases_of_ten_thousand() -> Made {
    let aliases = "(alias outer $c $t (type))".repeat(10_000);
    with_text(&format!(
        "(component $c (type $t u8) (component {aliases}))"
    ))
}

/// A section of values, a proposal that no parser here reads.
pub(crate) fn section_of_values() -> Made {
    let mut bytes = valid();
    // A value section with the boolean true.
    bytes.extend([12, 4, 1, 0x7f, 1, 1]);
    Made::File(bytes)
}

fn importing(imports: &str) -> Made {
    Made::File(wat::parse_str(format!("(component {imports})")).expect("imports"))
}

fn nested(depth: usize) -> Made {
    const HEADER: &[u8] = b"\0asm\x0d\0\x01\0";
    const COMPONENT_SECTION: u8 = 4;
    let mut inner = HEADER.to_vec();
    for _ in 0..depth {
        let mut outer = HEADER.to_vec();
        outer.push(COMPONENT_SECTION);
        let mut size = inner.len();
        while size >= 0x80 {
            outer.push(u8::try_from(size & 0x7f).expect("seven bits") | 0x80);
            size >>= 7;
        }
        outer.push(u8::try_from(size).expect("seven bits"));
        outer.extend(inner);
        inner = outer;
    }
    with(&inner)
}

/// Modules of a harmless policy.
fn modules() -> u32 {
    count(|payload| matches!(payload, Payload::ModuleSection { .. }))
}

/// Counts parts of a harmless policy, at its top level.
fn count(is: impl Fn(&Payload<'_>) -> bool) -> u32 {
    let valid = valid();
    let mut depth = 0_usize;
    let mut found = 0;
    for payload in Parser::new(0).parse_all(&valid) {
        let payload = payload.expect("a valid component");
        found += u32::from(depth == 0 && is(&payload));
        match payload {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    found
}

fn with_instances(number: u32, module: &Module) -> Made {
    let mut extra = Component::new();
    for index in 0..number {
        extra.section(&ModuleSection(module));
        let mut instances = InstanceSection::new();
        instances.instantiate::<_, &str>(modules() + index, []);
        extra.section(&instances);
    }
    with(&extra.finish())
}

/// A policy with an inner component that is instantiated.
fn instantiated(component: &str) -> Made {
    let inner = wat::parse_str(component).expect("a component");
    let components = count(|payload| matches!(payload, Payload::ComponentSection { .. }));
    let mut extra = Component::new();
    extra.section(&wasm_encoder::RawSection {
        id: 4,
        data: &inner,
    });
    let mut instances = wasm_encoder::ComponentInstanceSection::new();
    instances.instantiate::<_, &str>(components, []);
    extra.section(&instances);
    with(&extra.finish())
}

fn with_text(fields: &str) -> Made {
    with(&wat::parse_str(format!("(component {fields})")).expect("fields of a component"))
}

/// A policy with the sections of another component, which refer to nothing outside of it.
fn with(other: &[u8]) -> Made {
    const HEADER: usize = 8;
    let mut component = valid();
    component.extend(other.iter().skip(HEADER));
    Made::File(component)
}
