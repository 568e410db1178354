//! Parts of a text that name a place, a person or an account.

/// A part of a text that names a place, a person or an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part<'a> {
    /// The part, as it stands in the text.
    pub text: &'a str,
    /// Its kind.
    pub kind: PartKind,
}

/// Kind of a [`Part`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PartKind {
    /// A URL, or a name of a host with or without a path, as in `www.example.com/a`.
    Link,
    /// An e-mail address, or another name with `@` between two words.
    Address,
    /// An account number as in ISO 13616 (IBAN), with or without blanks.
    Iban,
    /// A path of a file, or the name of a file with an extension.
    Path,
    /// A number of at least eight digits, such as the number of a phone, a card or an account.
    Number,
}

/// Number of digits from which a number is a [`PartKind::Number`].
pub const LONG_NUMBER: usize = 8;

/// The links, addresses, account numbers, paths and long numbers in a text, in order.
///
/// In doubt, a word is a part: a text without a blank after a full stop has what looks like a host. A day is no long
/// number.
///
/// ```
/// use portcullis_contract::parts_of;
/// let parts: Vec<_> = parts_of("See www.example.com, or ask ann@example.com.").map(|it| it.text).collect();
/// assert_eq!(parts, ["www.example.com", "ann@example.com"]);
/// ```
pub fn parts_of(text: &str) -> impl Iterator<Item = Part<'_>> {
    Parts { text, at: 0 }
}

struct Parts<'a> {
    text: &'a str,
    /// Position of the next word.
    at: usize,
}

impl<'a> Iterator for Parts<'a> {
    type Item = Part<'a>;

    fn next(&mut self) -> Option<Part<'a>> {
        loop {
            let word = word(self.text, self.at)?;
            self.at = word.end;
            if !word.is_telling {
                continue;
            }
            let (kind, end) = self.part(word);
            self.at = end;
            if let Some(kind) = kind {
                let text = self.text.get(word.begin..end)?;
                return Some(Part { text, kind });
            }
        }
    }
}

impl Parts<'_> {
    /// The kind of the part that begins with a word, and its end. The kind is `None` for a word that is no part.
    fn part(&self, Word { begin, end, .. }: Word) -> (Option<PartKind>, usize) {
        let text = self.text;
        let kind = kind_of(text.get(begin..end).unwrap_or_default());
        if kind.is_some() {
            return (kind, end);
        }
        // Groups of digits and letters with blanks between them, and numbers with brackets.
        if let Some(until) = grouped_iban(text, begin, end) {
            return (Some(PartKind::Iban), until);
        }
        match grouped_number(text, begin, end) {
            Some(until) => (Some(PartKind::Number), until),
            None => (None, end),
        }
    }
}

/// A word, without punctuation at its edges.
#[derive(Clone, Copy)]
struct Word {
    begin: usize,
    end: usize,
    /// True if it has a character that letters of words are not, so that it can be or begin a part.
    is_telling: bool,
}

/// Class of an ASCII character that stands between words.
const BETWEEN: u8 = 1;
/// Class of a character that ends a sentence.
const ENDS: u8 = 2;
/// Class of a character that marks a word.
const MARKS: u8 = 4;
/// Class of a character that every part has one of.
const TELLS: u8 = 8;

/// Classes of the ASCII characters.
#[expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "it is evaluated by the compiler, which refuses a wrong index"
)]
const CLASSES: [u8; 128] = {
    let mut classes = [0; 128];
    let mut at = 0;
    while at < 128 {
        let byte = at as u8;
        classes[at] = match byte {
            b' ' | b'\'' | b'<' | b'>' | b'"' | b'(' | b')' | b'[' | b']' | b'{' | b'}' | b'`'
            | b'|' | b',' | b';' => BETWEEN,
            b'.' | b':' => ENDS | TELLS,
            b'!' | b'?' => ENDS,
            b'*' | b'_' => MARKS,
            b'0'..=b'9' | b'@' | b'/' | b'\\' => TELLS,
            _ if byte.is_ascii_control() => BETWEEN,
            _ => 0,
        };
        at += 1;
    }
    classes
};

/// Class of a character.
fn class_of(character: char) -> u8 {
    match character {
        '\u{ab}' | '\u{bb}' | '\u{2018}'..='\u{201f}' | '\u{3001}' | '\u{ff0c}' => BETWEEN,
        '\u{2026}' => MARKS,
        '\u{3002}' => ENDS | TELLS,
        _ if character.is_whitespace() || character.is_control() => BETWEEN,
        // Other letters, full stops and digits are looked at.
        _ => TELLS,
    }
}

/// Class of the character at `at`, and its length. `None` at the end.
fn class_at(text: &str, at: usize) -> Option<(u8, usize)> {
    let byte = *text.as_bytes().get(at)?;
    if let Some(class) = CLASSES.get(usize::from(byte)) {
        return Some((*class, 1));
    }
    let character = text.get(at..)?.chars().next()?;
    Some((class_of(character), character.len_utf8()))
}

/// The first word at or after `from`.
fn word(text: &str, from: usize) -> Option<Word> {
    let mut at = from;
    loop {
        while let (BETWEEN, length) = class_at(text, at)? {
            at += length;
        }
        let first = at;
        let mut classes = 0;
        while let Some((class, length)) = class_at(text, at).filter(|(class, _)| *class != BETWEEN)
        {
            classes |= class;
            at += length;
        }
        if classes & (TELLS | MARKS | ENDS) == 0 {
            return Some(Word {
                begin: first,
                end: at,
                is_telling: false,
            });
        }
        let is_closing_tag = text.get(..first)?.ends_with('<');
        let is_mark = |it: char| matches!(it, '*' | '_' | '\u{2026}');
        let is_at_end = |it: char| matches!(it, '.' | ':' | '!' | '?' | '\u{3002}') || is_mark(it);
        let inner = text.get(first..at)?;
        let inner = inner.trim_start_matches(|it| is_mark(it) || is_closing_tag && it == '/');
        let begin = at - inner.len();
        let inner = inner.trim_end_matches(is_at_end);
        if !inner.is_empty() {
            return Some(Word {
                begin,
                end: begin + inner.len(),
                is_telling: classes & TELLS != 0,
            });
        }
    }
}

/// Kind of a single word.
fn kind_of(word: &str) -> Option<PartKind> {
    if has_scheme(word) {
        return Some(PartKind::Link);
    }
    if let Some((before, after)) = word.split_once(['@', '\u{ff20}'])
        && before.ends_with(char::is_alphanumeric)
        && after.starts_with(char::is_alphanumeric)
    {
        return Some(PartKind::Address);
    }
    if is_iban(word) {
        return Some(PartKind::Iban);
    }
    if is_rooted(word) {
        return Some(PartKind::Path);
    }
    let (host, path) = word.split_at(word.find(['/', '\\', '?', '#']).unwrap_or(word.len()));
    if is_host(host) {
        // `report.pdf` and `example.com` look alike. Both are parts.
        return Some(PartKind::Link);
    }
    let has_extension = |segment: &str| {
        segment.rsplit_once('.').is_some_and(|(name, ending)| {
            !name.is_empty() && ending.starts_with(char::is_alphabetic)
        })
    };
    let mut segments = path.split(['/', '\\']);
    if path.len() > 1 && (word.contains('\\') || segments.any(has_extension)) {
        return Some(PartKind::Path);
    }
    is_long_number(word).then_some(PartKind::Number)
}

/// True if the word begins with the scheme of a URL, such as `https://` or `mailto:`.
fn has_scheme(word: &str) -> bool {
    let Some((scheme, rest)) = word.split_once(':') else {
        return false;
    };
    let is_scheme = scheme.starts_with(|it: char| it.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|it| it.is_ascii_alphanumeric() || matches!(it, b'+' | b'-' | b'.'));
    let opaque = [
        "mailto",
        "tel",
        "data",
        "javascript",
        "sms",
        "urn",
        "magnet",
        "bitcoin",
    ];
    is_scheme
        && (rest.starts_with("//") && rest.len() > 2
            || !rest.is_empty() && opaque.iter().any(|it| scheme.eq_ignore_ascii_case(it)))
}

/// True for an absolute path, and for one that begins at home or at the folder.
fn is_rooted(word: &str) -> bool {
    let mut characters = word.chars();
    let drive = characters.next().is_some_and(|it| it.is_ascii_alphabetic())
        && characters.next() == Some(':')
        && matches!(characters.next(), Some('/' | '\\'));
    let begins = ["/", "~/", "./", "../", "\\\\"];
    drive
        || begins.iter().any(|it| {
            word.strip_prefix(it)
                .is_some_and(|rest| rest.contains(char::is_alphanumeric))
        })
}

/// True for a name of a host, or of a file with an extension, or an address of a machine.
fn is_host(text: &str) -> bool {
    let text = match text.rsplit_once(':') {
        Some((host, port)) if !port.is_empty() && port.bytes().all(|it| it.is_ascii_digit()) => {
            host
        }
        _ => text,
    };
    // Other full stops, which browsers read as one.
    let labels: Vec<&str> = text
        .split(['.', '\u{3002}', '\u{ff0e}', '\u{ff61}'])
        .collect();
    let is_label = |label: &&str| {
        !label.is_empty()
            && label.chars().all(|it| {
                it.is_alphanumeric()
                    || matches!(it, '-' | '_' | '%' | '\u{200b}'..='\u{200d}' | '\u{ad}')
            })
    };
    let Some((last, _)) = labels.split_last().filter(|(_, rest)| !rest.is_empty()) else {
        return false;
    };
    let is_machine = labels.len() == 4 && labels.iter().all(|it| it.parse::<u8>().is_ok());
    let is_top = last.chars().count() >= 2 && last.chars().next().is_some_and(char::is_alphabetic);
    labels.iter().all(is_label) && (is_machine || is_top)
}

/// True for the characters of an IBAN without blanks.
fn is_iban(word: &str) -> bool {
    let bytes = word.as_bytes();
    (15..=34).contains(&bytes.len())
        && begins_as_iban(word)
        && bytes.iter().all(u8::is_ascii_alphanumeric)
        && bytes.iter().filter(|it| it.is_ascii_digit()).count() >= 6
}

/// True if the word begins with a country and two digits.
fn begins_as_iban(word: &str) -> bool {
    matches!(word.as_bytes(), [a, b, c, d, ..]
        if a.is_ascii_alphabetic() && b.is_ascii_alphabetic() && c.is_ascii_digit() && d.is_ascii_digit())
}

/// End of an IBAN in groups of four that begins with the word, if it does.
fn grouped_iban(text: &str, begin: usize, end: usize) -> Option<usize> {
    let first = text.get(begin..end)?;
    if first.len() != 4 || !begins_as_iban(first) {
        return None;
    }
    let (mut until, mut length) = (end, first.len());
    for (group, group_end) in groups(text, end) {
        let of_iban = |it: u8| it.is_ascii_digit() || it.is_ascii_uppercase();
        // Only the bank's name, the second group, may be letters alone.
        let is_alike = group.bytes().all(of_iban)
            && (group.bytes().any(|it| it.is_ascii_digit()) || length == 4 && group.len() == 4);
        if !is_alike || group.len() > 4 || length + group.len() > 34 {
            break;
        }
        length += group.len();
        until = group_end;
        if group.len() < 4 {
            break;
        }
    }
    (length >= 15).then_some(until)
}

/// End of a number in groups that begins with the word, if it has enough digits.
///
/// The first group has a `+`, a bracket or a leading zero, as the number of a phone, or all groups have three or
/// four digits, as the number of a card.
fn grouped_number(text: &str, begin: usize, end: usize) -> Option<usize> {
    let first = text.get(begin..end)?;
    let digits = |word: &str| word.bytes().filter(u8::is_ascii_digit).count();
    let is_group = |word: &str| {
        let word = word.strip_prefix('+').unwrap_or(word);
        !word.is_empty()
            && word
                .bytes()
                .all(|it| it.is_ascii_digit() || matches!(it, b'-' | b'/'))
            && digits(word) > 0
    };
    if !is_group(first) {
        return None;
    }
    let is_phone = first.starts_with('+')
        || first.starts_with('0') && first.len() > 1
        || text.get(..begin)?.ends_with(['(', '+']);
    let (mut until, mut count, mut number) = (end, digits(first), 1);
    let is_of_card = |word: &str| matches!(word.len(), 3 | 4);
    for (group, group_end) in groups(text, end) {
        let fits = is_group(group)
            && !group.starts_with('+')
            && (is_phone || is_of_card(first) && is_of_card(group));
        if !fits || day(group) {
            break;
        }
        count += digits(group);
        number += 1;
        until = group_end;
    }
    (count >= LONG_NUMBER && (is_phone || number >= 3)).then_some(until)
}

/// Words that follow with one blank or a bracket between them, and their ends.
fn groups(text: &str, from: usize) -> impl Iterator<Item = (&str, usize)> {
    let mut at = from;
    std::iter::from_fn(move || {
        let Word { begin, end, .. } = word(text, at)?;
        let between = text.get(at..begin)?;
        let is_near = between.chars().count() <= 2
            && between
                .chars()
                .all(|it| matches!(it, ' ' | '\u{a0}' | '\u{202f}' | '(' | ')'));
        at = end;
        is_near.then_some((text.get(begin..end)?, end))
    })
}

/// True for a word of at least eight digits, which may have hyphens and dots between them.
fn is_long_number(word: &str) -> bool {
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    let word_of = |it: char| it.is_ascii_digit() || matches!(it, '-' | '.' | '/' | '+' | '#');
    digits >= LONG_NUMBER
        && !day(word)
        && !is_decimal(word)
        && (word.chars().all(word_of) || longest_run(word) >= LONG_NUMBER)
}

/// Length of the longest row of digits.
fn longest_run(word: &str) -> usize {
    word.split(|it: char| !it.is_ascii_digit())
        .map(str::len)
        .max()
        .unwrap_or(0)
}

/// True for a number with a fraction, such as an amount.
fn is_decimal(word: &str) -> bool {
    word.split_once('.').is_some_and(|(whole, fraction)| {
        let is_digits = |it: &str| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit());
        is_digits(whole) && is_digits(fraction) && whole.len() < LONG_NUMBER
    })
}

/// True for a day in figures, or a time on it, as in `2026-11-28`, `28.11.2026` and `2026-11-28T09:00:00Z`.
fn day(word: &str) -> bool {
    let word = match word.split_once(['T', 't']) {
        Some((day, time))
            if time.bytes().all(|it| {
                it.is_ascii_digit() || matches!(it, b':' | b'.' | b'Z' | b'z' | b'+' | b'-')
            }) && time.contains(':') =>
        {
            day
        }
        _ => word,
    };
    let parts: Vec<&str> = word.split(['-', '.', '/']).collect();
    let is_number = |part: &&str| !part.is_empty() && part.bytes().all(|it| it.is_ascii_digit());
    let lengths: Vec<usize> = parts.iter().map(|it| it.len()).collect();
    parts.iter().all(is_number)
        && matches!(lengths.as_slice(), [4, 1 | 2, 1 | 2] | [1 | 2, 1 | 2, 4])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Vec<(&str, PartKind)> {
        parts_of(text).map(|it| (it.text, it.kind)).collect()
    }

    #[test]
    fn links_addresses_accounts_paths_and_long_numbers_are_parts() {
        use PartKind::{Address, Iban, Link, Number, Path};
        for (text, found) in [
            (
                "Check out this link: www.secure.example",
                &[("www.secure.example", Link)][..],
            ),
            (
                "(see https://a.example/x?y=z#q).",
                &[("https://a.example/x?y=z#q", Link)],
            ),
            (
                "a.example/b, 10.0.0.1:8080",
                &[("a.example/b", Link), ("10.0.0.1:8080", Link)],
            ),
            (
                "<a href='https://a.example'>b</a>",
                &[("https://a.example", Link)],
            ),
            ("[x](hxxps://a.example)", &[("hxxps://a.example", Link)]),
            (
                "mailto:a@b.example data:text/html,x",
                &[("mailto:a@b.example", Link), ("data:text/html", Link)],
            ),
            (
                "ann@example.com; Bob <bob@example.com>",
                &[("ann@example.com", Address), ("bob@example.com", Address)],
            ),
            (
                "pay DE89370400440532013000 now",
                &[("DE89370400440532013000", Iban)],
            ),
            (
                "pay DE89 3704 0044 0532 0130 00 for rent",
                &[("DE89 3704 0044 0532 0130 00", Iban)],
            ),
            (
                "'us133000000121212121212'",
                &[("us133000000121212121212", Iban)],
            ),
            (
                "read /etc/passwd and ~/x",
                &[("/etc/passwd", Path), ("~/x", Path)],
            ),
            (
                r"C:\a\b \\host\share",
                &[(r"C:\a\b", Path), (r"\\host\share", Path)],
            ),
            ("open src/main.rs", &[("src/main.rs", Path)]),
            ("the bill.txt", &[("bill.txt", Link)]),
            (
                "call +41 79 123 45 67 today",
                &[("+41 79 123 45 67", Number)],
            ),
            (
                "card 4111 1111 1111 1111, ok",
                &[("4111 1111 1111 1111", Number)],
            ),
            ("4111-1111-1111-1111", &[("4111-1111-1111-1111", Number)]),
            ("account 12345678", &[("12345678", Number)]),
            ("id=12345678x", &[("id=12345678x", Number)]),
            ("example\u{3002}com", &[("example\u{3002}com", Link)]),
        ] {
            assert_eq!(parts(text), found, "{text}");
        }
    }

    #[test]
    fn words_days_and_amounts_are_no_parts() {
        for text in [
            "",
            " \n ...",
            "Hi, i am a bot. e.g. this, i.e. that",
            "and/or 24/7 1/2",
            "on 2026-11-28, 28.11.2026 and 2026-11-28T09:00:00Z",
            "1100.00 for 3 of 7 items, 7.2%",
            "12 300 50",
            "you've 100 200",
            "3:30",
            "Note: none",
        ] {
            assert_eq!(parts(text), [], "{text}");
        }
    }

    #[test]
    fn every_part_stands_in_its_text_in_order() {
        let text = "a.example \u{1f600} b@c.example\u{2026} \u{ab}DE89 3704 0044 0532 0130 00\u{bb} \u{200b}/x";
        let mut at = 0;
        for part in parts_of(text) {
            at += text[at..].find(part.text).unwrap() + part.text.len();
        }
    }
}
