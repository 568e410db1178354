//! Queries: from text to typed values.

use super::error::{MapError, Place};
use super::overrides;
use percent_encoding::percent_decode_str;
use portcullis_contract::name::{self, NameError};
use portcullis_host::{RequestLimits, json};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Types of query parameters. A parameter without one is a text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Types {
    pub(super) numbers: BTreeSet<String>,
    pub(super) booleans: BTreeSet<String>,
    pub(super) lists: BTreeSet<String>,
    pub(super) plus_is_space: bool,
}

/// Reads a query.
pub(super) fn read(query: &str, types: &Types) -> Result<Map<String, Value>, MapError> {
    let mut read = Map::new();
    if query.is_empty() {
        return Ok(read);
    }
    if let Some(other) = query.chars().find(|c| !is_query_character(*c)) {
        return Err(MapError::new(
            Place::Query(None),
            format!(
                "`{}` is no character of a query: percent-encode it",
                other.escape_default()
            ),
        ));
    }
    let mut readings = BTreeMap::new();
    for part in query.split('&') {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let name = types.decoded(name, None)?;
        let value = types.decoded(value, Some(&name))?;
        check_name(&name)?;
        let value = types.typed(&name, value)?;
        if types.lists.contains(&name) {
            let list = read
                .entry(name.clone())
                .or_insert_with(|| Value::Array(Vec::new()));
            if let Value::Array(values) = list {
                values.push(value);
            }
        } else if read.insert(name.clone(), value).is_some() {
            return Err(MapError::parameter(
                &name,
                "it is there twice, and servers disagree on which one counts: send it once",
            ));
        }
        refuse_alike(&mut readings, name)?;
    }
    Ok(read)
}

/// True for visible ASCII, without characters that some readers stop at.
fn is_query_character(c: char) -> bool {
    c.is_ascii_graphic() && !"#;\"<>\\".contains(c)
}

/// Refuses names that a server could read as another name.
fn check_name(name: &str) -> Result<(), MapError> {
    let wrong = |why: &str| Err(MapError::parameter(name, why));
    if name.is_empty() {
        return wrong("it has no name: send `name=value`, with one `&` between two");
    }
    if overrides::is_method_parameter(name) {
        return wrong(
            "frameworks read it as the method of the call: send the method as the method",
        );
    }
    if name == "access_token" {
        return wrong(
            "it carries a credential, which ends up in logs: send it in `Authorization` (RFC 6750, section 2.1)",
        );
    }
    if name.contains(['&', '=', '#', ';', '%', '+']) {
        return wrong("its name has an encoded `&`, `=`, `#`, `;`, `%` or `+`");
    }
    match name::check_resource(name) {
        Err(NameError::Invisible(_)) => wrong("its name has an invisible character"),
        _ => Ok(()),
    }
}

/// Refuses a name that some framework reads as an earlier one: `limit` and `limit[]`, `a.b` and `a_b`.
///
/// Several members of one object, `filter[a]` and `filter[b]`, are accepted.
fn refuse_alike(readings: &mut BTreeMap<String, String>, name: String) -> Result<(), MapError> {
    let object = |name: &str| name.split_once('[').map(|(object, _)| object.to_owned());
    match readings.get(&overrides::reading(&name)) {
        Some(earlier)
            if *earlier != name
                && (object(earlier).is_none() || object(earlier) != object(&name)) =>
        {
            Err(MapError::parameter(
                &name,
                format!(
                    "some servers read it as `{earlier}`, which is there too: send one of them"
                ),
            ))
        }
        Some(_) => Ok(()),
        None => {
            readings.insert(overrides::reading(&name), name);
            Ok(())
        }
    }
}

impl Types {
    /// Decodes a name, or the value of the parameter `of`, once.
    fn decoded(&self, text: &str, of: Option<&str>) -> Result<String, MapError> {
        let place = || Place::Query(of.map(str::to_owned));
        let wrong = |why: &str| MapError::new(place(), why);
        if text.contains('+') && !self.plus_is_space {
            return Err(wrong(
                "some servers read `+` as a space and others as it is: send `%20` or `%2B`",
            ));
        }
        let mut encoded = text.split('%');
        encoded.next();
        let is_code = |code: &str| {
            let digits = code.as_bytes().get(..2).unwrap_or_default();
            digits.len() == 2 && digits.iter().all(u8::is_ascii_hexdigit)
        };
        if !encoded.all(is_code) {
            return Err(wrong("`%` is not followed by two hexadecimal digits"));
        }
        let text = text.replace('+', " ");
        let decoded = percent_decode_str(&text)
            .decode_utf8()
            .map_err(|_| wrong("it is not UTF-8 after decoding"))?;
        let is_text = |c: char| !c.is_control() || matches!(c, '\t' | '\n' | '\r');
        match decoded.chars().all(is_text) {
            true => Ok(decoded.into_owned()),
            false => Err(wrong("it has a control character")),
        }
    }

    fn typed(&self, name: &str, text: String) -> Result<Value, MapError> {
        if self.numbers.contains(name) {
            return number(&text).ok_or_else(|| {
                MapError::parameter(
                    name,
                    "it is a number in decimal digits, such as `50` or `-0.5`, without leading or trailing zeros",
                )
            });
        }
        match (self.booleans.contains(name), text.as_str()) {
            (false, _) => Ok(Value::String(text)),
            (true, "true") => Ok(Value::Bool(true)),
            (true, "false") => Ok(Value::Bool(false)),
            (true, _) => Err(MapError::parameter(name, "it is `true` or `false`")),
        }
    }
}

/// The number that `text` is the one decimal spelling of.
///
/// `050`, `+5`, `1e1`, `1.0`, `-0` and `0x10` are read differently by different servers, or are another spelling of
/// the same number, and are none.
fn number(text: &str) -> Option<Value> {
    const LIMITS: RequestLimits = RequestLimits {
        bytes: 64,
        depth: 1,
    };
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = match digits.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (digits, None),
    };
    let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let is_plain = are_digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(|digits| are_digits(digits) && !digits.ends_with('0'))
        && text != "-0";
    // The strict reader refuses numbers that a double does not hold.
    json::parse(text.as_bytes(), &LIMITS)
        .ok()
        .filter(|value| is_plain && value.is_number())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn types() -> Types {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Types {
            numbers: names(&["limit", "at"]),
            booleans: names(&["all"]),
            lists: names(&["id", "at"]),
            plus_is_space: false,
        }
    }

    #[test]
    fn reads_values_by_their_declared_types() {
        for (query, read_as) in [
            ("", json!({})),
            ("limit=50", json!({ "limit": 50 })),
            ("limit=-0.5", json!({ "limit": -0.5 })),
            ("limit=0", json!({ "limit": 0 })),
            ("page=50", json!({ "page": "50" })),
            ("all=true", json!({ "all": true })),
            ("id=7", json!({ "id": ["7"] })),
            ("id=7&id=8", json!({ "id": ["7", "8"] })),
            ("at=1&at=2", json!({ "at": [1, 2] })),
            ("q=caf%c3%a9%20x", json!({ "q": "caf\u{e9} x" })),
            ("q=a%2Bb=c", json!({ "q": "a+b=c" })),
            ("q=%0A", json!({ "q": "\n" })),
            ("q=100%25", json!({ "q": "100%" })),
            ("q", json!({ "q": "" })),
            ("%71=a", json!({ "q": "a" })),
            (
                "filter[a]=1&filter[b]=2",
                json!({ "filter[a]": "1", "filter[b]": "2" }),
            ),
        ] {
            assert_eq!(
                read(query, &types()).map(Value::Object),
                Ok(read_as),
                "{query}"
            );
        }
    }

    #[test]
    fn refuses_numbers_in_another_spelling() {
        for text in [
            "",
            "050",
            "+5",
            "%2B5",
            "1e1",
            "1E1",
            "5.",
            ".5",
            "1.0",
            "1.50",
            "-0",
            "-",
            "0x10",
            "1_000",
            "1,000",
            "%205",
            "5%20",
            "5%0A",
            "\u{ff15}",
            "%EF%BC%95",
            "NaN",
            "Infinity",
            "null",
            "[5]",
            "9007199254740993",
            "0.10000000000000000555",
        ] {
            assert!(read(&format!("limit={text}"), &types()).is_err(), "{text}");
        }
        for text in ["", "TRUE", "True", "1", "yes", "on", "true%20"] {
            assert!(read(&format!("all={text}"), &types()).is_err(), "{text}");
        }
    }

    #[test]
    fn refuses_parameters_that_servers_read_differently() {
        for query in [
            "page=1&page=2",
            "page=1&Page=2&page=3",
            "limit=10&limit[]=1000",
            "limit[]=1000&limit=10",
            "limit=10&Limit=1000",
            "limit=10&limit%00=1000",
            "limit=10&limit%20=1000",
            "a.b=1&a_b=2",
            "a=1;b=2",
            "a=1#b",
            "a=1&&b=2",
            "&a=1",
            "a=1&",
            "=1",
            "a=1+2",
            "a+b=1",
            "a%26b=1",
            "a%3Db=1",
            "a%2561=1",
            "a=%",
            "a=%2",
            "a=%zz",
            "a=%ff",
            "a=%00",
            "a=%1b",
            "a=caf\u{e9}",
            "a=\"1\"",
            "a=\\1",
            "%E2%80%8Ba=1",
            "_method=DELETE",
            "%5fmethod=DELETE",
            "_METHOD=DELETE",
            "_method[]=DELETE",
            "x-http-method-override=DELETE",
            "access_token=a",
        ] {
            let error = read(query, &types()).unwrap_err();
            assert!(matches!(error.place(), Place::Query(_)), "{query}");
        }
    }

    #[test]
    fn reads_a_plus_as_a_space_if_the_api_does() {
        let types = Types {
            plus_is_space: true,
            ..types()
        };
        let read_as = json!({ "q": "a b+c" });
        assert_eq!(read("q=a+b%2Bc", &types).map(Value::Object), Ok(read_as));
        assert!(read("limit=+5", &types).is_err());
    }
}
