//! Reads a pattern as Go's `regexp/syntax` does, and writes it for the regex crate.

use super::PatternError;
use std::fmt::Write as _;
use std::iter::Peekable;
use std::str::Chars;

/// Maximum count of a repetition. The counts of nested ones are multiplied.
const MOST_REPETITIONS: u32 = 1000;

/// An open group.
#[derive(Debug, Default)]
struct Group {
    /// Maximum of the repetitions in the group.
    repetitions: u32,
    /// Repetitions of the last item, which a `*` would repeat. `None` if there is no such item.
    last: Option<u32>,
}

/// Parses a pattern and rewrites it.
pub(super) struct Reader<'p> {
    pattern: &'p str,
    rest: Peekable<Chars<'p>>,
    written: String,
    names: Vec<Option<String>>,
    groups: Vec<Group>,
    group: Group,
}

impl<'p> Reader<'p> {
    pub(super) fn new(pattern: &'p str) -> Self {
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

    pub(super) fn read(mut self) -> Result<(String, Vec<Option<String>>), PatternError> {
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
