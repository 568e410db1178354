//! `portcullis replay`.

use crate::exit::Exit;
use crate::output::{self, BAD, FAINT, GOOD, shown_of_request, styled};
use crate::{Format, check};
use portcullis_host::ListAsOf;
use portcullis_host::log::{self, Decided, Entry, Event};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Decide what a log recorded again, with the same configuration or another one, and list what would
/// now be decided differently.
///
/// Decisions are compared byte for byte, but for how long they took. Requests that were masked, carried
/// signed intents or could not be read are counted, and not decided again. What a decision was made from besides, such as
/// uses that were left, is taken from the log. Where a plugin had run out of time, or there was no room for
/// it, the decision depends on the machine: those are listed and counted apart, and fail nothing.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The latest file of the log; full ones beside it are found.
    log: PathBuf,
    /// The configuration.
    #[arg(long, default_value = "portcullis.toml")]
    config: PathBuf,
    /// Hold requests to the revocation list as it is now, instead of as it was then.
    #[arg(long)]
    revoked_since: bool,
    /// How to write differences.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
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
    let (mut same, mut different, mut apart, mut skipped) = (0_u64, 0_u64, 0_u64, 0_u64);
    let mut failed = None;
    let read = log::read(&args.log, |_, _, _, entry| {
        let Event::Decision(decided) = &entry.event else {
            return Ok(());
        };
        let Some(request) = decided.request() else {
            skipped += 1;
            return Ok(());
        };
        let again = pdp.evaluate_again(&request, entry.at, &decided.evidence, list);
        let now = again.replayable();
        if decided.depends_on_machine() {
            apart += 1;
        } else if now == decided.decision {
            same += 1;
            return Ok(());
        } else {
            different += 1;
        }
        if failed.is_none() {
            failed = report(args.format, &entry, decided, &now).err();
        }
        Ok(())
    });
    if let Some(error) = failed {
        return Err(error);
    }
    if let Err(broken) = read {
        output::error(&shown_of_request(&broken.to_string()));
        return Ok(Exit::of_log(&broken));
    }
    let summary = format!(
        "{same} the same, {different} different, {apart} that depend on the machine, {skipped} not decided again"
    );
    output::note(&styled(if different == 0 { GOOD } else { BAD }, &summary));
    Ok(if different == 0 {
        Exit::Success
    } else {
        Exit::GateFailed
    })
}

fn report(format: Format, entry: &Entry, decided: &Decided, now: &Value) -> anyhow::Result<()> {
    match format {
        Format::Json => output::json(&json!({
            "sequence": entry.sequence, "recorded": decided.decision, "now": now,
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
                let place = difference(&decided.decision, now, String::new());
                format!(" (at {})", shown_of_request(&place))
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

/// The place, as a JSON Pointer, of the first value in which they differ.
fn difference(recorded: &Value, now: &Value, at: String) -> String {
    let first = match (recorded, now) {
        (Value::Object(recorded), Value::Object(now)) => {
            let mut keys: Vec<_> = recorded.keys().chain(now.keys()).collect();
            keys.sort();
            let differs = keys
                .into_iter()
                .find(|key| recorded.get(*key) != now.get(*key));
            differs.map(|key| (key.clone(), recorded.get(key), now.get(key)))
        }
        (Value::Array(recorded), Value::Array(now)) => (0..recorded.len().max(now.len()))
            .find(|index| recorded.get(*index) != now.get(*index))
            .map(|index| (index.to_string(), recorded.get(index), now.get(index))),
        _ => None,
    };
    match first {
        None => at,
        Some((key, recorded, now)) => {
            let at = format!("{at}/{key}");
            match (recorded, now) {
                (Some(recorded), Some(now)) => difference(recorded, now, at),
                _ => at,
            }
        }
    }
}
