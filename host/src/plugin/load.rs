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
        // A file that is not the pinned one is not even read: it is not what was approved.
        if let Some(pinned) = *digest {
            let found = Digest::of(bytes);
            if found != pinned {
                return Err(LoadError::Digest { pinned, found });
            }
        }
        // The file controls what is parsed, rewritten and compiled, by libraries that may panic.
        catch_unwind(AssertUnwindSafe(|| {
            Self::load_unpinned(bytes, settings, limits)
        }))
        .unwrap_or_else(|_| Err(LoadError::Compile("the compiler gave up on it".to_owned())))
    }

    fn load_unpinned(
        bytes: &[u8],
        settings: &Value,
        limits: &PluginLimits,
    ) -> Result<Self, LoadError> {
        let inspection = artifact::inspect(bytes, limits);
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
        let configured = specialise::specialise(engine, bytes, limits, |store, instance| {
            configure(engine, store, instance, settings, limits)
        })?;
        let entry = prepare(engine, &configured)?;
        let plugin = Self {
            manifest,
            digest: inspection.digest,
            digest_text: inspection.digest.to_string(),
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
    Component::new(engine, bytes).map_err(|error| LoadError::Compile(text_of(&error)))
}

pub(super) fn instantiable(
    engine: &Engine,
    component: &Component,
) -> Result<InstancePre<Sandbox>, LoadError> {
    // Nothing is defined in the linker: a plugin gets nothing from the host but its request.
    Linker::new(engine)
        .instantiate_pre(component)
        .map_err(|error| LoadError::Compile(text_of(&error)))
}

/// What the engine says of a file that controls some of it.
pub(super) fn text_of(error: &wasmtime::Error) -> String {
    portcullis_contract::printable(&format!("{error:#}"))
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
        .map_err(|error| LoadError::Signature(text_of(&error)))?;
    let _ticking = Ticking::start(engine)?;
    sandbox::start_clock(store, limits.configure_deadline);
    let settings = settings.to_string();
    let (answer,) = configure
        .call(&mut *store, (&settings,))
        .map_err(|error| LoadError::Configure(Fault::from_error(&error)))?;
    answer.map_err(|errors| {
        let mut errors: Vec<_> = errors
            .into_iter()
            .map(|error| SettingsError {
                path: error.path,
                message: portcullis_contract::printable(&error.message),
            })
            .collect();
        if errors.is_empty() {
            errors.push(SettingsError {
                path: String::new(),
                message: "the plugin refuses them without saying why".to_owned(),
            });
        }
        LoadError::Settings(errors)
    })
}
