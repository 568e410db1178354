//! The class of a tool's action, guessed from its name and its arguments.

use crate::tool::{Role, Tool, words_of_name};
use portcullis_contract::ActionClass;

/// Words of tools that destroy.
const DESTROYS: [&str; 16] = [
    "delete",
    "remove",
    "drop",
    "destroy",
    "purge",
    "erase",
    "wipe",
    "clear",
    "truncate",
    "reset",
    "revoke",
    "cancel",
    "terminate",
    "kill",
    "uninstall",
    "close",
];

/// Words of tools that bring data or money to others.
const SENDS: [&str; 18] = [
    "send", "post", "publish", "share", "upload", "transfer", "pay", "refund", "email", "mail",
    "message", "invite", "reply", "forward", "submit", "export", "notify", "push",
];

/// Words of tools that change who may do what, or run anything.
const ADMINISTERS: [&str; 22] = [
    "grant",
    "permission",
    "permissions",
    "role",
    "roles",
    "admin",
    "password",
    "passwords",
    "user",
    "users",
    "account",
    "token",
    "tokens",
    "key",
    "keys",
    "execute",
    "exec",
    "run",
    "shell",
    "eval",
    "sudo",
    "deploy",
];

/// The class of a tool's action, and why, for people. A server's own hints do not count: it could say anything.
///
/// A tool that reads from a link brings data out with the link, so that it is one that sends.
pub fn class_of(tool: &Tool) -> (ActionClass, &'static str) {
    let words = words_of_name(&tool.name);
    let has = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
    let takes_link = tool.arguments.iter().any(|it| it.role == Role::Link);
    match () {
        () if tool.reads && takes_link => (
            ActionClass::Exfiltration,
            "it reads from a link, which can carry data out",
        ),
        () if tool.reads => (ActionClass::Read, "its name says that it reads"),
        () if has(&DESTROYS) => (ActionClass::Destructive, "its name says that it destroys"),
        () if has(&SENDS) => (ActionClass::Exfiltration, "its name says that it sends"),
        () if has(&ADMINISTERS) => (
            ActionClass::Admin,
            "its name is about permissions, accounts or running programs",
        ),
        () if takes_link => (
            ActionClass::Exfiltration,
            "it takes a link, which can carry data out",
        ),
        () => (
            ActionClass::Write,
            "its name does not say that it only reads",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn classes_are_guessed_from_names_and_arguments() {
        let of = |name: &str, argument: &str| {
            let tool = json!({ "name": name, "annotations": { "readOnlyHint": true }, "inputSchema": {
                "properties": { argument: { "type": "string" } },
            } });
            class_of(&Tool::read(&tool).unwrap()).0
        };
        assert_eq!(of("list_payments", "day"), ActionClass::Read);
        assert_eq!(of("readFile", "path"), ActionClass::Read);
        assert_eq!(of("fetch", "url"), ActionClass::Exfiltration);
        assert_eq!(of("send_money", "to"), ActionClass::Exfiltration);
        assert_eq!(of("delete_file", "path"), ActionClass::Destructive);
        assert_eq!(of("update_password", "password"), ActionClass::Admin);
        assert_eq!(of("execute", "command"), ActionClass::Admin);
        // The server's hint says that it only reads.
        assert_eq!(of("create_entities", "name"), ActionClass::Write);
    }
}
