//! Revocations of a list by id, and those of its security events.

use super::ids::{self, lift_reaches, may_be_same_issuer, trust_domain};
use super::{Change, ListError, Record, Revocable, Revoked};
use std::collections::HashMap;

/// A revocation and the range of epochs in which it holds.
#[derive(Debug)]
struct Entry {
    from: u64,
    lifted_at: Option<u64>,
    issuer: Option<Box<str>>,
    domains: Box<[String]>,
    revoked: Revoked,
}

impl Entry {
    fn holds_at(&self, epoch: u64) -> bool {
        self.from <= epoch && self.lifted_at.is_none_or(|lifted| epoch < lifted)
    }

    fn is_about(&self, domain: Option<&str>) -> bool {
        self.domains.is_empty()
            || domain.is_none_or(|domain| self.domains.iter().any(|one| one == domain))
    }
}

/// A revocation of a security event.
#[derive(Debug)]
struct OfEvent {
    kind: Revocable,
    id: String,
    issuer: Option<Box<str>>,
    domains: Box<[String]>,
}

/// State of an event's revocation on the list.
#[derive(Debug)]
pub(super) enum Taken {
    /// The event is not on the list.
    No,
    /// The event is on the list, without this revocation.
    Otherwise,
    /// The event revoked it, but not in these trust domains.
    Elsewhere(Vec<String>),
    /// The event revoked it.
    Yes,
    /// The event revoked it, and it was lifted at this epoch.
    Lifted(u64),
}

/// Current and lifted revocations, and the security events that caused them.
#[derive(Debug, Default)]
pub(super) struct Entries {
    /// By normal form, and for certificates by serial number.
    by_id: HashMap<Revocable, HashMap<String, Vec<Entry>>>,
    /// Security events on the list, each with its revocations.
    events: HashMap<String, Vec<OfEvent>>,
}

impl Entries {
    /// Applies a line, and returns its change.
    pub(super) fn take_record(&mut self, record: Record) -> Option<(u64, Change)> {
        let epoch = record.epoch;
        let revoked = record.revoked?;
        let (id, issuer) = {
            let key = ids::key(revoked.kind, &revoked.id);
            let issuer = key.issuer.map(|issuer| Box::<str>::from(issuer.as_ref()));
            (key.id.into_owned(), issuer)
        };
        let of_id = self
            .by_id
            .entry(revoked.kind)
            .or_default()
            .entry(id.clone())
            .or_default();
        if record.lifts {
            for entry in of_id.iter_mut().filter(|entry| entry.lifted_at.is_none()) {
                if lift_reaches(issuer.as_deref(), entry.issuer.as_deref()) {
                    entry.lifted_at = Some(epoch);
                }
            }
            return Some((epoch, Change::Lifted(revoked)));
        }
        let domains = record.domains.into_boxed_slice();
        if let Some(event) = record.event {
            self.events.entry(event).or_default().push(OfEvent {
                kind: revoked.kind,
                id,
                issuer: issuer.clone(),
                domains: domains.clone(),
            });
        }
        let is_known = of_id.iter().any(|entry| {
            entry.lifted_at.is_none() && entry.issuer == issuer && entry.domains == domains
        });
        if !is_known {
            of_id.reserve_exact(1);
            of_id.push(Entry {
                from: epoch,
                lifted_at: None,
                issuer,
                domains,
                revoked: revoked.clone(),
            });
        }
        Some((epoch, Change::Revoked(revoked)))
    }

    /// Returns the revocation of `id` for `principal` as of `epoch`.
    pub(super) fn find(
        &self,
        kind: Revocable,
        id: &str,
        principal: Option<&str>,
        epoch: u64,
    ) -> Option<&Revoked> {
        let key = ids::key(kind, id);
        let of_id = self.entries_of(kind, &key);
        let principal = match kind {
            Revocable::Principal => Some(id),
            _ => principal,
        };
        let domain = principal.and_then(trust_domain);
        of_id
            .iter()
            .find(|entry| {
                entry.holds_at(epoch)
                    && may_be_same_issuer(entry.issuer.as_deref(), key.issuer.as_deref())
                    && entry.is_about(domain.as_deref())
            })
            .map(|entry| &entry.revoked)
    }

    /// State on the list of `revoked`, which `event` revokes in `domains`.
    pub(super) fn taken_of(&self, event: &str, revoked: &Revoked, domains: &[String]) -> Taken {
        let key = ids::key(revoked.kind, &revoked.id);
        let issuer = key.issuer.as_deref();
        let Some(of_event) = self.events.get(event) else {
            return Taken::No;
        };
        let same: Vec<_> = of_event
            .iter()
            .filter(|one| one.kind == revoked.kind && one.id == key.id)
            .filter(|one| one.issuer.as_deref() == issuer)
            .map(|one| &*one.domains)
            .collect();
        if same.is_empty() {
            return Taken::Otherwise;
        }
        let is_everywhere = same.iter().any(|of| of.is_empty());
        let mut missing = domains.to_vec();
        missing.retain(|domain| !same.iter().any(|of| of.contains(domain)));
        if !is_everywhere && (domains.is_empty() || !missing.is_empty()) {
            return Taken::Elsewhere(missing);
        }
        // It was lifted if no matching entry is in force.
        let entries = self.entries_of(revoked.kind, &key);
        let lifted_in = |domain: Option<&str>| {
            let about = entries.iter().filter(|entry| {
                let is_it = entry.issuer.is_none() || entry.issuer.as_deref() == issuer;
                is_it && entry.is_about(domain)
            });
            let lifted: Option<Vec<u64>> = about.map(|entry| entry.lifted_at).collect();
            lifted.and_then(|lifted| lifted.into_iter().max())
        };
        let lifted = match domains {
            [] => lifted_in(None),
            domains => domains.iter().filter_map(|one| lifted_in(Some(one))).max(),
        };
        lifted.map_or(Taken::Yes, Taken::Lifted)
    }

    /// Refuses a lift of an id that is not revoked.
    pub(super) fn refuse_lift_of_nothing(&self, lifted: &Revoked) -> Result<(), ListError> {
        let key = ids::key(lifted.kind, &lifted.id);
        let issuer = key.issuer.as_deref();
        let in_force: Vec<_> = self
            .entries_of(lifted.kind, &key)
            .iter()
            .filter(|entry| entry.lifted_at.is_none())
            .map(|entry| entry.issuer.as_deref())
            .collect();
        if in_force.iter().any(|of| lift_reaches(issuer, *of)) {
            return Ok(());
        }
        Err(match in_force.contains(&None) {
            true => ListError::OfEveryIssuer {
                id: lifted.id.clone(),
                wider: key.id.into_owned(),
            },
            false => ListError::NotRevoked(lifted.id.clone()),
        })
    }

    fn entries_of(&self, kind: Revocable, key: &ids::Key<'_>) -> &[Entry] {
        let of_kind = self.by_id.get(&kind);
        of_kind
            .and_then(|of_kind| of_kind.get(key.id.as_ref()))
            .map_or(&[], Vec::as_slice)
    }

    /// Current revocations, each with its epoch.
    pub(super) fn revoked(&self) -> impl Iterator<Item = (u64, &Revoked)> {
        self.by_id
            .values()
            .flat_map(HashMap::values)
            .flatten()
            .filter(|entry| entry.lifted_at.is_none())
            .map(|entry| (entry.from, &entry.revoked))
    }

    /// Current revocations, each with its trust domains.
    pub(super) fn in_force(&self) -> impl Iterator<Item = Record> {
        self.by_id
            .values()
            .flat_map(HashMap::values)
            .flatten()
            .filter(|entry| entry.lifted_at.is_none())
            .map(|entry| Record {
                domains: entry.domains.to_vec(),
                ..Record::revocation(entry.from, entry.revoked.clone())
            })
    }

    /// Lifted revocations, with the epochs of the revocation and of the lift.
    pub(super) fn lifted(&self) -> impl Iterator<Item = (u64, u64, &Revoked)> {
        self.by_id
            .values()
            .flat_map(HashMap::values)
            .flatten()
            .filter_map(|entry| Some((entry.from, entry.lifted_at?, &entry.revoked)))
    }
}
