//! Validation of names: accepted names mean the same to every reader.
//!
//! An attacker who can choose a name tries spellings that a check and the destination read differently:
//! `acme/%2e%2e`, `acme/..;x`, a full-width dot. This module alone decides the accepted spellings of a name.
//! Patterns, `under`, plugins, intents, denials, revocation and lookups by id use it.
//!
//! | rule | for |
//! |---|---|
//! | [`check_resource`] | resource ids and other names that are compared with a [`Pattern`](crate::Pattern) |
//! | [`check_path`] | paths and URLs, which may be percent-encoded once |
//! | [`check_action`] | names of actions and tools |
//! | [`check_identifier`] | ids of principals, credentials, intents and instances |

mod error;
mod fold;
mod naming;
mod uri;

use crate::text::is_invisible;
pub use error::NameError;
pub use fold::{alike_key, fold};
use icu_normalizer::{ComposingNormalizer, ComposingNormalizerBorrowed};
pub use naming::{Case, Naming};
use std::borrow::Cow;
pub(crate) use uri::is_scheme;
use uri::{check_authority, check_query, decoded, decoded_where_possible};

/// Unicode's form NFKC. Its tables are a part of each plugin, and each fresh instance copies them, so they are small ones.
const NFKC: ComposingNormalizerBorrowed<'static> = ComposingNormalizer::new_nfkc();

/// Maximum length of an id in bytes.
pub const MAX_ID_BYTES: usize = 2048;

/// Maximum length of an action name in characters, as in MCP.
pub const MAX_ACTION_LENGTH: usize = 128;

/// Refuses a resource id that readers could resolve differently.
///
/// Also for other names made of segments.
///
/// Rules for the name:
///
/// - 1 to 2048 bytes, in Unicode's form NFKC;
/// - no `\`, `%`, `?`, `#`, `;` or `*`, no control or invisible character, no white space except the space;
/// - after an optional leading `/`, no empty, `.` or `..` segment, with or without text after a `:` or an
///   `@`;
/// - no segment that begins or ends with a space or ends with a dot.
///
/// # Errors
///
/// [`NameError`], which states the text to write instead.
///
/// ```
/// use portcullis_contract::name::check_resource;
/// assert!(check_resource("acme/billing").is_ok());
/// assert!(check_resource("acme/%2e%2e").is_err());
/// ```
pub fn check_resource(name: &str) -> Result<(), NameError> {
    check_length(name)?;
    check_segments(name.strip_prefix('/').unwrap_or(name))
}

/// Refuses a path or URL that two readers could resolve differently.
///
/// The path is decoded once. Its decoded segments must meet the rules of [`check_resource`]; the path may be
/// absolute. A URL, with scheme and authority, may have a query and a fragment. Its host is in lower case,
/// without a user.
///
/// # Errors
///
/// [`NameError`], which states the text to write instead.
///
/// ```
/// use portcullis_contract::name::check_path;
/// assert!(check_path("/v1/caf%C3%A9").is_ok());
/// assert!(check_path("/v1/..%20/admin").is_err());
/// ```
pub fn check_path(path: &str) -> Result<(), NameError> {
    if path.is_empty() {
        return Err(NameError::Empty);
    }
    let below = match path.split_once("://") {
        Some((scheme, rest)) if is_scheme(scheme) => {
            let rest = match rest.split_once(['?', '#']) {
                Some((before, query)) => {
                    check_query(query)?;
                    before
                }
                None => rest,
            };
            let (authority, below) = rest.split_once('/').unwrap_or((rest, ""));
            check_authority(authority)?;
            if below.is_empty() {
                return Ok(());
            }
            below
        }
        _ => path.strip_prefix('/').unwrap_or(path),
    };
    check_segments(&decoded(below)?)
}

/// Refuses an invalid name of an action or a tool.
///
/// A valid name is 1 to 128 of `A-Z a-z 0-9 _ - . /`, as in MCP.
///
/// # Errors
///
/// [`NameError`], which states the text to write instead.
pub fn check_action(name: &str) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    let is_allowed = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
    if let Some(other) = name.chars().find(|c| !is_allowed(c)) {
        return Err(NameError::Character {
            found: shown(other),
        });
    }
    match name.len() > MAX_ACTION_LENGTH {
        true => Err(NameError::TooLong {
            length: name.len(),
            limit: MAX_ACTION_LENGTH,
            unit: "characters",
        }),
        false => Ok(()),
    }
}

/// Refuses an ambiguous id.
///
/// For ids of principals, credentials, intents, instances and keys. Readers could confuse such an id with
/// another, or fail to find it in a list. Rules for the id:
///
/// - 1 to 2048 bytes, in Unicode's form NFKC;
/// - no white space, no `*`, no control or invisible character;
/// - `spiffe:`, in any case or percent-encoding, occurs only at the beginning and only in lower case;
/// - no `spiffe` at the beginning before another delimiter, as in `spiffe//`.
///
/// # Errors
///
/// [`NameError`], which states the text to write instead.
pub fn check_identifier(id: &str) -> Result<(), NameError> {
    check_length(id)?;
    if id.chars().any(char::is_whitespace) {
        return Err(NameError::WhiteSpace);
    }
    check_characters(id)?;
    if id.contains('*')
        && let Some(error) = delimiter('*')
    {
        return Err(error);
    }
    match reads_as_spiffe(id.strip_prefix(SPIFFE).unwrap_or(id)) {
        true => Err(NameError::Scheme),
        false => Ok(()),
    }
}

/// True if a reader could find a SPIFFE scheme in `text`.
///
/// Such a reader decodes percent-encodings up to three times, or accepts another delimiter than `:`.
fn reads_as_spiffe(text: &str) -> bool {
    let mut text = fold(text);
    for _ in 0..3 {
        let after = text.strip_prefix("spiffe");
        let is_delimiter = |c: char| matches!(c, ':' | ';' | '/' | '\\' | '%');
        if text.contains(SPIFFE) || after.is_some_and(|after| after.starts_with(is_delimiter)) {
            return true;
        }
        if !text.contains('%') {
            return false;
        }
        text = Cow::Owned(fold(&decoded_where_possible(&text)).into_owned());
    }
    text.contains(SPIFFE)
}

const SPIFFE: &str = "spiffe:";

fn check_length(name: &str) -> Result<(), NameError> {
    match name.len() {
        0 => Err(NameError::Empty),
        length if length > MAX_ID_BYTES => Err(NameError::TooLong {
            length,
            limit: MAX_ID_BYTES,
            unit: "bytes",
        }),
        _ => Ok(()),
    }
}

/// Checks the segments of a decoded name.
fn check_segments(name: &str) -> Result<(), NameError> {
    check_characters(name)?;
    if let Some(found) = name.chars().find_map(delimiter) {
        return Err(found);
    }
    name.split('/').try_for_each(|segment| match segment {
        "" => Err(NameError::EmptySegment),
        "." => Err(NameError::DotSegment(".")),
        ".." => Err(NameError::DotSegment("..")),
        _ if is_dotted_before_a_tag(segment) => Err(NameError::DotSegment("..:")),
        _ if segment.starts_with(' ') => Err(NameError::Edge("begins with a space")),
        _ if segment.ends_with(' ') => Err(NameError::Edge("ends with a space")),
        _ if segment.ends_with('.') => Err(NameError::Edge("ends with a dot")),
        _ => Ok(()),
    })
}

/// Characters before a tag, digest, revision or stream. Some readers cut a name there.
pub(crate) const BEFORE_A_TAG: [char; 2] = [':', '@'];

/// True if only dots and spaces precede the first tag, as in `..:x`.
///
/// Readers that cut a segment there resolve the remaining dots.
fn is_dotted_before_a_tag(segment: &str) -> bool {
    segment.split_once(BEFORE_A_TAG).is_some_and(|(before, _)| {
        !before.is_empty() && before.chars().all(|c| matches!(c, '.' | ' '))
    })
}

fn delimiter(c: char) -> Option<NameError> {
    let why = match c {
        '\\' => "which some readers take for `/`: write `/`",
        '%' => "which some readers decode: write the name as it is after decoding",
        '?' | '#' | ';' => "where some readers end the name: write it without",
        '*' => "which some readers treat as a wildcard: write the full name",
        _ => return None,
    };
    Some(NameError::Delimiter(c, why))
}

/// Refuses characters that are invisible or that normalisation changes.
fn check_characters(text: &str) -> Result<(), NameError> {
    let is_blank = |c: char| c.is_whitespace() && c != ' ';
    if let Some(hidden) = text.chars().find(|c| is_invisible(*c) || is_blank(*c)) {
        return Err(NameError::Invisible(hidden.into()));
    }
    if text.is_ascii() {
        return Ok(());
    }
    let (_, rest) = NFKC.split_normalized(text);
    if rest.is_empty() {
        return Ok(());
    }
    let is_odd = |c: &char| !NFKC.is_normalized(c.encode_utf8(&mut [0; 4]));
    let odd = rest.chars().find(is_odd);
    // No character alone: one that combines with the one before it, or has to precede it.
    let combining = || rest.chars().skip(1).find(|c| !c.is_ascii());
    let found = odd.or_else(combining).map_or(0, u32::from);
    Err(NameError::NotNormalised(found))
}

fn shown(c: char) -> String {
    match c {
        ' ' => "a space".to_owned(),
        '!'..='~' => format!("`{c}`"),
        other => format!("the character U+{:04X}", u32::from(other)),
    }
}

#[cfg(test)]
mod tests;
