//! Text that looks like a secret, where none belongs.

/// The 1-based numbers of the lines that have text which looks like a token.
pub(crate) fn lines_with_tokens(text: &str) -> impl Iterator<Item = usize> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| looks_like_a_token(line))
        .map(|(index, _)| index + 1)
}

/// Whether a word of the text has the form of a well-known kind of secret: a private key, a JWT, a
/// token of a well-known service, or 32 or more hexadecimal digits.
pub fn looks_like_a_token(text: &str) -> bool {
    const PREFIXES: [&str; 12] = [
        "ghp_",
        "gho_",
        "ghs_",
        "github_pat_",
        "glpat-",
        "xoxb-",
        "xoxp-",
        "sk-",
        "sk_live_",
        "AKIA",
        "ASIA",
        "AIza",
    ];
    text.contains("-----BEGIN") && text.contains("PRIVATE KEY")
        || text
            .split(|c: char| c.is_whitespace() || "\"'`,;()=[]{}".contains(c))
            .any(|word| {
                let is_jwt = word.starts_with("eyJ") && word.matches('.').count() == 2;
                let has_prefix =
                    word.len() >= 16 && PREFIXES.iter().any(|prefix| word.starts_with(prefix));
                let is_hex = word.len() >= 32 && word.bytes().all(|b| b.is_ascii_hexdigit());
                is_jwt || has_prefix || is_hex
            })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_told_from_a_text() {
        for token in [
            "key ghp_abcdefghijklmnop1234",
            "AKIAABCDEFGHIJKLMNOP",
            "eyJhbGciOiJub25lIn0.e30.x",
            "(0123456789abcdef0123456789abcdef)",
            "-----BEGIN PRIVATE KEY-----",
            "secret = \"sk_live_0123456789\"",
        ] {
            assert!(looks_like_a_token(token), "{token}");
        }
        for text in [
            "reconcile invoices against bank statements",
            "digest = \"sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"",
            "sk-short",
            "eyJust",
            "team@acme.example",
        ] {
            assert!(!looks_like_a_token(text), "{text}");
        }
        let text = "a\nkey ghp_abcdefghijklmnop1234\nb";
        assert_eq!(lines_with_tokens(text).collect::<Vec<_>>(), [2]);
    }
}
