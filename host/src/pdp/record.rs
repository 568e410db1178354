//! What a decision point records, and the intents that it takes up.

use super::Pdp;
use crate::cause::Cause;
use crate::decision::Decision;
use crate::intent::{Chain, IntentError, StoredIntent};
use crate::log::{Issued, LogError};
use crate::request::Request;
use crate::revocation::{EventError, ListError, Record};
use crate::state::StateError;
use crate::timestamp::Timestamp;
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
        let intent = rule.intents.insert(document)?;
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

    /// Takes up the intents that were taken up before the host was last stopped. One that is none any
    /// more, as when its approver's key was withdrawn, is left.
    pub(super) fn take_up_what_was_kept(&self) -> Result<(), StateError> {
        if let (Some(rule), Some(state)) = (&self.inner.parts.intents, &self.inner.parts.state) {
            let kept = state.kept_intents()?;
            rule.intents
                .insert_all(kept.into_iter().map(|document| ((), document)).collect());
        }
        Ok(())
    }

    /// Records with which intents and how many revocations the host begins, and from now on each
    /// revocation that it learns of.
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
        if let Some(revocations) = &self.inner.parts.revocations {
            log.record_revoked(revocations.seen().epoch, None, now)?;
            let log = log.clone();
            revocations.whenever_revoked(move |epoch, revoked| {
                // The list is the list, whether the log has it or not; decisions that cannot be
                // recorded are denied in any case.
                let _ = log.record_revoked(epoch, Some(revoked), Timestamp::now());
            });
        }
        Ok(())
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
        mut decision: Decision,
        now: Timestamp,
    ) -> Decision {
        let recorded = match &self.inner.parts.log {
            None => Ok(()),
            Some(log) => log.record(request, &mut decision, now),
        };
        match recorded {
            Ok(()) => decision,
            Err(error) => not_recorded(&error, &decision),
        }
    }

    /// As [`Pdp::recorded`], of a request that could not be read.
    pub(super) fn recorded_unreadable(&self, json: &[u8], decision: Decision) -> Decision {
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
