//! `portcullis revoke`.

mod event;
mod verify;

use crate::exit::Exit;
use crate::output::{self, GOOD, shown_of_request, styled};
use clap::{Subcommand, ValueEnum};
use portcullis_host::revocation::{self, Revocable, Revoked};
use portcullis_host::{Timestamp, config};
use std::path::PathBuf;

/// Add to a revocation list: a revocation, or a checkpoint, which says that the list is whole as of
/// now.
///
/// Every host that follows the list denies what is revoked from when it has read the line. A list
/// whose last line is older than `max-staleness` denies everything, so add checkpoints in time.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// What to revoke.
    #[arg(value_enum, required_unless_present = "checkpoint", requires_all = ["id", "reason", "by"])]
    kind: Option<Kind>,
    /// Which one: a SPIFFE ID, a credential's or an intent's id, a plugin's digest or an
    /// integration's name.
    id: Option<String>,
    /// Why, for people.
    #[arg(long)]
    reason: Option<String>,
    /// Who revokes it.
    #[arg(long)]
    by: Option<String>,
    /// Only say that the list is whole as of now.
    #[arg(long, conflicts_with_all = ["kind", "id", "reason", "by"])]
    checkpoint: bool,
    #[command(flatten)]
    list: List,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Verify(verify::Args),
    Event(event::Args),
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    Principal,
    Credential,
    Intent,
    Plugin,
    Integration,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    match &args.verb {
        Some(Verb::Verify(args)) => return verify::run(args),
        Some(Verb::Event(args)) => return event::run(args),
        None => {}
    }
    let revoked = match (args.kind, &args.id, &args.reason, &args.by) {
        (Some(kind), Some(id), Some(reason), Some(by)) => Some(Revoked {
            kind: match kind {
                Kind::Principal => Revocable::Principal,
                Kind::Credential => Revocable::Credential,
                Kind::Intent => Revocable::Intent,
                Kind::Plugin => Revocable::Plugin,
                Kind::Integration => Revocable::Integration,
            },
            id: id.clone(),
            reason: reason.clone(),
            by: by.clone(),
        }),
        _ => None,
    };
    append(&args.list, revoked)
}

/// Which list is added to.
#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// The list. By default the one of the configuration.
    #[arg(long)]
    list: Option<PathBuf>,
    /// The configuration.
    #[arg(long, default_value = "portcullis.toml")]
    config: PathBuf,
}

impl List {
    /// Where the list is; nothing if it is not known, or is not there and has to be.
    pub(crate) fn path(&self, has_to_be_there: bool) -> Option<PathBuf> {
        let path = match &self.list {
            Some(list) => list.clone(),
            None => match config::revocation_list(&self.config) {
                Ok(list) => list,
                Err(error) => {
                    for problem in &error.0 {
                        output::error(&shown_of_request(&problem.to_string()));
                    }
                    return None;
                }
            },
        };
        if has_to_be_there && !path.exists() {
            output::error(&format!(
                "there is no list {}: name the one that hosts follow, or begin it with `portcullis revoke --checkpoint`",
                path.display()
            ));
            return None;
        }
        Some(path)
    }
}

/// Appends to the list, and says so.
pub(crate) fn append(list: &List, revoked: Option<Revoked>) -> anyhow::Result<Exit> {
    let Some(list) = list.path(revoked.is_some()) else {
        return Ok(Exit::Invalid);
    };
    if let Some(revoked) = &revoked
        && (revoked.reason.trim().is_empty() || revoked.by.trim().is_empty())
    {
        output::error("a revocation says why, and by whom: give `--reason` and `--by` a text");
        return Ok(Exit::Invalid);
    }
    match revocation::append(&list, revoked, Timestamp::now()) {
        Ok(record) => {
            let what = if record.revoked.is_some() {
                "revoked"
            } else {
                "checkpoint"
            };
            output::note(&format!(
                "{} in {}, epoch {}",
                styled(GOOD, what),
                list.display(),
                record.epoch
            ));
            output::json(&record)?;
            Ok(Exit::Success)
        }
        Err(error) => {
            output::error(&shown_of_request(&format!("{}: {error}", list.display())));
            Ok(Exit::Invalid)
        }
    }
}
