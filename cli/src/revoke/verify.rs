//! `portcullis revoke verify`.

use crate::exit::Exit;
use crate::output::{self, BAD, FAINT, GOOD, shown_of_request, styled};
use crate::{Format, check};
use portcullis_host::log::{self, Decided, Entry, Event};
use portcullis_host::revocation::{Revocable, Revoked};
use portcullis_host::{Cause, Consulted, Decision, ListAsOf, Pdp};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Confirm revocations: decide every recorded permit that one should have ended again, with the list
/// as it is now, and show that each is now denied for that.
///
/// Which permits a revocation should end is told from what the log says that they were made from, and
/// not from what is decided now.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The decision log; full files beside it are found.
    #[arg(long)]
    log: PathBuf,
    /// The configuration.
    #[arg(long, default_value = "portcullis.toml")]
    config: PathBuf,
    /// How to write the result.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

/// A revocation, and what became of the permits that it should end.
struct Confirmed {
    epoch: u64,
    revoked: Revoked,
    /// How many permits hang on what is revoked.
    permits: u64,
    /// How many of them are now denied because of it, or because what is revoked is gone.
    denied: u64,
    /// How many are now denied for something else.
    denied_otherwise: u64,
    /// The numbers of those that would be permitted again.
    still_permitted: Vec<u64>,
    /// The numbers of those that were given although the list had the revocation by then.
    given_after: Vec<u64>,
}

impl Confirmed {
    fn is_confirmed(&self) -> bool {
        self.still_permitted.is_empty() && self.given_after.is_empty()
    }
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    let Some(pdp) = check::load(&args.config) else {
        return Ok(Exit::Invalid);
    };
    // Permits that were taken out of the log could not be decided again.
    if let Err(exit) = crate::log::is_whole(&args.log) {
        return Ok(exit);
    }
    let Some(revocations) = pdp.revocations() else {
        output::error(&format!(
            "{} has no `[revocation]`, so that nothing is revoked",
            args.config.display()
        ));
        return Ok(Exit::Invalid);
    };
    let mut all: Vec<_> = revocations
        .revoked()
        .into_iter()
        .map(|(epoch, revoked)| Confirmed {
            epoch,
            revoked,
            permits: 0,
            denied: 0,
            denied_otherwise: 0,
            still_permitted: Vec::new(),
            given_after: Vec::new(),
        })
        .collect();
    all.sort_by_key(|confirmed| confirmed.epoch);
    let read = log::read(&args.log, |_, _, _, entry| {
        if let Event::Decision(decided) = &entry.event
            && decided.is_permit()
        {
            confirm(&pdp, &mut all, &entry, decided);
        }
        Ok(())
    });
    if let Err(broken) = read {
        output::error(&shown_of_request(&broken.to_string()));
        return Ok(Exit::of_log(&broken));
    }
    report(args.format, &all)?;
    Ok(if all.iter().all(Confirmed::is_confirmed) {
        Exit::Success
    } else {
        Exit::GateFailed
    })
}

/// Holds a permit against every revocation that should end it.
fn confirm(pdp: &Pdp, all: &mut [Confirmed], entry: &Entry, decided: &Decided) {
    let named = named(decided);
    let mut ended = all
        .iter_mut()
        .filter(|one| named.contains(&(one.revoked.kind, one.revoked.id.as_str())))
        .peekable();
    if ended.peek().is_none() {
        return;
    }
    // What is masked is looked at after the revocation list, and never before.
    let now = decided
        .request_as_written()
        .map(|request| pdp.evaluate_again(&request, entry.at, &decided.evidence, ListAsOf::Now));
    let known = decided.evidence.revocation.as_ref();
    let known = known.map_or(0, |seen| seen.epoch);
    for one in ended {
        one.permits += 1;
        if known >= one.epoch {
            one.given_after.push(entry.sequence);
        }
        let is_gone = |now: &Decision| {
            let digest = |plugin: &Consulted| plugin.digest.to_string() == one.revoked.id;
            one.revoked.kind == Revocable::Plugin && !now.plugins().iter().any(digest)
        };
        match &now {
            Some(now) if now.cause() == Cause::Revoked || is_gone(now) => one.denied += 1,
            Some(now) if !now.is_permit() => one.denied_otherwise += 1,
            _ => one.still_permitted.push(entry.sequence),
        }
    }
}

/// Everything that the permit was made from and that can be revoked.
fn named(decided: &Decided) -> Vec<(Revocable, &str)> {
    let text = |pointer: &str| decided.request.pointer(pointer).and_then(Value::as_str);
    let mut named = Vec::new();
    let mut add = |kind, id: Option<_>| named.extend(id.map(|id| (kind, id)));
    add(Revocable::Principal, text("/subject/id"));
    add(
        Revocable::Credential,
        text("/subject/properties/credential-id"),
    );
    add(Revocable::Intent, text("/context/intent/id"));
    add(Revocable::Integration, text("/context/integration"));
    for intent in &decided.evidence.intents {
        add(Revocable::Intent, Some(intent.id.as_str()));
        add(Revocable::Principal, Some(intent.principal.as_str()));
    }
    let delegators = decided.request.pointer("/subject/properties/delegated-by");
    for delegator in delegators.and_then(Value::as_array).into_iter().flatten() {
        add(Revocable::Principal, delegator.as_str());
    }
    let plugins = decided.decision.pointer("/context/plugins");
    for plugin in plugins.and_then(Value::as_array).into_iter().flatten() {
        let digest = plugin.get("digest").and_then(Value::as_str);
        add(Revocable::Plugin, digest);
    }
    named
}

fn report(format: Format, all: &[Confirmed]) -> anyhow::Result<()> {
    if format == Format::Json {
        let all = all.iter().map(|one| {
            json!({
                "epoch": one.epoch, "revoked": one.revoked, "permits": one.permits,
                "denied": one.denied, "denied-otherwise": one.denied_otherwise,
                "still-permitted": one.still_permitted, "given-after": one.given_after,
            })
        });
        return output::json(&all.collect::<Vec<_>>());
    }
    for one in all {
        let Revoked {
            kind,
            id,
            reason,
            by,
        } = &one.revoked;
        let kind = json!(kind);
        let head = format!(
            "{} {}, revoked by {}: {}",
            kind.as_str().unwrap_or_default(),
            shown_of_request(id),
            shown_of_request(by),
            shown_of_request(reason)
        );
        let epoch = styled(FAINT, &format!("{:>6}", one.epoch));
        output::line(&format!("{epoch} {head}: {}", outcome(one)))?;
    }
    Ok(())
}

fn outcome(one: &Confirmed) -> String {
    let numbers = |numbers: &[u64]| {
        let first: Vec<_> = numbers.iter().take(5).map(u64::to_string).collect();
        first.join(", ")
    };
    let permits = one.permits;
    if permits == 0 {
        return styled(FAINT, "the log has no permit that it ends");
    }
    if !one.given_after.is_empty() {
        let text = format!(
            "{} of {permits} permits were given although it was known: see {}",
            one.given_after.len(),
            numbers(&one.given_after)
        );
        return styled(BAD, &text);
    }
    if !one.still_permitted.is_empty() {
        let text = format!(
            "of {permits} permits, {} would be given again: see {}",
            one.still_permitted.len(),
            numbers(&one.still_permitted)
        );
        return styled(BAD, &text);
    }
    let otherwise = match one.denied_otherwise {
        0 => String::new(),
        count => format!(", {count} of them for something else by now"),
    };
    styled(
        GOOD,
        &format!("{permits} permits, all now denied{otherwise}"),
    )
}
