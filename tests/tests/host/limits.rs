//! Misbehaviour of a plugin in a decision, and the limit that stops each kind.

use portcullis_host::{
    ActionClass, Cause, Effect, Fault, Integration, Intent, Mode, Pdp, Plugin, PluginLimits,
    Principal, Request, RequestLimits, Resource, Timestamp,
};
use portcullis_tests::guests;
use serde_json::json;
use std::time::Duration;

const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);

fn request() -> Request {
    let principal = Principal {
        id: "the-principal".into(),
        owner: "the owner".into(),
        credential_id: "the-credential".into(),
        instance: "the-instance".into(),
        attributes: vec![
            ("visible".into(), json!("yes")),
            ("hidden".into(), json!("no")),
        ],
        ..Principal::default()
    };
    let resource = Resource {
        id: "the resource".into(),
        ..Resource::default()
    };
    Request::builder("x", principal, "the-action", resource)
        .arguments(json!({ "secret": "the argument" }))
        .intent(Intent {
            id: "the-intent".into(),
            documents: vec!["the token".into()],
            ..Intent::default()
        })
        .context("visible", json!([1, { "a": null }]))
        .context("hidden", json!("no"))
        .build(&RequestLimits::default())
        .unwrap()
}

fn outcome(plugin: &Plugin) -> Result<Effect, Fault> {
    let evaluation = plugin.evaluate(&request(), ActionClass::Read, NOW);
    evaluation.outcome.map(|verdict| verdict.effect)
}

fn hostile(behaviour: &str) -> Plugin {
    hostile_within(behaviour, guests::patient())
}

fn hostile_within(behaviour: &str, limits: PluginLimits) -> Plugin {
    guests::hostile(json!({ "behaviour": behaviour }), limits)
}

#[test]
fn cuts_a_loop_at_its_deadline_and_not_before() {
    let limits = |ms| PluginLimits {
        deadline: Duration::from_millis(ms),
        ..PluginLimits::default()
    };
    for ms in [10, 30] {
        let evaluation =
            hostile_within("loop", limits(ms)).evaluate(&request(), ActionClass::Read, NOW);
        assert_eq!(evaluation.outcome, Err(Fault::Deadline));
        assert!(
            evaluation.time >= Duration::from_millis(ms),
            "{:?}",
            evaluation.time
        );
        // Not a measurement: without its deadline, it would never end.
        assert!(
            evaluation.time < Duration::from_secs(5),
            "{:?}",
            evaluation.time
        );
    }
    assert_eq!(outcome(&hostile("permit")), Ok(Effect::Permit));
}

#[test]
fn stops_an_allocation_at_the_memory_limit() {
    let limits = |memory_bytes| PluginLimits {
        memory_bytes,
        ..guests::patient()
    };
    let allocating = hostile_within("allocate", limits(8 << 20));
    let evaluation = allocating.evaluate(&request(), ActionClass::Read, NOW);
    let Err(Fault::Memory { asked }) = evaluation.outcome else {
        panic!("it asks for too much: {evaluation:?}");
    };
    assert!(asked > 8 << 20);
    assert!(evaluation.peak_memory_bytes <= 8 << 20);
    assert!(evaluation.peak_memory_bytes > 6 << 20);

    let filling = |bytes| outcome(&hostile_within("fill", limits(bytes)));
    assert_eq!(filling(16 << 20), Ok(Effect::Permit));
    assert!(matches!(filling(8 << 20), Err(Fault::Memory { .. })));
}

#[test]
fn refuses_ten_megabytes_of_reasons() {
    let limits = |output_bytes| PluginLimits {
        output_bytes,
        memory_bytes: 64 << 20,
        ..guests::patient()
    };
    let output = |bytes| outcome(&hostile_within("output", limits(bytes)));
    assert_eq!(output(64 << 10), Err(Fault::OutputTooLarge));
    assert_eq!(output(11_000_000), Ok(Effect::Deny));
}

#[test]
fn each_decision_starts_from_the_configured_instance() {
    let counting = hostile("count");
    for _ in 0..3 {
        let evaluation = counting.evaluate(&request(), ActionClass::Read, NOW);
        assert_eq!(evaluation.outcome.unwrap().reasons[0].code, "call-1");
    }
}

#[test]
fn a_plugin_is_told_only_what_its_manifest_asks_for() {
    let evaluation = hostile("tell").evaluate(&request(), ActionClass::Read, NOW);
    let told = evaluation.outcome.unwrap().reasons[0].message.clone();
    for visible in [
        "the-action",
        "\"visible\", value: Text(\"yes\")",
        r#"Json("[1,{\"a\":null}]")"#,
    ] {
        assert!(told.contains(visible), "{visible} is not in {told}");
    }
    for hidden in [
        "the owner",
        "the resource",
        "the argument",
        "the-credential",
        "the-instance",
        "the-intent",
        "the token",
        "hidden",
        "Read",
    ] {
        assert!(!told.contains(hidden), "{hidden} is in {told}");
    }
    assert!(told.contains("now: None"), "{told}");
}

#[test]
fn what_a_plugin_says_cannot_command_a_terminal() {
    let evaluation = hostile("escape").evaluate(&request(), ActionClass::Read, NOW);
    let reasons = evaluation.outcome.unwrap().reasons;
    assert_eq!(reasons[0].message, "\u{fffd}[2Jgone\u{fffd}");
}

fn decide(behaviour: &str, integration: Integration) -> portcullis_host::Decision {
    let integration = integration.plugin(hostile(behaviour));
    Pdp::builder()
        .integration(integration)
        .build()
        .unwrap()
        .evaluate_at(&request(), NOW)
}

#[test]
fn an_obligation_that_nobody_can_carry_out_is_a_deny() {
    let unable = decide("oblige", Integration::new("x"));
    assert_eq!(unable.cause(), Cause::UnsupportedObligation);
    assert!(!unable.is_permit());
    assert!(unable.obligations().is_empty(), "they were the permit's");
    let other = decide("oblige", Integration::new("x").obligations(["step-up"]));
    assert_eq!(other.cause(), Cause::UnsupportedObligation);
    let able = decide(
        "oblige",
        Integration::new("x").obligations(["notification"]),
    );
    assert!(able.is_permit());
    assert_eq!(able.obligations()[0].id, "hostile:notification-1");
    let body = &able.obligations()[0].properties["body"];
    assert_eq!(*body, "\u{fffd}[2J\n", "nothing in it commands a terminal");
}

#[test]
fn an_obligation_without_what_its_kind_needs_is_a_fault() {
    let integration = Integration::new("x").obligations(["notification"]);
    let without = decide("oblige-without-body", integration);
    assert_eq!(without.cause().as_str(), "plugin-output-invalid");
    assert!(without.detail().contains("`body`"), "{}", without.detail());
}

#[test]
fn a_permit_that_excludes_this_call_is_a_deny() {
    assert_eq!(
        decide("other-arguments", Integration::new("x")).cause(),
        Cause::ConstraintUnmet
    );
    assert_eq!(
        decide("no-time", Integration::new("x")).cause(),
        Cause::EmptyGrant
    );
}

#[test]
fn a_grant_is_never_wider_than_the_host_allows() {
    let integration = Integration::new("x").max_grant_ttl(Duration::from_secs(60));
    let decision = decide("wide", integration);
    let grant = decision.grant().expect("a permit");
    assert_eq!(grant.expires_at(), NOW.plus(Duration::from_secs(60)));
    assert_eq!(grant.remaining_uses(), Some(1_000_000_000));
}

#[test]
fn observing_is_of_one_integration_and_grants_nothing() {
    let pdp = Pdp::builder()
        .integration(
            Integration::new("x")
                .mode(Mode::Observe)
                .plugin(hostile("bad-code")),
        )
        .integration(Integration::new("y").plugin(hostile("bad-code")))
        .build()
        .unwrap();
    let ask = |integration: &str| {
        let request = Request::builder(
            integration,
            Principal {
                id: "agent-x".into(),
                ..Principal::default()
            },
            "a",
            Resource::default(),
        )
        .build(&RequestLimits::default())
        .unwrap();
        pdp.evaluate_at(&request, NOW)
    };
    let observed = ask("x");
    assert!(!observed.blocks() && !observed.is_permit() && observed.grant().is_none());
    assert_eq!(observed.mode(), Mode::Observe);
    assert!(ask("y").blocks());
    assert!(ask("z").blocks(), "nobody said that it is only observed");
}

#[test]
fn a_plugin_decides_and_recurses_on_a_thread_with_a_small_stack() {
    let (permitting, recursing) = (hostile("permit"), hostile("recurse"));
    let on_small_stack = |plugin: Plugin| {
        let thread = std::thread::Builder::new().stack_size(64 * 1024);
        let evaluated = thread.spawn(move || outcome(&plugin));
        evaluated.unwrap().join().unwrap()
    };
    assert_eq!(on_small_stack(permitting), Ok(Effect::Permit));
    let fault = on_small_stack(recursing).unwrap_err();
    assert!(matches!(fault, Fault::Trap(_)), "{fault}");
}
