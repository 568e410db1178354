//! `portcullis intent`.

use crate::Format;
use crate::exit::Exit;
use crate::output::{self, FAINT, STRONG, styled};
use anyhow::Context as _;
use clap::Subcommand;
use portcullis_host::{Intents, printable};
use serde_json::json;
use std::path::PathBuf;

/// Look after approved intents.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Verify that intents are ones, and that each that was delegated is within its parent. Shows
    /// each with its digest, which those that are delegated from it name.
    Verify {
        /// A folder of intents in JSON.
        folder: PathBuf,
        /// How to write the result.
        #[arg(long, value_enum, default_value_t = Format::Human)]
        format: Format,
    },
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    let Verb::Verify { folder, format } = &args.verb;
    let intents = Intents::default();
    let refused = intents
        .insert_folder(folder)
        .with_context(|| format!("cannot read {}", folder.display()))?;
    let mut chains = intents.chains();
    chains.sort_by(|a, b| a.iter().map(|i| &i.id).cmp(b.iter().map(|i| &i.id)));
    match format {
        Format::Json => {
            let good: Vec<_> = chains
                .iter()
                .filter_map(|chain| chain.last().map(|intent| (chain, intent)))
                .map(|(chain, intent)| {
                    json!({
                        "id": intent.id, "digest": intent.digest(), "principal": intent.principal,
                        "chain": chain.iter().map(|intent| &intent.id).collect::<Vec<_>>(),
                    })
                })
                .collect();
            let refused: Vec<_> = refused
                .iter()
                .map(|(file, error)| {
                    json!({ "file": file.display().to_string(), "error": error.to_string() })
                })
                .collect();
            output::json(&json!({ "intents": good, "refused": refused }))?;
        }
        Format::Human => {
            for chain in &chains {
                let Some(intent) = chain.last() else { continue };
                let indent = "  ".repeat(chain.len() - 1);
                output::line(&format!(
                    "{indent}{} for {}, approved by {} until {}",
                    styled(STRONG, &printable(&intent.id)),
                    printable(&intent.principal),
                    printable(&intent.approved_by),
                    intent.expires_at
                ))?;
                output::line(&format!(
                    "{indent}  {}",
                    styled(FAINT, &intent.digest().to_string())
                ))?;
                for allowance in &intent.allows {
                    output::line(&format!(
                        "{indent}  allows {}",
                        printable(&allowance.to_string())
                    ))?;
                }
                for denial in &intent.denies {
                    output::line(&format!(
                        "{indent}  denies {}",
                        printable(&denial.to_string())
                    ))?;
                }
            }
            for (file, error) in &refused {
                output::error(&format!(
                    "{}: {}",
                    file.display(),
                    printable(&error.to_string())
                ));
            }
        }
    }
    Ok(if refused.is_empty() {
        Exit::Success
    } else {
        Exit::Invalid
    })
}
