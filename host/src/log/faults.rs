//! Errors of a log that cannot be written, or is not in its place.

use super::LogError;
use super::files::RESTORE;
use portcullis_model::file_error::unwritten;
use std::io;
use std::path::Path;

pub(super) fn failed(path: &Path, error: &io::Error) -> LogError {
    LogError::Write {
        file: path.to_owned(),
        message: match error.kind() {
            io::ErrorKind::NotFound
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::PermissionDenied => unwritten(error),
            // The caller knows what the failure means for the decision.
            _ => error.to_string(),
        },
    }
}

pub(super) fn not_a_log(path: &Path, message: impl Into<String>) -> LogError {
    LogError::NotALog {
        file: path.to_owned(),
        message: message.into(),
    }
}

/// Error for a log whose end differs from the recorded end.
pub(super) fn changed(path: &Path, message: impl std::fmt::Display) -> LogError {
    not_a_log(path, format!("{message}: {RESTORE}"))
}

pub(super) fn moved(file: &Path, message: String) -> LogError {
    LogError::NotInPlace {
        file: file.to_owned(),
        message,
    }
}
