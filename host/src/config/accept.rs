//! Acceptance of a state or revocation list that differs from its marks.

use super::stored::StateOptions;
use super::{all, checks, keeping, stored};
use crate::log::marks_of;
use crate::log::{Accepted, DecisionLog};
use portcullis_model::document;
use portcullis_model::document::{ConfigError, Problem};
use portcullis_model::document::{FILE, Section, Source};
use portcullis_model::file_error::unread;
use portcullis_model::timestamp::Timestamp;
use portcullis_trust::state::shared::SharedState;
use portcullis_trust::state::{EmbeddedState, Kept, Marks, StateError};
use std::path::Path;
use std::sync::Arc;

/// The file that an operator accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepts {
    /// The current state: uses that it lacks can be spent again.
    State,
    /// The current revocation list: entries that it lacks are no longer revoked.
    List,
}

/// An open state.
enum Opened {
    File(Box<EmbeddedState>),
    Shared(Arc<dyn SharedState>),
}

impl Opened {
    fn open(options: StateOptions) -> Result<Self, String> {
        let shown = |error: StateError| error.to_string();
        match options {
            StateOptions::File(options) => {
                let state = EmbeddedState::open(&options.path, options.clone_window);
                state
                    .map(|state| Self::File(Box::new(state)))
                    .map_err(shown)
            }
            StateOptions::Shared(shared) => {
                let state = shared.look_into().map_err(shown)?;
                state
                    .map(Self::Shared)
                    .ok_or_else(|| "the shared state does not exist yet".to_owned())
            }
        }
    }

    /// Accepts the current counts.
    ///
    /// A shared state is unchanged, because other hosts use it: this host's log and its marks accept it.
    fn accept(
        &self,
        record: impl Fn(&Kept) -> Result<(), String>,
        has_log: bool,
    ) -> Result<Kept, String> {
        match self {
            Self::File(state) => {
                let accepted = state.accept(|mark| record(&Kept::of_state(mark.clone())));
                accepted
                    .map(Kept::of_state)
                    .map_err(|error| error.to_string())
            }
            Self::Shared(_) if !has_log => Err(
                "no log remembers the shared state, so there is nothing to accept: start the host"
                    .to_owned(),
            ),
            Self::Shared(state) => {
                let mark = state.mark().ok_or("the shared state has no mark")?;
                let kept = Kept::of_state(mark);
                record(&kept).map(|()| kept)
            }
        }
    }
}

/// Accepts the current state or list that the configuration in `file` names.
///
/// A host that starts afterwards relies on it. The acceptance is recorded in the log, if there is one. No
/// host may run at the same time.
///
/// # Errors
///
/// [`ConfigError`] if the state or list is not configured or still unusable, or if the acceptance cannot
/// be recorded.
pub fn accept(file: &Path, what: Accepts, by: &str, reason: &str) -> Result<Accepted, ConfigError> {
    let failed = |message: String| ConfigError(vec![Problem::of_file(file, message)]);
    let text = std::fs::read_to_string(file)
        .map_err(|error| failed(format!("cannot be read: {}", unread(&error))))?;
    let source = Source::new(file, &text);
    let folder = file.parent().unwrap_or(Path::new(""));
    let read = || {
        let table = document::parse(&source, &text)?;
        let mut root = Section::new(&source, table.get_ref(), FILE);
        let state = all(stored::state(&mut root, folder))?;
        let log = all(root
            .section("log")
            .map(|section| keeping::log(section, folder)))?;
        let list = match what {
            Accepts::State => None,
            Accepts::List => all(root
                .section("revocation")
                .map(|section| checks::revocations(section, folder)))?,
        };
        Some((state, log, list))
    };
    let Some((state, log, list)) = read() else {
        return Err(ConfigError(source.into_problems()));
    };
    let log = match log {
        None => None,
        Some(options) => {
            Some(DecisionLog::open(options).map_err(|error| failed(error.to_string()))?)
        }
    };
    // Opened even if only the list is accepted: the state records how far the list has advanced.
    let state = match state {
        None => None,
        Some(options) => Some(Opened::open(options).map_err(failed)?),
    };
    // Verify that the marks can be written before anything takes effect.
    let beside_log = match &log {
        None => None,
        Some(log) => {
            let marks = marks_of(log.path(), true);
            marks.can_be_written().map_err(failed)?;
            Some(marks)
        }
    };
    let accepted = |kept: &Kept| Accepted {
        by: by.to_owned(),
        reason: reason.to_owned(),
        state: kept.state.clone(),
        list: kept.list.clone(),
    };
    // An acceptance that cannot be logged does not take effect.
    let record = |kept: &Kept| match &log {
        None => Ok(()),
        Some(log) => log
            .record_accepted(&accepted(kept), Timestamp::now())
            .map_err(|error| error.to_string()),
    };
    let kept = match what {
        Accepts::State => {
            let state = state.ok_or_else(|| failed("it has no `[state]`, so there is none to accept: add it, or name another configuration with `--config`".to_owned()))?;
            state.accept(record, log.is_some()).map_err(failed)?
        }
        Accepts::List => {
            let (list, _) = list.ok_or_else(|| failed("it has no `[revocation]`, so there is no list to accept: add it, or name another configuration with `--config`".to_owned()))?;
            if let Some(error) = list.unreliable() {
                return Err(failed(error.to_string()));
            }
            let mark = list.mark_or_beginning();
            let kept = Kept::of_list(mark.clone());
            match &state {
                Some(Opened::File(state)) => state
                    .accept_list(&mark, || record(&kept))
                    .map_err(|error| failed(error.to_string()))?,
                _ if log.is_none() => {
                    let beside_list = Marks::to_accept(list.file()).map_err(failed)?;
                    beside_list.accept(&kept).map_err(failed)?;
                }
                _ => record(&kept).map_err(failed)?,
            }
            kept
        }
    };
    if let Some(marks) = beside_log {
        marks.accept(&kept).map_err(failed)?;
    }
    Ok(accepted(&kept))
}
