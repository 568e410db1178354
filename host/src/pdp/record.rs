//! Records decisions and outcomes, and accepts intents and security events.

use super::{Parts, Pdp};
use crate::decision::Decision;
use crate::integration::Integration;
use crate::log::{Call, CallOutcome, Configured, Issued, LogError, Outcome, Recorded, Refused};
use portcullis_contract::name::alike_key;
use portcullis_contract::{Constraint, excerpt, similar};
use portcullis_model::cause::Cause;
use portcullis_model::document::Problem;
use portcullis_model::request::Request;
use portcullis_model::timestamp::{CLOCK_LEEWAY, Timestamp};
use portcullis_trust::intent::{
    Chain, IntentError, StoredIntent, member_to_write, unverified_intent,
};
#[cfg(feature = "identity")]
use portcullis_trust::revocation::{EventError, ListError, Record};
use portcullis_trust::state::StateError;
use serde_json::Value;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// Reason why a security event was not accepted.
#[cfg(feature = "identity")]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AcceptError {
    /// No event issuers, or no revocation list, are configured.
    #[error("no event issuers are configured: add `events` to `[revocation]`")]
    NotConfigured,
    /// The event is invalid.
    #[error(transparent)]
    Event(#[from] EventError),
    /// The list cannot be written.
    #[error(transparent)]
    List(#[from] ListError),
}

/// Reason why an outcome was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OutcomeError {
    /// The decision has no id.
    #[error(
        "decision is from a dry run, which has no call: report the outcome of a decision from `Pdp::evaluate`"
    )]
    DryRun,
    /// The outcome cannot be recorded.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The spent uses cannot be returned to the state; the outcome is recorded.
    #[error("the outcome is recorded, but the uses that the permit spent are not returned: {0}")]
    State(StateError),
}

impl From<StateError> for OutcomeError {
    fn from(error: StateError) -> Self {
        Self::State(error)
    }
}

impl Pdp {
    /// Accepts an intent that was approved while the host runs.
    ///
    /// `document` is a signed JWT, or JSON if intents need not be signed. The host stores the intent in the
    /// state, if there is one, and records it in the log.
    ///
    /// # Errors
    ///
    /// [`IntentError`] if the document is not a valid intent, exceeds its parent, or cannot be stored or
    /// recorded. In the last case, it is in force from now on; submit it again, so that it is in force after
    /// a restart too.
    pub fn import_intent(&self, document: &[u8]) -> Result<Arc<StoredIntent>, IntentError> {
        let intent = self.put_in_force(document)?;
        if let Some(state) = &self.inner.parts.state {
            state
                .keep_intent(&intent.id, document)
                .map_err(|error| IntentError::NotKept(error.to_string()))?;
        }
        self.record_imported(&intent)?;
        Ok(intent)
    }

    /// Accepts an intent that another host stored in the state that both use.
    pub(super) fn accept_shared_intent(&self, document: &[u8]) -> Result<(), IntentError> {
        let intent = self.put_in_force(document)?;
        self.record_imported(&intent)
    }

    fn put_in_force(&self, document: &[u8]) -> Result<Arc<StoredIntent>, IntentError> {
        let Some(rule) = &self.inner.parts.intents else {
            return Err(IntentError::NotKept(
                "no intents are configured: add `[intents]`".to_owned(),
            ));
        };
        let now = Timestamp::now();
        rule.intents.insert_if(document, |chain| {
            let parts = &self.inner.parts;
            match parts.against(&self.inner.integrations, chain, now) {
                None => Ok(()),
                Some(error) => Err(error),
            }
        })
    }

    fn record_imported(&self, intent: &StoredIntent) -> Result<(), IntentError> {
        let Some(log) = &self.inner.parts.log else {
            return Ok(());
        };
        log.record_issued(&[Issued::of(intent)], Timestamp::now())
            .map_err(|error| IntentError::NotKept(error.to_string()))
    }

    /// Accepts a security event (RFC 8417); returns the new lines of the list.
    ///
    /// On return, all that the event revokes is on the revocation list and denied. The same event may be
    /// submitted again.
    ///
    /// # Errors
    ///
    /// [`AcceptError`] if the event is invalid, or the list cannot be written.
    #[cfg(feature = "identity")]
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

    /// Records the intents and the number of revocations at start.
    pub(super) fn record_what_it_begins_with(&self, now: Timestamp) -> Result<(), LogError> {
        self.record_intents(None, now)?;
        let parts = &self.inner.parts;
        parts
            .log
            .as_ref()
            .map_or(Ok(()), |log| parts.record_list(log, now))
    }

    /// Records the intents that `before` did not have, and the number of revocations of another list or log.
    pub(super) fn record_what_is_new(&self, before: &Self, now: Timestamp) -> Result<(), LogError> {
        let (parts, old) = (&self.inner.parts, &before.inner.parts);
        let Some(log) = &parts.log else {
            return Ok(());
        };
        let is_same_log = old.log.as_ref().is_some_and(|it| it.path() == log.path());
        if !is_same_log {
            return self.record_what_it_begins_with(now);
        }
        self.record_intents(Some(before), now)?;
        let list = |parts: &Parts| parts.revocations.as_ref().map(|it| it.file().to_owned());
        let recorded = parts.marks.as_ref().and_then(|it| it.kept().recorded);
        let epoch = parts.revocations.as_ref().map(|it| it.seen().epoch);
        match list(parts) == list(old) && (epoch.is_none() || recorded == epoch) {
            true => Ok(()),
            false => parts.record_list(log, now),
        }
    }

    /// Records the intents in force, except those that `before` had.
    fn record_intents(&self, before: Option<&Self>, now: Timestamp) -> Result<(), LogError> {
        let (Some(log), Some(rule)) = (&self.inner.parts.log, &self.inner.parts.intents) else {
            return Ok(());
        };
        let known = before.and_then(|it| it.inner.parts.intents.as_ref());
        let is_known = |intent: &StoredIntent| {
            let known = known.and_then(|rule| rule.intents.chain(&intent.id));
            known.is_some_and(|chain| chain.last().map(|it| it.digest()) == Some(intent.digest()))
        };
        let chains = rule.intents.chains();
        let intents = chains.iter().filter_map(|chain| chain.last());
        let current = intents.filter(|intent| intent.expires_at > now && !is_known(intent));
        let issued: Vec<_> = current.map(|intent| Issued::of(intent)).collect();
        match issued.is_empty() {
            true => Ok(()),
            false => log.record_issued(&issued, now),
        }
    }

    /// Records which configuration is in force, or why a new one is not.
    pub(crate) fn record_configuration(&self, configured: &Configured) -> Result<(), LogError> {
        match &self.inner.parts.log {
            None => Ok(()),
            Some(log) => log.record_configuration(configured, Timestamp::now()),
        }
    }

    /// Records an intent that a request carried for the first time.
    pub(super) fn record_issued(&self, chain: &Chain) {
        if let (Some(log), Some(intent)) = (&self.inner.parts.log, chain.last()) {
            // Ignored: the decision that relies on it is recorded with its digest, or denied.
            let _ = log.record_issued(&[Issued::of(intent)], Timestamp::now());
        }
    }

    /// Records and returns the decision; returns a deny if that fails.
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
                self.inner.parts.note(log, decision.inputs());
                log.record(request, &decision, now)
            }
        };
        self.released(decision, recorded, now)
    }

    /// As [`Pdp::recorded`], for a task.
    pub(super) async fn recorded_async(
        &self,
        request: &Request,
        decision: Decision,
        now: Timestamp,
    ) -> Decision {
        let decision = decision.named();
        let recorded = match &self.inner.parts.log {
            None => Ok(()),
            Some(log) => {
                self.inner.parts.note(log, decision.inputs());
                log.record_async(request, &decision, now).await
            }
        };
        self.released(decision, recorded, now)
    }

    /// Returns the decision if it is recorded, or else a deny.
    fn released(
        &self,
        decision: Decision,
        recorded: Result<(), LogError>,
        now: Timestamp,
    ) -> Decision {
        match recorded {
            Ok(()) => decision,
            Err(error) => {
                // The permit is not returned to the gateway, so the uses that it spent are not used.
                let _ = self.give_back(&decision, now);
                not_recorded(&error, &decision)
            }
        }
    }

    /// Records a refusal by the gateway that came before any decision.
    ///
    /// Examples are a failed authentication and a request that the gateway could not read. Returns the id of
    /// the line, under which `portcullis log query` finds it.
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

    /// As [`Pdp::record_refused`], for a task: only the future waits for the log.
    ///
    /// # Errors
    ///
    /// [`LogError`] if it cannot be recorded.
    pub async fn record_refused_async(&self, refused: &Refused) -> Result<String, LogError> {
        let recorded = Recorded {
            id: uuid::Uuid::now_v7().to_string(),
            what: refused.clone(),
        };
        if let Some(log) = &self.inner.parts.log {
            log.record_refused_async(&recorded, Timestamp::now())
                .await?;
        }
        Ok(recorded.id)
    }

    /// Records the outcome of the call that `decision` was about.
    ///
    /// Outcomes are an obligation that could not be carried out, and a call that failed or was not made. If
    /// the call was not made, the budget uses that the permit spent are returned to the state, once; a
    /// single-use credential stays used.
    ///
    /// # Errors
    ///
    /// [`OutcomeError`]. If the outcome cannot be recorded, no uses are returned.
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

    /// Returns the budget uses of a decision to the state, at most once.
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

    /// As [`Pdp::recorded`], for a request that could not be read.
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

    /// As [`Pdp::recorded_unreadable`], for a task.
    pub(super) async fn recorded_unreadable_async(
        &self,
        json: &[u8],
        decision: Decision,
    ) -> Decision {
        let decision = decision.named();
        let recorded = match &self.inner.parts.log {
            None => Ok(()),
            Some(log) => {
                let now = Timestamp::now();
                log.record_unreadable_async(json, &decision, now).await
            }
        };
        match recorded {
            Ok(()) => decision,
            Err(error) => not_recorded(&error, &decision),
        }
    }
}

impl Parts {
    /// Records intents that come into force later, when the folder or a key changes.
    pub(super) fn record_added_intents(&self) {
        let (Some(rule), Some(log)) = (&self.intents, &self.log) else {
            return;
        };
        let log = log.clone();
        rule.intents.whenever_added(move |added| {
            let issued: Vec<_> = added.iter().map(|intent| Issued::of(intent)).collect();
            // Ignored: the decision that relies on it is recorded with its digest, or denied.
            let _ = log.record_issued(&issued, Timestamp::now());
        });
    }

    /// Restores the intents in the state, and notes those no longer valid.
    ///
    /// An intent becomes invalid if, for example, the operator withdraws the key of an approver.
    pub(super) fn take_up_what_was_kept(&mut self) -> Result<(), StateError> {
        let (Some(rule), Some(state)) = (&self.intents, &self.state) else {
            return Ok(());
        };
        let kept = state.kept_intents()?.into_iter();
        let named = kept.map(|document| (name_in(&document), document));
        for (name, error) in rule.intents.insert_all(named.collect()) {
            let message = format!(
                "imported intent `{}` is no longer valid: {error}",
                excerpt(&name)
            );
            self.notices
                .push(Problem::warning(Path::new("[state]"), message));
        }
        Ok(())
    }

    /// Notes errors in the known intents, and warnings for their approvers.
    ///
    /// `also_named` are names of integrations that are configured, and may be unusable.
    pub(super) fn note_intents(
        &mut self,
        integrations: &HashMap<String, Integration>,
        also_named: &[String],
    ) {
        let noted = self.intent_problems(integrations, also_named);
        self.notices.extend(noted);
    }

    /// Errors in the intents that are known now, and warnings for their approvers.
    pub(super) fn intent_problems(
        &self,
        integrations: &HashMap<String, Integration>,
        also_named: &[String],
    ) -> Vec<Problem> {
        let Some(rule) = &self.intents else {
            return Vec::new();
        };
        let chains = rule.intents.chains();
        let mut noted = Vec::new();
        let place = Path::new("[intents]");
        for chain in &chains {
            let Some(intent) = chain.last() else { continue };
            // The approval time is checked against the clock when a request is decided.
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
                    None if also_named.contains(name) => continue,
                    None => match similar(name, integrations.keys().map(String::as_str)) {
                        Some(meant) => {
                            format!("the clause has no effect: did you mean `{meant}`?")
                        }
                        None => "the clause has no effect".to_owned(),
                    },
                };
                let message = format!(
                    "intent `{}` {does} actions of `{name}`, but no integration has that name: {message}",
                    intent.id
                );
                noted.push(Problem::warning(place, message));
            }
            let unconstrained = intent.allows.iter().enumerate().filter_map(|(at, allowance)| {
                let acts = integrations
                    .get(&allowance.integration)?
                    .acts(&allowance.action)?;
                allowance.takes_any_values().then(|| {
                    format!(
                        "`/allows/{at}`: the listed arguments may have any values, and {acts}: add `constraints`"
                    )
                })
            });
            // The refusal of missing `arguments` says all that the warning about them would.
            let warnings = match against {
                Some(IntentError::ArgumentsUnsaid { .. }) => intent.warnings_of_stated(),
                _ => intent.warnings(),
            };
            for warning in warnings.into_iter().chain(unconstrained) {
                let message = format!("intent `{}`: {warning}", intent.id);
                noted.push(Problem::warning(place, message));
            }
        }
        noted
    }

    /// Returns the reason to reject the last intent of a chain, if any.
    ///
    /// The reasons are:
    /// - it was approved in the future,
    /// - it does not state the arguments of an action that does more than read,
    /// - it denies an integration by another spelling of its name,
    /// - it passes on a permission that its delegator is not registered for.
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
        let registry = match registry.get() {
            Ok(registry) => registry,
            Err(_) if delegated_by.is_empty() => return None,
            Err(error) => return Some(IntentError::NotKept(error.to_string())),
        };
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

/// The integration called `name`, or else one with a similar spelling.
fn meant<'a>(integrations: &'a HashMap<String, Integration>, name: &str) -> Option<&'a String> {
    let exact = integrations.get_key_value(name).map(|(known, _)| known);
    exact.or_else(|| {
        let wanted = alike_key(name);
        integrations.keys().find(|known| alike_key(known) == wanted)
    })
}

/// Returns the id that a document, possibly not a valid intent, claims.
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
        format!("{error}: decisions that cannot be recorded are not permitted; free disk space, or repair the disk"),
    )
    .in_mode(decision.mode())
    .made_from(decision.inputs().clone())
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
