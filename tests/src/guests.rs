//! The repository's guests as components.
//!
//! A process builds each guest once, and Cargo skips unchanged ones.

use anyhow::Context as _;
use portcullis_build::{Crate, componentize};
use portcullis_host::{Plugin, PluginLimits, PluginSource};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Reference plugins with rules of their own, by the name of their folder.
pub const PLUGINS: [&str; 3] = ["http-api", "mcp-tools", "github"];

/// Reference plugins with another engine.
///
/// They take long to build, so they are tested separately: see `cargo xtask engines`.
pub const ENGINES: [&str; 2] = ["cedar", "rego"];

/// Returns the default limits with a deadline that a busy machine does not reach by chance.
pub fn patient() -> PluginLimits {
    PluginLimits {
        deadline: Duration::from_secs(5),
        ..PluginLimits::default()
    }
}

/// Returns the component of the guest whose crate is in `folder` of the repository.
///
/// # Errors
///
/// If the crate does not build.
pub fn component(folder: &str) -> anyhow::Result<Vec<u8>> {
    static BUILT: Mutex<Option<HashMap<String, Vec<u8>>>> = Mutex::new(None);
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    let built = built.get_or_insert_default();
    if let Some(component) = built.get(folder) {
        return Ok(component.clone());
    }
    let guest = Crate::open(crate::root().join(folder))?;
    let module = guest.compile()?;
    let component = componentize(&module, guest.manifest_text())
        .with_context(|| format!("the guest in {folder}"))?;
    built.insert(folder.to_owned(), component.clone());
    Ok(component)
}

/// Returns the reference plugin called `name`.
///
/// # Errors
///
/// If the crate does not build.
pub fn plugin(name: &str) -> anyhow::Result<Vec<u8>> {
    component(&format!("plugins/{name}"))
}

/// Loads the hostile guest with `settings` and `limits`.
///
/// # Panics
///
/// If the guest does not build or load.
pub fn hostile(settings: Value, limits: PluginLimits) -> Plugin {
    let component = component("tests/guests/hostile").expect("the hostile guest builds");
    let source = PluginSource::new(component)
        .compile_in_process()
        .settings(settings)
        .limits(limits);
    Plugin::load(&source).expect("the hostile guest loads")
}
