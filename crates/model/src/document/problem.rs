//! Problems of a configuration, with their places.

use portcullis_contract::{one_line, printable};

use crate::secret::withheld;
use std::fmt;
use std::path::{Path, PathBuf};

/// Message for a line with text that looks like a secret. The text itself is never echoed.
pub const LOOKS_LIKE_A_SECRET: &str =
    "this line has text that looks like a secret: if it is one, revoke it, and take it out";

/// One problem of a configuration. As text: file, line, column and message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Effect of the problem on the configuration.
    pub severity: Severity,
    /// Path of the file.
    pub file: PathBuf,
    /// Line, from 1; 0 for the file as a whole.
    pub line: usize,
    /// Column in characters, from 1; 0 for the file as a whole.
    pub column: usize,
    /// The problem and its fix.
    pub message: String,
}

impl Problem {
    /// Creates an error for the file as a whole.
    pub fn of_file(file: &Path, message: String) -> Self {
        Self {
            severity: Severity::Error,
            file: file.to_owned(),
            line: 0,
            column: 0,
            message: printable(&withheld(&one_line(&message))),
        }
    }

    /// Creates a problem for a file that is refused as a whole.
    pub fn refused(file: &Path, message: String) -> Self {
        Self {
            severity: Severity::Refused,
            ..Self::of_file(file, message)
        }
    }

    /// Creates a warning for the file as a whole.
    pub fn warning(file: &Path, message: String) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::of_file(file, message)
        }
    }
}

/// Effect of a [`Problem`] on the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The configuration is usable.
    Warning,
    /// The configuration is usable without the refused part.
    ///
    /// Until it is fixed, that part has no effect, or a limited one.
    Refused,
    /// The configuration is unusable.
    Error,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Another file may control the path.
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

/// An unusable configuration, with all of its problems.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct ConfigError(pub Vec<Problem>);
