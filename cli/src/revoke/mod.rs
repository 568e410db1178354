//! `portcullis revoke`.

mod event;
mod known;
mod verify;

use crate::check;
use crate::exit::Exit;
use crate::output::{self, GOOD, shown_of_request, styled};
use clap::{Subcommand, ValueEnum};
use known::Known;
use portcullis_host::revocation::{
    HeadKey, ListError, ListMark, ListWriter, Opening, Record, Revocable, Revoked, Signers,
    normal_id, serial_readings,
};
use portcullis_host::{Timestamp, config, unread};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Add a line to a revocation list: a revocation, the lift of a mistaken one, or a checkpoint, which states
/// that the list is complete as of now.
///
/// Every host that follows the list denies a revoked item as soon as it has read the line. A host denies
/// everything if the last line is older than `max-staleness`, so add checkpoints in time.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// The kind of item to revoke.
    #[arg(value_enum, required_unless_present = "checkpoint", requires_all = ["id", "reason", "by"])]
    kind: Option<Kind>,
    /// The item: a SPIFFE ID or an approver, a credential's id or a certificate's serial number, an intent's
    /// id, a plugin's digest or an integration's name.
    id: Option<String>,
    /// The reason, for people.
    #[arg(long)]
    reason: Option<String>,
    /// The person who revokes it.
    #[arg(long)]
    by: Option<String>,
    /// Lift a mistaken revocation. Its line stays on the list.
    #[arg(long)]
    lift: bool,
    /// Revoke it even if neither the configuration nor the log knows it.
    #[arg(long, conflicts_with = "lift")]
    unknown: bool,
    /// Only state that the list is complete as of now.
    #[arg(long, conflicts_with_all = ["kind", "id", "reason", "by", "lift", "unknown"])]
    checkpoint: bool,
    /// Sign lines that no signer signed, such as those after the last head, or a head whose key was replaced.
    /// Inspect them first.
    #[arg(long, requires_all = ["checkpoint", "key"])]
    sign_anew: bool,
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
        None => checkpoint(&args.list, args.sign_anew),
        Some(lifted) if args.lift => change(&args.list, Change::Lift(lifted)),
        Some(revoked) if args.unknown => {
            change(&args.list, Change::Revoke(every_reading(&revoked)))
        }
        Some(revoked) => revoke(&args.list, revoked),
    }
}

/// The list to add to, and its signing key.
#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// The list. By default that of the configuration.
    #[arg(long)]
    list: Option<PathBuf>,
    /// The configuration.
    #[arg(long, default_value = "portcullis.toml")]
    config: PathBuf,
    /// The private key in PEM (PKCS #8) of one of `[revocation.signers]`, which signs the list.
    #[arg(long)]
    key: Option<PathBuf>,
    /// The key's id (`kid`) in the key set of the signer.
    #[arg(long, requires = "key")]
    key_id: Option<String>,
}

/// A list to add to.
pub(crate) struct Opened {
    pub(crate) path: PathBuf,
    key: Option<HeadKey>,
    signers: Option<Arc<Signers>>,
    floor: Option<ListMark>,
}

impl Opened {
    pub(crate) fn writer(&self) -> Result<ListWriter<'_>, ListError> {
        self.open(false)
    }

    fn open(&self, sign_anew: bool) -> Result<ListWriter<'_>, ListError> {
        let opening = Opening {
            key: self.key.as_ref(),
            signers: self.signers.clone(),
            floor: self.floor.clone(),
            sign_anew,
        };
        ListWriter::open_as(&self.path, opening)
    }
}

impl List {
    /// Returns the path of the configuration, which may be missing.
    pub(crate) fn config(&self) -> &Path {
        &self.config
    }

    /// Opens the list.
    ///
    /// It prints the error and returns `None` if the path is unknown, the file is missing but required, or
    /// the list must be signed and has no usable key.
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
        // A list other than the configuration's has no signers and no floor.
        let is_configured = self.list.is_none()
            || config::revocation_list(&self.config)
                .is_ok_and(|configured| is_same_file(&configured, &path));
        if is_configured && found(config::copies_revocations(&self.config))? {
            output::error(&format!("{}: {}", path.display(), ListError::Copy));
            return None;
        }
        let (signers, floor) = match is_configured {
            false => (None, None),
            true => (
                found(config::revocation_signers(&self.config))?.map(Arc::new),
                found(config::revocation_floor(&self.config))?,
            ),
        };
        let key = match &self.key {
            None if signers.is_some() => {
                output::error(&format!(
                    "hosts accept {} only if its head is signed (`[revocation.signers]`), and deny every request otherwise: give `--key`",
                    path.display()
                ));
                return None;
            }
            None => None,
            Some(file) => {
                let pem = std::fs::read(file);
                let pem = pem.map_err(|error| format!("cannot be read: {}", unread(&error)));
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
        Some(Opened {
            path,
            key,
            signers,
            floor,
        })
    }
}

/// True if two paths are the same file, which may be missing.
fn is_same_file(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| {
        std::fs::canonicalize(path).or_else(|_| {
            let folder = path
                .parent()
                .filter(|folder| !folder.as_os_str().is_empty());
            let folder = std::fs::canonicalize(folder.unwrap_or(Path::new(".")))?;
            Ok::<_, std::io::Error>(folder.join(path.file_name().unwrap_or_default()))
        })
    };
    matches!((real(one), real(other)), (Ok(one), Ok(other)) if one == other)
}

/// Returns a value of the configuration, or prints the error and returns `None`.
pub(crate) fn found<T>(read: Result<T, config::ConfigError>) -> Option<T> {
    read.map_err(|error| check::report(&error.0)).ok()
}

/// A change of the list.
enum Change {
    /// Revokes one item, in each reading of its id.
    Revoke(Vec<Revoked>),
    Lift(Revoked),
}

/// Revokes an item if it is known, and refuses it otherwise.
pub(crate) fn revoke(list: &List, revoked: Revoked) -> anyhow::Result<Exit> {
    // The writer refuses an id that no request could have, and suggests the correct form.
    if normal_id(revoked.kind, &revoked.id).is_err() {
        return change(list, Change::Revoke(vec![revoked]));
    }
    let all = every_reading(&revoked);
    let (mut similar, mut is_unknown) = (None, false);
    for reading in &all {
        match known::look_for(list.config(), reading.kind, &reading.id) {
            Known::Yes => return change(list, Change::Revoke(vec![reading.clone()])),
            Known::NothingToLookIn => {}
            Known::No(found) => {
                is_unknown = true;
                similar = similar.or(found);
            }
        }
    }
    if !is_unknown {
        return change(list, Change::Revoke(all));
    }
    let kind = serde_json::to_value(revoked.kind)?;
    let kind = kind.as_str().unwrap_or_default();
    let similar = similar.map_or_else(String::new, |id| format!(" (similar: `{id}`)"));
    output::error(&shown_of_request(&format!(
        "no {kind} is known as `{}`, so nothing is revoked{similar}; give `--unknown` to revoke it anyway",
        revoked.id
    )));
    Ok(Exit::GateFailed)
}

/// Returns every reading of a revocation: a serial number of digits may be hexadecimal or decimal.
fn every_reading(revoked: &Revoked) -> Vec<Revoked> {
    let mut ids = vec![revoked.id.clone()];
    if revoked.kind == Revocable::Credential
        && let Ok(normal) = normal_id(revoked.kind, &revoked.id)
    {
        let readings = serial_readings(&revoked.id);
        ids.extend(readings.into_iter().filter(|reading| {
            normal_id(revoked.kind, reading).is_ok_and(|reading| reading != normal)
        }));
    }
    let reading = |id| Revoked {
        id,
        ..revoked.clone()
    };
    ids.into_iter().map(reading).collect()
}

/// Adds a checkpoint, which states that the list is complete as of now.
fn checkpoint(list: &List, sign_anew: bool) -> anyhow::Result<Exit> {
    let Some(list) = list.open(false) else {
        return Ok(Exit::Invalid);
    };
    let added = list
        .open(sign_anew)
        .and_then(|writer| writer.checkpoint(Timestamp::now()));
    report(&list, "checkpoint", added.map(|record| vec![record]))
}

fn change(list: &List, change: Change) -> anyhow::Result<Exit> {
    let Some(list) = list.open(true) else {
        return Ok(Exit::Invalid);
    };
    let what = match &change {
        Change::Revoke(all) => all.as_slice(),
        Change::Lift(lifted) => std::slice::from_ref(lifted),
    };
    if what
        .iter()
        .any(|it| it.reason.trim().is_empty() || it.by.trim().is_empty())
    {
        output::error(
            "a revocation needs a reason and an author: give `--reason` and `--by` a text",
        );
        return Ok(Exit::Invalid);
    }
    let now = Timestamp::now();
    match change {
        Change::Revoke(all) => {
            let added = list.writer().and_then(|writer| writer.revoke_all(all, now));
            report(&list, "revoked", added)
        }
        Change::Lift(lifted) => {
            let added = list.writer().and_then(|writer| writer.lift(lifted, now));
            report(&list, "lifted", added.map(|record| vec![record]))
        }
    }
}

/// Prints the lines that were added to the list.
fn report(
    list: &Opened,
    what: &str,
    added: Result<Vec<Record>, ListError>,
) -> anyhow::Result<Exit> {
    match added {
        Ok(records) => {
            for record in &records {
                output::note(&format!(
                    "{} in {}, epoch {}",
                    styled(GOOD, what),
                    list.path.display(),
                    record.epoch
                ));
                output::json(record)?;
            }
            Ok(Exit::Success)
        }
        Err(error) => {
            let text = match &error {
                // It names the file itself.
                ListError::Read(_) => error.to_string(),
                _ => format!("{}: {error}", list.path.display()),
            };
            output::error(&shown_of_request(&text));
            Ok(exit_of(&error))
        }
    }
}

/// Returns the exit code for an error: a gate that failed, or an invalid list.
pub(crate) fn exit_of(error: &ListError) -> Exit {
    match error {
        ListError::NotRevoked(_)
        | ListError::OfEveryIssuer { .. }
        | ListError::Lifted { .. }
        | ListError::Behind { .. }
        | ListError::Another(_)
        | ListError::NotSigned(_) => Exit::GateFailed,
        _ => Exit::Invalid,
    }
}
