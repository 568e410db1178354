//! Takes the core module out of a configured component, with only the code for decisions.
//!
//! A component whose `evaluate` maps a block of bytes to another is a module with a wrapper that declares
//! this. A call through the component also needs an instance of the component, and loads code that is not
//! needed. So the core module of such a plugin is taken out once it is configured: the host does what a call through the
//! component would do with the module (`canonical ABI`, a list of bytes), and the functions that only
//! `configure` calls are left out. A plugin of any other form decides through its component.

mod exports;
mod reach;
mod rewrite;

use crate::artifact;
use portcullis_contract::CONTRACT_VERSION;
use reach::{Module, Reached};
use rewrite::Exported;
use wasmparser::ExternalKind;

/// Export name of the core module's memory.
pub(super) const MEMORY: &str = "memory";
/// Export name of its allocation function.
pub(super) const REALLOC: &str = "realloc";
/// Export name of `evaluate`.
pub(super) const EVALUATE: &str = "evaluate";

/// Version of this rewriting.
///
/// Raise it with every change of the written code: it is part of the key of cached code. The code that resets
/// instances has a version of its own, in `portcullis-reset`.
pub(super) const FORM: u32 = 3;

/// The core module of a configured `component`, if it can be called directly.
pub(super) fn lower(component: &[u8]) -> Option<Vec<u8>> {
    // The snapshot changed the component, which was not validated since.
    wasmparser::Validator::new().validate_all(component).ok()?;
    let interface = format!("{}@{CONTRACT_VERSION}", artifact::PACKED_INTERFACE);
    let lifted = exports::find(component, &interface, "evaluate")?;
    let module = Module::read(component.get(lifted.module)?)?;
    let function = |name| module.export(name, ExternalKind::Func);
    let exported = Exported {
        realloc: function(lifted.realloc)?,
        evaluate: function(lifted.function)?,
    };
    // There is only one memory, but the call must use it.
    module.export(lifted.memory, ExternalKind::Memory)?;
    let reached = Reached::from(&module, &[exported.realloc, exported.evaluate])?;
    rewrite::rewrite(&module, &reached, &exported)
}

#[cfg(test)]
pub(super) mod tests;
