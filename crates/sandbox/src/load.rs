//! Loads a plugin file into a plugin that is ready to decide.

use crate::artifact;
use crate::bindings::given::exports::portcullis::policy::types as wire;
use crate::cache::{CodeSource, CompiledCache, EntryId, Forms, Found};
use crate::clock::{Ticking, expect_decisions_of};
use crate::code::Compiled;
use crate::engine::{engine, is_metered, metered_engine};
use crate::entry::Entry;
use crate::fault::{Fault, text_of};
#[cfg(feature = "reset")]
use crate::held::{CHECKED_EVERY, Places};
use crate::load_error::{LoadError, SettingsError};
use crate::plugin::Plugin;
use crate::sandbox::{self, Sandbox};
use crate::{core_module, evaluate, specialise};
use portcullis_contract::{one_line, printable};
use portcullis_model::digest::Digest;
use portcullis_model::limits::PluginLimits;
use serde_json::Value;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use wasmtime::component::{ComponentExportIndex, Instance};
use wasmtime::{Engine, Store};

/// A plugin file with its load options.
#[derive(Debug, Clone)]
pub struct PluginSource {
    bytes: Vec<u8>,
    settings: Value,
    digest: Option<Digest>,
    limits: PluginLimits,
    cache: Option<CompiledCache>,
    metered: bool,
    #[cfg(feature = "reset")]
    resettable: bool,
    #[cfg(feature = "reset")]
    check_resets_every: u32,
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
            #[cfg(feature = "reset")]
            resettable: false,
            #[cfg(feature = "reset")]
            check_resets_every: CHECKED_EVERY,
        }
    }

    /// Sets the plugin's settings, a JSON object.
    #[must_use]
    pub fn settings(mut self, settings: Value) -> Self {
        self.settings = settings;
        self
    }

    /// Pins the file: a file with any other digest is refused.
    #[must_use]
    pub fn digest(mut self, digest: Digest) -> Self {
        self.digest = Some(digest);
        self
    }

    /// Sets the cache of compiled plugins. None by default.
    #[must_use]
    pub fn cache(mut self, cache: CompiledCache) -> Self {
        self.cache = Some(cache);
        self
    }

    /// Counts the instructions that the plugin runs, for reports.
    ///
    /// Counting makes each decision slower. See
    /// [`Evaluation::instructions`](crate::evaluate::Evaluation::instructions).
    #[must_use]
    pub fn metered(mut self) -> Self {
        self.metered = true;
        self
    }

    /// Rewrites the plugin's code so that its instances can be reset.
    ///
    /// [`Instances::Reset`](crate::instances::Instances::Reset) needs it; in
    /// [`Instances::Fresh`](crate::instances::Instances::Fresh) it makes a decision slower.
    ///
    /// A plugin can be reset if it is written with portcullis-sdk, or is otherwise one core module that takes
    /// its requests packed and does not change its tables ([`Plugin::is_resettable`]). A metered plugin
    /// cannot be reset.
    #[cfg(feature = "reset")]
    #[must_use]
    pub fn resettable(mut self) -> Self {
        self.resettable = true;
        self
    }

    /// Sets after how many resets of a thread's instance the whole instance is compared with its initial state.
    ///
    /// 1,024 by default; 0 turns the comparison off. If it finds a difference, the plugin decides in fresh
    /// instances from then on ([`Plugin::reset_failed`]).
    #[cfg(feature = "reset")]
    #[must_use]
    pub fn check_resets_every(mut self, resets: u32) -> Self {
        self.check_resets_every = resets;
        self
    }

    /// Sets the plugin's limits.
    #[must_use]
    pub fn limits(mut self, limits: PluginLimits) -> Self {
        self.limits = limits;
        self
    }
}

impl Plugin {
    /// Loads a plugin.
    ///
    /// It reads the file, refuses anything but a component of the contract, calls `configure` to validate the
    /// settings, snapshots the configured instance and compiles the snapshot. If the same file was loaded
    /// before with the same settings and limits, the code comes from the cache.
    ///
    /// # Errors
    ///
    /// [`LoadError`], whose text states the problem and the remedy.
    pub fn load(source: &PluginSource) -> Result<Self, LoadError> {
        // A file other than the pinned one is not parsed: it was not approved.
        let found = Digest::of(&source.bytes);
        if let Some(pinned) = source.digest
            && found != pinned
        {
            return Err(LoadError::Digest { pinned, found });
        }
        // The file controls what is parsed, rewritten and compiled, in libraries that may panic.
        catch_unwind(AssertUnwindSafe(|| Self::load_unpinned(source, found)))
            .unwrap_or_else(|_| Err(LoadError::Compile("the compiler failed on it".to_owned())))
    }

    fn load_unpinned(source: &PluginSource, digest: Digest) -> Result<Self, LoadError> {
        let PluginSource {
            bytes,
            settings,
            limits,
            cache,
            metered,
            #[cfg(feature = "reset")]
            resettable,
            #[cfg(feature = "reset")]
            check_resets_every,
            digest: _,
        } = source;
        // The added code would be counted too.
        #[cfg(feature = "reset")]
        let resettable = *resettable && !metered;
        let engine = match metered {
            true => metered_engine()?,
            false => engine()?,
        };
        let settings_digest =
            Digest::of(&serde_json_canonicalizer::to_vec(settings).unwrap_or_default());
        let cache = cache.as_ref().map(|cache| {
            // Digest of the exact text passed to `configure`: in canonical form, different numbers can be
            // equal.
            let passed = Digest::of(settings.to_string().as_bytes());
            let forms = Forms {
                core_module: core_module::FORM,
                #[cfg(feature = "reset")]
                reset: resettable.then_some(portcullis_reset::FORM),
                #[cfg(not(feature = "reset"))]
                reset: None,
            };
            (cache, EntryId::of(engine, digest, passed, limits, forms))
        });
        let found = cache.map_or(Found::Nothing, |(cache, id)| cache.get(&id));
        let (cached, mut origin) = match found {
            // The same file was inspected when it was compiled.
            Found::Authentic(code) => match code.compiled(engine) {
                Ok(compiled) => (Some(compiled), CodeSource::Cached),
                Err(error) => (None, CodeSource::NotCached(text_of(&error))),
            },
            Found::Nothing => (None, CodeSource::Compiled),
            Found::Rejected(why) => (None, CodeSource::NotCached(why)),
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
                #[cfg(feature = "reset")]
                let compiled = match resettable {
                    true => Compiled::resettable(engine, &configured, limits)?,
                    false => Compiled::of(engine, &configured)?,
                };
                #[cfg(not(feature = "reset"))]
                let compiled = Compiled::of(engine, &configured)?;
                if let Some((cache, id)) = cache {
                    let kept = compiled
                        .serialize()
                        .map_err(|error| text_of(&error))
                        .and_then(|code| cache.put(&id, &code).map_err(|error| error.to_string()));
                    if let Err(why) = kept {
                        origin = CodeSource::NotCached(why);
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
            code_source: origin,
            entry: Arc::new(prepare(engine, &compiled, limits)?),
            #[cfg(feature = "reset")]
            places: Places::new(*check_resets_every),
        };
        evaluate::rehearse(&plugin)?;
        Ok(plugin)
    }
}

/// Builds the entry from which instances of a configured plugin are made.
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
    })
}

/// Calls `configure`, in which the instance validates and stores its settings.
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
    sandbox::start_loading(store, limits);
    let settings = settings.to_string();
    let (answer,) = configure.call(&mut *store, (&settings,)).map_err(|error| {
        match Fault::from_error(&error) {
            Fault::Deadline => LoadError::Unfinished {
                what: "`configure`",
                limit: sandbox::exceeded_in_loading(store, limits),
            },
            fault => LoadError::Configure(fault),
        }
    })?;
    answer.map_err(|errors| {
        let mut errors: Vec<_> = errors
            .into_iter()
            .map(|error| SettingsError {
                path: error.path,
                message: printable(&one_line(&error.message)),
            })
            .collect();
        if errors.is_empty() {
            errors.push(SettingsError {
                path: String::new(),
                message: "the plugin refuses them without a reason".to_owned(),
            });
        }
        LoadError::Settings(errors)
    })
}
