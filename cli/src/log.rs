//! `portcullis log`.

use crate::Format;
use crate::exit::Exit;
use crate::output::{self, BAD, FAINT, GOOD, WARN, shown_of_request, styled};
use clap::{Subcommand, ValueEnum};
use portcullis_host::log::{self, ArchiveError, Decided, Entry, Event, Released, Verified};
use portcullis_host::revocation::{self, Revocable};
use portcullis_host::{Quarantined, counted, escaped};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Verify or search a decision log.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Find any edit, removal, reordering or truncation, and report its place. Lines that were added at the
    /// end look like those that a crash leaves, and are counted.
    Verify {
        /// The latest file of the log; sealed ones beside it are found.
        file: PathBuf,
        /// The folder of archived files, to verify those too. Without it, verification starts at the seal of
        /// the last archived file.
        #[arg(long)]
        archive: Option<PathBuf>,
        /// A head that was kept elsewhere. It must be the head of a line of the log.
        #[arg(long)]
        head: Option<String>,
        /// Output format.
        #[arg(long, value_enum, default_value_t = Format::Human)]
        format: Format,
    },
    /// Print the matching lines, as JSON Lines.
    Query(Query),
    /// Move sealed files to another folder, the oldest first, and record where the remaining log begins. Each
    /// file is verified first, and is in the folder before it is removed. The host may keep writing.
    Archive(Archive),
}

#[derive(Debug, clap::Args)]
struct Archive {
    /// The latest file of the log; sealed ones beside it are found.
    file: PathBuf,
    /// The folder that files are moved to. It is created with mode 0700 if it is missing.
    #[arg(long, required_unless_present = "accept_missing")]
    to: Option<PathBuf>,
    /// The number of newest sealed files to keep.
    #[arg(long, default_value_t = 0)]
    keep: usize,
    /// Record that the oldest files are lost, so that the remaining log can be verified. The integrity of the
    /// lost files can no longer be verified.
    #[arg(long, conflicts_with_all = ["to", "keep"])]
    accept_missing: bool,
}

#[derive(Debug, clap::Args)]
struct Query {
    /// The latest file of the log; sealed ones beside it are found.
    file: PathBuf,
    /// Only the line with this number.
    #[arg(long)]
    sequence: Option<u64>,
    /// Only events of this kind.
    #[arg(long, value_enum)]
    event: Option<Kind>,
    /// Only the decision with this id, and the gateway's reports on it.
    #[arg(long, visible_alias = "evaluation")]
    id: Option<String>,
    /// Only lines of this trace (W3C Trace Context).
    #[arg(long)]
    trace: Option<String>,
    /// Only permits or denies.
    #[arg(long, value_enum)]
    decision: Option<Outcome>,
    /// Only decisions with this cause, such as `plugin-denied`.
    #[arg(long)]
    cause: Option<String>,
    /// Only requests of the principal with this SPIFFE ID.
    #[arg(long)]
    principal: Option<String>,
    /// Only requests with this credential.
    #[arg(long)]
    credential: Option<String>,
    /// Only requests on this intent.
    #[arg(long)]
    intent: Option<String>,
    /// Only requests through this integration.
    #[arg(long)]
    integration: Option<String>,
    /// Only decisions that the candidates of the integration would have changed.
    #[arg(long)]
    candidate_differs: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Outcome {
    Permit,
    Deny,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    Decision,
    Issuance,
    Revocation,
    Lift,
    Accepted,
    Refused,
    Outcome,
    Seal,
    Opening,
    Continuation,
    Quarantine,
    Release,
    Overload,
    Configuration,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    match &args.verb {
        Verb::Verify {
            file,
            archive,
            head,
            format,
        } => verify(file, archive.as_deref(), head.as_deref(), *format),
        Verb::Query(query) => search(query),
        Verb::Archive(args) => archive(args),
    }
}

fn archive(args: &Archive) -> anyhow::Result<Exit> {
    let done = match &args.to {
        Some(to) => log::archive(&args.file, to, args.keep),
        None => log::accept_missing(&args.file).map(Vec::from_iter),
    };
    match done {
        Ok(done) if done.is_empty() => {
            let why = match args.accept_missing {
                true => "no file is missing",
                false => "there is no sealed file to archive",
            };
            output::note(why);
            Ok(Exit::Success)
        }
        Ok(done) => {
            for one in &done {
                let what = match &one.moved_to {
                    Some(folder) => format!("archived in {folder}"),
                    None => "accepted as missing".to_owned(),
                };
                output::note(&format!(
                    "file {}, lines {} to {}: {}",
                    one.file,
                    one.first,
                    one.last,
                    styled(GOOD, &shown_of_request(&what))
                ));
                output::json(one)?;
            }
            Ok(Exit::Success)
        }
        Err(error) => {
            output::error(&shown_of_request(&error.to_string()));
            Ok(match &error {
                ArchiveError::Corrupt(broken) => Exit::of_log(broken),
                _ => Exit::Failed,
            })
        }
    }
}

fn verify(
    file: &Path,
    archive: Option<&Path>,
    head: Option<&str>,
    format: Format,
) -> anyhow::Result<Exit> {
    let verified = match log::verify_with_head(file, archive, head) {
        Ok(verified) => verified,
        Err(unread) if unread.is_unread() => {
            output::error(&shown_of_request(&unread.to_string()));
            return Ok(Exit::of_log(&unread));
        }
        Err(broken) => {
            match format {
                Format::Json => {
                    output::json(&json!({ "whole": false, "broken": broken.to_string() }))?;
                }
                Format::Human => output::line(&format!(
                    "{} {}",
                    styled(BAD, "broken"),
                    shown_of_request(&broken.to_string())
                ))?,
            }
            return Ok(Exit::of_log(&broken));
        }
    };
    // The head may be that of a line that was not read.
    let has_head = match verified.has_head {
        Some(false) if !verified.not_read.is_empty() => None,
        has_head => has_head,
    };
    let exit = match (head, has_head) {
        (Some(_), None) => Exit::Failed,
        (_, Some(false)) => Exit::Invalid,
        _ => Exit::Success,
    };
    match format {
        Format::Json => {
            let not_read = verified.not_read.iter();
            let not_read = not_read.map(|(first, last)| json!({ "first": first, "last": last }));
            output::json(&json!({
                "whole": has_head != Some(false), "entries": verified.entries,
                "first": verified.first, "not-read": not_read.collect::<Vec<_>>(),
                "head": verified.head,
                "behind-head": verified.behind_head, "has-given-head": has_head,
            }))?;
        }
        Format::Human if exit == Exit::Invalid => output::line(&format!(
            "{} no line has the given head: the log was recreated or truncated",
            styled(BAD, "broken")
        ))?,
        Format::Human => {
            whole(&verified, archive)?;
            if exit == Exit::Failed {
                output::line(&format!(
                    "{} no line that was read has the given head: it may be the head of {}",
                    styled(WARN, "not found"),
                    not_read(&verified, archive),
                ))?;
            }
        }
    }
    Ok(exit)
}

/// Prints the result for an intact log.
fn whole(verified: &Verified, archive: Option<&Path>) -> anyhow::Result<()> {
    output::line(&format!(
        "{} {} {}",
        styled(GOOD, "whole"),
        counted(verified.entries, "entry"),
        styled(
            FAINT,
            &format!("(keep its head elsewhere: {})", verified.head)
        )
    ))?;
    if !verified.not_read.is_empty() {
        let not_read = not_read(verified, archive);
        output::line(&format!("{} not read: {not_read}", styled(FAINT, "note")))?;
    }
    if verified.behind_head > 0 {
        output::line(&format!(
            "{} {} of them are behind the head beside the log: they were recorded just now or just before a crash, or were added by hand",
            styled(WARN, "note"),
            verified.behind_head
        ))?;
    }
    Ok(())
}

/// Describes the lines that were not read, and the reason.
fn not_read(verified: &Verified, archive: Option<&Path>) -> String {
    let parts = verified.not_read.iter();
    let parts: Vec<_> = parts
        .map(|(first, last)| format!("lines {first} to {last}"))
        .collect();
    let why = match archive {
        None => "which are archived or accepted as missing: add `--archive`",
        Some(_) => "which were accepted as missing",
    };
    format!("{}, {why}", parts.join(", "))
}

/// Verifies the log, and prints the error if it is broken.
pub(crate) fn is_whole(file: &Path) -> Result<(), Exit> {
    log::verify(file).map(|_| ()).map_err(|broken| {
        output::error(&shown_of_request(&broken.to_string()));
        Exit::of_log(&broken)
    })
}

fn search(query: &Query) -> anyhow::Result<Exit> {
    let mut failed = None;
    let read = log::read(&query.file, |_, _, line, entry| {
        if failed.is_none() && query.asks_for(&entry) {
            // The same JSON, with terminal control characters escaped.
            failed = output::line(&escaped(line)).err();
        }
        Ok(())
    });
    if let Some(error) = failed {
        return Err(error.into());
    }
    match read {
        Ok(()) => Ok(Exit::Success),
        Err(broken) => {
            output::error(&shown_of_request(&broken.to_string()));
            Ok(Exit::of_log(&broken))
        }
    }
}

impl Query {
    fn asks_for(&self, entry: &Entry) -> bool {
        let kind = match &entry.event {
            Event::Decision(_) => Kind::Decision,
            Event::Issuance(_) => Kind::Issuance,
            Event::Revocation { .. } => Kind::Revocation,
            Event::Lift { .. } => Kind::Lift,
            Event::Accepted(_) => Kind::Accepted,
            Event::Refused(_) => Kind::Refused,
            Event::Outcome(_) => Kind::Outcome,
            Event::Seal(_) => Kind::Seal,
            Event::Opening(_) => Kind::Opening,
            Event::Continuation { .. } => Kind::Continuation,
            Event::Quarantine(_) => Kind::Quarantine,
            Event::Release(_) => Kind::Release,
            Event::Overload(_) => Kind::Overload,
            Event::Configuration(_) => Kind::Configuration,
        };
        let candidate = match &entry.event {
            Event::Decision(decided) => decided.candidate.as_ref(),
            _ => None,
        };
        (!self.candidate_differs || candidate.is_some_and(|it| !it.differs.is_empty()))
            && self.sequence.is_none_or(|wanted| wanted == entry.sequence)
            && self.event.is_none_or(|wanted| wanted == kind)
            && match &entry.event {
                Event::Decision(decided) => self.asks_for_decision(decided),
                Event::Issuance(issued) => {
                    let is = |wanted: &Option<String>, found: &String| {
                        wanted.as_ref().is_none_or(|wanted| wanted == found)
                    };
                    self.is_about_no_decision()
                        && self.credential.is_none()
                        && is(&self.intent, &issued.intent)
                        && is(&self.principal, &issued.principal)
                }
                Event::Accepted(_)
                | Event::Configuration(_)
                | Event::Continuation { .. }
                | Event::Seal(_)
                | Event::Opening(_) => {
                    self.is_about_no_decision()
                        && self.credential.is_none()
                        && self.intent.is_none()
                        && self.principal.is_none()
                }
                Event::Quarantine(Quarantined { integration, .. })
                | Event::Release(Released { integration, .. }) => {
                    self.is_about_load(Some(integration))
                }
                Event::Overload(overloaded) => {
                    self.is_about_load(overloaded.integration.as_deref())
                }
                Event::Refused(refused) => {
                    let is = |wanted: &Option<String>, found: Option<&str>| {
                        wanted.as_deref().is_none_or(|wanted| found == Some(wanted))
                    };
                    self.decision.is_none()
                        && self.cause.is_none()
                        && self.credential.is_none()
                        && self.intent.is_none()
                        && is(&self.id, Some(&refused.id))
                        && is(&self.trace, refused.what.trace_id())
                        && is(&self.principal, refused.what.claimed())
                        && is(&self.integration, refused.what.for_integration())
                }
                Event::Outcome(outcome) => {
                    self.decision.is_none()
                        && self.cause.is_none()
                        && self.credential.is_none()
                        && self.intent.is_none()
                        && self.principal.is_none()
                        && self.integration.is_none()
                        && self.trace.is_none()
                        && self.id.as_ref().is_none_or(|id| *id == outcome.decision)
                }
                Event::Revocation { .. } | Event::Lift { .. } => {
                    let revoked = match &entry.event {
                        Event::Revocation { revoked, .. } => revoked.as_ref(),
                        Event::Lift { lifted, .. } => Some(lifted),
                        _ => None,
                    };
                    let named = |wanted: &Option<String>, kind: Revocable| {
                        wanted.as_ref().is_none_or(|wanted| {
                            revoked.is_some_and(|it| {
                                it.kind == kind && revocation::is_same(kind, &it.id, wanted)
                            })
                        })
                    };
                    self.decision.is_none()
                        && self.cause.is_none()
                        && self.id.is_none()
                        && self.trace.is_none()
                        && named(&self.intent, Revocable::Intent)
                        && named(&self.principal, Revocable::Principal)
                        && named(&self.credential, Revocable::Credential)
                        && named(&self.integration, Revocable::Integration)
                }
            }
    }

    fn is_about_no_decision(&self) -> bool {
        self.is_about_no_request() && self.integration.is_none()
    }

    fn is_about_no_request(&self) -> bool {
        self.decision.is_none() && self.cause.is_none() && self.id.is_none() && self.trace.is_none()
    }

    /// True if lines about the load of `integration` are asked for.
    fn is_about_load(&self, integration: Option<&str>) -> bool {
        let wanted = self.integration.as_deref();
        self.is_about_no_request()
            && self.credential.is_none()
            && self.intent.is_none()
            && self.principal.is_none()
            && wanted.is_none_or(|wanted| integration == Some(wanted))
    }

    fn asks_for_decision(&self, decided: &Decided) -> bool {
        let is = |wanted: &Option<String>, found: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| found == Some(wanted))
        };
        // In any spelling, because revocations are looked up in the same way.
        let names = |kind: Revocable, wanted: &Option<String>, found: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| {
                found.is_some_and(|found| revocation::is_same(kind, found, wanted))
            })
        };
        let of_request = |pointer: &str| decided.request.pointer(pointer).and_then(Value::as_str);
        let permitted = decided.is_permit();
        self.decision
            .is_none_or(|wanted| permitted == (wanted == Outcome::Permit))
            && is(&self.cause, decided.cause())
            && is(&self.id, Some(&decided.id))
            && is(&self.trace, decided.trace_id.as_deref())
            && names(
                Revocable::Principal,
                &self.principal,
                of_request("/subject/id"),
            )
            && names(
                Revocable::Credential,
                &self.credential,
                of_request("/subject/properties/credential-id"),
            )
            && is(&self.intent, of_request("/context/intent/id"))
            && is(&self.integration, of_request("/context/integration"))
    }
}
