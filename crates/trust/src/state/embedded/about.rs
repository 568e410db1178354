//! Identity of a state, and the marks beside it that it is compared with.

use super::checksums::{opened_text, sealed_text};
use super::database::ABOUT;
use super::failure::Failure;
use crate::state::{GONE, Kept, Marks};
use portcullis_model::count::counted;
use portcullis_model::marks::{ListMark, StateMark};
use redb::{Database, ReadableDatabase as _, ReadableTable as _, WriteTransaction};
use std::path::Path;

/// Reason why a state lacks earlier counts.
#[derive(Debug, Clone)]
pub(super) struct Lacks {
    pub(super) why: String,
    /// True if only the marks are missing, so that a log with a mark of the state can confirm it.
    pub(super) is_unsaid: bool,
}

impl Lacks {
    pub(super) fn of(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            is_unsaid: false,
        }
    }
}

/// Identity of the state and number of its changes.
///
/// `forgotten` is the latest end of the deleted counts, in milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct About {
    pub(super) mark: StateMark,
    pub(super) forgotten: u64,
}

impl About {
    pub(super) fn new() -> Result<Self, Failure> {
        let mut name = [0; 16];
        getrandom::fill(&mut name).map_err(|error| Failure::Store(error.to_string()))?;
        Ok(Self {
            mark: StateMark {
                generation: base16ct::lower::encode_string(&name),
                changes: 0,
            },
            forgotten: 0,
        })
    }

    pub(super) fn text(&self) -> String {
        let StateMark {
            generation,
            changes,
        } = &self.mark;
        sealed_text(&format!("{generation} {changes} {}", self.forgotten))
    }

    pub(super) fn read(text: &str) -> Result<Self, Failure> {
        let read = || {
            let mut parts = opened_text(text)?.split(' ');
            Some(Self {
                mark: StateMark {
                    generation: parts.next()?.to_owned(),
                    changes: parts.next()?.parse().ok()?,
                },
                forgotten: parts.next()?.parse().ok()?,
            })
        };
        read().ok_or_else(|| {
            Failure::Damaged("the identity of the state has a wrong checksum".to_owned())
        })
    }
}

pub(super) fn about(writing: &WriteTransaction) -> Result<About, Failure> {
    match writing.open_table(ABOUT)?.get("state")? {
        Some(text) => About::read(text.value()),
        None => Err(Failure::Damaged(
            "the identity of the state is missing".to_owned(),
        )),
    }
}

/// Reads the marks beside `file`, or returns the reason why they are unreadable.
///
/// The second value is the reason why the mark of the revocation list is lost, if it is.
pub(super) fn marks_beside(file: &Path, writes: bool) -> (Result<Marks, String>, Option<String>) {
    let marks = Marks::beside(file, writes);
    let list_is_lost = match &marks {
        Ok(marks) => marks
            .kept()
            .list_is_lost
            .then(|| "the mark of the revocation list beside the state was damaged".to_owned()),
        Err(why) => Some(why.clone()),
    };
    (marks, list_is_lost)
}

/// Compares a state with its marks: the reason why it lacks earlier counts, if it does.
pub(super) fn lacks(kept: &Kept, found: &StateMark, was_there: bool) -> Option<Lacks> {
    let Some(known) = &kept.state else {
        let changes = found.changes;
        return (changes > 0).then(|| Lacks {
            why: format!(
                "it has {}, but the file of marks beside it, which counts them, is missing",
                counted(changes, "change")
            ),
            is_unsaid: true,
        });
    };
    if !was_there {
        return Some(Lacks::of(GONE));
    }
    found.falls_short_of(known).map(Lacks::of)
}

/// Mark of the revocation list that is stored in the state.
pub(super) fn list_of(database: &Database) -> Result<Option<ListMark>, Failure> {
    let reading = database.begin_read()?;
    let Some(text) = reading.open_table(ABOUT)?.get("list")? else {
        return Ok(None);
    };
    let list = opened_text(text.value()).and_then(|json| serde_json::from_str(json).ok());
    list.map(Some).ok_or_else(|| {
        Failure::Damaged("the mark of the revocation list has a wrong checksum".to_owned())
    })
}
