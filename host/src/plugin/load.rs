//! From a plugin file to a plugin that is ready to decide.

use super::artifact::{self, Digest};
use super::bindings::given::exports::portcullis::policy::types as wire;
use super::cache::{CompiledCache, EntryId, Found, Origin};
use super::code::Compiled;
use super::entry::Entry;
use super::lane::Places;
use super::sandbox::{self, Sandbox};
use super::{Fault, LoadError, Plugin, SettingsError, evaluate, specialise};
use crate::clock::{Ticking, expect_decisions_of};
use crate::engine::{engine, is_metered, metered_engine};
use crate::limits::PluginLimits;
use portcullis_contract::CONTRACT_VERSION;
use serde_json::Value;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use wasmtime::component::{Component, ComponentExportIndex, Instance};
use wasmtime::{Engine, Store};

/// A plugin file and how it is to be loaded.
#[derive(Debug, Clone)]
pub struct PluginSource {
    bytes: Vec<u8>,
    settings: Value,
    digest: Option<Digest>,
    limits: PluginLimits,
    cache: Option<CompiledCache>,
    metered: bool,
    restorable: bool,
}

impl PluginSource {
    /// The plugin in `bytes`, without settings and with default limits.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            bytes: bytes.into(),
            settings: Value::Object(serde_json::Map::new()),
            digest: None,
            limits: PluginLimits::default(),
            cache: None,
            metered: false,
            restorable: false,
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

    /// Where compiled plugins are kept. Nowhere by default.
    #[must_use]
    pub fn cache(mut self, cache: CompiledCache) -> Self {
        self.cache = Some(cache);
        self
    }

    /// Has the instructions counted that the plugin runs, which costs each decision more: for reports,
    /// see [`Evaluation::instructions`](crate::Evaluation::instructions).
    #[must_use]
    pub fn metered(mut self) -> Self {
        self.metered = true;
        self
    }

    /// Has the plugin's code rewritten so that an instance can be put back as it began, for
    /// [`Lane::Restored`](crate::Lane::Restored). In [`Lane::Fresh`](crate::Lane::Fresh) it costs a decision more.
    ///
    /// A plugin can be put back if it is written with portcullis-sdk, or is otherwise one core module that
    /// takes its requests packed and does not change its tables ([`Plugin::is_restorable`]). One that is
    /// metered is not.
    #[must_use]
    pub fn restorable(mut self) -> Self {
        self.restorable = true;
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
    /// its settings, snapshots it as it is then, and compiles the snapshot; or takes the code from the
    /// cache, where the same file was loaded with the same settings and limits before.
    ///
    /// # Errors
    ///
    /// [`LoadError`], whose text says what was found and what to do.
    pub fn load(source: &PluginSource) -> Result<Self, LoadError> {
        // A file that is not the pinned one is not even read: it is not what was approved.
        let found = Digest::of(&source.bytes);
        if let Some(pinned) = source.digest
            && found != pinned
        {
            return Err(LoadError::Digest { pinned, found });
        }
        // The file controls what is parsed, rewritten and compiled, by libraries that may panic.
        catch_unwind(AssertUnwindSafe(|| Self::load_unpinned(source, found)))
            .unwrap_or_else(|_| Err(LoadError::Compile("the compiler gave up on it".to_owned())))
    }

    fn load_unpinned(source: &PluginSource, digest: Digest) -> Result<Self, LoadError> {
        let PluginSource {
            bytes,
            settings,
            limits,
            cache,
            metered,
            restorable,
            digest: _,
        } = source;
        // What is added to the code would be counted too.
        let restorable = *restorable && !metered;
        let engine = match metered {
            true => metered_engine()?,
            false => engine()?,
        };
        let settings_digest =
            Digest::of(&serde_json_canonicalizer::to_vec(settings).unwrap_or_default());
        let cache = cache.as_ref().map(|cache| {
            // Of the very text that `configure` is passed: in canonical form, numbers that differ are one.
            let passed = Digest::of(settings.to_string().as_bytes());
            (
                cache,
                EntryId::of(engine, digest, passed, limits, restorable),
            )
        });
        let found = cache.map_or(Found::Nothing, |(cache, id)| cache.get(&id));
        let (cached, mut origin) = match found {
            // What was compiled before was inspected then; it is the same file.
            Found::Authentic(code) => match code.compiled(engine) {
                Ok(compiled) => (Some(compiled), Origin::Cached),
                Err(error) => (None, Origin::NotCached(text_of(&error))),
            },
            Found::Nothing => (None, Origin::Compiled),
            Found::Rejected(why) => (None, Origin::NotCached(why)),
        };
        let inspection = match &cached {
            Some(_) => artifact::look(digest, bytes, limits),
            None => artifact::inspect_of(digest, bytes, limits),
        };
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
        let compiled = match cached {
            Some(compiled) => compiled,
            None => {
                let configured =
                    specialise::specialise(engine, bytes, limits, |store, instance| {
                        configure(store, instance, settings, limits)
                    })?;
                let compiled = Compiled::of(engine, &configured, limits, restorable)?;
                if let Some((cache, id)) = cache {
                    let kept = compiled
                        .serialize()
                        .map_err(|error| text_of(&error))
                        .and_then(|code| cache.put(&id, &code).map_err(|error| error.to_string()));
                    if let Err(why) = kept {
                        origin = Origin::NotCached(why);
                    }
                }
                compiled
            }
        };
        let plugin = Self {
            manifest,
            digest,
            digest_text: digest.to_string(),
            settings_digest,
            origin,
            entry: Arc::new(prepare(engine, &compiled, limits)?),
        };
        evaluate::rehearse(&plugin)?;
        Ok(plugin)
    }
}

/// What instances of a configured plugin are made from.
fn prepare(
    engine: &'static Engine,
    compiled: &Compiled,
    limits: &PluginLimits,
) -> Result<Entry, LoadError> {
    expect_decisions_of(limits.deadline);
    Ok(Entry {
        engine,
        limits: *limits,
        code: compiled.instantiable(engine)?,
        metered: is_metered(engine),
        places: Places::default(),
    })
}

pub(super) fn compile(engine: &Engine, bytes: &[u8]) -> Result<Component, LoadError> {
    // Not `new`, which takes text as well where the gateway builds the runtime with its feature `wat`.
    Component::from_binary(engine, bytes).map_err(|error| LoadError::Compile(text_of(&error)))
}

/// What the engine says of a file that controls some of it.
pub(super) fn text_of(error: &wasmtime::Error) -> String {
    portcullis_contract::printable(&format!("{error:#}"))
}

/// The export `function` of a plugin, and whether it is one of those that take requests packed.
pub(super) fn export(
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

/// Has the instance validate and keep its settings.
fn configure(
    store: &mut Store<Sandbox>,
    (instance, function): (Instance, ComponentExportIndex),
    settings: &Value,
    limits: &PluginLimits,
) -> Result<(), LoadError> {
    let configure = instance
        .get_typed_func::<(&str,), (Result<(), Vec<wire::SettingsError>>,)>(&mut *store, function)
        .map_err(|error| LoadError::Signature(text_of(&error)))?;
    let _ticking = Ticking::start()?;
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
