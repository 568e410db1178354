//! `portcullis replay`.

use crate::exit::Exit;
use crate::output::{self, BAD, FAINT, GOOD, WARN, shown_of_request, styled};
use crate::{Format, check};
use portcullis_host::log::compare::{self, Change, Changes, Part, Turn};
use portcullis_host::log::{self, Decided, Entry, Event};
use portcullis_host::{ListAsOf, Pdp};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Decide the requests of a log again, with the same configuration or another one, and list the
/// decisions that differ.
///
/// Decisions are compared by effect, mode, cause, grant and obligations, and those that changed alike are
/// listed together: a new version of a plugin that decides the same has no differences. With `--exact` they
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

/// Counts of the replayed lines.
#[derive(Debug, Default)]
struct Replayed {
    same: u64,
    different: u64,
    depend_on_machine: u64,
    not_decided: u64,
    /// Reports of the gateway, which are not decided.
    reported: u64,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    let Some(pdp) = check::load(&args.config) else {
        return Ok(Exit::Invalid);
    };
    if let Err(exit) = crate::log::is_whole(&args.log) {
        return Ok(exit);
    }
    let list = if args.revoked_since {
        ListAsOf::Now
    } else {
        ListAsOf::Then
    };
    let mut changes = Changes::default();
    let mut failed = None;
    let replayed = replay(&pdp, &args.log, list, |entry, decided, now| {
        let is_same = decided.decision == *now;
        if args.exact {
            if !is_same && failed.is_none() {
                failed = one_by_one(args.format, entry, decided, now).err();
            }
            return is_same;
        }
        let differs = match is_same {
            true => Vec::new(),
            false => compare::differing(&decided.decision, now),
        };
        let is_same = differs.is_empty();
        if !is_same || decided.depends_on_machine() {
            changes.note(entry.sequence, decided, now, differs);
        }
        is_same
    });
    if let Some(error) = failed {
        return Err(error);
    }
    let replayed = match replayed {
        Ok(replayed) => replayed,
        Err(broken) => {
            output::error(&shown_of_request(&broken.to_string()));
            return Ok(Exit::of_log(&broken));
        }
    };
    if !args.exact {
        let groups = changes.groups();
        match args.format {
            Format::Json => output::json(&json!({
                "same": replayed.same, "different": replayed.different,
                "depend-on-machine": replayed.depend_on_machine,
                "not-decided-again": replayed.not_decided, "changes": groups,
            }))?,
            Format::Human => groups.iter().try_for_each(grouped)?,
        }
    }
    summary(&replayed);
    Ok(match replayed.different {
        0 => Exit::Success,
        _ => Exit::GateFailed,
    })
}

/// Decides every recorded request again.
///
/// `each` receives the recorded entry and the new decision, and returns true if they are equal.
fn replay(
    pdp: &Pdp,
    log: &Path,
    list: ListAsOf,
    mut each: impl FnMut(&Entry, &Decided, &Value) -> bool,
) -> Result<Replayed, log::Corrupt> {
    let mut replayed = Replayed::default();
    log::read(log, |_, _, _, entry| {
        let decided = match &entry.event {
            Event::Decision(decided) => decided,
            Event::Refused(_) | Event::Outcome(_) => {
                replayed.reported += 1;
                return Ok(());
            }
            _ => return Ok(()),
        };
        let Some(request) = decided.request() else {
            replayed.not_decided += 1;
            return Ok(());
        };
        let again = pdp.evaluate_again(&request, entry.at, &decided.inputs, list);
        let is_same = each(&entry, decided, &again.replayable());
        if decided.depends_on_machine() {
            replayed.depend_on_machine += 1;
        } else if is_same {
            replayed.same += 1;
        } else {
            replayed.different += 1;
        }
        Ok(())
    })?;
    Ok(replayed)
}

fn summary(replayed: &Replayed) {
    let Replayed {
        same,
        different,
        depend_on_machine,
        not_decided,
        reported,
    } = replayed;
    let mut text = format!(
        "{same} the same, {different} different, {depend_on_machine} that depend on the machine, {not_decided} not decided again"
    );
    if *reported > 0 {
        text = format!("{text}, {reported} reports of the gateway's");
    }
    let style = if *different == 0 { GOOD } else { BAD };
    output::note(&styled(style, &text));
}

/// Prints a group of decisions that changed alike.
fn grouped(change: &Change) -> anyhow::Result<()> {
    let (turn, style) = match change.turn {
        Turn::DenyToPermit => ("deny -> permit", BAD),
        Turn::PermitToDeny => ("permit -> deny", WARN),
        Turn::Permit => ("permit", FAINT),
        Turn::Deny => ("deny", FAINT),
    };
    // Only a permit has a grant and obligations, so they always differ if the effect differs.
    let has_turned = matches!(change.turn, Turn::DenyToPermit | Turn::PermitToDeny);
    let parts = change.differs.iter();
    let parts: Vec<_> = parts
        .filter(|part| match part {
            Part::Effect | Part::Cause => false,
            Part::Grant | Part::Obligations => !has_turned,
            Part::Mode => true,
        })
        .map(|part| part.as_str())
        .collect();
    let parts = match parts.as_slice() {
        [] => String::new(),
        parts if has_turned => format!("; another {}", parts.join(", ")),
        parts => format!("; another {} (at {})", parts.join(", "), change.at),
    };
    let mut lines: Vec<_> = change.lines.iter().map(u64::to_string).collect();
    if change.count > lines.len() as u64 {
        lines.push("…".to_owned());
    }
    let machine = match change.depends_on_machine {
        true => "; it depends on the machine",
        false => "",
    };
    output::line(&format!(
        "{} {} {}: {}: {} -> {}{}",
        styled(FAINT, &format!("{:>6}", change.count)),
        styled(style, &format!("{turn:<14}")),
        shown_of_request(&change.integration),
        shown_of_request(&change.action),
        shown_of_request(&change.recorded_cause),
        shown_of_request(&change.cause),
        styled(
            FAINT,
            &format!(
                "{}{machine}; lines {}: {}",
                shown_of_request(&parts),
                lines.join(", "),
                shown_of_request(&change.resources.join(", ")),
            )
        ),
    ))?;
    Ok(())
}

/// Prints one decision that differs in any byte.
fn one_by_one(format: Format, entry: &Entry, decided: &Decided, now: &Value) -> anyhow::Result<()> {
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
