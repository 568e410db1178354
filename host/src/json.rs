//! JSON as a decision needs it: one meaning or none.
//!
//! Duplicate keys, numbers that do not survive a double (RFC 7493) and unbounded nesting are
//! refused, each with its place as a JSON Pointer.

use crate::limits::RequestLimits;
use crate::request::RequestError;
use portcullis_contract::escape_key;
use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::map::Entry;
use serde_json::{Map, Number, Value};
use std::cell::RefCell;
use std::fmt;

/// The largest whole number that every reader of JSON agrees on: 2^53 - 1.
const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

/// Reads one JSON document, of at most `limits.bytes`, nested at most `limits.depth` deep.
///
/// # Errors
///
/// [`RequestError`], which names the place.
pub fn parse(bytes: &[u8], limits: &RequestLimits) -> Result<Value, RequestError> {
    if bytes.len() > limits.bytes {
        return Err(RequestError::TooLarge {
            bytes: bytes.len(),
            limit: limits.bytes,
        });
    }
    let refused = RefCell::new(None);
    let mut json = serde_json::Deserializer::from_slice(bytes);
    // Our own bound on nesting names the place; the library's, 128, stands behind it.
    let place = Place {
        parent: None,
        step: Step::Root(""),
        depth: 0,
        limit: limits.depth,
        refused: &refused,
    };
    let parsed = place.deserialize(&mut json).and_then(|value| {
        json.end()?;
        Ok(value)
    });
    match (parsed, refused.into_inner()) {
        (_, Some(error)) => Err(error),
        (Ok(value), None) => Ok(value),
        (Err(error), None) => {
            let message = error.to_string();
            let message = message.split(" at line ").next().unwrap_or_default();
            Err(RequestError::Syntax {
                line: error.line(),
                column: error.column(),
                message: message.to_owned(),
            })
        }
    }
}

/// Holds a value that was built in code, and stands at `at`, to the same rules.
pub(crate) fn admit(value: &Value, at: &str, limits: &RequestLimits) -> Result<(), RequestError> {
    admit_at(value, at, None, limits)
}

/// As [`admit`], of the member `name` of what stands at `at`.
pub(crate) fn admit_member(
    value: &Value,
    at: &str,
    name: &str,
    limits: &RequestLimits,
) -> Result<(), RequestError> {
    admit_at(value, at, Some(name), limits)
}

fn admit_at(
    value: &Value,
    at: &str,
    member: Option<&str>,
    limits: &RequestLimits,
) -> Result<(), RequestError> {
    let refused = RefCell::new(None);
    let root = Place {
        parent: None,
        step: Step::Root(at),
        depth: at.matches('/').count(),
        limit: limits.depth,
        refused: &refused,
    };
    match member {
        None => root.admit(value),
        Some(name) => root.below(Step::Key(name)).admit(value),
    }
    match refused.into_inner() {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

fn is_exact(number: &Number) -> bool {
    match (number.as_i64(), number.as_u64()) {
        (Some(signed), _) => signed.unsigned_abs() <= MAX_SAFE_INTEGER,
        (None, Some(_)) => false,
        // What a whole number of that size was is not told from the ones beside it.
        (None, None) => number
            .as_f64()
            .is_some_and(|float| float.fract() != 0.0 || float.abs() <= MAX_SAFE_INTEGER as f64),
    }
}

/// Where the reader is, and where it leaves what it refuses.
struct Place<'a> {
    parent: Option<&'a Place<'a>>,
    step: Step<'a>,
    depth: usize,
    limit: usize,
    refused: &'a RefCell<Option<RequestError>>,
}

enum Step<'a> {
    /// What everything is in, and where that is.
    Root(&'a str),
    Key(&'a str),
    Index(usize),
}

impl Place<'_> {
    fn below<'b>(&'b self, step: Step<'b>) -> Place<'b> {
        Place {
            parent: Some(self),
            step,
            depth: self.depth + 1,
            limit: self.limit,
            refused: self.refused,
        }
    }

    fn pointer(&self) -> String {
        let above = self.parent.map(Place::pointer).unwrap_or_default();
        match &self.step {
            Step::Root(at) => (*at).to_owned(),
            Step::Key(key) => format!("{above}/{}", escape_key(key)),
            Step::Index(index) => format!("{above}/{index}"),
        }
    }

    /// Keeps the first thing that is refused.
    fn note(&self, why: impl FnOnce(String) -> RequestError) {
        let mut refused = self.refused.borrow_mut();
        refused.get_or_insert_with(|| why(self.pointer()));
    }

    fn refuse<E: serde::de::Error>(&self, why: impl FnOnce(String) -> RequestError) -> E {
        self.note(why);
        E::custom("refused")
    }

    fn too_deep(&self, at: String) -> RequestError {
        RequestError::TooDeep {
            at,
            limit: self.limit,
        }
    }

    fn number<E: serde::de::Error>(&self, number: Number) -> Result<Value, E> {
        if is_exact(&number) {
            return Ok(Value::Number(number));
        }
        Err(self.refuse(|at| not_exact(at, &number)))
    }

    /// Notes what of a value that stands here is refused.
    fn admit(&self, value: &Value) {
        let below = |step, value| {
            let place = self.below(step);
            match place.depth > place.limit {
                true => place.note(|at| place.too_deep(at)),
                false => place.admit(value),
            }
        };
        match value {
            Value::Array(items) => {
                let items = items.iter().enumerate();
                items.for_each(|(index, item)| below(Step::Index(index), item));
            }
            Value::Object(map) => map
                .iter()
                .for_each(|(key, value)| below(Step::Key(key), value)),
            Value::Number(number) if !is_exact(number) => self.note(|at| not_exact(at, number)),
            _ => {}
        }
    }
}

fn not_exact(at: String, number: &Number) -> RequestError {
    RequestError::Number {
        at,
        number: number.to_string(),
    }
}

impl<'de> DeserializeSeed<'de> for Place<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, json: D) -> Result<Value, D::Error> {
        if self.depth > self.limit {
            return Err(self.refuse(|at| self.too_deep(at)));
        }
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Place<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Value, E> {
        self.number(value.into())
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Value, E> {
        self.number(value.into())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        match Number::from_f64(value) {
            Some(number) => self.number(number),
            None => Err(E::custom("number out of range")),
        }
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element_seed(self.below(Step::Index(items.len())))? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = object.next_key::<String>()? {
            match map.entry(key) {
                Entry::Occupied(first) => {
                    let below = self.below(Step::Key(first.key()));
                    return Err(below.refuse(|at| RequestError::DuplicateKey { at }));
                }
                Entry::Vacant(place) => {
                    let below = self.below(Step::Key(place.key()));
                    let value = object.next_value_seed(below)?;
                    place.insert(value);
                }
            }
        }
        Ok(Value::Object(map))
    }
}

/// Whether `text` is one JSON object; what a guest says of itself is held to no more.
pub(crate) fn parse_guest_object(text: &str) -> Option<Value> {
    // A guest controls the text, which its output limit has bounded; serde_json bounds nesting.
    serde_json::from_str(text).ok().filter(Value::is_object)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> RequestError {
        let limits = RequestLimits {
            bytes: 200,
            depth: 3,
        };
        parse(text.as_bytes(), &limits).unwrap_err()
    }

    #[test]
    fn reads_what_has_one_meaning() {
        let text = r#"{"a":[1,-2.5,"x",null,true],"b":{"c":9007199254740991}}"#;
        let value = parse(text.as_bytes(), &RequestLimits::default()).unwrap();
        assert_eq!(value, serde_json::from_str::<Value>(text).unwrap());
    }

    #[test]
    fn refuses_a_duplicate_key_wherever_it_is() {
        let at = "/a/0/b~1c".to_owned();
        assert_eq!(
            refused(r#"{"a":[{"b/c":1,"b/c":1}]}"#),
            RequestError::DuplicateKey { at }
        );
        let escaped = refused(r#"{"key":1,"k\u0065y":2}"#);
        assert_eq!(escaped, RequestError::DuplicateKey { at: "/key".into() });
    }

    #[test]
    fn refuses_a_number_that_readers_disagree_on() {
        for number in [
            "9007199254740992",
            "-9007199254740992",
            "18446744073709551615",
            "12345678901234567890123",
            "-12345678901234567890123",
            "9007199254740993.0",
            "1e300",
        ] {
            assert!(
                matches!(refused(&format!("[{number}]")), RequestError::Number { at, .. } if at == "/0")
            );
        }
        assert!(matches!(refused("[1e999]"), RequestError::Syntax { .. }));
    }

    #[test]
    fn refuses_what_is_too_deep_or_too_large() {
        let at = "/0/0/0/0".to_owned();
        assert_eq!(refused("[[[[1]]]]"), RequestError::TooDeep { at, limit: 3 });
        assert!(parse(b"[[[1]]]", &RequestLimits { bytes: 9, depth: 3 }).is_ok());
        let long = format!("\"{}\"", "x".repeat(200));
        assert_eq!(
            refused(&long),
            RequestError::TooLarge {
                bytes: 202,
                limit: 200
            }
        );
    }

    #[test]
    fn names_the_line_of_a_syntax_error() {
        let RequestError::Syntax { line, column, .. } = refused("{\n  \"a\": ,\n}") else {
            panic!("a syntax error");
        };
        assert_eq!((line, column), (2, 8));
        assert!(matches!(refused("{} {}"), RequestError::Syntax { .. }));
        assert!(matches!(
            refused("[\"\\ud800\"]"),
            RequestError::Syntax { .. }
        ));
    }

    #[test]
    fn a_value_from_code_is_held_to_the_same_rules() {
        let limits = RequestLimits {
            bytes: 99,
            depth: 3,
        };
        let deep = serde_json::json!({ "a": { "b": [1] } });
        assert!(admit(&deep, "", &limits).is_ok());
        let at = "/x/a/b/0".to_owned();
        assert_eq!(
            admit(&deep, "/x", &limits),
            Err(RequestError::TooDeep { at, limit: 3 })
        );
        let large = serde_json::json!({ "n": u64::MAX });
        assert!(
            matches!(admit(&large, "", &limits), Err(RequestError::Number { at, .. }) if at == "/n")
        );
    }
}
