//! MCP `tools/call` requests (JSON-RPC 2.0) with their envelope.

use super::{Request, RequestError, authzen};
use crate::limits::RequestLimits;
use crate::object::{Object, unexpected};
use serde_json::{Map, Value};

const MEMBERS: &str = "`integration`, `principal`, `intent`, `resource`, `argument-origins`, `context`, `supported_obligations`, `message`";

/// Reads an envelope. It is a format of ours, so a member that it does not have is refused; the
/// message is MCP's, where more members may come.
pub(super) fn read(json: Value, limits: &RequestLimits) -> Result<Request, RequestError> {
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
    )?;
    let resource = match envelope.optional_object("resource")? {
        Some(mut resource) => {
            authzen::resource(resource.text("kind")?, resource.text("id")?, resource)?
        }
        None => super::Resource {
            kind: "mcp-server".to_owned(),
            id: integration.clone(),
            ..super::Resource::default()
        },
    };
    let (tool, arguments) = call(envelope.object("message")?)?;
    let mut builder = Request::builder(integration, principal, tool, resource).arguments(arguments);
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

/// The tool and its arguments.
fn call(mut message: Object) -> Result<(String, Value), RequestError> {
    for (key, only) in [("jsonrpc", "2.0"), ("method", "tools/call")] {
        let text = message.text(key)?;
        if text != only {
            let at = message.at(key);
            return Err(unexpected(at, &format!("`{only}`"), &Value::from(text)));
        }
    }
    let mut params = message.object("params")?;
    let tool = params.text("name")?;
    let arguments = match params.optional_object("arguments")? {
        Some(arguments) => Map::from_iter(arguments.rest()),
        None => Map::new(),
    };
    Ok((tool, Value::Object(arguments)))
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

    fn parse(value: &Value) -> Result<Request, RequestError> {
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
                matches!(parse(&wrong), Err(RequestError::Unexpected { at, .. }) if at == pointer),
                "{pointer}"
            );
        }
        let mut misspelt = whole();
        misspelt["intnet"] = json!({});
        assert!(
            matches!(parse(&misspelt), Err(RequestError::Unknown { at, .. }) if at == "/intnet")
        );
    }
}
