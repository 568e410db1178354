//! `portcullis build`.

use crate::exit::Exit;
use crate::file;
use crate::output::{self, FAINT, GOOD, shown, styled};
use anyhow::Context as _;
use portcullis_build::{CompileError, Crate, componentize};
use portcullis_host::config::looks_like_a_token;
use portcullis_host::{Manifest, PluginLimits, inspect};
use std::path::{Path, PathBuf};

/// Build a policy component from a plugin crate, or from a core module or component that another
/// tool built.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A plugin crate's folder, or a `.wasm` file.
    #[arg(default_value = ".")]
    path: PathBuf,
    /// The file to write the component to. By default `NAME.wasm` in the current folder, with the name
    /// from the manifest.
    #[arg(short, long)]
    output: Option<PathBuf>,
    /// The manifest. By default the `plugin.toml` in the crate's folder.
    #[arg(long)]
    manifest: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    let (component, name) = match build(args) {
        Ok(built) => built,
        Err(error) => return Ok(failed(&error)),
    };
    let inspection = inspect(&component, &PluginLimits::default());
    if !inspection.refusals.is_empty() {
        for refusal in &inspection.refusals {
            let refusal = shown(&refusal.to_string());
            output::error(&format!("a host would refuse what was built: {refusal}"));
        }
        return Ok(Exit::Invalid);
    }
    let file = args
        .output
        .clone()
        .unwrap_or_else(|| PathBuf::from(format!("{name}.wasm")));
    write(&file, &component).map_err(|error| file::cannot_write(&file, &error))?;
    output::note(&format!(
        "{} {} {}",
        styled(GOOD, "built"),
        file.display(),
        styled(FAINT, &format!("({} KiB)", component.len().div_ceil(1024)))
    ));
    output::line(&format!("digest = \"{}\"", inspection.digest))?;
    Ok(Exit::Success)
}

/// Prints the error and returns the exit code.
pub(crate) fn failed(error: &anyhow::Error) -> Exit {
    output::error(&format!("{error:#}"));
    match error.downcast_ref::<CompileError>() {
        Some(CompileError::Toolchain { .. } | CompileError::TargetMissing) => Exit::Failed,
        _ => Exit::Invalid,
    }
}

/// Builds the component of the plugin crate in `folder`.
pub(crate) fn of_crate(folder: &Path) -> anyhow::Result<Vec<u8>> {
    of(&Crate::open(folder)?)
}

fn of(plugin: &Crate) -> anyhow::Result<Vec<u8>> {
    warn_of_tokens(plugin.manifest_text());
    Ok(componentize(&plugin.compile()?, plugin.manifest_text())?)
}

/// Builds the component, and returns it with the plugin's name.
fn build(args: &Args) -> anyhow::Result<(Vec<u8>, String)> {
    if args.path.is_file() {
        let manifest = args
            .manifest
            .as_ref()
            .context("a `.wasm` file needs its manifest: add `--manifest plugin.toml`")?;
        let text = file::read_text(manifest)?;
        warn_of_tokens(&text);
        let name = parse_manifest(manifest, &text)?.name;
        let wasm = file::read(&args.path)?;
        let component =
            componentize(&wasm, &text).with_context(|| args.path.display().to_string())?;
        return Ok((component, name));
    }
    let plugin = match &args.manifest {
        Some(manifest) => Crate::with_manifest(&args.path, manifest)?,
        None => Crate::open(&args.path)?,
    };
    Ok((of(&plugin)?, plugin.manifest().name.clone()))
}

/// Warns of secrets in the manifest, which every reader of the component can see.
fn warn_of_tokens(manifest: &str) {
    if looks_like_a_token(manifest) {
        output::warn_of_token("the manifest");
    }
}

fn parse_manifest(file: &Path, text: &str) -> anyhow::Result<Manifest> {
    Manifest::parse(text).with_context(|| file.display().to_string())
}

/// Writes to a temporary file first, so that no reader sees a partial component.
fn write(file: &Path, component: &[u8]) -> std::io::Result<()> {
    let beside = file.with_extension(format!("wasm.{}", std::process::id()));
    std::fs::write(&beside, component)?;
    std::fs::rename(&beside, file).inspect_err(|_| {
        // Only the error of the rename is reported.
        let _ = std::fs::remove_file(&beside);
    })
}
