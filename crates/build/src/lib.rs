//! Builds a policy component from a plugin crate, a core module or a component.
//!
//! A policy component is a WebAssembly component with the plugin's manifest embedded.
//!
//! ```no_run
//! use portcullis_build::{Crate, componentize};
//!
//! let plugin = Crate::open("plugins/http-api")?;
//! let module = plugin.compile()?;
//! let component = componentize(&module, plugin.manifest_text())?;
//! std::fs::write("http-api.wasm", component)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

mod component;
mod plugin_crate;

pub use component::{ComponentError, componentize};
pub use plugin_crate::{CompileError, Crate, OpenError, TARGET};
