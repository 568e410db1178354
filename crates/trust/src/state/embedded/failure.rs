//! Errors of the database.

use crate::state::StateError;
use std::path::Path;

/// Error of the database.
#[derive(Debug)]
pub(super) enum Failure {
    InUse,
    Store(String),
    Damaged(String),
}

impl Failure {
    pub(super) fn of(error: redb::Error) -> Self {
        match error {
            redb::Error::DatabaseAlreadyOpen => Self::InUse,
            // A file that ends too early is damaged; the disk did not fail.
            redb::Error::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                Self::Damaged(error.to_string())
            }
            error @ (redb::Error::Corrupted(_)
            | redb::Error::TableTypeMismatch { .. }
            | redb::Error::TableIsMultimap(_)
            | redb::Error::TableDoesNotExist(_)
            | redb::Error::TypeDefinitionChanged { .. }
            | redb::Error::UpgradeRequired(_)
            | redb::Error::RepairAborted) => Self::Damaged(error.to_string()),
            redb::Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                Self::Damaged(error.to_string())
            }
            other => Self::Store(other.to_string()),
        }
    }

    pub(super) fn at(self, file: &Path) -> StateError {
        let file = file.to_owned();
        match self {
            Self::InUse => StateError::InUse(file),
            Self::Store(message) => StateError::Store { file, message },
            Self::Damaged(message) => StateError::Damaged { file, message },
        }
    }
}

/// Converts the errors of all database operations to [`Failure`].
macro_rules! failures {
    ($($error:ident)*) => {
        $(impl From<redb::$error> for Failure {
            fn from(error: redb::$error) -> Self {
                Self::of(error.into())
            }
        })*
    };
}

failures! { CommitError DatabaseError StorageError TableError TransactionError }
