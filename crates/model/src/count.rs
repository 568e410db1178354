//! Numbers with their nouns, for messages.

use std::fmt::Display;

/// Returns a number with its noun: `1 identity`, `2 identities`.
///
/// `noun` is in the singular, and its plural is regular.
pub fn counted(number: impl Display + PartialEq + From<u8> + Copy, noun: &str) -> String {
    if number == 1.into() {
        return format!("{number} {noun}");
    }
    match noun.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{number} {stem}ies"),
        _ => format!("{number} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_in_the_singular() {
        for (number, noun, text) in [
            (0, "line", "0 lines"),
            (1, "line", "1 line"),
            (2, "line", "2 lines"),
            (11, "use", "11 uses"),
            (1, "identity", "1 identity"),
            (0, "identity", "0 identities"),
            (21, "entry", "21 entries"),
            (1, "day", "1 day"),
            (3, "day", "3 days"),
        ] {
            assert_eq!(counted(number, noun), text);
            assert_eq!(counted(number as usize, noun), text);
        }
        assert_eq!(counted(u64::MAX, "line"), format!("{} lines", u64::MAX));
    }
}
