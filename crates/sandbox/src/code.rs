//! A plugin's code: a component, or the one module in it.

use crate::component::{compile, export, instantiable};
use crate::core_module;
#[cfg(feature = "reset")]
use crate::engine::SNAPSHOT_BYTES;
use crate::fault::{Fault, text_of};
use crate::load_error::LoadError;
use crate::sandbox::Sandbox;
#[cfg(feature = "reset")]
use portcullis_model::limits::{MAX_MEMORY_BYTES, PluginLimits};
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
    pub(crate) fn of(engine: &Engine, component: &[u8]) -> Result<Self, LoadError> {
        Self::of_module(engine, component, core_module::lower(component))
    }

    /// As [`Compiled::of`], with code that resets instances, if the plugin's form allows it.
    ///
    /// Their memory grows to at most that of `limits`.
    #[cfg(feature = "reset")]
    pub(crate) fn resettable(
        engine: &Engine,
        component: &[u8],
        limits: &PluginLimits,
    ) -> Result<Self, LoadError> {
        let module = core_module::lower(component);
        let bounds = portcullis_reset::Bounds {
            memory_bytes: limits.memory_bytes.min(MAX_MEMORY_BYTES) as u64,
            added_bytes: (MAX_MEMORY_BYTES + SNAPSHOT_BYTES) as u64,
        };
        let module =
            module.map(|plain| portcullis_reset::rewrite(&plain, &bounds).unwrap_or(plain));
        Self::of_module(engine, component, module)
    }

    /// Compiles `module`, or `component` if there is none.
    fn of_module(
        engine: &Engine,
        component: &[u8],
        module: Option<Vec<u8>>,
    ) -> Result<Self, LoadError> {
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
                    #[cfg(feature = "reset")]
                    reset: Reset::of(module),
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
    #[cfg(feature = "reset")]
    pub(crate) reset: Option<Reset>,
}

/// Exports of a module that can be reset.
#[cfg(feature = "reset")]
pub(crate) struct Reset {
    pub(crate) reset: ModuleExport,
    pub(crate) differs: ModuleExport,
}

#[cfg(feature = "reset")]
impl Reset {
    fn of(module: &Module) -> Option<Self> {
        Some(Self {
            reset: module.get_export_index(portcullis_reset::RESET)?,
            differs: module.get_export_index(portcullis_reset::DIFFERS)?,
        })
    }
}

#[cfg(feature = "reset")]
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
