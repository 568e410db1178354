//! What has to be compiled for a plugin: its component, settings and limits.

use crate::artifact;
use crate::bindings::given::exports::portcullis::policy::types as wire;
use crate::clock::Ticking;
use crate::code::Compiled;
use crate::engine::{EngineError, engine, metered_engine};
use crate::fault::{Fault, text_of};
use crate::load_error::{LoadError, LoadStage, SettingsError};
use crate::sandbox::{self, Sandbox};
use crate::specialise;
use portcullis_contract::{one_line, printable};
use portcullis_model::digest::Digest;
use portcullis_model::limits::PluginLimits;
use std::panic::{AssertUnwindSafe, catch_unwind};
use wasmtime::component::{ComponentExportIndex, Instance};
use wasmtime::{Engine, Store};

/// A plugin to compile.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Job<'a> {
    pub(crate) component: &'a [u8],
    /// Digest of the component.
    pub(crate) digest: Digest,
    /// Settings as the text that `configure` receives.
    pub(crate) settings: &'a str,
    pub(crate) limits: &'a PluginLimits,
    pub(crate) form: Form,
}

/// Form of the compiled code.
#[derive(Debug, Clone, Copy, serde::Serialize, serde::Deserialize)]
pub(crate) struct Form {
    /// Counts instructions.
    pub(crate) metered: bool,
    /// Adds code that resets instances.
    pub(crate) resettable: bool,
}

impl Form {
    /// The engine of this form.
    pub(crate) fn engine(self) -> Result<&'static Engine, EngineError> {
        match self.metered {
            true => metered_engine(),
            false => engine(),
        }
    }
}

impl Job<'_> {
    /// Validates the component, configures an instance of it, and compiles the snapshot of that.
    ///
    /// The file controls what is parsed, rewritten and compiled, in libraries that may panic.
    pub(crate) fn run(&self) -> Result<Compiled, LoadError> {
        catch_unwind(AssertUnwindSafe(|| self.compiled()))
            .unwrap_or_else(|_| Err(LoadError::Compile("the compiler failed on it".to_owned())))
    }

    fn compiled(&self) -> Result<Compiled, LoadError> {
        let engine = self.form.engine()?;
        let inspection = artifact::inspect_of(self.digest, self.component, self.limits);
        if let Some(refusal) = inspection.refusals.into_iter().next() {
            return Err(refusal);
        }
        let configured = specialise::specialise(
            engine,
            self.component,
            self.limits,
            |store, (instance, function)| self.configure(store, instance, function),
        )?;
        #[cfg(feature = "reset")]
        if self.form.resettable {
            return Compiled::resettable(engine, &configured, self.limits);
        }
        Compiled::of(engine, &configured)
    }

    /// Calls `configure`, in which the instance validates and stores its settings.
    fn configure(
        &self,
        store: &mut Store<Sandbox>,
        instance: Instance,
        function: ComponentExportIndex,
    ) -> Result<(), LoadError> {
        let configure = instance
            .get_typed_func::<(&str,), (Result<(), Vec<wire::SettingsError>>,)>(
                &mut *store,
                function,
            )
            .map_err(|error| LoadError::Signature(text_of(&error)))?;
        let _ticking = Ticking::start()?;
        sandbox::start_loading(store, self.limits);
        let answered = configure.call(&mut *store, (self.settings,));
        let (answer,) = answered.map_err(|error| match Fault::from_error(&error) {
            Fault::Deadline => LoadError::Unfinished {
                what: LoadStage::Configure,
                limit: sandbox::exceeded_in_loading(store, self.limits),
            },
            fault => LoadError::Configure(fault),
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
}
