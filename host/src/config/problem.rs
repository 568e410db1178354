//! What is wrong with a configuration, and where.

use portcullis_contract::{printable, withheld};
use std::fmt;
use std::path::{Path, PathBuf};

/// What is said of a line with such text. The text itself is never echoed.
pub(crate) const LOOKS_LIKE_A_SECRET: &str =
    "this line has text that looks like a secret: if it is one, revoke it, and take it out";

/// One thing that is wrong with a configuration. As text: file, line, column and message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Whether it keeps the configuration from being used.
    pub severity: Severity,
    /// The file.
    pub file: PathBuf,
    /// The line, from 1; 0 if it is the file as a whole.
    pub line: usize,
    /// The column in characters, from 1; 0 if it is the file as a whole.
    pub column: usize,
    /// What is wrong and what to do.
    pub message: String,
}

impl Problem {
    /// An error that is of the file as a whole.
    pub(crate) fn of_file(file: &Path, message: String) -> Self {
        Self {
            severity: Severity::Error,
            file: file.to_owned(),
            line: 0,
            column: 0,
            message: printable(&withheld(&message)),
        }
    }

    /// That the file as a whole does not count.
    pub(crate) fn refused(file: &Path, message: String) -> Self {
        Self {
            severity: Severity::Refused,
            ..Self::of_file(file, message)
        }
    }

    /// A warning that is of the file as a whole.
    pub(crate) fn warning(file: &Path, message: String) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::of_file(file, message)
        }
    }
}

/// Whether a [`Problem`] keeps a configuration from being used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It does not.
    Warning,
    /// It does not, but what it is about does not count, or not in full, until it is put right.
    Refused,
    /// It does.
    Error,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Another file may have named it.
        let file = self.file.display().to_string();
        write!(f, "{}:", printable(&withheld(&file)))?;
        if self.line > 0 {
            write!(f, "{}:{}:", self.line, self.column)?;
        }
        let kind = match self.severity {
            Severity::Warning => "warning",
            Severity::Refused => "refused",
            Severity::Error => "error",
        };
        write!(f, " {kind}: {}", self.message)
    }
}

/// A configuration that cannot be used, with everything that is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct ConfigError(pub Vec<Problem>);
