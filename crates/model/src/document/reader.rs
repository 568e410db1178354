//! Reader of TOML, table by table.
//!
//! It records every problem instead of stopping at the first.

use super::problem::{LOOKS_LIKE_A_SECRET, Problem, Severity};
use super::secrets::lines_with_tokens;
use crate::secret::withheld;
use crate::timestamp::Timestamp;
use portcullis_contract::{line_and_column, one_line, printable};
use serde_json::{Map, Value};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};
use std::path::Path;
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use toml::value::Datetime;

/// Range of bytes in the file.
pub type Span = Range<usize>;

/// Span that stands for the file as a whole.
pub const FILE: Span = 0..0;

/// Expected form of a time, for messages.
pub const A_MOMENT: &str = "a moment with a time zone, such as `2027-03-31T00:00:00Z`";

/// A file and the problems found in it.
pub struct Source<'a> {
    file: &'a Path,
    text: &'a str,
    problems: RefCell<Vec<Problem>>,
}

impl<'a> Source<'a> {
    /// Starts without problems.
    pub fn new(file: &'a Path, text: &'a str) -> Self {
        Self {
            file,
            text,
            problems: RefCell::default(),
        }
    }

    /// Records an error at `span`.
    pub fn error(&self, span: Span, message: impl Into<String>) {
        self.note(Severity::Error, span, message.into());
    }

    /// Records a warning at `span`.
    pub fn warn(&self, span: Span, message: impl Into<String>) {
        self.note(Severity::Warning, span, message.into());
    }

    /// Warns of text that looks like a secret. The text is never echoed.
    fn warn_of_tokens(&self) {
        for line in lines_with_tokens(self.text) {
            self.problems.borrow_mut().push(Problem {
                severity: Severity::Warning,
                file: self.file.to_owned(),
                line,
                column: 1,
                message: LOOKS_LIKE_A_SECRET.to_owned(),
            });
        }
    }

    fn note(&self, severity: Severity, span: Span, message: String) {
        let (line, column) = match span == FILE {
            true => (0, 0),
            false => line_and_column(self.text, span.start),
        };
        self.problems.borrow_mut().push(Problem {
            severity,
            file: self.file.to_owned(),
            line,
            column,
            // A plugin or a file controls part of the text.
            message: printable(&withheld(&one_line(&message))),
        });
    }

    /// Adds the problems of another file that this one names.
    pub fn add(&self, problems: Vec<Problem>) {
        self.problems.borrow_mut().extend(problems);
    }

    /// Returns the problems in the order of the file.
    ///
    /// The problems of files that it names follow.
    pub fn into_problems(self) -> Vec<Problem> {
        let mut problems = self.problems.into_inner();
        problems.sort_by(|a, b| {
            let key = |p: &Problem| (p.file != self.file, p.file.clone(), p.line, p.column);
            key(a).cmp(&key(b))
        });
        problems
    }
}

/// Reads the tables of a file and records syntax errors.
///
/// Returns `None` after a syntax error: recovered tables may be incomplete, and further problems would
/// mislead.
pub fn parse<'t>(source: &Source<'_>, text: &'t str) -> Option<Spanned<DeTable<'t>>> {
    source.warn_of_tokens();
    if text.starts_with('\u{feff}') {
        source.error(
            FILE,
            "begins with a byte order mark: save it as UTF-8 without one",
        );
        return None;
    }
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        source.error(error.span().unwrap_or(FILE), error.message());
    }
    errors.is_empty().then_some(table)
}

/// A table of the file.
///
/// Each key that is read is recorded, so that [`Section::end`] finds unknown keys.
pub struct Section<'a, 'i> {
    source: &'a Source<'i>,
    table: &'a DeTable<'i>,
    span: Span,
    known: Vec<&'static str>,
    /// Keys that are no longer accepted.
    gone: Vec<&'static str>,
}

impl<'a, 'i> Section<'a, 'i> {
    /// Wraps the table at `span`.
    pub fn new(source: &'a Source<'i>, table: &'a DeTable<'i>, span: Span) -> Self {
        Self {
            source,
            table,
            span,
            known: Vec::new(),
            gone: Vec::new(),
        }
    }

    /// Span of the table.
    pub fn span(&self) -> Span {
        self.span.clone()
    }

    /// File that contains the table.
    pub fn source(&self) -> &'a Source<'i> {
        self.source
    }

    fn get(&mut self, key: &'static str) -> Option<&'a Spanned<DeValue<'i>>> {
        self.known.push(key);
        self.table
            .iter()
            .find_map(|(name, value)| (name.get_ref() == key).then_some(value))
    }

    /// Reads the value of `key` with `read`; records a problem if `read` returns `None`.
    fn read<T>(
        &mut self,
        key: &'static str,
        expected: &str,
        read: impl FnOnce(&'a DeValue<'i>) -> Option<T>,
    ) -> Option<(T, Span)> {
        let value = self.get(key)?;
        let read = read(value.get_ref());
        if read.is_none() {
            let found = value.get_ref().type_str();
            self.source.error(
                value.span(),
                format!("`{key}` is {expected}, not this {found}"),
            );
        }
        Some((read?, value.span()))
    }

    /// Reads the optional text `key`; records a problem if it has another type.
    pub fn text(&mut self, key: &'static str) -> Option<(&'a str, Span)> {
        self.read(key, "text", |value| value.as_str())
    }

    /// Reads the required text `key`; records a problem if it is missing or has another type.
    pub fn required_text(&mut self, key: &'static str) -> Option<(&'a str, Span)> {
        self.require(key, "it is text");
        self.text(key)
    }

    /// Reads the optional time `key`; records a problem if it is invalid or lacks a time zone.
    pub fn time(&mut self, key: &'static str) -> Option<Timestamp> {
        let value = self.get(key)?;
        let moment = match value.get_ref() {
            DeValue::String(text) => match text.parse() {
                Ok(time) => return Some(time),
                Err(_) => text.parse().ok(),
            },
            DeValue::Datetime(moment) => match moment.to_string().parse() {
                Ok(time) => return Some(time),
                Err(_) => Some(*moment),
            },
            _ => None,
        };
        let message = match moment {
            None => {
                let found = value.get_ref().type_str();
                format!("`{key}` is {A_MOMENT}, not this {found}")
            }
            Some(moment) => format!("`{key}` {}", why_unfit(&moment)),
        };
        self.source.error(value.span(), message);
        None
    }

    /// The duration `key`, which must be there and within `range`.
    pub fn required_duration(
        &mut self,
        key: &'static str,
        range: RangeInclusive<Duration>,
    ) -> Option<Duration> {
        self.require(key, "it is a time, such as `\"15m\"`");
        self.duration(key, range)
    }

    /// True if the table has a `key`, with any value.
    pub fn has(&self, key: &str) -> bool {
        self.table.iter().any(|(name, _)| name.get_ref() == key)
    }

    /// Span of the value of `key`, or of the table if there is none.
    pub fn place_of(&self, key: &str) -> Span {
        let mut members = self.table.iter();
        let value = members.find_map(|(name, value)| (name.get_ref() == key).then_some(value));
        value.map_or_else(|| self.span(), Spanned::span)
    }

    /// Refuses `key`, which is no longer accepted. `why` gives the reason and the replacement.
    pub fn refuse(&mut self, key: &'static str, why: &str) {
        self.gone.push(key);
        let named = |(name, _): &(&'a Spanned<_>, _)| name.get_ref() == key;
        if let Some((name, _)) = self.table.iter().find(named) {
            self.source.error(name.span(), why);
        }
    }

    /// Returns the text `key` if it is one. Records nothing.
    pub fn peek_text(&self, key: &str) -> Option<String> {
        let mut members = self.table.iter();
        let value = members.find_map(|(name, value)| (name.get_ref() == key).then_some(value))?;
        Some(value.get_ref().as_str()?.to_owned())
    }

    /// Records a problem if `key` is missing.
    fn require(&self, key: &str, what: &str) {
        if !self.has(key) {
            let message = format!("`{key}` is missing here: {what}");
            self.source.error(self.span(), message);
        }
    }

    /// Reads the optional duration `key`, such as `10ms`; records a problem if it is invalid.
    pub fn duration(
        &mut self,
        key: &'static str,
        range: RangeInclusive<Duration>,
    ) -> Option<Duration> {
        let expected = format!(
            "a time from `{:?}` to `{:?}`, such as `\"10ms\"` or `\"5m\"`",
            range.start(),
            range.end()
        );
        let (duration, _) = self.read(key, &expected, |value| {
            let signed: jiff::SignedDuration = value.as_str()?.parse().ok()?;
            let duration = Duration::try_from(signed).ok()?;
            range.contains(&duration).then_some(duration)
        })?;
        Some(duration)
    }

    /// The whole number `key`; a problem if it is beyond `range`.
    pub fn integer(&mut self, key: &'static str, range: RangeInclusive<usize>) -> Option<usize> {
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        let (integer, _) = self.read(key, &expected, |value| {
            let integer = integer(value)?;
            let integer = usize::try_from(integer).ok()?;
            range.contains(&integer).then_some(integer)
        })?;
        Some(integer)
    }

    /// The value of `key`, `true` or `false`.
    pub fn boolean(&mut self, key: &'static str) -> Option<bool> {
        let (boolean, _) = self.read(key, "`true` or `false`", |value| value.as_bool())?;
        Some(boolean)
    }

    /// The list of texts `key`; a problem if an item has another type.
    pub fn texts(&mut self, key: &'static str) -> Option<Vec<String>> {
        let (texts, _) = self.read(key, "a list of texts", |value| {
            value
                .as_array()?
                .iter()
                .map(|item| item.get_ref().as_str().map(str::to_owned))
                .collect()
        })?;
        Some(texts)
    }

    /// The table `key`.
    pub fn section(&mut self, key: &'static str) -> Option<Self> {
        let source = self.source;
        let (table, span) = self.read(key, "a table", |value| value.as_table())?;
        Some(Self::new(source, table, span))
    }

    /// Returns the tables of `[[key]]`; empty if there are none.
    pub fn sections(&mut self, key: &'static str) -> Vec<Self> {
        let source = self.source;
        let expected = format!("a list of tables: write `[[{key}]]`");
        let tables = self.read(key, &expected, |value| {
            value
                .as_array()?
                .iter()
                .map(|item| Some(Self::new(source, item.get_ref().as_table()?, item.span())))
                .collect::<Option<Vec<_>>>()
        });
        tables.map(|(tables, _)| tables).unwrap_or_default()
    }

    /// Returns the entries of the table `key`, with any names.
    pub fn entries(&mut self, key: &'static str) -> Vec<(&'a str, &'a Spanned<DeValue<'i>>)> {
        match self.read(key, "a table", |value| value.as_table()) {
            None => Vec::new(),
            Some((table, _)) => table
                .iter()
                .map(|(name, value)| (name.get_ref().as_ref(), value))
                .collect(),
        }
    }

    /// Returns the table `key` as JSON.
    ///
    /// The map holds the span of each of its values by JSON Pointer.
    pub fn json(&mut self, key: &'static str) -> Option<(Value, BTreeMap<String, Span>)> {
        let value = self.get(key)?;
        let mut places = BTreeMap::new();
        let json = self.to_json(value, String::new(), &mut places);
        Some((json, places))
    }

    fn to_json(
        &self,
        value: &Spanned<DeValue<'_>>,
        at: String,
        places: &mut BTreeMap<String, Span>,
    ) -> Value {
        let json = match value.get_ref() {
            DeValue::String(text) => Value::from(text.as_ref()),
            DeValue::Boolean(boolean) => Value::from(*boolean),
            DeValue::Datetime(moment) => Value::from(moment.to_string()),
            number @ DeValue::Integer(_) => integer(number).map_or_else(
                || {
                    let span = value.span();
                    self.source.error(span, "this number does not fit 64 bits");
                    Value::Null
                },
                Value::from,
            ),
            DeValue::Float(float) => {
                let text = float.as_str().replace('_', "");
                if !crate::json::is_exact_text(text.trim_start_matches('+')) {
                    let message = "this number has more digits than a double holds, or is whole and beyond 2^53: write fewer";
                    self.source.error(value.span(), message);
                }
                let number = text.parse::<f64>().ok();
                match number.and_then(serde_json::Number::from_f64) {
                    Some(number) => Value::Number(number),
                    None => {
                        let span = value.span();
                        self.source
                            .error(span, "settings hold no `inf` and no `nan`");
                        Value::Null
                    }
                }
            }
            DeValue::Array(items) => items
                .iter()
                .enumerate()
                .map(|(index, item)| self.to_json(item, format!("{at}/{index}"), places))
                .collect(),
            DeValue::Table(table) => {
                let members = table.iter().map(|(key, item)| {
                    let key = key.get_ref().as_ref();
                    let at = format!("{at}/{}", portcullis_contract::escape_key(key));
                    (key.to_owned(), self.to_json(item, at, places))
                });
                Value::Object(members.collect::<Map<_, _>>())
            }
        };
        places.insert(at, value.span());
        json
    }

    /// Records a problem for every unknown key.
    pub fn end(self) {
        for (name, _) in self.table.iter() {
            let key = name.get_ref().as_ref();
            if !self.known.contains(&key) && !self.gone.contains(&key) {
                let known: Vec<_> = self.known.iter().map(|key| format!("`{key}`")).collect();
                self.source.error(
                    name.span(),
                    format!(
                        "there is no `{}` here, only {}",
                        name.get_ref(),
                        known.join(", ")
                    ),
                );
            }
        }
    }
}

/// Reason why a date or time of TOML is no [`Timestamp`].
fn why_unfit(moment: &Datetime) -> String {
    let Datetime {
        date: Some(date),
        time: Some(_),
        offset: Some(_),
    } = moment
    else {
        return format!("lacks its time or its time zone: write {A_MOMENT}");
    };
    match date.year {
        // With an offset, the year 1970 of a text can begin before 1970 in UTC.
        ..=1970 => "is before 1970: write a later time, such as `2027-03-31T00:00:00Z`".to_owned(),
        _ => "is later than 9999-12-30: write an earlier time, such as `9999-12-30T00:00:00Z`"
            .to_owned(),
    }
}

fn integer(value: &DeValue<'_>) -> Option<i64> {
    let integer = value.as_integer()?;
    let digits = integer.as_str().replace('_', "");
    i64::from_str_radix(&digits, integer.radix()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> String {
        let source = Source::new(Path::new("a.toml"), text);
        if let Some(table) = parse(&source, text) {
            let mut root = Section::new(&source, table.get_ref(), FILE);
            root.time("expires");
            root.end();
        }
        let problems = source.into_problems();
        let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
        lines.join("\n")
    }

    #[test]
    fn a_byte_order_mark_is_named() {
        assert_eq!(problems("expires = 2027-03-31T00:00:00Z\n"), "");
        assert!(problems("\u{feff}expires = 1\n").contains("byte order mark"));
    }

    #[test]
    fn a_message_of_several_lines_is_one_line() {
        let source = Source::new(Path::new("a.toml"), "x = 1\n");
        source.error(0..1, "unexpected token\n  | a\r\n  | ^ here\u{1b}[1m\n");
        let whole = Problem::of_file(Path::new("b.toml"), "first\nsecond".to_owned());
        let lines: Vec<_> = source.into_problems().into_iter().chain([whole]).collect();
        assert_eq!(lines[0].message, "unexpected token | a | ^ here\u{fffd}[1m");
        assert_eq!(lines[1].message, "first second");
    }

    #[test]
    fn a_time_without_a_zone_one_too_early_and_one_too_late_are_told_apart() {
        for time in [
            "9999-12-30T00:00:00Z",
            "\"9999-12-30T00:00:00Z\"",
            "1970-01-01T00:00:00Z",
            "1969-12-31T23:30:00-01:00",
            "2027-03-31 00:00:00z",
            "\"2027-03-31T00:00:00+02:00\"",
        ] {
            assert_eq!(problems(&format!("expires = {time}\n")), "");
        }
        let late =
            "is later than 9999-12-30: write an earlier time, such as `9999-12-30T00:00:00Z`";
        let early = "is before 1970: write a later time, such as `2027-03-31T00:00:00Z`";
        let no_zone = "lacks its time or its time zone: write a moment with a time zone, such as `2027-03-31T00:00:00Z`";
        let other = |found| {
            format!(
                "is a moment with a time zone, such as `2027-03-31T00:00:00Z`, not this {found}"
            )
        };
        for (value, said) in [
            ("9999-12-31T23:59:59Z", late.to_owned()),
            ("9999-12-31T23:59:59.5+01:00", late.to_owned()),
            ("2027-03-31", no_zone.to_owned()),
            ("2027-03-31T00:00:00", no_zone.to_owned()),
            ("9999-12-31", no_zone.to_owned()),
            ("9999-12-31T23:59:59", no_zone.to_owned()),
            ("0001-01-01", no_zone.to_owned()),
            ("1969-12-31T23:59:59Z", early.to_owned()),
            ("1970-01-01T00:00:00+01:00", early.to_owned()),
            ("0000-01-01T00:00:00Z", early.to_owned()),
        ] {
            let said = format!("a.toml:1:11: error: `expires` {said}");
            for written in [value.to_owned(), format!("\"{value}\"")] {
                assert_eq!(problems(&format!("expires = {written}\n")), said);
            }
        }
        for (value, found) in [
            ("7", "integer"),
            ("\"9999\"", "string"),
            ("\"99990101\"", "string"),
            ("\"soon\"", "string"),
            ("[2027-03-31T00:00:00Z]", "array"),
        ] {
            let said = format!("a.toml:1:11: error: `expires` {}", other(found));
            assert_eq!(problems(&format!("expires = {value}\n")), said);
        }
        let time_alone = problems("expires = 07:32:00\n");
        assert_eq!(
            time_alone,
            format!("a.toml:1:11: error: `expires` {no_zone}")
        );
    }
}
