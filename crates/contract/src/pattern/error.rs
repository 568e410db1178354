//! Errors of patterns.

use crate::name::NameError;

/// Reason why a text is not a valid pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternError {
    /// The pattern is empty.
    #[error("a pattern cannot be empty: write `**` for everything")]
    Empty,
    /// `**` is part of a longer segment.
    #[error("in pattern `{0}`, `**` must be a whole segment, as in `acme/**`")]
    DeepInSegment(String),
    /// The pattern is written in another language.
    #[error("pattern `{pattern}` has {syntax}: {instead}")]
    Foreign {
        /// The pattern.
        pattern: String,
        /// The part that belongs to another language.
        syntax: &'static str,
        /// The text to write instead.
        instead: &'static str,
    },
    /// The wildcard pattern matches no name.
    ///
    /// Its literal text makes every such name ambiguous, and wildcards match no ambiguous name.
    #[error("pattern `{pattern}` matches no name: {why}")]
    MatchesNothing {
        /// The pattern.
        pattern: String,
        /// Reason why a name of that form matches no wildcard.
        why: NameError,
    },
    /// The pattern denies one name, and that name is ambiguous.
    #[error("the denial `{pattern}` matches no name in requests: {why}")]
    DeniesNothing {
        /// The pattern.
        pattern: String,
        /// Reason why the name is ambiguous.
        why: NameError,
    },
    /// The pattern is over actions and contains text that no action name contains.
    #[error("pattern `{pattern}` matches no action: {why}")]
    NoAction {
        /// The pattern.
        pattern: String,
        /// Reason why no action has such a name.
        why: NameError,
    },
}
