//! Paths and URLs, which have many spellings.

use std::borrow::Cow;

/// A path without the separator that it may end with.
pub(crate) fn trim_base(base: &str) -> &str {
    base.strip_suffix('/').unwrap_or(base)
}

/// Whether `path` is `base` or lies below it, segment by segment.
pub(crate) fn is_under(path: &str, base: &str) -> bool {
    let base = trim_base(base);
    let path = trim_base(path);
    if path == base {
        return base.is_empty() || is_unambiguous(path);
    }
    path.strip_prefix(base)
        .is_some_and(|below| below.starts_with('/') && is_unambiguous(path))
}

/// Whether nothing that reads the path or URL could take it for another one.
///
/// It has no empty, `.` or `..` segment, none that begins or ends with a space, no backslash, no
/// control character, and no percent-encoding of one of these. What follows `;`, `?` or `#` does
/// not count, since readers cut it off before they resolve dots.
///
/// ```
/// use portcullis_contract::is_unambiguous;
/// assert!(is_unambiguous("/repos/acme/billing"));
/// assert!(!is_unambiguous("/repos/acme/%2e%2e/other"));
/// ```
pub fn is_unambiguous(path: &str) -> bool {
    if path.contains('\\') || path.chars().any(char::is_control) || hides_a_separator(path) {
        return false;
    }
    let path = match path.split_once("://") {
        Some((scheme, rest)) if is_scheme(scheme) => rest,
        _ => path.strip_prefix('/').unwrap_or(path),
    };
    path.split('/').all(|segment| {
        let name = segment.split([';', '?', '#']).next().unwrap_or_default();
        !matches!(name, "" | "." | "..")
            && name.trim_matches(' ') == name
            && segment.trim_matches(' ') == segment
    })
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
}

/// Whether a percent-encoding is cut short, or stands for a dot, a separator, a control character
/// or another percent sign.
fn hides_a_separator(path: &str) -> bool {
    path.split('%').skip(1).any(|after| {
        let code = after
            .get(..2)
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        code.is_none_or(|code| code.is_ascii_control() || b"./\\%;".contains(&code))
    })
}

/// Escapes a key for a JSON Pointer (RFC 6901).
pub fn escape_key(key: &str) -> Cow<'_, str> {
    match key.contains(['~', '/']) {
        false => Cow::Borrowed(key),
        true => Cow::Owned(key.replace('~', "~0").replace('/', "~1")),
    }
}
