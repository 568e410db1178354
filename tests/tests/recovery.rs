//! After plugins misbehaved, the process's memory is as before.
//!
//! The test has a process of its own, so that nothing else changes its memory.

use portcullis_host::{
    ActionClass, Effect, Fault, Plugin, PluginLimits, Principal, Request, RequestLimits, Resource,
    Timestamp,
};
use portcullis_tests::{guests, memory};
use serde_json::json;
use std::time::Duration;

type Outcome = Result<Effect, Fault>;

/// A plugin, and the expected outcome of a call.
type Expected = (Plugin, fn(&Outcome) -> bool);

/// Returns the resident memory of the process in bytes.
fn resident_bytes() -> usize {
    memory::resident_kib().unwrap() * 1024
}

#[test]
#[cfg(target_os = "linux")]
fn the_next_decision_and_the_memory_are_unaffected() {
    let limits = PluginLimits {
        deadline: Duration::from_secs(1),
        memory_bytes: 64 << 20,
        ..PluginLimits::default()
    };
    let hostile = |behaviour: &str| guests::hostile(json!({ "behaviour": behaviour }), limits);
    let good = hostile("permit");
    let is_memory = |outcome: &Outcome| matches!(outcome, Err(Fault::Memory { .. }));
    let is_trap = |outcome: &Outcome| matches!(outcome, Err(Fault::Trap(_)));
    let is_too_large = |outcome: &Outcome| *outcome == Err(Fault::OutputTooLarge);
    let bad: [Expected; 6] = [
        (hostile("allocate"), is_memory),
        (hostile("output"), is_too_large),
        (hostile("fill"), |outcome| *outcome == Ok(Effect::Permit)),
        (hostile("panic"), is_trap),
        (hostile("recurse"), is_trap),
        (hostile("loop"), |outcome| *outcome == Err(Fault::Deadline)),
    ];
    let request = Request::builder(
        "x",
        Principal {
            id: "agent-x".into(),
            ..Principal::default()
        },
        "a",
        Resource::default(),
    )
    .build(&RequestLimits::default())
    .unwrap();
    let effect = |plugin: &Plugin| {
        let evaluation = plugin.evaluate(&request, ActionClass::Read, Timestamp::now());
        evaluation.outcome.map(|verdict| verdict.effect)
    };
    let round = || {
        for (plugin, is_expected) in &bad {
            let outcome = effect(plugin);
            assert!(is_expected(&outcome), "{outcome:?}");
            assert_eq!(effect(&good), Ok(Effect::Permit));
        }
    };
    // The first round allocates the permanent memory: code, slots, the allocator's own pages.
    round();
    let before = resident_bytes();
    for _ in 0..10 {
        round();
    }
    let after = resident_bytes();
    // One leaked instance would be 64 MiB, and a leaked verdict 10 MB.
    let grown = after.saturating_sub(before);
    assert!(grown < 4 << 20, "{before} bytes before, {after} after");
}
