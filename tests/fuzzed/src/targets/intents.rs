//! Intents, and intents delegated from them.
//!
//! The first line of the input is an intent, and the second one that may be delegated from it.
//!
//! - An accepted intent, written otherwise, has the same digest.
//! - If the delegated intent is accepted, each call that it allows is allowed by its parent. The calls are made of
//!   the patterns, arguments and constraints of both.

use crate::Read;
use crate::fill::filled;
use crate::members::expect_printable;
use portcullis_host::{
    ActionClass, ArgumentOrigin, Principal, Request, RequestLimits, Resource, StoredIntent,
};
use serde_json::{Map, Value, json};

/// Maximum number of allowances of each intent that calls are made of.
const MOST_ALLOWANCES: usize = 4;
const CLASSES: [ActionClass; 3] = [
    ActionClass::Read,
    ActionClass::Write,
    ActionClass::Unclassified,
];

pub(super) fn run(input: &[u8]) -> Read {
    let mut lines = input.split(|byte| *byte == b'\n');
    let parent = lines.next().and_then(read);
    let child = lines.next().and_then(read);
    let (Some((parent, parent_json)), Some((child, child_json))) = (parent, child) else {
        return Read::Refused;
    };
    if let Err(error) = child.allows_no_more_than(&parent) {
        expect_printable(&error.to_string());
        assert!(child.is_within(&parent).is_err());
        return Read::Refused;
    }
    assert!(parent.issued_at <= child.issued_at && child.expires_at <= parent.expires_at);
    let delegated_by_its_principal = child.approved_by == parent.principal;
    assert_eq!(child.is_within(&parent).is_ok(), delegated_by_its_principal);
    for request in calls(&[&parent_json, &child_json]) {
        if parent.denies(&request) {
            assert!(
                child.denies(&request),
                "a denial is lost: {}",
                request.to_authzen()
            );
        }
        for class in CLASSES {
            if child.allowance_for(&request, class).is_some() {
                assert!(
                    parent.allowance_for(&request, class).is_some(),
                    "allowed by the delegated intent only: {}",
                    request.to_authzen()
                );
            }
        }
    }
    Read::Accepted
}

/// Reads an intent, and panics if its digest depends on how it is written.
fn read(document: &[u8]) -> Option<(StoredIntent, Value)> {
    let intent = match StoredIntent::from_json(document) {
        Ok(intent) => intent,
        Err(error) => {
            expect_printable(&error.to_string());
            return None;
        }
    };
    for warning in intent.warnings() {
        assert!(!warning.is_empty());
    }
    let json: Value = serde_json::from_slice(document).expect("an intent is JSON");
    let written = serde_json::to_string_pretty(&json).expect("it serialises");
    // White space counts as size, which is bounded.
    if written.len() < 32 * 1024 {
        assert_eq!(
            StoredIntent::from_json(written.as_bytes()).as_ref(),
            Ok(&intent)
        );
    }
    // An intent allows no more than itself, unless comparing the patterns takes too long.
    assert!(intent.allows_no_more_than(&intent).is_ok() || has_many_wildcards(&json));
    Some((intent, json))
}

/// True if comparing the intent with itself may exhaust the budget of steps.
fn has_many_wildcards(intent: &Value) -> bool {
    intent.to_string().matches('*').count() > 16
}

/// Calls made of the allowances and denials of intents.
fn calls(intents: &[&Value]) -> Vec<Request> {
    let mut calls = Vec::new();
    let of = |intent: &Value, key: &str| -> Vec<Value> {
        let list = intent[key].as_array().cloned().unwrap_or_default();
        list.into_iter().take(MOST_ALLOWANCES).collect()
    };
    for intent in intents {
        for one in of(intent, "allows").iter().chain(&of(intent, "denies")) {
            let [Some(integration), Some(action), Some(resource)] =
                ["integration", "action", "resource"].map(|key| one[key].as_str())
            else {
                continue;
            };
            for action in filled(action) {
                for resource in filled(resource) {
                    for (arguments, origins) in arguments_of(one) {
                        let resource = Resource {
                            kind: "x".to_owned(),
                            id: resource.clone(),
                            ..Resource::default()
                        };
                        let principal = Principal {
                            id: "spiffe://acme.example/x".to_owned(),
                            ..Principal::default()
                        };
                        let call = Request::builder(integration, principal, &action, resource)
                            .arguments(arguments)
                            .argument_origins(origins)
                            .build(&RequestLimits::default());
                        calls.extend(call);
                    }
                }
            }
        }
    }
    calls
}

/// Arguments that an allowance may allow: without and with optional ones, and with one that it does not list.
fn arguments_of(allowance: &Value) -> Vec<(Value, Vec<ArgumentOrigin>)> {
    let constraints = allowance["constraints"].as_array();
    let constraints = constraints.map_or(&[][..], Vec::as_slice);
    let listed = |key: &str| -> Vec<&str> {
        let list = allowance["arguments"][key].as_array();
        list.into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect()
    };
    let constrained: Vec<_> = constraints
        .iter()
        .filter_map(|it| it["path"].as_str())
        .collect();
    let (required, optional) = (listed("required"), listed("optional"));
    let mut all = Vec::new();
    for (choice, paths) in [
        (0, [&required[..], &[]]),
        (0, [&required[..], &constrained]),
        (1, [&required[..], &constrained]),
        (0, [&required[..], &optional]),
        (0, [&constrained[..], &["/unlisted"]]),
        (0, [&required[..], &["/unlisted"]]),
    ] {
        let mut arguments = Value::Object(Map::new());
        let mut origins = Vec::new();
        for path in paths.into_iter().flatten() {
            let own: Vec<_> = constraints
                .iter()
                .filter(|it| it["path"] == **path)
                .collect();
            put(&mut arguments, path, value_for(&own, choice));
            let origin = own.iter().find(|it| it["op"] == "origin-is");
            if let Some(origin) = origin.and_then(|it| it["value"][choice].as_str()) {
                origins.push(ArgumentOrigin::new(*path, origin));
            }
        }
        all.push((arguments, origins));
    }
    all
}

/// A value that may meet the constraints; `choice` selects one of those that do.
fn value_for(constraints: &[&Value], choice: usize) -> Value {
    let Some(constraint) = constraints.iter().find(|it| it["op"] != "origin-is") else {
        return json!("x");
    };
    let operand = &constraint["value"];
    let text = operand.as_str().unwrap_or_default();
    match (constraint["op"].as_str().unwrap_or_default(), choice) {
        ("one-of", _) => operand[choice].clone(),
        ("subset-of", 0) => json!([operand[0]]),
        ("prefix", 0) => json!(format!("{text}x")),
        ("prefix", _) => json!([text, format!("{text}y")]),
        ("under", 0) => json!(format!("{}/x", text.trim_end_matches('/'))),
        ("under", _) => json!([text]),
        ("min-length" | "max-length", 0) => {
            let length = operand.as_u64().unwrap_or_default().min(256);
            json!("x".repeat(usize::try_from(length).unwrap_or_default()))
        }
        ("min-length" | "max-length", _) => json!(["x"]),
        _ => operand.clone(),
    }
}

/// Puts the value at a JSON Pointer, in objects that are made.
fn put(arguments: &mut Value, pointer: &str, value: Value) {
    let mut place = arguments;
    for key in pointer.split('/').skip(1) {
        let key = key.replace("~1", "/").replace("~0", "~");
        if !place.is_object() {
            *place = json!({});
        }
        place = place
            .as_object_mut()
            .expect("it is an object")
            .entry(key)
            .or_insert(Value::Null);
    }
    if place.is_null() {
        *place = value;
    }
}
