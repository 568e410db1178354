//! An operator accepts a state or a revocation list that is not the one that was known.

use super::problem::{ConfigError, Problem};
use super::reader::{self, FILE, Section, Source};
use super::{all, checks, keeping};
use crate::log::{Accepted, DecisionLog};
use crate::state::{EmbeddedState, Kept, Marks};
use crate::timestamp::Timestamp;
use std::path::Path;

/// What an operator accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepts {
    /// The state as it is: what it lacks is given out again.
    State,
    /// The revocation list as it is: what it lacks is no longer revoked.
    List,
}

/// Accepts what the configuration in `file` names, as it is now: a host that starts afterwards relies on it. It
/// is recorded in the log, if there is one. No host may run meanwhile.
///
/// # Errors
///
/// [`ConfigError`] if it is not configured, cannot be used even so, or cannot be recorded.
pub fn accept(file: &Path, what: Accepts, by: &str, reason: &str) -> Result<Accepted, ConfigError> {
    let failed = |message: String| ConfigError(vec![Problem::of_file(file, message)]);
    let text = std::fs::read_to_string(file)
        .map_err(|error| failed(format!("cannot be read: {error}")))?;
    let source = Source::new(file, &text);
    let folder = file.parent().unwrap_or(Path::new(""));
    let read = || {
        let table = reader::parse(&source, &text)?;
        let mut root = Section::new(&source, table.get_ref(), FILE);
        let state = all(root
            .section("state")
            .map(|section| keeping::state(section, folder)))?;
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
    // Opened even if only the list is accepted: it remembers how far that went.
    let state = match state {
        None => None,
        Some(options) => Some(
            EmbeddedState::open(&options.path, options.clone_window)
                .map_err(|error| failed(error.to_string()))
                .map(|state| (options.path, state))?,
        ),
    };
    let accepted = match what {
        Accepts::State => {
            let (_, state) = state
                .as_ref()
                .ok_or_else(|| failed("it has no `[state]`".to_owned()))?;
            let mark = state.accept().map_err(|error| failed(error.to_string()))?;
            Kept {
                state: Some(mark),
                list: None,
            }
        }
        Accepts::List => {
            let (list, _) = list.ok_or_else(|| failed("it has no `[revocation]`".to_owned()))?;
            if let Some(error) = list.unreliable() {
                return Err(failed(error.to_string()));
            }
            let mark = Kept {
                state: None,
                list: Some(list.mark_or_beginning()),
            };
            if let Some((path, _)) = &state {
                let marks = Marks::beside(path, true).map_err(failed)?;
                marks
                    .accept(&mark)
                    .map_err(|error| failed(error.to_string()))?;
            }
            if log.is_none() && state.is_none() {
                let path = list.file();
                let marks = match Marks::beside(path, true) {
                    Ok(marks) => marks,
                    Err(_) => {
                        Marks::remove(path).map_err(|error| failed(error.to_string()))?;
                        Marks::beside(path, true).map_err(failed)?
                    }
                };
                marks
                    .accept(&mark)
                    .map_err(|error| failed(error.to_string()))?;
            }
            mark
        }
    };
    let recorded = Accepted {
        by: by.to_owned(),
        reason: reason.to_owned(),
        state: accepted.state.clone(),
        list: accepted.list.clone(),
    };
    if let Some(log) = log {
        log.record_accepted(&recorded, Timestamp::now())
            .map_err(|error| failed(error.to_string()))?;
        Marks::of_log(log.path(), true)
            .accept(&accepted)
            .map_err(|error| failed(error.to_string()))?;
    }
    Ok(recorded)
}
