//! Builtins for URL queries, written and read as by Go's `net/url`.

use super::{Builtin, Fault, Outcome, kind, text};
use regorus::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;

pub(super) const BUILTINS: &[Builtin] = &[
    ("urlquery.decode", 1, decode),
    ("urlquery.decode_object", 1, decode_object),
    ("urlquery.encode", 1, encode),
    ("urlquery.encode_object", 1, encode_object),
];

fn encode(arguments: &[Value]) -> Outcome {
    Ok(Value::from(encoded(text(arguments, 0)?)))
}

fn encoded(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                written.push(char::from(byte));
            }
            b' ' => written.push('+'),
            _ => {
                let _ = write!(written, "%{byte:02X}");
            }
        }
    }
    written
}

fn decode(arguments: &[Value]) -> Outcome {
    Ok(Value::from(decoded(text(arguments, 0)?)?))
}

fn decoded(text: &str) -> Result<String, Fault> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || rest.next().and_then(|byte| char::from(byte).to_digit(16));
                let code = digit().and_then(|high| Some(high * 16 + digit()?));
                match code.and_then(|code| u8::try_from(code).ok()) {
                    Some(byte) => byte,
                    None => return Fault::erring("a `%` is not followed by two digits"),
                }
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes)
        .map_err(|_| Fault::Unsupported("the decoded bytes are not text in UTF-8".to_owned()))
}

fn encode_object(arguments: &[Value]) -> Outcome {
    let Some(Value::Object(members)) = arguments.first() else {
        return Fault::erring(format!(
            "argument 1 is an object, not {}",
            kind(arguments.first())
        ));
    };
    let mut written = Vec::new();
    for (key, value) in members.iter_sorted() {
        let Value::String(key) = key else {
            return Fault::erring("argument 1 has keys that are texts");
        };
        let values: Vec<&Value> = match value {
            Value::String(_) => vec![value],
            Value::Array(values) => values.iter().collect(),
            Value::Set(values) => values.iter_sorted().collect(),
            other => {
                return Fault::erring(format!(
                    "a value is a text, an array or a set, not {}",
                    kind(Some(other))
                ));
            }
        };
        for value in values {
            let Value::String(value) = value else {
                return Fault::erring("a value is no text");
            };
            written.push(format!("{}={}", encoded(key), encoded(value)));
        }
    }
    Ok(Value::from(written.join("&")))
}

fn decode_object(arguments: &[Value]) -> Outcome {
    let mut members = BTreeMap::<Value, Vec<Value>>::new();
    for pair in text(arguments, 0)?
        .split('&')
        .filter(|pair| !pair.is_empty())
    {
        if pair.contains(';') {
            return Fault::erring("a `;` is no separator");
        }
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (key, value) = (decoded(key)?, decoded(value)?);
        members
            .entry(Value::from(key))
            .or_default()
            .push(Value::from(value));
    }
    let members = members.into_iter();
    let members = members.map(|(key, values)| (key, Value::from(values)));
    Ok(members.collect::<BTreeMap<_, _>>().into())
}

#[cfg(test)]
mod tests {
    use crate::builtins::testing::gives;

    #[test]
    fn queries_are_written_and_read_as_go_does() {
        gives(
            "urlquery.encode",
            &["`a=b+c d/é~`"],
            Some("`a%3Db%2Bc+d%2F%C3%A9~`"),
        );
        gives(
            "urlquery.decode",
            &["`a%3Db%2Bc+d%2F%C3%A9`"],
            Some("`a=b+c d/é`"),
        );
        gives("urlquery.decode", &["`%`"], None);
        gives("urlquery.decode", &["`%g1`"], None);
        gives("urlquery.decode", &["`%ff`"], None);
        gives(
            "urlquery.encode_object",
            &["{`b`: [`2`, `1`], `a`: `x y`}"],
            Some("`a=x+y&b=2&b=1`"),
        );
        gives("urlquery.encode_object", &["{`b`: 1}"], None);
        gives(
            "urlquery.decode_object",
            &["`a=1&b&a=2`"],
            Some("{`a`: [`1`, `2`], `b`: [``]}"),
        );
        gives("urlquery.decode_object", &["`a;b`"], None);
    }
}
