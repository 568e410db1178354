//! Spellings that lenient readers take for one.

use super::NFKC;
use crate::text::is_invisible;
use std::borrow::Cow;

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
    let visible: String = upto_nul.chars().filter(|c| !is_invisible(*c)).collect();
    let seen = NFKC.normalize(&visible);
    Cow::Owned(fold(seen.trim()).into_owned())
}
