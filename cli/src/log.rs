//! `portcullis log`.

use crate::Format;
use crate::exit::Exit;
use crate::output::{self, BAD, FAINT, GOOD, styled};
use clap::{Subcommand, ValueEnum};
use portcullis_host::log::{self, Broken, Decided, Entry, Event};
use portcullis_host::printable;
use portcullis_host::revocation::Revocable;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Verify or search a decision log.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Find any edit, removal, reordering, addition or truncation, and say where.
    Verify {
        /// The latest file of the log; full ones beside it are found.
        file: PathBuf,
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
    Continuation,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    match &args.verb {
        Verb::Verify { file, format } => verify(file, *format),
        Verb::Query(query) => search(query),
    }
}

fn verify(file: &std::path::Path, format: Format) -> anyhow::Result<Exit> {
    let verified = log::verify(file);
    match (format, &verified) {
        (Format::Json, Ok(verified)) => output::json(&json!({
            "whole": true, "entries": verified.entries, "head": verified.head,
            "behind-head": verified.behind_head,
        }))?,
        (Format::Json, Err(broken)) => {
            output::json(&json!({ "whole": false, "broken": broken.to_string() }))?;
        }
        (Format::Human, Ok(verified)) => output::line(&format!(
            "{} {} entries {}",
            styled(GOOD, "whole"),
            verified.entries,
            styled(
                FAINT,
                &format!("(keep its head elsewhere: {})", verified.head)
            )
        ))?,
        (Format::Human, Err(broken)) => {
            output::line(&format!(
                "{} {}",
                styled(BAD, "broken"),
                printable(&broken.to_string())
            ))?;
        }
    }
    Ok(exit_of(verified.err()))
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
    if let Err(broken) = &read {
        output::error(&printable(&broken.to_string()));
    }
    Ok(exit_of(read.err()))
}

/// How a log that cannot be read differs from one that is broken.
fn exit_of(broken: Option<Broken>) -> Exit {
    match broken {
        None => Exit::Success,
        Some(Broken::Read { .. }) => Exit::Failed,
        Some(Broken::Line { .. } | Broken::Truncated { .. } | Broken::NoHead(_)) => Exit::Invalid,
    }
}

impl Query {
    fn asks_for(&self, entry: &Entry) -> bool {
        let kind = match &entry.event {
            Event::Decision(_) => Kind::Decision,
            Event::Issuance(_) => Kind::Issuance,
            Event::Revocation { .. } => Kind::Revocation,
            Event::Continuation { .. } => Kind::Continuation,
        };
        self.event.is_none_or(|wanted| wanted == kind)
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
                Event::Continuation { .. } => {
                    self.is_about_no_decision()
                        && self.credential.is_none()
                        && self.intent.is_none()
                        && self.principal.is_none()
                }
                Event::Revocation { revoked, .. } => {
                    let named = |wanted: &Option<String>, kind: Revocable| {
                        wanted.as_ref().is_none_or(|wanted| {
                            revoked
                                .as_ref()
                                .is_some_and(|it| it.kind == kind && it.id == *wanted)
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
        let of_request = |pointer: &str| decided.request.pointer(pointer).and_then(Value::as_str);
        let permitted = decided.is_permit();
        self.decision
            .is_none_or(|wanted| permitted == (wanted == Outcome::Permit))
            && is(&self.cause, decided.cause())
            && is(&self.evaluation, decided.evaluation_id.as_deref())
            && is(&self.principal, of_request("/subject/id"))
            && is(
                &self.credential,
                of_request("/subject/properties/credential-id"),
            )
            && is(&self.intent, of_request("/context/intent/id"))
            && is(&self.integration, of_request("/context/integration"))
    }
}
