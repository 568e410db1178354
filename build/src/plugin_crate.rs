//! From a plugin crate to a core module.

use portcullis_contract::{Manifest, ManifestError};
use serde::Deserialize;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The Rust target of a plugin. It has no system interface, so neither has the component.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// What makes an instance small and a call cheap. A profile of its own, so that a crate's
/// `release` profile is left alone.
const PROFILE: [&str; 7] = [
    "profile.portcullis.inherits='release'",
    "profile.portcullis.opt-level=3",
    "profile.portcullis.lto='fat'",
    "profile.portcullis.codegen-units=1",
    "profile.portcullis.panic='abort'",
    "profile.portcullis.strip=true",
    "profile.portcullis.overflow-checks=true",
];

/// One page of stack is 64 KiB, of which 16 are plenty; the linker's own choice is sixteen pages,
/// which each fresh instance would pay for.
const STACK: &str = "link-arg=-zstack-size=16384";

/// A crate that holds a plugin: `Cargo.toml` and, beside it, `plugin.toml`.
#[derive(Debug)]
pub struct Crate {
    folder: PathBuf,
    manifest: Manifest,
    manifest_text: String,
}

/// Why a folder is not a plugin crate.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A file of it cannot be read.
    #[error("cannot read {}: {error}: a plugin crate has `Cargo.toml` and `plugin.toml`", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// `plugin.toml` is not a manifest.
    #[error("{}: {error}", file.display())]
    Manifest {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        error: ManifestError,
    },
}

/// Why a plugin crate does not compile.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// Cargo or rustc cannot be run.
    #[error("cannot run `{program}`: {error}: install Rust from https://rustup.rs")]
    Toolchain {
        /// The program.
        program: &'static str,
        /// What the system said.
        error: std::io::Error,
    },
    /// Rust has no standard library for the target.
    #[error("the Rust target {TARGET} is not installed: run `rustup target add {TARGET}`")]
    TargetMissing,
    /// Cargo failed; it said why on standard error.
    #[error("cargo could not build {} for {TARGET}: see its messages above", .0.display())]
    Cargo(PathBuf),
    /// Cargo made no module.
    #[error("cargo built no library in {}: a plugin crate has `src/lib.rs`", .0.display())]
    NoModule(PathBuf),
    /// The module cannot be read.
    #[error("cannot read {}: {error}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
}

impl Crate {
    /// Opens the plugin crate in `folder`, whose manifest is its `plugin.toml`.
    ///
    /// # Errors
    ///
    /// [`OpenError`] if it is none.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, OpenError> {
        let folder = folder.into();
        let manifest = folder.join("plugin.toml");
        Self::with_manifest(folder, manifest)
    }

    /// Opens the crate in `folder` as the plugin that the manifest in `file` describes.
    ///
    /// # Errors
    ///
    /// [`OpenError`] if one of them is not there or not valid.
    pub fn with_manifest(
        folder: impl Into<PathBuf>,
        file: impl Into<PathBuf>,
    ) -> Result<Self, OpenError> {
        let (folder, file) = (folder.into(), file.into());
        let cargo = folder.join("Cargo.toml");
        if let Err(error) = std::fs::metadata(&cargo) {
            return Err(OpenError::Read { file: cargo, error });
        }
        let manifest_text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) => return Err(OpenError::Read { file, error }),
        };
        match Manifest::parse(&manifest_text) {
            Ok(manifest) => Ok(Self {
                folder,
                manifest,
                manifest_text,
            }),
            Err(error) => Err(OpenError::Manifest { file, error }),
        }
    }

    /// The plugin's manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The manifest as written.
    pub fn manifest_text(&self) -> &str {
        &self.manifest_text
    }

    /// Compiles the crate to a core module, with Cargo's progress and messages on standard error.
    ///
    /// # Errors
    ///
    /// [`CompileError`] if Rust lacks what it needs or the crate does not compile.
    pub fn compile(&self) -> Result<Vec<u8>, CompileError> {
        require_target(&self.folder)?;
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo
            .current_dir(&self.folder)
            .args(["rustc", "--lib", "--crate-type", "cdylib"])
            .args(["--target", TARGET, "--profile", "portcullis"])
            .args(["--message-format", "json-render-diagnostics"]);
        for setting in PROFILE {
            cargo.args(["--config", setting]);
        }
        cargo.args(["--", "-C", STACK]);
        // When Cargo itself runs us, what it tells us of our own package is not for the plugin's.
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
                cargo.env_remove(name);
            }
        }
        let mut child = cargo
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| CompileError::Toolchain {
                program: "cargo",
                error,
            })?;
        let module = child.stdout.take().and_then(|messages| {
            BufReader::new(messages)
                .lines()
                .map_while(Result::ok)
                .filter_map(|line| module_in(&line))
                .last()
        });
        if !child.wait().is_ok_and(|status| status.success()) {
            return Err(CompileError::Cargo(self.folder.clone()));
        }
        let file = module.ok_or_else(|| CompileError::NoModule(self.folder.clone()))?;
        std::fs::read(&file).map_err(|error| CompileError::Read { file, error })
    }
}

fn require_target(folder: &Path) -> Result<(), CompileError> {
    let output = Command::new("rustc")
        .current_dir(folder)
        .args(["--print", "target-libdir", "--target", TARGET])
        .output()
        .map_err(|error| CompileError::Toolchain {
            program: "rustc",
            error,
        })?;
    let library = String::from_utf8_lossy(&output.stdout);
    if output.status.success() && Path::new(library.trim()).is_dir() {
        Ok(())
    } else {
        Err(CompileError::TargetMissing)
    }
}

/// The module that a line of Cargo's messages says was built, if it says so.
fn module_in(line: &str) -> Option<PathBuf> {
    #[derive(Deserialize)]
    struct Message {
        reason: String,
        #[serde(default)]
        target: Target,
        #[serde(default)]
        filenames: Vec<PathBuf>,
    }
    #[derive(Deserialize, Default)]
    struct Target {
        #[serde(default)]
        crate_types: Vec<String>,
    }
    let message: Message = serde_json::from_str(line).ok()?;
    let built = message.reason == "compiler-artifact"
        && message
            .target
            .crate_types
            .iter()
            .any(|kind| kind == "cdylib");
    message
        .filenames
        .into_iter()
        .filter(|_| built)
        .find(|file| file.extension().is_some_and(|e| e == "wasm"))
}
