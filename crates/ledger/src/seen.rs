//! Results of tools.

use crate::key::{Key, fold_into, folded, keys_in};
use crate::said::{Said, Words, stands_in};
use portcullis_contract::escape_key;
use serde_json::Value;
use std::collections::HashMap;

/// Limits of what a ledger remembers. A value beyond them is of unknown origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LedgerLimits {
    /// Memory, in bytes. 4 MiB by default.
    pub bytes: usize,
    /// Number of values in results. 20,000 by default.
    pub values: usize,
    /// Nesting of a result. Deeper values are not remembered. 64 by default.
    pub depth: usize,
}

impl Default for LedgerLimits {
    fn default() -> Self {
        Self {
            bytes: 4 * 1024 * 1024,
            values: 20_000,
            depth: 64,
        }
    }
}

/// Memory of a value beside its texts, in bytes.
const OVERHEAD: usize = 128;

/// Longest text of a record that is searched for the user's words, in bytes.
const MAX_SEARCHED: usize = 4096;

/// Maximum number of places that are remembered for one value.
const MAX_PLACES: usize = 64;

/// A call whose result was observed.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) tool: String,
    /// True if the user named what was read.
    pub(crate) is_named: bool,
}

/// Place of a value in a result.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// Number of the call, from 0.
    pub(crate) call: usize,
    /// JSON Pointer into the result.
    pub(crate) pointer: String,
    /// The same, with `*` for indexes and keys that are data.
    pub(crate) general: String,
    /// True if another value of the same record has something of the user's words.
    pub(crate) is_about: bool,
}

/// A text in a result.
#[derive(Debug, Clone)]
pub(crate) struct Text {
    pub(crate) place: usize,
    pub(crate) original: String,
    /// Begin of the folded text.
    begin: usize,
}

/// What was seen of results.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    pub(crate) calls: Vec<Call>,
    pub(crate) places: Vec<Place>,
    pub(crate) texts: Vec<Text>,
    /// Places of whole values.
    fields: HashMap<Key, Vec<usize>>,
    /// Texts with a part, a number or a day.
    parts: HashMap<Key, Vec<usize>>,
    /// The texts, folded, each on a line of its own.
    folded: String,
    bytes: usize,
    pub(crate) is_full: bool,
}

/// Where a value is in a result, while the result is read.
#[derive(Clone, Copy)]
struct At<'a> {
    pointer: &'a str,
    general: &'a str,
    depth: usize,
    /// Words that tell apart the record that holds the value, and the number of its values that have one.
    record: Option<(Words, usize)>,
}

impl Seen {
    /// Adds a result.
    pub(crate) fn add(&mut self, call: Call, result: &Value, said: &Said, limits: &LedgerLimits) {
        self.bytes += OVERHEAD + call.tool.len();
        self.calls.push(call);
        let root = At {
            pointer: "",
            general: "",
            depth: 0,
            record: None,
        };
        self.read_record(result, root, 0, said, limits);
    }

    fn read(&mut self, value: &Value, at: At<'_>, said: &Said, limits: &LedgerLimits) {
        if self.is_full || at.depth > limits.depth {
            self.is_full = true;
            return;
        }
        match value {
            Value::Array(items) => {
                let general = format!("{}/*", at.general);
                let common = common_words(items.iter(), said);
                for (index, item) in items.iter().enumerate() {
                    let pointer = format!("{}/{index}", at.pointer);
                    let below = At {
                        pointer: &pointer,
                        general: &general,
                        depth: at.depth + 1,
                        record: at.record,
                    };
                    self.read_record(item, below, common, said, limits);
                }
            }
            Value::Object(members) => {
                let are_data = has_data_keys(members);
                let common = match are_data {
                    true => common_words(members.values(), said),
                    false => 0,
                };
                for (key, member) in members {
                    let escaped = escape_key(key);
                    let pointer = format!("{}/{escaped}", at.pointer);
                    let general = match are_data {
                        true => format!("{}/*", at.general),
                        false => format!("{}/{escaped}", at.general),
                    };
                    let below = At {
                        pointer: &pointer,
                        general: &general,
                        depth: at.depth + 1,
                        record: at.record,
                    };
                    if are_data {
                        self.keep(&Value::String(key.clone()), below, said, limits);
                    }
                    self.read_record(member, below, common, said, limits);
                }
            }
            Value::String(_) | Value::Number(_) => self.keep(value, at, said, limits),
            Value::Null | Value::Bool(_) => {}
        }
    }

    /// Reads a value that is a record of its own if it is an object.
    fn read_record(
        &mut self,
        value: &Value,
        at: At<'_>,
        common: Words,
        said: &Said,
        limits: &LedgerLimits,
    ) {
        let record = match value {
            Value::Object(members) => {
                let own =
                    values_of(members.values()).filter(|it| words_in(it, said) & !common != 0);
                Some((!common, own.count()))
            }
            _ => at.record,
        };
        self.read(value, At { record, ..at }, said, limits);
    }

    /// Remembers a number or a text.
    fn keep(&mut self, value: &Value, at: At<'_>, said: &Said, limits: &LedgerLimits) {
        let text = value.as_str().unwrap_or_default();
        let size = OVERHEAD + at.pointer.len() + at.general.len() + 3 * text.len();
        if self.places.len() >= limits.values || self.bytes + size > limits.bytes {
            self.is_full = true;
            return;
        }
        self.bytes += size;
        let place = self.places.len();
        self.places.push(Place {
            call: self.calls.len().saturating_sub(1),
            pointer: at.pointer.to_owned(),
            general: at.general.to_owned(),
            is_about: at.record.is_some_and(|(telling, mentions)| {
                let own = words_in(value, said) & telling != 0;
                mentions > usize::from(own)
            }),
        });
        if let Some(key) = Key::of(value) {
            add(&mut self.fields, key, place);
        }
        if is_composed(text) {
            let index = self.texts.len();
            for (key, _) in keys_in(text) {
                self.bytes += key.size();
                add(&mut self.parts, key, index);
            }
            self.texts.push(Text {
                place,
                original: text.to_owned(),
                begin: self.folded.len(),
            });
            fold_into(text, &mut self.folded);
            self.folded.push('\n');
        }
    }

    /// Places where the value is a field.
    pub(crate) fn fields(&self, key: &Key) -> &[usize] {
        self.fields.get(key).map_or(&[], Vec::as_slice)
    }

    /// Texts in which the value stands and which are more than the value.
    pub(crate) fn texts_with(&self, key: &Key) -> Vec<&Text> {
        let places = self.fields(key);
        let texts = self.places_in_texts(key).into_iter();
        texts
            .filter_map(|it| self.texts.get(it))
            .filter(|it| !places.contains(&it.place))
            .collect()
    }

    /// Numbers of the texts in which the value stands.
    fn places_in_texts(&self, key: &Key) -> Vec<usize> {
        let Some(text) = key.as_text() else {
            return self.parts.get(key).cloned().unwrap_or_default();
        };
        // A single letter stands in every text.
        if text.chars().nth(1).is_none() {
            return Vec::new();
        }
        let mut found: Vec<usize> = Vec::new();
        for at in stands_in(&self.folded, text) {
            let index = self.texts.partition_point(|it| it.begin <= at);
            let index = index.saturating_sub(1);
            if found.last() != Some(&index) {
                found.push(index);
            }
            if found.len() >= MAX_PLACES {
                break;
            }
        }
        found
    }
}

fn add(index: &mut HashMap<Key, Vec<usize>>, key: Key, at: usize) {
    let places = index.entry(key).or_default();
    if places.len() < MAX_PLACES && places.last() != Some(&at) {
        places.push(at);
    }
}

/// True for a text in which another value can stand.
fn is_composed(text: &str) -> bool {
    let text = text.trim();
    text.contains(|it: char| !it.is_alphanumeric())
}

/// True for an object whose keys are data, such as names of people, rather than names of fields.
///
/// Those are keys with blanks or other characters that names of fields do not have, or many keys of like values.
fn has_data_keys(members: &serde_json::Map<String, Value>) -> bool {
    let is_name = |key: &String| {
        key.len() <= 40
            && key.starts_with(|it: char| it.is_ascii_alphabetic() || it == '_')
            && key
                .bytes()
                .all(|it| it.is_ascii_alphanumeric() || matches!(it, b'_' | b'-' | b'$' | b'.'))
    };
    !members.is_empty() && !members.keys().all(is_name)
}

/// Numbers and texts that the values are or that lists among them hold.
fn values_of<'v>(values: impl Iterator<Item = &'v Value>) -> impl Iterator<Item = &'v Value> {
    values.flat_map(|value| match value {
        Value::Array(items) => items.as_slice(),
        one => std::slice::from_ref(one),
    })
}

/// The user's words that a text has. Other values have none.
fn words_in(value: &Value, said: &Said) -> Words {
    match value.as_str() {
        Some(text) if text.len() <= MAX_SEARCHED => said.words_in(&folded(text)),
        _ => 0,
    }
}

/// The user's words that every one of several records has, and that tell none apart.
fn common_words<'v>(records: impl Iterator<Item = &'v Value>, said: &Said) -> Words {
    let mut count = 0;
    let mut common = Words::MAX;
    for record in records {
        let Some(members) = record.as_object() else {
            return 0;
        };
        let own = values_of(members.values());
        common &= own.fold(0, |words, it| words | words_in(it, said));
        count += 1;
    }
    match count {
        0 | 1 => 0,
        _ => common,
    }
}
