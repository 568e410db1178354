//! `portcullis intent`: an approval, from its draft to its end.

mod close;
mod document;
mod draft;
mod explain;
mod key;
mod narrow;
mod pinned;
mod sign;
mod used;
mod verify;

pub(crate) use document::{from_now, new_id, to_line, to_text};
pub(crate) use pinned::Pinned;
pub(crate) use used::{Proposal, UsedByIntent};

use crate::exit::Exit;
use clap::Subcommand;

/// Manage intents: approvals that are given before acting.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Draft(Box<draft::Args>),
    Key(key::Args),
    Sign(sign::Args),
    Verify(verify::Args),
    Narrow(narrow::Args),
    Explain(explain::Args),
    Close(close::Args),
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    match &args.verb {
        Verb::Draft(args) => draft::run(args),
        Verb::Key(args) => key::run(args),
        Verb::Sign(args) => sign::run(args),
        Verb::Verify(args) => verify::run(args),
        Verb::Narrow(args) => narrow::run(args),
        Verb::Explain(args) => explain::run(args),
        Verb::Close(args) => close::run(args),
    }
}
