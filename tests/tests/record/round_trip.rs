//! A recorded request is read back unchanged, and is decided the same way.
//!
//! 2,000 requests of each format by default; `PROPTEST_CASES=100000` for a long run.

use portcullis_host::log::{self, DecisionLog, Durability, Event, LogOptions};
use portcullis_host::{
    ArgumentOrigin, Attestation, Exposure, Health, Integration, Intent, ListAsOf, Pdp, Plugin,
    PluginSource, Posture, Principal, PrincipalKind, Request, RequestLimits, Resource, RoundTrip,
    SessionPath, Timestamp,
};
use portcullis_tests::guests;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use std::cell::RefCell;
use tempfile::TempDir;

/// Number of requests to record before they are read back.
const AT_ONCE: usize = 5000;

fn runner() -> TestRunner {
    let cases = std::env::var("PROPTEST_CASES").ok();
    TestRunner::new(Config {
        cases: cases.and_then(|cases| cases.parse().ok()).unwrap_or(2000),
        failure_persistence: None,
        ..Config::default()
    })
}

/// Generates a text of letters, of JSON syntax, or of invisible characters.
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
        // Most of these numbers are refused.
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

/// Generates a time, mostly none: at most random times, a credential has expired or is not valid yet.
fn moment() -> impl Strategy<Value = Option<Timestamp>> {
    option::weighted(
        0.1,
        prop_oneof![
            any::<u64>().prop_map(Timestamp::from_millis),
            (0..4_000_000_000_000_u64).prop_map(Timestamp::from_millis),
        ],
    )
}

/// Generates an environment, mostly none, so that few requests cross environments.
fn environment() -> impl Strategy<Value = String> {
    prop_oneof![8 => Just(String::new()), 1 => text()]
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
    // A type that contradicts the kind is refused.
    let type_name = prop_oneof![
        8 => Just(String::new()),
        1 => Just("user".to_owned()),
        1 => text(),
    ];
    let empty_or = |text: BoxedStrategy<String>| prop_oneof![Just(String::new()), text];
    (
        (
            identifier(),
            kind,
            text(),
            text(),
            environment(),
            attestation,
        ),
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
    (
        text(),
        text(),
        environment(),
        option::of(posture),
        attributes(),
    )
        .prop_map(|(kind, id, environment, posture, attributes)| Resource {
            kind,
            id,
            environment,
            posture,
            attributes,
        })
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

fn origins() -> impl Strategy<Value = Vec<ArgumentOrigin>> {
    let origin = prop_oneof![
        Just("user".to_owned()),
        Just("unknown".to_owned()),
        text().prop_map(|tool| format!("tool:{tool}")),
        Just("tool:mail#/*/sender".to_owned()),
        Just("tool:mail~named/0/body".to_owned()),
    ];
    let one = (text(), option::weighted(0.2, text()), vec(origin, 0..3));
    let one = one.prop_map(|(key, part, origins)| ArgumentOrigin {
        path: format!("/{key}"),
        part,
        origins,
    });
    vec(one, 0..3)
}

fn round_trip() -> impl Strategy<Value = RoundTrip> {
    let both = (
        option::weighted(0.1, object()),
        option::weighted(0.1, text()),
    );
    both.prop_map(|(input_responses, request_state)| RoundTrip {
        input_responses,
        request_state,
    })
}

fn built() -> impl Strategy<Value = Result<Request, portcullis_host::json::Error>> {
    (
        (
            prop_oneof![8 => Just("i".to_owned()), 1 => text()],
            principal(),
            "[A-Za-z0-9_./-]{0,10}",
            resource(),
            object(),
        ),
        (
            option::of(intent()),
            origins(),
            attributes(),
            option::weighted(0.1, vec(text(), 0..3)),
            round_trip(),
        ),
        option::weighted(0.1, any::<bool>()),
    )
        .prop_map(
            |(
                (integration, principal, action, resource, arguments),
                (intent, origins, context, kinds, round_trip),
                path,
            )| {
                let mut builder = Request::builder(integration, principal, action, resource)
                    .arguments(arguments)
                    .argument_origins(origins)
                    .round_trip(round_trip);
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

/// A decision point with a plugin that repeats its requests, and the requests so far.
struct Recorder {
    plugin: PluginSource,
    requests: Vec<Request>,
    permits: usize,
    made: usize,
    refused: usize,
}

impl Recorder {
    fn new() -> Self {
        let component = guests::component("tests/guests/echo").unwrap();
        Self {
            plugin: PluginSource::new(component)
                .compile_in_process()
                .limits(guests::patient()),
            requests: Vec::new(),
            permits: 0,
            made: 0,
            refused: 0,
        }
    }

    fn take(&mut self, read: Result<Request, portcullis_host::json::Error>) {
        match read {
            Ok(request) => {
                self.requests.push(request);
                self.made += 1;
            }
            Err(_) => self.refused += 1,
        }
        if self.requests.len() >= AT_ONCE {
            self.record();
        }
    }

    fn pdp(&self, log: Option<DecisionLog>) -> Pdp {
        let plugin = Plugin::load(&self.plugin).unwrap();
        let integration = Integration::new("i").obligations(["notification"]);
        let builder = Pdp::builder().integration(integration.plugin(plugin));
        match log {
            Some(log) => builder.log(log),
            None => builder,
        }
        .build()
        .unwrap()
    }

    /// Decides and records the requests, and compares each request and decision with the log.
    fn record(&mut self) {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("decisions.jsonl");
        let options = LogOptions {
            durability: Durability::Buffered,
            ..LogOptions::new(&path)
        };
        let recording = self.pdp(Some(DecisionLog::open(options).unwrap()));
        for request in &self.requests {
            self.permits += usize::from(recording.evaluate(request).is_permit());
        }
        drop(recording);
        let again = self.pdp(None);
        let mut requests = self.requests.drain(..);
        log::read(&path, |_, _, _, entry| {
            let Event::Decision(recorded) = &entry.event else {
                return Ok(());
            };
            let read = recorded.request().unwrap();
            assert_eq!(Some(&read), requests.next().as_ref());
            let now = again.evaluate_again(&read, entry.at, &recorded.inputs, ListAsOf::Then);
            assert_eq!(
                now.replayable().to_string(),
                recorded.decision.to_string(),
                "{read:?}"
            );
            Ok(())
        })
        .unwrap();
        assert_eq!(requests.next(), None, "it is not in the log");
    }

    /// Records the remaining requests, and verifies that most inputs were valid and many were permitted.
    fn end(&mut self) {
        self.record();
        let counts = format!(
            "{} requests, {} permits, {} refused",
            self.made, self.permits, self.refused
        );
        assert!(self.made > self.refused / 4, "{counts}");
        assert!(self.permits > self.made / 8, "{counts}");
    }
}

#[test]
fn a_request_from_code_is_the_same_in_its_record() {
    let recorder = RefCell::new(Recorder::new());
    runner()
        .run(&built(), |built| {
            recorder.borrow_mut().take(built);
            Ok(())
        })
        .unwrap();
    recorder.borrow_mut().end();
}

#[test]
fn a_request_in_json_is_the_same_in_its_record() {
    let recorder = RefCell::new(Recorder::new());
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
    runner()
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
                    recorder.borrow_mut().take(read);
                }
                Ok(())
            },
        )
        .unwrap();
    recorder.borrow_mut().end();
}
