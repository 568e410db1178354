//! Reasons why a plugin is not loaded.

use crate::engine::{EngineError, SNAPSHOT_BYTES};
use crate::fault::Fault;
use crate::sandbox::LoadLimit;
use portcullis_contract::{CONTRACT_VERSION, ManifestError, REBUILD, excerpt, one_line, printable};
use portcullis_model::digest::Digest;
use portcullis_model::limits::{MAX_MEMORY_BYTES, MAX_TABLE_ELEMENTS};
use portcullis_model::secret::withheld;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Error in a plugin's settings, with its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingsError {
    /// JSON Pointer into the settings.
    pub path: String,
    /// Description of the error.
    pub message: String,
}

/// Reason why a plugin is not loaded. The text states the problem and the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[non_exhaustive]
pub enum LoadError {
    /// The file is larger than its limit.
    #[error(
        "the file has at least {bytes} bytes, and its limit is {limit}: raise `component-bytes` if it should be that large"
    )]
    TooLarge {
        /// Size in bytes, as far as the file was read.
        bytes: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The file is not the one that was pinned.
    #[error(
        "the file is {found}, but {pinned} is pinned: if the change is intended, pin the new digest"
    )]
    #[serde(skip)]
    Digest {
        /// The digest that was pinned.
        pinned: Digest,
        /// The digest of the file.
        found: Digest,
    },
    /// The file is not WebAssembly.
    #[error("found {0}, not a WebAssembly component: build one with `portcullis build`")]
    NotWasm(Cow<'static, str>),
    /// The file is a core module.
    #[error(
        "found a core module, not a component: make one of it with `portcullis build FILE.wasm --manifest plugin.toml`"
    )]
    CoreModule,
    /// The file is cut short or damaged.
    #[error("the component is damaged at byte {offset}: {message}: fetch or build it again")]
    Malformed {
        /// Offset in bytes from the beginning.
        offset: u64,
        /// Description of the damage.
        message: String,
    },
    /// The component uses unsupported WebAssembly proposals. See docs/architecture.md.
    #[error("it uses {} of WebAssembly, which plugins must not use: build it for `wasm32-unknown-unknown` without them", proposals(.0))]
    Proposals(Vec<String>),
    /// The component imports something.
    #[error("it imports {}: a policy plugin imports nothing; build it for `wasm32-unknown-unknown`", list(.0))]
    Imports(Vec<String>),
    /// The component has another world.
    #[error(
        "it does not export `{missing}` but {}: write it with portcullis-sdk, for contract {CONTRACT_VERSION}",
        list(exports)
    )]
    OtherWorld {
        /// Export that is missing.
        missing: String,
        /// Exports of the component.
        exports: Vec<String>,
    },
    /// The component is written against another version of the contract.
    #[error(
        "it is written against contract {0}, and this host runs plugins of contract {CONTRACT_VERSION}: {REBUILD}"
    )]
    OtherContract(String),
    /// The type of an export differs from the contract's.
    #[error(
        "its functions are not those of contract {CONTRACT_VERSION}: {0}: rebuild it with `portcullis build`"
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
    #[error("its manifest is not valid: {}", withheld(&.0.to_string()))]
    #[serde(skip)]
    Manifest(ManifestError),
    /// The component does not compile.
    #[error("it does not compile: {0}: fetch or build it again")]
    Compile(String),
    /// The configured instance cannot be snapshotted.
    #[error(
        "it cannot be snapshotted once it is configured: {0}: build it as one core module, as portcullis-sdk does"
    )]
    Snapshot(String),
    /// An instance cannot be created.
    #[error("it cannot be instantiated: {0}")]
    Instantiate(Fault),
    /// `configure` failed.
    #[error("its `configure` failed: {0}")]
    Configure(Fault),
    /// The start function or `configure` ran too long.
    #[error("its {what} did not finish: {limit}")]
    Unfinished {
        /// The function.
        what: LoadStage,
        /// The bound that ended it.
        limit: LoadLimit,
    },
    /// `configure` refused the settings.
    #[error("it refuses its settings: {}", settings(.0))]
    Settings(Vec<SettingsError>),
    /// The component has more of something than is allowed.
    #[error(
        "it has {found} {what}, and {most} is the most: build it with less, or as several plugins"
    )]
    TooMany {
        /// Counted things, such as `globals`.
        what: Cow<'static, str>,
        /// Their number, as far as they were counted.
        found: u64,
        /// Maximum number.
        most: u64,
    },
    /// A memory or a table begins beyond its limit.
    #[error(
        "its {part} begins with {found} {}, and `{}` in its `limits` is {limit}: build it with a smaller {part}, or raise `{}`, to at most {}",
        part.unit(), part.setting(), part.setting(), part.most()
    )]
    BeginsBeyond {
        /// The part.
        part: GrowingPart,
        /// Its size at the beginning, in bytes or elements.
        found: u64,
        /// Its limit.
        limit: usize,
    },
    /// The memory cannot grow as far as the snapshot needs.
    #[error(
        "its memory grows to at most {maximum} bytes, the maximum that it declares, and the snapshot needs up to {SNAPSHOT_BYTES} bytes more than it has once it is configured: build it with a higher maximum, or without one, since `memory-bytes` in its `limits` bounds it"
    )]
    CannotGrow {
        /// The maximum that it declares, in bytes.
        maximum: u64,
    },
    /// The child process that compiles plugins did not compile it.
    #[error("the process that compiles plugins: {0}")]
    #[serde(skip)]
    Compiler(#[from] CompilerError),
    /// The engine does not start.
    #[error(transparent)]
    Engine(EngineErrorText),
}

/// Reason why the child process did not compile a plugin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CompilerError {
    /// No program is known.
    #[error(
        "this process has no program that compiles plugins: call `portcullis_host::compile_if_asked()` at the beginning of `main`, or choose to compile in this process (`PluginSource::compile_in_process`, or `compile = \"in-process\"` in `[engine]`)"
    )]
    NoProgram,
    /// The program cannot be started.
    #[error("cannot start {}: {message}", program.display())]
    Start {
        /// The program.
        program: std::path::PathBuf,
        /// Message of the operating system.
        message: String,
    },
    /// It took too long, and was killed.
    #[error(
        "it took longer than `load-deadline`, {0:?}, and was killed: raise `load-deadline` in `limits` if the plugin is trusted to take longer"
    )]
    Deadline(std::time::Duration),
    /// It needed more memory than it may have.
    #[error(
        "it needed more than `load-memory-bytes`, {0}: raise `load-memory-bytes` in `limits` if the plugin is trusted to need more"
    )]
    Memory(usize),
    /// It ended without an answer.
    #[error("it ended without an answer: {0}")]
    Died(String),
    /// Its answer is not valid.
    #[error(
        "its answer is not valid: {0}: check that the program is of the same version as this host"
    )]
    Answer(String),
}

/// A part of a plugin that grows up to a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum GrowingPart {
    /// The linear memory.
    #[error("memory")]
    Memory,
    /// A table.
    #[error("table")]
    Table,
}

impl GrowingPart {
    fn unit(self) -> &'static str {
        match self {
            Self::Memory => "bytes",
            Self::Table => "elements",
        }
    }

    fn setting(self) -> &'static str {
        match self {
            Self::Memory => "memory-bytes",
            Self::Table => "table-elements",
        }
    }

    /// The highest limit that can be set.
    fn most(self) -> usize {
        match self {
            Self::Memory => MAX_MEMORY_BYTES,
            Self::Table => MAX_TABLE_ELEMENTS,
        }
    }
}

/// A function of a plugin that runs while it is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum LoadStage {
    /// The start function of a core module.
    #[error("start function")]
    Start,
    /// `configure`.
    #[error("`configure`")]
    Configure,
}

/// The text of an [`EngineError`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
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

/// The error of bytes that are not valid WebAssembly.
pub(crate) fn malformed(error: &wasmparser::BinaryReaderError) -> LoadError {
    LoadError::Malformed {
        offset: error.offset() as u64,
        message: printable(&one_line(error.message())),
    }
}
