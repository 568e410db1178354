//! Drafts the allowances of an intent from what a user said and the tools of a server.
//!
//! ```
//! use portcullis_draft::{Choice, Server, Tool, draft};
//! use serde_json::json;
//!
//! let tools = json!([
//!     { "name": "read_file", "inputSchema": { "properties": { "path": { "type": "string" } } } },
//!     { "name": "send_money", "inputSchema": {
//!         "properties": { "recipient": { "type": "string" }, "amount": { "type": "number" } },
//!         "required": ["recipient", "amount"] } },
//!     { "name": "update_password", "inputSchema": { "properties": { "password": { "type": "string" } } } },
//! ]);
//! let tools: Vec<_> = tools.as_array().unwrap().iter().filter_map(Tool::read).collect();
//! let drafted = draft("Pay the bill in 'bill.txt'.", &tools, &Server::default(), &Choice::Asked, "bank");
//! let actions: Vec<_> = drafted.allows.iter().map(|it| it["action"].as_str().unwrap()).collect();
//! assert_eq!(actions, ["read_file", "send_money"]);
//! assert_eq!(drafted.allows[1]["asks"], json!(["/recipient"]));
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

mod asked;
mod class;
mod pins;
mod server;
mod tool;

use asked::{Sentence, moves_money, reads, sentences};
pub use class::class_of;
use pins::{Pin, pins};
use portcullis_contract::{WORD, escape_key};
use serde_json::{Value, json};
pub use server::{ResultWords, Server, ToolWords};
pub use tool::{Argument, Role, Tool};

/// Any field of any result.
const ANY_FIELD: &str = "tool:*#";

/// Any field of any record that has something of the user's words.
const ANY_FIELD_ABOUT: &str = "tool:*#about";

/// Choice of the tools.
#[derive(Debug, Clone)]
pub enum Choice {
    /// Those that the words ask for, and all that only read.
    Asked,
    /// These tools, and values for their arguments: tool, argument, value.
    Given {
        /// Names of the tools.
        tools: Vec<String>,
        /// Values that the arguments may have, beside those that the server's fields have.
        pins: Vec<(String, String, Value)>,
    },
}

/// A draft.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Drafted {
    /// The allowances, as an intent has them.
    pub allows: Vec<Value>,
    /// Tools that the words ask for.
    pub asked: Vec<String>,
    /// Links, addresses and accounts in the words that belong to no argument.
    pub untied: Vec<String>,
}

/// Drafts the allowances of an intent for the integration with that name.
pub fn draft(
    said: &str,
    tools: &[Tool],
    server: &Server,
    choice: &Choice,
    integration: &str,
) -> Drafted {
    let sentences = sentences(said, tools, server);
    let pins = pins(&sentences);
    let fields = fields(server);
    let mut drafted = Drafted::default();
    let mut tied: Vec<&str> = Vec::new();
    for (place, tool) in tools.iter().enumerate() {
        let reads = reads(tool, server);
        let is_chosen = match choice {
            Choice::Asked => reads || is_asked(&sentences, place),
            Choice::Given { tools, .. } => tools.contains(&tool.name),
        };
        if !is_chosen {
            continue;
        }
        if !reads {
            drafted.asked.push(tool.name.clone());
        }
        let drafting = Drafting {
            tool,
            words: server.tools.get(&tool.name),
            fields: &fields,
            is_handed_over: matches!(choice, Choice::Asked) && is_handed_over(&sentences, place),
            reads,
            pinned: match choice {
                Choice::Asked => {
                    Pinned::Said(pins.iter().filter(|it| it.tools.contains(&place)).collect())
                }
                Choice::Given { pins, .. } => Pinned::Given(pins),
            },
        };
        // What only reads may read what the user names anywhere.
        let own = pins.iter().filter(|it| reads || it.tools.contains(&place));
        let own = own.filter(|it| tool.arguments.iter().any(|argument| it.suits(argument)));
        tied.extend(own.map(|it| it.part.text));
        drafted.allows.push(drafting.allowance(integration));
    }
    let parts = pins.iter().map(|it| it.part.text);
    drafted.untied = parts
        .filter(|it| !tied.contains(it))
        .map(str::to_owned)
        .collect();
    drafted.untied.dedup();
    drafted
}

/// Fields that targets may come from, where the operator does not say it for the argument.
fn fields(server: &Server) -> Vec<String> {
    let named = server.results.iter().flat_map(|(tool, words)| {
        words
            .names
            .iter()
            .map(move |pointer| format!("tool:{tool}#{pointer}"))
    });
    let named: Vec<String> = named.collect();
    match named.is_empty() {
        true => vec![ANY_FIELD.to_owned()],
        false => named,
    }
}

/// True if only a text that the user hands over to can ask for the tool.
fn is_handed_over(sentences: &[Sentence<'_>], place: usize) -> bool {
    let mut asking = sentences
        .iter()
        .filter(|it| it.asks_for.contains(&place))
        .peekable();
    asking.peek().is_some() && asking.all(|it| it.hands_over)
}

fn is_asked(sentences: &[Sentence<'_>], place: usize) -> bool {
    sentences.iter().any(|it| it.asks_for.contains(&place))
}

/// Values of the user's words for the arguments of a tool.
enum Pinned<'a> {
    Said(Vec<&'a Pin<'a>>),
    Given(&'a [(String, String, Value)]),
}

/// One tool being drafted.
struct Drafting<'a> {
    tool: &'a Tool,
    words: Option<&'a ToolWords>,
    /// Fields that targets may come from by default.
    fields: &'a [String],
    /// True if only a text may ask for it.
    is_handed_over: bool,
    reads: bool,
    pinned: Pinned<'a>,
}

impl Drafting<'_> {
    fn allowance(&self, integration: &str) -> Value {
        let mut constraints = Vec::new();
        let mut asks = Vec::new();
        let mut listed: [Vec<String>; 2] = Default::default();
        for argument in &self.tool.arguments {
            let path = format!("/{}", escape_key(&argument.name));
            if let Some((operator, operand, may_ask)) = self.constraint(argument) {
                let (operator, operand) = match argument.is_required {
                    true => (operator, operand),
                    false => ("absent-or", json!({ "op": operator, "value": operand })),
                };
                constraints.push(json!({ "path": path, "op": operator, "value": operand }));
                if may_ask {
                    asks.push(path.clone());
                }
            }
            let [required, optional] = &mut listed;
            match argument.is_required {
                true => required.push(path),
                false => optional.push(path),
            }
        }
        let [required, optional] = listed;
        json!({
            "integration": integration,
            "action": self.tool.name,
            "resource": "**",
            "arguments": { "required": required, "optional": optional },
            "constraints": constraints,
            "asks": asks,
        })
    }

    /// Operator and operand for an argument, and whether its value may be asked about. `None` if any value will do.
    fn constraint(&self, argument: &Argument) -> Option<(&'static str, Value, bool)> {
        let name = &argument.name;
        if let Some(words) = self.words {
            if words.free.contains(name) {
                return None;
            }
            if let Some(origins) = words.payloads.get(name) {
                return Some(("parts-origin-is", json!(origins), false));
            }
            if let Some(origins) = words.targets.get(name) {
                return Some(self.target(argument, origins.clone()));
            }
        }
        let of = |origins: &[&str]| {
            origins
                .iter()
                .map(|it| (*it).to_owned())
                .collect::<Vec<_>>()
        };
        match argument.role {
            Role::Detail => None,
            // What is read within a server does not leave it.
            Role::Target | Role::Record | Role::Payload | Role::Secret if self.reads => None,
            Role::Payload => Some(("parts-origin-is", json!(["user", ANY_FIELD]), false)),
            Role::Secret => Some(self.target(argument, of(&["user"]))),
            Role::Record => Some(self.target(argument, of(&["user", ANY_FIELD_ABOUT]))),
            Role::Target | Role::Link => {
                let fields = self.fields.iter().cloned();
                Some(self.target(argument, of(&["user"]).into_iter().chain(fields).collect()))
            }
        }
    }

    /// An argument that says who or where: a value that was pinned, or one of these origins.
    fn target(&self, argument: &Argument, mut origins: Vec<String>) -> (&'static str, Value, bool) {
        let says_user = origins.iter().any(|it| it == "user");
        let asks = self.words.and_then(|it| it.asks.as_ref());
        let may_ask = says_user
            && match asks {
                Some(asks) => asks.contains(&argument.name),
                // A text that the user hands over to sends money nowhere.
                None if self.is_handed_over && moves_money(self.tool) => {
                    argument.role == Role::Record
                }
                None => argument.role != Role::Secret,
            };
        let values: Vec<Value> = match &self.pinned {
            // What only reads may read what the user named anywhere.
            _ if self.reads || !says_user => Vec::new(),
            Pinned::Said(pins) => pins
                .iter()
                .filter(|it| it.suits(argument))
                .flat_map(|it| it.spellings())
                .map(Value::from)
                .collect(),
            Pinned::Given(pins) => {
                let own = pins
                    .iter()
                    .filter(|(tool, name, _)| *tool == self.tool.name && *name == argument.name);
                own.map(|(_, _, value)| value.clone()).collect()
            }
        };
        if !self.reads && says_user && argument.role != Role::Secret {
            // Links and accounts of the user's are those that are pinned. Other words may be any of theirs.
            for origin in &mut origins {
                if origin == "user" {
                    *origin = WORD.to_owned();
                }
            }
        }
        if values.is_empty() {
            return ("origin-is", json!(origins), may_ask);
        }
        let mut alternatives = vec![json!({ "op": "one-of", "value": values })];
        if argument.is_list {
            alternatives.push(json!({ "op": "subset-of", "value": values }));
        }
        alternatives.push(json!({ "op": "origin-is", "value": origins }));
        ("any-of", Value::from(alternatives), may_ask)
    }
}

#[cfg(test)]
mod tests;
