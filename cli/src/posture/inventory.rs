//! What a configuration says of identities, intents and revocation at one moment.

use super::measures::Measures;
use crate::intent::{Proposal, UsedByIntent};
use portcullis_host::{Pdp, Timestamp};
use serde::Serialize;
use std::collections::BTreeSet;
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
                    owner: shared.owner.clone(),
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
                    owner: exception.owner.clone(),
                    until: intent.expires_at,
                    has_ended: intent.expires_at <= now,
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
