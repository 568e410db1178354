//! What a decision point records, and the intents that it takes up.

use super::{Parts, Pdp};
use crate::cause::Cause;
use crate::config::Problem;
use crate::decision::Decision;
use crate::integration::Integration;
use crate::intent::{Chain, IntentError, StoredIntent, member_to_write, unverified_intent};
use crate::log::{Call, CallOutcome, Issued, LogError, Outcome, Recorded, Refused};
use crate::request::Request;
use crate::revocation::{EventError, ListError, Record};
use crate::state::StateError;
use crate::timestamp::{CLOCK_LEEWAY, Timestamp};
use portcullis_contract::name::alike_key;
use portcullis_contract::{Constraint, excerpt};
use serde_json::Value;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// Why a security event was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AcceptError {
    /// It is not configured whose events count.
    #[error("nobody's events count here: configure `[revocation]` with `events`")]
    NotConfigured,
    /// The event does not count.
    #[error(transparent)]
    Event(#[from] EventError),
    /// The list cannot be written.
    #[error(transparent)]
    List(#[from] ListError),
}

/// Why an outcome was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutcomeError {
    /// The decision has no id.
    #[error(
        "decision is one of a dry run, to which no call belongs: report the outcome of one from `Pdp::evaluate`"
    )]
    DryRun,
    /// The outcome cannot be recorded.
    #[error(transparent)]
    Log(#[from] LogError),
    /// What the permit spent cannot be given back; the outcome is recorded.
    #[error("the outcome is recorded, and what the permit spent is not given back: {0}")]
    State(#[from] StateError),
}

impl Pdp {
    /// Takes up an intent that was approved while the host runs: a signed JWT, or JSON where intents
    /// need not be signed. It is kept in the state, if there is one, and recorded.
    ///
    /// # Errors
    ///
    /// [`IntentError`] if it is none, is not within its parent, or cannot be kept or recorded. If the
    /// latter, it does count from now on; take it up again, so that it counts after a restart too.
    pub fn take_up_intent(&self, document: &[u8]) -> Result<Arc<StoredIntent>, IntentError> {
        let Some(rule) = &self.inner.parts.intents else {
            return Err(IntentError::NotKept(
                "no intents are configured: add `[intents]`".to_owned(),
            ));
        };
        let now = Timestamp::now();
        let intent = rule.intents.insert_if(document, |chain| {
            match self
                .inner
                .parts
                .against(&self.inner.integrations, chain, now)
            {
                None => Ok(()),
                Some(error) => Err(error),
            }
        })?;
        let not_kept = |error: String| IntentError::NotKept(error);
        if let Some(state) = &self.inner.parts.state {
            state
                .keep_intent(&intent.id, document)
                .map_err(|error| not_kept(error.to_string()))?;
        }
        if let Some(log) = &self.inner.parts.log {
            log.record_issued(&[Issued::of(&intent)], Timestamp::now())
                .map_err(|error| not_kept(error.to_string()))?;
        }
        Ok(intent)
    }

    /// Takes a security event (RFC 8417): what it says is over is on the revocation list, and denied,
    /// when this returns. The same event may come again. Gives the new lines of the list.
    ///
    /// # Errors
    ///
    /// [`AcceptError`] if the event does not count, or the list cannot be written.
    pub fn accept_event(&self, token: &str) -> Result<Vec<Record>, AcceptError> {
        let (Some(issuers), Some(revocations)) = (
            &self.inner.parts.event_issuers,
            &self.inner.parts.revocations,
        ) else {
            return Err(AcceptError::NotConfigured);
        };
        let event = issuers.verify(token, Timestamp::now())?;
        Ok(revocations.accept(&event)?)
    }

    /// Records with which intents and how many revocations the host begins.
    pub(super) fn record_what_it_begins_with(&self, now: Timestamp) -> Result<(), LogError> {
        let Some(log) = &self.inner.parts.log else {
            return Ok(());
        };
        if let Some(rule) = &self.inner.parts.intents {
            let mut chains = rule.intents.chains();
            chains.sort_by(|a, b| a.iter().map(|i| &i.id).cmp(b.iter().map(|i| &i.id)));
            let intents = chains.iter().filter_map(|chain| chain.last());
            let current = intents.filter(|intent| intent.expires_at > now);
            let issued: Vec<_> = current.map(|intent| Issued::of(intent)).collect();
            log.record_issued(&issued, now)?;
        }
        self.inner.parts.record_list(log, now)
    }

    /// Records that an intent was carried here for the first time.
    pub(super) fn record_issued(&self, chain: &Chain) {
        if let (Some(log), Some(intent)) = (&self.inner.parts.log, chain.last()) {
            // The decision that relies on it is recorded with its digest, or denied.
            let _ = log.record_issued(&[Issued::of(intent)], Timestamp::now());
        }
    }

    /// The decision once it is recorded, or a deny if it cannot be.
    pub(super) fn recorded(
        &self,
        request: &Request,
        decision: Decision,
        now: Timestamp,
    ) -> Decision {
        let decision = decision.named();
        let recorded = match &self.inner.parts.log {
            None => Ok(()),
            Some(log) => {
                self.inner.parts.note(log, decision.evidence());
                log.record(request, &decision, now)
            }
        };
        match recorded {
            Ok(()) => decision,
            Err(error) => {
                // It is not given, so that what it spent is not used.
                let _ = self.give_back(&decision, now);
                not_recorded(&error, &decision)
            }
        }
    }

    /// Records what the gateway refused before there was a decision: a failed authentication, a request that
    /// it could not read. Gives the id of the line, under which `portcullis log query` finds it.
    ///
    /// # Errors
    ///
    /// [`LogError`] if it cannot be recorded.
    pub fn record_refused(&self, refused: &Refused) -> Result<String, LogError> {
        let recorded = Recorded {
            id: uuid::Uuid::now_v7().to_string(),
            what: refused.clone(),
        };
        if let Some(log) = &self.inner.parts.log {
            log.record_refused(&recorded, Timestamp::now())?;
        }
        Ok(recorded.id)
    }

    /// Records what became of the call that `decision` was about: an obligation that could not be carried out,
    /// a call that failed or was not made. If it was not made, the uses of budgets that the permit spent are
    /// given back, once; a credential that is good for one request stays used.
    ///
    /// # Errors
    ///
    /// [`OutcomeError`]. If the outcome cannot be recorded, nothing is given back.
    pub fn record_outcome(
        &self,
        decision: &Decision,
        outcome: &CallOutcome,
    ) -> Result<(), OutcomeError> {
        let Some(id) = decision.id() else {
            return Err(OutcomeError::DryRun);
        };
        let not_made = outcome.call() == Call::NotMade;
        let budgets = || decision.uses().iter().filter(|one| one.is_budget());
        let now = Timestamp::now();
        if let Some(log) = &self.inner.parts.log {
            let recorded = Outcome {
                decision: id.to_owned(),
                what: outcome.clone(),
                gives_back: match not_made {
                    true => budgets().map(|one| one.key.clone()).collect(),
                    false => Vec::new(),
                },
            };
            log.record_outcome(&recorded, now)?;
        }
        if not_made {
            self.give_back(decision, now)?;
        }
        Ok(())
    }

    /// Gives back the uses of budgets that a decision spent, if that was not done before.
    fn give_back(&self, decision: &Decision, now: Timestamp) -> Result<(), StateError> {
        let (Some(state), Some(id)) = (&self.inner.parts.state, decision.id()) else {
            return Ok(());
        };
        let uses = decision.uses().iter().filter(|one| one.is_budget());
        let uses: Vec<_> = uses.cloned().collect();
        if !uses.is_empty() {
            state.give_back(id, &uses, now)?;
        }
        Ok(())
    }

    /// As [`Pdp::recorded`], of a request that could not be read.
    pub(super) fn recorded_unreadable(&self, json: &[u8], decision: Decision) -> Decision {
        let decision = decision.named();
        let recorded = match &self.inner.parts.log {
            None => Ok(()),
            Some(log) => log.record_unreadable(json, &decision, Timestamp::now()),
        };
        match recorded {
            Ok(()) => decision,
            Err(error) => not_recorded(&error, &decision),
        }
    }
}

impl Parts {
    /// Takes up the intents that were taken up before the host was last stopped, and notes those that do not
    /// count any more, as when the key of an approver was withdrawn.
    pub(super) fn take_up_what_was_kept(&mut self) -> Result<(), StateError> {
        let (Some(rule), Some(state)) = (&self.intents, &self.state) else {
            return Ok(());
        };
        let kept = state.kept_intents()?.into_iter();
        let named = kept.map(|document| (name_in(&document), document));
        for (name, error) in rule.intents.insert_all(named.collect()) {
            let message = format!(
                "intent `{}`, which was taken up before, does not count any more: {error}",
                excerpt(&name)
            );
            self.notices
                .push(Problem::warning(Path::new("[state]"), message));
        }
        Ok(())
    }

    /// Notes of the intents that are known what does not count, and what their approvers should know.
    pub(super) fn note_intents(&mut self, integrations: &HashMap<String, Integration>) {
        let Some(rule) = &self.intents else {
            return;
        };
        let mut chains = rule.intents.chains();
        chains.sort_by(|a, b| a.iter().map(|i| &i.id).cmp(b.iter().map(|i| &i.id)));
        let mut noted = Vec::new();
        let place = Path::new("[intents]");
        for chain in &chains {
            let Some(intent) = chain.last() else { continue };
            // The clock is looked at when a request is decided.
            let against = self.against(integrations, chain, Timestamp::from_millis(u64::MAX));
            match &against {
                None => {}
                Some(error) => {
                    let is_slip = matches!(
                        error,
                        IntentError::ArgumentsUnsaid { .. } | IntentError::DeniesInVain { .. }
                    );
                    noted.push(match is_slip {
                        true => Problem::refused(place, error.to_string()),
                        false => Problem::warning(place, error.to_string()),
                    });
                }
            }
            let denied = intent.denies.iter().map(|it| ("denies", &it.integration));
            let allowed = intent.allows.iter().map(|it| ("allows", &it.integration));
            for (does, name) in allowed.chain(denied) {
                let message = match meant(integrations, name) {
                    Some(meant) if meant == name || does == "denies" => continue,
                    Some(meant) => format!("write `{meant}`"),
                    None => "nothing is meant by it".to_owned(),
                };
                let message = format!(
                    "intent `{}` {does} something of `{name}`, and no integration is called that: {message}",
                    intent.id
                );
                noted.push(Problem::warning(place, message));
            }
            for warning in intent.warnings() {
                let is_refused = matches!(against, Some(IntentError::ArgumentsUnsaid { .. }));
                if !(is_refused && warning.contains("says nothing of its")) {
                    let message = format!("intent `{}`: {warning}", intent.id);
                    noted.push(Problem::warning(place, message));
                }
            }
        }
        self.notices.extend(noted);
    }

    /// What there is against the last intent of a chain here: that it says nothing of the arguments of what acts,
    /// that it names what it denies in another spelling, that it passes on what its delegator is not registered
    /// for, or that it is from the future.
    pub(super) fn against(
        &self,
        integrations: &HashMap<String, Integration>,
        chain: &Chain,
        now: Timestamp,
    ) -> Option<IntentError> {
        let (intent, delegated_by) = chain.split_last()?;
        if intent.approved_at > now.plus(CLOCK_LEEWAY) {
            return Some(IntentError::FromTheFuture {
                id: intent.id.clone(),
                at: intent.approved_at,
            });
        }
        let unsaid = intent.allows.iter().find_map(|allowance| {
            let integration = integrations.get(&allowance.integration)?;
            let acts = integration.acts(&allowance.action)?;
            let known = allowance.constraints.iter().map(Constraint::path);
            allowance
                .arguments
                .is_none()
                .then(|| IntentError::ArgumentsUnsaid {
                    id: intent.id.clone(),
                    allowance: allowance.to_string(),
                    acts,
                    write: member_to_write(known),
                })
        });
        if unsaid.is_some() {
            return unsaid;
        }
        let in_vain = intent.denies.iter().find_map(|denial| {
            let meant = meant(integrations, &denial.integration)?;
            (*meant != denial.integration).then(|| IntentError::DeniesInVain {
                id: intent.id.clone(),
                named: denial.integration.clone(),
                meant: meant.clone(),
            })
        });
        if in_vain.is_some() {
            return in_vain;
        }
        let registry = self.registry.as_ref()?;
        delegated_by.iter().find_map(|parent| {
            let delegator = registry.get(&parent.principal)?;
            let mut allowances = intent.allows.iter();
            let beyond = allowances.find(|it| !delegator.may_use(&it.integration))?;
            Some(IntentError::DelegatorNotRegistered {
                id: intent.id.clone(),
                delegator: parent.principal.clone(),
                integration: beyond.integration.clone(),
            })
        })
    }
}

/// The integration that is called `name`, or else one that is called so in another spelling.
fn meant<'a>(integrations: &'a HashMap<String, Integration>, name: &str) -> Option<&'a String> {
    let exact = integrations.get_key_value(name).map(|(known, _)| known);
    exact.or_else(|| {
        let wanted = alike_key(name);
        integrations.keys().find(|known| alike_key(known) == wanted)
    })
}

/// What an intent that may be none calls itself.
fn name_in(document: &[u8]) -> String {
    let text = String::from_utf8_lossy(document);
    let json = match text.trim_start().starts_with('{') {
        true => text.into_owned(),
        false => unverified_intent(text.trim()).unwrap_or_default(),
    };
    let intent: Value = serde_json::from_str(&json).unwrap_or_default();
    let id = intent.get("id").and_then(Value::as_str);
    id.unwrap_or("without an id").to_owned()
}

fn not_recorded(error: &LogError, decision: &Decision) -> Decision {
    Decision::deny(
        Cause::NotRecorded,
        format!("{error}: what cannot be recorded is not permitted; make room, or mend the disk"),
    )
    .in_mode(decision.mode())
    .made_from(decision.evidence().clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::integration::Mode;

    #[test]
    fn what_is_only_observed_is_not_blocked_for_want_of_a_record() {
        for (mode, blocks) in [(Mode::Enforce, true), (Mode::Observe, false)] {
            let decided = Decision::deny(Cause::PluginDenied, "").in_mode(mode);
            let decision = not_recorded(&LogError::Panicked, &decided);
            assert_eq!(decision.cause(), Cause::NotRecorded);
            assert_eq!((decision.is_permit(), decision.blocks()), (false, blocks));
        }
    }
}
