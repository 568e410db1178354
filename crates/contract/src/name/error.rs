//! Errors of names.

/// Reason why a name is refused or matches no wildcard.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// The name is empty.
    #[error("it is empty")]
    Empty,
    /// The name is too long.
    #[error("it has {length} {unit}, and at most {limit} are allowed")]
    TooLong {
        /// Actual length.
        length: usize,
        /// Maximum length.
        limit: usize,
        /// Unit of the length.
        unit: &'static str,
    },
    /// A segment is empty.
    #[error("it has an empty segment: write it without `//`, and without `/` at its ends")]
    EmptySegment,
    /// A segment is `.` or `..`, also before a `:` or an `@`.
    #[error(
        "it has the segment `{0}`, which some readers resolve: write the name that it leads to"
    )]
    DotSegment(&'static str),
    /// A segment begins or ends with a space, or ends with a dot.
    #[error("a segment of it {0}, which some readers drop: write it without")]
    Edge(&'static str),
    /// The name has a character with a special meaning to some readers.
    #[error("it has `{0}`, {1}")]
    Delimiter(char, &'static str),
    /// A percent-encoding is truncated, hides a separator or is not UTF-8.
    #[error("it has a percent-encoding of {0}: write the path as it is after decoding")]
    Encoding(&'static str),
    /// The name has a control character or an invisible one.
    #[error("it has the character U+{0:04X}, which is invisible: write it without")]
    Invisible(u32),
    /// The name has white space.
    #[error("it has white space: write it without")]
    WhiteSpace,
    /// The name is not in Unicode's form NFKC.
    ///
    /// Readers that normalise read another sequence of characters as the same text.
    #[error(
        "it has the character U+{0:04X}, which other readers replace: write the name in Unicode's form NFKC"
    )]
    NotNormalised(u32),
    /// The name has a character that is invalid in an action name.
    #[error(
        "it has {found}, and a name of an action has only letters, digits, `_`, `-`, `.` and `/`"
    )]
    Character {
        /// The character, in a printable form.
        found: String,
    },
    /// `spiffe:` is in the wrong place or spelling.
    #[error(
        "it has `spiffe:` in another place or spelling than at its beginning: write `spiffe://trust-domain/path`"
    )]
    Scheme,
    /// Readers can read the authority of a URL differently.
    #[error(
        "the authority of the URL has {0}: write the host in lower case, and nothing but a port beside it"
    )]
    Authority(&'static str),
}
