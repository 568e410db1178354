//! What a configuration says of identities, intents and revocation at one moment.

use super::measures::Measures;
use crate::intent::{Proposal, UsedByIntent};
use anyhow::Context as _;
use portcullis_host::log::Issued;
use portcullis_host::revocation::Record;
use portcullis_host::{Pdp, Timestamp, withheld};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

/// What there is.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Inventory {
    /// How many identities are registered.
    pub(super) identities: u64,
    /// How many of them have an owner who is one; nothing if nobody said who can be.
    pub(super) with_owner: Option<u64>,
    /// The integrations whose decisions are only observed.
    pub(super) observed_integrations: Vec<String>,
    /// All integrations.
    pub(super) integrations: u64,
    pub(super) exceptions: Vec<ExceptionNow>,
    pub(super) intents: Vec<Proposal>,
    /// How old the revocation list is, in seconds.
    pub(super) revocation_age_seconds: Option<u64>,
    /// How many revocations it has.
    pub(super) revocations: Option<u64>,
    /// For how long a credential that leaked could be used at worst, in seconds: until its revocation
    /// is known everywhere, or without a list, until it expires. Nothing if there is no end to it.
    pub(super) worst_reuse_seconds: Option<u64>,
}

/// An exception that is in force, or was.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct ExceptionNow {
    /// What it is an exception of: an intent, or an identity that is shared.
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
        let identities = || pdp.registry().into_iter().flat_map(|it| it.iter());
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
        // One that nobody signed waives nothing.
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
        // Those that requests carried are known by the log alone.
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

/// What can be told of an earlier moment. Of owners, nothing can: a registry says what is, and not what was.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Before {
    /// How many exceptions were in force, of those that the log and the configuration know.
    pub(super) exceptions_in_force: u64,
    /// How many revocations there were.
    pub(super) revocations: Option<u64>,
    /// How old the revocation list was, in seconds.
    pub(super) revocation_age_seconds: Option<u64>,
}

impl Before {
    /// What was at `then`, by the configuration, the revocation list's lines and the intents that came to
    /// count by the log.
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
        // A registry says until when an identity is shared, and not since when.
        let identities = pdp.registry().into_iter().flat_map(|it| it.iter());
        let shared = identities.filter(|identity| {
            let shared = identity.shared.as_ref();
            shared.is_some_and(|shared| then < shared.until)
        });
        let mut last: Option<Record> = None;
        if let Some(list) = list {
            let text = std::fs::read_to_string(list)
                .with_context(|| format!("cannot read {}", list.display()))?;
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

/// The shorter of how long a credential lives and how long a revocation takes to be known: a host
/// that does not learn of it in time denies everything. Where a credential that does not expire is in use,
/// only the latter counts.
fn worst_reuse(pdp: &Pdp, measures: &Measures) -> Option<u64> {
    let registered = pdp
        .registry()
        .into_iter()
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
