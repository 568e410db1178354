//! MCP `tools/call` requests (JSON-RPC 2.0) with their envelope.

use super::{Request, RoundTrip, authzen};
use crate::json;
use crate::limits::RequestLimits;
use crate::object::{Object, unexpected};
use serde_json::{Map, Value};

const MEMBERS: &str = "`integration`, `principal`, `intent`, `resource`, `argument-origins`, `context`, `supported_obligations`, `message`";

/// Accepted members of a tool call, for messages.
///
/// MCP 2025-11-25 and 2026-07-28 define them. Those that change the call are judged.
const PARAMS: &str = "`name`, `arguments`, `_meta`, `task`, `inputResponses` and `requestState`, and other members may change the call";

/// Reads an envelope. Unknown members are refused, since the format is Portcullis's own.
pub(super) fn read(json: Value, limits: &RequestLimits) -> Result<Request, json::Error> {
    let mut envelope = Object::new(json, "")?;
    let integration = envelope.text("integration")?;
    let mut principal = envelope.object("principal")?;
    let principal = authzen::principal(
        principal.text("id")?,
        principal
            .parsed(
                "kind",
                "`agent`, `service`, `connector`, `pipeline`, `human` or `break-glass`",
            )?
            .unwrap_or_default(),
        principal,
        authzen::Format::Envelope,
    )?;
    let resource = match envelope.optional_object("resource")? {
        Some(mut resource) => {
            let (kind, id) = (resource.text("kind")?, resource.text("id")?);
            authzen::resource(kind, id, resource, authzen::Format::Envelope)?
        }
        None => super::Resource {
            kind: "mcp-server".to_owned(),
            id: integration.clone(),
            ..super::Resource::default()
        },
    };
    let call = call(envelope.object("message")?)?;
    let mut builder = Request::builder(integration, principal, call.tool, resource)
        .arguments(call.arguments)
        .round_trip(call.round_trip);
    if let Some(intent) = envelope.intent()? {
        builder = builder.intent(intent);
    }
    builder = builder.argument_origins(envelope.origins()?);
    if let Some(kinds) = envelope.texts("supported_obligations")? {
        builder = builder.supported_obligations(kinds);
    }
    if let Some(context) = envelope.optional_object("context")? {
        let mut context = context;
        if let Some(path) = context.session_path()? {
            builder = builder.session_path(path);
        }
        for (name, value) in context.attributes(&authzen::CONTEXT_MEMBERS)? {
            builder = builder.context(name, value);
        }
    }
    envelope.end(MEMBERS)?;
    builder.build(limits)
}

/// A tool call.
pub(super) struct Call {
    pub(super) tool: String,
    pub(super) arguments: Value,
    pub(super) round_trip: RoundTrip,
}

/// Reads the call from a JSON-RPC request without an envelope.
pub(super) fn message(json: Value) -> Result<Call, json::Error> {
    call(Object::new(json, "")?)
}

/// Reads the call.
///
/// All other members of a message and its parameters are refused: another reader may take one for a known
/// member, or a later version of the protocol may let it change the call.
fn call(mut message: Object) -> Result<Call, json::Error> {
    for (key, only) in [("jsonrpc", "2.0"), ("method", "tools/call")] {
        let text = message.text(key)?;
        if text != only {
            let at = message.at(key);
            return Err(unexpected(at, &format!("`{only}`"), &Value::from(text)));
        }
    }
    let id = "text or a whole number";
    match message.take("id") {
        Some(Value::String(_)) => {}
        Some(Value::Number(number)) if number.is_i64() => {}
        None => {
            return Err(json::Error::Missing {
                at: message.at("id"),
                expected: format!(
                    "{id}, because a call without an id is a notification, which gets no response"
                ),
            });
        }
        Some(other) => return Err(unexpected(message.at("id"), id, &other)),
    }
    let mut params = message.object("params")?;
    message.end("`jsonrpc`, `id`, `method` and `params` in a request of JSON-RPC")?;
    let tool = params.text("name")?;
    for optional in ["arguments", "_meta", "task"] {
        params.drop_null(optional);
    }
    let arguments = match params.optional_object("arguments")? {
        Some(arguments) => Map::from_iter(arguments.rest()),
        None => Map::new(),
    };
    // `_meta` describes the request, not the call.
    params.optional_object("_meta")?;
    if let Some(mut task) = params.optional_object("task")? {
        task.parsed::<u64>("ttl", "milliseconds, a whole number")?;
        task.end("`ttl`")?;
    }
    let round_trip = params.round_trip("inputResponses", "requestState")?;
    params.end(PARAMS)?;
    Ok(Call {
        tool,
        arguments: Value::Object(arguments),
        round_trip,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn whole() -> Value {
        json!({
            "integration": "files",
            "principal": { "id": "spiffe://acme.example/agent", "kind": "agent", "attestation": "jwt-svid" },
            "context": { "session": "s-1" },
            "message": {
                "jsonrpc": "2.0", "id": 7, "method": "tools/call",
                "params": { "name": "read_file", "arguments": { "path": "/w/a" }, "_meta": {} }
            }
        })
    }

    fn parse(value: &Value) -> Result<Request, json::Error> {
        Request::from_mcp(value.to_string().as_bytes(), &RequestLimits::default())
    }

    #[test]
    fn the_tool_is_the_action_and_the_server_the_resource() {
        let request = parse(&whole()).unwrap();
        assert_eq!(request.action(), "read_file");
        assert_eq!(request.arguments(), &json!({ "path": "/w/a" }));
        assert_eq!(request.resource().kind, "mcp-server");
        assert_eq!(request.resource().id, "files");
    }

    #[test]
    fn the_envelope_may_say_where_to() {
        let mut value = whole();
        value["resource"] = json!({ "kind": "folder", "id": "home", "environment": "prod" });
        let request = parse(&value).unwrap();
        assert_eq!(request.resource().id, "home");
        assert_eq!(request.resource().environment, "prod");
    }

    #[test]
    fn says_where_it_is_not_a_tool_call() {
        for (pointer, value) in [
            ("/message/jsonrpc", json!("1.0")),
            ("/message/method", json!("tools/list")),
            ("/message/params/arguments", json!([1])),
            ("/message/params/name", json!(1)),
            ("/principal/kind", json!("robot")),
        ] {
            let mut wrong = whole();
            *wrong.pointer_mut(pointer).unwrap() = value;
            assert!(
                matches!(parse(&wrong), Err(json::Error::Unexpected { at, .. }) if at == pointer),
                "{pointer}"
            );
        }
        let mut misspelt = whole();
        misspelt["intnet"] = json!({});
        assert!(
            matches!(parse(&misspelt), Err(json::Error::Unknown { at, .. }) if at == "/intnet")
        );
    }

    #[test]
    fn refuses_what_another_reader_takes_for_a_member_that_is_known() {
        for (pointer, value) in [
            ("/message/params/Name", json!("delete_file")),
            (
                "/message/params/Arguments",
                json!({ "path": "/etc/shadow" }),
            ),
            ("/message/Params", json!({ "name": "delete_file" })),
            ("/message/Method", json!("tools/list")),
            ("/message/params/n\u{200b}ame", json!("delete_file")),
            ("/message/params/\u{ff4e}ame", json!("delete_file")),
            ("/message/params/arguments/Path", json!("/etc/shadow")),
            ("/message/params/arguments/PATH", json!("/etc/shadow")),
            ("/message/params/tool", json!("delete_file")),
            ("/message/params/input", json!({})),
            ("/message/result", json!({})),
            ("/message/error", json!({})),
            ("/principal/Kind", json!("human")),
            ("/principal/ID", json!("spiffe://acme.example/lead")),
            ("/principal/credential_id", json!("x")),
            ("/context/Intent", json!({ "id": "int-1" })),
            ("/Intent", json!({ "id": "int-1" })),
            ("/Message", json!({})),
        ] {
            let mut wrong = whole();
            let (object, key) = pointer.rsplit_once('/').unwrap();
            wrong.pointer_mut(object).unwrap()[key] = value;
            match parse(&wrong) {
                Err(json::Error::AlikeKeys { .. } | json::Error::Unknown { .. }) => {}
                other => panic!("{pointer}: {other:?}"),
            }
        }
        // Alike keys in a nested object of the arguments.
        let nested = json!({ "options": { "root": "/w", "Root": "/etc" } });
        let mut wrong = whole();
        wrong["message"]["params"]["arguments"] = nested;
        assert!(matches!(parse(&wrong), Err(json::Error::AlikeKeys { .. })));
    }

    #[test]
    fn what_the_protocol_defines_stays_legal() {
        let mut legal = whole();
        legal["message"]["id"] = json!("abc");
        legal["message"]["params"]["task"] = json!({ "ttl": 60000 });
        legal["message"]["params"]["_meta"] = json!({
            "progressToken": 1,
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": { "name": "x", "version": "1" },
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        assert_eq!(parse(&legal), parse(&whole()));
        legal["message"]["params"]
            .as_object_mut()
            .unwrap()
            .remove("arguments");
        assert_eq!(parse(&legal).unwrap().arguments(), &json!({}));
        for key in ["arguments", "_meta", "task"] {
            legal["message"]["params"][key] = json!(null);
        }
        assert_eq!(parse(&legal).unwrap().arguments(), &json!({}));
        for (key, value) in [
            ("_meta", json!(false)),
            ("task", json!([])),
            ("x", json!(null)),
        ] {
            let mut wrong = legal.clone();
            wrong["message"]["params"][key] = value;
            assert!(parse(&wrong).is_err(), "{key}");
        }
    }

    #[test]
    fn answers_to_the_servers_questions_are_part_of_the_call() {
        let answers = json!({ "confirm": { "action": "accept", "content": { "n": 1.0 } } });
        let mut call = whole();
        call["message"]["params"]["inputResponses"] = answers.clone();
        call["message"]["params"]["requestState"] = json!("opaque");
        let request = parse(&call).unwrap();
        let round_trip = RoundTrip {
            input_responses: Some(answers),
            request_state: Some("opaque".to_owned()),
        };
        assert_eq!(request.round_trip(), &round_trip);
        assert_eq!(
            request.canonical_input_responses(),
            Some(r#"{"confirm":{"action":"accept","content":{"n":1}}}"#)
        );
        let again = request.to_authzen().to_string();
        let again = Request::from_authzen(again.as_bytes(), &RequestLimits::default());
        assert_eq!(again.unwrap().round_trip(), &round_trip);
        assert!(parse(&whole()).unwrap().round_trip().is_empty());
        for (key, value) in [
            ("inputResponses", json!([])),
            ("inputResponses", json!("accept")),
            ("inputResponses", json!(null)),
            ("requestState", json!({})),
            ("requestState", json!(null)),
            ("input_responses", json!({})),
            ("RequestState", json!("opaque")),
        ] {
            let mut wrong = whole();
            wrong["message"]["params"][key] = value;
            let error = parse(&wrong).unwrap_err().to_string();
            assert!(
                error.contains(&format!("/message/params/{key}")),
                "{key}: {error}"
            );
        }
    }

    #[test]
    fn a_call_has_an_id_that_can_be_answered() {
        for (id, ok) in [
            (Some(json!(7)), true),
            (Some(json!("")), true),
            (Some(json!(null)), false),
            (Some(json!(1.5)), false),
            (Some(json!({})), false),
            (None, false),
        ] {
            let mut value = whole();
            let message = value["message"].as_object_mut().unwrap();
            match id {
                Some(id) => message.insert("id".to_owned(), id),
                None => message.remove("id"),
            };
            assert_eq!(parse(&value).is_ok(), ok, "{value}");
        }
    }
}
