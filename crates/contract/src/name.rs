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

use crate::text::is_invisible;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use unicode_normalization::{IsNormalized, UnicodeNormalization as _, is_nfkc_quick};

/// Maximum length of an id in bytes.
pub const MAX_ID_BYTES: usize = 2048;

/// Maximum length of an action name in characters, as in MCP.
pub const MAX_ACTION_LENGTH: usize = 128;

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

/// Decodes percent-encodings of ASCII characters once. All other text is unchanged.
fn decoded_where_possible(text: &str) -> String {
    let mut parts = text.split('%');
    let mut decoded = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match encoded_byte(part).filter(u8::is_ascii) {
            Some(code) => {
                decoded.push(char::from(code));
                decoded.push_str(part.get(2..).unwrap_or_default());
            }
            None => {
                decoded.push('%');
                decoded.push_str(part);
            }
        }
    }
    decoded
}

const SPIFFE: &str = "spiffe:";

/// Folds the case of each letter, as readers that ignore case do.
///
/// Each letter becomes one letter (Unicode simple case folding, as in Go's encoding/json).
///
/// ```
/// use portcullis_contract::name::fold;
/// assert_eq!(fold("PATH"), fold("path"));
/// assert_eq!(fold("\u{212a}ey"), "key"); // the sign for kelvin
/// ```
pub fn fold(text: &str) -> Cow<'_, str> {
    match text
        .bytes()
        .any(|b| b.is_ascii_uppercase() || !b.is_ascii())
    {
        true => Cow::Owned(text.chars().map(fold_char).collect()),
        false => Cow::Borrowed(text),
    }
}

fn fold_char(c: char) -> char {
    /// Returns the single character in `mapped`, or `c` if there are several.
    fn single(c: char, mut mapped: impl ExactSizeIterator<Item = char>) -> char {
        match mapped.len() {
            1 => mapped.next().unwrap_or(c),
            _ => c,
        }
    }
    let upper = single(c, c.to_uppercase());
    single(upper, upper.to_lowercase())
}

/// Returns `key` as the most lenient JSON reader compares it.
///
/// The form ends at the first NUL, has no control and invisible characters, no white space at its ends, is in
/// the compatibility form (NFKC), and is case-folded. If two keys have the same form, some reader takes them
/// for one.
///
/// ```
/// use portcullis_contract::name::alike_key;
/// assert_eq!(alike_key("Path\u{200b} "), "path");
/// assert_ne!(alike_key("path"), alike_key("paths"));
/// ```
pub fn alike_key(key: &str) -> Cow<'_, str> {
    if key.is_ascii() && !key.bytes().any(|byte| byte.is_ascii_control()) {
        return fold(key.trim());
    }
    let upto_nul = key.split('\0').next().unwrap_or_default();
    let seen: String = upto_nul
        .chars()
        .filter(|c| !is_invisible(*c))
        .nfkc()
        .collect();
    Cow::Owned(fold(seen.trim()).into_owned())
}

/// Comparison rules for the names of an integration.
///
/// The destination decides which spellings are one name. By default, allowances compare names exactly, and
/// denials ignore case.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Naming {
    /// Significance of case. Undeclared by default.
    pub case: Option<Case>,
    /// A suffix that names may have or not, such as `.git`. None by default.
    pub drop_suffix: Option<String>,
}

/// Significance of letter case in a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Case {
    /// Case is significant, in denials too.
    Exact,
    /// `A` to `Z` equal `a` to `z`.
    Insensitive,
}

impl Naming {
    /// Returns `name` in the canonical spelling of the integration.
    ///
    /// ```
    /// use portcullis_contract::name::{Case, Naming};
    /// let naming = Naming { case: Some(Case::Insensitive), drop_suffix: Some(".git".into()) };
    /// assert_eq!(naming.canonical("Acme/Payroll.git"), "acme/payroll");
    /// ```
    pub fn canonical<'a>(&self, name: &'a str) -> Cow<'a, str> {
        let insensitive = self.case == Some(Case::Insensitive);
        let mut name = match insensitive && name.bytes().any(|b| b.is_ascii_uppercase()) {
            true => Cow::Owned(name.to_ascii_lowercase()),
            false => Cow::Borrowed(name),
        };
        let Some(suffix) = self.drop_suffix.as_deref().filter(|it| !it.is_empty()) else {
            return name;
        };
        let suffix = match insensitive {
            true => Cow::Owned(suffix.to_ascii_lowercase()),
            false => Cow::Borrowed(suffix),
        };
        // The loop removes repeated suffixes, so that `canonical` is idempotent.
        while let Some(end) = name.strip_suffix(&*suffix).map(str::len) {
            name = match name {
                Cow::Borrowed(text) => Cow::Borrowed(text.get(..end).unwrap_or_default()),
                Cow::Owned(mut text) => {
                    text.truncate(end);
                    Cow::Owned(text)
                }
            };
        }
        name
    }

    /// True if `text` is a valid suffix to drop from names.
    ///
    /// A valid suffix is a dot, hyphen, underscore or colon followed by words of ASCII letters and digits, as
    /// in `.git` and `.tar.gz`.
    pub fn is_suffix(text: &str) -> bool {
        text.strip_prefix(['.', '-', '_', ':']).is_some_and(|rest| {
            rest.split(['.', '-', '_', ':']).all(|word| {
                !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric())
            })
        })
    }

    /// True if nothing is declared.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

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
    // The quick check returns `Maybe` if a character may combine with the one before it.
    if is_nfkc_quick(text.chars()) == IsNormalized::Yes || text.nfkc().eq(text.chars()) {
        return Ok(());
    }
    let is_odd = |c: &char| is_nfkc_quick(std::iter::once(*c)) != IsNormalized::Yes;
    let odd = text.chars().find(is_odd);
    let first = || text.chars().find(|c| !c.is_ascii());
    Err(NameError::NotNormalised(
        odd.or_else(first).map_or(0, u32::from),
    ))
}

/// Decodes the two hexadecimal digits after a `%`. `text` begins after the `%`.
fn encoded_byte(text: &str) -> Option<u8> {
    let digits = text.get(..2)?;
    let are_digits = digits.bytes().all(|b| b.is_ascii_hexdigit());
    u8::from_str_radix(digits, 16).ok().filter(|_| are_digits)
}

/// Decodes percent-encodings once.
fn decoded(text: &str) -> Result<Cow<'_, str>, NameError> {
    if !text.contains('%') {
        return Ok(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut parts = text.split('%');
    bytes.extend(parts.next().unwrap_or_default().bytes());
    for part in parts {
        match encoded_byte(part) {
            None => return Err(NameError::Encoding("no character")),
            Some(b'/') => return Err(NameError::Encoding("`/`")),
            Some(b'.') => return Err(NameError::Encoding("`.`")),
            Some(code) => bytes.push(code),
        }
        bytes.extend(part.bytes().skip(2));
    }
    let text = String::from_utf8(bytes).map_err(|_| NameError::Encoding("no UTF-8"))?;
    Ok(Cow::Owned(text))
}

/// Checks the query or fragment of a URL, which must be one line.
///
/// Readers that resolve the place ignore the text after `?` or `#`.
fn check_query(query: &str) -> Result<(), NameError> {
    match query.chars().find(|c| c.is_control() || is_invisible(*c)) {
        Some(hidden) => Err(NameError::Invisible(hidden.into())),
        None if query.contains('\\') => Err(NameError::Delimiter(
            '\\',
            "which some readers take for `/`: write `/`",
        )),
        None if query.contains(char::is_whitespace) => Err(NameError::WhiteSpace),
        None => Ok(()),
    }
}

fn check_authority(authority: &str) -> Result<(), NameError> {
    if authority.contains('@') {
        return Err(NameError::Authority("a user"));
    }
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => {
            let canonical = port.parse::<u16>().is_ok_and(|it| it.to_string() == port);
            if !canonical {
                return Err(NameError::Authority("a port that is no number"));
            }
            host
        }
        _ => authority,
    };
    if host.starts_with('[') {
        let inner = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
        let address = inner.and_then(|it| it.parse::<std::net::Ipv6Addr>().ok());
        return match address.is_some_and(|it| Some(&*it.to_string()) == inner) {
            true => Ok(()),
            false => Err(NameError::Authority(
                "an address in another spelling than its own",
            )),
        };
    }
    let allowed =
        |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.' | b'_');
    if !host.bytes().all(allowed) {
        return Err(NameError::Authority(
            "another character than `a` to `z`, `0` to `9`, `-` and `.`",
        ));
    }
    if host.split('.').any(str::is_empty) {
        return Err(NameError::Authority("an empty label"));
    }
    // Readers take a host that ends with a number for an IP address, in octal and hexadecimal too.
    let last = host.rsplit('.').next().unwrap_or_default();
    let hexadecimal = last.strip_prefix("0x");
    let is_number = last.bytes().all(|b| b.is_ascii_digit())
        || hexadecimal.is_some_and(|it| it.bytes().all(|b| b.is_ascii_hexdigit()));
    match is_number && host.parse::<std::net::Ipv4Addr>().is_err() {
        true => Err(NameError::Authority(
            "an address in another spelling than its own",
        )),
        false => Ok(()),
    }
}

/// True if the text can be the scheme of a URL.
pub(crate) fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
}

fn shown(c: char) -> String {
    match c {
        ' ' => "a space".to_owned(),
        '!'..='~' => format!("`{c}`"),
        other => format!("the character U+{:04X}", u32::from(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_that_has_one_reading_passes() {
        for name in [
            "acme/billing",
            "acme/.github",
            "acme/My report, final (2).pdf",
            "arn:aws:s3:::bucket/key",
            "@scope/package",
            "café/größe",
            "বাংলা/文書",
            "a",
            "acme/v1.2",
            "acme/a+b=c&d",
            "registry:5000/image:tag",
            "/v1/users",
            "acme/payroll@sha256:abc",
            "acme/...x:y",
            "acme/p\u{e1}\u{327}yroll",
        ] {
            assert_eq!(check_resource(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn a_resource_that_has_two_readings_is_refused() {
        for name in [
            "",
            "/",
            "acme//x",
            "//acme",
            "acme/",
            "acme/.",
            "acme/..",
            "../acme",
            "acme/%2e%2e",
            "acme/..%2fother%2frepo",
            "acme/..\\other",
            "acme/..?x=",
            "acme/..#",
            "acme/..;x",
            "acme/payroll%20",
            "acme/p%61yroll",
            "acme/payroll?x",
            "acme/payroll\0",
            "acme/payroll ",
            " acme/payroll",
            "acme/payroll.",
            "acme./payroll",
            "acme/payroll\n",
            "acme/pay\u{200b}roll",
            "acme/pay\u{ad}roll",
            "acme\u{ff0f}payroll",
            "acme/\u{ff0e}\u{ff0e}",
            "acme/\u{2025}",
            "acme/\u{ff50}ayroll",
            "acme/payroll\u{a0}",
            "acme/cafe\u{301}",
            "acme/*",
            "acme/\u{9b}x",
            "acme/\u{2100}x",
            "acme/\u{fe0f}x",
            "acme/\u{2fa1d}",
            // White space that NFKC does not change.
            "acme/payroll\u{1680}",
            "secrets\u{1680}/key",
            "\u{1680}acme",
            "acme/pay\u{2028}roll",
            // Equal to the text with U+00E1 U+0327.
            "acme/pa\u{327}\u{301}yroll",
            "acme/pa\u{301}\u{327}yroll",
            "acme/o\u{328}\u{304}",
            "acme/a\u{323}\u{302}",
            // Cut at a `:` or an `@`, these leave a segment that some readers resolve.
            "acme/..:x",
            "acme/..::$DATA",
            "acme/.:x/y",
            "acme/..@x",
            "acme/.. :x",
        ] {
            assert!(check_resource(name).is_err(), "{name:?}");
        }
        assert!(check_resource(&"x".repeat(MAX_ID_BYTES)).is_ok());
        assert!(check_resource(&"x".repeat(MAX_ID_BYTES + 1)).is_err());
    }

    #[test]
    fn a_path_is_decoded_once() {
        for path in [
            "/v1/a%20b",
            "/v1/caf%C3%A9",
            "workspace/.env",
            "https://api.example/v1/x?next=/../y#z",
            "https://api.example:8443/v1",
            "https://api.example",
            "http://[::1]/x",
            "http://10.0.0.1/x",
            "/v1/x:cancel",
        ] {
            assert_eq!(check_path(path), Ok(()), "{path}");
        }
        for path in [
            "",
            "//x",
            "/a/../b",
            "/a/%2e%2e/b",
            "/a%2Fb",
            "/a%5cb",
            "/v1/..%20/admin",
            "/v1/..%3f",
            "/v1/a%3fb",
            "/v1/a%23b",
            "/v1/a%253fb",
            "/v1/admin./users",
            "/v1/admin%20/users",
            "/v1/%ff",
            "/v1/%C3",
            "/v1/%",
            "/v1/%4",
            "/v1/%+1",
            "/v1/a?b",
            "/v1/a#b",
            "/v1/a;b",
            "/v1/a%00",
            "/v1/%C2%85",
            "/v1/%E2%80%AE",
            "/v1/%EF%BC%8F",
            "/v1/\u{ff0e}\u{ff0e}/admin",
            "/v1/*",
            "https://user@api.example/v1",
            "https://API.example/v1",
            "https://api.example./v1",
            "https:///v1",
            "https://api.example:/v1",
            "https://api.example:080/v1",
            "http://0x7f.1/x",
            "http://127.1/x",
            "http://2130706433/x",
            "http://010.0.0.1/x",
            "http://[0:0::1]/x",
            "https://api.example/v1?\\x",
            "https://api.example%2f@x/",
        ] {
            assert!(check_path(path).is_err(), "{path:?}");
        }
    }

    #[test]
    fn an_action_is_of_a_closed_set() {
        for name in ["delete_repo", "issues.create", "files/read", "GET", "a"] {
            assert_eq!(check_action(name), Ok(()), "{name}");
        }
        for name in [
            " delete_repo",
            "delete_repo ",
            "",
            "delete\u{200b}_repo",
            "d\u{435}lete",
            "a:b",
            "a b",
            "a\n",
            "a*",
        ] {
            assert!(check_action(name).is_err(), "{name:?}");
        }
        assert!(check_action(&"x".repeat(128)).is_ok() && check_action(&"x".repeat(129)).is_err());
    }

    #[test]
    fn an_identifier_has_one_spelling() {
        for id in [
            "spiffe://acme.example/agent/fixer",
            "alice@example.com",
            "CiRmZDA2MTRkMy1jMzlhLTQ3ODE=",
            "01:02:ab",
            "user:alice",
            "spiffe-csi-driver-x7k2",
            "spiffe@acme.example",
            "100%",
            "//8AAECAwQ=",
            "https://id.acme.example/a%2Fb",
        ] {
            assert_eq!(check_identifier(id), Ok(()), "{id}");
        }
        for id in [
            "",
            " spiffe://acme.example/agent/fixer",
            "spiffe://acme.example/agent/fixer ",
            "kid ",
            "a b",
            "a\tb",
            "a\u{a0}b",
            "\u{feff}spiffe://a/b",
            "SPIFFE://acme.example/x",
            "x-spiffe://acme.example/x",
            "\u{17f}piffe://acme.example/x",
            "spiffe:spiffe://a/b",
            "spiffe%3A//acme.example/x",
            "spiffe%3a%2F%2facme.example/x",
            "%73piffe://acme.example/x",
            "%2573piffe://acme.example/x",
            "spiffe//acme.example/x",
            "spiffe;//acme.example/x",
            "Spiffe/acme.example/x",
            "fixer\u{200d}",
            "fixer\u{7f}",
            "\u{ff46}ixer",
            "fi\u{301}xer\u{202e}",
            "pa\u{327}\u{301}yroll",
            "fixer\u{1680}",
            "*",
            "svc*1",
            "a*b@c",
        ] {
            assert!(check_identifier(id).is_err(), "{id:?}");
        }
    }

    #[test]
    fn folding_is_that_of_readers_that_ignore_case() {
        for (one, other) in [
            ("Path", "pATH"),
            ("\u{212a}ind", "kind"),
            ("\u{17f}ubject", "subject"),
            ("STRASSE", "strasse"),
            ("ΣΊΣΥΦΟΣ", "σίσυφος"),
            ("\u{1e9e}", "ß"),
            ("É", "é"),
        ] {
            assert_eq!(fold(one), fold(other), "{one} {other}");
        }
        for (one, other) in [("straße", "strasse"), ("a_b", "a-b"), ("path", "pathe")] {
            assert_ne!(fold(one), fold(other), "{one} {other}");
        }
    }

    #[test]
    fn keys_that_a_careless_reader_takes_for_one_are_alike() {
        for key in [
            "path",
            "Path",
            "PATH",
            "path ",
            " path",
            "path\u{200b}",
            "\u{ff50}ath",
            "path\0x",
            "path\n",
            "path\u{1680}",
            "path\u{a0}",
            "\u{3000}path",
        ] {
            assert_eq!(alike_key(key), "path", "{key:?}");
        }
        for key in ["paths", "pa th", "p\u{e1}th", "", "_path"] {
            assert_ne!(alike_key(key), "path", "{key:?}");
        }
    }

    #[test]
    fn a_suffix_that_is_dropped_is_one_that_people_see() {
        for suffix in [".git", "-v1", "_old", ":latest", ".tar.gz", ".GIT"] {
            assert!(Naming::is_suffix(suffix), "{suffix}");
        }
        for suffix in [
            "", "*", "l", "git", ".", "$", ".git ", " .git", "\u{200b}", "[.]git", ".git/", "/",
            ".g*", "..git", ".größe",
        ] {
            assert!(!Naming::is_suffix(suffix), "{suffix:?}");
        }
    }

    #[test]
    fn what_is_canonical_stays_as_it_is() {
        let naming = Naming {
            case: Some(Case::Insensitive),
            drop_suffix: Some(".Git".into()),
        };
        for (name, canonical) in [
            ("acme/Payroll.GIT", "acme/payroll"),
            ("acme/payroll.git.git", "acme/payroll"),
            ("acme/payroll", "acme/payroll"),
            ("acme/.git", "acme/"),
            ("ÉCOLE/x", "École/x"),
        ] {
            let found = naming.canonical(name);
            assert_eq!(found, canonical, "{name}");
            assert_eq!(naming.canonical(&found), found);
        }
        assert_eq!(Naming::default().canonical("A.git"), "A.git");
    }
}
