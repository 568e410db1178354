mod chains;

use super::*;
use crate::RequestLimits;
use crate::request::{Principal, Resource};
use serde_json::Value;
use serde_json::json;

fn whole() -> Value {
    json!({
        "id": "int-1", "purpose": "p", "principal": "spiffe://acme.example/a",
        "approved-by": { "who": "alice@acme.example", "at": "2026-11-22T08:55:00Z" },
        "issued-at": "2026-11-22T09:00:00Z", "expires-at": "2026-11-22T10:00:00Z",
        "allows": [{
            "integration": "github", "action": "issues.*", "resource": "acme/*",
            "constraints": [{ "path": "/labels", "op": "subset-of", "value": ["a", "b"] }]
        }],
        "denies": [{ "integration": "github", "action": "issues.delete", "resource": "**" }]
    })
}

fn intent(value: &Value) -> StoredIntent {
    StoredIntent::from_json(value.to_string().as_bytes()).unwrap()
}

fn request(action: &str, resource: &str, arguments: Value) -> Request {
    let resource = Resource {
        id: resource.to_owned(),
        ..Resource::default()
    };
    Request::builder(
        "github",
        Principal {
            id: "agent-x".into(),
            ..Principal::default()
        },
        action,
        resource,
    )
    .arguments(arguments)
    .build(&RequestLimits::default())
    .unwrap()
}

#[test]
fn allows_what_an_allowance_includes_and_no_denial_does() {
    let intent = intent(&whole());
    let labels = json!({ "labels": ["a"] });
    assert!(
        intent
            .allowance_for(&request("issues.create", "acme/x", labels.clone()))
            .is_some()
    );
    for (action, resource, arguments) in [
        ("issues.delete", "acme/x", labels.clone()),
        ("repos.delete", "acme/x", labels.clone()),
        ("issues.create", "other/x", labels),
        ("issues.create", "acme/x", json!({ "labels": ["c"] })),
        ("issues.create", "acme/x", json!({})),
    ] {
        assert!(
            intent
                .allowance_for(&request(action, resource, arguments))
                .is_none(),
            "{action}"
        );
    }
}

#[test]
fn a_denial_is_not_escaped_by_another_spelling() {
    let mut value = whole();
    value["allows"][0]["resource"] = json!("https://api.acme.example/v1");
    value["allows"][0]["constraints"] = json!([]);
    let intent = intent(&value);
    let url = |action| request(action, "https://api.acme.example/v1", json!({}));
    assert!(intent.allowance_for(&url("issues.create")).is_some());
    assert!(
        intent.allowance_for(&url("issues.delete")).is_none(),
        "`**` denies it"
    );
}

#[test]
fn the_digest_is_that_of_the_meaning() {
    let spaced = serde_json::to_string_pretty(&whole()).unwrap();
    let spaced = StoredIntent::from_json(spaced.as_bytes()).unwrap();
    assert_eq!(spaced.digest(), intent(&whole()).digest());
    let mut other = whole();
    other["expires-at"] = json!("2026-11-22T10:00:01Z");
    assert_ne!(intent(&other).digest(), spaced.digest());
}

#[test]
fn a_delegated_intent_is_within_its_parent_in_every_dimension() {
    let parent = intent(&whole());
    let mut child = whole();
    child["principal"] = json!("spiffe://acme.example/b");
    child["approved-by"]["who"] = json!("spiffe://acme.example/a");
    child["allows"][0]["action"] = json!("issues.create");
    child["allows"][0]["constraints"][0]["value"] = json!(["a"]);
    assert_eq!(intent(&child).is_within(&parent), Ok(()));
    for (pointer, value, widening) in [
        ("/approved-by/who", json!("mallory"), "delegate"),
        ("/expires-at", json!("2026-11-22T11:00:00Z"), "holds from"),
        ("/issued-at", json!("2026-11-22T08:00:00Z"), "holds from"),
        ("/allows/0/action", json!("*"), "allows"),
        ("/allows/0/resource", json!("**"), "allows"),
        ("/allows/0/integration", json!("bank"), "allows"),
        ("/allows/0/constraints", json!([]), "allows"),
        ("/allows/0/constraints/0/value", json!(["a", "c"]), "allows"),
        ("/denies", json!([]), "denies"),
        ("/denies/0/resource", json!("acme/*"), "denies"),
    ] {
        let mut wider = child.clone();
        *wider.pointer_mut(pointer).unwrap() = value;
        let error = intent(&wider).is_within(&parent).unwrap_err().to_string();
        assert!(error.contains(widening), "{pointer}: {error}");
    }
}

#[test]
fn says_where_an_intent_is_none() {
    for (pointer, value) in [
        ("/approved-by/who", json!("spiffe://acme.example/a")),
        ("/expires-at", json!("2026-11-22T09:00:00Z")),
        ("/approved-by/who", json!(" ")),
        ("/approved-by/at", json!("2026-11-23T09:00:00Z")),
        ("/principal", json!("")),
        ("/allows/0/resource", json!("x".repeat(600))),
        ("/allows/0/constraints/0/value", json!(vec!["a"; 600])),
        ("/allows", json!([])),
        ("/allows/0/action", json!("a**")),
        (
            "/allows/0/constraints/0",
            json!({ "path": "/a", "op": "matches", "value": ".*" }),
        ),
        ("/denies/0/integration", json!(1)),
    ] {
        let mut wrong = whole();
        *wrong.pointer_mut(pointer).unwrap() = value;
        let error = StoredIntent::from_json(wrong.to_string().as_bytes()).unwrap_err();
        let place = pointer.trim_end_matches("/0/constraints/0/value");
        assert!(error.to_string().contains(place), "{pointer}: {error}");
    }
    for (pointer, value) in [
        ("/max-uses", json!(0)),
        ("/max-uses", json!("3")),
        ("/exception", json!({ "owner": "", "waives": ["posture"] })),
        ("/exception", json!({ "owner": "a", "waives": [] })),
        (
            "/exception",
            json!({ "owner": "a", "waives": ["registry"] }),
        ),
        ("/exception", json!({ "waives": ["posture"] })),
        ("/misspelt", json!(1)),
    ] {
        let mut wrong = whole();
        wrong[&pointer[1..]] = value;
        let error = StoredIntent::from_json(wrong.to_string().as_bytes()).unwrap_err();
        assert!(error.to_string().contains(pointer), "{pointer}: {error}");
    }
}

#[test]
fn uses_and_exceptions_are_within_the_parents() {
    let with = |members: &[(&str, Value)], allowance: Value| {
        let mut value = whole();
        for (name, member) in members {
            value[*name] = member.clone();
        }
        value["allows"][0]["max-uses"] = allowance;
        value
    };
    let child = |mut value: Value| {
        value["principal"] = json!("spiffe://acme.example/b");
        value["approved-by"]["who"] = json!("spiffe://acme.example/a");
        intent(&value)
    };
    let exception = |waives: &[&str]| json!({ "owner": "bob", "waives": waives });
    let parent = [
        ("max-uses", json!(5)),
        ("exception", exception(&["posture"])),
    ];
    let parent = intent(&with(&parent, json!(3)));
    let within = child(with(
        &[
            ("max-uses", json!(5)),
            ("exception", exception(&["posture"])),
        ],
        json!(3),
    ));
    assert_eq!(within.is_within(&parent), Ok(()));
    let fewer = child(with(&[("max-uses", json!(1))], json!(1)));
    assert_eq!(fewer.is_within(&parent), Ok(()));
    let mut unbounded = with(&[("max-uses", json!(5))], json!(3));
    unbounded["allows"][0]
        .as_object_mut()
        .unwrap()
        .remove("max-uses");
    for wider in [
        with(&[("max-uses", json!(6))], json!(3)),
        with(&[], json!(3)),
        with(&[("max-uses", json!(5))], json!(4)),
        unbounded,
        with(
            &[
                ("max-uses", json!(5)),
                ("exception", exception(&["environment"])),
            ],
            json!(3),
        ),
    ] {
        assert!(child(wider.clone()).is_within(&parent).is_err(), "{wider}");
    }
}
