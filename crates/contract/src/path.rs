//! Comparison of paths and URLs, which have several spellings.

use crate::name;
use std::borrow::Cow;

/// Removes a trailing separator from a path.
pub(crate) fn trim_base(base: &str) -> &str {
    base.strip_suffix('/').unwrap_or(base)
}

/// True if `path` is `base` or lies below it, segment by segment.
pub(crate) fn is_under(path: &str, base: &str) -> bool {
    let base = trim_base(base);
    let path = trim_base(path);
    if path == base {
        return base.is_empty() || is_unambiguous(path);
    }
    path.strip_prefix(base)
        .is_some_and(|below| below.starts_with('/') && is_unambiguous(path))
}

/// True if every reader resolves the path or URL to the same place.
///
/// [`name::check_path`] returns the reason why a path is ambiguous.
///
/// ```
/// use portcullis_contract::is_unambiguous;
/// assert!(is_unambiguous("/repos/acme/billing"));
/// assert!(!is_unambiguous("/repos/acme/%2e%2e/other"));
/// ```
pub fn is_unambiguous(path: &str) -> bool {
    name::check_path(path).is_ok()
}

/// Escapes a key for a JSON Pointer (RFC 6901).
pub fn escape_key(key: &str) -> Cow<'_, str> {
    match key.contains(['~', '/']) {
        false => Cow::Borrowed(key),
        true => Cow::Owned(key.replace('~', "~0").replace('/', "~1")),
    }
}

/// True if the text is a JSON Pointer (RFC 6901).
pub fn is_pointer(text: &str) -> bool {
    let is_escaped = |after: &str| after.starts_with(['0', '1']);
    (text.is_empty() || text.starts_with('/')) && text.split('~').skip(1).all(is_escaped)
}
