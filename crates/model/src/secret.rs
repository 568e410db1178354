//! Detection of text that looks like a secret.

use std::iter::Peekable;
use std::ops::Range;
use std::str::CharIndices;

/// Text shown instead of a withheld secret.
const WITHHELD: &str = "(withheld: it looks like a token)";

/// Minimum length of a token in bytes.
const SHORTEST: usize = 16;

/// Minimum length of a secret made of hexadecimal digits.
const SHORTEST_HEX: usize = 32;

/// Forms of text treated as secrets.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kinds {
    /// Text in the form of a well-known kind of secret.
    Known,
    /// The well-known kinds, and long runs of hexadecimal digits.
    All,
}

/// True if a word of the text looks like a secret.
///
/// Such a word has the form of a well-known kind of secret (a private key, a JWT, a token of a well-known
/// service), or is 32 or more hexadecimal digits that are neither a digest (`sha256:…`) nor part of a path.
pub fn looks_like_a_token(text: &str) -> bool {
    has_token(text, Kinds::All)
}

/// Like [`looks_like_a_token`], but ignores hexadecimal digits.
///
/// For texts in which hexadecimal digits are as often names as secrets: in a request they identify
/// credentials, commits and traces.
pub fn has_well_known_token(text: &str) -> bool {
    has_token(text, Kinds::Known)
}

/// Replaces each word for which [`looks_like_a_token`] is true.
pub fn withheld(text: &str) -> String {
    withhold(text, Kinds::All)
}

/// Replaces each word for which [`has_well_known_token`] is true. JSON stays valid JSON.
pub fn well_known_withheld(text: &str) -> String {
    withhold(text, Kinds::Known)
}

fn has_token(text: &str, kinds: Kinds) -> bool {
    private_key(text, 0).is_some() || words(text).any(|word| is_token(text, &word, kinds))
}

fn withhold(text: &str, kinds: Kinds) -> String {
    let mut keyless = String::with_capacity(text.len());
    let mut from = 0;
    while let Some(key) = private_key(text, from) {
        keyless.push_str(text.get(from..key.start).unwrap_or_default());
        keyless.push_str(WITHHELD);
        from = key.end;
    }
    keyless.push_str(text.get(from..).unwrap_or_default());

    let mut shown = String::with_capacity(keyless.len());
    let mut from = 0;
    for word in words(&keyless).filter(|word| is_token(&keyless, word, kinds)) {
        shown.push_str(keyless.get(from..word.start).unwrap_or_default());
        shown.push_str(WITHHELD);
        from = word.end;
    }
    shown.push_str(keyless.get(from..).unwrap_or_default());
    shown
}

/// Returns the range of the first PEM private key after `from`.
///
/// The range ends before the next quote or backtick, or at the end of the text.
fn private_key(text: &str, mut from: usize) -> Option<Range<usize>> {
    const BEGIN: &str = "-----BEGIN";
    loop {
        let start = from + text.get(from..)?.find(BEGIN)?;
        let rest = text.get(start..)?;
        let label = rest.get(BEGIN.len()..)?.split('-').next()?;
        if label.contains("PRIVATE KEY") {
            let end = rest.find(['"', '`']).unwrap_or(rest.len());
            // A backslash that escapes the quote belongs to the quote, not to the key.
            let key = rest.get(..end)?.trim_end_matches('\\');
            return Some(start..start + key.len());
        }
        from = start + BEGIN.len();
    }
}

fn is_token(text: &str, at: &Range<usize>, kinds: Kinds) -> bool {
    const PREFIXES: [&str; 16] = [
        "ghp_",
        "gho_",
        "ghr_",
        "ghs_",
        "ghu_",
        "github_pat_",
        "glpat-",
        "xoxa-",
        "xoxb-",
        "xoxp-",
        "xoxr-",
        "xoxs-",
        "xapp-",
        "sk_live_",
        "rk_live_",
        "AIza",
    ];
    let word = text.get(at.clone()).unwrap_or_default();
    // The full stop may end a sentence; the ellipsis marks an excerpt.
    let whole = word.trim_end_matches(['.', '…']);
    if whole.len() < SHORTEST {
        return false;
    }
    let has_prefix = PREFIXES.iter().any(|prefix| whole.starts_with(prefix));
    // Ordinary words also begin with `sk-`, so length and a digit are required.
    let is_api_key = whole.starts_with("sk-")
        && whole.len() >= SHORTEST + 4
        && whole.bytes().any(|b| b.is_ascii_digit());
    let is_access_key = (whole.starts_with("AKIA") || whole.starts_with("ASIA"))
        && whole
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    let is_jwt =
        whole.starts_with("eyJ") && (word.matches('.').count() >= 2 || word.ends_with('…'));
    let is_hex = || {
        whole.len() >= SHORTEST_HEX
            && whole.bytes().all(|b| b.is_ascii_hexdigit())
            && !is_name(text, at)
    };
    has_prefix || is_api_key || is_access_key || is_jwt || kinds == Kinds::All && is_hex()
}

/// True if hexadecimal digits are a digest or part of a path.
fn is_name(text: &str, at: &Range<usize>) -> bool {
    let before = text.get(..at.start).unwrap_or_default();
    let after = text.get(at.end..).unwrap_or_default();
    let is_digest = before.strip_suffix(':').is_some_and(|before| {
        let algorithm = before.rsplit(|c: char| !c.is_ascii_alphanumeric()).next();
        algorithm.is_some_and(|name| {
            ["sha", "blake", "md5"]
                .iter()
                .any(|known| name.starts_with(known))
        })
    });
    // Text before an `@` is a password in a URL.
    let is_in_path = before.ends_with('/') || after.starts_with('/');
    is_digest || is_in_path && !after.starts_with('@')
}

/// Iterator over the words of a text, as byte ranges.
struct Words<'a> {
    text: &'a str,
    chars: Peekable<CharIndices<'a>>,
}

fn words(text: &str) -> Words<'_> {
    Words {
        text,
        chars: text.char_indices().peekable(),
    }
}

impl Iterator for Words<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        let mut start = None;
        while let Some((at, c)) = self.chars.next() {
            if !is_between(c) {
                start.get_or_insert(at);
                continue;
            }
            if c == '\\' {
                self.skip_escape();
            }
            if let Some(start) = start {
                return Some(start..at);
            }
        }
        start.map(|start| start..self.text.len())
    }
}

impl Words<'_> {
    /// Skips an escape such as `\n` or `\u0020`.
    ///
    /// In JSON and TOML it separates words like the white space that it encodes.
    fn skip_escape(&mut self) {
        if self.chars.next_if(|(_, c)| "nrtbf".contains(*c)).is_some() {
            return;
        }
        if self.chars.next_if(|(_, c)| *c == 'u').is_some() {
            for _ in 0..4 {
                if self.chars.next_if(|(_, c)| c.is_ascii_hexdigit()).is_none() {
                    return;
                }
            }
        }
    }
}

/// True if a character separates words.
fn is_between(c: char) -> bool {
    match c {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' | '.' => false,
        '"' | '\'' | '`' | ',' | ';' | ':' | '=' | '@' | '/' | '\\' | '(' | ')' | '[' | ']'
        | '{' | '}' | '<' | '>' | '?' | '&' | '#' | '|' | '!' | '*' | '$' | '~' | '\u{fffd}' => {
            true
        }
        other => other.is_whitespace() || other.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "ghp_abcdefghijklmnop1234";

    #[test]
    fn a_token_is_told_from_a_text() {
        for token in [
            "key ghp_abcdefghijklmnop1234",
            "AKIAABCDEFGHIJKLMNOP",
            "eyJhbGciOiJub25lIn0.e30.x",
            "eyJhbGciOiJub25lIn0.e30.x.",
            "eyJhbGciOiJSUzI1NiIsInR5cCI6…",
            "(0123456789abcdef0123456789abcdef)",
            "-----BEGIN PRIVATE KEY-----",
            "secret = \"sk_live_0123456789\"",
            "sk-proj-0123456789abcdefghij",
            "token:ghp_abcdefghijklmnop1234",
            "https://u:ghp_abcdefghijklmnop1234@h.example/",
            "https://0123456789abcdef0123456789abcdef@h.example/x",
            "spiffe://acme.example/ns/ghp_abcdefghijklmnop1234/x",
            "https://h.example/?token=ghp_abcdefghijklmnop1234&x=y",
            "{\"reason\":\"see\\nghp_abcdefghijklmnop1234\"}",
            "{\"reason\":\"see\\u000aghp_abcdefghijklmnop1234\"}",
        ] {
            assert!(looks_like_a_token(token), "{token}");
            assert!(!looks_like_a_token(&withheld(token)), "{}", withheld(token));
        }
        for text in [
            "reconcile invoices against bank statements",
            "digest = \"sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"",
            "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            "https://github.com/acme/billing/commit/da39a3ee5e6b4b0d3255bfef95601890afd80709",
            "https://gateway.acme.example:8443/v1/decide?integration=github#top",
            "spiffe://acme.example/ns/payments/agent/reconciler",
            "spiffe://acme.example/workload/0123456789abcdef0123456789abcdef",
            "oci/0123456789abcdef0123456789abcdef/plugin.wasm",
            "eval-0123456789abcdef0123456789abcdef",
            "7f9c2ba4-e88f-4d1c-a6b1-0123456789ab",
            "sk-short",
            "sk-learn-is-a-library",
            "ASIAN-PACIFIC-REGION",
            "eyJust",
            "team@acme.example",
            "-----BEGIN CERTIFICATE-----",
        ] {
            assert!(!looks_like_a_token(text), "{text}");
            assert_eq!(withheld(text), text);
        }
    }

    #[test]
    fn only_the_token_is_withheld() {
        assert_eq!(
            withheld(&format!("`spiffe://a.example/{TOKEN}` is no SPIFFE ID")),
            format!("`spiffe://a.example/{WITHHELD}` is no SPIFFE ID")
        );
        let key = "-----BEGIN PRIVATE KEY-----\nMC4CAQAw\n-----END PRIVATE KEY-----";
        assert_eq!(
            withheld(&format!("`{key}` is none, and `{key}` neither")),
            format!("`{WITHHELD}` is none, and `{WITHHELD}` neither")
        );
        let json = serde_json::json!({ "a": key, "b": [TOKEN, "\\"], TOKEN: format!("{key}\"") });
        let shown: serde_json::Value =
            serde_json::from_str(&well_known_withheld(&json.to_string())).unwrap();
        assert_eq!(shown["a"], WITHHELD);
        assert_eq!(shown["b"], serde_json::json!([WITHHELD, "\\"]));
        assert_eq!(shown[WITHHELD], format!("{WITHHELD}\""));
    }

    #[test]
    fn hexadecimal_digits_name_credentials_in_requests() {
        let id = "0123456789abcdef0123456789abcdef";
        assert!(looks_like_a_token(id) && !has_well_known_token(id));
        assert_eq!(well_known_withheld(id), id);
        assert!(has_well_known_token(TOKEN));
    }
}
