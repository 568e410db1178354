//! Tool calls of MCP: an envelope of a gateway, and a client's message beside the gateway's statements.
//!
//! - An accepted call, written as an evaluation, is the same request.
//! - A client's message changes nothing that the gateway states, and its arguments are those that serde_json sees.
//! - A message means the same in an envelope.

use crate::Read;
use crate::members::{expect_printable, expect_round_trip, parsed};
use portcullis_host::{Principal, PrincipalKind, Request, RequestLimits, Resource, Vouched};
use serde_json::{Value, json};

const SERVER: &str = "files";
const AGENT: &str = "spiffe://acme.example/agent/fixer";

pub(super) fn run(input: &[u8]) -> Read {
    let limits = RequestLimits::default();
    let value = parsed(input, &limits);
    let mut read = Read::Refused;
    match Request::from_mcp(input, &limits) {
        Ok(request) => {
            expect_round_trip(&request);
            let envelope = value.as_ref().expect("an envelope is JSON");
            expect_call(&request, &envelope["message"]);
            read = Read::Accepted;
        }
        Err(error) => expect_printable(&error.to_string()),
    }
    let principal = Principal {
        id: AGENT.to_owned(),
        kind: PrincipalKind::Agent,
        ..Principal::default()
    };
    let vouched = Vouched::new(SERVER, principal.clone());
    match vouched.mcp_message(input, &limits) {
        Ok(request) => {
            expect_round_trip(&request);
            let message = value.expect("a message is JSON");
            expect_call(&request, &message);
            assert_eq!(request.integration(), SERVER);
            assert_eq!(request.principal(), &principal);
            assert_eq!(request.intent(), None);
            let server = Resource {
                kind: "mcp-server".to_owned(),
                id: SERVER.to_owned(),
                ..Resource::default()
            };
            assert_eq!(request.resource(), &server);
            assert!(request.context().is_empty() && request.origins().0.is_empty());
            let envelope = json!({
                "integration": SERVER,
                "principal": { "id": AGENT, "kind": "agent" },
                "message": message,
            });
            let limits = RequestLimits {
                bytes: 2 * limits.bytes,
                depth: limits.depth + 1,
            };
            let same = Request::from_mcp(envelope.to_string().as_bytes(), &limits);
            assert_eq!(same, Ok(request));
            read = Read::Accepted;
        }
        Err(error) => expect_printable(&error.to_string()),
    }
    read
}

/// Panics if the request is for another call than `message`.
fn expect_call(request: &Request, message: &Value) {
    let params = &message["params"];
    assert_eq!(message["method"], "tools/call");
    assert_eq!(&params["name"], request.action());
    match &params["arguments"] {
        Value::Null => assert_eq!(request.arguments(), &json!({})),
        arguments => assert_eq!(request.arguments(), arguments),
    }
    let round_trip = request.round_trip();
    let answers = round_trip.input_responses.as_ref();
    assert_eq!(params.get("inputResponses"), answers);
    let state = round_trip.request_state.as_deref();
    assert_eq!(params.get("requestState").and_then(Value::as_str), state);
}
