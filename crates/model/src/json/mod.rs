//! Strict JSON: a document has one meaning or is refused.
//!
//! The reader refuses the following and names the place as a JSON Pointer:
//!
//! - duplicate keys, and keys that are equal to a reader which ignores case, width or invisible characters
//! - numbers with more digits than a double holds, and whole numbers beyond 2^53 (RFC 7493)
//! - unbounded nesting

mod error;

pub use error::Error;

use crate::limits::RequestLimits;
pub use portcullis_contract::name::alike_key as as_compared;
use portcullis_contract::{escape_key, excerpt};
use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::map::Entry;
use serde_json::{Map, Number, Value};
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::fmt;

/// Largest whole number that every JSON reader reads exactly: 2^53 - 1.
pub const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

/// Maximum number of significant digits that a double preserves in every decimal.
const DIGITS_OF_A_DOUBLE: usize = 15;

/// UTF-8 byte order mark, which some programs write before a text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads one JSON document of at most `limits.bytes`, nested at most `limits.depth` deep.
///
/// # Errors
///
/// [`Error`], which names the place.
pub fn parse(bytes: &[u8], limits: &RequestLimits) -> Result<Value, Error> {
    if bytes.len() > limits.bytes {
        return Err(Error::TooLarge {
            bytes: bytes.len(),
            limit: limits.bytes,
        });
    }
    if bytes.starts_with(BYTE_ORDER_MARK) {
        return Err(Error::Syntax {
            line: 1,
            column: 1,
            message: "it begins with a byte order mark: send it without".to_owned(),
        });
    }
    let notes = Notes {
        refused: RefCell::new(None),
        numbers: Cell::new(0),
        inexact: first_inexact(bytes),
    };
    let mut json = serde_json::Deserializer::from_slice(bytes);
    // Our own nesting limit names the place; the library's limit, 128, is the fallback.
    let place = Place {
        parent: None,
        step: Step::Root(""),
        depth: 0,
        limit: limits.depth,
        notes: &notes,
    };
    let parsed = place.deserialize(&mut json).and_then(|value| {
        json.end()?;
        Ok(value)
    });
    match (parsed, notes.refused.into_inner()) {
        (_, Some(error)) => Err(error),
        (Ok(value), None) => Ok(value),
        (Err(error), None) => {
            let message = error.to_string();
            let message = message.split(" at line ").next().unwrap_or_default();
            Err(Error::Syntax {
                line: error.line(),
                column: error.column(),
                message: message.to_owned(),
            })
        }
    }
}

/// Checks a value built in code against the same rules.
///
/// The value is at the JSON Pointer `at`.
pub fn admit(value: &Value, at: &str, limits: &RequestLimits) -> Result<(), Error> {
    admit_at(value, at, None, limits)
}

/// Like [`admit`], for the member `name` of the object at `at`.
pub(crate) fn admit_member(
    value: &Value,
    at: &str,
    name: &str,
    limits: &RequestLimits,
) -> Result<(), Error> {
    admit_at(value, at, Some(name), limits)
}

fn admit_at(
    value: &Value,
    at: &str,
    member: Option<&str>,
    limits: &RequestLimits,
) -> Result<(), Error> {
    let notes = Notes {
        refused: RefCell::new(None),
        numbers: Cell::new(0),
        inexact: None,
    };
    let root = Place {
        parent: None,
        step: Step::Root(at),
        depth: at.matches('/').count(),
        limit: limits.depth,
        notes: &notes,
    };
    match member {
        None => root.admit(value),
        Some(name) => root.below(Step::Key(name)).admit(value),
    }
    match notes.refused.into_inner() {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

/// Keys of an object, as the most lenient reader compares them.
///
/// Nothing is stored while each key is already in its compared form.
#[derive(Default)]
pub struct Keys(Option<BTreeSet<String>>);

impl Keys {
    /// True if every reader distinguishes `key` from each of `earlier`.
    pub fn add<'k>(&mut self, key: &str, earlier: impl Iterator<Item = &'k String>) -> bool {
        let compared = as_compared(key);
        if self.0.is_none() && compared == key {
            return true;
        }
        self.0
            .get_or_insert_with(|| earlier.map(|key| as_compared(key).into_owned()).collect())
            .insert(compared.into_owned())
    }
}

/// Returns the key among `earlier` that a lenient reader takes for `key`.
pub fn alike<'k>(key: &str, mut earlier: impl Iterator<Item = &'k String>) -> String {
    let compared = as_compared(key);
    let other = earlier.find(|other| as_compared(other) == compared);
    excerpt(other.map_or("", String::as_str))
}

/// A number of a document that readers round differently.
struct Inexact {
    /// Position among the numbers of the document, from 0.
    ordinal: usize,
    text: String,
}

/// Finds the first number in a JSON document that readers round differently.
///
/// The parser rounds numbers before any other code sees them, so this function reads their text. The parser
/// refuses text that is not JSON.
fn first_inexact(json: &[u8]) -> Option<Inexact> {
    let mut rest = json;
    let mut ordinal = 0;
    while let Some((first, after)) = rest.split_first() {
        match first {
            b'"' => rest = after_text(after),
            b'-' | b'0'..=b'9' => {
                let is_of_it =
                    |byte: &u8| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-');
                let end = rest.iter().position(|byte| !is_of_it(byte));
                let (number, after) = rest.split_at(end.unwrap_or(rest.len()));
                // So few bytes hold at most as many digits, and without an exponent the number is not large.
                let is_short = number.len() <= DIGITS_OF_A_DOUBLE
                    && !number.iter().any(|byte| matches!(byte, b'e' | b'E'));
                if !is_short {
                    let text = std::str::from_utf8(number).unwrap_or_default();
                    if !is_exact_text(text) {
                        let text = excerpt(text);
                        return Some(Inexact { ordinal, text });
                    }
                }
                ordinal += 1;
                rest = after;
            }
            _ => rest = after,
        }
    }
    None
}

/// Returns the rest of a JSON document after the string that begins here.
fn after_text(json: &[u8]) -> &[u8] {
    let mut rest = json;
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'"' | b'\\')) {
        let skipped = if rest.get(at) == Some(&b'"') {
            at + 1
        } else {
            at + 2
        };
        let is_end = skipped == at + 1;
        rest = rest.get(skipped..).unwrap_or_default();
        if is_end {
            return rest;
        }
    }
    &[]
}

/// True if every reader reads the number, as written, as the same value.
///
/// Its digits are those of the nearest double. A whole number is at most 2^53 - 1, or has few digits and is
/// written with an exponent or a fraction, so that no reader takes it for an integer.
pub(crate) fn is_exact_text(number: &str) -> bool {
    let plain = number.strip_prefix('-').unwrap_or(number);
    if plain.bytes().all(|byte| byte.is_ascii_digit()) {
        return plain
            .parse()
            .is_ok_and(|whole: u64| whole <= MAX_SAFE_INTEGER);
    }
    let Ok(nearest) = plain.parse::<f64>() else {
        // The parser refuses text that is not a number.
        return true;
    };
    // The parser refuses numbers beyond every double.
    nearest.is_infinite()
        || (digits(plain) == digits(&format!("{nearest:e}")) && is_exact_float(nearest))
}

/// Returns the significant digits of a decimal number without a sign.
fn digits(number: &str) -> String {
    let mantissa = number.split(['e', 'E']).next().unwrap_or_default();
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    digits.trim_matches('0').to_owned()
}

fn is_exact(number: &Number) -> bool {
    match (number.as_i64(), number.as_u64()) {
        (Some(signed), _) => signed.unsigned_abs() <= MAX_SAFE_INTEGER,
        (None, Some(_)) => false,
        (None, None) => number.as_f64().is_some_and(is_exact_float),
    }
}

/// True if a double is distinct from adjacent whole numbers, or has a fraction.
fn is_exact_float(float: f64) -> bool {
    float.fract() != 0.0
        || float.abs() <= MAX_SAFE_INTEGER as f64
        || digits(&format!("{:e}", float.abs())).len() <= DIGITS_OF_A_DOUBLE
}

/// State of reading one document.
struct Notes {
    refused: RefCell<Option<Error>>,
    /// Number of numbers read so far.
    numbers: Cell<usize>,
    inexact: Option<Inexact>,
}

/// Position of the reader, with the notes of the document.
struct Place<'a> {
    parent: Option<&'a Place<'a>>,
    step: Step<'a>,
    depth: usize,
    limit: usize,
    notes: &'a Notes,
}

enum Step<'a> {
    /// The outermost value, at this JSON Pointer.
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
            notes: self.notes,
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

    /// Records an error. Only the first one is kept.
    fn note(&self, why: impl FnOnce(String) -> Error) {
        let mut refused = self.notes.refused.borrow_mut();
        refused.get_or_insert_with(|| why(self.pointer()));
    }

    fn refuse<E: serde::de::Error>(&self, why: impl FnOnce(String) -> Error) -> E {
        self.note(why);
        E::custom("refused")
    }

    fn too_deep(&self, at: String) -> Error {
        Error::TooDeep {
            at,
            limit: self.limit,
        }
    }

    fn number<E: serde::de::Error>(&self, number: Number) -> Result<Value, E> {
        let ordinal = self.notes.numbers.get();
        self.notes.numbers.set(ordinal + 1);
        match &self.notes.inexact {
            Some(inexact) if inexact.ordinal == ordinal => Err(self.refuse(|at| {
                let number = inexact.text.clone();
                Error::Number { at, number }
            })),
            _ => Ok(Value::Number(number)),
        }
    }

    /// Checks a value at this place and records its first error.
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
            Value::Object(map) => {
                let mut keys = Keys::default();
                for (index, (key, value)) in map.iter().enumerate() {
                    let earlier = || map.keys().take(index);
                    if !keys.add(key, earlier()) {
                        let other = alike(key, earlier());
                        let place = self.below(Step::Key(key));
                        place.note(|at| Error::AlikeKeys { at, other });
                    }
                    below(Step::Key(key), value);
                }
            }
            Value::Number(number) if !is_exact(number) => self.note(|at| not_exact(at, number)),
            _ => {}
        }
    }
}

fn not_exact(at: String, number: &Number) -> Error {
    Error::Number {
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
        let mut keys = Keys::default();
        while let Some(key) = object.next_key::<String>()? {
            let is_told_apart = keys.add(&key, map.keys());
            if !is_told_apart && !map.contains_key(&key) {
                let other = alike(&key, map.keys());
                let below = self.below(Step::Key(&key));
                return Err(below.refuse(|at| Error::AlikeKeys { at, other }));
            }
            match map.entry(key) {
                Entry::Occupied(first) => {
                    let below = self.below(Step::Key(first.key()));
                    return Err(below.refuse(|at| Error::DuplicateKey { at }));
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

/// Reads a guest's description of itself. Returns `None` if `text` is not one JSON object.
pub fn parse_guest_object(text: &str) -> Option<Value> {
    // The guest controls the text. Its output limit bounds the length, and serde_json bounds nesting.
    serde_json::from_str(text).ok().filter(Value::is_object)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> Error {
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
            Error::DuplicateKey { at }
        );
        let escaped = refused(r#"{"key":1,"k\u0065y":2}"#);
        assert_eq!(escaped, Error::DuplicateKey { at: "/key".into() });
    }

    #[test]
    fn refuses_keys_that_a_careless_reader_takes_for_one() {
        for (text, place, first) in [
            (r#"{"name":1,"Name":2}"#, "/Name", "name"),
            (r#"{"a":[{"root":1,"x":2,"ROOT":3}]}"#, "/a/0/ROOT", "root"),
            // The Kelvin sign and the long s fold to `k` and `s`.
            (r#"{"key":1,"\u212aey":2}"#, "/\u{212a}ey", "key"),
            (r#"{"path\u017f":1,"paths":2}"#, "/paths", "path\u{17f}"),
            // Full width, a composed letter, a ligature.
            (r#"{"\uff50ath":1,"path":2}"#, "/path", "\u{ff50}ath"),
            (r#"{"e\u0301":1,"\u00c9":2}"#, "/\u{c9}", "e\u{301}"),
            (r#"{"file":1,"\ufb01le":2}"#, "/\u{fb01}le", "file"),
            // Invisible characters, and NUL, which ends a text in C.
            (r#"{"path":1,"pa\u200bth":2}"#, "/pa\u{200b}th", "path"),
            (r#"{"path":1,"path\u0000x":2}"#, "/path\0x", "path"),
            (r#"{"path":1,"\rpath":2}"#, "/\rpath", "path"),
            // White space at the ends.
            (r#"{"path":1,"path ":2}"#, "/path ", "path"),
            (r#"{"path ":1,"path":2}"#, "/path", "path "),
            (r#"{"path":1,"path\u1680":2}"#, "/path\u{1680}", "path"),
            (r#"{"path":1,"\u3000Path":2}"#, "/\u{3000}Path", "path"),
        ] {
            let Error::AlikeKeys { at, other } = refused(text) else {
                panic!("{text} is not refused for its keys");
            };
            assert_eq!((at.as_str(), other), (place, excerpt(first)), "{text}");
        }
        for text in [
            r#"{"name":1,"names":2,"name_":3}"#,
            r#"{"Name":1,"other":{"name":2}}"#,
            r#"[{"name":1},{"Name":2}]"#,
            r#"{"é":1,"e":2}"#,
            r#"{"ß":1,"ss":2}"#,
            r#"{"foo\u0000bar":1}"#,
        ] {
            assert!(
                parse(text.as_bytes(), &RequestLimits::default()).is_ok(),
                "{text}"
            );
        }
    }

    #[test]
    fn refuses_a_number_that_readers_disagree_on() {
        for number in [
            "9007199254740992",
            "-9007199254740992",
            "18446744073709551615",
            "10000000000000000000000",
            "12345678901234567890123",
            "-12345678901234567890123",
            "9007199254740993.0",
            "9007199254740993e0",
            "9007199254740992.0",
            "1234567890123456789E3",
            "1.7976931348623157e308",
            "100.00000000000001421085",
            "0.1000000000000000055511151231257827",
            "3.141592653589793238462643383279",
            "1e-400",
            "-4.9406564584124655e-324",
        ] {
            let text = format!("[0.5,\"1e999\",{{\"1\":[{number}]}},1e-400]");
            assert!(
                matches!(refused(&text), Error::Number { at, .. } if at == "/2/1/0"),
                "{number}"
            );
        }
        assert!(matches!(refused("[1e999]"), Error::Syntax { .. }));
    }

    #[test]
    fn reads_a_number_as_every_reader_does() {
        for number in [
            "9007199254740991",
            "-0",
            "0e1",
            "0.0",
            "1E22",
            "1e300",
            "1.5e300",
            "20e1",
            "123e45",
            "123.456e78",
            "100.00000000000001",
            "0.1",
            "0.30000000000000004",
            "5e-324",
            "2.2250738585072014e-308",
            "-0.000000000000000000000000000000000000000000000000000000000000000000000000000001",
        ] {
            let text = format!("[{number}]");
            let read = parse(text.as_bytes(), &RequestLimits::default());
            let read = read.unwrap_or_else(|error| panic!("{number}: {error}"));
            assert_eq!(read[0].as_f64(), number.parse().ok(), "{number}");
            // The recorded form of the value reads back as the same value.
            let again = parse(read.to_string().as_bytes(), &RequestLimits::default());
            assert_eq!(again, Ok(read), "{number}");
        }
    }

    #[test]
    fn refuses_what_is_too_deep_or_too_large() {
        let at = "/0/0/0/0".to_owned();
        assert_eq!(refused("[[[[1]]]]"), Error::TooDeep { at, limit: 3 });
        assert!(parse(b"[[[1]]]", &RequestLimits { bytes: 9, depth: 3 }).is_ok());
        let long = format!("\"{}\"", "x".repeat(200));
        assert_eq!(
            refused(&long),
            Error::TooLarge {
                bytes: 202,
                limit: 200
            }
        );
    }

    #[test]
    fn names_the_line_of_a_syntax_error() {
        let Error::Syntax { line, column, .. } = refused("{\n  \"a\": ,\n}") else {
            panic!("a syntax error");
        };
        assert_eq!((line, column), (2, 8));
        assert!(matches!(refused("{} {}"), Error::Syntax { .. }));
        let Error::Syntax { message, .. } = refused("\u{feff}{}") else {
            panic!("a byte order mark");
        };
        assert!(message.contains("byte order mark"), "{message}");
        assert!(matches!(refused("[\"\\ud800\"]"), Error::Syntax { .. }));
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
            Err(Error::TooDeep { at, limit: 3 })
        );
        let large = serde_json::json!({ "n": u64::MAX });
        assert!(matches!(admit(&large, "", &limits), Err(Error::Number { at, .. }) if at == "/n"));
        let alike = serde_json::json!({ "a": { "Path": 1, "path": 2 } });
        assert!(
            matches!(admit(&alike, "", &limits), Err(Error::AlikeKeys { at, .. }) if at == "/a/path")
        );
    }
}
