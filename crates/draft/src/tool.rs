//! The tools of a server, and what their arguments are for.

use serde_json::Value;

/// A tool of an MCP server, as `tools/list` has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Tool {
    /// Name of the tool.
    pub name: String,
    /// Its description, by the server.
    pub description: String,
    /// True if it only reads, by its name.
    pub reads: bool,
    /// Its arguments.
    pub arguments: Vec<Argument>,
}

/// An argument of a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argument {
    /// Name of the argument.
    pub name: String,
    /// True if a call needs it.
    pub is_required: bool,
    /// True if its value may be a list.
    pub is_list: bool,
    /// Its purpose.
    pub role: Role,
}

/// Purpose of an argument, by its name and its schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It says who or where: a recipient, a channel, a file.
    Target,
    /// It is a link to a place outside.
    Link,
    /// It selects a record by its number or key.
    Record,
    /// It is text for a reader: a body, a subject.
    Payload,
    /// It is a secret, such as a password.
    Secret,
    /// It is an amount, a day, a switch or a choice.
    Detail,
}

/// First words of the names of tools that only read.
const READS: [&str; 18] = [
    "get",
    "list",
    "read",
    "search",
    "find",
    "fetch",
    "query",
    "show",
    "view",
    "describe",
    "check",
    "count",
    "lookup",
    "browse",
    "look",
    "retrieve",
    "summarize",
    "is",
];

/// First words of the names of tools that make something new.
const MAKES: [&str; 4] = ["create", "make", "new", "generate"];

/// Words in the names of arguments that are text for a reader.
const PAYLOADS: [&str; 20] = [
    "body",
    "content",
    "contents",
    "text",
    "message",
    "description",
    "subject",
    "title",
    "note",
    "notes",
    "comment",
    "summary",
    "reason",
    "caption",
    "html",
    "markdown",
    "memo",
    "remark",
    "details",
    "feedback",
];

const LINKS: [&str; 7] = [
    "url", "uri", "link", "website", "webpage", "endpoint", "webhook",
];
const SECRETS: [&str; 7] = [
    "password",
    "passphrase",
    "secret",
    "token",
    "pin",
    "passcode",
    "apikey",
];
const DETAILS: [&str; 14] = [
    "date",
    "day",
    "time",
    "amount",
    "count",
    "limit",
    "priority",
    "duration",
    "start",
    "end",
    "currency",
    "format",
    "permission",
    "size",
];

impl Tool {
    /// Reads one tool of a `tools/list`. `None` if it has no name.
    pub fn read(tool: &Value) -> Option<Self> {
        let text = |key: &str| tool.get(key).and_then(Value::as_str);
        let name = text("name")?.to_owned();
        let schema = tool.get("inputSchema");
        let required: Vec<&str> = schema
            .and_then(|it| it.get("required")?.as_array())
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let first = words_of_name(&name);
        let makes = first.first().is_some_and(|it| MAKES.contains(&it.as_str()));
        let properties = schema.and_then(|it| it.get("properties")?.as_object());
        let arguments = properties
            .into_iter()
            .flatten()
            .map(|(name, schema)| Argument {
                name: name.clone(),
                is_required: required.contains(&name.as_str()),
                is_list: is_of_type(schema, "array"),
                role: match role(name, schema) {
                    // The name of what is made says nothing of who receives it.
                    Role::Target if makes && is_name(name) => Role::Detail,
                    role => role,
                },
            });
        Some(Self {
            description: text("description").unwrap_or_default().to_owned(),
            reads: words_of_name(&name)
                .first()
                .is_some_and(|it| READS.contains(&it.as_str())),
            arguments: arguments.collect(),
            name,
        })
    }
}

/// True for the argument that names what a tool makes.
fn is_name(argument: &str) -> bool {
    let words = words_of_name(argument);
    words
        .iter()
        .any(|it| matches!(it.as_str(), "name" | "filename" | "label"))
}

/// Words of a name in snake case, kebab case or camel case, in lower case.
pub(crate) fn words_of_name(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut was_lower = false;
    let mut begins = true;
    for character in name.chars() {
        if !character.is_alphanumeric() {
            begins = true;
            continue;
        }
        begins |= was_lower && character.is_uppercase();
        was_lower = character.is_lowercase() || character.is_numeric();
        match words.last_mut() {
            Some(word) if !begins => word.extend(character.to_lowercase()),
            _ => words.push(character.to_lowercase().collect()),
        }
        begins = false;
    }
    words
}

fn role(name: &str, schema: &Value) -> Role {
    let words = words_of_name(name);
    let has = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
    let is_of = |wanted: &str| is_of_type(schema, wanted);
    let format = schema
        .get("format")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let is_text = is_of("string") || is_of("array") || is_of("object");
    let is_choice = schema.get("enum").is_some() || is_of("boolean") && !is_text;
    let is_record = words
        .last()
        .is_some_and(|it| matches!(it.as_str(), "id" | "ids" | "key" | "number"))
        || has(&["id", "ids", "uuid"]);
    match () {
        () if is_choice => Role::Detail,
        () if has(&SECRETS) => Role::Secret,
        () if has(&LINKS) || matches!(format, "uri" | "url") => Role::Link,
        () if is_record => Role::Record,
        () if !is_text => Role::Detail,
        () if matches!(format, "date" | "date-time" | "time" | "duration") => Role::Detail,
        () if has(&PAYLOADS) => Role::Payload,
        () if has(&DETAILS) => Role::Detail,
        () => Role::Target,
    }
}

/// True if the schema admits that type, in one of its alternatives too.
fn is_of_type(schema: &Value, wanted: &str) -> bool {
    let has = |types: &Value| match types {
        Value::String(one) => one == wanted,
        Value::Array(several) => several.iter().any(|it| it.as_str() == Some(wanted)),
        _ => false,
    };
    let alternatives = ["anyOf", "oneOf", "allOf"]
        .iter()
        .filter_map(|key| schema.get(key)?.as_array());
    schema.get("type").is_some_and(has) || alternatives.flatten().any(|it| is_of_type(it, wanted))
}
