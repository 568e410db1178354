//! Whatever request is made is the same one when it is read from what was recorded of it.
//!
//! 2,000 of each way in by default; `PROPTEST_CASES=100000` for the long form.

use super::*;
use crate::decision::Decision;
use crate::log::recorded_request;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError};

fn config() -> Config {
    let cases = std::env::var("PROPTEST_CASES").ok();
    Config {
        cases: cases.and_then(|cases| cases.parse().ok()).unwrap_or(2000),
        failure_persistence: None,
        ..Config::default()
    }
}

/// Any text: of letters, of what has a meaning in JSON, of what is not seen.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{0,6}",
        "[ -~]{0,8}",
        "[\\PC\u{0}\u{1b}\u{9b}\u{200b}\u{202e}\"\\\\é\u{212a}ſß😀]{0,5}",
        Just("id".to_owned()),
        Just("owner".to_owned()),
        Just("environment".to_owned()),
        Just("posture".to_owned()),
    ]
}

fn identifier() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-z0-9:/._-]{1,12}",
        4 => "spiffe://[a-z]{1,4}\\.example/[a-z]{1,5}",
        1 => text(),
    ]
}

fn number() -> impl Strategy<Value = Value> {
    prop_oneof![
        12 => any::<i32>().prop_map(Value::from),
        // Most of these are refused.
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<u64>().prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
        8 => (any::<i32>(), -40..3_i32)
            .prop_map(|(mantissa, exponent)| Value::from(f64::from(mantissa) * 10_f64.powi(exponent))),
        1 => Just(json!(-0.0)),
        1 => Just(json!(1e22)),
        1 => Just(json!(9.1e15)),
        1 => Just(json!(5e-324)),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number(),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((text(), inner), 0..4).prop_map(|members| members.into_iter().collect::<Value>()),
        ]
    })
}

fn object() -> impl Strategy<Value = Value> {
    vec((text(), value()), 0..4).prop_map(|members| members.into_iter().collect::<Value>())
}

fn attributes() -> impl Strategy<Value = Vec<(String, Value)>> {
    vec((text(), value()), 0..3)
}

fn moment() -> impl Strategy<Value = Option<Timestamp>> {
    option::of(prop_oneof![
        any::<u64>().prop_map(Timestamp::from_millis),
        (0..4_000_000_000_000_u64).prop_map(Timestamp::from_millis),
    ])
}

fn principal() -> impl Strategy<Value = Principal> {
    let kind = prop_oneof![
        Just(PrincipalKind::Unspecified),
        Just(PrincipalKind::Agent),
        Just(PrincipalKind::Human),
        Just(PrincipalKind::BreakGlass)
    ];
    let attestation = prop_oneof![
        Just(Attestation::None),
        Just(Attestation::JwtSvid),
        Just(Attestation::ProofOfPossession)
    ];
    // Of another kind than the one beside it, it is refused.
    let type_name = prop_oneof![
        8 => Just(String::new()),
        1 => Just("user".to_owned()),
        1 => text(),
    ];
    let empty_or = |text: BoxedStrategy<String>| prop_oneof![Just(String::new()), text];
    (
        (identifier(), kind, text(), text(), text(), attestation),
        (
            empty_or(identifier().boxed()),
            empty_or(identifier().boxed()),
            empty_or(identifier().boxed()),
        ),
        (moment(), moment(), type_name),
        vec(identifier(), 0..3),
        attributes(),
    )
        .prop_map(
            |(
                (id, kind, owner, purpose, environment, attestation),
                presented,
                (issued, expires, type_name),
                by,
                attributes,
            )| {
                let (credential_id, instance, workload_digest) = presented;
                Principal {
                    id,
                    kind,
                    type_name,
                    owner,
                    purpose,
                    environment,
                    attestation,
                    credential_id,
                    instance,
                    workload_digest,
                    credential_issued_at: issued,
                    credential_expires_at: expires,
                    delegated_by: by,
                    attributes,
                }
            },
        )
}

fn resource() -> impl Strategy<Value = Resource> {
    let posture = (
        option::of(any::<bool>()),
        option::of(any::<bool>()),
        moment(),
    )
        .prop_map(|(privileged, legacy, observed_at)| Posture {
            exposure: Exposure::Internal,
            health: Health::Degraded,
            privileged,
            legacy,
            drifted: legacy,
            observed_at,
        });
    (text(), text(), text(), option::of(posture), attributes()).prop_map(
        |(kind, id, environment, posture, attributes)| Resource {
            kind,
            id,
            environment,
            posture,
            attributes,
        },
    )
}

fn intent() -> impl Strategy<Value = Intent> {
    (
        identifier(),
        text(),
        text(),
        moment(),
        option::of(any::<u64>()),
    )
        .prop_map(
            |(id, purpose, approved_by, expires_at, remaining_uses)| Intent {
                id,
                purpose,
                approved_by,
                expires_at,
                remaining_uses,
                documents: Vec::new(),
            },
        )
}

fn origins() -> impl Strategy<Value = Vec<(String, String)>> {
    let origin = prop_oneof![
        Just("user".to_owned()),
        Just("unknown".to_owned()),
        text().prop_map(|tool| format!("tool:{tool}"))
    ];
    vec((text().prop_map(|key| format!("/{key}")), origin), 0..3)
}

fn built() -> impl Strategy<Value = Result<Request, RequestError>> {
    (
        (
            text(),
            principal(),
            "[A-Za-z0-9_./-]{0,10}",
            resource(),
            object(),
        ),
        (
            option::of(intent()),
            origins(),
            attributes(),
            option::of(vec(text(), 0..3)),
        ),
        option::of(any::<bool>()),
    )
        .prop_map(
            |(
                (integration, principal, action, resource, arguments),
                (intent, origins, context, kinds),
                path,
            )| {
                let mut builder = Request::builder(integration, principal, action, resource)
                    .arguments(arguments)
                    .argument_origins(origins);
                if let Some(intent) = intent {
                    builder = builder.intent(intent);
                }
                if let Some(kinds) = kinds {
                    builder = builder.supported_obligations(kinds);
                }
                if let Some(machine) = path {
                    builder = builder.session_path(match machine {
                        true => SessionPath::Machine,
                        false => SessionPath::Interactive,
                    });
                }
                for (name, value) in context {
                    builder = builder.context(name, value);
                }
                builder.build(&RequestLimits::default())
            },
        )
}

/// The request that the log has of `request`.
fn holds(request: &Request) -> Result<(), TestCaseError> {
    let decision = Decision::deny(crate::Cause::NotApplicable, "");
    let recorded = recorded_request(request, &decision);
    prop_assert_eq!(recorded.as_ref(), Some(request));
    // Decisions are made from these, too.
    let recorded = recorded.map(|recorded| recorded.canonical_arguments);
    prop_assert_eq!(recorded.as_ref(), Some(&request.canonical_arguments));
    Ok(())
}

/// How many of the requests that were made were refused, to see that it is not most of them.
fn most_are_requests(made: u32, refused: u32) {
    assert!(made > refused / 4, "{made} requests, {refused} refused");
}

#[test]
fn a_request_from_code_is_the_same_in_its_record() {
    let counted = std::cell::Cell::new((0, 0));
    let mut runner = proptest::test_runner::TestRunner::new(config());
    runner
        .run(&built(), |built| {
            let (made, refused) = counted.get();
            match built {
                Ok(request) => {
                    counted.set((made + 1, refused));
                    holds(&request)
                }
                Err(_) => {
                    counted.set((made, refused + 1));
                    Ok(())
                }
            }
        })
        .unwrap();
    let (made, refused) = counted.get();
    most_are_requests(made, refused);
}

#[test]
fn a_request_in_json_is_the_same_in_its_record() {
    let counted = std::cell::Cell::new((0, 0));
    let subject = prop_oneof![Just("user"), Just("agent"), Just("identity")];
    let evaluation = (
        subject,
        identifier(),
        "[a-z_.]{1,8}",
        text(),
        object(),
        object(),
        object(),
        attributes(),
    );
    let mut runner = proptest::test_runner::TestRunner::new(config());
    runner
        .run(
            &evaluation,
            |(kind, id, action, resource, properties, arguments, others, context)| {
                let mut evaluation = json!({
                    "subject": { "type": kind, "id": id, "properties": properties },
                    "action": { "name": action, "properties": arguments },
                    "resource": { "type": "t", "id": resource, "properties": others },
                    "context": { "integration": "i" },
                });
                for (name, value) in context {
                    evaluation["context"][name] = value;
                }
                let mut envelope = json!({
                    "integration": "i",
                    "principal": { "id": id, "kind": "agent" },
                    "context": evaluation["context"],
                    "message": { "jsonrpc": "2.0", "id": 1, "method": "tools/call",
                                 "params": { "name": action, "arguments": arguments } },
                });
                envelope["context"]
                    .as_object_mut()
                    .unwrap()
                    .remove("integration");
                let limits = RequestLimits::default();
                for read in [
                    Request::from_authzen(evaluation.to_string().as_bytes(), &limits),
                    Request::from_mcp(envelope.to_string().as_bytes(), &limits),
                ] {
                    let (made, refused) = counted.get();
                    match read {
                        Ok(request) => {
                            counted.set((made + 1, refused));
                            holds(&request)?;
                        }
                        Err(_) => counted.set((made, refused + 1)),
                    }
                }
                Ok(())
            },
        )
        .unwrap();
    let (made, refused) = counted.get();
    most_are_requests(made, refused);
}
