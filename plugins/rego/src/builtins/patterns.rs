//! Builtins for regular expressions, with RE2's patterns.

use super::re2::{Pattern, PatternError};
use super::{Fault, Outcome, text, whole};
use regorus::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Compiled literal patterns of the policies.
#[derive(Debug)]
pub(super) struct Patterns(BTreeMap<String, Pattern>);

impl Patterns {
    /// Compiles those of `literals` that are valid and supported.
    pub(super) fn compiled(literals: impl IntoIterator<Item = String>) -> Self {
        let literals = literals.into_iter();
        let compiled = literals.filter_map(|text| Some((Pattern::new(&text).ok()?, text)));
        Self(compiled.map(|(pattern, text)| (text, pattern)).collect())
    }

    fn get(&self, pattern: &str) -> Result<Cow<'_, Pattern>, Fault> {
        match self.0.get(pattern) {
            Some(compiled) => Ok(Cow::Borrowed(compiled)),
            None => Ok(Cow::Owned(Pattern::new(pattern)?)),
        }
    }
}

impl From<PatternError> for Fault {
    fn from(error: PatternError) -> Self {
        match error {
            PatternError::Invalid(message) => Self::Erring(message),
            PatternError::Unsupported(message) => Self::Unsupported(message),
        }
    }
}

type OfPatterns = (&'static str, u8, fn(&Patterns, &[Value]) -> Outcome);

pub(super) const BUILTINS: &[OfPatterns] = &[
    ("regex.match", 2, is_match),
    ("regex.is_valid", 1, is_valid),
    ("regex.find_n", 3, find_n),
    ("regex.find_all_string_submatch_n", 3, find_submatches),
    ("regex.replace", 3, replace),
    ("regex.split", 2, split),
    ("regex.template_match", 4, template_match),
];

fn is_match(patterns: &Patterns, arguments: &[Value]) -> Outcome {
    let (pattern, found_in) = (text(arguments, 0)?, text(arguments, 1)?);
    let pattern = patterns.get(pattern)?;
    Ok(Value::from(pattern.regex.is_match(found_in)))
}

fn is_valid(patterns: &Patterns, arguments: &[Value]) -> Outcome {
    let Ok(pattern) = text(arguments, 0) else {
        return Ok(Value::from(false));
    };
    match patterns.get(pattern) {
        Ok(_) => Ok(Value::from(true)),
        Err(Fault::Erring(_)) => Ok(Value::from(false)),
        Err(fault) => Err(fault),
    }
}

/// Returns the maximum number of matches. A negative argument means all.
fn limit(arguments: &[Value]) -> Result<usize, Fault> {
    Ok(usize::try_from(whole(arguments, 2)?).unwrap_or(usize::MAX))
}

fn find_n(patterns: &Patterns, arguments: &[Value]) -> Outcome {
    let (pattern, found_in) = (text(arguments, 0)?, text(arguments, 1)?);
    let limit = limit(arguments)?;
    let pattern = patterns.get(pattern)?;
    let found = pattern.regex.find_iter(found_in).take(limit);
    Ok(found
        .map(|found| Value::from(found.as_str()))
        .collect::<Vec<_>>()
        .into())
}

fn find_submatches(patterns: &Patterns, arguments: &[Value]) -> Outcome {
    let (pattern, found_in) = (text(arguments, 0)?, text(arguments, 1)?);
    let limit = limit(arguments)?;
    let pattern = patterns.get(pattern)?;
    let found = pattern.regex.captures_iter(found_in).take(limit);
    let found = found.map(|captures| {
        let groups = captures.iter();
        let groups = groups.map(|group| Value::from(group.map_or("", |group| group.as_str())));
        Value::from(groups.collect::<Vec<_>>())
    });
    Ok(found.collect::<Vec<_>>().into())
}

fn replace(patterns: &Patterns, arguments: &[Value]) -> Outcome {
    let (changed, pattern) = (text(arguments, 0)?, text(arguments, 1)?);
    let template = text(arguments, 2)?;
    let pattern = patterns.get(pattern)?;
    Ok(Value::from(pattern.replace_all(changed, template)))
}

fn split(patterns: &Patterns, arguments: &[Value]) -> Outcome {
    let (pattern, divided) = (text(arguments, 0)?, text(arguments, 1)?);
    let pattern = patterns.get(pattern)?;
    let parts = pattern.split(divided).into_iter().map(Value::from);
    Ok(parts.collect::<Vec<_>>().into())
}

/// Matches a template: text with patterns between delimiters. The match covers the whole text.
fn template_match(_: &Patterns, arguments: &[Value]) -> Outcome {
    let (template, matched) = (text(arguments, 0)?, text(arguments, 1)?);
    let (start, end) = (delimiter(arguments, 2)?, delimiter(arguments, 3)?);
    let mut pattern = "^".to_owned();
    let (mut level, mut since, mut literal) = (0_usize, 0, 0);
    for (position, byte) in template.bytes().enumerate() {
        if byte == start {
            level += 1;
            if level == 1 {
                since = position;
            }
        } else if byte == end {
            let Some(outer) = level.checked_sub(1) else {
                return Fault::erring("its delimiters are not in pairs");
            };
            level = outer;
            if level == 0 {
                let raw = template.get(literal..since).unwrap_or_default();
                let part = template.get(since + 1..position).unwrap_or_default();
                // Each part must be a valid pattern, so that it cannot close a group of another part.
                Pattern::new(&format!("^{part}$"))?;
                quote(raw, &mut pattern);
                pattern.push('(');
                pattern.push_str(part);
                pattern.push(')');
                literal = position + 1;
            }
        }
    }
    if level != 0 {
        return Fault::erring("its delimiters are not in pairs");
    }
    quote(template.get(literal..).unwrap_or_default(), &mut pattern);
    pattern.push('$');
    Ok(Value::from(Pattern::new(&pattern)?.regex.is_match(matched)))
}

/// Reads a delimiter, which is one ASCII character.
fn delimiter(arguments: &[Value], position: usize) -> Result<u8, Fault> {
    match text(arguments, position)?.as_bytes() {
        [byte] if byte.is_ascii() => Ok(*byte),
        _ => Fault::erring(format!("argument {} is one character", position + 1)),
    }
}

fn quote(raw: &str, pattern: &mut String) {
    for c in raw.chars() {
        if r"\.+*?()|[]{}^$".contains(c) {
            pattern.push('\\');
        }
        pattern.push(c);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builtins::testing::value;

    #[track_caller]
    fn gives(name: &str, arguments: &[&str], expected: Option<&str>) {
        let (_, _, compute) = BUILTINS.iter().find(|(other, ..)| *other == name).unwrap();
        let arguments: Vec<_> = arguments.iter().map(|text| value(text)).collect();
        let found = compute(&Patterns::compiled([r"\w+".to_owned()]), &arguments);
        match expected {
            Some(expected) => assert_eq!(found, Ok(value(expected)), "{name} {arguments:?}"),
            None => assert!(found.is_err(), "{name} {arguments:?}: {found:?}"),
        }
    }

    #[test]
    fn patterns_are_of_ascii_whether_they_stand_in_the_policy_or_not() {
        gives("regex.match", &[r"`^\w+$`", "`abc`"], Some("true"));
        gives("regex.match", &[r"`^\w+$`", "`аbc`"], Some("false"));
        gives(
            "regex.find_n",
            &[r"`\w+`", "`éa bé`", "-1"],
            Some(r#"["a", "b"]"#),
        );
        gives(
            "regex.find_n",
            &[r"`\w`", "`abc`", "2"],
            Some(r#"["a", "b"]"#),
        );
        gives("regex.find_n", &[r"`\w`", "`abc`", "0"], Some("[]"));
        gives("regex.find_n", &[r"`\w`", "`abc`", "1.5"], None);
        gives(
            "regex.split",
            &[r"`\s`", "`a b\u{a0}c`"],
            Some("[\"a\", \"b\u{a0}c\"]"),
        );
        gives("regex.replace", &["`aé`", r"`\W`", "`-`"], Some("`a-`"));
        let all = "regex.find_all_string_submatch_n";
        gives(
            all,
            &[r"`(\d)(x)?`", "`1x٣`", "-1"],
            Some(r#"[["1x", "1", "x"]]"#),
        );
    }

    #[test]
    fn what_is_not_supported_is_neither_valid_nor_invalid() {
        gives("regex.is_valid", &[r"`\w`"], Some("true"));
        gives("regex.is_valid", &[r"`\Qa`"], Some("true"));
        gives("regex.is_valid", &[r"`(?=a)`"], Some("false"));
        gives("regex.is_valid", &["1"], Some("false"));
        gives("regex.is_valid", &[r"`\pL`"], None);
        gives("regex.match", &["1", "`a`"], None);
        gives("regex.match", &["`(`", "`a`"], None);
    }

    #[test]
    fn a_template_is_one_pattern() {
        let name = "regex.template_match";
        let braces = ["`{`", "`}`"];
        for (template, matched, expected) in [
            ("`urn:{.*}:bar`", "`urn:foo:bar`", Some("true")),
            ("`urn:{.*}:bar`", "`urn:a:bar:bar`", Some("true")),
            ("`urn:{.*}:bar`", "`urn:foo:baz`", Some("false")),
            ("`a.b{x|y}`", "`a.by`", Some("true")),
            ("`a.b{x|y}`", "`acby`", Some("false")),
            ("`a{[0-9]{2}}`", "`a12`", Some("true")),
            ("`a{[0-9]`", "`a1`", None),
            ("`a}`", "`a`", None),
            ("`a`", "`a`", Some("true")),
            (r"`{\w}`", "`é`", Some("false")),
            ("`{a)(b}`", "`ab`", None),
        ] {
            gives(name, &[template, matched, braces[0], braces[1]], expected);
        }
        gives(name, &["`a`", "`a`", "`{{`", "`}`"], None);
    }
}
