//! `portcullis registry`.

mod lint;
mod usage;

use usage::{LogUsage, Usage};

use crate::exit::Exit;
use crate::file;
use clap::Subcommand;
use portcullis_host::config::lines_with_tokens;
use std::collections::BTreeSet;
use std::path::Path;

/// Manage the inventory of identities.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Lint(lint::Args),
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    match &args.verb {
        Verb::Lint(args) => lint::run(args),
    }
}

/// The possible owners.
pub(crate) struct Owners {
    pub(crate) names: BTreeSet<String>,
    /// The lines with text that looks like a secret.
    pub(crate) lines_with_tokens: Vec<usize>,
}

/// Reads the possible owners, one a line.
pub(crate) fn owners(file: &Path) -> anyhow::Result<Owners> {
    let text = file::read_text(file)?;
    let names = text.lines().map(str::trim).filter(|line| !line.is_empty());
    Ok(Owners {
        names: names.map(str::to_owned).collect(),
        lines_with_tokens: lines_with_tokens(&text).collect(),
    })
}
