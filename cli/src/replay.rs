//! `portcullis replay`.

use crate::decided_again::{self, Comparison, Masked, Recorded};
use crate::exit::Exit;
use crate::output::{self, FAINT, shown_of_request, styled};
use crate::{Format, check};
use portcullis_host::ListAsOf;
use portcullis_host::log::compare::{self, Compared};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Decide the requests of a log again, with the same configuration or another one, and list the
/// decisions that differ.
///
/// Decisions are compared by effect, mode, cause, grant and obligations, and those that changed alike are
/// listed together, by causes, principal and action: a new version of a plugin that decides the same has no
/// differences. To compare two configurations, use `portcullis diff`. With `--exact` decisions
/// are compared byte for byte, except for their duration, and listed one by one. Requests that were masked,
/// carried signed intents or could not be read are counted, and not decided again. Other inputs of a
/// decision, such as remaining uses, are taken from the log. If a plugin exceeded its deadline, had no
/// capacity or was quarantined, the decision depends on the machine: such decisions are listed and counted
/// separately, and never fail the replay.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The latest file of the log; sealed ones beside it are found.
    log: PathBuf,
    /// The configuration.
    #[arg(long, default_value = "portcullis.toml")]
    config: PathBuf,
    /// Evaluate requests against the current revocation list, instead of the one at the time.
    #[arg(long)]
    revoked_since: bool,
    /// Compare decisions byte for byte, including the versions and digests of plugins and the reasons' text.
    #[arg(long)]
    exact: bool,
    /// Output format of differences.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    let Some(pdp) = check::load(&args.config) else {
        return Ok(Exit::Invalid);
    };
    let list = if args.revoked_since {
        ListAsOf::Now
    } else {
        ListAsOf::Then
    };
    let mut comparison = Comparison::default();
    let read = decided_again::recorded(&args.log, Masked::LeftOut, |recorded| {
        let now = recorded.decide(&pdp, list);
        let decided = recorded.decided;
        let depends_on_machine = decided.depends_on_machine();
        if args.exact {
            let is_same = decided.decision == now;
            comparison.count(depends_on_machine, is_same);
            return match is_same {
                true => Ok(()),
                false => one_by_one(args.format, recorded, &now),
            };
        }
        comparison.add(&Compared {
            name: &decided.id,
            request: &decided.request,
            before: &decided.decision,
            after: &now,
            depends_on_machine,
        });
        Ok(())
    })?;
    let read = match read {
        Ok(read) => read,
        Err(exit) => return Ok(exit),
    };
    let different = comparison.different;
    if args.exact {
        comparison.summary(&read.counts());
    } else {
        comparison.print(args.format, &read.counts())?;
    }
    Ok(match different {
        0 => Exit::Success,
        _ => Exit::GateFailed,
    })
}

/// Prints one decision that differs in any byte.
fn one_by_one(format: Format, recorded: &Recorded<'_>, now: &Value) -> anyhow::Result<()> {
    let (entry, decided) = (recorded.entry, recorded.decided);
    match format {
        Format::Json => output::json(&json!({
            "sequence": entry.sequence, "id": decided.id, "recorded": decided.decision, "now": now,
            "depends-on-machine": decided.depends_on_machine(),
        })),
        Format::Human => {
            let text = |pointer: &str| {
                let text = decided.request.pointer(pointer).and_then(Value::as_str);
                shown_of_request(text.unwrap_or_default())
            };
            let cause = now.pointer("/context/cause").and_then(Value::as_str);
            let note = if decided.depends_on_machine() {
                " (it depends on the machine)".to_owned()
            } else {
                let place = compare::first_difference(&decided.decision, now);
                format!(" (at {})", shown_of_request(&place.unwrap_or_default()))
            };
            output::line(&format!(
                "{} {}: {} {}: {} -> {}{}",
                styled(FAINT, &format!("{:>6}", entry.sequence)),
                text("/context/integration"),
                text("/action/name"),
                text("/resource/id"),
                shown_of_request(decided.cause().unwrap_or_default()),
                shown_of_request(cause.unwrap_or_default()),
                styled(FAINT, &note),
            ))?;
            Ok(())
        }
    }
}
