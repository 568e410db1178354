//! Which instance decides, and what the lanes promise of it.

use portcullis_host::{
    ActionClass, Effect, Fault, Integration, Lane, Pdp, Plugin, PluginLimits, Principal, Request,
    RequestLimits, Resource, Timestamp,
};
use portcullis_tests::{guests, raw};
use serde_json::json;
use std::num::NonZeroU32;
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
    hostile_within(behaviour, guests::patient())
}

fn hostile_within(behaviour: &str, limits: PluginLimits) -> Plugin {
    guests::hostile(json!({ "behaviour": behaviour }), limits)
}

fn reused(max_uses: u32) -> Lane {
    Lane::Reused {
        max_uses: NonZeroU32::new(max_uses).unwrap(),
    }
}

/// How often the instance was called that decided, as the plugin itself counts.
fn call(plugin: &Plugin, lane: Lane, principal: &str) -> String {
    let evaluation = plugin.evaluate_in(lane, &request(principal), ActionClass::Read, NOW);
    evaluation.outcome.unwrap().reasons[0].code.clone()
}

fn effect(plugin: &Plugin, lane: Lane, principal: &str) -> Effect {
    let evaluation = plugin.evaluate_in(lane, &request(principal), ActionClass::Read, NOW);
    evaluation.outcome.unwrap().effect
}

const A: &str = "spiffe://acme.example/a";
const B: &str = "spiffe://acme.example/b";

#[test]
fn a_warm_instance_is_as_fresh_as_a_fresh_one() {
    let counting = hostile("count");
    for _ in 0..200 {
        assert_eq!(call(&counting, Lane::Warm, A), "call-1");
    }
}

#[test]
fn a_warm_instance_has_its_whole_deadline_however_long_it_waited() {
    let limits = PluginLimits {
        deadline: Duration::from_millis(20),
        ..PluginLimits::default()
    };
    let permitting = hostile_within("permit", limits);
    let looping = hostile_within("loop", limits);
    let outcome = |plugin: &Plugin| {
        let evaluation = plugin.evaluate_in(Lane::Warm, &request(A), ActionClass::Read, NOW);
        evaluation.outcome.map(|verdict| verdict.effect)
    };
    // The first call has one made ahead, which then waits for longer than it may run.
    for _ in 0..5 {
        assert_eq!(outcome(&permitting), Ok(Effect::Permit));
        assert_eq!(outcome(&looping), Err(Fault::Deadline));
        assert_eq!(outcome(&looping), Err(Fault::Deadline));
    }
}

#[test]
fn instances_that_were_made_ahead_go_with_their_plugin() {
    // Each leaves two behind. A plugin with a component takes one of 512 places for each.
    let folder = tempfile::tempdir().unwrap();
    let cache = portcullis_host::CompiledCache::open(folder.path().join("cache")).unwrap();
    let source = portcullis_host::PluginSource::new(raw::component(&raw::answering("\\02")))
        .limits(guests::patient())
        .cache(cache);
    for _ in 0..400 {
        let plugin = Plugin::load(&source).unwrap();
        for _ in 0..3 {
            assert_eq!(effect(&plugin, Lane::Warm, A), Effect::NotApplicable);
        }
    }
}

/// As [`hostile`], of the form that can be put back.
fn restorable(behaviour: &str) -> Plugin {
    let component = guests::component("tests/guests/hostile").unwrap();
    let source = portcullis_host::PluginSource::new(component)
        .settings(json!({ "behaviour": behaviour }))
        .limits(guests::patient())
        .restorable();
    let plugin = Plugin::load(&source).unwrap();
    assert!(plugin.is_restorable());
    plugin
}

#[test]
fn an_instance_that_was_put_back_is_as_it_began() {
    let counting = restorable("count");
    for principal in [A, B, A, ""].repeat(50) {
        assert_eq!(call(&counting, Lane::Restored, principal), "call-1");
    }
    // In a lane that promises less, the same plugin shows that it does count.
    assert_eq!(
        [call(&counting, reused(9), A), call(&counting, reused(9), A)],
        ["call-1", "call-2"]
    );
}

#[test]
fn what_would_tell_calls_apart_is_put_back_or_goes() {
    // The first panics when it is called again, and the second has more memory then.
    for behaviour in ["count-then-panic", "count-and-grow"] {
        let plugin = restorable(behaviour);
        for _ in 0..6 {
            assert_eq!(call(&plugin, Lane::Restored, A), "call-1", "{behaviour}");
        }
    }
    let invalid = restorable("bad-code-then-count");
    for _ in 0..3 {
        let evaluation = invalid.evaluate_in(Lane::Restored, &request(A), ActionClass::Read, NOW);
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
            .settings(json!({ "behaviour": behaviour }))
            .limits(limits)
            .restorable();
        Plugin::load(&source).unwrap()
    };
    let (counting, looping) = (load("count"), load("loop"));
    for _ in 0..4 {
        assert_eq!(call(&counting, Lane::Restored, A), "call-1");
        // Longer than it may run, while the clock ticks for it.
        let evaluation = looping.evaluate_in(Lane::Restored, &request(A), ActionClass::Read, NOW);
        assert_eq!(evaluation.outcome.unwrap_err(), Fault::Deadline);
        let evaluation = looping.evaluate_in(Lane::Restored, &request(A), ActionClass::Read, NOW);
        assert_eq!(evaluation.outcome.unwrap_err(), Fault::Deadline);
    }
}

#[test]
fn plugins_written_with_the_sdk_can_be_put_back_and_others_decide_all_the_same() {
    let load = |component: Vec<u8>| {
        let source = portcullis_host::PluginSource::new(component)
            .settings(json!({ "behaviour": "count" }))
            .limits(guests::patient())
            .restorable();
        Plugin::load(&source).unwrap()
    };
    let hostile = guests::component("tests/guests/hostile").unwrap();
    assert!(load(hostile).is_restorable());
    let typed = load(raw::component(&raw::answering("\\02")));
    assert!(!typed.is_restorable());
    for _ in 0..3 {
        let evaluation = typed.evaluate_in(Lane::Restored, &request(A), ActionClass::Read, NOW);
        assert_eq!(evaluation.outcome.unwrap().effect, Effect::NotApplicable);
    }
    // One that is not asked to be is not, and decides in a fresh instance.
    let plain = self::hostile("count");
    assert!(!plain.is_restorable());
    for _ in 0..3 {
        assert_eq!(call(&plain, Lane::Restored, A), "call-1");
    }
}

#[test]
fn instances_that_wait_to_be_asked_again_leave_room_for_others() {
    let component = guests::component("tests/guests/hostile").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let cache = portcullis_host::CompiledCache::open(folder.path().join("cache")).unwrap();
    let source = portcullis_host::PluginSource::new(component)
        .settings(json!({ "behaviour": "count" }))
        .limits(guests::patient())
        .cache(cache)
        .restorable();
    let plugins: Vec<_> = (0..2100).map(|_| Plugin::load(&source).unwrap()).collect();
    let other = hostile("count");
    for plugin in &plugins {
        assert_eq!(call(plugin, Lane::Restored, A), "call-1");
        assert_eq!(call(&other, Lane::Fresh, A), "call-1");
    }
}

#[test]
fn a_reused_instance_decides_for_one_principal_and_so_often() {
    let counting = hostile("count");
    let calls = |principal| call(&counting, reused(3), principal);
    assert_eq!([calls(A), calls(A)], ["call-1", "call-2"]);
    assert_eq!(calls(B), "call-1");
    assert_eq!([calls(A), calls(A)], ["call-3", "call-1"]);
    assert_eq!(calls(B), "call-2");
}

#[test]
fn who_has_no_name_shares_an_instance_with_nobody() {
    let counting = hostile("count");
    for _ in 0..3 {
        assert_eq!(call(&counting, reused(9), ""), "call-1");
    }
}

#[test]
fn a_reused_instance_goes_when_it_faults_or_grows() {
    for (behaviour, answer) in [
        ("count-then-panic", None),
        ("count-and-grow", Some("call-1")),
    ] {
        let plugin = hostile(behaviour);
        for _ in 0..2 {
            let evaluation = plugin.evaluate_in(reused(9), &request(A), ActionClass::Read, NOW);
            let code = evaluation.outcome.ok().map(|it| it.reasons[0].code.clone());
            assert_eq!(code.as_deref(), Some("call-1"), "{behaviour}");
            if answer.is_none() {
                let again = plugin.evaluate_in(reused(9), &request(A), ActionClass::Read, NOW);
                assert!(matches!(again.outcome, Err(Fault::Trap(_))), "{behaviour}");
            }
        }
    }
}

#[test]
fn a_reused_instance_goes_when_its_answer_breaks_the_contract() {
    // Its reasons are none, so each answer is a fault, and a permit after it is of a fresh instance.
    let plugin = hostile("bad-code-then-count");
    for _ in 0..3 {
        let evaluation = plugin.evaluate_in(reused(9), &request(A), ActionClass::Read, NOW);
        assert!(matches!(evaluation.outcome, Err(Fault::InvalidOutput(_))));
    }
}

#[test]
fn more_principals_than_are_kept_still_find_room() {
    let counting = hostile("count");
    for round in ["call-1", "call-2"] {
        for number in 0..600 {
            let principal = format!("spiffe://acme.example/{number}");
            let code = call(&counting, reused(9), &principal);
            assert!(code == "call-1" || code == round, "{code}");
        }
    }
    // One with a component takes one of 512 places for each that is kept.
    let source = portcullis_host::PluginSource::new(raw::component(&raw::answering("\\02")));
    let plugin = Plugin::load(&source.limits(guests::patient())).unwrap();
    for number in 0..600 {
        let principal = format!("spiffe://acme.example/{number}");
        assert_eq!(
            effect(&plugin, reused(9), &principal),
            Effect::NotApplicable
        );
    }
}

#[test]
fn a_batch_shares_instances_of_one_principal_and_no_others() {
    let integration = Integration::new("x").plugin(hostile("count"));
    let pdp = Pdp::builder().integration(integration).build().unwrap();
    let codes = |principals: &[&str]| {
        let requests: Vec<_> = principals.iter().map(|it| request(it)).collect();
        pdp.evaluate_batch(&requests)
            .iter()
            .map(|decision| decision.reasons()[0].code.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        codes(&[A, A, B, A, B]),
        ["call-1", "call-2", "call-1", "call-3", "call-2"]
    );
    assert_eq!(codes(&[A]), ["call-1"]);
}

#[test]
fn counted_instructions_are_the_same_for_the_same_request() {
    let component = guests::component("tests/guests/hostile").unwrap();
    let source = portcullis_host::PluginSource::new(component)
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
    // An instance that is used again may run as many each time, and each time's own are counted.
    let again = || {
        let evaluation = metered.evaluate_in(reused(9), &request(A), ActionClass::Read, NOW);
        evaluation.instructions.unwrap()
    };
    let (first, second) = (again(), again());
    assert!(
        first == once && second.abs_diff(first) < 100,
        "{first} {second}"
    );
    let plain = Plugin::load(&source).unwrap();
    assert_eq!(
        plain
            .evaluate(&request(A), ActionClass::Read, NOW)
            .instructions,
        None
    );
}
