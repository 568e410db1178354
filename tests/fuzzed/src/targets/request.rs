//! Requests in AuthZEN.
//!
//! - The strict reader and serde_json see the same members and numbers.
//! - An accepted request, written again, is the same request.
//! - Each property of an accepted evaluation is in the request.

use crate::Read;
use crate::members::{expect_printable, expect_round_trip, parsed};
use portcullis_host::{DefaultIntegrations, Request, RequestLimits};
use serde_json::Value;

/// Members that are written in another form than they were read in.
const NORMALISED: [&str; 5] = [
    "credential-issued-at",
    "credential-expires-at",
    "posture",
    "intent",
    "argument-origins",
];

pub(super) fn run(input: &[u8]) -> Read {
    let limits = RequestLimits::default();
    let value = parsed(input, &limits);
    let request = match Request::from_authzen(input, &limits) {
        Ok(request) => request,
        Err(error) => {
            expect_printable(&error.to_string());
            return Read::Refused;
        }
    };
    let value = value.expect("a request is JSON");
    expect_round_trip(&request);
    expect_nothing_lost(&value, &request.to_authzen());
    assert_eq!(&value["action"]["name"], request.action());
    assert_eq!(&value["subject"]["id"], request.principal().id.as_str());
    let batch = Request::batch_from_authzen(input, &DefaultIntegrations::default(), &limits);
    assert_eq!(
        batch,
        Ok(vec![Ok(request)]),
        "an evaluation is a batch of one"
    );
    Read::Accepted
}

fn expect_nothing_lost(document: &Value, written: &Value) {
    for part in ["/resource/type", "/resource/id", "/subject/type"] {
        assert_eq!(document.pointer(part), written.pointer(part), "{part}");
    }
    for part in [
        "/subject/properties",
        "/action/properties",
        "/resource/properties",
        "/context",
    ] {
        let Some(members) = document.pointer(part).and_then(Value::as_object) else {
            continue;
        };
        for (name, value) in members {
            match written.pointer(part).and_then(|it| it.get(name)) {
                Some(written) if NORMALISED.contains(&name.as_str()) => {
                    assert_eq!(written.is_object(), value.is_object(), "{part}: {name}");
                }
                Some(written) => assert_eq!(written, value, "{part}: {name}"),
                // An empty text or list states nothing.
                None => assert!(
                    *value == "" || value.as_array().is_some_and(Vec::is_empty),
                    "{part}: {name} is lost"
                ),
            }
        }
    }
}
