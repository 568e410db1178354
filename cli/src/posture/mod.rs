//! `portcullis posture`.

mod amount;
mod charts;
mod inventory;
mod measures;
mod page;
mod text;

use crate::exit::Exit;
use crate::file;
use crate::output::{self, shown_of_request};
use crate::registry::owners;
use crate::{check, intent, revoke};
use clap::{Subcommand, ValueEnum};
use inventory::{Before, Inventory};
use measures::Measures;
use portcullis_host::log::{self, Event};
use portcullis_host::{Timestamp, config, escaped, well_known_withheld};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Report the posture of an organisation's machine identities, from its decisions.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Report(ReportArgs),
}

/// Measure the posture from the decision log and the configuration.
///
/// The log gives static credentials, credential lifetimes, permits without an approval, reuse, and the
/// granted access that was used. The configuration gives owners, exceptions, observed integrations, and the
/// time for which a leaked credential could be used.
///
/// With `--since`, the log from then on is compared with the log before, and exceptions and revocations with
/// those at that time. Earlier owners are not recorded: compare with a report that was kept.
#[derive(Debug, clap::Args)]
struct ReportArgs {
    /// The decision log; full files beside it are found.
    #[arg(long)]
    log: PathBuf,
    /// The configuration.
    #[arg(long, default_value = "portcullis.toml")]
    config: PathBuf,
    /// A file of all possible owners, one a line.
    #[arg(long)]
    owners: Option<PathBuf>,
    /// Measure from this time on, and compare with the log before; as in RFC 3339.
    #[arg(long)]
    since: Option<Timestamp>,
    /// The time of the report, as in RFC 3339. By default the system's clock.
    #[arg(long)]
    now: Option<Timestamp>,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
    /// The file to write to. By default standard output.
    #[arg(long)]
    output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Text.
    Human,
    /// One JSON object.
    Json,
    /// One self-contained page.
    Html,
}

/// A posture report.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Report {
    at: Timestamp,
    since: Option<Timestamp>,
    measures: Measures,
    /// The measures of the log before `since`.
    before: Option<Measures>,
    inventory: Inventory,
    /// The inventory at `since`.
    inventory_before: Option<Before>,
    /// Change of each number since then: a count, percentage points, or seconds.
    changes: Option<BTreeMap<String, Option<f64>>>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    let Verb::Report(args) = &args.verb;
    let Some(pdp) = check::load(&args.config) else {
        return Ok(Exit::Invalid);
    };
    if let Err(exit) = crate::log::is_whole(&args.log) {
        return Ok(exit);
    }
    let now = args.now.unwrap_or_else(Timestamp::now);
    let owners = args.owners.as_deref().map(owners).transpose()?;
    for line in owners.iter().flat_map(|it| &it.lines_with_tokens) {
        if let Some(file) = &args.owners {
            output::warn_of_token(&format!("{}:{line}", file.display()));
        }
    }
    let owners = owners.map(|owners| owners.names);
    let mut measures = Measures::default();
    let mut before = Measures::default();
    let mut used = intent::UsedByIntent::default();
    let mut issued = Vec::new();
    let read = log::read(&args.log, |_, _, _, entry| {
        let period = match args.since {
            Some(since) if entry.at < since => &mut before,
            _ => &mut measures,
        };
        if let Event::Decision(decided) = &entry.event {
            period.note(entry.at, decided);
            if args.since.is_none_or(|since| entry.at >= since) {
                used.note(pdp.intents(), decided);
            }
        }
        if let Event::Issuance(one) = entry.event {
            issued.push(one);
        }
        Ok(())
    });
    if let Err(broken) = read {
        output::error(&shown_of_request(&broken.to_string()));
        return Ok(Exit::of_log(&broken));
    }
    let list = match pdp.revocations() {
        None => None,
        Some(_) => match revoke::found(config::revocation_list(&args.config)) {
            Some(list) => Some(list),
            None => return Ok(Exit::Invalid),
        },
    };
    let inventory_before = args
        .since
        .map(|since| Before::of(&pdp, list.as_deref(), &issued, since))
        .transpose()?;
    let mut report = Report {
        at: now,
        since: args.since,
        inventory: Inventory::of(&pdp, owners.as_ref(), &used, &issued, &measures, now),
        measures: measures.done(),
        before: args.since.map(|_| before.done()),
        inventory_before,
        changes: None,
    };
    report.changes = text::changes(&report);
    let written = match args.format {
        Format::Human => text::write(&report),
        Format::Json => escaped(&well_known_withheld(&serde_json::to_string_pretty(
            &report,
        )?)),
        Format::Html => page::write(&report)?,
    };
    match &args.output {
        None => output::line(&written)?,
        Some(file) => {
            // Colours are for terminals only.
            let plain = anstream::adapter::strip_str(&written).to_string();
            file::write(file, format!("{plain}\n"))?;
            output::note(&format!("wrote {}", file.display()));
        }
    }
    Ok(Exit::Success)
}
