//! Patterns with the syntax and meaning of RE2, which OPA uses.
//!
//! The regex crate differs from RE2 in syntax and meaning:
//!
//! - `\w`, `\d`, `\s` and `\b` match Unicode in the crate, and ASCII in RE2.
//! - `\<` matches the beginning of a word in the crate, and a `<` in RE2.
//! - `[a&&b]` is an intersection in the crate, and a list of three characters in RE2.
//!
//! So a pattern is parsed as by Go's `regexp/syntax`, and rewritten for the regex crate.

mod reader;
#[cfg(test)]
mod tests;

use reader::Reader;
use regex::{Regex, RegexBuilder};

/// Maximum size of a compiled pattern in bytes.
const MOST_BYTES: usize = 1024 * 1024;

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
