//! `portcullis log`.

use crate::Format;
use crate::exit::Exit;
use crate::output::{self, BAD, FAINT, GOOD, WARN, shown_of_request, styled};
use clap::{Subcommand, ValueEnum};
use portcullis_host::Digest;
use portcullis_host::log::{self, Decided, Entry, Event};
use portcullis_host::revocation::{self, Revocable};
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
    /// Find any edit, removal, reordering or truncation, and say where. Lines that were added at the end
    /// look like those that a crash leaves, and are counted.
    Verify {
        /// The latest file of the log; full ones beside it are found.
        file: PathBuf,
        /// A head that was kept elsewhere, which has to be that of a line of the log.
        #[arg(long)]
        head: Option<String>,
        /// How to write the result.
        #[arg(long, value_enum, default_value_t = Format::Human)]
        format: Format,
    },
    /// Print the lines that are asked for, as JSON Lines.
    Query(Query),
}

#[derive(Debug, clap::Args)]
struct Query {
    /// The latest file of the log; full ones beside it are found.
    file: PathBuf,
    /// Only the line of this number.
    #[arg(long)]
    sequence: Option<u64>,
    /// Only events of this kind.
    #[arg(long, value_enum)]
    event: Option<Kind>,
    /// Only the decision that this evaluation came to, as a requestable denial names it.
    #[arg(long)]
    evaluation: Option<String>,
    /// Only permits or denies.
    #[arg(long, value_enum)]
    decision: Option<Outcome>,
    /// Only decisions of this cause, such as `plugin-denied`.
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
    Continuation,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    match &args.verb {
        Verb::Verify { file, head, format } => verify(file, head.as_deref(), *format),
        Verb::Query(query) => search(query),
    }
}

fn verify(file: &Path, head: Option<&str>, format: Format) -> anyhow::Result<Exit> {
    let verified = log::verify(file);
    let mut exit = match &verified {
        Ok(_) => Exit::Success,
        Err(broken) => Exit::of_log(broken),
    };
    let has_head = match (head, &verified) {
        (Some(head), Ok(_)) => Some(has_line(file, head)?),
        _ => None,
    };
    if has_head == Some(false) {
        exit = Exit::Invalid;
    }
    match (format, &verified) {
        (Format::Json, Ok(verified)) => output::json(&json!({
            "whole": has_head != Some(false), "entries": verified.entries, "head": verified.head,
            "behind-head": verified.behind_head, "has-given-head": has_head,
        }))?,
        (Format::Json, Err(broken)) => {
            output::json(&json!({ "whole": false, "broken": broken.to_string() }))?;
        }
        (Format::Human, Ok(_)) if has_head == Some(false) => {
            output::line(&format!(
                "{} it has no line with the head that was kept: it was made anew, or cut",
                styled(BAD, "broken")
            ))?;
        }
        (Format::Human, Ok(verified)) => {
            output::line(&format!(
                "{} {} entries {}",
                styled(GOOD, "whole"),
                verified.entries,
                styled(
                    FAINT,
                    &format!("(keep its head elsewhere: {})", verified.head)
                )
            ))?;
            if verified.behind_head > 0 {
                output::line(&format!(
                    "{} {} of them lie behind what is kept beside the log: they were recorded just now or just before a crash, or somebody added them",
                    styled(WARN, "note"),
                    verified.behind_head
                ))?;
            }
        }
        (Format::Human, Err(broken)) => {
            output::line(&format!(
                "{} {}",
                styled(BAD, "broken"),
                shown_of_request(&broken.to_string())
            ))?;
        }
    }
    Ok(exit)
}

/// Whether the log has the line of that hash.
fn has_line(file: &Path, head: &str) -> anyhow::Result<bool> {
    let wanted = format!("sha256:{head}");
    let mut found = false;
    log::read(file, |_, _, line, _| {
        found |= Digest::of(line.as_bytes()).to_string() == wanted;
        Ok(())
    })?;
    Ok(found)
}

/// Whether the log can be relied on; if not, it is said why.
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
            failed = output::line(line).err();
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
            Event::Continuation { .. } => Kind::Continuation,
        };
        self.sequence.is_none_or(|wanted| wanted == entry.sequence)
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
                Event::Accepted(_) | Event::Continuation { .. } => {
                    self.is_about_no_decision()
                        && self.credential.is_none()
                        && self.intent.is_none()
                        && self.principal.is_none()
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
                        && self.evaluation.is_none()
                        && named(&self.intent, Revocable::Intent)
                        && named(&self.principal, Revocable::Principal)
                        && named(&self.credential, Revocable::Credential)
                        && named(&self.integration, Revocable::Integration)
                }
            }
    }

    fn is_about_no_decision(&self) -> bool {
        self.decision.is_none()
            && self.cause.is_none()
            && self.evaluation.is_none()
            && self.integration.is_none()
    }

    fn asks_for_decision(&self, decided: &Decided) -> bool {
        let is = |wanted: &Option<String>, found: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| found == Some(wanted))
        };
        // In whatever spelling: revocations are looked up the same way.
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
            && is(&self.evaluation, decided.evaluation_id.as_deref())
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
