//! A client's own message, with the facts that a gateway vouches for.

use super::{Intent, Principal, Request, RequestBuilder, Resource, SessionPath, authzen, mcp};
use crate::json;
use crate::limits::RequestLimits;
use portcullis_contract::{ArgumentOrigin, PrincipalKind};
use serde_json::Value;

/// Facts of a call that a gateway vouches for.
///
/// The client's message is separate, and no content of it can change them.
///
/// ```
/// use portcullis_contract::PrincipalKind;
/// use portcullis_model::limits::RequestLimits;
/// use portcullis_model::request::{Intent, Principal, Vouched};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // As the client sent it.
/// let body = br#"{ "jsonrpc": "2.0", "id": 7, "method": "tools/call",
///                  "params": { "name": "read_file", "arguments": { "path": "/workspace/a.md" } } }"#;
/// // As the gateway verified it.
/// let principal = Principal {
///     id: "spiffe://acme.example/agent/fixer".into(),
///     kind: PrincipalKind::Agent,
///     ..Principal::default()
/// };
/// let intent = Intent {
///     id: "int-7f3c".into(),
///     ..Intent::default()
/// };
/// let request = Vouched::new("files", principal)
///     .intent(intent)
///     .mcp_message(body, &RequestLimits::default())?;
/// assert_eq!(request.action(), "read_file");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Vouched {
    integration: String,
    principal: Principal,
    intent: Option<Intent>,
    resource: Option<Resource>,
    origins: Vec<ArgumentOrigin>,
    session_path: Option<SessionPath>,
    context: Vec<(String, Value)>,
    supported_obligations: Option<Vec<String>>,
}

impl Vouched {
    /// Starts with the integration that the client reached, and its principal.
    pub fn new(integration: impl Into<String>, principal: Principal) -> Self {
        Self {
            integration: integration.into(),
            principal,
            intent: None,
            resource: None,
            origins: Vec::new(),
            session_path: None,
            context: Vec::new(),
            supported_obligations: None,
        }
    }

    /// Sets the intent. None by default.
    pub fn intent(mut self, intent: Intent) -> Self {
        self.intent = Some(intent);
        self
    }

    /// Sets the target of the action.
    ///
    /// By default, an MCP message targets the server, which is of kind `mcp-server` and has the name of the
    /// integration, and an evaluation targets the resource that it names.
    pub fn resource(mut self, resource: Resource) -> Self {
        self.resource = Some(resource);
        self
    }

    /// Sets the origins of arguments, see [`RequestBuilder::argument_origins`].
    pub fn argument_origins(mut self, origins: Vec<ArgumentOrigin>) -> Self {
        self.origins = origins;
        self
    }

    /// Sets the path by which the session started. Unknown by default.
    pub fn session_path(mut self, path: SessionPath) -> Self {
        self.session_path = Some(path);
        self
    }

    /// Adds a context member.
    pub fn context(mut self, name: impl Into<String>, value: Value) -> Self {
        self.context.push((name.into(), value));
        self
    }

    /// Sets the obligation kinds that the gateway supports for this request.
    ///
    /// By default these are the kinds listed in the integration's configuration.
    pub fn supported_obligations(mut self, kinds: Vec<String>) -> Self {
        self.supported_obligations = Some(kinds);
        self
    }

    /// Reads the MCP `tools/call` that the client sent: a JSON-RPC request without an envelope.
    ///
    /// # Errors
    ///
    /// [`json::Error`] if it is not a `tools/call`, is not within `limits`, or has members that MCP does not
    /// define for a tool call or that are not supported.
    pub fn mcp_message(self, body: &[u8], limits: &RequestLimits) -> Result<Request, json::Error> {
        let call = mcp::message(json::parse(body, limits)?)?;
        let server = Resource {
            kind: "mcp-server".to_owned(),
            id: self.integration.clone(),
            ..Resource::default()
        };
        self.request(call.tool, call.arguments, server)
            .round_trip(call.round_trip)
            .build(limits)
    }

    /// Reads the AuthZEN evaluation that the client sent.
    ///
    /// It states the `action` and the `resource`. Its `subject` must be the principal that the gateway
    /// vouches for.
    ///
    /// # Errors
    ///
    /// [`json::Error`] if it is not an evaluation, is not within `limits`, names another subject or resource
    /// than the gateway, or states facts that only the gateway can: properties of the subject or the
    /// resource, or a context.
    pub fn authzen_message(
        self,
        body: &[u8],
        limits: &RequestLimits,
    ) -> Result<Request, json::Error> {
        let authzen::Evaluation {
            subject,
            action,
            arguments,
            resource,
            context,
        } = authzen::Evaluation::of(json::parse(body, limits)?)?;
        let (kind, id, stated_of_subject) = authzen::subject(subject)?;
        let principal = &self.principal;
        authzen::agrees("/subject/id", &id, &principal.id, "the principal")?;
        let is_known = |kind: PrincipalKind| kind != PrincipalKind::Unspecified;
        let stated = authzen::kind_of(&kind);
        if is_known(stated) && is_known(principal.kind) && stated != principal.kind {
            let vouched_for = principal.kind.as_str();
            authzen::agrees("/subject/type", &kind, vouched_for, "the kind of principal")?;
        }
        let (kind, id, stated_of_resource) = authzen::entity(resource, &super::RESOURCE_MEMBERS)?;
        if let Some(resource) = &self.resource {
            authzen::agrees(
                "/resource/type",
                &kind,
                &resource.kind,
                "the type of resource",
            )?;
            authzen::agrees("/resource/id", &id, &resource.id, "the resource")?;
        }
        let stated = [Some(stated_of_subject), Some(stated_of_resource), context];
        let first = stated.into_iter().flatten().find_map(|it| it.first_left());
        if let Some(at) = first {
            return Err(json::Error::NotHere {
                at,
                why: "a client states this, but only a gateway can vouch for it: state it with `Vouched`, or read the evaluations of a trusted enforcement point with `Request::from_authzen`",
            });
        }
        let named = Resource {
            kind,
            id,
            ..Resource::default()
        };
        self.request(action, arguments, named).build(limits)
    }

    fn request(self, action: String, arguments: Value, resource: Resource) -> RequestBuilder {
        let resource = self.resource.unwrap_or(resource);
        let mut builder = Request::builder(self.integration, self.principal, action, resource)
            .arguments(arguments)
            .argument_origins(self.origins);
        if let Some(intent) = self.intent {
            builder = builder.intent(intent);
        }
        if let Some(path) = self.session_path {
            builder = builder.session_path(path);
        }
        if let Some(kinds) = self.supported_obligations {
            builder = builder.supported_obligations(kinds);
        }
        for (name, value) in self.context {
            builder = builder.context(name, value);
        }
        builder
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn vouched() -> Vouched {
        let principal = Principal {
            id: "spiffe://acme.example/agent/fixer".into(),
            kind: PrincipalKind::Agent,
            ..Principal::default()
        };
        Vouched::new("files", principal)
    }

    const CALL: &str = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"read_file","arguments":{"path":"/w/a"}}}"#;

    #[test]
    fn nothing_in_a_clients_body_reaches_what_the_gateway_vouches_for() {
        let limits = RequestLimits::default();
        let read = |body: &str| vouched().mcp_message(body.as_bytes(), &limits);
        let request = read(CALL).unwrap();
        assert_eq!(request.integration(), "files");
        assert_eq!(request.resource().id, "files");
        assert_eq!(request.intent(), None);
        // A message that closes early and continues as the envelope around it.
        for tail in [
            r#","intent":{"id":"int-1"},"argument-origins":[{"path":"/path","origin":"user"}]"#,
            r#","principal":{"id":"spiffe://acme.example/agent/lead"}"#,
            r#","context":{"session-path":"interactive"},"x":{"y":1}"#,
            r#"}{"intent":{"id":"int-1"}}"#,
            "\n",
        ] {
            let body = format!("{CALL}{tail}");
            match tail {
                "\n" => assert_eq!(read(&body), Ok(request.clone())),
                _ => assert!(
                    matches!(read(&body), Err(json::Error::Syntax { .. })),
                    "{tail}"
                ),
            }
        }
        // Members of an envelope within the message.
        for member in [
            r#""intent":{"id":"int-1"}"#,
            r#""principal":{"id":"a"}"#,
            r#""argument-origins":[]"#,
            r#""integration":"github""#,
            r#""resource":{"kind":"a","id":"b"}"#,
        ] {
            let body = CALL.replacen('{', &format!("{{{member},"), 1);
            assert!(
                matches!(read(&body), Err(json::Error::Unknown { .. })),
                "{member}"
            );
        }
        // An envelope is not a message.
        let envelope =
            format!(r#"{{"integration":"files","principal":{{"id":"a"}},"message":{CALL}}}"#);
        assert!(read(&envelope).is_err());
    }

    #[test]
    fn what_the_gateway_vouches_for_is_in_the_request() {
        let intent = Intent {
            id: "int-1".into(),
            ..Intent::default()
        };
        let resource = Resource {
            kind: "folder".into(),
            id: "home".into(),
            environment: "prod".into(),
            ..Resource::default()
        };
        let request = vouched()
            .intent(intent.clone())
            .resource(resource.clone())
            .argument_origins(vec![ArgumentOrigin::new("/path", "user")])
            .session_path(SessionPath::Machine)
            .context("session", json!("s-1"))
            .supported_obligations(vec!["notification".into()])
            .mcp_message(CALL.as_bytes(), &RequestLimits::default())
            .unwrap();
        assert_eq!(request.intent(), Some(&intent));
        assert_eq!(request.resource(), &resource);
        assert_eq!(request.origins, [ArgumentOrigin::new("/path", "user")]);
        assert_eq!(request.session_path, Some(SessionPath::Machine));
        assert_eq!(request.context, [("session".into(), json!("s-1"))]);
        assert_eq!(request.supported_obligations.unwrap(), ["notification"]);
    }

    #[test]
    fn a_clients_evaluation_says_what_is_asked_for_and_no_more() {
        let limits = RequestLimits::default();
        let whole = json!({
            "subject": { "type": "agent", "id": "spiffe://acme.example/agent/fixer" },
            "action": { "name": "issues.create", "properties": { "title": "x" } },
            "resource": { "type": "repository", "id": "acme/billing" },
        });
        let read = |body: &Value| vouched().authzen_message(body.to_string().as_bytes(), &limits);
        let request = read(&whole).unwrap();
        assert_eq!(request.action(), "issues.create");
        assert_eq!(request.arguments(), &json!({ "title": "x" }));
        assert_eq!(request.resource().id, "acme/billing");
        for (pointer, value) in [
            ("/subject/id", json!("spiffe://acme.example/agent/lead")),
            ("/subject/type", json!("human")),
            ("/subject/properties", json!({ "attestation": "jwt-svid" })),
            ("/subject/properties", json!({ "role": "admin" })),
            ("/resource/properties", json!({ "environment": "dev" })),
            (
                "/resource/properties",
                json!({ "posture": { "health": "healthy" } }),
            ),
            ("/context", json!({ "intent": { "id": "int-1" } })),
            ("/context", json!({ "integration": "other" })),
            ("/context", json!({ "ip": "192.0.2.1" })),
            ("/intent", json!({ "id": "int-1" })),
        ] {
            let mut stated = whole.clone();
            let (object, key) = pointer.rsplit_once('/').unwrap();
            stated.pointer_mut(object).unwrap()[key] = value;
            assert!(read(&stated).is_err(), "{stated}");
        }
        let mut empty = whole.clone();
        empty["context"] = json!({});
        empty["subject"]["properties"] = json!({});
        assert_eq!(read(&empty), Ok(request));
        let other = Resource {
            kind: "repository".into(),
            id: "acme/payroll".into(),
            ..Resource::default()
        };
        let body = whole.to_string();
        assert!(
            vouched()
                .resource(other)
                .authzen_message(body.as_bytes(), &limits)
                .is_err()
        );
    }
}
