//! The repository's own guests as components. Each is built once in a process; Cargo does nothing
//! where nothing has changed.

use anyhow::Context as _;
use portcullis_build::{Crate, componentize};
use portcullis_host::{Plugin, PluginLimits, PluginSource};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The reference plugins that decide by rules of their own, by the name of their folder.
pub const PLUGINS: [&str; 3] = ["http-api", "mcp-tools", "github"];

/// The reference plugins that hold another engine. They take long to build, so they are tested on
/// their own: see `cargo xtask engines`.
pub const ENGINES: [&str; 2] = ["cedar", "rego"];

/// The default limits but for the deadline, which a busy machine must not reach by chance.
pub fn patient() -> PluginLimits {
    PluginLimits {
        deadline: Duration::from_secs(5),
        ..PluginLimits::default()
    }
}

/// The component of the guest whose crate is in `folder` of the repository.
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

/// The reference plugin called `name`.
///
/// # Errors
///
/// If the crate does not build.
pub fn plugin(name: &str) -> anyhow::Result<Vec<u8>> {
    component(&format!("plugins/{name}"))
}

/// The hostile guest, which does what its settings say, loaded with `limits`.
///
/// # Panics
///
/// If it does not build or load.
pub fn hostile(settings: Value, limits: PluginLimits) -> Plugin {
    let component = component("tests/guests/hostile").expect("the hostile guest builds");
    let source = PluginSource::new(component)
        .settings(settings)
        .limits(limits);
    Plugin::load(&source).expect("the hostile guest loads")
}
