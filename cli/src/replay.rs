//! `portcullis replay`.

use crate::exit::Exit;
use crate::output::{self, BAD, FAINT, GOOD, styled};
use crate::{Format, check};
use portcullis_host::log::{self, Entry};
use portcullis_host::{Pdp, Request, RequestLimits, printable};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Decide what a log recorded again, with the same configuration or another one, and list what would
/// now be decided differently.
///
/// Decisions are compared byte for byte, but for how long they took. Requests that were masked or
/// could not be read are counted, and not decided again.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The latest file of the log; full ones beside it are found.
    log: PathBuf,
    /// The configuration.
    #[arg(long, default_value = "portcullis.toml")]
    config: PathBuf,
    /// How to write differences.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    let Some(pdp) = check::load(&args.config) else {
        return Ok(Exit::Invalid);
    };
    let (mut same, mut different, mut skipped) = (0_u64, 0_u64, 0_u64);
    let mut failed = None;
    let read = log::read(&args.log, |_, _, _, entry| {
        match again(&pdp, &entry) {
            None => skipped += 1,
            Some(now) if now == entry.decision => same += 1,
            Some(now) => {
                different += 1;
                if failed.is_none() {
                    failed = report(args.format, &entry, &now).err();
                }
            }
        }
        Ok(())
    });
    if let Some(error) = failed {
        return Err(error);
    }
    if let Err(broken) = read {
        output::error(&printable(&broken.to_string()));
        return Ok(Exit::Invalid);
    }
    let summary = format!("{same} the same, {different} different, {skipped} not decided again");
    output::note(&styled(if different == 0 { GOOD } else { BAD }, &summary));
    Ok(if different == 0 {
        Exit::Success
    } else {
        Exit::GateFailed
    })
}

/// What would be decided now of a request that was recorded, if it can be decided again.
fn again(pdp: &Pdp, entry: &Entry) -> Option<Value> {
    if entry.masked {
        return None;
    }
    // It was within its limits in the form that it came in, which may have been a shorter one.
    let limits = RequestLimits {
        bytes: usize::MAX,
        ..*pdp.request_limits()
    };
    let request = Request::from_authzen(entry.request.to_string().as_bytes(), &limits);
    Some(pdp.evaluate_at(&request.ok()?, entry.at).replayable())
}

fn report(format: Format, entry: &Entry, now: &Value) -> anyhow::Result<()> {
    let cause = |decision: &Value| {
        let cause = decision.pointer("/context/cause").and_then(Value::as_str);
        printable(cause.unwrap_or_default())
    };
    match format {
        Format::Json => output::json(&json!({
            "sequence": entry.sequence, "recorded": entry.decision, "now": now,
        })),
        Format::Human => {
            let text = |pointer: &str| {
                let text = entry.request.pointer(pointer).and_then(Value::as_str);
                printable(text.unwrap_or_default())
            };
            output::line(&format!(
                "{} {}: {} {}: {} -> {}",
                styled(FAINT, &format!("{:>6}", entry.sequence)),
                text("/context/integration"),
                text("/action/name"),
                text("/resource/id"),
                cause(&entry.decision),
                cause(now),
            ))?;
            Ok(())
        }
    }
}
