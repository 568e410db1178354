//! From a plugin file to a plugin that is ready to decide.

use super::artifact::{self, Digest};
use super::bindings::exports::portcullis::policy::policy as wire;
use super::sandbox::{self, Sandbox};
use super::{Entry, Fault, LoadError, Plugin, SettingsError, evaluate, specialise};
use crate::engine::{Ticking, engine};
use crate::limits::PluginLimits;
use portcullis_contract::CONTRACT_VERSION;
use serde_json::Value;
use std::panic::{AssertUnwindSafe, catch_unwind};
use wasmtime::component::{Component, ComponentExportIndex, Instance, InstancePre, Linker};
use wasmtime::{Engine, Store};

/// A plugin file and how it is to be loaded.
#[derive(Debug, Clone)]
pub struct PluginSource {
    bytes: Vec<u8>,
    settings: Value,
    digest: Option<Digest>,
    limits: PluginLimits,
}

impl PluginSource {
    /// The plugin in `bytes`, without settings and with default limits.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            bytes: bytes.into(),
            settings: Value::Object(serde_json::Map::new()),
            digest: None,
            limits: PluginLimits::default(),
        }
    }

    /// The plugin's settings, a JSON object.
    #[must_use]
    pub fn settings(mut self, settings: Value) -> Self {
        self.settings = settings;
        self
    }

    /// Pins the file: with any other digest it is refused.
    #[must_use]
    pub fn digest(mut self, digest: Digest) -> Self {
        self.digest = Some(digest);
        self
    }

    /// How much the plugin may take.
    #[must_use]
    pub fn limits(mut self, limits: PluginLimits) -> Self {
        self.limits = limits;
        self
    }
}

impl Plugin {
    /// Loads a plugin: reads it, refuses what is not a component of the contract, has it validate
    /// its settings, snapshots it as it is then, and compiles the snapshot.
    ///
    /// # Errors
    ///
    /// [`LoadError`], whose text says what was found and what to do.
    pub fn load(source: &PluginSource) -> Result<Self, LoadError> {
        let PluginSource {
            bytes,
            settings,
            digest,
            limits,
        } = source;
        let inspection = artifact::inspect(bytes, limits);
        // A file that is not the pinned one is not judged further: it is not what was approved.
        if let Some(pinned) = *digest
            && inspection.digest != pinned
        {
            return Err(LoadError::Digest {
                pinned,
                found: inspection.digest,
            });
        }
        if let Some(refusal) = inspection.refusals.into_iter().next() {
            return Err(refusal);
        }
        let manifest = inspection.manifest.ok_or(LoadError::NoManifest)?;
        if !settings.is_object() {
            return Err(LoadError::Settings(vec![SettingsError {
                path: String::new(),
                message: "settings are an object".to_owned(),
            }]));
        }
        let engine = engine()?;
        // The file controls what is compiled and rewritten, by libraries that may panic on it.
        let entry = catch_unwind(AssertUnwindSafe(|| {
            let configured = specialise::specialise(engine, bytes, limits, |store, instance| {
                configure(engine, store, instance, settings, limits)
            })?;
            prepare(engine, &configured)
        }))
        .unwrap_or_else(|_| Err(LoadError::Compile("the compiler gave up on it".to_owned())))?;
        let plugin = Self {
            manifest,
            digest: inspection.digest,
            settings_digest: Digest::of(
                &serde_json_canonicalizer::to_vec(settings).unwrap_or_default(),
            ),
            limits: *limits,
            engine,
            entry,
        };
        evaluate::rehearse(&plugin)?;
        Ok(plugin)
    }
}

/// Compiles a component and finds its `evaluate`.
fn prepare(engine: &'static Engine, bytes: &[u8]) -> Result<Entry, LoadError> {
    let component = compile(engine, bytes)?;
    let evaluate = export(&component, "evaluate")?;
    Ok(Entry {
        instance: instantiable(engine, &component)?,
        evaluate,
    })
}

pub(super) fn compile(engine: &Engine, bytes: &[u8]) -> Result<Component, LoadError> {
    Component::new(engine, bytes).map_err(|error| LoadError::Compile(format!("{error:#}")))
}

pub(super) fn instantiable(
    engine: &Engine,
    component: &Component,
) -> Result<InstancePre<Sandbox>, LoadError> {
    // Nothing is defined in the linker: a plugin gets nothing from the host but its request.
    Linker::new(engine)
        .instantiate_pre(component)
        .map_err(|error| LoadError::Compile(format!("{error:#}")))
}

pub(super) fn export(
    component: &Component,
    function: &str,
) -> Result<ComponentExportIndex, LoadError> {
    let interface = format!("portcullis:policy/policy@{CONTRACT_VERSION}");
    component
        .get_export_index(None, &interface)
        .and_then(|interface| component.get_export_index(Some(&interface), function))
        .ok_or_else(|| LoadError::Signature(format!("it exports no function `{function}`")))
}

/// Has the instance validate and keep its settings.
fn configure(
    engine: &'static Engine,
    store: &mut Store<Sandbox>,
    (instance, function): (Instance, ComponentExportIndex),
    settings: &Value,
    limits: &PluginLimits,
) -> Result<(), LoadError> {
    let configure = instance
        .get_typed_func::<(&str,), (Result<(), Vec<wire::SettingsError>>,)>(&mut *store, function)
        .map_err(|error| LoadError::Signature(format!("{error:#}")))?;
    let _ticking = Ticking::start(engine)?;
    sandbox::start_clock(store, limits.configure_deadline);
    let settings = settings.to_string();
    let (answer,) = configure
        .call(&mut *store, (&settings,))
        .map_err(|error| LoadError::Configure(Fault::from_error(&error)))?;
    answer.map_err(|errors| {
        LoadError::Settings(
            errors
                .into_iter()
                .map(|error| SettingsError {
                    path: error.path,
                    message: crate::text::printable(&error.message),
                })
                .collect(),
        )
    })
}
