//! A plugin's code: a component, or the one module in it.

use super::load::{compile, export, text_of};
use super::lowered;
use super::sandbox::Sandbox;
use super::{Fault, LoadError};
use crate::limits::PluginLimits;
use wasmtime::component::{self, Component, ComponentExportIndex, Linker};
use wasmtime::{Engine, InstancePre, Module, ModuleExport};

/// Code that was compiled.
pub(super) enum Compiled {
    Component(Component),
    /// What [`lowered`] makes.
    Module(Module),
}

impl Compiled {
    /// The code of the configured `component`. `restorable` asks for code that can be put back as it began.
    pub(super) fn of(
        engine: &Engine,
        component: &[u8],
        limits: &PluginLimits,
        restorable: bool,
    ) -> Result<Self, LoadError> {
        let module = lowered::lower(component, restorable, limits.memory_bytes);
        match module.and_then(|module| Module::from_binary(engine, &module).ok()) {
            Some(module) => Ok(Self::Module(module)),
            None => compile(engine, component).map(Self::Component),
        }
    }

    /// As bytes, which are machine code.
    pub(super) fn serialize(&self) -> wasmtime::Result<Vec<u8>> {
        match self {
            Self::Component(component) => component.serialize(),
            Self::Module(module) => module.serialize(),
        }
    }

    /// Ready to be instantiated.
    pub(super) fn instantiable(&self, engine: &Engine) -> Result<Code, LoadError> {
        match self {
            Self::Component(component) => {
                let (packed, evaluate) = export(component, "evaluate")?;
                Ok(Code::Component(ComponentCode {
                    instance: instantiable(engine, component)?,
                    evaluate,
                    packed,
                }))
            }
            Self::Module(module) => {
                let export = |name| {
                    module
                        .get_export_index(name)
                        .ok_or_else(|| LoadError::Signature(format!("it exports no `{name}`")))
                };
                Ok(Code::Module(ModuleCode {
                    // Nothing is defined in the linker: see below.
                    instance: wasmtime::Linker::new(engine)
                        .instantiate_pre(module)
                        .map_err(|error| LoadError::Compile(text_of(&error)))?,
                    memory: export(lowered::MEMORY)?,
                    realloc: export(lowered::REALLOC)?,
                    evaluate: export(lowered::EVALUATE)?,
                    restore: module.get_export_index(lowered::RESTORE),
                }))
            }
        }
    }
}

/// Code that can be instantiated.
pub(super) enum Code {
    Component(ComponentCode),
    Module(ModuleCode),
}

pub(super) struct ComponentCode {
    pub(super) instance: component::InstancePre<Sandbox>,
    pub(super) evaluate: ComponentExportIndex,
    /// Whether `evaluate` takes a block of bytes, or else the record of the contract.
    pub(super) packed: bool,
}

pub(super) struct ModuleCode {
    pub(super) instance: InstancePre<Sandbox>,
    pub(super) memory: ModuleExport,
    pub(super) realloc: ModuleExport,
    pub(super) evaluate: ModuleExport,
    pub(super) restore: Option<ModuleExport>,
}

impl Code {
    /// Whether instances can be put back as they began.
    pub(super) fn is_restorable(&self) -> bool {
        matches!(self, Self::Module(module) if module.restore.is_some())
    }
}

pub(super) fn instantiable(
    engine: &Engine,
    component: &Component,
) -> Result<component::InstancePre<Sandbox>, LoadError> {
    // Nothing is defined in the linker: a plugin gets nothing from the host but its request.
    Linker::new(engine)
        .instantiate_pre(component)
        .map_err(|error| LoadError::Compile(text_of(&error)))
}

/// The fault of a plugin whose exports are not what they were when it was loaded.
pub(super) fn other_than_loaded(what: &str) -> Fault {
    Fault::Sandbox(format!("`{what}` is not what it was when it was loaded"))
}
