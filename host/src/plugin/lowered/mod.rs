//! A plugin without its component: the one core module in it, with what a decision takes of it.
//!
//! A component whose `evaluate` takes a block of bytes and gives one is a module, and around it what says
//! so. Calling it through the component costs an instance of the component as well, and code that is not
//! needed is loaded with it. So such a plugin is lowered once it is configured: what a call through the
//! component would do with the module is done by the host (`canonical ABI`, a list of bytes), and the
//! functions that only `configure` calls are left out. A plugin of any other form decides as it is.

mod exports;
mod reach;
mod restore;
mod rewrite;

use super::artifact;
use portcullis_contract::CONTRACT_VERSION;
use reach::{Module, Reached};
use restore::Aside;
use rewrite::Exported;
use wasmparser::ExternalKind;

/// What a lowered module exports: its memory,
pub(super) const MEMORY: &str = "memory";
/// how it is asked for room,
pub(super) const REALLOC: &str = "realloc";
/// `evaluate`,
pub(super) const EVALUATE: &str = "evaluate";
/// and what puts it back as it began, if it can be.
pub(super) const RESTORE: &str = "restore";

/// What version of this rewriting a lowered module is of. Whoever changes what is written raises it: it is
/// part of what compiled code is kept by.
pub(super) const FORM: u32 = 2;

/// The core module of a configured `component`, if it can be asked without the component, and whether its
/// instances can be put back as they began: never, unless that is asked for with `restorable`. Its memory
/// grows to `memory_bytes` at most.
pub(super) fn lower(component: &[u8], restorable: bool, memory_bytes: usize) -> Option<Vec<u8>> {
    // What snapshots made of it was not looked at yet.
    wasmparser::Validator::new().validate_all(component).ok()?;
    let interface = format!("{}@{CONTRACT_VERSION}", artifact::PACKED_INTERFACE);
    let lifted = exports::find(component, &interface, "evaluate")?;
    let module = Module::read(component.get(lifted.module)?)?;
    let function = |name| module.export(name, ExternalKind::Func);
    let exported = Exported {
        realloc: function(lifted.realloc)?,
        evaluate: function(lifted.function)?,
    };
    // There is no other, but it has to be the one.
    module.export(lifted.memory, ExternalKind::Memory)?;
    let reached = Reached::from(&module, &[exported.realloc, exported.evaluate])?;
    let aside = restorable
        .then(|| aside(&module, &reached, memory_bytes))
        .flatten();
    rewrite::rewrite(&module, &reached, &exported, aside.as_ref())
}

/// Where what a module begins with is kept, if nothing of it changes that cannot be put back.
fn aside(module: &Module<'_>, reached: &Reached, memory_bytes: usize) -> Option<Aside> {
    (reached.tables_stay && module.begins_with_constants())
        .then(|| Aside::of(module, memory_bytes))
        .flatten()
}

#[cfg(test)]
pub(super) mod tests;
