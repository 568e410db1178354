//! Errors of reading JSON.

use portcullis_contract::name::NameError;
use portcullis_contract::printable;

/// Reason why a JSON document cannot be read. Every variant names the place.
///
/// The text is one printable line, for every document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The document is too large.
    #[error("the document has {bytes} bytes: at most {limit} are read")]
    TooLarge {
        /// Size of the document in bytes.
        bytes: usize,
        /// Maximum size in bytes.
        limit: usize,
    },
    /// The document is not JSON.
    #[error("line {line}, column {column}: not JSON: {message}")]
    Syntax {
        /// Line of the error, from 1.
        line: usize,
        /// Column of the error, from 1.
        column: usize,
        /// Message of the parser.
        message: String,
    },
    /// The document is nested too deep.
    #[error("`{}`: nested more than {limit} deep", printable(at))]
    TooDeep {
        /// JSON Pointer to the value.
        at: String,
        /// Maximum nesting depth.
        limit: usize,
    },
    /// An object has a duplicate key.
    #[error(
        "`{}`: the key is there twice, and readers disagree on which one counts",
        printable(at)
    )]
    DuplicateKey {
        /// JSON Pointer to the key.
        at: String,
    },
    /// An object has two keys that some readers do not distinguish.
    #[error(
        "`{}`: a reader that ignores case, width or invisible characters takes this key for `{}`, which is there too: send one of them",
        printable(at),
        printable(other)
    )]
    AlikeKeys {
        /// JSON Pointer to the second key.
        at: String,
        /// The first key.
        other: String,
    },
    /// Readers round a number differently.
    #[error(
        "`{}`: {} is beyond 2^53, or has more digits than a double, and readers round it differently: send it as text",
        printable(at),
        printable(number)
    )]
    Number {
        /// JSON Pointer to the number.
        at: String,
        /// The number.
        number: String,
    },
    /// A required member is missing.
    #[error("`{}`: missing: {expected} is needed", printable(at))]
    Missing {
        /// JSON Pointer to the missing member.
        at: String,
        /// Expected type or value.
        expected: String,
    },
    /// A member has an unexpected type or value.
    #[error(
        "`{}`: expected {}, found {}",
        printable(at),
        printable(expected),
        printable(found)
    )]
    Unexpected {
        /// JSON Pointer to the member.
        at: String,
        /// Expected type or value.
        expected: String,
        /// Actual type or value.
        found: String,
    },
    /// A member is unknown in this format.
    #[error(
        "`{}`: there is no such member: {}",
        printable(at),
        printable(expected)
    )]
    Unknown {
        /// JSON Pointer to the member.
        at: String,
        /// Known members, or the right place of the member.
        expected: String,
    },
    /// A name or an id is ambiguous.
    #[error("`{}`: {why}", printable(at))]
    Name {
        /// JSON Pointer to the name.
        at: String,
        /// Defect of the name, and the text to write instead.
        why: NameError,
    },
    /// The standard defines the member, but this endpoint does not support it.
    #[error("`{}`: {why}", printable(at))]
    NotHere {
        /// JSON Pointer to the member.
        at: String,
        /// Reason, and the alternative.
        why: &'static str,
    },
}
