//! `portcullis inspect`.

use crate::Format;
use crate::exit::Exit;
use crate::file;
use crate::output::{self, BAD, FAINT, GOOD, STRONG, shown, styled};
use portcullis_host::{Digest, Inspection, PluginLimits, counted, inspect, read_component};
use std::fs::File;
use std::path::PathBuf;

/// Describe a plugin file, and report why a host would refuse it, without running it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The plugin file.
    file: PathBuf,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    let limits = PluginLimits::default();
    let bytes = read_component(&args.file, &limits)
        .map_err(|error| file::cannot_read(&args.file, &error))?;
    let mut inspection = inspect(&bytes, &limits);
    if bytes.len() > limits.component_bytes {
        // Only its beginning was read.
        let file = File::open(&args.file);
        (inspection.digest, inspection.bytes) = file
            .and_then(Digest::of_reader)
            .map_err(|error| file::cannot_read(&args.file, &error))?;
    }
    match args.format {
        Format::Json => {
            let mut json = serde_json::to_value(&inspection)?;
            if let Some(members) = json.as_object_mut().filter(|_| !inspection.is_read()) {
                members.remove("imports");
                members.remove("exports");
            }
            output::json(&json)?;
        }
        Format::Human => print(&inspection)?,
    }
    if inspection.refusals.is_empty() {
        Ok(Exit::Success)
    } else {
        Ok(Exit::Invalid)
    }
}

fn print(inspection: &Inspection) -> std::io::Result<()> {
    let row = |name: &str, value: &str| {
        output::line(&format!(
            "{} {value}",
            styled(FAINT, &format!("{name:<12}"))
        ))
    };
    if let Some(manifest) = &inspection.manifest {
        let title = format!("{} {}", manifest.name, shown(&manifest.version));
        output::line(&styled(STRONG, &title))?;
        row("description", &shown(&manifest.description))?;
        row("contract", &manifest.contract)?;
        row("needs", &list(&manifest.needs))?;
        row("obligations", &list(&manifest.obligations))?;
        row("settings", &shown(&manifest.settings.to_string()))?;
    }
    row("digest", &inspection.digest.to_string())?;
    row("size", &counted(inspection.bytes, "byte"))?;
    if inspection.is_read() {
        row("imports", &list(&inspection.imports))?;
        row("exports", &list(&inspection.exports))?;
    }
    match inspection.refusals.as_slice() {
        [] => output::line(&format!(
            "{}: a host would now compile it and try its settings",
            styled(GOOD, "no problem found")
        )),
        refusals => refusals.iter().try_for_each(|refusal| {
            let refusal = shown(&refusal.to_string());
            output::line(&format!(
                "{} {refusal}",
                styled(BAD, "a host would refuse it:")
            ))
        }),
    }
}

fn list(names: &[String]) -> String {
    match names {
        [] => "none".to_owned(),
        names => shown(&names.join(", ")),
    }
}
