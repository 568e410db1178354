//! Which link, address or account of the user's words belongs to which tool.

use crate::asked::Sentence;
use crate::tool::{Argument, Role, words_of_name};
use portcullis_contract::{Part, PartKind, parts_of};

/// A link, an address, an account, a path or a long number in the user's words, and the tools that it is for.
#[derive(Debug, Clone)]
pub(crate) struct Pin<'t> {
    pub(crate) part: Part<'t>,
    /// Places of the tools.
    pub(crate) tools: Vec<usize>,
}

/// The parts of the sentences, each with the tools of its sentence, or of the nearest one that asks for any.
///
/// The sentences before come first: "Update my orders. The new account is X. Refund Bob, too."
pub(crate) fn pins<'t>(sentences: &[Sentence<'t>]) -> Vec<Pin<'t>> {
    let asks = |sentence: &&Sentence<'_>| !sentence.asks_for.is_empty();
    let mut pins = Vec::new();
    for (index, sentence) in sentences.iter().enumerate() {
        let own = sentences.iter().take(index + 1).rev().find(asks);
        let nearest = own.or_else(|| sentences.iter().skip(index).find(asks));
        let tools = nearest.map_or_else(Vec::new, |it| it.asks_for.clone());
        for part in parts_of(sentence.text) {
            pins.push(Pin {
                part,
                tools: tools.clone(),
            });
        }
    }
    pins
}

/// Words in the names of arguments that say a person or an account.
const PERSONS: [&str; 18] = [
    "recipient",
    "recipients",
    "to",
    "cc",
    "bcc",
    "user",
    "users",
    "participant",
    "participants",
    "email",
    "emails",
    "iban",
    "account",
    "payee",
    "attendee",
    "attendees",
    "phone",
    "beneficiary",
];

/// Words in the names of arguments that say a file.
const FILES: [&str; 7] = [
    "file",
    "files",
    "path",
    "folder",
    "filename",
    "document",
    "attachment",
];

impl Pin<'_> {
    /// True if the argument can have a value of the part's kind.
    pub(crate) fn suits(&self, argument: &Argument) -> bool {
        use PartKind::{Address, Iban, Link, Number, Path};
        let words = words_of_name(&argument.name);
        let has = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
        let kind = self.part.kind;
        match argument.role {
            Role::Detail | Role::Secret => false,
            Role::Link => kind == Link,
            Role::Record => matches!(kind, Number | Iban),
            _ if has(&PERSONS) => matches!(kind, Address | Iban | Number),
            _ if has(&FILES) => matches!(kind, Path | Link),
            _ => kind != Iban,
        }
    }

    /// The part in the spellings that a call may have.
    pub(crate) fn spellings(&self) -> Vec<String> {
        let said = self.part.text.to_owned();
        let plain = match self.part.kind {
            PartKind::Iban | PartKind::Number => {
                said.chars().filter(|it| !it.is_whitespace()).collect()
            }
            _ => said.clone(),
        };
        match plain == said {
            true => vec![said],
            false => vec![said, plain],
        }
    }
}
