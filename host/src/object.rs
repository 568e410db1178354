//! Reads a JSON object member by member, and says where it is not what it should be.

use crate::Timestamp;
use crate::json::as_compared;
use crate::request::{Intent, Posture, RequestError, SessionPath};
use portcullis_contract::{escape_key, excerpt, is_origin};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// A JSON object and its place. Members are taken out of it as they are read.
pub(crate) struct Object {
    at: String,
    members: Map<String, Value>,
}

impl Object {
    pub(crate) fn new(value: Value, at: impl Into<String>) -> Result<Self, RequestError> {
        let at = at.into();
        match value {
            Value::Object(members) => Ok(Self { at, members }),
            other => Err(unexpected(at, "an object", &other)),
        }
    }

    pub(crate) fn at(&self, key: &str) -> String {
        format!("{}/{}", self.at, escape_key(key))
    }

    pub(crate) fn take(&mut self, key: &str) -> Option<Value> {
        self.members.remove(key)
    }

    /// Drops `key` where it is null, as some writers say that there is none.
    pub(crate) fn drop_null(&mut self, key: &str) {
        if self.members.get(key).is_some_and(Value::is_null) {
            self.members.remove(key);
        }
    }

    fn need<T>(&self, key: &str, expected: &str, value: Option<T>) -> Result<T, RequestError> {
        value.ok_or_else(|| RequestError::Missing {
            at: self.at(key),
            expected: expected.to_owned(),
        })
    }

    pub(crate) fn text(&mut self, key: &str) -> Result<String, RequestError> {
        let text = self.optional_text(key)?;
        self.need(key, "text", text)
    }

    pub(crate) fn optional_text(&mut self, key: &str) -> Result<Option<String>, RequestError> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(unexpected(self.at(key), "text", &other)),
        }
    }

    pub(crate) fn object(&mut self, key: &str) -> Result<Self, RequestError> {
        let object = self.optional_object(key)?;
        self.need(key, "an object", object)
    }

    pub(crate) fn optional_object(&mut self, key: &str) -> Result<Option<Self>, RequestError> {
        let value = self.take(key);
        value
            .map(|value| Self::new(value, self.at(key)))
            .transpose()
    }

    /// A member of one of the contract's closed sets, or text of another form.
    pub(crate) fn parsed<T: DeserializeOwned>(
        &mut self,
        key: &str,
        expected: &str,
    ) -> Result<Option<T>, RequestError> {
        match self.take(key) {
            None => Ok(None),
            // Deserializers take `{"word": null}` for the word.
            Some(value) => match T::deserialize(&value) {
                Ok(parsed) if !has_object(&value) => Ok(Some(parsed)),
                _ => Err(unexpected(self.at(key), expected, &value)),
            },
        }
    }

    pub(crate) fn time(&mut self, key: &str) -> Result<Option<Timestamp>, RequestError> {
        self.parsed(key, "a time as in RFC 3339, such as `2026-11-22T09:00:00Z`")
    }

    pub(crate) fn texts(&mut self, key: &str) -> Result<Option<Vec<String>>, RequestError> {
        self.parsed(key, "a list of texts")
    }

    pub(crate) fn session_path(&mut self) -> Result<Option<SessionPath>, RequestError> {
        self.parsed("session-path", "`interactive` or `machine`")
    }

    pub(crate) fn intent(&mut self) -> Result<Option<Intent>, RequestError> {
        let Some(mut intent) = self.optional_object("intent")? else {
            return Ok(None);
        };
        let read = Intent {
            id: intent.text("id")?,
            purpose: intent.optional_text("purpose")?.unwrap_or_default(),
            approved_by: intent.optional_text("approved-by")?.unwrap_or_default(),
            expires_at: intent.time("expires-at")?,
            remaining_uses: intent.parsed("remaining-uses", "a whole number")?,
            documents: intent.texts("documents")?.unwrap_or_default(),
        };
        intent
            .end("`id`, `purpose`, `approved-by`, `expires-at`, `remaining-uses`, `documents`")?;
        Ok(Some(read))
    }

    pub(crate) fn origins(&mut self) -> Result<Vec<(String, String)>, RequestError> {
        let at = self.at("argument-origins");
        let list = match self.take("argument-origins") {
            None => return Ok(Vec::new()),
            Some(Value::Array(list)) => list,
            Some(other) => return Err(unexpected(at, "a list", &other)),
        };
        let origins = list
            .into_iter()
            .enumerate()
            .map(|(index, item)| {
                let mut origin = Self::new(item, format!("{at}/{index}"))?;
                let read = (origin.text("path")?, origin.text("origin")?);
                origin.end("`path`, `origin`")?;
                Ok(read)
            })
            .collect::<Result<Vec<_>, RequestError>>()?;
        check_origins(&origins, &at)?;
        Ok(origins)
    }

    pub(crate) fn posture(&mut self) -> Result<Option<Posture>, RequestError> {
        let posture = self.optional_object("posture")?;
        posture.map(Self::into_posture).transpose()
    }

    pub(crate) fn into_posture(self) -> Result<Posture, RequestError> {
        let mut posture = self;
        let read = Posture {
            exposure: posture
                .parsed("exposure", "`internet`, `partner`, `internal` or `unknown`")?
                .unwrap_or_default(),
            health: posture
                .parsed(
                    "health",
                    "`compromised`, `degraded`, `healthy` or `unknown`",
                )?
                .unwrap_or_default(),
            privileged: posture.parsed("privileged", "true or false")?,
            legacy: posture.parsed("legacy", "true or false")?,
            drifted: posture.parsed("drifted", "true or false")?,
            observed_at: posture.time("observed-at")?,
        };
        posture.end("`exposure`, `health`, `privileged`, `legacy`, `drifted`, `observed-at`")?;
        Ok(read)
    }

    /// All that is left.
    pub(crate) fn rest(self) -> Vec<(String, Value)> {
        self.members.into_iter().collect()
    }

    /// All that is left, as attributes.
    pub(crate) fn attributes(self, known: &[&str]) -> Result<Vec<(String, Value)>, RequestError> {
        self.refuse_alike(known, |_, _| false)?;
        Ok(self.rest())
    }

    /// As [`Object::attributes`], where a member that is called exactly like a known one may be `ordinary`.
    pub(crate) fn attributes_but(
        self,
        known: &[&str],
        ordinary: impl Fn(&str, &Value) -> bool,
    ) -> Result<Vec<(String, Value)>, RequestError> {
        self.refuse_alike(known, ordinary)?;
        Ok(self.rest())
    }

    /// Refuses what is left over and reads like one of `known`: another reader takes it for that.
    pub(crate) fn refuse_alike(
        &self,
        known: &[&str],
        ordinary: impl Fn(&str, &Value) -> bool,
    ) -> Result<(), RequestError> {
        for (key, value) in &self.members {
            let Some(meant) = known.iter().find(|known| reads_alike(known, key)) else {
                continue;
            };
            if key != meant || !ordinary(key, value) {
                return Err(RequestError::Unknown {
                    at: self.at(key),
                    expected: format!(
                        "it reads like `{meant}`, which is spelled so and may have another place"
                    ),
                });
            }
        }
        Ok(())
    }

    /// Refuses what is left over and is called like one of `misplaced`, which belongs to `place`.
    pub(crate) fn refuse_misplaced(
        &self,
        misplaced: &[&str],
        place: &str,
    ) -> Result<(), RequestError> {
        let called = |key: &&String| misplaced.iter().any(|name| reads_alike(name, key));
        match self.members.keys().find(called) {
            None => Ok(()),
            Some(key) => Err(RequestError::Unknown {
                at: self.at(key),
                expected: format!("it belongs to {place}"),
            }),
        }
    }

    /// Whether nothing is left.
    pub(crate) fn first_left(&self) -> Option<String> {
        self.members.keys().next().map(|key| self.at(key))
    }

    /// Takes a text that is called `key`; whatever else is called so stays.
    pub(crate) fn text_if_text(&mut self, key: &str) -> String {
        match self.members.get(key) {
            Some(Value::String(_)) => match self.members.remove(key) {
                Some(Value::String(text)) => text,
                _ => String::new(),
            },
            _ => String::new(),
        }
    }

    /// Whether the member `key` is an object.
    pub(crate) fn has_object(&self, key: &str) -> bool {
        self.members.get(key).is_some_and(Value::is_object)
    }

    /// Refuses what was not taken: a misspelt member must not be overlooked.
    pub(crate) fn end(self, members: &str) -> Result<(), RequestError> {
        match self.members.keys().next() {
            None => Ok(()),
            Some(key) => Err(RequestError::Unknown {
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

/// Whether two names differ at most in case, width, `_`, `-`, white space and invisible characters.
pub(crate) fn reads_alike(one: &str, other: &str) -> bool {
    // Every member of a request is compared with every name that is known, so those that differ in how many ASCII
    // letters they have are told apart first.
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

/// Refuses origins that are none, and two origins of one argument.
pub(crate) fn check_origins(origins: &[(String, String)], at: &str) -> Result<(), RequestError> {
    let mut paths = BTreeSet::new();
    for (index, (path, origin)) in origins.iter().enumerate() {
        if !path.is_empty() && !path.starts_with('/') {
            let at = format!("{at}/{index}/path");
            return Err(unexpected(
                at,
                "a JSON Pointer",
                &Value::from(path.as_str()),
            ));
        }
        if !is_origin(origin) {
            let at = format!("{at}/{index}/origin");
            let found = Value::from(origin.as_str());
            return Err(unexpected(at, "`user`, `tool:<name>` or `unknown`", &found));
        }
        if !paths.insert(path) {
            return Err(RequestError::DuplicateKey {
                at: format!("{at}/{index}/path"),
            });
        }
    }
    Ok(())
}

pub(crate) fn unexpected(at: String, expected: &str, found: &Value) -> RequestError {
    // The request controls the value: bounded before it is shown.
    let found = match found {
        Value::Null => "null".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        other => format!("`{}`", excerpt(&other.to_string())),
    };
    RequestError::Unexpected {
        at,
        expected: expected.to_owned(),
        found,
    }
}
