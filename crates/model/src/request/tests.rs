//! Tests of requests built in code and of rules for every format.

use super::*;
use portcullis_contract::printable;
use serde_json::json;

mod interop;

fn principal() -> Principal {
    Principal {
        id: "spiffe://acme.example/agent/fixer".into(),
        ..Principal::default()
    }
}

fn builder() -> RequestBuilder {
    let resource = Resource {
        id: "acme/billing".into(),
        ..Resource::default()
    };
    Request::builder("github", principal(), "push", resource)
}

#[test]
fn arguments_are_canonical_and_attributes_sorted() {
    let request = builder()
        .arguments(json!({ "b": 1.0, "a": "é" }))
        .context("z", json!(1))
        .context("a", json!(2))
        .build(&RequestLimits::default())
        .unwrap();
    assert_eq!(request.canonical_arguments, r#"{"a":"é","b":1}"#);
    assert_eq!(request.context[0].0, "a");
}

#[test]
fn a_request_from_code_is_within_its_limits() {
    let limits = RequestLimits {
        bytes: 150,
        depth: 4,
    };
    assert!(
        builder()
            .context("x", json!("y".repeat(50)))
            .build(&limits)
            .is_ok()
    );
    let long = builder()
        .context("x", json!("y".repeat(100)))
        .build(&limits);
    assert!(matches!(long, Err(json::Error::TooLarge { .. })));
    let deep = builder()
        .arguments(json!({ "a": { "b": { "c": 1 } } }))
        .build(&limits);
    assert!(matches!(deep, Err(json::Error::TooDeep { .. })));
    let twice = builder()
        .context("x", json!(1))
        .context("x", json!(2))
        .build(&limits);
    assert_eq!(
        twice,
        Err(json::Error::DuplicateKey {
            at: "/context/x".into()
        })
    );
    assert!(builder().arguments(json!([])).build(&limits).is_err());
}

#[test]
fn refuses_names_and_ids_that_would_be_found_in_no_list() {
    let limits = RequestLimits::default();
    let build = |principal: Principal, action: &str, intent: Option<&str>| {
        let builder = Request::builder("github", principal, action, Resource::default());
        let intent = intent.map(|id| Intent {
            id: id.into(),
            ..Intent::default()
        });
        match intent {
            Some(intent) => builder.intent(intent).build(&limits),
            None => builder.build(&limits),
        }
    };
    assert!(build(principal(), "git.push", Some("int-1")).is_ok());
    let refused = |built: Result<Request, json::Error>, place: &str| match built {
        Err(json::Error::Name { at, .. } | json::Error::Unexpected { at, .. }) => {
            assert_eq!(at, place);
        }
        other => panic!("{place}: {other:?}"),
    };
    for id in [
        " spiffe://acme.example/agent/fixer",
        "spiffe://acme.example/agent/fixer\n",
        "SPIFFE://acme.example/agent/fixer",
        "x-spiffe://acme.example/agent/fixer",
        "spiffe://acme.example/agent/\u{200b}fixer",
        "\u{ff41}gent",
        "//acme.example/agent/fixer",
        "spiffe%3A//acme.example/agent/fixer",
        "spiffe//acme.example/agent/fixer",
        "spiffe;//acme.example/agent/fixer",
        "",
    ] {
        let mut named = principal();
        named.id = id.into();
        refused(build(named, "push", None), "/principal/id");
        let mut delegated = principal();
        delegated.delegated_by = vec!["spiffe://acme.example/lead".into(), id.into()];
        refused(build(delegated, "push", None), "/principal/delegated-by");
    }
    for id in [" sp", "a b", "a\u{202e}", "\u{9b}"] {
        let mut presents = principal();
        presents.credential_id = id.into();
        refused(build(presents, "push", None), "/principal/credential-id");
        let mut runs = principal();
        runs.instance = id.into();
        refused(build(runs, "push", None), "/principal/instance");
        refused(build(principal(), "push", Some(id)), "/intent/id");
    }
    refused(build(principal(), "push", Some("")), "/intent/id");
    for action in [
        " delete_repo",
        "delete_repo ",
        "delete\u{200b}_repo",
        "d\u{435}lete_repo",
        "delete_repo\0",
        "delete:repo",
        "",
        &"a".repeat(129),
    ] {
        refused(build(principal(), action, None), "/action/name");
    }
}

#[test]
fn attributes_from_code_are_told_apart_as_those_of_a_document_are() {
    let build = |context: &[(&str, Value)]| {
        let pairs = context.iter().cloned();
        pairs
            .fold(builder(), |builder, (name, value)| {
                builder.context(name, value)
            })
            .build(&RequestLimits::default())
    };
    let alike = build(&[("a", json!(1)), ("A", json!(2))]);
    assert!(matches!(alike, Err(json::Error::AlikeKeys { at, .. }) if at == "/context/a"));
    for name in ["intent", "Intent", "session_path", "argument-origins"] {
        assert!(
            matches!(build(&[(name, json!(1))]), Err(json::Error::Unknown { .. })),
            "{name}"
        );
    }
    let arguments = builder().arguments(json!({ "Path": 1, "path": 2 }));
    let built = arguments.build(&RequestLimits::default());
    assert!(matches!(built, Err(json::Error::AlikeKeys { .. })));
}

#[test]
fn what_is_said_of_a_request_is_one_printable_line() {
    let nasty = "a\u{1b}[2J\r\n\u{202e}\u{9b}";
    let errors = [
        Request::from_authzen(
            json!({ "subject": { "type": "x", "id": nasty }, "action": { "name": "a" },
                    "resource": { "type": "t", "id": "r" }, "context": { "integration": "i" } })
            .to_string()
            .as_bytes(),
            &RequestLimits::default(),
        ),
        json::parse(
            json!({ nasty: [9e15, u64::MAX] }).to_string().as_bytes(),
            &RequestLimits::default(),
        )
        .map(|_| unreachable!()),
        builder()
            .arguments(json!({ nasty: u64::MAX }))
            .build(&RequestLimits::default()),
        builder()
            .argument_origins(vec![ArgumentOrigin::new(nasty, nasty)])
            .build(&RequestLimits::default()),
        builder()
            .context(format!("Intent{nasty}"), json!(1))
            .context(format!("intent{nasty}"), json!(1))
            .build(&RequestLimits::default()),
    ];
    for error in errors {
        let text = error.unwrap_err().to_string();
        assert_eq!(text, printable(&text));
    }
}

#[test]
fn a_constraint_is_not_met_by_an_argument_in_another_spelling() {
    use portcullis_contract::{Constraint, Operator};
    let constraint = Constraint::new("/path", Operator::Under, json!("/workspace")).unwrap();
    let meets = |arguments: Value| {
        let request = builder().arguments(arguments);
        let request = request.build(&RequestLimits::default()).unwrap();
        constraint.met_by(request.arguments(), request.origins())
    };
    assert!(meets(json!({ "path": "/workspace/a" })));
    for arguments in [
        json!({ "Path": "/workspace/a" }),
        json!({ "PATH": "/workspace/a" }),
        json!({ "pa\u{200b}th": "/workspace/a" }),
        json!({}),
    ] {
        assert!(!meets(arguments));
    }
}
