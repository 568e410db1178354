//! Compiles components, and finds their exports.

use crate::artifact;
use crate::fault::text_of;
use crate::load_error::LoadError;
use crate::sandbox::Sandbox;
use portcullis_contract::CONTRACT_VERSION;
use wasmtime::Engine;
use wasmtime::component::{self, Component, ComponentExportIndex, Linker};

/// Compiles the component in `bytes`.
pub(crate) fn compile(engine: &Engine, bytes: &[u8]) -> Result<Component, LoadError> {
    // Not `new`, which also accepts text if the gateway builds the runtime with its feature `wat`.
    Component::from_binary(engine, bytes).map_err(|error| LoadError::Compile(text_of(&error)))
}

/// Export `function` of a plugin, and true if it takes its request packed.
pub(crate) fn export(
    component: &Component,
    function: &str,
) -> Result<(bool, ComponentExportIndex), LoadError> {
    let of = |interface: &str| {
        let interface = format!("{interface}@{CONTRACT_VERSION}");
        let interface = component.get_export_index(None, &interface)?;
        component.get_export_index(Some(&interface), function)
    };
    of(artifact::PACKED_INTERFACE)
        .map(|packed| (true, packed))
        .or_else(|| of(artifact::POLICY_INTERFACE).map(|typed| (false, typed)))
        .ok_or_else(|| LoadError::Signature(format!("it exports no function `{function}`")))
}

/// The component, ready to be instantiated.
pub(crate) fn instantiable(
    engine: &Engine,
    component: &Component,
) -> Result<component::InstancePre<Sandbox>, LoadError> {
    // Nothing is defined in the linker: the host gives a plugin only its request.
    Linker::new(engine)
        .instantiate_pre(component)
        .map_err(|error| LoadError::Compile(text_of(&error)))
}
