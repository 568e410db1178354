//! Builtins for globs, with the meaning of the library that OPA uses.

use super::{Builtin, Fault, Outcome, kind, text};
use regex::{Regex, RegexBuilder, escape};
use regorus::Value;

pub(super) const BUILTINS: &[Builtin] = &[
    ("glob.match", 3, is_match),
    ("glob.quote_meta", 1, quote_meta),
];

/// Maximum size of a compiled glob in bytes.
const MOST_BYTES: usize = 1024 * 1024;

fn is_match(arguments: &[Value]) -> Outcome {
    let (pattern, matched) = (text(arguments, 0)?, text(arguments, 2)?);
    let delimiters = delimiters(arguments.get(1))?;
    Ok(Value::from(
        compiled(pattern, &delimiters)?.is_match(matched),
    ))
}

/// Reads the delimiters: none for null, and a dot for an empty array.
fn delimiters(argument: Option<&Value>) -> Result<String, Fault> {
    let items = match argument {
        Some(Value::Null) => return Ok(String::new()),
        Some(Value::Array(items)) if items.is_empty() => return Ok(".".to_owned()),
        Some(Value::Array(items)) => items,
        other => {
            return Fault::erring(format!(
                "argument 2 is an array or null, not {}",
                kind(other)
            ));
        }
    };
    let mut delimiters = String::new();
    for item in items.iter() {
        match item {
            Value::String(one) if one.chars().count() == 1 => delimiters.push_str(one),
            _ => return Fault::erring("argument 2 has texts of one character"),
        }
    }
    Ok(delimiters)
}

/// Compiles the glob to a regular expression.
fn compiled(pattern: &str, delimiters: &str) -> Result<Regex, Fault> {
    let any = if delimiters.is_empty() {
        "(?s:.)".to_owned()
    } else {
        format!("[^{}]", escaped_in_class(delimiters))
    };
    let mut written = r"\A(?:".to_owned();
    let mut depth = 0_usize;
    let mut rest = pattern.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '*' if rest.next_if_eq(&'*').is_some() => written.push_str("(?s:.)*"),
            '*' => {
                written.push_str(&any);
                written.push('*');
            }
            '?' => written.push_str(&any),
            '{' => {
                depth += 1;
                written.push_str("(?:");
            }
            '}' if depth > 0 => {
                depth -= 1;
                written.push(')');
            }
            ',' if depth > 0 => written.push('|'),
            '[' => class(&mut rest, &mut written)?,
            '\\' => {
                if let Some(c) = rest.next() {
                    written.push_str(&escape(c.encode_utf8(&mut [0; 4])));
                }
            }
            c => written.push_str(&escape(c.encode_utf8(&mut [0; 4]))),
        }
    }
    if depth > 0 {
        return Fault::unsupported(format!("glob `{pattern}` has a `{{` that is not closed"));
    }
    written.push_str(r")\z");
    let compiled = RegexBuilder::new(&written).size_limit(MOST_BYTES).build();
    compiled.map_err(|_| Fault::Unsupported(format!("glob `{pattern}` is too large")))
}

/// Reads a class after its `[`: one range or a list of characters, either negated with `!`.
fn class(
    rest: &mut std::iter::Peekable<std::str::Chars<'_>>,
    written: &mut String,
) -> Result<(), Fault> {
    let invalid =
        || Fault::Erring("a `[` in the glob is not closed, or has more than one range".to_owned());
    written.push('[');
    if rest.next_if_eq(&'!').is_some() {
        written.push('^');
    }
    let mut ahead = rest.clone();
    let first = ahead.next().ok_or_else(invalid)?;
    if ahead.next_if_eq(&'-').is_some() {
        let last = ahead.next().ok_or_else(invalid)?;
        if ahead.next() != Some(']') || last < first {
            return Err(invalid());
        }
        *rest = ahead;
        written.push_str(&escaped_in_class(&first.to_string()));
        written.push('-');
        written.push_str(&escaped_in_class(&last.to_string()));
        written.push(']');
        return Ok(());
    }
    let mut listed = String::new();
    loop {
        match rest.next().ok_or_else(invalid)? {
            ']' => break,
            '\\' => listed.push(rest.next().ok_or_else(invalid)?),
            c => listed.push(c),
        }
    }
    if listed.is_empty() {
        return Fault::unsupported("a `[]` in the glob has no character");
    }
    written.push_str(&escaped_in_class(&listed));
    written.push(']');
    Ok(())
}

fn escaped_in_class(characters: &str) -> String {
    let codes = characters.chars();
    codes
        .map(|c| format!(r"\x{{{:x}}}", u32::from(c)))
        .collect()
}

fn quote_meta(arguments: &[Value]) -> Outcome {
    let mut quoted = String::new();
    for c in text(arguments, 0)?.chars() {
        if r"*?\[]{}".contains(c) {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    Ok(Value::from(quoted))
}

#[cfg(test)]
mod tests {
    use crate::builtins::testing::gives;

    #[test]
    fn a_star_stops_at_a_delimiter() {
        for (pattern, delimiters, matched, expected) in [
            ("*.github.com", "[]", "api.github.com", Some("true")),
            ("*.github.com", "[]", "a.b.github.com", Some("false")),
            ("*.github.com", "null", "a.b.github.com", Some("true")),
            ("**.github.com", "[]", "a.b.github.com", Some("true")),
            ("*:github:com", "[`:`]", "api:github:com", Some("true")),
            ("acme/*", "[`/`]", "acme/a", Some("true")),
            ("acme/*", "[`/`]", "acme/a/b", Some("false")),
            ("acme/*", "[`/`]", "acme/", Some("true")),
            ("acme/?", "[`/`]", "acme/é", Some("true")),
            ("?", "[]", ".", Some("false")),
            ("[abc]at", "[]", "cat", Some("true")),
            ("[!abc]at", "[]", "cat", Some("false")),
            ("[a-c]at", "[]", "dat", Some("false")),
            ("[!a-c]at", "[]", "dat", Some("true")),
            ("[a-cx]", "[]", "a", None),
            ("[c-a]", "[]", "a", None),
            ("[a", "[]", "a", None),
            ("{cat,bat,[fr]at}", "[]", "rat", Some("true")),
            ("{cat,bat}", "[]", "cat,bat", Some("false")),
            ("{a", "[]", "a", None),
            (r"\*", "[]", "*", Some("true")),
            (r"\*", "[]", "a", Some("false")),
            ("a.c", "[`/`]", "abc", Some("false")),
            ("(a|b)", "[]", "a", Some("false")),
            ("a\nb*", "[]", "a\nb\n", Some("true")),
            ("a", "[]", "a\n", Some("false")),
            ("A", "[]", "a", Some("false")),
            ("a", "[`ab`]", "a", None),
            ("a", "1", "a", None),
        ] {
            let (pattern, matched) = (format!("`{pattern}`"), format!("`{matched}`"));
            gives("glob.match", &[&pattern, delimiters, &matched], expected);
        }
        gives("glob.quote_meta", &["`*.[a]{b}`"], Some(r"`\*.\[a\]\{b\}`"));
    }
}
