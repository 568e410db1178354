//! The use of intents, from the decision log.

use super::document;
use portcullis_host::log::{self, Corrupt, Decided, Event};
use portcullis_host::{
    ActionClass, Digest, Intents, Pattern, StoredIntent, Timestamp, counted, withheld,
};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// Maximum number of allowances of an intent. A proposal with more keeps the approved ones.
const MAX_ALLOWANCES: usize = 64;

/// Permits that depend on an intent.
#[derive(Debug, Default)]
pub(crate) struct Used {
    /// Number of permits for each integration, action and resource, of the principal and its delegates.
    pub(crate) calls: BTreeMap<(String, String, String), u64>,
    /// Number of permits for each allowance, by its index.
    pub(crate) allowances: BTreeMap<usize, u64>,
    /// Number of permits whose request is masked.
    pub(crate) masked: u64,
    /// Number of permits of delegates.
    pub(crate) by_delegates: u64,
}

/// A narrower set of allowances.
pub(crate) struct Narrowed {
    /// The allowances, in JSON.
    pub(crate) allowances: Vec<Value>,
    /// True if they are the used allowances as approved, because there would be too many parts.
    pub(crate) is_coarse: bool,
}

impl Used {
    /// Records a decision, if it is a permit that depends on `intent`.
    fn note(&mut self, intent: &StoredIntent, decided: &Decided) {
        let digest = intent.digest().to_string();
        let seen = &decided.inputs.intents;
        let place = seen.iter().position(|seen| seen.digest == digest);
        let Some(place) = place.filter(|_| decided.is_permit()) else {
            return;
        };
        self.by_delegates += u64::from(place + 1 < seen.len());
        let Some(request) = decided.request_in_clear() else {
            self.masked += 1;
            return;
        };
        let call = (
            request.integration().to_owned(),
            request.action().to_owned(),
            request.resource().id.clone(),
        );
        *self.calls.entry(call).or_default() += 1;
        // The host verified the class of a permitted action: without listed arguments, it is a read.
        let class = ActionClass::Read;
        let mut allowances = intent.allows.iter();
        if let Some(place) = allowances.position(|allowance| allowance.includes(&request, class)) {
            *self.allowances.entry(place).or_default() += 1;
        }
    }

    /// Returns the used allowances of `intent`, in JSON, each limited to its actual actions and resources.
    ///
    /// An allowance with a maximum of uses is not split, because each part would count its uses separately.
    pub(crate) fn narrowed(&self, intent: &StoredIntent, allowances: &[Value]) -> Narrowed {
        let used = intent.allows.iter().zip(allowances).enumerate();
        let used = used.filter(|(place, _)| self.allowances.contains_key(place));
        let used: Vec<_> = used.map(|(_, both)| both).collect();
        let mut narrowed = Vec::new();
        for (allowance, json) in &used {
            if allowance.max_uses.is_some() {
                narrowed.push((*json).clone());
                continue;
            }
            let calls = self.calls.keys().filter(|(integration, action, resource)| {
                *integration == allowance.integration
                    && allowance.action.matches(action)
                    && allowance.resource.matches(resource)
            });
            for (_, action, resource) in calls {
                // A name with a `*` would be read as a pattern, so the approved pattern is kept.
                let literal = |text: &str, pattern: &Pattern| match text.contains('*') {
                    true => pattern.as_str().to_owned(),
                    false => text.to_owned(),
                };
                let mut part = (*json).clone();
                part["action"] = Value::from(literal(action, &allowance.action));
                part["resource"] = Value::from(literal(resource, &allowance.resource));
                if !narrowed.contains(&part) {
                    narrowed.push(part);
                }
            }
        }
        let is_coarse = narrowed.len() > MAX_ALLOWANCES;
        if is_coarse {
            narrowed = used.into_iter().map(|(_, json)| json.clone()).collect();
        }
        Narrowed {
            allowances: narrowed,
            is_coarse,
        }
    }
}

impl Used {
    /// Returns a narrower intent, or `None` if the use is masked or there is none.
    ///
    /// Its id is the digest of its content, so that the same log gives the same report.
    fn proposed(&self, intent: &StoredIntent, now: Timestamp) -> Option<Value> {
        if self.masked > 0 || self.calls.is_empty() {
            return None;
        }
        let mut document = document::of(intent);
        let allowances = document["allows"].as_array().cloned().unwrap_or_default();
        document["allows"] = Value::Array(self.narrowed(intent, &allowances).allowances);
        document["purpose"] = json!(withheld(&intent.purpose));
        // A signed intent has times in whole seconds.
        let now = Timestamp::from_millis(now.as_millis() / 1000 * 1000);
        document["approved-by"]["at"] = json!(now);
        document["issued-at"] = json!(now.max(intent.issued_at));
        let digest = Digest::of(document.to_string().as_bytes()).to_string();
        let hex = digest.strip_prefix("sha256:").unwrap_or(&digest);
        document["id"] = json!(format!("int-{}", hex.get(..16).unwrap_or(hex)));
        let proposed = StoredIntent::from_json(document.to_string().as_bytes()).ok()?;
        proposed.allows_no_more_than(intent).ok()?;
        Some(document)
    }
}

/// Reads the use of `intent` from the log.
pub(super) fn of(intent: &StoredIntent, log: &Path) -> Result<Used, Corrupt> {
    let mut used = Used::default();
    log::read(log, |_, _, _, entry| {
        if let Event::Decision(decided) = &entry.event {
            used.note(intent, decided);
        }
        Ok(())
    })?;
    Ok(used)
}

/// The use of each intent.
#[derive(Debug, Default)]
pub(crate) struct UsedByIntent(BTreeMap<String, Used>);

/// The access that an intent grants, the part that was used, and a narrower intent.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Proposal {
    pub(crate) id: String,
    pub(crate) principal: String,
    /// Number of its allowances.
    pub(crate) allowances: u64,
    /// Number of its allowances that were used.
    pub(crate) used_allowances: u64,
    /// Number of its uses. `max_uses` is their maximum.
    pub(crate) uses: u64,
    pub(crate) max_uses: Option<u64>,
    /// Number of uses by delegates.
    pub(crate) by_delegates: u64,
    /// The calls that were made on it. `None` if they are masked.
    pub(crate) narrowed_to: Option<Vec<String>>,
    /// A narrower intent to sign, as made by `portcullis intent narrow --log`.
    ///
    /// `None` if the intent was not used, or its use is masked.
    pub(crate) proposed: Option<Value>,
}

impl UsedByIntent {
    /// Records a decision.
    pub(crate) fn note(&mut self, intents: Option<&Intents>, decided: &Decided) {
        for seen in &decided.inputs.intents {
            let known = intents.and_then(|intents| intents.chain(&seen.id));
            if let Some(intent) = known.as_ref().and_then(|chain| chain.last()) {
                let used = self.0.entry(intent.id.clone()).or_default();
                used.note(intent, decided);
            }
        }
    }

    /// Returns a proposal for each of `intents` that has not ended, sorted by id.
    pub(crate) fn proposals(&self, intents: Option<&Intents>, now: Timestamp) -> Vec<Proposal> {
        let chains = intents.map(Intents::chains).unwrap_or_default();
        let mut proposals: Vec<_> = chains
            .iter()
            .filter_map(|chain| chain.last())
            .filter(|intent| intent.expires_at > now)
            .map(|intent| self.proposal(intent, now))
            .collect();
        proposals.sort_by(|a, b| a.id.cmp(&b.id));
        proposals
    }

    fn proposal(&self, intent: &StoredIntent, now: Timestamp) -> Proposal {
        let nothing = Used::default();
        let used = self.0.get(&intent.id).unwrap_or(&nothing);
        let calls = used
            .calls
            .iter()
            .map(|((integration, action, resource), times)| {
                let times = counted(*times, "time");
                format!("{integration}: {action} {resource} ({times})")
            });
        Proposal {
            id: intent.id.clone(),
            principal: intent.principal.clone(),
            allowances: intent.allows.len() as u64,
            used_allowances: used.allowances.len() as u64,
            uses: used.calls.values().sum::<u64>() + used.masked,
            max_uses: intent.max_uses,
            by_delegates: used.by_delegates,
            narrowed_to: (used.masked == 0).then(|| calls.collect()),
            proposed: used.proposed(intent, now),
        }
    }
}

impl Proposal {
    /// Summarises the granted and the used access on one line.
    pub(crate) fn summary(&self) -> String {
        let most = self
            .max_uses
            .map_or_else(String::new, |most| format!(" of {most}"));
        let by = match self.by_delegates {
            0 => String::new(),
            count => format!(", {count} by delegates"),
        };
        let then = match &self.narrowed_to {
            None => ", masked in the log",
            Some(calls) if calls.is_empty() => ": close it",
            Some(_) => ", could be narrowed to:",
        };
        format!(
            "{} of {}: {} of {}, {}{most}{by}{then}",
            self.id,
            self.principal,
            self.used_allowances,
            counted(self.allowances, "allowance"),
            counted(self.uses, "use")
        )
    }
}
