//! What of an intent was used, by the decision log.

use portcullis_host::log::{self, Broken, Event};
use portcullis_host::{Pattern, Request, StoredIntent};
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
