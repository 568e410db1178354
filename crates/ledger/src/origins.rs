//! Origins of the values of a call.

use crate::key::{Key, fold_into, keys_in, whole_part};
use crate::said::Words;
use crate::seen::{Leaf, ReadBy};
use crate::{Approved, Found, Ledger};
use portcullis_contract::{ArgumentOrigin, Origins, WORD, accepts_origin, escape_key, parts_of};
use serde_json::Value;

/// Maximum number of origins of one value. The rest are left out, so that fewer are accepted.
const MAX_ORIGINS: usize = 16;

/// Maximum number of values of a call whose origins are computed. Those of the rest are unknown.
const MAX_VALUES: usize = 1024;

/// Characters of a text shown on each side of a value.
const AROUND: usize = 60;

impl Ledger {
    /// Origins of the arguments of a call of `tool`, one statement for each text and number, and for each part of a text.
    ///
    /// The origins that the caller `stated` make them worse, and never better: of the computed origins those stay that a stated
    /// one accepts. A value for which nothing is stated keeps its computed origins.
    pub fn origins(
        &self,
        tool: &str,
        arguments: &Value,
        stated: &[ArgumentOrigin],
    ) -> Vec<ArgumentOrigin> {
        let mut computed = Vec::new();
        // What the tool is called tells no record apart: "close the ticket about the parcel".
        let telling = !self.said.words_in(&name_in_words(tool));
        self.collect(arguments, String::new(), telling, &mut computed);
        if !stated.is_empty() {
            for origin in &mut computed {
                worsen(origin, stated);
            }
        }
        for origin in computed.iter_mut().filter(|it| it.part.is_none()) {
            let own = |it: &&Approved| it.tool == tool && it.path == origin.path;
            let is_approved = self.approved.iter().filter(own).any(|approved| {
                let value = arguments.pointer(&origin.path).and_then(Key::of);
                value.as_ref() == Some(&approved.value)
            });
            if is_approved {
                origin.origins.insert(0, WORD.to_owned());
            }
        }
        computed
    }

    fn collect(
        &self,
        value: &Value,
        path: String,
        telling: Words,
        computed: &mut Vec<ArgumentOrigin>,
    ) {
        if computed.len() >= MAX_VALUES {
            return;
        }
        match value {
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.collect(item, format!("{path}/{index}"), telling, computed);
                }
            }
            Value::Object(members) => {
                for (key, member) in members {
                    self.collect(
                        member,
                        format!("{path}/{}", escape_key(key)),
                        telling,
                        computed,
                    );
                }
            }
            Value::String(text) => {
                let begin = computed.len();
                computed.push(ArgumentOrigin {
                    path: path.clone(),
                    part: None,
                    origins: self.origins_of(Key::of_text(text), telling),
                });
                if whole_part(text.trim()).is_some() {
                    return;
                }
                for part in parts_of(text) {
                    let is_new = |it: &ArgumentOrigin| it.part.as_deref() != Some(part.text);
                    if computed.len() < MAX_VALUES && computed.iter().skip(begin).all(is_new) {
                        computed.push(ArgumentOrigin {
                            path: path.clone(),
                            part: Some(part.text.to_owned()),
                            origins: self.origins_of(Some(Key::of_part(part)), telling),
                        });
                    }
                }
            }
            Value::Number(_) => computed.push(ArgumentOrigin {
                path,
                part: None,
                origins: self.origins_of(Key::of(value), telling),
            }),
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn origins_of(&self, key: Option<Key>, telling: Words) -> Vec<String> {
        let mut origins = Vec::new();
        let Some(key) = key else {
            return origins;
        };
        let mut add = |origin: String| {
            if origins.len() < MAX_ORIGINS && !origins.contains(&origin) {
                origins.push(origin);
            }
        };
        if self.said.has(&key) {
            add(if key.is_word() { WORD } else { "user" }.to_owned());
        }
        let (fields, texts) = self.seen.find(&key);
        // Those that more constraints accept come first.
        for about in [true, false] {
            let is_of = |it: &&&Leaf| (it.about & telling != 0) == about;
            for field in fields.iter().filter(is_of) {
                if let Some(call) = self.seen.calls.get(field.call) {
                    let mark = if about { "about" } else { "" };
                    let pointer = self.seen.pointer(field, true);
                    add(format!("tool:{}#{mark}{pointer}", call.tool));
                }
            }
        }
        for read in [ReadBy::Named, ReadBy::Reached, ReadBy::Other] {
            for text in &texts {
                let call = self.seen.calls.get(text.call);
                if let Some(call) = call.filter(|it| it.read == read) {
                    let pointer = self.seen.pointer(text, true);
                    add(format!("tool:{}~{}{pointer}", call.tool, read.mark()));
                }
            }
        }
        origins
    }

    /// Places of a value of a call, for people. Empty if it was neither said nor seen.
    pub fn find(&self, value: &Value) -> Vec<Found> {
        let key = Key::of(value);
        key.map_or_else(Vec::new, |key| self.found(&key))
    }

    /// Places of a part of a text of a call, for people.
    pub fn find_part(&self, part: &str) -> Vec<Found> {
        let key = parts_of(part).next().map(Key::of_part);
        key.map_or_else(Vec::new, |key| self.found(&key))
    }

    fn found(&self, key: &Key) -> Vec<Found> {
        let mut found = Vec::new();
        if self.said.has(key) {
            found.push(Found::Said);
        }
        let tool = |leaf: &Leaf| {
            let call = self.seen.calls.get(leaf.call);
            call.map_or_else(String::new, |call| call.tool.clone())
        };
        let (fields, texts) = self.seen.find(key);
        for field in fields {
            found.push(Found::Field {
                result: field.call + 1,
                tool: tool(field),
                pointer: self.seen.pointer(field, false),
            });
        }
        for text in texts {
            found.push(Found::Text {
                result: text.call + 1,
                tool: tool(text),
                pointer: self.seen.pointer(text, false),
                around: around(self.seen.text_of(text), key),
            });
        }
        found
    }
}

/// The words of a tool's name, folded.
fn name_in_words(tool: &str) -> Vec<u8> {
    let mut words = Vec::new();
    let mut was_lower = false;
    for character in tool.chars() {
        if was_lower && character.is_uppercase() {
            words.push(b' ');
        }
        was_lower = character.is_lowercase();
        let character = if character.is_alphanumeric() {
            character
        } else {
            ' '
        };
        fold_into(character.encode_utf8(&mut [0; 4]), &mut words);
    }
    words
}

/// The text around a value in a text.
fn around(text: &str, key: &Key) -> String {
    let at = match key.as_text() {
        Some(wanted) => words(text).find(|at| {
            let rest = text.get(*at..).unwrap_or_default();
            folded_beginning(rest, wanted.len()).starts_with(wanted.as_bytes())
        }),
        None => keys_in(text).find(|(it, _)| it == key).map(|(_, at)| at),
    };
    let at = at.unwrap_or(0);
    let before = text.get(..at).unwrap_or_default();
    let begin = before.char_indices().rev().take(AROUND).last();
    let begin = begin.map_or(at, |(begin, _)| begin);
    let rest = text.get(at..).unwrap_or_default();
    let end = rest.char_indices().nth(2 * AROUND);
    let end = end.map_or(text.len(), |(length, _)| at + length);
    let cut: Vec<&str> = text
        .get(begin..end)
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let more = |is_cut: bool| if is_cut { "\u{2026}" } else { "" };
    format!(
        "{}{}{}",
        more(begin > 0),
        cut.join(" "),
        more(end < text.len())
    )
}

/// Places at which words begin.
fn words(text: &str) -> impl Iterator<Item = usize> {
    let mut before = ' ';
    text.char_indices().filter_map(move |(at, it)| {
        let begins = !before.is_alphanumeric() && !it.is_whitespace();
        before = it;
        begins.then_some(at)
    })
}

/// The beginning of a text, folded to at least `length` bytes, if the text is as long.
fn folded_beginning(text: &str, length: usize) -> Vec<u8> {
    let mut folded = Vec::new();
    let mut words = text.split_whitespace();
    while folded.len() < length {
        let Some(word) = words.next() else {
            break;
        };
        if !folded.is_empty() {
            folded.push(b' ');
        }
        fold_into(word, &mut folded);
    }
    folded
}

/// Keeps the origins that one of the stated ones accepts.
fn worsen(computed: &mut ArgumentOrigin, stated: &[ArgumentOrigin]) {
    let path = computed.path.as_str();
    let of_part = computed.part.as_deref().and_then(|part| {
        let is_own = |it: &&ArgumentOrigin| it.path == path && it.part.as_deref() == Some(part);
        stated.iter().find(is_own)
    });
    let origins = Origins(stated);
    let Some(stated) = of_part.or_else(|| origins.nearest(path)) else {
        return;
    };
    computed.origins.retain(|origin| {
        let mut stated = stated.origins.iter();
        stated.any(|stated| accepts_origin(stated, origin))
    });
}
