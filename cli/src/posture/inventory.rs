//! The identities, intents and revocations of a configuration at one time.

use super::measures::Measures;
use crate::file;
use crate::intent::{Proposal, UsedByIntent};
use portcullis_host::log::Issued;
use portcullis_host::revocation::Record;
use portcullis_host::{Pdp, Timestamp, withheld};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

/// The inventory.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Inventory {
    /// Number of registered identities.
    pub(super) identities: u64,
    /// Number of identities whose owner is on the list of owners. `None` without such a list.
    pub(super) with_owner: Option<u64>,
    /// The integrations in observe mode.
    pub(super) observed_integrations: Vec<String>,
    /// Number of integrations.
    pub(super) integrations: u64,
    pub(super) exceptions: Vec<ExceptionNow>,
    pub(super) intents: Vec<Proposal>,
    /// Age of the revocation list in seconds.
    pub(super) revocation_age_seconds: Option<u64>,
    /// Number of revocations on the list.
    pub(super) revocations: Option<u64>,
    /// Maximum time in seconds for which a leaked credential could be used.
    ///
    /// It ends when every host knows the revocation or, without a list, when the credential expires. `None`
    /// if it is not bounded.
    pub(super) worst_reuse_seconds: Option<u64>,
}

/// An exception that is in force or has ended.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct ExceptionNow {
    /// The subject of the exception: an intent, or a shared identity.
    pub(super) of: String,
    pub(super) waives: Vec<String>,
    pub(super) owner: String,
    pub(super) until: Timestamp,
    pub(super) has_ended: bool,
}

impl Inventory {
    pub(super) fn of(
        pdp: &Pdp,
        owners: Option<&BTreeSet<String>>,
        used: &UsedByIntent,
        issued: &[Issued],
        measures: &Measures,
        now: Timestamp,
    ) -> Self {
        let registry = pdp.registry();
        let identities = || registry.iter().flat_map(|it| it.iter());
        let integrations = pdp.integrations();
        let mut exceptions: Vec<_> = identities()
            .filter_map(|identity| {
                let shared = identity.shared.as_ref()?;
                Some(ExceptionNow {
                    of: identity.id.to_string(),
                    waives: vec!["an identity for each workload".to_owned()],
                    owner: withheld(&shared.owner),
                    until: shared.until,
                    has_ended: shared.until <= now,
                })
            })
            .collect();
        // The exception of an unsigned intent waives nothing.
        let signed = pdp.intents().filter(|intents| intents.are_signed());
        let chains = signed.map(|intents| intents.chains());
        for intent in chains.iter().flatten().filter_map(|chain| chain.last()) {
            if let Some(exception) = &intent.exception {
                let waives = exception.waives.iter().map(|it| it.as_str().to_owned());
                exceptions.push(ExceptionNow {
                    of: intent.id.clone(),
                    waives: waives.collect(),
                    owner: withheld(&exception.owner),
                    until: intent.expires_at,
                    has_ended: intent.expires_at <= now,
                });
            }
        }
        // Intents that requests carried are known from the log only.
        let mut carried: BTreeMap<&str, &Issued> = BTreeMap::new();
        if signed.is_some() {
            let unknown = issued.iter().filter(|it| {
                let known = chains.iter().flatten().filter_map(|chain| chain.last());
                !known.into_iter().any(|intent| intent.id == it.intent)
            });
            carried.extend(unknown.map(|it| (it.intent.as_str(), it)));
        }
        for (id, issued) in carried {
            if let Some(owner) = &issued.exception_owner {
                let waives = issued.exception_waives.iter();
                exceptions.push(ExceptionNow {
                    of: id.to_owned(),
                    waives: waives.map(|it| it.as_str().to_owned()).collect(),
                    owner: withheld(owner),
                    until: issued.expires_at,
                    has_ended: issued.expires_at <= now,
                });
            }
        }
        exceptions.sort_by(|a, b| (a.until, &a.of).cmp(&(b.until, &b.of)));
        let seen = pdp.revocations().map(|revocations| revocations.seen());
        let as_of = seen.as_ref().and_then(|seen| seen.as_of);
        Self {
            identities: identities().count() as u64,
            with_owner: owners.map(|owners| {
                identities()
                    .filter(|identity| owners.contains(&*identity.owner))
                    .count() as u64
            }),
            observed_integrations: integrations
                .iter()
                .filter(|integration| integration.is_observed())
                .map(|integration| integration.name().to_owned())
                .collect(),
            integrations: integrations.len() as u64,
            exceptions,
            intents: used.proposals(pdp.intents(), now),
            revocation_age_seconds: as_of.map(|as_of| now.since(as_of).as_secs()),
            revocations: seen.map(|seen| seen.epoch),
            worst_reuse_seconds: worst_reuse(pdp, measures),
        }
    }
}

/// The inventory at an earlier time. It has no owners: a registry has only the current ones.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Before {
    /// Number of exceptions in force, of those in the log and the configuration.
    pub(super) exceptions_in_force: u64,
    /// Number of revocations.
    pub(super) revocations: Option<u64>,
    /// Age of the revocation list in seconds.
    pub(super) revocation_age_seconds: Option<u64>,
}

impl Before {
    /// Returns the inventory at `then`.
    ///
    /// It is derived from the configuration, the lines of the revocation list and the intents that the log
    /// records as issued.
    pub(super) fn of(
        pdp: &Pdp,
        list: Option<&Path>,
        issued: &[Issued],
        then: Timestamp,
    ) -> anyhow::Result<Self> {
        let holds = |from: Timestamp, until: Timestamp| from <= then && then < until;
        let chains = pdp.intents().map(|intents| intents.chains());
        let intents = chains.iter().flatten().filter_map(|chain| chain.last());
        let known = intents
            .filter(|it| it.exception.is_some() && holds(it.issued_at, it.expires_at))
            .map(|it| it.id.clone());
        let recorded = issued
            .iter()
            .filter(|it| it.exception_owner.is_some() && holds(it.issued_at, it.expires_at))
            .map(|it| it.intent.clone());
        let by_intent: BTreeSet<String> = known.chain(recorded).collect();
        // A registry has the end of a shared identity's exception, but not its start.
        let registry = pdp.registry();
        let identities = registry.iter().flat_map(|it| it.iter());
        let shared = identities.filter(|identity| {
            let shared = identity.shared.as_ref();
            shared.is_some_and(|shared| then < shared.until)
        });
        let mut last: Option<Record> = None;
        if let Some(list) = list {
            let text = file::read_text(list)?;
            let records = text
                .lines()
                .filter_map(|line| serde_json::from_str::<Record>(line).ok());
            last = records.take_while(|record| record.at <= then).last();
        }
        Ok(Self {
            exceptions_in_force: (by_intent.len() + shared.count()) as u64,
            revocations: list.map(|_| last.as_ref().map_or(0, |record| record.epoch)),
            revocation_age_seconds: last.map(|record| then.since(record.at).as_secs()),
        })
    }
}

/// Returns the shorter of the maximum credential lifetime and the list's maximum age.
///
/// A host whose list is older denies everything. If a credential that does not expire is in use, only the
/// latter counts.
fn worst_reuse(pdp: &Pdp, measures: &Measures) -> Option<u64> {
    let registry = pdp.registry();
    let registered = registry
        .iter()
        .flat_map(|registry| registry.iter())
        .map(|identity| identity.max_credential_lifetime)
        .max();
    let seen = measures
        .lifetimes()
        .last()
        .copied()
        .map(Duration::from_secs);
    let is_bounded = measures.static_credentials() == 0 && measures.waived.is_empty();
    let lifetime = registered.max(seen).filter(|_| is_bounded);
    let staleness = pdp
        .revocations()
        .map(|revocations| revocations.max_staleness());
    [lifetime, staleness]
        .into_iter()
        .flatten()
        .min()
        .map(|least| least.as_secs())
}
