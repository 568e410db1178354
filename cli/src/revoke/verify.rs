//! `portcullis revoke verify`.

use crate::exit::Exit;
use crate::output::{self, BAD, FAINT, GOOD, shown_of_request, styled};
use crate::{Format, check};
use portcullis_host::log::{self, Decided, Entry, Event};
use portcullis_host::revocation::{Record, Revocable, Revocations, Revoked, is_lifted, is_same};
use portcullis_host::{Cause, Consulted, Decision, ListAsOf, Pdp, counted};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Confirm revocations: decide every recorded permit that a revocation should have ended again, with the
/// current list, and show that each is now denied as revoked.
///
/// The permits that a revocation should end are found by the inputs that the log recorded for them, and
/// not by the new decisions. It ends with 5 if the list lacks a revocation of the log, or has fewer changes
/// than the log has seen: then the list is an older one.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The decision log; full files beside it are found.
    #[arg(long)]
    log: PathBuf,
    /// The configuration.
    #[arg(long, default_value = "portcullis.toml")]
    config: PathBuf,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

/// A revocation, and the permits that it should end.
struct Confirmed {
    record: Record,
    revoked: Revoked,
    /// Epoch of its lift, if it was lifted. Then permits are given again.
    lifted: Option<u64>,
    /// Number of permits that depend on the revoked item.
    permits: u64,
    /// Number of them that are now denied as revoked, or because the revoked plugin is no longer used.
    denied: u64,
    /// Number of them that are now denied for another cause.
    denied_otherwise: u64,
    /// Sequence numbers of those that would be permitted again.
    still_permitted: Vec<u64>,
    /// Sequence numbers of those that were given although the list had the revocation.
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
    // A permit that was removed from the log could not be decided again.
    if let Err(exit) = crate::log::is_whole(&args.log) {
        return Ok(exit);
    }
    let Some(revocations) = pdp.revocations() else {
        output::error(&format!(
            "{} has no `[revocation]`, so nothing is revoked",
            args.config.display()
        ));
        return Ok(Exit::Invalid);
    };
    let mut all: Vec<_> = revocations
        .in_force()
        .into_iter()
        .filter_map(|record| Confirmed::new(record, None))
        .collect();
    for (epoch, lifted, revoked) in revocations.lifted() {
        let record = Record::revocation(epoch, revoked);
        all.extend(Confirmed::new(record, Some(lifted)));
    }
    all.sort_by_key(|confirmed| confirmed.record.epoch);
    let mut by_log = ByLog::default();
    let read = log::read(&args.log, |_, _, _, entry| {
        by_log.take(&entry);
        if let Event::Decision(decided) = &entry.event
            && decided.is_permit()
        {
            confirm(&pdp, &mut all, &entry, decided, &by_log);
        }
        Ok(())
    });
    if let Err(broken) = read {
        output::error(&shown_of_request(&broken.to_string()));
        return Ok(Exit::of_log(&broken));
    }
    report(args.format, &all)?;
    let wrong = by_log.holds_against(revocations);
    for wrong in &wrong {
        output::error(&shown_of_request(wrong));
    }
    Ok(
        if wrong.is_empty() && all.iter().all(Confirmed::is_confirmed) {
            Exit::Success
        } else {
            Exit::GateFailed
        },
    )
}

/// The state of the list, according to the log, line by line.
#[derive(Default)]
struct ByLog {
    /// Number of changes of the list.
    epoch: u64,
    /// The revocations, each with its epoch.
    revoked: Vec<(u64, Revoked)>,
    /// Number of changes that the list had before a host started with fewer.
    went_back_from: Option<u64>,
}

impl ByLog {
    fn take(&mut self, entry: &Entry) {
        match &entry.event {
            Event::Revocation { epoch, revoked, .. } => {
                match revoked {
                    Some(revoked) => self.revoked.push((*epoch, revoked.clone())),
                    // A host started with this number of changes.
                    None => self.went_back_from = Some(self.epoch).filter(|known| epoch < known),
                }
                self.epoch = self.epoch.max(*epoch);
            }
            Event::Lift { epoch, lifted, .. } => {
                self.revoked.retain(|(_, revoked)| {
                    revoked.kind != lifted.kind || !is_lifted(lifted.kind, &revoked.id, &lifted.id)
                });
                self.epoch = self.epoch.max(*epoch);
            }
            Event::Accepted(accepted) => {
                if let Some(list) = &accepted.list {
                    self.epoch = list.epoch;
                    self.revoked.retain(|(epoch, _)| *epoch <= list.epoch);
                    self.went_back_from = None;
                }
            }
            Event::Decision(decided) => {
                let seen = decided.inputs.revocation.as_ref();
                let seen = seen.filter(|seen| seen.error.is_none());
                self.epoch = self.epoch.max(seen.map_or(0, |seen| seen.epoch));
            }
            _ => {}
        }
    }

    /// Returns the errors of the list, and the revocations of the log that it lacks.
    fn holds_against(&self, list: &Revocations) -> Vec<String> {
        let mut wrong: Vec<_> = list.unreliable().iter().map(ToString::to_string).collect();
        let found = list.seen().epoch;
        if found < self.epoch {
            wrong.push(format!(
                "the list has {}, but the log has seen {}: it is an older copy; restore the latest list",
                counted(found, "change"),
                self.epoch
            ));
        }
        let (in_force, lifted) = (list.revoked(), list.lifted());
        let has = |wanted: &Revoked| {
            in_force
                .iter()
                .map(|(_, revoked)| revoked)
                .chain(lifted.iter().map(|(_, _, revoked)| revoked))
                .any(|one| one.kind == wanted.kind && is_same(one.kind, &one.id, &wanted.id))
        };
        let missing = self.revoked.iter().filter(|(_, revoked)| !has(revoked));
        wrong.extend(missing.map(|(epoch, revoked)| {
            format!(
                "revocation {epoch} of the log, of `{}` by {}, is not on the list: it is another list, or an older copy",
                revoked.id, revoked.by
            )
        }));
        wrong
    }
}

impl Confirmed {
    fn new(record: Record, lifted: Option<u64>) -> Option<Self> {
        Some(Self {
            revoked: record.revoked.clone()?,
            record,
            lifted,
            permits: 0,
            denied: 0,
            denied_otherwise: 0,
            still_permitted: Vec::new(),
            given_after: Vec::new(),
        })
    }

    /// True if the revocation should end a permit of `principal` that depends on `named`.
    fn ends(&self, named: &[(Revocable, &str)], principal: &str) -> bool {
        // A principal's own trust domain counts; for a credential, the trust domain of its principal.
        let is_about = self.revoked.kind == Revocable::Principal || self.record.is_about(principal);
        self.lifted.is_none()
            && is_about
            && named.iter().any(|(kind, id)| {
                *kind == self.revoked.kind && is_same(*kind, id, &self.revoked.id)
            })
    }
}

/// Verifies a permit against every revocation that should end it.
fn confirm(pdp: &Pdp, all: &mut [Confirmed], entry: &Entry, decided: &Decided, by_log: &ByLog) {
    let named = named(decided);
    let principal = decided.request.pointer("/subject/id");
    let principal = principal.and_then(Value::as_str).unwrap_or_default();
    let mut ended = all
        .iter_mut()
        .filter(|one| one.ends(&named, principal))
        .peekable();
    if ended.peek().is_none() {
        return;
    }
    // Masking does not matter: arguments are evaluated after the revocation list.
    let now = decided
        .request_as_written()
        .map(|request| pdp.evaluate_again(&request, entry.at, &decided.inputs, ListAsOf::Now));
    let known = decided.inputs.revocation.as_ref();
    let known = known.map_or(0, |seen| seen.epoch);
    for one in ended {
        one.permits += 1;
        let epoch = one.record.epoch;
        // Known from the decision's evidence, or from an earlier line of the log.
        let had_it = by_log.went_back_from.is_some_and(|from| epoch <= from);
        if known >= epoch || had_it {
            one.given_after.push(entry.sequence);
        }
        let is_gone = |now: &Decision| {
            let digest = |plugin: &Consulted| {
                is_same(
                    Revocable::Plugin,
                    &plugin.digest.to_string(),
                    &one.revoked.id,
                )
            };
            one.revoked.kind == Revocable::Plugin && !now.plugins().iter().any(digest)
        };
        match &now {
            Some(now) if now.cause() == Cause::Revoked || is_gone(now) => one.denied += 1,
            Some(now) if !now.is_permit() => one.denied_otherwise += 1,
            _ => one.still_permitted.push(entry.sequence),
        }
    }
}

/// Returns all revocable items that the permit depends on.
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
    for intent in &decided.inputs.intents {
        add(Revocable::Intent, Some(intent.id.as_str()));
        add(Revocable::Principal, Some(intent.principal.as_str()));
        add(Revocable::Principal, Some(intent.approved_by.as_str()));
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
                "epoch": one.record.epoch, "revoked": one.revoked, "lifted": one.lifted, "permits": one.permits,
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
        let epoch = styled(FAINT, &format!("{:>6}", one.record.epoch));
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
    if let Some(lifted) = one.lifted {
        return styled(FAINT, &format!("lifted, epoch {lifted}"));
    }
    if permits == 0 {
        return styled(FAINT, "the log has no permit that it ends");
    }
    if !one.given_after.is_empty() {
        let text = format!(
            "{} of {} given after the revocation was known: see {}",
            one.given_after.len(),
            counted(permits, "permit"),
            numbers(&one.given_after)
        );
        return styled(BAD, &text);
    }
    if !one.still_permitted.is_empty() {
        let text = format!(
            "of {}, {} would be given again: see {}",
            counted(permits, "permit"),
            one.still_permitted.len(),
            numbers(&one.still_permitted)
        );
        return styled(BAD, &text);
    }
    let otherwise = match one.denied_otherwise {
        0 => String::new(),
        count => format!(", {count} of them for another cause"),
    };
    styled(
        GOOD,
        &format!(
            "{}, {} now denied{otherwise}",
            counted(permits, "permit"),
            if permits == 1 { "which is" } else { "all" }
        ),
    )
}
