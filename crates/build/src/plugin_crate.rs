//! Compiles a plugin crate to a core module.

use portcullis_contract::{Manifest, ManifestError};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The Rust target of a plugin. It has no system interface, so the component has none either.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// Profile settings for small instances and cheap calls.
///
/// They form a profile of their own, so the crate's `release` profile is not changed.
const PROFILE: [&str; 7] = [
    "profile.portcullis.inherits='release'",
    "profile.portcullis.opt-level=3",
    "profile.portcullis.lto='fat'",
    "profile.portcullis.codegen-units=1",
    "profile.portcullis.panic='abort'",
    "profile.portcullis.strip=true",
    "profile.portcullis.overflow-checks=true",
];

/// Stack size: 16 KiB, which are plenty for a plugin.
///
/// The linker's default is sixteen pages of 64 KiB, and each fresh instance would pay for them.
const STACK: &str = "link-arg=-zstack-size=16384";

/// A crate that holds a plugin: `Cargo.toml` and, beside it, `plugin.toml`.
#[derive(Debug)]
pub struct Crate {
    folder: PathBuf,
    manifest: Manifest,
    manifest_text: String,
}

/// The reason why a folder is not a plugin crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// A file of the crate cannot be read.
    #[error("cannot read {}: {error}: a plugin crate has `Cargo.toml` and `plugin.toml`", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// The system's error.
        error: std::io::Error,
    },
    /// `plugin.toml` is not a manifest.
    #[error("{}: {error}", file.display())]
    Manifest {
        /// The file.
        file: PathBuf,
        /// The error in the manifest.
        error: ManifestError,
    },
}

/// The reason why a plugin crate does not compile.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompileError {
    /// Cargo or rustc cannot be run.
    #[error("cannot run `{program}`: {error}: install Rust from https://rustup.rs")]
    Toolchain {
        /// The program.
        program: &'static str,
        /// The system's error.
        error: std::io::Error,
    },
    /// Rust has no standard library for the target.
    #[error("the Rust target {TARGET} is not installed: run `rustup target add {TARGET}`")]
    TargetMissing,
    /// Cargo failed, and printed the reason on standard error.
    #[error("cargo could not build {} for {TARGET}: see its messages above", .0.display())]
    Cargo(PathBuf),
    /// Cargo built no module.
    #[error("cargo built no library in {}: a plugin crate has `src/lib.rs`", .0.display())]
    NoModule(PathBuf),
    /// The module cannot be read.
    #[error("cannot read {}: {error}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// The system's error.
        error: std::io::Error,
    },
}

impl Crate {
    /// Opens the plugin crate in `folder`, whose manifest is its `plugin.toml`.
    ///
    /// # Errors
    ///
    /// [`OpenError`] if the folder is not a plugin crate.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, OpenError> {
        let folder = folder.into();
        let manifest = folder.join("plugin.toml");
        Self::with_manifest(folder, manifest)
    }

    /// Opens the crate in `folder` with the manifest in `file`.
    ///
    /// # Errors
    ///
    /// [`OpenError`] if one of them is missing or invalid.
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

    /// Returns the plugin's manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Returns the manifest's text.
    pub fn manifest_text(&self) -> &str {
        &self.manifest_text
    }

    /// Compiles the crate to a core module.
    ///
    /// Cargo writes its progress and messages to standard error.
    ///
    /// # Errors
    ///
    /// [`CompileError`] if the Rust toolchain is incomplete or the crate does not compile.
    pub fn compile(&self) -> Result<Vec<u8>, CompileError> {
        require_target(&self.folder)?;
        let mut cargo = cargo();
        cargo
            .current_dir(&self.folder)
            .args(["rustc", "--lib", "--crate-type", "cdylib"])
            .args(["--target", TARGET, "--profile", "portcullis"])
            .args(["--message-format", "json-render-diagnostics"]);
        for setting in PROFILE {
            cargo.args(["--config", setting]);
        }
        cargo.args(["--", "-C", STACK]);
        if let Some(own) = self.own_folder() {
            cargo.arg(remap(&own, "/plugin"));
        }
        cargo.env("CARGO_ENCODED_RUSTFLAGS", self.rustflags());
        cargo.env_remove("RUSTFLAGS");
        // Cargo sets these variables for the running package. The plugin's build must not see them.
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

/// Separator of the flags in `CARGO_ENCODED_RUSTFLAGS`.
const SEPARATOR: &str = "\x1f";

impl Crate {
    /// Flags of the compiler for the plugin and all that it depends on: the user's, and those that leave out paths.
    ///
    /// The same crate then compiles to the same bytes in every folder, and no path of its author's machine is in
    /// them. They do not depend on the crate's own folder, so that crates share what they depend on.
    fn rustflags(&self) -> String {
        let variable = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
        let mut flags: Vec<String> =
            match (variable("CARGO_ENCODED_RUSTFLAGS"), variable("RUSTFLAGS")) {
                (Some(encoded), _) => encoded.split(SEPARATOR).map(str::to_owned).collect(),
                (None, Some(flags)) => flags.split_whitespace().map(str::to_owned).collect(),
                (None, None) => Vec::new(),
            };
        flags.extend(self.remapped().iter().map(|(path, name)| remap(path, name)));
        flags.join(SEPARATOR)
    }

    /// Folders whose paths the compiler would write, each with the name to write instead.
    ///
    /// Packages in other folders, such as an SDK that is not downloaded, are among them. Of several that apply, the
    /// compiler takes the last.
    fn remapped(&self) -> Vec<(PathBuf, String)> {
        let home = std::env::var_os("HOME").map(PathBuf::from);
        let cargo = std::env::var_os("CARGO_HOME").map(PathBuf::from);
        let cargo = cargo.or_else(|| Some(home.as_ref()?.join(".cargo")));
        let mut remapped: Vec<_> = [(home, "/home"), (cargo, "/cargo")]
            .into_iter()
            .filter_map(|(path, name)| Some((path?, name.to_owned())))
            .collect();
        // Packages for other platforms may not be here. What the plugin itself needs is downloaded, as for its build.
        let platform = ["--filter-platform", TARGET];
        let metadata = self
            .metadata(&[&platform[..], &["--offline"]].concat())
            .or_else(|| self.metadata(&platform))
            .or_else(|| self.metadata(&["--offline", "--no-deps"]));
        let Some(metadata) = metadata else {
            return remapped;
        };
        let root = metadata.workspace_root;
        let mut registries = BTreeSet::new();
        for package in metadata.packages {
            let Some(folder) = package.manifest_path.parent() else {
                continue;
            };
            match package.source {
                None if !folder.starts_with(&root) => {
                    remapped.push((folder.to_owned(), format!("/{}", package.name)));
                }
                Some(source) if !source.starts_with("git+") => {
                    registries.extend(folder.parent().map(Path::to_owned));
                }
                _ => {}
            }
        }
        // Cargo names the folder after the registry's address, which for a mirror is another one.
        let registries = registries.into_iter();
        remapped.extend(registries.map(|folder| (folder, "/registry".to_owned())));
        if self.own_folder().is_none_or(|own| own != root) {
            remapped.push((root, "/workspace".to_owned()));
        }
        remapped.push((metadata.target_directory, "/target".to_owned()));
        remapped
    }

    fn own_folder(&self) -> Option<PathBuf> {
        self.folder.canonicalize().ok()
    }

    /// The folders that Cargo uses for the crate; `None` if it does not say.
    fn metadata(&self, more: &[&str]) -> Option<Metadata> {
        let output = cargo()
            .current_dir(&self.folder)
            .args(["metadata", "--format-version", "1"])
            .args(more)
            .stderr(Stdio::null())
            .output()
            .ok()?;
        serde_json::from_slice(&output.stdout).ok()
    }
}

/// A part of the output of `cargo metadata`.
#[derive(Deserialize)]
struct Metadata {
    target_directory: PathBuf,
    workspace_root: PathBuf,
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    /// Registry or repository; `None` for a folder.
    source: Option<String>,
    manifest_path: PathBuf,
}

/// Flag with which the compiler writes `name` for `path`.
fn remap(path: &Path, name: &str) -> String {
    format!("--remap-path-prefix={}={name}", path.display())
}

fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
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

/// Returns the module that a line of Cargo's messages reports as built.
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
