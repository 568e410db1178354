//! Counts, intents and marks of an embedded state.

use super::about::Lacks;
use super::checksums::{checksum, checksum_of_count, opened, sealed};
use super::database::{ENDS, INTENTS, MARKS, SPENT};
use super::failure::Failure;
use super::{Change, EmbeddedState, locked};
use crate::state::{Seen, SpendError, State, StateError, Use};
use portcullis_model::marks::{ListMark, StateMark};
use portcullis_model::timestamp::Timestamp;
use redb::{ReadableDatabase as _, ReadableTable as _};

/// Maximum number of ended counts that one spending deletes.
const FORGOTTEN_AT_ONCE: usize = 8;

impl State for EmbeddedState {
    fn spent(&self, key: &str) -> Result<u64, StateError> {
        self.counted(|database| {
            let reading = database.begin_read()?;
            match reading.open_table(SPENT)?.get(key)? {
                None => Ok(0),
                Some(spent) => Ok(opened(key, spent.value())?.0),
            }
        })
    }

    fn spend(&self, uses: &[Use], now: Timestamp) -> Result<(), SpendError> {
        let refused = self.change(|writing, about| {
            let mut spent = writing.open_table(SPENT)?;
            let mut ends = writing.open_table(ENDS)?;
            for one in uses {
                let key = one.key.as_str();
                let until = one.until.as_millis();
                let before = spent.get(key)?.map(|spent| spent.value());
                let before = before.map(|spent| opened(key, spent)).transpose()?;
                // The clock passed this end and was set back since: the count may be deleted already.
                if before.is_none() && until <= about.forgotten {
                    let error = StateError::Forgotten {
                        key: one.key.clone(),
                        until: one.until,
                        forgotten: Timestamp::from_millis(about.forgotten),
                    };
                    return Ok(Change::None(Some(SpendError::State(error))));
                }
                let count = before.map_or(0, |(count, _)| count);
                if count >= one.limit {
                    let error = SpendError::UsedUp(one.key.clone());
                    return Ok(Change::None(Some(error)));
                }
                if let Some((_, end)) = before.filter(|(_, end)| *end != until) {
                    ends.remove((end, key))?;
                }
                spent.insert(key, sealed(key, count + 1, until))?;
                ends.insert((until, key), ())?;
            }
            let over: Vec<_> = ends
                .range(..(now.as_millis(), ""))?
                .take(FORGOTTEN_AT_ONCE)
                .map(|entry| entry.map(|(end, _)| (end.value().0, end.value().1.to_owned())))
                .collect::<Result<_, _>>()?;
            for (end, key) in over {
                ends.remove((end, key.as_str()))?;
                spent.remove(key.as_str())?;
                about.forgotten = about.forgotten.max(end);
            }
            Ok(Change::Of(None))
        })?;
        match refused {
            None => Ok(()),
            Some(error) => Err(error),
        }
    }

    fn give_back(&self, decision: &str, uses: &[Use], _: Timestamp) -> Result<bool, StateError> {
        self.change(|writing, _| {
            let mut spent = writing.open_table(SPENT)?;
            let mut ends = writing.open_table(ENDS)?;
            // Giving back is recorded as a use of the decision, so that it happens once.
            let given = format!("given-back {decision}");
            let given = given.as_str();
            if spent.get(given)?.is_some() {
                return Ok(Change::None(false));
            }
            let until = uses.iter().map(|one| one.until.as_millis()).max();
            let until = until.unwrap_or(0);
            spent.insert(given, sealed(given, 1, until))?;
            ends.insert((until, given), ())?;
            for one in uses {
                let key = one.key.as_str();
                let before = spent.get(key)?.map(|spent| spent.value());
                if let Some(before) = before {
                    let (count, until) = opened(key, before)?;
                    spent.insert(key, sealed(key, count.saturating_sub(1), until))?;
                }
            }
            Ok(Change::Of(true))
        })
    }

    fn seen_elsewhere(&self, seen: &Seen<'_>) -> Result<Option<String>, StateError> {
        self.instances.seen_elsewhere(seen)
    }

    fn raise_mark(&self, name: &str, to: u64) -> Result<u64, StateError> {
        let opened = |found: Option<(u64, u64)>| match found {
            None => Ok(0),
            Some((mark, sum)) if sum == checksum_of_count(name, mark, 0) => Ok(mark),
            Some(_) => Err(Failure::Damaged("a mark has a wrong checksum".to_owned())),
        };
        // The marks of a missing or older state are unknown: this is an error then.
        let mark = self.counted(|database| {
            let mark = database.begin_read()?.open_table(MARKS)?.get(name)?;
            opened(mark.map(|mark| mark.value()))
        })?;
        if mark >= to {
            return Ok(mark);
        }
        self.change(|writing, _| {
            let mut marks = writing.open_table(MARKS)?;
            // Another thread may have raised the mark meanwhile.
            let before = marks.get(name)?.map(|mark| mark.value());
            let mark = opened(before)?.max(to);
            marks.insert(name, (mark, checksum_of_count(name, mark, 0)))?;
            Ok(Change::Of(mark))
        })
    }

    fn keep_intent(&self, id: &str, document: &[u8]) -> Result<(), StateError> {
        self.with(|database| {
            let writing = database.begin_write()?;
            let sum = checksum(&[id.as_bytes(), document]);
            writing.open_table(INTENTS)?.insert(id, (sum, document))?;
            writing.commit()?;
            Ok(())
        })
    }

    fn kept_intents(&self) -> Result<Vec<Vec<u8>>, StateError> {
        self.with(|database| {
            let reading = database.begin_read()?;
            let intents = reading.open_table(INTENTS)?;
            let mut kept = Vec::new();
            for entry in intents.iter()? {
                let (id, document) = entry?;
                let (sum, document) = document.value();
                if sum != checksum(&[id.value().as_bytes(), document]) {
                    return Err(Failure::Damaged(
                        "a stored intent has a wrong checksum".to_owned(),
                    ));
                }
                kept.push(document.to_vec());
            }
            Ok(kept)
        })
    }

    fn mark(&self) -> Option<StateMark> {
        let mark = locked(&self.mark);
        (!mark.generation.is_empty()).then(|| mark.clone())
    }

    fn distrust(&self, why: &str) {
        if self.host_has_it {
            return;
        }
        let mut lacks = locked(&self.lacks);
        match &*lacks {
            Some(known) if !known.is_unsaid => {}
            _ => *lacks = Some(Lacks::of(why)),
        }
    }

    fn vouch(&self) {
        let mut lacks = locked(&self.lacks);
        if lacks.as_ref().is_some_and(|lacks| lacks.is_unsaid) {
            *lacks = None;
        }
    }

    fn remember(&self) -> Result<(), StateError> {
        if let Some(marks) = &self.marks
            && locked(&self.lacks).is_none()
        {
            marks
                .note_state(&locked(&self.mark))
                .map_err(|error| self.not_remembered(error))?;
        }
        Ok(())
    }

    fn list_seen(&self) -> Option<ListMark> {
        let mut seen = self.marks.as_ref().and_then(|marks| marks.kept().list);
        if let Some(own) = &*locked(&self.list) {
            ListMark::raise_known(&mut seen, own);
        }
        seen
    }

    fn list_is_lost(&self) -> Option<String> {
        self.list_is_lost.clone()
    }

    fn note_list(&self, mark: &ListMark) {
        if self.in_memory {
            return;
        }
        // A failure is harmless: the log has the mark too, and the next change is written again.
        if let Some(marks) = &self.marks {
            let _ = marks.note_list(mark);
        }
        let mut list = locked(&self.list);
        let mut raised = list.clone();
        if ListMark::raise_known(&mut raised, mark)
            && let Some(raised) = raised
            && self.write_list(&raised).is_ok()
        {
            *list = Some(raised);
        }
    }
}
