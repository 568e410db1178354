//! `portcullis revoke verify`.

use crate::exit::Exit;
use crate::output::{self, BAD, FAINT, GOOD, styled};
use crate::{Format, check};
use portcullis_host::log::{self, Decided, Event};
use portcullis_host::revocation::{Revocable, Revoked};
use portcullis_host::{Cause, ListAsOf, printable};
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
    permits: u64,
    /// The numbers of those that are not denied for it.
    not_denied: Vec<u64>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    let Some(pdp) = check::load(&args.config) else {
        return Ok(Exit::Invalid);
    };
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
            not_denied: Vec::new(),
        })
        .collect();
    all.sort_by_key(|confirmed| confirmed.epoch);
    let read = log::read(&args.log, |_, _, _, entry| {
        let Event::Decision(decided) = &entry.event else {
            return Ok(());
        };
        if !decided.is_permit() {
            return Ok(());
        }
        let named = named(decided);
        let mut ended = all
            .iter_mut()
            .filter(|one| named.contains(&(one.revoked.kind, one.revoked.id.as_str())))
            .peekable();
        if ended.peek().is_none() {
            return Ok(());
        }
        // What is masked is looked at after the revocation list, and never before.
        let is_denied = decided.request_as_written().is_some_and(|request| {
            let now = pdp.evaluate_again(&request, entry.at, &decided.evidence, ListAsOf::Now);
            now.cause() == Cause::Revoked
        });
        for one in ended {
            one.permits += 1;
            if !is_denied {
                one.not_denied.push(entry.sequence);
            }
        }
        Ok(())
    });
    if let Err(broken) = read {
        output::error(&printable(&broken.to_string()));
        return Ok(Exit::Invalid);
    }
    report(args.format, &all)?;
    Ok(if all.iter().all(|one| one.not_denied.is_empty()) {
        Exit::Success
    } else {
        Exit::GateFailed
    })
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
    match format {
        Format::Json => {
            let all: Vec<_> = all
                .iter()
                .map(|one| {
                    json!({
                        "epoch": one.epoch, "revoked": one.revoked, "permits": one.permits,
                        "not-denied": one.not_denied,
                    })
                })
                .collect();
            output::json(&all)
        }
        Format::Human => {
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
                    printable(id),
                    printable(by),
                    printable(reason)
                );
                let epoch = styled(FAINT, &format!("{:>6}", one.epoch));
                let outcome = match (one.permits, one.not_denied.as_slice()) {
                    (0, _) => styled(FAINT, "the log has no permit that it ends"),
                    (permits, []) => styled(GOOD, &format!("{permits} permits, all now denied")),
                    (permits, still) => {
                        let first: Vec<_> = still.iter().take(5).map(u64::to_string).collect();
                        styled(
                            BAD,
                            &format!(
                                "of {permits} permits, {} are not denied for it: see {}",
                                still.len(),
                                first.join(", ")
                            ),
                        )
                    }
                };
                output::line(&format!("{epoch} {head}: {outcome}"))?;
            }
            Ok(())
        }
    }
}
