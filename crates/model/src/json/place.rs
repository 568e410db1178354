//! The reader at one place of a document: it refuses a value and names the place.

use super::Error;
use super::keys::{Keys, alike};
use super::numbers::{Inexact, is_exact};
use portcullis_contract::escape_key;
use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::map::Entry;
use serde_json::{Map, Number, Value};
use std::cell::{Cell, RefCell};
use std::fmt;

/// State of reading one document.
pub(super) struct Notes {
    pub(super) refused: RefCell<Option<Error>>,
    /// Number of numbers read so far.
    pub(super) numbers: Cell<usize>,
    pub(super) inexact: Option<Inexact>,
}

/// Position of the reader, with the notes of the document.
pub(super) struct Place<'a> {
    pub(super) parent: Option<&'a Place<'a>>,
    pub(super) step: Step<'a>,
    pub(super) depth: usize,
    pub(super) limit: usize,
    pub(super) notes: &'a Notes,
}

pub(super) enum Step<'a> {
    /// The outermost value, at this JSON Pointer.
    Root(&'a str),
    Key(&'a str),
    Index(usize),
}

impl Place<'_> {
    pub(super) fn below<'b>(&'b self, step: Step<'b>) -> Place<'b> {
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
    pub(super) fn admit(&self, value: &Value) {
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
