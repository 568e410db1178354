//! JSON with every member as written, for comparison with readers that keep one of two equal keys.

use portcullis_host::{Request, RequestLimits, json};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use std::fmt;

/// A JSON value whose objects keep equal keys.
pub(crate) enum Written {
    Object(Vec<(String, Self)>),
    List(Vec<Self>),
    Other,
}

impl Written {
    /// Number of members and items, at every level.
    pub(crate) fn count(&self) -> usize {
        match self {
            Self::Object(members) => members.iter().map(|(_, value)| 1 + value.count()).sum(),
            Self::List(items) => items.iter().map(|value| 1 + value.count()).sum(),
            Self::Other => 0,
        }
    }
}

fn count(value: &Value) -> usize {
    match value {
        Value::Object(members) => members.values().map(|value| 1 + count(value)).sum(),
        Value::Array(items) => items.iter().map(|value| 1 + count(value)).sum(),
        _ => 0,
    }
}

fn has_only_exact_numbers(value: &Value) -> bool {
    match value {
        Value::Object(members) => members.values().all(has_only_exact_numbers),
        Value::Array(items) => items.iter().all(has_only_exact_numbers),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => whole.unsigned_abs() < 1 << 53,
            None => number.is_f64(),
        },
        _ => true,
    }
}

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Written;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Written, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Written::Object(members))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Written, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = list.next_element()? {
                    items.push(item);
                }
                Ok(Written::List(items))
            }

            fn visit_bool<E>(self, _: bool) -> Result<Written, E> {
                Ok(Written::Other)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Written, E> {
                Ok(Written::Other)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Written, E> {
                Ok(Written::Other)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Written, E> {
                Ok(Written::Other)
            }

            fn visit_str<E>(self, _: &str) -> Result<Written, E> {
                Ok(Written::Other)
            }

            fn visit_unit<E>(self) -> Result<Written, E> {
                Ok(Written::Other)
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

/// Parses `input`, and panics if the strict reader and serde_json do not agree on it.
///
/// Whatever the strict reader accepts is the same to serde_json, has no key twice, and has no number that readers
/// round.
pub(crate) fn parsed(input: &[u8], limits: &RequestLimits) -> Option<Value> {
    let theirs = serde_json::from_slice::<Value>(input);
    let value = match json::parse(input, limits) {
        Ok(value) => value,
        Err(error) => {
            expect_printable(&error.to_string());
            if matches!(error, json::Error::Syntax { .. }) {
                assert!(theirs.is_err(), "refused as no JSON: {error}");
            }
            return None;
        }
    };
    assert_eq!(theirs.expect("serde_json reads it"), value);
    let written: Written = serde_json::from_slice(input).expect("serde_json reads it");
    assert_eq!(written.count(), count(&value), "a member was lost");
    assert!(has_only_exact_numbers(&value), "a number was rounded");
    Some(value)
}

/// Panics if the request, written as an evaluation, does not read as the same request.
pub(crate) fn expect_round_trip(request: &Request) {
    // The written form has members that a document may omit, and is nested otherwise.
    let limits = RequestLimits {
        bytes: 1024 * 1024,
        depth: RequestLimits::default().depth + 8,
    };
    let written = request.to_authzen().to_string();
    let again = Request::from_authzen(written.as_bytes(), &limits);
    assert_eq!(again.as_ref(), Ok(request), "written as {written}");
}

/// Panics if a message to people has another line or a character that is not printable.
pub(crate) fn expect_printable(message: &str) {
    assert_eq!(portcullis_host::printable(message), message);
    assert!(!message.is_empty());
}
