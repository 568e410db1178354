//! Records decisions and outcomes, and accepts security events.

use super::{Parts, Pdp};
use crate::decision::Decision;
use crate::log::{Call, CallOutcome, Configured, Issued, LogError, Outcome, Recorded, Refused};
use portcullis_model::cause::Cause;
use portcullis_model::request::Request;
use portcullis_model::timestamp::Timestamp;
use portcullis_trust::intent::{Chain, StoredIntent};
#[cfg(feature = "identity")]
use portcullis_trust::revocation::{EventError, ListError, Record};
use portcullis_trust::state::StateError;

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
