//! What of an intent was used, by the decision log.

use portcullis_host::log::{self, Broken, Decided, Event};
use portcullis_host::{Intents, Pattern, Request, StoredIntent};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// How many allowances an intent may have; with more, it stays as it is.
const MAX_ALLOWANCES: usize = 64;

/// What was permitted on an intent.
#[derive(Debug, Default)]
pub(crate) struct Used {
    /// How often each integration, action and resource was.
    pub(crate) calls: BTreeMap<(String, String, String), u64>,
    /// How often each allowance was, by its place.
    pub(crate) allowances: BTreeMap<usize, u64>,
    /// How many permits cannot be told apart, because they are masked.
    pub(crate) masked: u64,
}

impl Used {
    /// Takes note of a request that was permitted on `intent`.
    pub(crate) fn note(&mut self, intent: &StoredIntent, request: &Request) {
        let call = (
            request.integration().to_owned(),
            request.action().to_owned(),
            request.resource().id.clone(),
        );
        *self.calls.entry(call).or_default() += 1;
        let place = intent
            .allows
            .iter()
            .position(|allowance| allowance.includes(request));
        if let Some(place) = place {
            *self.allowances.entry(place).or_default() += 1;
        }
    }
}

impl Used {
    /// The allowances of `intent`, in JSON, each for the very actions and resources that it was used
    /// for; those that were not used are left out.
    pub(crate) fn narrowed(&self, intent: &StoredIntent, allowances: &[Value]) -> Vec<Value> {
        let mut narrowed = Vec::new();
        for (allowance, json) in intent.allows.iter().zip(allowances) {
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
                let mut used = json.clone();
                used["action"] = Value::from(literal(action, &allowance.action));
                used["resource"] = Value::from(literal(resource, &allowance.resource));
                if !narrowed.contains(&used) {
                    narrowed.push(used);
                }
            }
        }
        if narrowed.len() > MAX_ALLOWANCES {
            return allowances.to_vec();
        }
        narrowed
    }
}

/// What the log has of the use of `intent`, itself and not those that were delegated from it.
pub(super) fn of(intent: &StoredIntent, log: &Path) -> Result<Used, Broken> {
    let mut used = Used::default();
    log::read(log, |_, _, _, entry| {
        let Event::Decision(decided) = &entry.event else {
            return Ok(());
        };
        let acted_on = decided.evidence.intents.last();
        let digest = intent.digest().to_string();
        if !decided.is_permit() || acted_on.is_none_or(|acted_on| acted_on.digest != digest) {
            return Ok(());
        }
        match decided.request() {
            Some(request) => used.note(intent, &request),
            None => used.masked += 1,
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
    /// The calls that were made on it; nothing if that cannot be told.
    pub(crate) narrowed_to: Option<Vec<String>>,
}

impl UsedByIntent {
    /// Takes note of a decision.
    pub(crate) fn note(&mut self, intents: Option<&Intents>, decided: &Decided) {
        let Some(acted_on) = decided
            .evidence
            .intents
            .last()
            .filter(|_| decided.is_permit())
        else {
            return;
        };
        let known = intents.and_then(|intents| intents.chain(&acted_on.id));
        let known = known.as_ref().and_then(|chain| chain.last());
        let Some(intent) = known.filter(|it| it.digest().to_string() == acted_on.digest) else {
            return;
        };
        let used = self.0.entry(intent.id.clone()).or_default();
        match decided.request() {
            Some(request) => used.note(intent, &request),
            None => used.masked += 1,
        }
    }

    /// What each of `intents` could be narrowed to, sorted by id.
    pub(crate) fn proposals(&self, intents: Option<&Intents>) -> Vec<Proposal> {
        let chains = intents.map(Intents::chains).unwrap_or_default();
        let mut proposals: Vec<_> = chains
            .iter()
            .filter_map(|chain| chain.last())
            .map(|intent| self.proposal(intent))
            .collect();
        proposals.sort_by(|a, b| a.id.cmp(&b.id));
        proposals
    }

    fn proposal(&self, intent: &StoredIntent) -> Proposal {
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
            narrowed_to: (used.masked == 0).then(|| calls.collect()),
        }
    }
}

impl Proposal {
    /// One line on what was granted and used.
    pub(crate) fn summary(&self) -> String {
        let most = self
            .max_uses
            .map_or_else(String::new, |most| format!(" of {most}"));
        let then = match &self.narrowed_to {
            None => ", masked in the log",
            Some(calls) if calls.is_empty() => ": close it",
            Some(_) => ", could be narrowed to:",
        };
        format!(
            "{} of {}: {} of {} allowances, {} uses{most}{then}",
            self.id, self.principal, self.used_allowances, self.allowances, self.uses
        )
    }
}
