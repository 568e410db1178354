//! The instance that decides in each mode, and the guarantees of the modes.

use portcullis_host::{
    ActionClass, Effect, Fault, Instances, Plugin, PluginLimits, Principal, Request, RequestLimits,
    Resource, Timestamp,
};
use portcullis_tests::{guests, raw};
use serde_json::json;
use std::time::Duration;

const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);

fn request(principal: &str) -> Request {
    let principal = Principal {
        id: principal.into(),
        ..Principal::default()
    };
    let resource = Resource {
        id: "r".into(),
        ..Resource::default()
    };
    Request::builder("x", principal, "a", resource)
        .build(&RequestLimits::default())
        .unwrap()
}

fn hostile(behaviour: &str) -> Plugin {
    guests::hostile(json!({ "behaviour": behaviour }), guests::patient())
}

/// Returns the number of calls of the deciding instance, as counted by the plugin.
fn call(plugin: &Plugin, instances: Instances, principal: &str) -> String {
    let evaluation = plugin.evaluate_in(instances, &request(principal), ActionClass::Read, NOW);
    evaluation.outcome.unwrap().reasons[0].code.clone()
}

const A: &str = "spiffe://acme.example/a";
const B: &str = "spiffe://acme.example/b";

/// As [`hostile`], in the resettable form.
fn resettable(behaviour: &str) -> Plugin {
    let component = guests::component("tests/guests/hostile").unwrap();
    let source = portcullis_host::PluginSource::new(component)
        .compile_in_process()
        .settings(json!({ "behaviour": behaviour }))
        .limits(guests::patient())
        .resettable();
    let plugin = Plugin::load(&source).unwrap();
    assert!(plugin.is_resettable());
    plugin
}

#[test]
fn an_instance_that_was_put_back_is_as_it_began() {
    let counting = resettable("count");
    for principal in [A, B, A].repeat(66) {
        assert_eq!(call(&counting, Instances::Reset, principal), "call-1");
    }
}

#[test]
fn each_reset_of_a_plugin_passes_its_self_check() {
    let component = guests::component("tests/guests/hostile").unwrap();
    let source = portcullis_host::PluginSource::new(component)
        .compile_in_process()
        .settings(json!({ "behaviour": "count" }))
        .limits(guests::patient())
        .resettable()
        .check_resets_every(1);
    let plugin = Plugin::load(&source).unwrap();
    for calls in 1..=100 {
        let evaluation = plugin.evaluate_in(Instances::Reset, &request(A), ActionClass::Read, NOW);
        assert!(!evaluation.reset_failed && !plugin.reset_failed());
        assert_eq!(plugin.reset_checks_passed(), calls);
    }
    // Fresh instances are not reset, so there is nothing to check.
    assert_eq!(call(&plugin, Instances::Fresh, A), "call-1");
    assert_eq!(plugin.reset_checks_passed(), 100);
}

#[test]
fn what_would_tell_calls_apart_is_put_back_or_goes() {
    // The first one panics at its second call, and the second one has more memory then.
    for behaviour in ["count-then-panic", "count-and-grow"] {
        let plugin = resettable(behaviour);
        for _ in 0..6 {
            assert_eq!(call(&plugin, Instances::Reset, A), "call-1", "{behaviour}");
        }
    }
    let invalid = resettable("bad-code-then-count");
    for _ in 0..3 {
        let evaluation = invalid.evaluate_in(Instances::Reset, &request(A), ActionClass::Read, NOW);
        assert!(matches!(evaluation.outcome, Err(Fault::InvalidOutput(_))));
    }
}

#[test]
fn an_instance_that_was_put_back_has_its_whole_deadline_each_time() {
    let limits = PluginLimits {
        deadline: Duration::from_millis(20),
        ..PluginLimits::default()
    };
    let load = |behaviour: &str| {
        let component = guests::component("tests/guests/hostile").unwrap();
        let source = portcullis_host::PluginSource::new(component)
            .compile_in_process()
            .settings(json!({ "behaviour": behaviour }))
            .limits(limits)
            .resettable();
        Plugin::load(&source).unwrap()
    };
    let (counting, looping) = (load("count"), load("loop"));
    for _ in 0..4 {
        assert_eq!(call(&counting, Instances::Reset, A), "call-1");
        // It exceeds its deadline, while the clock runs for it.
        let evaluation = looping.evaluate_in(Instances::Reset, &request(A), ActionClass::Read, NOW);
        assert_eq!(evaluation.outcome.unwrap_err(), Fault::Deadline);
        let evaluation = looping.evaluate_in(Instances::Reset, &request(A), ActionClass::Read, NOW);
        assert_eq!(evaluation.outcome.unwrap_err(), Fault::Deadline);
    }
}

#[test]
fn plugins_written_with_the_sdk_can_be_put_back_and_others_decide_all_the_same() {
    let load = |component: Vec<u8>| {
        let source = portcullis_host::PluginSource::new(component)
            .compile_in_process()
            .settings(json!({ "behaviour": "count" }))
            .limits(guests::patient())
            .resettable();
        Plugin::load(&source).unwrap()
    };
    let hostile = guests::component("tests/guests/hostile").unwrap();
    assert!(load(hostile).is_resettable());
    let typed = load(raw::component(&raw::answering("\\02")));
    assert!(!typed.is_resettable());
    for _ in 0..3 {
        let evaluation = typed.evaluate_in(Instances::Reset, &request(A), ActionClass::Read, NOW);
        assert_eq!(evaluation.outcome.unwrap().effect, Effect::NotApplicable);
    }
    // A plugin that was not loaded as resettable decides in a fresh instance.
    let plain = self::hostile("count");
    assert!(!plain.is_resettable());
    for _ in 0..3 {
        assert_eq!(call(&plain, Instances::Reset, A), "call-1");
    }
}

#[test]
fn instances_that_wait_to_be_asked_again_leave_room_for_others() {
    let component = guests::component("tests/guests/hostile").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let cache = portcullis_host::CompiledCache::open(folder.path().join("cache")).unwrap();
    let source = portcullis_host::PluginSource::new(component)
        .compile_in_process()
        .settings(json!({ "behaviour": "count" }))
        .limits(guests::patient())
        .cache(cache)
        .resettable();
    let plugins: Vec<_> = (0..2100).map(|_| Plugin::load(&source).unwrap()).collect();
    let other = hostile("count");
    for plugin in &plugins {
        assert_eq!(call(plugin, Instances::Reset, A), "call-1");
        assert_eq!(call(&other, Instances::Fresh, A), "call-1");
    }
}

#[test]
fn counted_instructions_are_the_same_for_the_same_request() {
    let component = guests::component("tests/guests/hostile").unwrap();
    let source = portcullis_host::PluginSource::new(component)
        .compile_in_process()
        .settings(json!({ "behaviour": "count" }))
        .limits(guests::patient());
    let metered = Plugin::load(&source.clone().metered()).unwrap();
    let count = |principal: &str| {
        let evaluation = metered.evaluate(&request(principal), ActionClass::Read, NOW);
        assert!(evaluation.outcome.is_ok());
        evaluation.instructions.unwrap()
    };
    let once = count(A);
    assert!(once > 100, "{once}");
    assert_eq!(once, count(A));
    let plain = Plugin::load(&source).unwrap();
    assert_eq!(
        plain
            .evaluate(&request(A), ActionClass::Read, NOW)
            .instructions,
        None
    );
}
