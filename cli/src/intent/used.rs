//! What of an intent was used, by the decision log.

use super::document;
use portcullis_host::log::{self, Broken, Decided, Event};
use portcullis_host::{ActionClass, Digest, Intents, Pattern, StoredIntent, Timestamp, withheld};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// How many allowances an intent may have; with more, it stays as it is.
const MAX_ALLOWANCES: usize = 64;

/// What was permitted on an intent.
#[derive(Debug, Default)]
pub(crate) struct Used {
    /// How often each integration, action and resource was, by its own principal and those that it was
    /// delegated to.
    pub(crate) calls: BTreeMap<(String, String, String), u64>,
    /// How often each allowance was, by its place.
    pub(crate) allowances: BTreeMap<usize, u64>,
    /// How many permits cannot be told apart, because they are masked.
    pub(crate) masked: u64,
    /// How many permits were those of delegates.
    pub(crate) by_delegates: u64,
}

/// What an intent could be narrowed to.
pub(crate) struct Narrowed {
    /// The allowances, in JSON.
    pub(crate) allowances: Vec<Value>,
    /// Whether they are those that were used, as they were approved: there would have been too many.
    pub(crate) is_coarse: bool,
}

impl Used {
    /// Takes note of a decision, if it was a permit that hangs on `intent`.
    fn note(&mut self, intent: &StoredIntent, decided: &Decided) {
        let digest = intent.digest().to_string();
        let seen = &decided.evidence.intents;
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
        // Of a permit, the class of its action was looked at: one that says nothing of its arguments reads.
        let class = ActionClass::Read;
        let mut allowances = intent.allows.iter();
        if let Some(place) = allowances.position(|allowance| allowance.includes(&request, class)) {
            *self.allowances.entry(place).or_default() += 1;
        }
    }

    /// The allowances of `intent` that were used, in JSON, each for the very actions and resources that it
    /// was used for. One that counts its uses stays whole, since each part would count them anew.
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
                // What a pattern would read otherwise than as itself stays as it was approved.
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
    /// The intent that it could be narrowed to, if that can be told. Its id is made of what it says, so that
    /// the same log gives the same report.
    fn proposed(&self, intent: &StoredIntent, now: Timestamp) -> Option<Value> {
        if self.masked > 0 || self.calls.is_empty() {
            return None;
        }
        let mut document = document::of(intent);
        let allowances = document["allows"].as_array().cloned().unwrap_or_default();
        document["allows"] = Value::Array(self.narrowed(intent, &allowances).allowances);
        document["purpose"] = json!(withheld(&intent.purpose));
        // A signed intent says whole seconds.
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

/// What the log has of the use of `intent`.
pub(super) fn of(intent: &StoredIntent, log: &Path) -> Result<Used, Broken> {
    let mut used = Used::default();
    log::read(log, |_, _, _, entry| {
        if let Event::Decision(decided) = &entry.event {
            used.note(intent, decided);
        }
        Ok(())
    })?;
    Ok(used)
}

/// What of each intent was used.
#[derive(Debug, Default)]
pub(crate) struct UsedByIntent(BTreeMap<String, Used>);

/// What was granted with an intent and what was used of it, and so what it could be narrowed to.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Proposal {
    pub(crate) id: String,
    pub(crate) principal: String,
    /// How many allowances it has.
    pub(crate) allowances: u64,
    /// How many of them were used.
    pub(crate) used_allowances: u64,
    /// How often it was used, and may be.
    pub(crate) uses: u64,
    pub(crate) max_uses: Option<u64>,
    /// How many of the uses were those of delegates.
    pub(crate) by_delegates: u64,
    /// The calls that were made on it; nothing if that cannot be told.
    pub(crate) narrowed_to: Option<Vec<String>>,
    /// The intent that it could be narrowed to, for somebody to sign: what `portcullis intent narrow --log`
    /// makes of it. Nothing if it was not used, or that cannot be told.
    pub(crate) proposed: Option<Value>,
}

impl UsedByIntent {
    /// Takes note of a decision.
    pub(crate) fn note(&mut self, intents: Option<&Intents>, decided: &Decided) {
        for seen in &decided.evidence.intents {
            let known = intents.and_then(|intents| intents.chain(&seen.id));
            if let Some(intent) = known.as_ref().and_then(|chain| chain.last()) {
                let used = self.0.entry(intent.id.clone()).or_default();
                used.note(intent, decided);
            }
        }
    }

    /// What each of `intents` that has not ended could be narrowed to, sorted by id.
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
                format!("{integration}: {action} {resource} ({times} times)")
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
    /// One line on what was granted and used.
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
            "{} of {}: {} of {} allowances, {} uses{most}{by}{then}",
            self.id, self.principal, self.used_allowances, self.allowances, self.uses
        )
    }
}
