//! `portcullis state`.

use crate::check;
use crate::exit::Exit;
use crate::output::{self, GOOD, styled};
use clap::{Subcommand, ValueEnum};
use portcullis_host::config::{self, Accepts};
use std::path::PathBuf;

/// Accept a state or a revocation list that differs from the one that the host knew.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Accept the current state or revocation list, although it differs from the known one or is older.
    ///
    /// If the state is missing or older than the log says, the host denies the requests whose uses it
    /// counts, because spent uses could be spent again. If the revocation list is older, the host denies
    /// every request. Restore the latest copy if there is one. Otherwise, this accepts the current one. It is
    /// recorded in the decision log. Stop the host first.
    Accept {
        /// The file to accept.
        #[arg(value_enum)]
        what: What,
        /// The person who accepts it.
        #[arg(long)]
        by: String,
        /// The reason.
        #[arg(long)]
        reason: String,
        /// The configuration.
        #[arg(long, default_value = "portcullis.toml")]
        config: PathBuf,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum What {
    /// The state. Uses that it lacks can be spent again.
    State,
    /// The revocation list. Entries that it lacks are no longer revoked.
    List,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    let Verb::Accept {
        what,
        by,
        reason,
        config,
    } = &args.verb;
    if by.trim().is_empty() || reason.trim().is_empty() {
        output::error("accepting needs a reason and an author: give `--reason` and `--by` a text");
        return Ok(Exit::Invalid);
    }
    let accepts = match what {
        What::State => Accepts::State,
        What::List => Accepts::List,
    };
    match config::accept(config, accepts, by, reason) {
        Ok(accepted) => {
            let what = match what {
                What::State => "the state",
                What::List => "the revocation list",
            };
            output::note(&format!("{} {what} as it is", styled(GOOD, "accepted")));
            output::json(&accepted)?;
            Ok(Exit::Success)
        }
        Err(error) => {
            check::report(&error.0);
            Ok(Exit::Invalid)
        }
    }
}
