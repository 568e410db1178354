//! Builtins for JSON and other encodings.

use super::{Builtin, Fault, Outcome, text};
use crate::input::of_json;
use data_encoding::{Encoding, Specification};
use portcullis_sdk::Json;
use regorus::Value;
use std::collections::BTreeMap;

pub(super) const BUILTINS: &[Builtin] = &[
    ("json.marshal", 1, marshal),
    ("json.unmarshal", 1, unmarshal),
    ("json.is_valid", 1, is_valid),
    ("base64.decode", 1, base64_decode),
    ("base64.is_valid", 1, base64_is_valid),
    ("base64url.decode", 1, base64url_decode),
    ("hex.decode", 1, hex_decode),
];

fn marshal(arguments: &[Value]) -> Outcome {
    let mut json = String::new();
    match arguments.first() {
        Some(value) => write(value, &mut json)?,
        None => return Fault::erring("argument 1 is missing"),
    }
    Ok(Value::from(json))
}

/// Writes a value as JSON. A set becomes an array, and a key that is not a text becomes its JSON text.
fn write(value: &Value, json: &mut String) -> Result<(), Fault> {
    fn list<'v>(values: impl Iterator<Item = &'v Value>, json: &mut String) -> Result<(), Fault> {
        json.push('[');
        for (position, value) in values.enumerate() {
            if position > 0 {
                json.push(',');
            }
            write(value, json)?;
        }
        json.push(']');
        Ok(())
    }
    match value {
        Value::Null => json.push_str("null"),
        Value::Bool(boolean) => json.push_str(if *boolean { "true" } else { "false" }),
        Value::Number(number) => json.push_str(&number.format_decimal()),
        Value::String(text) => write_text(text, json),
        Value::Array(values) => list(values.iter(), json)?,
        Value::Set(values) => list(values.iter_sorted(), json)?,
        Value::Object(members) => {
            let mut written = BTreeMap::new();
            for (key, member) in members.iter() {
                let key = match key {
                    Value::String(key) => key.to_string(),
                    key => {
                        let mut text = String::new();
                        write(key, &mut text)?;
                        text
                    }
                };
                if written.insert(key, member).is_some() {
                    return Fault::unsupported("two keys of an object are the same in JSON");
                }
            }
            json.push('{');
            for (position, (key, member)) in written.into_iter().enumerate() {
                if position > 0 {
                    json.push(',');
                }
                write_text(&key, json);
                json.push(':');
                write(member, json)?;
            }
            json.push('}');
        }
        Value::Undefined => return Fault::erring("a value is undefined"),
    }
    Ok(())
}

/// Writes a text with Go's escapes for HTML and JavaScript.
fn write_text(text: &str, json: &mut String) {
    for c in Json::from(text).to_string().chars() {
        match c {
            '<' => json.push_str("\\u003c"),
            '>' => json.push_str("\\u003e"),
            '&' => json.push_str("\\u0026"),
            '\u{2028}' => json.push_str("\\u2028"),
            '\u{2029}' => json.push_str("\\u2029"),
            c => json.push(c),
        }
    }
}

/// Parses `text`.
fn read(text: &str) -> Outcome {
    // `regorus` parses an object with a certain member as a number.
    if text.contains("$serde_json") {
        return match serde_json::from_str(text) {
            Ok(json) => {
                let value = of_json(json);
                if has_long_number(&value) {
                    return Fault::unsupported("a number is beyond 64 bits");
                }
                Ok(value)
            }
            Err(_) => Fault::erring("the text is no JSON"),
        };
    }
    if let Ok(value) = Value::from_json_str(text) {
        if has_long_number(&value) {
            return Fault::unsupported("a number is beyond 64 bits");
        }
        return Ok(value);
    }
    let nesting = text
        .bytes()
        .filter(|byte| matches!(byte, b'[' | b'{'))
        .count();
    let has_surrogate = text.contains("\\ud") || text.contains("\\uD");
    if nesting > 100 || has_surrogate {
        return Fault::unsupported("the text nests deeply or has half of a surrogate pair");
    }
    Fault::erring("the text is no JSON")
}

/// True if a number may have lost digits in parsing.
fn has_long_number(value: &Value) -> bool {
    match value {
        Value::Number(number) => {
            let digits = number.format_decimal();
            !digits.contains('.')
                && digits.parse::<i64>().is_err()
                && digits.parse::<u64>().is_err()
        }
        Value::Array(values) => values.iter().any(has_long_number),
        Value::Set(values) => values.iter().any(has_long_number),
        Value::Object(members) => members.values().any(has_long_number),
        Value::Null | Value::Bool(_) | Value::String(_) | Value::Undefined => false,
    }
}

fn unmarshal(arguments: &[Value]) -> Outcome {
    read(text(arguments, 0)?)
}

fn is_valid(arguments: &[Value]) -> Outcome {
    let Ok(text) = text(arguments, 0) else {
        return Ok(Value::from(false));
    };
    match read(text) {
        Ok(_) => Ok(Value::from(true)),
        Err(Fault::Erring(_)) => Ok(Value::from(false)),
        Err(fault) => Err(fault),
    }
}

/// Returns the encoding of 64 characters with padding, decoded as by Go.
///
/// Line ends are skipped, and unused trailing bits may be set.
fn base64(last_two: &str) -> Result<Encoding, Fault> {
    let mut specification = Specification::new();
    specification
        .symbols
        .push_str("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789");
    specification.symbols.push_str(last_two);
    specification.padding = Some('=');
    specification.ignore.push_str("\r\n");
    specification.check_trailing_bits = false;
    let encoding = specification.encoding();
    encoding.map_err(|error| Fault::Unsupported(error.to_string()))
}

fn decoded(encoding: &Encoding, text: &str) -> Outcome {
    match bytes(encoding, text) {
        Some(bytes) => as_text(bytes),
        None => Fault::erring("the text is not in this encoding"),
    }
}

fn bytes(encoding: &Encoding, text: &str) -> Option<Vec<u8>> {
    // Padding ends the text, but the crate would read on.
    let ends = text.trim_end_matches(['=', '\r', '\n']);
    if ends.contains('=') {
        return None;
    }
    encoding.decode(text.as_bytes()).ok()
}

fn as_text(bytes: Vec<u8>) -> Outcome {
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Value::from(text)),
        Err(_) => Fault::unsupported("the decoded bytes are not text in UTF-8"),
    }
}

fn base64_decode(arguments: &[Value]) -> Outcome {
    decoded(&base64("+/")?, text(arguments, 0)?)
}

fn base64_is_valid(arguments: &[Value]) -> Outcome {
    let Ok(text) = text(arguments, 0) else {
        return Ok(Value::from(false));
    };
    Ok(Value::from(bytes(&base64("+/")?, text).is_some()))
}

fn base64url_decode(arguments: &[Value]) -> Outcome {
    let text = text(arguments, 0)?;
    let padding = match text.len() % 4 {
        _ if text.ends_with('=') => "",
        2 => "==",
        3 => "=",
        _ => "",
    };
    decoded(&base64("-_")?, &format!("{text}{padding}"))
}

fn hex_decode(arguments: &[Value]) -> Outcome {
    let encoding = &data_encoding::HEXLOWER_PERMISSIVE;
    decoded(encoding, text(arguments, 0)?)
}

#[cfg(test)]
mod tests {
    use crate::builtins::testing::gives;

    #[test]
    fn json_is_written_and_read_as_go_does() {
        gives(
            "json.marshal",
            &["`<a>&`"],
            Some(r#""\"\\u003ca\\u003e\\u0026\"""#),
        );
        gives("json.marshal", &["{`a`: {2, 1}}"], Some(r#"`{"a":[1,2]}`"#));
        gives(
            "json.marshal",
            &["{[1]: 18446744073709551617, null: 1.5, `b`: `é\u{1}`}"],
            Some(r#"`{"[1]":18446744073709551617,"b":"é\u0001","null":1.5}`"#),
        );
        gives("json.marshal", &["{[1]: 1, {1}: 2}"], None);
        gives("json.unmarshal", &["`18446744073709551617`"], None);
        gives("json.unmarshal", &["`[1e300]`"], None);
        gives(
            "json.unmarshal",
            &["`9223372036854775808`"],
            Some("9223372036854775808"),
        );
        gives(
            "json.unmarshal",
            &[r#"`{"a": [1, 2.5]}`"#],
            Some("{`a`: [1, 2.5]}"),
        );
        gives("json.unmarshal", &["`1 2`"], None);
        let number = r#"`{"$serde_json::private::Number": "1"}`"#;
        gives("json.unmarshal", &[number], Some(number.trim_matches('`')));
        gives("json.is_valid", &[number], Some("true"));
        gives(
            "json.unmarshal",
            &["`{\"$serde_json\": 18446744073709551616}`"],
            None,
        );
        gives("json.is_valid", &[r#"`{"a": 1}`"#], Some("true"));
        gives("json.is_valid", &["`{a: 1}`"], Some("false"));
        gives("json.is_valid", &["1"], Some("false"));
        gives("json.is_valid", &[&format!("`{}`", "[".repeat(200))], None);
        gives("json.is_valid", &[r#"`"\ud800"`"#], None);
    }

    #[test]
    fn what_is_decoded_is_text() {
        gives("base64.decode", &["`YWJj`"], Some("`abc`"));
        gives("base64.decode", &["\"YW\\nJj\""], Some("`abc`"));
        gives("base64.decode", &["`YR==`"], Some("`a`"));
        gives("base64.decode", &["`YQ`"], None);
        gives("base64.decode", &["`/w==`"], None);
        gives("base64.is_valid", &["`YR==`"], Some("true"));
        gives("base64.is_valid", &["`/w==`"], Some("true"));
        gives("base64.is_valid", &["`YQ==YQ==`"], Some("false"));
        gives("base64.is_valid", &["`YQ`"], Some("false"));
        gives("base64url.decode", &["`YQ`"], Some("`a`"));
        gives("base64url.decode", &["`YQ==`"], Some("`a`"));
        gives("base64url.decode", &["`YWJjZ`"], None);
        gives("hex.decode", &["`6aZ`"], None);
        gives("hex.decode", &["`6A`"], Some("`j`"));
        gives("hex.decode", &["`ff`"], None);
    }
}
