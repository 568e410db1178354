//! `portcullis log`.

use crate::Format;
use crate::exit::Exit;
use crate::output::{self, BAD, FAINT, GOOD, styled};
use clap::{Subcommand, ValueEnum};
use portcullis_host::log::{self, Broken, Entry};
use portcullis_host::printable;
use serde_json::json;
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
            "whole": true, "decisions": verified.entries, "head": verified.head,
            "behind-head": verified.behind_head,
        }))?,
        (Format::Json, Err(broken)) => {
            output::json(&json!({ "whole": false, "broken": broken.to_string() }))?;
        }
        (Format::Human, Ok(verified)) => output::line(&format!(
            "{} {} decisions {}",
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
        let is = |wanted: &Option<String>, pointer: &str| {
            wanted.as_deref().is_none_or(|wanted| {
                let found = entry
                    .request
                    .pointer(pointer)
                    .and_then(|value| value.as_str());
                found == Some(wanted)
            })
        };
        let permitted = entry
            .decision
            .pointer("/decision")
            .and_then(|value| value.as_bool());
        let cause = entry
            .decision
            .pointer("/context/cause")
            .and_then(|value| value.as_str());
        self.decision
            .is_none_or(|wanted| permitted == Some(wanted == Outcome::Permit))
            && self
                .cause
                .as_deref()
                .is_none_or(|wanted| cause == Some(wanted))
            && is(&self.principal, "/subject/id")
            && is(&self.credential, "/subject/properties/credential-id")
            && is(&self.intent, "/context/intent/id")
            && is(&self.integration, "/context/integration")
    }
}
