//! Failures of the calls to the server, and of what they change.

use portcullis_model::timestamp::Timestamp;
use portcullis_trust::state::{SpendError, StateError};
use std::fmt;
use std::path::Path;

/// Reason why the server did not do what it was asked to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The server refused the request, or did not get it: nothing changed.
    Refused(String),
    /// The server got the request perhaps: its effect is unknown.
    Unknown(String),
}

impl Fault {
    pub(crate) fn refused(why: impl fmt::Display) -> Self {
        Self::Refused(why.to_string())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(why) | Self::Unknown(why) => f.write_str(why),
        }
    }
}

/// Reason why the state cannot be read or changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The server does not answer, or refuses.
    Server(Fault),
    /// The state lacks earlier counts.
    Lacks(String),
    /// The use ended before counts that the server may have deleted.
    Forgotten {
        key: String,
        until: Timestamp,
        forgotten: Timestamp,
    },
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Server(fault)
    }
}

impl Failure {
    pub(crate) fn refused(why: impl fmt::Display) -> Self {
        Self::Server(Fault::refused(why))
    }

    /// The error of the state in `place`.
    pub(crate) fn at(self, place: &Path) -> StateError {
        let file = place.to_owned();
        match self {
            Self::Server(fault) => StateError::Store {
                file,
                message: fault.to_string(),
            },
            Self::Lacks(message) => StateError::Lacks { file, message },
            Self::Forgotten {
                key,
                until,
                forgotten,
            } => StateError::Forgotten {
                key,
                until,
                forgotten,
            },
        }
    }
}

/// Reason why nothing was spent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NotSpent {
    UsedUp(String),
    Failed(Failure),
}

impl From<Failure> for NotSpent {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl NotSpent {
    /// The error of the state in `place`.
    pub(crate) fn at(self, place: &Path) -> SpendError {
        match self {
            Self::UsedUp(key) => SpendError::UsedUp(key),
            Self::Failed(failure) => SpendError::State(failure.at(place)),
        }
    }
}
