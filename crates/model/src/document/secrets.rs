//! Search for lines that contain text which looks like a secret.

use crate::secret::looks_like_a_token;

/// Returns the 1-based numbers of lines with text that looks like a token.
pub fn lines_with_tokens(text: &str) -> impl Iterator<Item = usize> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| looks_like_a_token(line))
        .map(|(index, _)| index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_in_its_line() {
        let text = "a\nkey ghp_abcdefghijklmnop1234\nb";
        assert_eq!(lines_with_tokens(text).collect::<Vec<_>>(), [2]);
    }
}
