//! Binds the revocation list, the state and the log to each other: each remembers how far the others went, so
//! that an older one is noticed at the next start.

use super::{Parts, Pdp};
use crate::config::Problem;
use crate::decision::Decision;
use crate::evidence::Evidence;
use crate::log::DecisionLog;
use crate::revocation::{Change, ListMark};
use crate::state::{Marks, State, StateError};
use crate::timestamp::Timestamp;
use std::sync::{Arc, Weak};

impl Parts {
    /// Compares list and state with what is remembered of them. With `live`, what they are now is remembered.
    ///
    /// Where there is a log, it remembers both; a state remembers how far the list went; and where there is
    /// neither, that is kept beside the list.
    ///
    /// # Errors
    ///
    /// [`StateError`] if it cannot be remembered which state it is.
    pub(super) fn bind(&mut self, live: bool) -> Result<(), StateError> {
        let log = self.log.as_ref().map(DecisionLog::path);
        let log = log.or(self.log_path.as_deref());
        let marks = log.map(|path| Arc::new(Marks::of_log(path, live)));
        if let (Some(state), Some(marks)) = (&self.state, &marks)
            && let Some(known) = marks.kept().state
        {
            let path = log
                .map(|path| path.display().to_string())
                .unwrap_or_default();
            match state.mark() {
                None => state.distrust(&format!("the log {path} says that there was one, and it is gone")),
                Some(found) if found.generation != known.generation => {
                    state.distrust(&format!("the log {path} was written with another one"));
                }
                Some(found) if found.changes < known.changes => state.distrust(&format!(
                    "it has {} changes, and the log {path} says that {} were made: it is an older copy",
                    found.changes, known.changes
                )),
                Some(_) => {}
            }
        }
        if live && let Some(state) = &self.state {
            state.remember()?;
        }
        let Some(revocations) = &self.revocations else {
            self.marks = marks;
            return Ok(());
        };
        let beside_list = match (&marks, &self.state) {
            (None, None) => match Marks::beside(revocations.file(), live) {
                Ok(beside) => Some(Arc::new(beside)),
                Err(error) => {
                    let message = format!(
                        "{error}: nobody can tell whether the revocation list is an older one; remove that file once the list is known to be the latest"
                    );
                    self.notices
                        .push(Problem::warning(revocations.file(), message));
                    None
                }
            },
            _ => None,
        };
        let remembered = [
            marks.as_ref().and_then(|marks| marks.kept().list),
            self.state.as_ref().and_then(|state| state.list_seen()),
            beside_list.as_ref().and_then(|marks| marks.kept().list),
        ];
        for mark in remembered.iter().flatten() {
            revocations.hold_to(mark);
        }
        if let Some(error) = revocations.unreliable() {
            let message = format!("{error}: every request is denied until then");
            self.notices
                .push(Problem::warning(revocations.file(), message));
        }
        if live {
            let remember = self.remember(marks.clone(), beside_list);
            if let Some(mark) = revocations.mark() {
                remember(&mark);
            }
            let log = self.log.clone();
            // Of several decision points with one list, one with a log records what is revoked.
            if log.is_none() && revocations.has_listener() {
                self.marks = marks;
                return Ok(());
            }
            revocations.whenever_changed(move |epoch, change, mark| {
                if let Some(mark) = mark {
                    remember(mark);
                }
                // The list is the list, whether the log has it or not; decisions that cannot be recorded
                // are denied in any case.
                if let Some(log) = &log {
                    let now = Timestamp::now();
                    let _ = match change {
                        Change::Revoked(revoked) => log.record_revoked(epoch, Some(revoked), now),
                        Change::Lifted(lifted) => log.record_lifted(epoch, lifted, now),
                    };
                }
            });
        }
        self.marks = marks;
        Ok(())
    }

    /// Where it is remembered how far the list went.
    fn remember(
        &self,
        marks: Option<Arc<Marks>>,
        beside_list: Option<Arc<Marks>>,
    ) -> impl Fn(&ListMark) + Send + Sync + 'static {
        // Not held open by whoever follows the list.
        let state = self.state.as_ref().map(Arc::downgrade);
        move |mark| {
            for marks in marks.iter().chain(&beside_list) {
                // A folder that cannot be written is one where nothing is remembered; the log's lines
                // say how far the list went, too.
                let _ = marks.note_list(mark);
            }
            if let Some(state) = state.as_ref().and_then(Weak::upgrade) {
                state.note_list(mark);
            }
        }
    }
}

impl Pdp {
    /// The decision, once what it uses up is spent: it says from which state, and how far that went.
    pub(super) fn spent_from(&self, state: &dyn State, decision: Decision) -> Decision {
        let Some(mark) = state.mark() else {
            return decision;
        };
        if let Some(marks) = &self.inner.parts.marks {
            // The line of the decision says it, too.
            let _ = marks.note_state(&mark);
        }
        let evidence = Evidence {
            state: Some(mark),
            ..decision.evidence().clone()
        };
        decision.made_from(evidence)
    }
}
