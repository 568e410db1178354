//! `portcullis revoke`.

mod event;
mod known;
mod verify;

use crate::exit::Exit;
use crate::output::{self, GOOD, shown_of_request, styled};
use clap::{Subcommand, ValueEnum};
use known::Known;
use portcullis_host::revocation::{
    HeadKey, ListError, ListWriter, Record, Revocable, Revoked, Signers, normal_id, serial_readings,
};
use portcullis_host::{Timestamp, config};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Add to a revocation list: a revocation, the lift of one that was a mistake, or a checkpoint, which says
/// that the list is whole as of now.
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
    /// Which one: a SPIFFE ID or an approver, a credential's id or a certificate's serial number, an intent's id,
    /// a plugin's digest or an integration's name.
    id: Option<String>,
    /// Why, for people.
    #[arg(long)]
    reason: Option<String>,
    /// Who revokes it.
    #[arg(long)]
    by: Option<String>,
    /// End a revocation that was a mistake. Its line stays on the list.
    #[arg(long)]
    lift: bool,
    /// Revoke it even if neither the configuration nor the log knows it.
    #[arg(long, conflicts_with = "lift")]
    unknown: bool,
    /// Only say that the list is whole as of now.
    #[arg(long, conflicts_with_all = ["kind", "id", "reason", "by", "lift", "unknown"])]
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
    match revoked {
        None => checkpoint(&args.list),
        Some(lifted) if args.lift => change(&args.list, Change::Lift(lifted)),
        Some(revoked) if args.unknown => change(&args.list, Change::Revoke(revoked)),
        Some(revoked) => revoke(&args.list, revoked),
    }
}

/// Which list is added to, and how.
#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// The list. By default the one of the configuration.
    #[arg(long)]
    list: Option<PathBuf>,
    /// The configuration.
    #[arg(long, default_value = "portcullis.toml")]
    config: PathBuf,
    /// The private key in PEM (PKCS #8) of one of `[revocation.signers]`, which signs the list.
    #[arg(long)]
    key: Option<PathBuf>,
    /// What the key is called in the key set of the signer (`kid`).
    #[arg(long, requires = "key")]
    key_id: Option<String>,
}

/// A list that can be added to.
pub(crate) struct Opened {
    pub(crate) path: PathBuf,
    key: Option<HeadKey>,
    signers: Option<Arc<Signers>>,
}

impl Opened {
    pub(crate) fn writer(&self) -> Result<ListWriter<'_>, ListError> {
        ListWriter::open_signed(&self.path, self.key.as_ref(), self.signers.clone())
    }
}

impl List {
    /// The configuration, if it is there.
    pub(crate) fn config(&self) -> &Path {
        &self.config
    }

    /// The list; nothing if it is not known, is not there and has to be, or would not count as it is signed.
    pub(crate) fn open(&self, has_to_be_there: bool) -> Option<Opened> {
        let path = match &self.list {
            Some(list) => list.clone(),
            None => found(config::revocation_list(&self.config))?,
        };
        if has_to_be_there && !path.exists() {
            output::error(&format!(
                "there is no list {}: name the one that hosts follow, or begin it with `portcullis revoke --checkpoint`",
                path.display()
            ));
            return None;
        }
        // A list beside the configuration's is another one.
        let signers = match &self.list {
            Some(_) => None,
            None => found(config::revocation_signers(&self.config))?.map(Arc::new),
        };
        let key = match &self.key {
            None if signers.is_some() => {
                output::error(&format!(
                    "hosts rely on {} only while its head is signed (`[revocation.signers]`), and deny everything else: give `--key`",
                    path.display()
                ));
                return None;
            }
            None => None,
            Some(file) => {
                let pem = std::fs::read(file).map_err(|error| format!("cannot be read: {error}"));
                let key = pem.and_then(|pem| {
                    HeadKey::new(&pem, self.key_id.as_deref()).map_err(|error| error.to_string())
                });
                match key {
                    Ok(key) => Some(key),
                    Err(error) => {
                        output::error(&shown_of_request(&format!("{}: {error}", file.display())));
                        return None;
                    }
                }
            }
        };
        Some(Opened { path, key, signers })
    }
}

/// What a configuration says, or nothing where it cannot be read, which is said.
pub(crate) fn found<T>(read: Result<T, config::ConfigError>) -> Option<T> {
    read.map_err(|error| {
        for problem in &error.0 {
            output::error(&shown_of_request(&problem.to_string()));
        }
    })
    .ok()
}

/// What is done to something that can be revoked.
enum Change {
    Revoke(Revoked),
    Lift(Revoked),
}

/// Revokes something that is known, and nothing else.
pub(crate) fn revoke(list: &List, revoked: Revoked) -> anyhow::Result<Exit> {
    // What no request could be known by is refused when it is written, with what to write instead.
    if normal_id(revoked.kind, &revoked.id).is_err() {
        return change(list, Change::Revoke(revoked));
    }
    let look = |id: &str| known::look_for(list.config(), revoked.kind, id);
    let mut ids = vec![revoked.id.clone()];
    if revoked.kind == Revocable::Credential {
        // Digits alone may be a serial number in decimal.
        ids.extend(serial_readings(&revoked.id));
    }
    let mut similar = None;
    for id in &ids {
        match look(id) {
            Known::Yes => {
                let revoked = Revoked {
                    id: id.clone(),
                    ..revoked
                };
                return change(list, Change::Revoke(revoked));
            }
            Known::No(found) => similar = similar.or(found),
        }
    }
    let kind = serde_json::to_value(revoked.kind)?;
    let kind = kind.as_str().unwrap_or_default();
    let similar = similar.map_or_else(String::new, |id| format!(" (similar: `{id}`)"));
    output::error(&shown_of_request(&format!(
        "no {kind} is known as `{}`, and nothing is revoked{similar}; give `--unknown` to revoke it all the same",
        revoked.id
    )));
    Ok(Exit::GateFailed)
}

/// Says that the list is whole as of now.
fn checkpoint(list: &List) -> anyhow::Result<Exit> {
    let Some(list) = list.open(false) else {
        return Ok(Exit::Invalid);
    };
    let added = list
        .writer()
        .and_then(|writer| writer.checkpoint(Timestamp::now()));
    report(&list, "checkpoint", added)
}

fn change(list: &List, change: Change) -> anyhow::Result<Exit> {
    let Some(list) = list.open(true) else {
        return Ok(Exit::Invalid);
    };
    let (Change::Revoke(what) | Change::Lift(what)) = &change;
    if what.reason.trim().is_empty() || what.by.trim().is_empty() {
        output::error("a revocation says why, and by whom: give `--reason` and `--by` a text");
        return Ok(Exit::Invalid);
    }
    let now = Timestamp::now();
    match change {
        Change::Revoke(revoked) => {
            let added = list.writer().and_then(|writer| writer.revoke(revoked, now));
            report(&list, "revoked", added)
        }
        Change::Lift(lifted) => {
            let added = list.writer().and_then(|writer| writer.lift(lifted, now));
            report(&list, "lifted", added)
        }
    }
}

/// Says what was added to the list.
fn report(list: &Opened, what: &str, added: Result<Record, ListError>) -> anyhow::Result<Exit> {
    match added {
        Ok(record) => {
            output::note(&format!(
                "{} in {}, epoch {}",
                styled(GOOD, what),
                list.path.display(),
                record.epoch
            ));
            output::json(&record)?;
            Ok(Exit::Success)
        }
        Err(error) => {
            output::error(&shown_of_request(&format!(
                "{}: {error}",
                list.path.display()
            )));
            Ok(exit_of(&error))
        }
    }
}

/// How a list that is not as it has to be differs from one that is not valid.
pub(crate) fn exit_of(error: &ListError) -> Exit {
    match error {
        ListError::NotRevoked(_) | ListError::NotSigned(_) => Exit::GateFailed,
        _ => Exit::Invalid,
    }
}
