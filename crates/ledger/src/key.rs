//! Values in a form in which their spellings are equal.

use portcullis_contract::{LONG_NUMBER, Part, PartKind, day_of, parts_of};
use serde_json::Value;
use std::borrow::Cow;
use std::hash::{DefaultHasher, Hasher as _};

/// Longest text that is compared as a whole, in bytes.
pub(crate) const MAX_WHOLE: usize = 1024;

/// A value of an argument or a result, without what its spellings differ in.
///
/// - Links, addresses and names of hosts have no letter case; a link has neither `http://` nor a `/` at its end.
/// - Account numbers (IBAN) and long numbers have no blanks.
/// - Numbers are compared by value, and times by their day.
/// - Other texts have no letter case, and one blank for each row of blanks.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key(Box<str>);

impl Key {
    /// Key of a number or a text. `None` for other values, for a text without content and for a long one.
    pub(crate) fn of(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => Self::of_text(text),
            Value::Number(number) => Some(Self::of_number(&number.to_string())),
            _ => None,
        }
    }

    /// Key of a JSON number.
    pub(crate) fn of_number(number: &str) -> Self {
        Self::tagged('n', &canonical(number))
    }

    /// Key of a text as a whole.
    pub(crate) fn of_text(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.is_empty() || text.len() > MAX_WHOLE {
            return None;
        }
        if let Some(part) = whole_part(text) {
            return Some(Self::of_part(part));
        }
        if is_number(text) {
            return Some(Self::tagged('n', &canonical(text)));
        }
        if let Some(day) = day_of(text) {
            return Some(Self::tagged('d', day));
        }
        Some(Self::tagged('t', &folded(text)))
    }

    /// Key of a part of a text.
    pub(crate) fn of_part(part: Part<'_>) -> Self {
        let without_blanks = || part.text.chars().filter(|it| it.is_ascii_alphanumeric());
        match part.kind {
            PartKind::Link => {
                let text = folded(part.text);
                let text = ["https://", "http://"]
                    .iter()
                    .find_map(|scheme| text.strip_prefix(scheme))
                    .unwrap_or(&text);
                Self::tagged('l', text.strip_suffix('/').unwrap_or(text))
            }
            PartKind::Address => Self::tagged('a', &folded(part.text)),
            PartKind::Iban => {
                let text: String = without_blanks().collect();
                Self::tagged('i', &text.to_ascii_uppercase())
            }
            PartKind::Path => Self::tagged('p', part.text),
            PartKind::Number => Self::tagged('n', &without_blanks().collect::<String>()),
        }
    }

    /// True for a text, a day, and a number that is no [`PartKind::Number`].
    pub(crate) fn is_word(&self) -> bool {
        match self.0.strip_prefix('n') {
            Some(number) => number.bytes().filter(u8::is_ascii_digit).count() < LONG_NUMBER,
            None => self.0.starts_with(['t', 'd']),
        }
    }

    /// The folded text, if the value is neither a number nor a part.
    pub(crate) fn as_text(&self) -> Option<&str> {
        self.0.strip_prefix('t')
    }

    /// Size in memory, in bytes.
    pub(crate) fn size(&self) -> usize {
        self.0.len()
    }

    /// Number by which the value is found. Others may have the same.
    pub(crate) fn number(&self) -> u64 {
        number_of(&[self.0.as_bytes()])
    }

    /// Number of a text that is neither a number nor a part, from its folded form.
    pub(crate) fn number_of_text(folded: &[u8]) -> u64 {
        number_of(&[b"t", folded])
    }

    fn tagged(tag: char, text: &str) -> Self {
        let mut key = String::with_capacity(1 + text.len());
        key.push(tag);
        key.push_str(text);
        Self(key.into())
    }
}

fn number_of(parts: &[&[u8]]) -> u64 {
    // Keys are the same in each process, so that the same session has the same origins.
    let mut hasher = DefaultHasher::new();
    for part in parts {
        hasher.write(part);
    }
    hasher.finish()
}

/// True if no part, number or day can be in the text.
pub(crate) fn is_plain(text: &str) -> bool {
    let is_plain =
        |it: u8| it.is_ascii_alphabetic() || matches!(it, b' ' | b',' | b'\'' | b'-' | b'_');
    text.bytes().all(is_plain)
}

/// The part that the text consists of, if it consists of one.
pub(crate) fn whole_part(text: &str) -> Option<Part<'_>> {
    let part = parts_of(text).next()?;
    (part.text == text).then_some(part)
}

/// Keys of the parts, numbers and days in a text, and where they begin.
pub(crate) fn keys_in(text: &str) -> impl Iterator<Item = (Key, usize)> {
    let begin = |part: &str| part.as_ptr().addr() - text.as_ptr().addr();
    parts_of(text)
        .map(move |part| (Key::of_part(part), begin(part.text)))
        .chain(numbers_in(text))
}

/// Keys of the numbers and the days in a text, and where they begin.
fn numbers_in(text: &str) -> impl Iterator<Item = (Key, usize)> {
    let is_inner = |it: u8| it.is_ascii_digit() || matches!(it, b'.' | b',' | b'\'' | b'-');
    let bytes = text.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        let begin = at + bytes.get(at..)?.iter().position(u8::is_ascii_digit)?;
        let row = bytes.get(begin..)?;
        at = begin
            + row
                .iter()
                .position(|it| !is_inner(*it))
                .unwrap_or(row.len());
        let row = text.get(begin..at)?.trim_end_matches(['.', ',', '\'', '-']);
        // The time after a day is left out.
        let key = match day_of(row) {
            Some(day) => Key::tagged('d', day),
            None => Key::tagged('n', &canonical(&without_groups(row))),
        };
        Some((key, begin))
    })
}

/// The number without the marks between its thousands, and with a full stop before its fraction.
fn without_groups(number: &str) -> Cow<'_, str> {
    let Some(mark) = number.find([',', '\'']) else {
        return Cow::Borrowed(number);
    };
    let (first, groups) = number.split_at(mark);
    let (groups, fraction) = groups.split_once('.').unwrap_or((groups, ""));
    let mut parts = groups.split([',', '\'']).skip(1);
    let are_thousands = (1..=3).contains(&first.len()) && parts.all(|group| group.len() == 3);
    match are_thousands {
        true if fraction.is_empty() => {
            Cow::Owned(first.to_owned() + &groups.replace([',', '\''], ""))
        }
        true => Cow::Owned(format!(
            "{first}{}.{fraction}",
            groups.replace([',', '\''], "")
        )),
        false => Cow::Owned(number.replacen(',', ".", 1)),
    }
}

/// True for digits with a sign and a fraction at most.
fn is_number(text: &str) -> bool {
    let text = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_digits = |it: &str| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit());
    // A leading zero belongs to a name.
    is_digits(whole) && is_digits(fraction) && (whole.len() == 1 || !whole.starts_with('0'))
}

/// The number without zeros at the end of its fraction.
fn canonical(number: &str) -> Cow<'_, str> {
    match number.contains('.') && !number.contains(['e', 'E']) {
        true => Cow::Borrowed(number.trim_end_matches('0').trim_end_matches('.')),
        false => Cow::Borrowed(number),
    }
}

/// The text in lower case, with one blank for each row of blanks, and without characters that are not seen.
pub(crate) fn folded(text: &str) -> String {
    let mut folded = Vec::with_capacity(text.len());
    fold_into(text, &mut folded);
    // Folding keeps the encoding.
    String::from_utf8(folded).unwrap_or_default()
}

/// Appends the folded text.
pub(crate) fn fold_into(text: &str, folded: &mut Vec<u8>) {
    folded.reserve(text.len());
    let mut after_blank = false;
    let mut rest = text;
    while !rest.is_empty() {
        // A row of ASCII characters, of which most texts consist.
        let mut length = 0;
        for byte in rest.bytes() {
            if !byte.is_ascii() {
                break;
            }
            length += 1;
            let is_blank = byte.is_ascii_whitespace() || byte == b'\x0b';
            if !is_blank {
                folded.push(byte.to_ascii_lowercase());
            } else if !after_blank {
                folded.push(b' ');
            }
            after_blank = is_blank;
        }
        let mut characters = rest.get(length..).unwrap_or_default().chars();
        let Some(character) = characters.next() else {
            break;
        };
        rest = characters.as_str();
        if character.is_whitespace() {
            if !after_blank {
                folded.push(b' ');
            }
            after_blank = true;
            continue;
        }
        match character {
            // Characters that are not seen.
            '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}' => continue,
            '\u{2018}' | '\u{2019}' => folded.push(b'\''),
            '\u{201c}' | '\u{201d}' => folded.push(b'"'),
            other => {
                let mut buffer = [0; 4];
                for lower in other.to_lowercase() {
                    folded.extend_from_slice(lower.encode_utf8(&mut buffer).as_bytes());
                }
            }
        }
        after_blank = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn spellings_of_one_value_are_equal() {
        for (one, other) in [
            (json!("Ann@Example.com"), json!("ann@example.com")),
            (json!("https://www.Example.com/"), json!("www.example.com")),
            (
                json!("DE89 3704 0044 0532 0130 00"),
                json!("de89370400440532013000"),
            ),
            (json!("98.70"), json!(98.7)),
            (json!(1.0), json!("1")),
            (json!("2022-03-01T10:00:00Z"), json!("2022-03-01")),
            (json!(" External_0 "), json!("external_0")),
            (json!("Car\t\tRental"), json!("car rental")),
            (json!("+41 79 123 45 67"), json!("41791234567")),
        ] {
            assert_eq!(Key::of(&one), Key::of(&other), "{one} {other}");
        }
        for (one, other) in [
            (json!("007"), json!(7)),
            (json!("ann@example.com"), json!("an@example.com")),
            (json!("/a/B"), json!("/a/b")),
            (json!("a.example/x"), json!("a.example")),
            (json!("1"), json!("-1")),
            (json!("7"), json!("seven")),
        ] {
            assert_ne!(Key::of(&one), Key::of(&other), "{one} {other}");
        }
        for none in [
            json!(null),
            json!(true),
            json!(""),
            json!(" "),
            json!([1]),
            json!("x".repeat(2000)),
        ] {
            assert_eq!(Key::of(&none), None, "{none}");
        }
    }

    #[test]
    fn folding_leaves_out_what_readers_do_not_see() {
        for (text, expected) in [
            ("Ann  Bo\t\n X", "ann bo x"),
            ("A\u{200b}nn\u{a0}\u{a0}B\u{d6}", "ann b\u{f6}"),
            ("it\u{2019}s", "it's"),
            ("", ""),
            ("\u{130}x", "i\u{307}x"),
        ] {
            assert_eq!(folded(text), expected, "{text:?}");
        }
    }

    #[test]
    fn numbers_and_days_in_a_text_are_found_by_value() {
        let text =
            "Rent is 2,200.00 from 2022-03-01, not 1'100; 19.5% of $10.00, 3,5 kg. Call 0041.";
        let keys: Vec<_> = keys_in(text).map(|(key, _)| key).collect();
        for found in [
            json!(2200),
            json!("2022-03-01"),
            json!(1100),
            json!(19.5),
            json!(10),
            json!(3.5),
            json!("0041"),
        ] {
            let key = match &found {
                Value::String(text) if text == "0041" => Key::tagged('n', "0041"),
                found => Key::of(found).unwrap(),
            };
            assert!(keys.contains(&key), "{found} in {keys:?}");
        }
    }
}
