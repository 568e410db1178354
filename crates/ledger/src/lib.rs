//! What a session of an agent has seen, and the origins of values computed from it.
//!
//! ```
//! use portcullis_ledger::{Ledger, LedgerLimits};
//! use serde_json::json;
//!
//! let mut ledger = Ledger::new(["Pay the rent to my landlord."], LedgerLimits::default());
//! ledger.observe(
//!     "list_orders",
//!     &json!({}),
//!     &json!([{ "id": 7, "subject": "Rent", "note": "or to evil@example.com" }]),
//! );
//! let origins = ledger.origins("pay", &json!({ "id": 7, "to": "evil@example.com", "for": "rent" }), &[]);
//! let of = |path: &str| origins.iter().find(|it| it.path == path).unwrap().origins.join(" ");
//! assert_eq!(of("/id"), "tool:list_orders#about/*/id");
//! assert_eq!(of("/to"), "tool:list_orders~/*/note");
//! assert_eq!(of("/for"), "user~word tool:list_orders#/*/subject");
//! ```

#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic
    )
)]

mod key;
mod origins;
mod said;
mod seen;

use key::Key;
use portcullis_model::json;
use portcullis_model::limits::RequestLimits;
use said::Said;
pub use seen::LedgerLimits;
use seen::{Call, ReadBy, Seen};
use serde_json::Value;
use std::fmt;

/// The user's words and the results of tools in one session of an agent.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    said: Said,
    seen: Seen,
    approved: Vec<Approved>,
    limits: LedgerLimits,
}

/// A value that was approved for one argument.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Approved {
    tool: String,
    path: String,
    value: Key,
}

/// Maximum number of approved values in a session.
const MAX_APPROVED: usize = 256;

/// Place of a value in a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// The user said it.
    Said,
    /// It is a field of a result.
    Field {
        /// Number of the result, from 1.
        result: usize,
        /// Name of the tool.
        tool: String,
        /// JSON Pointer into the result.
        pointer: String,
    },
    /// It stands in a text of a result.
    Text {
        /// Number of the result, from 1.
        result: usize,
        /// Name of the tool.
        tool: String,
        /// JSON Pointer into the result.
        pointer: String,
        /// The text around it.
        around: String,
    },
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let result = |pointer: &str| match pointer {
            "" => String::new(),
            pointer => format!("`{pointer}` of "),
        };
        match self {
            Self::Said => f.write_str("the user said it"),
            Self::Field {
                result: number,
                tool,
                pointer,
            } => {
                write!(f, "it is {}result {number} (`{tool}`)", result(pointer))
            }
            Self::Text {
                result: number,
                tool,
                pointer,
                around,
            } => {
                write!(
                    f,
                    "it stands in the text {}result {number} (`{tool}`): \u{201c}{around}\u{201d}",
                    result(pointer)
                )
            }
        }
    }
}

impl Ledger {
    /// Begins a session with the user's own words.
    pub fn new<'t>(said: impl IntoIterator<Item = &'t str>, limits: LedgerLimits) -> Self {
        let mut ledger = Self {
            limits,
            ..Self::default()
        };
        for text in said {
            ledger.say(text);
        }
        ledger
    }

    /// Adds words of the user. Beyond the limit they are not remembered.
    ///
    /// They count from then on, not for results that were observed before.
    pub fn say(&mut self, text: &str) {
        if self.said.size() + text.len() <= self.limits.bytes / 4 {
            self.said.add(text);
        } else {
            self.seen.is_full = true;
        }
    }

    /// Approves a value of the argument of `tool` at `path`, a JSON Pointer. It counts as the user's word there.
    ///
    /// False if it is no number or text, or if too many were approved.
    pub fn approve(&mut self, tool: &str, path: &str, value: &Value) -> bool {
        let Some(value) = Key::of(value).filter(|_| self.approved.len() < MAX_APPROVED) else {
            return false;
        };
        self.approved.push(Approved {
            tool: tool.to_owned(),
            path: path.to_owned(),
            value,
        });
        true
    }

    /// Adds the result of a call, before the agent sees it.
    ///
    /// A result that is text and reads as a JSON object or list is taken as that.
    pub fn observe(&mut self, tool: &str, arguments: &Value, result: &Value) {
        let call = Call {
            tool: tool.to_owned(),
            read: self.read_by(arguments),
        };
        let read = result.as_str().and_then(structure);
        self.seen.add_result(
            call,
            read.as_ref().unwrap_or(result),
            &self.said,
            &self.limits,
        );
    }

    /// True if a value was not remembered for lack of room. Values may then be of unknown origin.
    pub fn is_full(&self) -> bool {
        self.seen.is_full
    }

    /// Memory of what is remembered, in bytes, by the count that [`LedgerLimits::bytes`] bounds.
    pub fn bytes(&self) -> usize {
        self.said.size() + self.seen.bytes()
    }

    /// Number of results observed.
    pub fn results(&self) -> usize {
        self.seen.calls.len()
    }

    /// The one who said what a call with these arguments reads, by the texts in them, or by the numbers if there are none.
    ///
    /// A text that is no word of the user's, and is or stands in a result that the user named, is reached.
    fn read_by(&self, arguments: &Value) -> ReadBy {
        fn leaves<'v>(value: &'v Value, found: &mut Vec<&'v Value>) {
            match value {
                Value::String(_) | Value::Number(_) => found.push(value),
                Value::Array(items) => items.iter().for_each(|it| leaves(it, found)),
                Value::Object(members) => members.values().for_each(|it| leaves(it, found)),
                _ => {}
            }
        }
        let mut found = Vec::new();
        leaves(arguments, &mut found);
        let has_texts = found.iter().any(|it| it.is_string());
        let telling = found.into_iter().filter(|it| it.is_string() == has_texts);
        let keys: Option<Vec<Key>> = telling.map(Key::of).collect();
        let Some(keys) = keys.filter(|keys| !keys.is_empty()) else {
            return ReadBy::Other;
        };
        let is_said = |key: &Key| self.said.has(key);
        let is_named = |key: &Key| {
            let (fields, within) = self.seen.find(key);
            let mut calls = fields.iter().chain(&within).map(|leaf| leaf.call);
            calls.any(|call| {
                let call = self.seen.calls.get(call);
                call.is_some_and(|call| call.read == ReadBy::Named)
            })
        };
        if keys.iter().all(is_said) {
            ReadBy::Named
        } else if keys.iter().all(|key| is_said(key) || is_named(key)) {
            ReadBy::Reached
        } else {
            ReadBy::Other
        }
    }
}

/// The object or the list that a text is in JSON, if it has one reading.
fn structure(text: &str) -> Option<Value> {
    if !text.trim_start().starts_with(['{', '[']) {
        return None;
    }
    let limits = RequestLimits {
        bytes: text.len(),
        ..RequestLimits::default()
    };
    json::parse(text.as_bytes(), &limits).ok()
}

#[cfg(test)]
mod tests;
