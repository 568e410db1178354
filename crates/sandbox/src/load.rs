//! Loads a plugin file into a plugin that is ready to decide.

use crate::artifact;
use crate::cache::{CodeSource, CompiledCache, EntryId, Forms, Found};
use crate::clock::expect_decisions_of;
use crate::code::Compiled;
use crate::compiler::{self, Program};
use crate::engine::is_metered;
use crate::entry::Entry;
use crate::fault::text_of;
#[cfg(feature = "reset")]
use crate::held::{CHECKED_EVERY, Places};
use crate::job::{Form, Job};
use crate::load_error::{CompilerError, LoadError, SettingsError};
use crate::plugin::Plugin;
use crate::{core_module, evaluate, stack};
use portcullis_model::digest::Digest;
use portcullis_model::limits::PluginLimits;
use serde_json::Value;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use wasmtime::Engine;

/// A plugin file with its load options.
#[derive(Debug, Clone)]
pub struct PluginSource {
    bytes: Vec<u8>,
    settings: Value,
    digest: Option<Digest>,
    limits: PluginLimits,
    cache: Option<CompiledCache>,
    metered: bool,
    compile: Compile,
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
            compile: Compile::InChild,
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

    /// Compiles the plugin in this process, without the limits of a child process.
    ///
    /// Use it for plugins of a trusted author only: a compiler can need far more memory and time than the size
    /// of a file shows, and a fault in it would be a fault of this process. `load_deadline` and
    /// `load_memory_bytes` of the limits are then not enforced.
    ///
    /// By default, a plugin is compiled in a child process; see
    /// [`compile_if_asked`](crate::compile_if_asked).
    #[must_use]
    pub fn compile_in_process(mut self) -> Self {
        self.compile = Compile::InProcess;
        self
    }

    /// Compiles the plugin in a child process of `program`, another program of the same version of Portcullis.
    ///
    /// The program calls [`compile_if_asked`](crate::compile_if_asked) at the beginning of its `main`, as the
    /// command `portcullis` does.
    #[must_use]
    pub fn compile_with(mut self, program: impl AsRef<Path>) -> Self {
        self.compile = Compile::With(Program::other(program.as_ref()));
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

/// Identity of a source: sources with equal ids give equal plugins.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct SourceId {
    file: Digest,
    /// The exact text passed to `configure`.
    settings: String,
    limits: PluginLimits,
    metered: bool,
    compile: Compile,
    #[cfg(feature = "reset")]
    resettable: bool,
    #[cfg(feature = "reset")]
    check_resets_every: u32,
}

impl PluginSource {
    /// The identity of this source.
    ///
    /// # Errors
    ///
    /// [`LoadError::Digest`] if the file is not the pinned one.
    pub(crate) fn id(&self) -> Result<SourceId, LoadError> {
        Ok(SourceId {
            file: self.found()?,
            settings: self.settings.to_string(),
            limits: self.limits,
            metered: self.metered,
            compile: self.compile.clone(),
            #[cfg(feature = "reset")]
            resettable: self.resettable,
            #[cfg(feature = "reset")]
            check_resets_every: self.check_resets_every,
        })
    }

    /// Digest of the file, if it is the pinned one.
    fn found(&self) -> Result<Digest, LoadError> {
        let found = Digest::of(&self.bytes);
        match self.digest {
            Some(pinned) if found != pinned => Err(LoadError::Digest { pinned, found }),
            _ => Ok(found),
        }
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
        let found = source.found()?;
        // The file controls what is parsed, rewritten and compiled, in libraries that may panic.
        let load = || stack::for_loading(|| Self::load_unpinned(source, found));
        catch_unwind(AssertUnwindSafe(load))
            .unwrap_or_else(|_| Err(LoadError::Compile("the compiler failed on it".to_owned())))
    }

    fn load_unpinned(source: &PluginSource, digest: Digest) -> Result<Self, LoadError> {
        let PluginSource {
            bytes,
            settings,
            limits,
            cache,
            metered,
            compile,
            #[cfg(feature = "reset")]
            resettable,
            #[cfg(feature = "reset")]
            check_resets_every,
            digest: _,
        } = source;
        let form = Form {
            metered: *metered,
            // The added code would be counted too.
            #[cfg(feature = "reset")]
            resettable: *resettable && !metered,
            #[cfg(not(feature = "reset"))]
            resettable: false,
        };
        let engine = form.engine()?;
        let settings_digest =
            Digest::of(&serde_json_canonicalizer::to_vec(settings).unwrap_or_default());
        let passed = settings.to_string();
        let cache = cache.as_ref().map(|cache| {
            let forms = Forms {
                core_module: core_module::FORM,
                #[cfg(feature = "reset")]
                reset: form.resettable.then_some(portcullis_reset::FORM),
                #[cfg(not(feature = "reset"))]
                reset: None,
            };
            // Digest of the exact text passed to `configure`: in canonical form, different numbers can be
            // equal.
            let settings = Digest::of(passed.as_bytes());
            (cache, EntryId::of(engine, digest, settings, limits, forms))
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
        let inspection = match cached {
            Some(_) => artifact::look_again(digest, bytes),
            None => artifact::look(digest, bytes, limits),
        };
        let is_refused = !inspection.refusals.is_empty();
        let mut refusals = inspection.refusals.into_iter();
        if (cached.is_some() || inspection.manifest.is_none())
            && let Some(refusal) = refusals.next()
        {
            return Err(refusal);
        }
        if !settings.is_object() && !is_refused {
            return Err(LoadError::Settings(vec![SettingsError {
                path: String::new(),
                message: "settings are an object".to_owned(),
            }]));
        }
        let compiled = match cached {
            Some(compiled) => compiled,
            None => {
                let job = Job {
                    component: bytes,
                    digest,
                    settings: &passed,
                    limits,
                    form,
                };
                let (compiled, code) = compile.run(&job, refusals.next())?;
                if let Some((cache, id)) = cache {
                    let kept = code
                        .map_or_else(|| compiled.serialize(), Ok)
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
            manifest: inspection.manifest.ok_or(LoadError::NoManifest)?,
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

/// Process in which a plugin is compiled.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Compile {
    /// A child process of the program of this process.
    InChild,
    /// A child process of another program.
    With(Program),
    InProcess,
}

impl Compile {
    /// Compiles the plugin; returns its code, also as bytes if it comes from another process.
    ///
    /// `refusal` is what the host found by looking at the file.
    fn run(
        &self,
        job: &Job<'_>,
        refusal: Option<LoadError>,
    ) -> Result<(Compiled, Option<Vec<u8>>), LoadError> {
        let program = match self {
            Self::InProcess => return job.run().map(|compiled| (compiled, None)),
            Self::InChild => Program::own().ok_or(CompilerError::NoProgram)?,
            Self::With(program) => program.clone(),
        };
        let Some(code) = compiler::compile(&program, job)? else {
            return Err(refusal.unwrap_or_else(|| {
                let message = "it refuses the plugin, and this host does not".to_owned();
                CompilerError::Answer(message).into()
            }));
        };
        let compiled = compiler::compiled(job.form.engine()?, &code)?;
        Ok((compiled, Some(code)))
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
