//! Events of coding agents, in the formats that they document.

use portcullis_host::{RequestLimits, json as strict};
use serde_json::{Map, Value, json};

/// Formats of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// Claude Code: `UserPromptSubmit`, `PreToolUse`, `PostToolUse`, `SessionEnd`.
    ClaudeCode,
    /// Cursor: `beforeSubmitPrompt`, `beforeMCPExecution`, `beforeShellExecution`, `beforeReadFile` and those after them.
    Cursor,
}

/// An event of an agent.
#[derive(Debug, PartialEq)]
pub(super) struct Event {
    /// The agent's own name of its session.
    pub(super) session: String,
    pub(super) moment: Moment,
}

/// A moment of a session that a hook is told of.
#[derive(Debug, PartialEq)]
pub(super) enum Moment {
    /// The user wrote a prompt.
    Prompt(String),
    /// The agent is about to call a tool.
    Before(Call),
    /// A tool returned.
    After(Call, Value),
    /// The session ends.
    End,
    /// Neither words, nor a call, nor a result.
    Other,
}

/// A call of a tool.
#[derive(Debug, PartialEq)]
pub(super) struct Call {
    pub(super) tool: String,
    /// The server of the tool by its URL or its command, where the agent states these beside a bare name.
    pub(super) server: Option<String>,
    pub(super) arguments: Value,
    /// Result that the agent sees if the call is permitted, where no later event has it.
    pub(super) seen: Option<Value>,
}

impl Event {
    /// Reads an event. A call is read by the strict rules for requests; a result may be any JSON.
    pub(super) fn read(
        format: Format,
        document: &[u8],
        limits: &RequestLimits,
    ) -> Result<Self, strict::Error> {
        // A result may have keys that are alike, so that the strict rules apply to what is decided.
        let value = match strict::parse(document, limits) {
            Ok(value) => value,
            Err(error) => match serde_json::from_slice::<Value>(document) {
                Ok(value) if is_after(&value) => value,
                _ => return Err(error),
            },
        };
        let Value::Object(mut members) = value else {
            return Err(wrong("", "an object is expected"));
        };
        match format {
            Format::ClaudeCode => Self::of_claude_code(&mut members),
            Format::Cursor => Self::of_cursor(&mut members),
        }
    }

    fn of_claude_code(members: &mut Map<String, Value>) -> Result<Self, strict::Error> {
        let session = text(members, "session_id")?;
        let moment = match text(members, "hook_event_name")?.as_str() {
            "UserPromptSubmit" => Moment::Prompt(text(members, "prompt")?),
            "PreToolUse" => Moment::Before(call(members)?),
            "PostToolUse" => {
                let call = call(members)?;
                let result = members.remove("tool_response").unwrap_or_default();
                Moment::After(call, result)
            }
            "PostToolUseFailure" => {
                let call = call(members)?;
                // A text of which no value is a field, as an error of a server is.
                let error = members.remove("error").unwrap_or_default();
                let text = format!("Beside the result:\n{error}");
                Moment::After(call, json!({ "beside": text }))
            }
            "SessionEnd" => Moment::End,
            other => other_moment(other)?,
        };
        Ok(Self { session, moment })
    }

    fn of_cursor(members: &mut Map<String, Value>) -> Result<Self, strict::Error> {
        let session = text(members, "conversation_id")?;
        let shell = |members: &mut Map<String, Value>| {
            let command = text(members, "command")?;
            Ok::<_, strict::Error>(Call {
                tool: "Shell".to_owned(),
                server: None,
                arguments: json!({ "command": command }),
                seen: None,
            })
        };
        let moment = match text(members, "hook_event_name")?.as_str() {
            "beforeSubmitPrompt" => Moment::Prompt(text(members, "prompt")?),
            "beforeMCPExecution" => Moment::Before(of_mcp(members)?),
            "afterMCPExecution" => {
                let call = of_mcp(members)?;
                let result = text(members, "result_json")?;
                let result = serde_json::from_str(&result).unwrap_or(Value::from(result));
                Moment::After(call, result)
            }
            "beforeShellExecution" => Moment::Before(shell(members)?),
            "afterShellExecution" => {
                let output = members.remove("output").unwrap_or_default();
                Moment::After(shell(members)?, output)
            }
            "beforeReadFile" => Moment::Before(Call {
                tool: "Read".to_owned(),
                server: None,
                arguments: json!({ "file_path": text(members, "file_path")? }),
                seen: members.remove("content"),
            }),
            "sessionEnd" => Moment::End,
            other => other_moment(other)?,
        };
        Ok(Self { session, moment })
    }
}

/// Events besides those that are known. One that could decide on an action is blocked.
fn other_moment(name: &str) -> Result<Moment, strict::Error> {
    let lower = name.to_ascii_lowercase();
    let decides = (lower.starts_with("pre") && lower != "precompact")
        || lower.starts_with("before")
        || lower.contains("permission");
    match decides {
        true => Err(wrong(
            "/hook_event_name",
            "the hook does not know this event, so that it is blocked: do not run the hook for it",
        )),
        false => Ok(Moment::Other),
    }
}

/// A call of a tool of an MCP server, by Cursor: a bare name, and the URL or the command of the server.
fn of_mcp(members: &mut Map<String, Value>) -> Result<Call, strict::Error> {
    let url = members.remove("url");
    let command = members.remove("command");
    let mut call = call(members)?;
    call.server = [url, command]
        .into_iter()
        .flatten()
        .find_map(|server| server.as_str().map(str::to_owned));
    match call.server.is_some() || call.tool.starts_with("MCP:") {
        true => Ok(call),
        false => Err(wrong("/url", "it is missing, and `/command` too")),
    }
}

/// True for an event with a result.
fn is_after(event: &Value) -> bool {
    let name = event.get("hook_event_name").and_then(Value::as_str);
    name.is_some_and(|name| name.starts_with("PostToolUse") || name.starts_with("after"))
}

fn call(members: &mut Map<String, Value>) -> Result<Call, strict::Error> {
    let tool = text(members, "tool_name")?;
    let arguments = match members.remove("tool_input") {
        // Some versions of Cursor have the arguments as a text.
        Some(Value::String(text)) => strict::parse(text.as_bytes(), &RequestLimits::default())?,
        Some(arguments) => arguments,
        None => json!({}),
    };
    match arguments.is_object() {
        true => Ok(Call {
            tool,
            server: None,
            arguments,
            seen: None,
        }),
        false => Err(wrong("/tool_input", "an object is expected")),
    }
}

fn text(members: &mut Map<String, Value>, key: &str) -> Result<String, strict::Error> {
    match members.remove(key) {
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(wrong(&format!("/{key}"), "a text is expected")),
        None => Err(wrong(&format!("/{key}"), "it is missing")),
    }
}

fn wrong(at: &str, why: &'static str) -> strict::Error {
    strict::Error::NotHere {
        at: at.to_owned(),
        why,
    }
}

impl Format {
    /// The answer to a prompt.
    pub(super) fn goes_on(self) -> Value {
        match self {
            Self::ClaudeCode => json!({}),
            Self::Cursor => json!({ "continue": true }),
        }
    }

    /// The answer to a permitted call. The agent's own rules, such as asking its user, still apply.
    pub(super) fn permits(self) -> Value {
        match self {
            Self::ClaudeCode => json!({}),
            Self::Cursor => json!({ "permission": "allow" }),
        }
    }

    /// The answer to a denied call.
    pub(super) fn denies(self, reason: &str) -> Value {
        match self {
            Self::ClaudeCode => json!({ "hookSpecificOutput": {
                "hookEventName": "PreToolUse",
                "permissionDecision": "deny",
                "permissionDecisionReason": reason,
            } }),
            Self::Cursor => json!({
                "permission": "deny",
                "user_message": reason,
                "agent_message": reason,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(format: Format, event: &str) -> Result<Event, String> {
        let read = Event::read(format, event.as_bytes(), &RequestLimits::default());
        read.map_err(|error| error.to_string())
    }

    #[test]
    fn events_of_claude_code() {
        let format = Format::ClaudeCode;
        let prompt = r#"{"session_id":"s","transcript_path":"/t","cwd":"/c","hook_event_name":"UserPromptSubmit","prompt":"hi"}"#;
        let event = read(format, prompt).unwrap();
        assert_eq!(event.moment, Moment::Prompt("hi".into()));
        let before = r#"{"session_id":"s","hook_event_name":"PreToolUse","tool_name":"mcp__bank__pay","tool_input":{"to":"x"}}"#;
        assert!(matches!(
            read(format, before).unwrap().moment,
            Moment::Before(_)
        ));
        let after = r#"{"session_id":"s","hook_event_name":"PostToolUse","tool_name":"Read","tool_input":{},"tool_response":{"A":1,"a":2}}"#;
        assert!(matches!(
            read(format, after).unwrap().moment,
            Moment::After(..)
        ));
        let twice = r#"{"session_id":"s","hook_event_name":"PreToolUse","tool_name":"Read","tool_name":"Bash","tool_input":{}}"#;
        assert!(read(format, twice).is_err());
        let alike = r#"{"session_id":"s","hook_event_name":"PreToolUse","tool_name":"Read","tool_input":{"a":1,"A":2}}"#;
        assert!(read(format, alike).is_err());
        for wrong in [
            "",
            "{}",
            "[]",
            r#"{"session_id":"s","hook_event_name":"PreToolUse"}"#,
        ] {
            assert!(read(format, wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_unknown_event_that_could_decide_is_blocked() {
        for (format, session) in [
            (Format::ClaudeCode, "session_id"),
            (Format::Cursor, "conversation_id"),
        ] {
            let event = |name: &str| {
                format!(r#"{{"{session}":"s","hook_event_name":"{name}","tool_name":"x"}}"#)
            };
            for name in [
                "preToolUse",
                "PreSomething",
                "beforeTabFileRead",
                "PermissionRequest",
                "BEFORE",
            ] {
                let known = format == Format::ClaudeCode && name == "PreToolUse";
                assert!(known || read(format, &event(name)).is_err(), "{name}");
            }
            for name in [
                "Stop",
                "stop",
                "PreCompact",
                "Notification",
                "afterFileEdit",
            ] {
                assert_eq!(
                    read(format, &event(name)).unwrap().moment,
                    Moment::Other,
                    "{name}"
                );
            }
        }
    }

    #[test]
    fn events_of_cursor() {
        let format = Format::Cursor;
        let text = r#"{"conversation_id":"c","hook_event_name":"beforeMCPExecution","tool_name":"MCP:bank:pay","tool_input":"{\"to\":\"x\"}"}"#;
        let Moment::Before(call) = read(format, text).unwrap().moment else {
            panic!();
        };
        assert_eq!(call.arguments, json!({ "to": "x" }));
        let bare = r#"{"conversation_id":"c","hook_event_name":"beforeMCPExecution","tool_name":"pay","tool_input":"{}","command":"bank-server"}"#;
        let Moment::Before(call) = read(format, bare).unwrap().moment else {
            panic!();
        };
        assert_eq!(call.server.as_deref(), Some("bank-server"));
        let nowhere = r#"{"conversation_id":"c","hook_event_name":"beforeMCPExecution","tool_name":"Shell","tool_input":"{}"}"#;
        assert!(read(format, nowhere).is_err());
        let twice = r#"{"conversation_id":"c","hook_event_name":"beforeMCPExecution","tool_name":"pay","command":"b","tool_input":"{\"to\":\"x\",\"to\":\"y\"}"}"#;
        assert!(read(format, twice).is_err());
        let shell = r#"{"conversation_id":"c","hook_event_name":"beforeShellExecution","command":"ls","cwd":"/"}"#;
        assert!(matches!(
            read(format, shell).unwrap().moment,
            Moment::Before(_)
        ));
        let file = r#"{"conversation_id":"c","hook_event_name":"beforeReadFile","file_path":"/a","content":"b"}"#;
        let Moment::Before(call) = read(format, file).unwrap().moment else {
            panic!();
        };
        assert_eq!(call.seen, Some(json!("b")));
        let after = r#"{"conversation_id":"c","hook_event_name":"afterMCPExecution","tool_name":"x","command":"b","tool_input":"{}","result_json":"[1]"}"#;
        let Moment::After(_, result) = read(format, after).unwrap().moment else {
            panic!();
        };
        assert_eq!(result, json!([1]));
    }
}
