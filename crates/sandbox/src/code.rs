//! A plugin's code: a component, or the one module in it.

use crate::component::{compile, export, instantiable};
use crate::core_module;
use crate::fault::{Fault, text_of};
use crate::load_error::LoadError;
use crate::sandbox::Sandbox;
use portcullis_model::limits::PluginLimits;
use wasmtime::component::{self, Component, ComponentExportIndex};
use wasmtime::{Engine, InstancePre, Module, ModuleExport};

/// Compiled code.
pub(crate) enum Compiled {
    Component(Component),
    /// A module made by [`core_module`].
    Module(Module),
}

impl Compiled {
    /// Compiles the configured `component`.
    ///
    /// With `resettable`, instances of the code can be reset, if the plugin's form allows it.
    pub(crate) fn of(
        engine: &Engine,
        component: &[u8],
        limits: &PluginLimits,
        resettable: bool,
    ) -> Result<Self, LoadError> {
        let module = core_module::lower(component, resettable, limits.memory_bytes);
        match module.and_then(|module| Module::from_binary(engine, &module).ok()) {
            Some(module) => Ok(Self::Module(module)),
            None => compile(engine, component).map(Self::Component),
        }
    }

    /// The code as bytes, which contain machine code.
    pub(crate) fn serialize(&self) -> wasmtime::Result<Vec<u8>> {
        match self {
            Self::Component(component) => component.serialize(),
            Self::Module(module) => module.serialize(),
        }
    }

    /// The code, ready to be instantiated.
    pub(crate) fn instantiable(&self, engine: &Engine) -> Result<Code, LoadError> {
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
                    // Nothing is defined in the linker: see `component::instantiable`.
                    instance: wasmtime::Linker::new(engine)
                        .instantiate_pre(module)
                        .map_err(|error| LoadError::Compile(text_of(&error)))?,
                    memory: export(core_module::MEMORY)?,
                    realloc: export(core_module::REALLOC)?,
                    evaluate: export(core_module::EVALUATE)?,
                    reset: module.get_export_index(core_module::RESET),
                }))
            }
        }
    }
}

/// Code that can be instantiated.
pub(crate) enum Code {
    Component(ComponentCode),
    Module(ModuleCode),
}

pub(crate) struct ComponentCode {
    pub(crate) instance: component::InstancePre<Sandbox>,
    pub(crate) evaluate: ComponentExportIndex,
    /// True if `evaluate` takes a block of bytes; false if it takes the contract's record.
    pub(crate) packed: bool,
}

pub(crate) struct ModuleCode {
    pub(crate) instance: InstancePre<Sandbox>,
    pub(crate) memory: ModuleExport,
    pub(crate) realloc: ModuleExport,
    pub(crate) evaluate: ModuleExport,
    pub(crate) reset: Option<ModuleExport>,
}

impl Code {
    /// True if instances can be reset to their initial state.
    pub(crate) fn is_resettable(&self) -> bool {
        matches!(self, Self::Module(module) if module.reset.is_some())
    }
}

/// Fault of a plugin whose exports differ from those found at load time.
pub(crate) fn other_than_loaded(what: &str) -> Fault {
    Fault::Sandbox(format!("`{what}` has changed since it was loaded"))
}
