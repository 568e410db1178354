//! Strict JSON: a document has one meaning or is refused.
//!
//! The reader refuses the following and names the place as a JSON Pointer:
//!
//! - duplicate keys, and keys that are equal to a reader which ignores case, width or invisible characters
//! - numbers with more digits than a double holds, and whole numbers beyond 2^53 (RFC 7493)
//! - unbounded nesting

mod error;
mod keys;
mod numbers;
mod place;

use crate::limits::RequestLimits;
pub use error::Error;
pub use keys::{Keys, alike};
pub use numbers::MAX_SAFE_INTEGER;
use numbers::first_inexact;
pub(crate) use numbers::is_exact_text;
use place::{Notes, Place, Step};
pub use portcullis_contract::name::alike_key as as_compared;
use serde::de::DeserializeSeed as _;
use serde_json::Value;
use std::cell::{Cell, RefCell};

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

/// Reads a guest's description of itself. Returns `None` if `text` is not one JSON object.
pub fn parse_guest_object(text: &str) -> Option<Value> {
    // The guest controls the text. Its output limit bounds the length, and serde_json bounds nesting.
    serde_json::from_str(text).ok().filter(Value::is_object)
}

#[cfg(test)]
mod tests;
