//! Errors of reading JSON.

use portcullis_contract::name::NameError;
use portcullis_contract::printable;

/// Reason why a JSON document cannot be read. Every variant names the place.
///
/// The text is one printable line, for every document. An error of the document as a whole has no place.
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
    #[error("{}nested more than {limit} deep", place(at))]
    TooDeep {
        /// JSON Pointer to the value.
        at: String,
        /// Maximum nesting depth.
        limit: usize,
    },
    /// An object has a duplicate key.
    #[error(
        "{}the key is there twice, and readers disagree on which one counts",
        place(at)
    )]
    DuplicateKey {
        /// JSON Pointer to the key.
        at: String,
    },
    /// An object has two keys that some readers do not distinguish.
    #[error(
        "{}a reader that ignores case, width or invisible characters takes this key for `{}`, which is there too: send one of them",
        place(at),
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
        "{}{} is beyond 2^53, or has more digits than a double, and readers round it differently: send it as text",
        place(at),
        printable(number)
    )]
    Number {
        /// JSON Pointer to the number.
        at: String,
        /// The number.
        number: String,
    },
    /// A required member is missing.
    #[error("{}missing: expected {expected}", place(at))]
    Missing {
        /// JSON Pointer to the missing member.
        at: String,
        /// Expected type or value.
        expected: String,
    },
    /// A member has an unexpected type or value.
    #[error(
        "{}expected {}, found {}",
        place(at),
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
    #[error("{}there is no such member: {}", place(at), printable(expected))]
    Unknown {
        /// JSON Pointer to the member.
        at: String,
        /// Known members, or the right place of the member.
        expected: String,
    },
    /// A name or an id is ambiguous.
    #[error("{}{why}", place(at))]
    Name {
        /// JSON Pointer to the name.
        at: String,
        /// Defect of the name, and the text to write instead.
        why: NameError,
    },
    /// The standard defines the member, but this endpoint does not support it.
    #[error("{}{why}", place(at))]
    NotHere {
        /// JSON Pointer to the member.
        at: String,
        /// Reason, and the alternative.
        why: &'static str,
    },
}

/// Returns the beginning of a message about the value at the JSON Pointer `at`.
///
/// It is empty for the document as a whole, whose pointer has no text.
fn place(at: &str) -> String {
    match at {
        "" => String::new(),
        at => format!("`{}`: ", printable(at)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_whole_document_has_no_empty_place() {
        let missing = |at: &str| Error::Missing {
            at: at.to_owned(),
            expected: "an object".to_owned(),
        };
        let unexpected = |at: &str| Error::Unexpected {
            at: at.to_owned(),
            expected: "an object".to_owned(),
            found: "a list".to_owned(),
        };
        let not_here = |at: &str| Error::NotHere {
            at: at.to_owned(),
            why: "state one of them",
        };
        let too_deep = |at: &str| Error::TooDeep {
            at: at.to_owned(),
            limit: 2,
        };
        for (whole, member, text) in [
            (missing(""), missing("/a"), "missing: expected an object"),
            (
                unexpected(""),
                unexpected("/a"),
                "expected an object, found a list",
            ),
            (not_here(""), not_here("/a"), "state one of them"),
            (too_deep(""), too_deep("/a"), "nested more than 2 deep"),
        ] {
            assert_eq!(whole.to_string(), text);
            assert_eq!(member.to_string(), format!("`/a`: {text}"));
        }
        // A member without a name has a place.
        assert_eq!(missing("/").to_string(), "`/`: missing: expected an object");
    }
}
