//! The use of identities, measured from a log.

use portcullis_host::Timestamp;
use portcullis_host::log::Decided;
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Measures of a period of the log.
#[derive(Debug, Default, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Measures {
    pub(super) decisions: u64,
    pub(super) permits: u64,
    /// Number of denies by cause.
    pub(super) denies: BTreeMap<String, u64>,
    /// Permits and denies of each day, by date.
    pub(super) days: BTreeMap<String, (u64, u64)>,
    /// Number of presented credentials that have an id.
    pub(super) credentials: u64,
    /// Number of credentials that do not expire.
    pub(super) static_credentials: u64,
    /// Number of credentials presented by more than one instance.
    pub(super) reused_credentials: u64,
    /// Median validity of the credentials in seconds.
    pub(super) median_credential_lifetime_seconds: Option<u64>,
    /// Maximum validity of a credential in seconds.
    pub(super) longest_credential_lifetime_seconds: Option<u64>,
    /// Permits without an intent, which are standing access.
    pub(super) permits_without_intent: u64,
    /// Denies that did not block, because the integration is in observe mode, by cause.
    pub(super) not_blocked: BTreeMap<String, u64>,
    /// Decisions that the candidates of their integration would have changed, by the cause then.
    pub(super) changed_by_candidates: BTreeMap<String, u64>,
    /// Number of checks waived by an exception, by check.
    pub(super) waived: BTreeMap<String, u64>,
    #[serde(skip)]
    pub(super) seen: BTreeMap<(String, String), Credential>,
}

/// A presented credential.
#[derive(Debug, Default, Clone)]
pub(super) struct Credential {
    is_static: bool,
    pub(super) lifetime_seconds: Option<u64>,
    instances: BTreeSet<String>,
}

impl Measures {
    pub(super) fn note(&mut self, at: Timestamp, decided: &Decided) {
        self.decisions += 1;
        let day = at.to_string().chars().take(10).collect();
        let (permits, denies) = self.days.entry(day).or_default();
        let cause = decided.cause().unwrap_or("unknown").to_owned();
        if decided.is_permit() {
            *permits += 1;
            self.permits += 1;
            self.permits_without_intent += u64::from(decided.inputs.intents.is_empty());
        } else {
            *denies += 1;
            *self.denies.entry(cause.clone()).or_default() += 1;
            let mode = decided.decision.pointer("/context/mode");
            if mode.and_then(Value::as_str) == Some("observe") {
                *self.not_blocked.entry(cause).or_default() += 1;
            }
        }
        if let Some(candidate) = decided
            .candidate
            .as_ref()
            .filter(|it| !it.differs.is_empty())
        {
            let count = self.changed_by_candidates.entry(candidate.cause.clone());
            *count.or_default() += 1;
        }
        for waiver in &decided.inputs.waived {
            *self.waived.entry(waiver.as_str().to_owned()).or_default() += 1;
        }
        self.credential(decided);
    }

    fn credential(&mut self, decided: &Decided) {
        let text = |name: &str| {
            let pointer = format!("/subject/properties/{name}");
            decided.request.pointer(&pointer).and_then(Value::as_str)
        };
        let Some(id) = text("credential-id") else {
            return;
        };
        let time = |name| text(name).and_then(|at| at.parse::<Timestamp>().ok());
        let issued = time("credential-issued-at");
        let expires = time("credential-expires-at");
        // Two principals may use the same credential id.
        let principal = decided
            .request
            .pointer("/subject/id")
            .and_then(Value::as_str);
        let key = (principal.unwrap_or_default().to_owned(), id.to_owned());
        let credential = self.seen.entry(key).or_default();
        credential.is_static |= text("attestation") == Some("static-secret") || expires.is_none();
        if let (Some(issued), Some(expires)) = (issued, expires) {
            credential.lifetime_seconds = Some(expires.since(issued).as_secs());
        }
        let instance = text("instance").map(str::to_owned);
        credential.instances.extend(instance);
    }

    /// Returns the number of credentials that do not expire.
    pub(super) fn static_credentials(&self) -> u64 {
        self.seen.values().filter(|one| one.is_static).count() as u64
    }

    /// Returns the lifetimes of all credentials that have one, in seconds, sorted.
    pub(super) fn lifetimes(&self) -> Vec<u64> {
        let mut lifetimes: Vec<_> = self
            .seen
            .values()
            .filter_map(|credential| credential.lifetime_seconds)
            .collect();
        lifetimes.sort_unstable();
        lifetimes
    }

    /// Computes the measures that need the whole period.
    pub(super) fn done(mut self) -> Self {
        let count = |which: fn(&Credential) -> bool| {
            self.seen.values().filter(|one| which(one)).count() as u64
        };
        (
            self.credentials,
            self.static_credentials,
            self.reused_credentials,
        ) = (
            self.seen.len() as u64,
            self.static_credentials(),
            count(|credential| credential.instances.len() > 1),
        );
        let lifetimes = self.lifetimes();
        self.median_credential_lifetime_seconds = lifetimes
            .get(lifetimes.len().saturating_sub(1) / 2)
            .copied();
        self.longest_credential_lifetime_seconds = lifetimes.last().copied();
        self
    }

    pub(super) fn static_share(&self) -> Option<f64> {
        share(self.static_credentials, self.credentials)
    }

    pub(super) fn standing_share(&self) -> Option<f64> {
        share(self.permits_without_intent, self.permits)
    }

    pub(super) fn reuse_share(&self) -> Option<f64> {
        share(self.reused_credentials, self.credentials)
    }

    pub(super) fn deny_share(&self) -> Option<f64> {
        share(self.decisions - self.permits, self.decisions)
    }
}

/// Returns a part of a whole in percent.
pub(super) fn share(part: u64, whole: u64) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "it is shown with one decimal")]
    let share = |part: u64, whole: u64| part as f64 * 100.0 / whole as f64;
    (whole > 0).then(|| share(part, whole))
}
