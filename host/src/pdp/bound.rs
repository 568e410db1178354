//! Binds the revocation list, the state and the log to each other.
//!
//! Each records how far the others have advanced, so that the host detects a rolled-back one at the next
//! start.

use super::{Parts, Pdp};
use crate::decision::Decision;
use crate::log::marks_of;
use crate::log::{DecisionLog, LogError};
use portcullis_model::document::Problem;
use portcullis_model::inputs::Inputs;
use portcullis_model::marks::ListMark;
use portcullis_model::timestamp::Timestamp;
use portcullis_trust::revocation::Change;
use portcullis_trust::state::{GONE, Marks, State, StateError};
use std::sync::{Arc, Weak};

impl Parts {
    /// Compares list and state with their recorded marks. With `live`, records the current marks.
    ///
    /// Marks beside the log cover both. Without a log, the state records how far the list has advanced;
    /// without either, that mark is stored beside the list.
    ///
    /// # Errors
    ///
    /// [`StateError`] if the identity of the state cannot be recorded.
    pub(super) fn bind(&mut self, live: bool, before: Option<&Self>) -> Result<(), StateError> {
        let log = self.log.as_ref().map(DecisionLog::path);
        let log = log.or(self.log_path.as_deref());
        // Marks that are in use go on: another reader of the file could write older ones over them.
        let in_use = before.and_then(|it| Some((it.log.as_ref()?.path(), it.marks.as_ref()?)));
        let marks = log.map(|path| match in_use {
            Some((of, marks)) if of == path => Arc::clone(marks),
            _ => Arc::new(marks_of(path, live)),
        });
        if let (Some(log), Some(marks)) = (log, &marks) {
            if let Some(state) = &self.state
                && let Some(known) = marks.kept().state
            {
                let lacks = match state.mark() {
                    None => Some(GONE.to_owned()),
                    Some(found) => found.falls_short_of(&known),
                };
                match lacks {
                    None => state.vouch(),
                    Some(why) => {
                        let why = format!("according to the log {}, {why}", log.display());
                        state.distrust(&why);
                    }
                }
            }
            if let Some(why) = marks.unreadable() {
                let message = format!(
                    "{why}: all of the log is read instead, at each start; remove that file"
                );
                self.notices.push(Problem::warning(log, message));
            }
        }
        if live && let Some(state) = &self.state {
            state.remember()?;
        }
        self.marks.clone_from(&marks);
        self.bind_list(marks, live, before);
        Ok(())
    }

    /// Checks the list against its marks.
    ///
    /// These are kept beside the log, in the state, or beside the list.
    fn bind_list(&mut self, marks: Option<Arc<Marks>>, live: bool, before: Option<&Self>) {
        let Some(revocations) = &self.revocations else {
            return;
        };
        let same_list = before
            .and_then(|it| Some((it.revocations.as_ref()?, it)))
            .filter(|(list, _)| list.file() == revocations.file());
        let in_use = same_list.and_then(|(_, it)| it.list_marks.as_ref());
        let state = self.state.as_ref().filter(|state| state.keeps_list_mark());
        let beside_list = match (&marks, state) {
            (None, None) if let Some(marks) = in_use => Some(Arc::clone(marks)),
            (None, None) => match Marks::beside(revocations.file(), live) {
                Ok(beside) => Some(Arc::new(beside)),
                Err(error) => {
                    revocations.distrust(&error);
                    None
                }
            },
            // Not needed with a log: its lines also record how far the list has advanced.
            (None, Some(state)) => {
                if let Some(why) = state.list_is_lost() {
                    revocations.distrust(&why);
                }
                None
            }
            (Some(_), _) => None,
        };
        let remembered = [
            marks.as_ref().and_then(|marks| marks.kept().list),
            state.and_then(|state| state.list_seen()),
            beside_list.as_ref().and_then(|marks| marks.kept().list),
            same_list.and_then(|(list, _)| list.mark()),
        ];
        if let Some(floor) = ListMark::highest(remembered.into_iter().flatten()) {
            revocations.hold_to(&floor);
        }
        if let Some(error) = revocations.unreliable() {
            let message = format!("{error}: every request is denied until then");
            self.notices
                .push(Problem::warning(revocations.file(), message));
        }
        if live {
            self.list_marks.clone_from(&beside_list);
            let remember = self.remember(marks.clone(), beside_list);
            if let Some(mark) = revocations.mark() {
                remember(&mark);
            }
            let log = self.log.clone();
            // The list may be shared: keep the listener of another decision point, which may have a log.
            if log.is_none() && revocations.has_listener() {
                return;
            }
            revocations.whenever_changed(move |epoch, change, mark| {
                if let Some(mark) = mark {
                    remember(mark);
                }
                // A revocation is in force even if the log lacks it; decisions that cannot be recorded are
                // denied in any case.
                if let Some(log) = &log {
                    let now = Timestamp::now();
                    let digest = mark.filter(|mark| mark.epoch == epoch);
                    let digest = digest.and_then(|mark| mark.digest.as_deref());
                    let recorded = match change {
                        Change::Revoked(revoked) => log.record_revoked(epoch, revoked, digest, now),
                        Change::Lifted(lifted) => log.record_lifted(epoch, lifted, digest, now),
                    };
                    if recorded.is_ok()
                        && let Some(marks) = &marks
                    {
                        let _ = marks.note_change_recorded(epoch);
                    }
                }
            });
        }
    }

    /// Returns a function that records how far the list has advanced.
    fn remember(
        &self,
        marks: Option<Arc<Marks>>,
        beside_list: Option<Arc<Marks>>,
    ) -> impl Fn(&ListMark) + Send + Sync + 'static {
        // Weak: the listener of the list must not keep the state open.
        let state = self.state.as_ref().map(Arc::downgrade);
        move |mark| {
            for marks in marks.iter().chain(&beside_list) {
                // Ignored: no marks are kept in a read-only folder, and the log's lines also record how
                // far the list has advanced.
                let _ = marks.note_list(mark);
            }
            if let Some(state) = state.as_ref().and_then(Weak::upgrade) {
                state.note_list(mark);
            }
        }
    }
}

impl Pdp {
    /// Problems of the state, for an operator.
    pub(crate) fn state_problems(&self) -> Vec<String> {
        let state = self.inner.parts.state.as_ref();
        state.map(|state| state.problems()).unwrap_or_default()
    }

    /// Adds the mark of the state, after spending, to the inputs.
    pub(super) fn spent_from(&self, state: &dyn State, decision: Decision) -> Decision {
        let Some(mark) = state.mark() else {
            return decision;
        };
        let inputs = Inputs {
            state: Some(mark),
            ..decision.inputs().clone()
        };
        decision.made_from(inputs)
    }
}

impl Parts {
    /// Records the inputs of a decision that is about to be logged.
    ///
    /// The next start then reads only the last lines of the log, not those already known.
    pub(super) fn note(&self, log: &DecisionLog, inputs: &Inputs) {
        if let Some(marks) = &self.marks {
            // Ignored: the line of the decision holds the same inputs.
            let _ = marks.note(inputs, log.sequence());
        }
    }

    /// Records the number of revocations and lifts at start.
    ///
    /// Also records those missing in the log: revocations made while no host ran, or before there was a log.
    pub(super) fn record_list(&self, log: &DecisionLog, now: Timestamp) -> Result<(), LogError> {
        // An unreliable list does not show how far it has advanced.
        let Some((revocations, seen)) = self
            .revocations
            .as_ref()
            .map(|revocations| (revocations, revocations.seen()))
            .filter(|(_, seen)| seen.error.is_none())
        else {
            return Ok(());
        };
        let recorded = self.marks.as_ref().and_then(|it| it.kept().recorded);
        let mut lacking: Vec<_> = revocations
            .in_force()
            .into_iter()
            .filter(|one| recorded.is_none_or(|recorded| one.epoch > recorded))
            .filter(|one| one.epoch <= seen.epoch)
            .collect();
        lacking.sort_by_key(|one| one.epoch);
        log.record_begun(&lacking, seen.epoch, seen.digest.as_deref(), now)?;
        if let Some(marks) = &self.marks {
            let _ = marks.note_recorded(seen.epoch, log.sequence());
        }
        Ok(())
    }
}
