//! The sandbox of Portcullis: it loads, snapshots and evaluates plugins.
//!
//! Internal to Portcullis, without a promise of stability: embedders use `portcullis_host`. This crate has
//! no identities, intents or revocations; the host passes a plugin a request and facts, and gets a verdict.
//!
//! The Cargo feature `reset` adds `Instances::Reset`; without it, each decision has a fresh instance.
#![deny(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unreachable
    )
)]

mod artifact;
mod features;
mod proposals;

mod bounds;
mod cache;
mod compiler;
mod component;
mod core_module;
mod job;
mod load;
mod load_error;
mod loaded;
mod specialise;

mod code;
mod entry;
mod plugin;
mod processor;
mod stack;

mod bindings;
mod direct;
mod evaluate;
mod fault;
#[cfg(feature = "reset")]
mod held;
mod instance;
mod instances;
mod question;
mod sandbox;
mod verdict;
mod wire;

mod clock;
mod engine;

pub use artifact::{Inspection, inspect, read_component};
pub use cache::{CacheError, CodeSource, CompiledCache};
pub use compiler::{compile_if_asked, compiles_in_child};
#[doc(hidden)]
pub use engine::engine_settings;
pub use engine::{
    EngineError, MAX_CONCURRENT_DECISIONS, MAX_CORE_INSTANCES, PagemapScan, PagemapScanError,
    PagemapScanInForce, choose_pagemap_scan, expect_plugins, pagemap_scan_in_force,
};
pub use evaluate::Evaluation;
pub use fault::Fault;
pub use instances::Instances;
pub use load::PluginSource;
pub use load_error::{CompilerError, GrowingPart, LoadError, LoadStage, SettingsError};
pub use loaded::LoadedPlugins;
pub use plugin::Plugin;
pub use question::Question;
pub use sandbox::LoadLimit;
