//! Patterns with the syntax and meaning of RE2, which OPA uses.
//!
//! The regex crate differs from RE2 in syntax and meaning:
//!
//! - `\w`, `\d`, `\s` and `\b` match Unicode in the crate, and ASCII in RE2.
//! - `\<` matches the beginning of a word in the crate, and a `<` in RE2.
//! - `[a&&b]` is an intersection in the crate, and a list of three characters in RE2.
//!
//! So a pattern is parsed as by Go's `regexp/syntax`, and rewritten for the regex crate.

use regex::{Regex, RegexBuilder};
use std::fmt::Write as _;
use std::iter::Peekable;
use std::str::Chars;

/// Maximum size of a compiled pattern in bytes.
const MOST_BYTES: usize = 1024 * 1024;

/// Maximum count of a repetition. The counts of nested ones are multiplied.
const MOST_REPETITIONS: u32 = 1000;

/// The reason why a pattern cannot be compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PatternError {
    /// RE2 also rejects the pattern.
    Invalid(String),
    /// RE2 accepts the pattern, but it is not supported here.
    Unsupported(String),
}

/// A compiled pattern.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    /// The pattern for the regex crate. Its groups have no names.
    pub(crate) regex: Regex,
    /// Names of the groups, beginning with group 1.
    names: Vec<Option<String>>,
}

impl Pattern {
    /// Compiles `pattern`, which has RE2's syntax.
    pub(crate) fn new(pattern: &str) -> Result<Self, PatternError> {
        let (written, names) = Reader::new(pattern).read()?;
        let mut builder = RegexBuilder::new(&written);
        match builder.size_limit(MOST_BYTES).build() {
            Ok(regex) => Ok(Self { regex, names }),
            Err(regex::Error::CompiledTooBig(_)) => Err(PatternError::Unsupported(format!(
                "pattern `{pattern}` is too large: it takes more than {MOST_BYTES} bytes"
            ))),
            Err(error) => {
                let error = error.to_string();
                let why = error.lines().next_back().unwrap_or_default();
                Err(PatternError::Unsupported(format!(
                    "pattern `{pattern}` is not supported: {}",
                    why.trim_start_matches("error: ")
                )))
            }
        }
    }

    /// Returns `text` with every match replaced by `template`.
    ///
    /// `$1`, `${1}` and `$name` in the template refer to groups.
    pub(crate) fn replace_all(&self, text: &str, template: &str) -> String {
        let replaced = self
            .regex
            .replace_all(text, |captures: &regex::Captures<'_>| {
                let mut out = String::new();
                self.expand(template, captures, &mut out);
                out
            });
        replaced.into_owned()
    }

    /// Expands as Go's `Regexp.Expand`: it takes the longest name, and an unknown group is empty.
    fn expand(&self, template: &str, captures: &regex::Captures<'_>, out: &mut String) {
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('$') {
            out.push_str(before);
            rest = after;
            if let Some(after) = after.strip_prefix('$') {
                out.push('$');
                rest = after;
                continue;
            }
            let Some((name, after)) = group_name(after) else {
                out.push('$');
                continue;
            };
            rest = after;
            let found = match number(name) {
                Some(number) => captures.get(number),
                None => (self.names.iter())
                    .position(|other| other.as_deref() == Some(name))
                    .and_then(|position| captures.get(position + 1)),
            };
            out.push_str(found.map_or("", |found| found.as_str()));
        }
        out.push_str(rest);
    }

    /// Splits `text` at the matches, as Go's `Regexp.Split` without a limit.
    pub(crate) fn split<'t>(&self, text: &'t str) -> Vec<&'t str> {
        if !self.regex.as_str().is_empty() && text.is_empty() {
            return vec![""];
        }
        let mut parts = Vec::new();
        let (mut begin, mut end) = (0, 0);
        for found in self.regex.find_iter(text) {
            end = found.start();
            if found.end() != 0 {
                parts.push(text.get(begin..end).unwrap_or_default());
            }
            begin = found.end();
        }
        if end != text.len() {
            parts.push(text.get(begin..).unwrap_or_default());
        }
        parts
    }
}

/// Splits a group's name off `text`, which follows a `$`.
fn group_name(text: &str) -> Option<(&str, &str)> {
    let in_braces = text.starts_with('{');
    let text = text.strip_prefix('{').unwrap_or(text);
    let end = text
        .find(|c: char| !(c.is_alphabetic() || c.is_numeric() || c == '_'))
        .unwrap_or(text.len());
    let (name, after) = text.split_at(end);
    if name.is_empty() {
        return None;
    }
    if in_braces {
        return Some((name, after.strip_prefix('}')?));
    }
    Some((name, after))
}

/// Parses a group's number: digits without a leading zero.
fn number(name: &str) -> Option<usize> {
    let is_number = name.bytes().all(|byte| byte.is_ascii_digit());
    let leads_with_zero = name.len() > 1 && name.starts_with('0');
    if !is_number || leads_with_zero {
        return None;
    }
    name.parse().ok().filter(|number| *number < 100_000_000)
}

/// An open group.
#[derive(Debug, Default)]
struct Group {
    /// Maximum of the repetitions in the group.
    repetitions: u32,
    /// Repetitions of the last item, which a `*` would repeat. `None` if there is no such item.
    last: Option<u32>,
}

/// Parses a pattern and rewrites it.
struct Reader<'p> {
    pattern: &'p str,
    rest: Peekable<Chars<'p>>,
    written: String,
    names: Vec<Option<String>>,
    groups: Vec<Group>,
    group: Group,
}

impl<'p> Reader<'p> {
    fn new(pattern: &'p str) -> Self {
        Self {
            pattern,
            rest: pattern.chars().peekable(),
            written: String::with_capacity(pattern.len()),
            names: Vec::new(),
            groups: Vec::new(),
            group: Group::default(),
        }
    }

    fn invalid<T>(&self, why: &str) -> Result<T, PatternError> {
        Err(PatternError::Invalid(format!(
            "pattern `{}` is invalid: {why}",
            self.pattern
        )))
    }

    fn read(mut self) -> Result<(String, Vec<Option<String>>), PatternError> {
        let mut has_repeated = false;
        while let Some(c) = self.rest.next() {
            let repeats = match c {
                '*' | '+' | '?' => {
                    self.written.push(c);
                    self.repeated(1, has_repeated)?;
                    true
                }
                '{' => match self.counts() {
                    Some((least, most)) => {
                        self.counted(least, most, has_repeated)?;
                        true
                    }
                    None => {
                        self.literal('{');
                        false
                    }
                },
                _ => {
                    self.one(c)?;
                    false
                }
            };
            has_repeated = repeats;
        }
        if !self.groups.is_empty() {
            return self.invalid("a `)` is missing");
        }
        Ok((self.written, self.names))
    }

    fn one(&mut self, c: char) -> Result<(), PatternError> {
        match c {
            '(' => self.open(),
            ')' => {
                let Some(outer) = self.groups.pop() else {
                    return self.invalid("a `)` closes nothing");
                };
                let inner = std::mem::replace(&mut self.group, outer);
                self.written.push(')');
                self.atom(inner.repetitions);
                Ok(())
            }
            '|' => {
                self.written.push('|');
                self.group.last = None;
                Ok(())
            }
            '^' | '$' | '.' => {
                self.written.push(c);
                self.atom(0);
                Ok(())
            }
            '[' => self.class(),
            '\\' => self.escape(),
            _ => {
                self.literal(c);
                Ok(())
            }
        }
    }

    /// Records that a repeatable item was written.
    fn atom(&mut self, repetitions: u32) {
        self.group.last = Some(repetitions.max(1));
        self.group.repetitions = self.group.repetitions.max(repetitions);
    }

    fn literal(&mut self, c: char) {
        write_char(&mut self.written, c);
        self.atom(0);
    }

    /// Completes a repetition that was written, which may be lazy.
    ///
    /// It must follow a repeatable item, and not another repetition.
    fn repeated(&mut self, times: u32, has_repeated: bool) -> Result<(), PatternError> {
        if self.rest.next_if_eq(&'?').is_some() {
            self.written.push('?');
        }
        if has_repeated {
            return self
                .invalid("two repetitions follow each other: write a group round the first");
        }
        let Some(last) = self.group.last else {
            return self.invalid("a repetition repeats nothing");
        };
        let all = last.saturating_mul(times);
        if times > 1 && all > MOST_REPETITIONS {
            return self.invalid("it repeats more than 1000 times");
        }
        self.atom(all);
        Ok(())
    }

    fn counted(&mut self, least: u32, most: Count, has: bool) -> Result<(), PatternError> {
        let times = match most {
            Count::Same => least,
            Count::Unlimited => least,
            Count::UpTo(most) if most < least => {
                return self.invalid("a repetition ends before it begins");
            }
            Count::UpTo(most) => most,
        };
        if times > MOST_REPETITIONS {
            return self.invalid("it repeats more than 1000 times");
        }
        let _ = match most {
            Count::Same => write!(self.written, "{{{least}}}"),
            Count::Unlimited => write!(self.written, "{{{least},}}"),
            Count::UpTo(most) => write!(self.written, "{{{least},{most}}}"),
        };
        self.repeated(times, has)
    }

    /// Reads the counts after a `{`. `None` if there are none: then the brace is a literal.
    fn counts(&mut self) -> Option<(u32, Count)> {
        let mut ahead = self.rest.clone();
        let least = decimal(&mut ahead)?;
        let counts = match ahead.next()? {
            '}' => (least, Count::Same),
            ',' if ahead.next_if_eq(&'}').is_some() => (least, Count::Unlimited),
            ',' => {
                let most = decimal(&mut ahead)?;
                if ahead.next()? != '}' {
                    return None;
                }
                (least, Count::UpTo(most))
            }
            _ => return None,
        };
        self.rest = ahead;
        Some(counts)
    }

    /// Reads the opening of a group after its `(`.
    fn open(&mut self) -> Result<(), PatternError> {
        if self.rest.next_if_eq(&'?').is_none() {
            self.written.push('(');
            self.names.push(None);
            self.enter();
            return Ok(());
        }
        let mut ahead = self.rest.clone();
        let _ = ahead.next_if_eq(&'P');
        if ahead.next_if_eq(&'<').is_some() {
            self.rest = ahead;
            return self.named();
        }
        self.flags()
    }

    fn enter(&mut self) {
        let outer = std::mem::take(&mut self.group);
        self.groups.push(outer);
    }

    fn named(&mut self) -> Result<(), PatternError> {
        let mut name = String::new();
        loop {
            match self.rest.next() {
                Some('>') if !name.is_empty() => break,
                Some(c) if c.is_ascii_alphanumeric() || c == '_' => name.push(c),
                _ => return self.invalid("a group's name has letters, digits and `_`"),
            }
        }
        if self.names.iter().flatten().any(|other| *other == name) {
            return self.invalid("two groups have the same name");
        }
        self.written.push('(');
        self.names.push(Some(name));
        self.enter();
        Ok(())
    }

    fn flags(&mut self) -> Result<(), PatternError> {
        let mut flags = String::new();
        let (mut is_off, mut has_flag) = (false, false);
        loop {
            match self.rest.next() {
                Some(c @ ('i' | 'm' | 's' | 'U')) => {
                    // The regex crate accepts each flag once.
                    if flags.contains(c) {
                        if is_off {
                            let why = "it switches a flag on and off in one place";
                            return Err(PatternError::Unsupported(format!(
                                "pattern `{}` is not supported: {why}",
                                self.pattern
                            )));
                        }
                    } else {
                        flags.push(c);
                    }
                    has_flag = true;
                }
                Some('-') if !is_off => {
                    flags.push('-');
                    (is_off, has_flag) = (true, false);
                }
                Some(c @ (':' | ')')) if has_flag || !is_off => {
                    if c == ':' {
                        let _ = write!(self.written, "(?{flags}:");
                        self.enter();
                    } else if !flags.is_empty() {
                        let _ = write!(self.written, "(?{flags})");
                    }
                    return Ok(());
                }
                _ => return self.invalid("`(?` begins a named group or has flags of `imsU`"),
            }
        }
    }

    /// Reads an escape outside of a class after its `\`.
    fn escape(&mut self) -> Result<(), PatternError> {
        let mut ahead = self.rest.clone();
        let written = match ahead.next() {
            Some('A') => r"\A",
            Some('z') => r"\z",
            Some('b') => r"(?-u:\b)",
            Some('B') => r"(?-u:\B)",
            Some('Q') => {
                self.rest = ahead;
                self.quoted();
                return Ok(());
            }
            Some('p' | 'P') => return self.unicode_class(),
            Some(c) => match perl_class(c) {
                Some(class) => class,
                None => {
                    let c = self.escaped()?;
                    self.literal(c);
                    return Ok(());
                }
            },
            None => return self.invalid(r"it ends with a `\`"),
        };
        self.rest = ahead;
        self.written.push_str(written);
        self.atom(0);
        Ok(())
    }

    /// Reads a literal text after `\Q`, up to `\E`.
    fn quoted(&mut self) {
        while let Some(c) = self.rest.next() {
            if c == '\\' && self.rest.next_if_eq(&'E').is_some() {
                return;
            }
            self.literal(c);
        }
    }

    fn unicode_class<T>(&self) -> Result<T, PatternError> {
        Err(PatternError::Unsupported(format!(
            r"pattern `{}` is not supported: it has a class of Unicode (`\p`): write its ranges, such as `[a-zà-ÿ]`",
            self.pattern
        )))
    }

    /// Reads an escaped character after its `\`.
    fn escaped(&mut self) -> Result<char, PatternError> {
        let c = self.rest.next();
        let code = match c {
            Some('a') => Some(0x07),
            Some('f') => Some(0x0c),
            Some('n') => Some(0x0a),
            Some('r') => Some(0x0d),
            Some('t') => Some(0x09),
            Some('v') => Some(0x0b),
            Some(c @ '0'..='7') => self.octal(c),
            Some('x') => self.hexadecimal(),
            Some(c) if c.is_ascii() && !c.is_ascii_alphanumeric() => Some(u32::from(c)),
            _ => None,
        };
        let Some(code) = code else {
            return match c {
                Some(c) => self.invalid(&format!(r"`\{c}` is not a valid escape")),
                None => self.invalid(r"it ends with a `\`"),
            };
        };
        char::from_u32(code).ok_or_else(|| {
            PatternError::Unsupported(format!(
                "pattern `{}` is not supported: U+{code:04X} is no character",
                self.pattern
            ))
        })
    }

    fn octal(&mut self, first: char) -> Option<u32> {
        let mut code = first.to_digit(8)?;
        let mut digits = 1;
        while digits < 3
            && let Some(digit) = self.rest.next_if(|c| c.is_digit(8))
        {
            code = code * 8 + digit.to_digit(8)?;
            digits += 1;
        }
        // A single digit other than zero is a back reference.
        (digits > 1 || first == '0').then_some(code)
    }

    fn hexadecimal(&mut self) -> Option<u32> {
        if self.rest.next_if_eq(&'{').is_none() {
            let high = self.rest.next()?.to_digit(16)?;
            let low = self.rest.next()?.to_digit(16)?;
            return Some(high * 16 + low);
        }
        let mut code = None;
        loop {
            match self.rest.next()? {
                '}' => return code,
                c => {
                    let digit = c.to_digit(16)?;
                    let wider = code.unwrap_or(0) * 16 + digit;
                    if wider > u32::from(char::MAX) {
                        return None;
                    }
                    code = Some(wider);
                }
            }
        }
    }

    /// Reads a class after its `[`.
    fn class(&mut self) -> Result<(), PatternError> {
        self.written.push('[');
        if self.rest.next_if_eq(&'^').is_some() {
            self.written.push('^');
        }
        let mut is_first = true;
        loop {
            match self.rest.peek() {
                None => return self.invalid("a `]` is missing"),
                Some(']') if !is_first => break,
                Some(_) => {}
            }
            is_first = false;
            if self.named_class()? {
                continue;
            }
            if let Some(class) = self.class_in_class()? {
                self.written.push_str(class);
                continue;
            }
            let low = self.class_char()?;
            let mut ahead = self.rest.clone();
            if ahead.next() == Some('-') && !matches!(ahead.peek(), Some(']') | None) {
                self.rest = ahead;
                let high = self.class_char()?;
                if high < low {
                    return self.invalid("a range ends before it begins");
                }
                write_char(&mut self.written, low);
                self.written.push('-');
                write_char(&mut self.written, high);
            } else {
                write_char(&mut self.written, low);
            }
        }
        self.rest.next();
        self.written.push(']');
        self.atom(0);
        Ok(())
    }

    /// Reads a named class such as `[:alpha:]` in a class. Returns false if there is none.
    fn named_class(&mut self) -> Result<bool, PatternError> {
        let mut ahead = self.rest.clone();
        if ahead.next() != Some('[') || ahead.next() != Some(':') {
            return Ok(false);
        }
        let rest: String = ahead.clone().collect();
        let Some((name, _)) = rest.split_once(":]") else {
            return Ok(false);
        };
        if !NAMED_CLASSES.contains(&name.trim_start_matches('^')) || name.starts_with("^^") {
            return self.invalid(&format!("there is no class `[:{name}:]`"));
        }
        let _ = write!(self.written, "[:{name}:]");
        for _ in 0..name.chars().count() + 2 {
            ahead.next();
        }
        self.rest = ahead;
        Ok(true)
    }

    /// Reads a class such as `\w` in a class.
    fn class_in_class(&mut self) -> Result<Option<&'static str>, PatternError> {
        let mut ahead = self.rest.clone();
        if ahead.next() != Some('\\') {
            return Ok(None);
        }
        let class = match ahead.next() {
            Some('p' | 'P') => return self.unicode_class(),
            Some(c) => perl_class(c),
            None => None,
        };
        if class.is_some() {
            self.rest = ahead;
        }
        Ok(class)
    }

    fn class_char(&mut self) -> Result<char, PatternError> {
        match self.rest.next() {
            Some('\\') => self.escaped(),
            Some(c) => Ok(c),
            None => self.invalid("a `]` is missing"),
        }
    }
}

/// Upper bound of a repetition.
#[derive(Debug, Clone, Copy)]
enum Count {
    Same,
    Unlimited,
    UpTo(u32),
}

const NAMED_CLASSES: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct",
    "space", "upper", "word", "xdigit",
];

/// Returns the class of RE2's `\w` and the like. `\s` has no vertical tab.
const fn perl_class(c: char) -> Option<&'static str> {
    match c {
        'd' => Some("[0-9]"),
        'D' => Some("[^0-9]"),
        's' => Some(r"[\t\n\x0c\r ]"),
        'S' => Some(r"[^\t\n\x0c\r ]"),
        'w' => Some("[0-9A-Za-z_]"),
        'W' => Some("[^0-9A-Za-z_]"),
        _ => None,
    }
}

/// Writes a literal character.
fn write_char(written: &mut String, c: char) {
    if c.is_ascii_alphanumeric() || c == ' ' || !c.is_ascii() {
        written.push(c);
    } else {
        let _ = write!(written, r"\x{{{:x}}}", u32::from(c));
    }
}

/// Reads a number without a leading zero. Too large a number becomes `u32::MAX`.
fn decimal(rest: &mut Peekable<Chars<'_>>) -> Option<u32> {
    let mut digits = String::new();
    while let Some(digit) = rest.next_if(char::is_ascii_digit) {
        digits.push(digit);
    }
    if digits.is_empty() || (digits.len() > 1 && digits.starts_with('0')) {
        return None;
    }
    Some(digits.parse().unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        let pattern = Pattern::new(pattern).unwrap_or_else(|error| panic!("{error:?}"));
        pattern.regex.is_match(text)
    }

    #[test]
    fn classes_and_word_boundaries_are_of_ascii() {
        for (pattern, is, is_not) in [
            (r"^\w+$", "abc_9", "аbc"),
            (r"^[\w.]+$", "a.b", "é.b"),
            (r"^\d+$", "123", "١٢٣"),
            (r"^\s$", "\t", "\u{a0}"),
            (r"^\s$", " ", "\u{b}"),
            (r"^[\s]$", " ", "\u{2003}"),
            (r"^\W$", "é", "e"),
            (r"^[^\w]$", "é", "e"),
            (r"^[^\W]$", "e", "é"),
            (r"^\S$", "\u{a0}", " "),
            (r"^\D$", "٣", "3"),
            (r"^[[:word:]]$", "e", "é"),
            (r"^[[:^alpha:]]$", "é", "e"),
            (r"a\b", "aé", "ab"),
            (r"a\B", "ab", "aé"),
            (r"(?i)^[[:lower:]]$", "K", "1"),
        ] {
            assert!(matches(pattern, is), "{pattern} {is}");
            assert!(!matches(pattern, is_not), "{pattern} {is_not}");
        }
    }

    #[test]
    fn what_folds_in_go_folds() {
        assert!(matches("(?i)^k$", "\u{212a}"));
        assert!(matches("(?i)^s$", "ſ"));
        assert!(matches(r"(?i)^\w$", "\u{212a}"));
        assert!(!matches("^k$", "\u{212a}"));
        assert!(matches("(?i)^a(?-i)b$", "Ab"));
        assert!(!matches("(?i)^a(?-i)b$", "AB"));
        assert!(matches("(?i:^a|b)c$", "Bc"));
    }

    #[test]
    fn what_the_regex_crate_reads_otherwise_is_as_in_re2() {
        for (pattern, is, is_not) in [
            (r"^\<a\>$", "<a>", "a"),
            (r"^[a&&b]+$", "a&b", "c"),
            (r"^[a[b]+$", "a[b", "c"),
            (r"^[a[b]]$", "a]", "b"),
            (r"^[a~~b]$", "~", "c"),
            (r"^a{,2}$", "a{,2}", "aa"),
            (r"^a{ 2}$", "a{ 2}", "aa"),
            (r"^a{02}$", "a{02}", "aa"),
            (r"^a{2}$", "aa", "a{2}"),
            (r"^{$", "{", "}"),
            (r"^\Qa.*\E+$", "a.**", "aab"),
            (r"^\Qa.\Eb\Q*", "a.b*", "axb*"),
            (r"^[]a]$", "]", "b"),
            (r"^[^]a]$", "b", "]"),
            (r"^[a-]$", "-", "b"),
            (r"^[\d-z]$", "-", "y"),
            (r"^\101\x42\x{43}$", "ABC", "101"),
            (r"^[\101-\x43]$", "B", "1"),
            (r"^\_\-$", "_-", "-"),
            (r"^.$", "\r", "\n"),
            (r"(?s)^.$", "\n", ""),
            (r"^a$", "a", "a\n"),
            (r"(?m)^a$", "b\na\n", "b\na\r\n"),
            (r"\Aa\z", "a", "a\n"),
            (r"^(?P<1a>a)(?<b>b)$", "ab", "b"),
            (r"^(?)a$", "a", "b"),
            (r"^#a b$", "#a b", "#ab"),
        ] {
            assert!(matches(pattern, is), "{pattern} {is}");
            assert!(!matches(pattern, is_not), "{pattern} {is_not}");
        }
    }

    #[test]
    fn what_re2_does_not_accept_is_invalid() {
        for pattern in [
            "(",
            ")",
            "a)",
            "[",
            "[a",
            "[]",
            "*",
            "(*)",
            "a|*",
            "(?i)*",
            "a**",
            "a*+",
            "a+?*",
            "a{2}{3}",
            "a{1001}",
            "a{1,1001}",
            "a{3,2}",
            "(a{100}){11}",
            "((a{10}){10}){11}",
            r"\",
            r"\8",
            r"\1",
            r"\C",
            r"\Z",
            r"\u0041",
            r"\é",
            r"\e",
            r"\R",
            "[z-a]",
            r"[a-\d]",
            "[[:foo:]]",
            "(?x)a",
            "(?u)a",
            "(?-)a",
            "(?R)a",
            "(?P<>a)",
            "(?P<a-b>a)",
            "(?P<a>a)(?P<a>b)",
            "(?=a)",
            "(?!a)",
            "(?<=a)",
            "(?P=a)",
            r"\x{110000}",
            r"\x4",
            r"\x{}",
            "(?",
            "(?P<a",
            r"\p",
        ] {
            let found = Pattern::new(pattern).map(|found| found.regex.to_string());
            let is_right = match &found {
                Err(PatternError::Invalid(_)) => true,
                // `\p` without a name is invalid in RE2, but reported as unsupported here.
                Err(PatternError::Unsupported(_)) => pattern == r"\p",
                Ok(_) => false,
            };
            assert!(is_right, "{pattern}: {found:?}");
        }
    }

    #[test]
    fn what_is_not_supported_is_said() {
        for pattern in [
            r"\pL",
            r"[\p{Greek}]",
            r"a\PN",
            "((((a{9}){9}){9})b{999}){1}\u{1}x{999}y{999}",
        ] {
            match Pattern::new(pattern) {
                Ok(_) if !pattern.contains('p') => {}
                Err(PatternError::Unsupported(message)) => {
                    assert!(!message.contains('\n'), "{message}");
                }
                other => panic!("{pattern}: {other:?}"),
            }
        }
    }

    #[test]
    fn replaces_as_go_expands() {
        for (pattern, text, template, expected) in [
            ("(?P<first>a)(b)", "abab", "$2$1", "baba"),
            ("(?P<first>a)(b)", "ab", "${first}x", "ax"),
            ("(?P<first>a)(b)", "ab", "$firstx", ""),
            ("(a)", "a", "$1x", ""),
            ("(a)", "a", "${1}x", "ax"),
            ("(a)", "a", "$01", ""),
            ("(a)", "a", "$0", "a"),
            ("(a)", "a", "$1é", ""),
            ("(a)", "a", "$$1", "$1"),
            ("(a)", "a", "$", "$"),
            ("(a)", "a", "$-", "$-"),
            ("(a)", "a", "${1", "${1"),
            ("(a)", "a", "${a b}", "${a b}"),
            ("a*", "baaac", "x", "xbxcx"),
        ] {
            let found = Pattern::new(pattern).map(|pattern| pattern.replace_all(text, template));
            assert_eq!(
                found.as_deref(),
                Ok(expected),
                "{pattern} {text} {template}"
            );
        }
    }

    #[test]
    fn splits_as_go_splits() {
        for (pattern, text, expected) in [
            ("", "abc", vec!["a", "b", "c"]),
            ("a", "", vec![""]),
            ("a", "banana", vec!["b", "n", "n", ""]),
            ("b", "banana", vec!["", "anana"]),
            ("z*", "pizza", vec!["p", "i", "a"]),
            (",", "a,b", vec!["a", "b"]),
            ("", "", vec![]),
        ] {
            let found = Pattern::new(pattern).unwrap();
            assert_eq!(found.split(text), expected, "{pattern} {text}");
        }
    }
}
