//! Which tools the words of a user ask for.

use crate::server::Server;
use crate::tool::{Tool, words_of_name};

/// A sentence of the user's words, and the tools that it asks for, by their places in the list.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sentence<'t> {
    pub(crate) text: &'t str,
    words: Vec<String>,
    pub(crate) asks_for: Vec<usize>,
    /// True if it leaves to a text what is to be done.
    pub(crate) hands_over: bool,
}

/// Words of a user that ask for tools whose names begin with one of `verbs`, and have one of `nouns` if there are any.
struct Kind {
    verbs: &'static [&'static str],
    nouns: &'static [&'static str],
    asked_by: &'static [&'static str],
}

const MONEY: &[&str] = &[
    "money",
    "payment",
    "transaction",
    "transfer",
    "funds",
    "invoice",
    "bill",
];

const KINDS: [Kind; 10] = [
    Kind {
        verbs: &[
            "send", "message", "mail", "email", "notify", "reply", "forward", "write", "dm",
        ],
        nouns: &[],
        asked_by: &[
            "send", "message", "write", "tell", "mail", "email", "reply", "answer", "respond",
            "forward", "notify", "inform", "dm", "contact", "ask", "remind", "thank", "text",
            "post", "share",
        ],
    },
    Kind {
        verbs: &["post", "publish", "upload", "write", "put"],
        nouns: &[],
        asked_by: &["post", "publish", "upload", "write", "announce", "share"],
    },
    Kind {
        verbs: &[
            "send", "make", "create", "schedule", "pay", "transfer", "wire",
        ],
        nouns: MONEY,
        asked_by: &[
            "pay",
            "send",
            "transfer",
            "refund",
            "reimburse",
            "wire",
            "settle",
            "repay",
            "return",
            "give",
        ],
    },
    Kind {
        verbs: &[
            "create", "add", "make", "schedule", "new", "insert", "register", "append", "save",
        ],
        nouns: &[],
        asked_by: &[
            "create", "add", "make", "set", "schedule", "book", "plan", "organize", "organise",
            "put", "register", "start", "save", "generate", "note", "insert", "append", "write",
        ],
    },
    Kind {
        verbs: &[
            "update",
            "change",
            "modify",
            "edit",
            "set",
            "reschedule",
            "move",
            "rename",
            "replace",
            "append",
        ],
        nouns: &[],
        asked_by: &[
            "update",
            "change",
            "modify",
            "adjust",
            "edit",
            "set",
            "correct",
            "fix",
            "increase",
            "decrease",
            "raise",
            "move",
            "rename",
            "reschedule",
            "postpone",
            "replace",
            "reset",
            "shift",
        ],
    },
    Kind {
        verbs: &["delete", "remove", "cancel", "clear", "archive", "drop"],
        nouns: &[],
        asked_by: &[
            "delete",
            "remove",
            "cancel",
            "drop",
            "clear",
            "kick",
            "erase",
            "unsubscribe",
            "revoke",
            "archive",
        ],
    },
    Kind {
        verbs: &["invite", "add"],
        nouns: &[],
        asked_by: &["invite", "add", "include", "bring"],
    },
    Kind {
        verbs: &["reserve", "book", "rent"],
        nouns: &[],
        asked_by: &["reserve", "book", "reservation", "booking", "rent", "stay"],
    },
    Kind {
        verbs: &["share", "grant"],
        nouns: &[],
        asked_by: &["share", "send", "give", "grant", "forward", "collaborate"],
    },
    Kind {
        verbs: &["schedule"],
        nouns: MONEY,
        asked_by: &["recurring", "regular", "monthly", "weekly", "subscription"],
    },
];

/// Words that mean one kind of thing. Nouns of tools' names are among them.
const NOUNS: [&[&str]; 13] = [
    &[
        "money",
        "payment",
        "transaction",
        "transfer",
        "bill",
        "rent",
        "amount",
        "difference",
        "fee",
        "invoice",
        "order",
        "recurring",
        "scheduled",
        "standing",
        "subscription",
        "price",
        "share",
    ],
    &["webpage", "website", "page", "site", "web", "blog"],
    &["message", "dm", "chat", "inbox"],
    &["channel", "channels"],
    &[
        "user",
        "users",
        "people",
        "person",
        "member",
        "colleague",
        "everyone",
        "everybody",
    ],
    &["email", "mail", "inbox", "e-mail"],
    &[
        "event",
        "calendar",
        "meeting",
        "appointment",
        "lunch",
        "dinner",
        "session",
        "call",
        "trip",
        "reminder",
    ],
    &[
        "file",
        "document",
        "doc",
        "list",
        "report",
        "notes",
        "spreadsheet",
        "drive",
        "plan",
        "packing",
    ],
    &["hotel", "room", "accommodation", "stay"],
    &["restaurant", "table", "lunch", "dinner", "reservation"],
    &["car", "rental", "vehicle"],
    &[
        "info",
        "information",
        "account",
        "profile",
        "address",
        "details",
        "data",
    ],
    &["participant", "participants", "attendee", "guest", "invite"],
];

/// Words that hand the choice of actions to a text.
const HANDS: [&str; 7] = [
    "do", "follow", "perform", "complete", "execute", "carry", "act",
];
const TO_A_TEXT: [&str; 9] = [
    "todo",
    "todos",
    "instruction",
    "instructions",
    "task",
    "tasks",
    "action",
    "actions",
    "steps",
];

/// Sentences of the user's words with the tools that each asks for.
pub(crate) fn sentences<'t>(said: &'t str, tools: &[Tool], server: &Server) -> Vec<Sentence<'t>> {
    let mut sentences: Vec<_> = split(said)
        .map(|text| Sentence {
            text,
            words: words_of(text),
            asks_for: Vec::new(),
            hands_over: false,
        })
        .collect();
    for sentence in &mut sentences {
        sentence.asks_for = asked_by(&sentence.words, tools, server);
    }
    let is_acting = |place: &usize| tools.get(*place).is_some_and(|tool| !reads(tool, server));
    for sentence in &mut sentences {
        if sentence.asks_for.is_empty() && hands_over(&sentence.words) {
            sentence.hands_over = true;
            sentence.asks_for = (0..tools.len()).filter(is_acting).collect();
        }
    }
    sentences
}

/// True if the tool only reads, by the operator or else by its name.
pub(crate) fn reads(tool: &Tool, server: &Server) -> bool {
    let said = server.tools.get(&tool.name).and_then(|it| it.reads);
    said.unwrap_or(tool.reads)
}

/// True if the tool moves money, by its name.
pub(crate) fn moves_money(tool: &Tool) -> bool {
    let words = words_of_name(&tool.name);
    words.iter().any(|word| MONEY.contains(&word.as_str()))
}

/// Places of the tools that the words of one sentence ask for.
fn asked_by(words: &[String], tools: &[Tool], server: &Server) -> Vec<usize> {
    let mut sure: Vec<usize> = Vec::new();
    // Tools that only a word of their kind asks for, with those kinds.
    let mut perhaps: Vec<(usize, Vec<usize>)> = Vec::new();
    let mut kinds_of_sure: Vec<usize> = Vec::new();
    for (place, tool) in tools.iter().enumerate() {
        if reads(tool, server) {
            continue;
        }
        let own = server.tools.get(&tool.name);
        if let Some(asked_by) = own.and_then(|it| it.asked_by.as_ref()) {
            if asked_by.iter().any(|it| has(words, it)) {
                sure.push(place);
            }
            continue;
        }
        let name = words_of_name(&tool.name);
        let Some((verb, nouns)) = name.split_first() else {
            continue;
        };
        let is_one_of = |list: &[&str], word: &String| list.contains(&word.as_str());
        let of_tool = |kind: &Kind| {
            is_one_of(kind.verbs, verb)
                && (kind.nouns.is_empty() || nouns.iter().any(|it| is_one_of(kind.nouns, it)))
        };
        let asks = |kind: &Kind| kind.asked_by.iter().any(|it| has(words, it));
        let kinds = KINDS.iter().enumerate();
        let kinds = kinds.filter(|(_, kind)| of_tool(kind) && asks(kind));
        let kinds: Vec<usize> = kinds.map(|(number, _)| number).collect();
        let is_noun = |noun: &String| {
            let alike = NOUNS.iter().filter(|it| it.contains(&noun.as_str()));
            has(words, noun) || alike.flat_map(|it| it.iter()).any(|it| has(words, it))
        };
        if has(words, verb) || !kinds.is_empty() && nouns.iter().any(is_noun) {
            sure.push(place);
            kinds_of_sure.extend(kinds);
        } else if !kinds.is_empty() {
            perhaps.push((place, kinds));
        }
    }
    // A verb without a thing asks for all tools of its kind.
    let is_left = |kinds: &Vec<usize>| !kinds.iter().any(|it| kinds_of_sure.contains(it));
    let left = perhaps.into_iter().filter(|(_, kinds)| is_left(kinds));
    sure.extend(left.map(|(place, _)| place));
    sure.sort_unstable();
    sure
}

fn hands_over(words: &[String]) -> bool {
    let hands = HANDS.iter().any(|it| has(words, it));
    // "The following tasks" are in the user's own words.
    hands
        && TO_A_TEXT
            .iter()
            .any(|it| words.iter().any(|word| word == it))
        && !words.iter().any(|it| it == "following")
}

/// True if a word is among others, in any form.
fn has(words: &[String], wanted: &str) -> bool {
    let wanted = stem(wanted);
    words.iter().any(|word| stem(word) == wanted)
}

/// The word without the endings of its forms.
fn stem(word: &str) -> &str {
    let irregular = [
        ("paid", "pay"),
        ("sent", "send"),
        ("wrote", "write"),
        ("written", "write"),
        ("made", "make"),
        ("told", "tell"),
        ("gave", "give"),
        ("went", "go"),
    ];
    if let Some((_, base)) = irregular.iter().find(|(form, _)| *form == word) {
        return stem(base);
    }
    let endings = ["ings", "ing", "ed", "es", "s", "e", "d"];
    let cut = endings
        .iter()
        .find_map(|ending| word.strip_suffix(ending).filter(|it| it.len() >= 3));
    cut.unwrap_or(word)
}

/// Sentences, items of lists and lines of a text.
fn split(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start();
        if rest.is_empty() {
            return None;
        }
        let mut end = rest.len();
        for (at, character) in rest.char_indices() {
            let after = rest.get(at + character.len_utf8()..).unwrap_or_default();
            let ends = match character {
                '\n' | ';' => true,
                '.' | '!' | '?' => {
                    after.is_empty()
                        || after.starts_with(|it: char| it.is_whitespace() || it.is_uppercase())
                }
                _ => false,
            };
            // "1." begins an item, and does not end a sentence.
            let is_number = rest
                .get(..at)
                .is_some_and(|it| it.chars().all(|it| it.is_ascii_digit()));
            if ends && !is_number {
                end = at + character.len_utf8();
                break;
            }
        }
        let (sentence, after) = rest.split_at(end);
        rest = after;
        Some(sentence)
    })
}

/// Words of a text in lower case, without those in quotation marks.
fn words_of(text: &str) -> Vec<String> {
    let text = text
        .to_lowercase()
        .replace("to-do", "todo")
        .replace("to do list", "todo list");
    text.split(|it: char| !it.is_alphanumeric())
        .filter(|it| !it.is_empty())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_a_word_are_one() {
        for (one, other) in [
            ("pay", "paying"),
            ("pay", "paid"),
            ("update", "updated"),
            ("send", "sent"),
            ("message", "messages"),
            ("reserve", "reserving"),
        ] {
            assert_eq!(stem(one), stem(other), "{one} {other}");
        }
        assert_ne!(stem("add"), stem("address"));
    }

    #[test]
    fn a_text_is_split_where_its_sentences_end() {
        let text = "Read www.a.example.It is 7.5%. Then: 1. pay it\n2. tell Bob!";
        let split: Vec<_> = split(text).collect();
        assert_eq!(
            split,
            [
                "Read www.a.example.",
                "It is 7.5%.",
                "Then: 1.",
                "pay it\n",
                "2. tell Bob!"
            ]
        );
    }
}
