//! Binds the revocation list, the state and the log to each other: each remembers how far the others went, so
//! that an older one is noticed at the next start.

use super::{Parts, Pdp};
use crate::config::Problem;
use crate::decision::Decision;
use crate::evidence::Evidence;
use crate::log::{DecisionLog, LogError};
use crate::revocation::{Change, ListMark};
use crate::state::{GONE, Marks, State, StateError};
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
                        let why = format!("by what the log {} says, {why}", log.display());
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
        self.bind_list(marks, live);
        Ok(())
    }

    /// Holds the list to what is remembered of it by `marks` of the log, by the state, or beside the list.
    fn bind_list(&mut self, marks: Option<Arc<Marks>>, live: bool) {
        let Some(revocations) = &self.revocations else {
            return;
        };
        let beside_list = match (&marks, &self.state) {
            (None, None) => match Marks::beside(revocations.file(), live) {
                Ok(beside) => Some(Arc::new(beside)),
                Err(error) => {
                    revocations.distrust(&error);
                    None
                }
            },
            // With a log, its lines say how far the list went.
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
            self.state.as_ref().and_then(|state| state.list_seen()),
            beside_list.as_ref().and_then(|marks| marks.kept().list),
        ];
        let mut floor = None;
        for mark in remembered.iter().flatten() {
            ListMark::raise_known(&mut floor, mark);
        }
        if let Some(floor) = &floor {
            revocations.hold_to(floor);
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
                return;
            }
            revocations.whenever_changed(move |epoch, change, mark| {
                if let Some(mark) = mark {
                    remember(mark);
                }
                // The list is the list, whether the log has it or not; decisions that cannot be recorded
                // are denied in any case.
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
        let evidence = Evidence {
            state: Some(mark),
            ..decision.evidence().clone()
        };
        decision.made_from(evidence)
    }
}

impl Parts {
    /// Remembers what a decision was made from that is about to be recorded: of lines of the log that are known at
    /// the next start, only the last are read.
    pub(super) fn note(&self, log: &DecisionLog, evidence: &Evidence) {
        if let Some(marks) = &self.marks {
            // The line of the decision says it, too.
            let _ = marks.note(evidence, log.sequence());
        }
    }

    /// Records with how many revocations and lifts the host begins, and those that the log lacks: what was revoked
    /// while no host ran, or before there was a log.
    pub(super) fn record_list(&self, log: &DecisionLog, now: Timestamp) -> Result<(), LogError> {
        // One that cannot be relied on says nothing of how far the list went.
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
