//! A plugin: one sandboxed WebAssembly component, loaded and ready to decide.

mod artifact;
mod bindings;
mod cache;
mod code;
mod direct;
mod entry;
mod evaluate;
mod fault;
mod instance;
mod lane;
mod load;
mod lowered;
pub(crate) mod proposals;
mod sandbox;
mod specialise;
mod verdict;
mod wire;

pub use artifact::{Digest, DigestError, Inspection, inspect, read_component};
pub use cache::{CacheError, CompiledCache, Origin};
pub use evaluate::Evaluation;
pub(crate) use evaluate::Question;
pub use fault::{Fault, FaultKind};
pub use lane::Lane;
pub use load::PluginSource;
pub use verdict::{Effect, Narrowing, Obligation, Reason, Verdict};

use crate::engine::EngineError;
use crate::limits::PluginLimits;
use entry::Entry;
use portcullis_contract::{CONTRACT_VERSION, Manifest, ManifestError, excerpt};
use std::fmt;
use std::sync::Arc;

/// A plugin that is configured and ready to decide. Each decision is made in an instance of its
/// own.
pub struct Plugin {
    manifest: Manifest,
    digest: Digest,
    digest_text: String,
    settings_digest: Digest,
    origin: Origin,
    entry: Arc<Entry>,
}

impl Plugin {
    /// What the plugin says of itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The digest of the file that it was loaded from.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    pub(crate) fn digest_text(&self) -> &str {
        &self.digest_text
    }

    /// The digest of its settings in canonical form.
    pub fn settings_digest(&self) -> Digest {
        self.settings_digest
    }

    /// Where its code came from.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Whether [`Lane::Restored`] is what it says for this plugin, or else as [`Lane::Fresh`].
    pub fn is_restorable(&self) -> bool {
        self.entry.code.is_restorable()
    }

    /// How much it may take.
    pub fn limits(&self) -> &PluginLimits {
        &self.entry.limits
    }
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin")
            .field("name", &self.manifest.name)
            .field("version", &self.manifest.version)
            .field("digest", &self.digest)
            .finish_non_exhaustive()
    }
}

/// What is wrong with a plugin's settings, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsError {
    /// A JSON Pointer into the settings.
    pub path: String,
    /// What is wrong there.
    pub message: String,
}

/// Why a plugin is not loaded. The text says what was found and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// The file is larger than its limit.
    #[error(
        "the file has at least {bytes} bytes, and its limit is {limit}: raise `component-bytes` if it should be that large"
    )]
    TooLarge {
        /// Its size in bytes, as far as it was read.
        bytes: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The file is not the one that was pinned.
    #[error(
        "the file is {found}, but {pinned} is pinned: if the change is intended, pin the new digest"
    )]
    Digest {
        /// The digest that was pinned.
        pinned: Digest,
        /// The digest of the file.
        found: Digest,
    },
    /// The file is not WebAssembly.
    #[error("found {0}, not a WebAssembly component: build one with `portcullis build`")]
    NotWasm(&'static str),
    /// The file is a core module.
    #[error(
        "found a core module, not a component: make one of it with `portcullis build FILE.wasm --manifest plugin.toml`"
    )]
    CoreModule,
    /// The file is cut short or damaged.
    #[error("the component is damaged at byte {offset}: {message}: fetch or build it again")]
    Malformed {
        /// Where, in bytes from the beginning.
        offset: u64,
        /// What was found.
        message: String,
    },
    /// The component uses proposals of WebAssembly that plugins may not use. See docs/architecture.md.
    #[error("it uses {} of WebAssembly, which no plugin may: build it for `wasm32-unknown-unknown` without them", proposals(.0))]
    Proposals(Vec<String>),
    /// The component wants something of its host.
    #[error("it imports {}: a policy plugin imports nothing; build it for `wasm32-unknown-unknown`", list(.0))]
    Imports(Vec<String>),
    /// The component is of another world.
    #[error(
        "it does not export `{missing}` but {}: write it with portcullis-sdk {CONTRACT_VERSION}",
        list(exports)
    )]
    OtherWorld {
        /// What it lacks.
        missing: String,
        /// What it exports.
        exports: Vec<String>,
    },
    /// The component is written against another version of the contract.
    #[error(
        "it is written against contract {0}, and this host speaks {CONTRACT_VERSION}: rebuild it with portcullis-sdk {CONTRACT_VERSION}"
    )]
    OtherContract(String),
    /// An export has another type than the contract's.
    #[error(
        "its functions are not those of contract {CONTRACT_VERSION}: {0}: rebuild it with portcullis-sdk {CONTRACT_VERSION}"
    )]
    Signature(String),
    /// The component has no manifest.
    #[error(
        "it has no manifest: embed one with `portcullis build FILE.wasm --manifest plugin.toml`"
    )]
    NoManifest,
    /// The component has several manifests.
    #[error("it has several manifests: build it again with `portcullis build`")]
    ManyManifests,
    /// The manifest is not text.
    #[error("its manifest is not text: {0}: build it again with `portcullis build`")]
    ManifestText(String),
    /// The manifest is not valid.
    #[error("its manifest is not valid: {0}")]
    Manifest(#[source] ManifestError),
    /// The component does not compile.
    #[error("it does not compile: {0}: fetch or build it again")]
    Compile(String),
    /// The configured instance cannot be snapshotted.
    #[error(
        "it cannot be snapshotted once it is configured: {0}: build it as one core module, as portcullis-sdk does"
    )]
    Snapshot(String),
    /// An instance cannot be made.
    #[error("it cannot be instantiated: {}", while_loaded(.0))]
    Instantiate(#[source] Fault),
    /// `configure` did not answer.
    #[error("its `configure` failed: {}", while_loaded(.0))]
    Configure(#[source] Fault),
    /// `configure` refused the settings.
    #[error("it refuses its settings: {}", settings(.0))]
    Settings(Vec<SettingsError>),
    /// The engine does not start.
    #[error(transparent)]
    Engine(EngineErrorText),
}

/// The text of an [`EngineError`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EngineErrorText(String);

impl From<EngineError> for LoadError {
    fn from(error: EngineError) -> Self {
        Self::Engine(EngineErrorText(error.to_string()))
    }
}

fn proposals(names: &[String]) -> String {
    match names {
        [_] => format!("the proposal {}", list(names)),
        _ => format!("the proposals {}", list(names)),
    }
}

fn list(names: &[String]) -> String {
    const MOST: usize = 10;
    let mut quoted: Vec<_> = names
        .iter()
        .take(MOST)
        .map(|name| format!("`{}`", excerpt(name)))
        .collect();
    match names.len() {
        0 => return "nothing".to_owned(),
        all if all > MOST => quoted.push(format!("and {} more", all - MOST)),
        _ => {}
    }
    quoted.join(", ")
}

/// A fault, where another deadline counts than that of decisions.
fn while_loaded(fault: &Fault) -> String {
    match fault {
        Fault::Deadline => "it ran longer than its `configure-deadline`".to_owned(),
        fault => fault.to_string(),
    }
}

fn settings(errors: &[SettingsError]) -> String {
    let errors: Vec<_> = errors
        .iter()
        .map(|error| match error.path.as_str() {
            "" => error.message.clone(),
            path => format!("`{}`: {}", excerpt(path), error.message),
        })
        .collect();
    errors.join("; ")
}
