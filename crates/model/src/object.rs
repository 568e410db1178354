//! Reader of JSON objects, member by member, whose errors name the place.

use crate::json::{self, as_compared};
use crate::timestamp::Timestamp;
use portcullis_contract::{escape_key, excerpt};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// A JSON object and its place. Reading a member removes it.
pub struct Object {
    at: String,
    members: Map<String, Value>,
}

impl Object {
    /// Wraps the object `value`, which is at the JSON Pointer `at`.
    ///
    /// # Errors
    ///
    /// [`json::Error`], which names the place.
    pub fn new(value: Value, at: impl Into<String>) -> Result<Self, json::Error> {
        let at = at.into();
        match value {
            Value::Object(members) => Ok(Self { at, members }),
            other => Err(unexpected(at, "an object", &other)),
        }
    }

    /// JSON Pointer to the member `key`.
    pub fn at(&self, key: &str) -> String {
        format!("{}/{}", self.at, escape_key(key))
    }

    /// Removes the member `key` and returns it.
    pub fn take(&mut self, key: &str) -> Option<Value> {
        self.members.remove(key)
    }

    /// Removes the member `key` if it is null.
    ///
    /// Some writers use null for an absent member.
    pub(crate) fn drop_null(&mut self, key: &str) {
        if self.members.get(key).is_some_and(Value::is_null) {
            self.members.remove(key);
        }
    }

    fn need<T>(&self, key: &str, expected: &str, value: Option<T>) -> Result<T, json::Error> {
        value.ok_or_else(|| json::Error::Missing {
            at: self.at(key),
            expected: expected.to_owned(),
        })
    }

    /// Removes the required text `key` and returns it.
    ///
    /// # Errors
    ///
    /// [`json::Error`], which names the place.
    pub fn text(&mut self, key: &str) -> Result<String, json::Error> {
        let text = self.optional_text(key)?;
        self.need(key, "text", text)
    }

    /// Removes the optional text `key` and returns it.
    ///
    /// # Errors
    ///
    /// [`json::Error`], which names the place.
    pub fn optional_text(&mut self, key: &str) -> Result<Option<String>, json::Error> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(unexpected(self.at(key), "text", &other)),
        }
    }

    /// Removes the required object `key` and returns it.
    ///
    /// # Errors
    ///
    /// [`json::Error`], which names the place.
    pub fn object(&mut self, key: &str) -> Result<Self, json::Error> {
        let object = self.optional_object(key)?;
        self.need(key, "an object", object)
    }

    /// Removes the optional object `key` and returns it.
    ///
    /// # Errors
    ///
    /// [`json::Error`], which names the place.
    pub fn optional_object(&mut self, key: &str) -> Result<Option<Self>, json::Error> {
        let value = self.take(key);
        value
            .map(|value| Self::new(value, self.at(key)))
            .transpose()
    }

    /// Removes the optional member `key` and deserialises it.
    ///
    /// For the contract's closed sets and for texts of another form.
    pub fn parsed<T: DeserializeOwned>(
        &mut self,
        key: &str,
        expected: &str,
    ) -> Result<Option<T>, json::Error> {
        match self.take(key) {
            None => Ok(None),
            // Deserializers accept `{"word": null}` as the word.
            Some(value) => match T::deserialize(&value) {
                Ok(parsed) if !has_object(&value) => Ok(Some(parsed)),
                _ => Err(unexpected(self.at(key), expected, &value)),
            },
        }
    }

    /// Removes the optional time `key` (RFC 3339) and returns it.
    ///
    /// # Errors
    ///
    /// [`json::Error`], which names the place.
    pub fn time(&mut self, key: &str) -> Result<Option<Timestamp>, json::Error> {
        self.parsed(key, "a time as in RFC 3339, such as `2026-11-22T09:00:00Z`")
    }

    /// Removes the optional list of texts `key` and returns it.
    ///
    /// # Errors
    ///
    /// [`json::Error`], which names the place.
    pub fn texts(&mut self, key: &str) -> Result<Option<Vec<String>>, json::Error> {
        self.parsed(key, "a list of texts")
    }

    /// Removes the required time `key` and returns it.
    ///
    /// # Errors
    ///
    /// [`json::Error`], which names the place.
    pub fn required_time(&mut self, key: &str) -> Result<Timestamp, json::Error> {
        let time = self.time(key)?;
        self.need(key, "a time", time)
    }

    /// Deserialises the whole object; `expected` describes it for errors.
    ///
    /// # Errors
    ///
    /// [`json::Error`], which names the place.
    pub fn value<T: DeserializeOwned>(self, expected: &str) -> Result<T, json::Error> {
        let at = self.at("").trim_end_matches('/').to_owned();
        let value: Value = self.rest().into_iter().collect();
        serde_json::from_value(value).map_err(|error| json::Error::Unexpected {
            at,
            expected: expected.to_owned(),
            found: format!(
                "one that is not: {}",
                portcullis_contract::message(&error.to_string())
            ),
        })
    }

    /// Returns all remaining members.
    pub fn rest(self) -> Vec<(String, Value)> {
        self.members.into_iter().collect()
    }

    /// Returns all remaining members as attributes.
    ///
    /// # Errors
    ///
    /// [`json::Error::Unknown`] if a member reads like one of `known`.
    pub fn attributes(self, known: &[&str]) -> Result<Vec<(String, Value)>, json::Error> {
        self.refuse_alike(known, |_, _| false)?;
        Ok(self.rest())
    }

    /// Like [`Object::attributes`], with an exception for ordinary members.
    ///
    /// A member with the exact name of a known one is accepted if `ordinary` returns true.
    ///
    /// # Errors
    ///
    /// [`json::Error::Unknown`] for a member that reads like one of `known` and is not ordinary.
    pub(crate) fn attributes_but(
        self,
        known: &[&str],
        ordinary: impl Fn(&str, &Value) -> bool,
    ) -> Result<Vec<(String, Value)>, json::Error> {
        self.refuse_alike(known, ordinary)?;
        Ok(self.rest())
    }

    /// Refuses a remaining member whose name reads like one of `known`.
    ///
    /// Another reader takes such a member for the known one. A member with the exact name of a known one is
    /// accepted if `ordinary` returns true.
    pub(crate) fn refuse_alike(
        &self,
        known: &[&str],
        ordinary: impl Fn(&str, &Value) -> bool,
    ) -> Result<(), json::Error> {
        for (key, value) in &self.members {
            let Some(meant) = known.iter().find(|known| reads_alike(known, key)) else {
                continue;
            };
            if key != meant || !ordinary(key, value) {
                return Err(json::Error::Unknown {
                    at: self.at(key),
                    expected: format!(
                        "it reads like `{meant}`: correct its spelling, or its place"
                    ),
                });
            }
        }
        Ok(())
    }

    /// Refuses a remaining member that reads like one of `misplaced`.
    ///
    /// Such a member belongs to `place`.
    pub(crate) fn refuse_misplaced(
        &self,
        misplaced: &[&str],
        place: &str,
    ) -> Result<(), json::Error> {
        let called = |key: &&String| misplaced.iter().any(|name| reads_alike(name, key));
        match self.members.keys().find(called) {
            None => Ok(()),
            Some(key) => Err(json::Error::Unknown {
                at: self.at(key),
                expected: format!("it belongs to {place}"),
            }),
        }
    }

    /// JSON Pointer to the first remaining member.
    pub(crate) fn first_left(&self) -> Option<String> {
        self.members.keys().next().map(|key| self.at(key))
    }

    /// Removes the member `key` if it is text, and returns the text. Otherwise the member stays.
    pub(crate) fn text_if_text(&mut self, key: &str) -> String {
        match self.members.get(key) {
            Some(Value::String(_)) => match self.members.remove(key) {
                Some(Value::String(text)) => text,
                _ => String::new(),
            },
            _ => String::new(),
        }
    }

    /// True if the member `key` is an object.
    pub(crate) fn has_object(&self, key: &str) -> bool {
        self.members.get(key).is_some_and(Value::is_object)
    }

    /// Refuses remaining members, so that a misspelt member is not ignored.
    pub fn end(self, members: &str) -> Result<(), json::Error> {
        match self.members.keys().next() {
            None => Ok(()),
            Some(key) => Err(json::Error::Unknown {
                at: self.at(key),
                expected: format!("there is {members}"),
            }),
        }
    }
}

fn has_object(value: &Value) -> bool {
    match value {
        Value::Object(_) => true,
        Value::Array(items) => items.iter().any(has_object),
        _ => false,
    }
}

/// True if a lenient reader takes two names for one.
///
/// Such a reader ignores case, width, `_`, `-`, white space and invisible characters.
pub(crate) fn reads_alike(one: &str, other: &str) -> bool {
    // Fast path: each member of a request is compared with each known name. Different numbers of ASCII
    // letters and digits are enough to distinguish plain names.
    let is_plain = |name: &str| name.bytes().all(|byte| byte.is_ascii_graphic());
    let letters = |name: &str| name.bytes().filter(u8::is_ascii_alphanumeric).count();
    if is_plain(one) && is_plain(other) && letters(one) != letters(other) {
        return false;
    }
    let plain = |name: &str| -> String {
        as_compared(name)
            .chars()
            .filter(|c| !matches!(c, '_' | '-') && !c.is_whitespace())
            .collect()
    };
    plain(one) == plain(other)
}

/// Returns the error for a member that is not as `expected`.
pub fn unexpected(at: String, expected: &str, found: &Value) -> json::Error {
    // The request controls the value: it is shortened before it is shown.
    let found = match found {
        Value::Null => "null".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        other => format!("`{}`", excerpt(&other.to_string())),
    };
    json::Error::Unexpected {
        at,
        expected: expected.to_owned(),
        found,
    }
}
