//! `portcullis state`.

use crate::exit::Exit;
use crate::output::{self, GOOD, shown_of_request, styled};
use clap::{Subcommand, ValueEnum};
use portcullis_host::config::{self, Accepts};
use std::path::PathBuf;

/// Accept a state or a revocation list that is not the one that the host knew.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Rely on the state or the revocation list as it is now, although it is another one or an older one than was
    /// known.
    ///
    /// A host denies what a state counts that is gone or older than the log says, since it would give spent uses
    /// out again; and every request, where the revocation list is older. Restore the latest copy if there is
    /// one. If there is none, this accepts what is there. It is recorded in the decision log. Stop the host
    /// first.
    Accept {
        /// What to accept.
        #[arg(value_enum)]
        what: What,
        /// Who accepts it.
        #[arg(long)]
        by: String,
        /// Why.
        #[arg(long)]
        reason: String,
        /// The configuration.
        #[arg(long, default_value = "portcullis.toml")]
        config: PathBuf,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum What {
    /// The state: uses that it lacks can be spent again.
    State,
    /// The revocation list: what it lacks is no longer revoked.
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
        output::error("accepting says why, and by whom: give `--reason` and `--by` a text");
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
            for problem in &error.0 {
                output::error(&shown_of_request(&problem.to_string()));
            }
            Ok(Exit::Invalid)
        }
    }
}
