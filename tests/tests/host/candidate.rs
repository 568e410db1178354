//! Candidates: plugins that are asked beside those that decide, and decide nothing.

use portcullis_host::log::{self, Decided, DecisionLog, Event, LogOptions};
use portcullis_host::{
    CandidateDecision, Decision, FaultKind, Instances, Integration, ListAsOf, Pdp, PdpError,
    Plugin, PluginLimits, PluginSource, QuarantineRule, Request, RequestLimits, Timestamp,
};
use portcullis_tests::{guests, raw, requests};
use serde_json::json;
use std::path::Path;
use std::time::Duration;

/// Behaviours of the hostile guest, and the effect or fault of each as a candidate.
const CANDIDATES: [(&str, &str); 14] = [
    ("permit", "permit"),
    ("requestable-deny", "deny"),
    ("wide", "permit"),
    ("other-arguments", "permit"),
    ("oblige", "permit"),
    ("many-constraints", "InvalidOutput"),
    ("fill", "permit"),
    ("panic", "Trap"),
    ("recurse", "Trap"),
    ("loop", "Deadline"),
    ("allocate", "Memory"),
    ("output", "OutputTooLarge"),
    ("undeclared-reason", "InvalidOutput"),
    ("bad-code", "InvalidOutput"),
];

fn hostile(behaviour: &str, limits: PluginLimits) -> Plugin {
    guests::hostile(json!({ "behaviour": behaviour }), limits)
}

/// Limits of a candidate: it has time, unless it loops.
fn limits(behaviour: &str) -> PluginLimits {
    PluginLimits {
        deadline: match behaviour {
            "loop" => Duration::from_millis(20),
            _ => guests::patient().deadline,
        },
        memory_bytes: 64 * 1024 * 1024,
        ..PluginLimits::default()
    }
}

/// A plugin called `name` with a verdict of that effect, and the reason `ok`.
fn plugin(name: &str, effect: u8) -> Plugin {
    let mut verdict = vec![effect, 1, 2, b'o', b'k', 0, 0, 0, 0];
    verdict.push(u8::from(effect == PERMIT));
    if effect == PERMIT {
        // No constraints, lifetime or number of uses.
        verdict.extend([0, 0, 0]);
    }
    // Not requestable.
    verdict.push(0);
    let source = PluginSource::new(raw::named(name, &verdict))
        .compile_in_process()
        .limits(guests::patient());
    Plugin::load(&source).unwrap()
}

const PERMIT: u8 = 0;
const DENY: u8 = 1;

fn pdp(integration: Integration) -> Pdp {
    Pdp::builder().integration(integration).build().unwrap()
}

fn request() -> Request {
    requests::builder("x", "pay", "r")
        .arguments(json!({ "amount": 5 }))
        .build(&RequestLimits::default())
        .unwrap()
}

fn candidate(decision: &Decision) -> &CandidateDecision {
    decision.candidate().expect("the candidate was asked")
}

/// The recorded decisions of a log, each with its time.
fn recorded(log: &Path) -> Vec<(Timestamp, Box<Decided>)> {
    let mut all = Vec::new();
    log::read(log, |_, _, _, entry| {
        match entry.event {
            Event::Decision(decided) => all.push((entry.at, decided)),
            Event::Quarantine(it) => panic!("a candidate in quarantine is not recorded: {it:?}"),
            _ => {}
        }
        Ok(())
    })
    .unwrap();
    all
}

#[test]
fn a_decision_is_the_same_with_every_candidate_as_without_one() {
    let folder = tempfile::tempdir().unwrap();
    for enforced in ["permit", "requestable-deny", "wide", "oblige", "panic"] {
        let integration = || Integration::new("x").plugin(hostile(enforced, guests::patient()));
        let without = pdp(integration());
        let alone = without.evaluate(&request());
        assert_eq!(alone.candidate(), None);
        for instances in [Instances::Fresh, Instances::Reset] {
            for (behaviour, answers) in CANDIDATES {
                let file = folder
                    .path()
                    .join(format!("{enforced}-{behaviour}-{instances:?}.jsonl"));
                let with = integration()
                    .instances(instances)
                    .candidate(hostile(behaviour, limits(behaviour)), Some("hostile"));
                let with = Pdp::builder()
                    .integration(with)
                    .log(DecisionLog::open(LogOptions::new(&file)).unwrap())
                    .build()
                    .unwrap();
                let decision = with.evaluate(&request());
                let what = format!("{enforced} with {behaviour}");
                assert_eq!(decision.cause(), alone.cause(), "{what}");
                assert_eq!(decision.is_permit(), alone.is_permit(), "{what}");
                assert_eq!(decision.obligations(), alone.obligations(), "{what}");
                let [verdict] = &candidate(&decision).plugins[..] else {
                    panic!("{what}: one candidate");
                };
                let fault = verdict.fault.map(|fault| format!("{fault:?}"));
                // A machine without a processor for it ends a loop as `HostBusy`.
                let fault = fault.map(|it| it.replace("HostBusy", "Deadline"));
                let effect = verdict.effect.clone().or(fault);
                assert_eq!(effect.as_deref(), Some(answers), "{what}");
                // Byte for byte, as the host without the candidate decides at that time.
                let recorded = recorded(&file);
                let [(at, decided)] = &recorded[..] else {
                    panic!("{what}: one decision");
                };
                let again =
                    without.evaluate_again(&request(), *at, &decided.inputs, ListAsOf::Then);
                let mut expected = again.replayable();
                let mut found = decided.decision.clone();
                for decision in [&mut expected, &mut found] {
                    // It belongs to the way in which the plugin decides.
                    decision["context"]["plugins"][0]["peak-memory-bytes"] = json!(0);
                }
                assert_eq!(found, expected, "{what}");
                assert_eq!(decided.candidate.as_ref(), decision.candidate(), "{what}");
                assert_eq!(decided.id, decision.id().unwrap(), "{what}");
            }
        }
    }
}

#[test]
fn the_record_has_the_decision_with_the_candidates_in_place() {
    let two = || {
        Integration::new("x")
            .plugin(plugin("a", PERMIT))
            .plugin(plugin("b", DENY))
    };
    let decided = |integration: Integration| {
        let decision = pdp(integration).evaluate(&request());
        let would_be = candidate(&decision).clone();
        (would_be.cause, would_be.differs.join(" "))
    };
    let said = |cause: &str, differs: &str| (cause.to_owned(), differs.to_owned());
    // The plugin that denies is replaced, by one of the same name and by one of another.
    for name in ["b", "c"] {
        assert_eq!(
            decided(two().candidate(plugin(name, PERMIT), Some("b"))),
            said("permitted", "effect cause grant")
        );
    }
    // The other plugin goes on denying.
    assert_eq!(
        decided(two().candidate(plugin("a", PERMIT), Some("a"))),
        said("plugin-denied", "")
    );
    // An additional plugin cannot overrule a deny, and can deny.
    assert_eq!(
        decided(two().candidate(plugin("c", PERMIT), None)),
        said("plugin-denied", "")
    );
    let one = || Integration::new("x").plugin(plugin("a", PERMIT));
    assert_eq!(
        decided(one().candidate(plugin("c", DENY), None)),
        said("plugin-denied", "effect cause grant")
    );
    // Several candidates are in place together.
    let both = two()
        .candidate(plugin("a", DENY), Some("a"))
        .candidate(plugin("b", PERMIT), Some("b"));
    let decision = pdp(both).evaluate(&request());
    let would_be = candidate(&decision);
    assert_eq!(would_be.cause, "plugin-denied");
    let verdicts: Vec<_> = would_be
        .plugins
        .iter()
        .map(|it| (it.name.as_str(), it.effect.as_deref(), it.codes.join(" ")))
        .collect();
    assert_eq!(
        verdicts,
        [
            ("a", Some("deny"), "ok".to_owned()),
            ("b", Some("permit"), "ok".to_owned())
        ]
    );
}

#[test]
fn a_candidate_is_asked_for_live_decisions_that_reach_the_plugins() {
    let pdp = pdp(Integration::new("x")
        .plugin(plugin("a", PERMIT))
        .candidate(plugin("b", DENY), None));
    let now = Timestamp::now();
    assert!(pdp.evaluate(&request()).candidate().is_some());
    assert_eq!(pdp.evaluate_at(&request(), now).candidate(), None);
    let inputs = portcullis_host::Inputs::default();
    let again = pdp.evaluate_again(&request(), now, &inputs, ListAsOf::Then);
    assert_eq!(again.candidate(), None);
    let unknown = requests::request("y", "pay", "r");
    assert_eq!(pdp.evaluate(&unknown).candidate(), None);
}

#[test]
fn a_candidate_that_faults_repeatedly_is_not_called_and_no_plugin_is_quarantined() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("decisions.jsonl");
    // It is the same plugin as the enforced one, whose faults are its own.
    let source = PluginSource::new(guests::component("tests/guests/hostile").unwrap())
        .compile_in_process()
        .settings(json!({ "behaviour": "panic" }))
        .limits(guests::patient());
    let panics = std::sync::Arc::new(Plugin::load(&source).unwrap());
    let pdp = Pdp::builder()
        .integration(
            Integration::new("x")
                .plugin(plugin("a", PERMIT))
                .candidate(std::sync::Arc::clone(&panics), None),
        )
        .integration(Integration::new("y").plugin(panics))
        .quarantine(QuarantineRule {
            faults: 3,
            backoff: Duration::from_secs(3600),
            max_backoff: Duration::from_secs(3600),
        })
        .log(DecisionLog::open(LogOptions::new(&file)).unwrap())
        .build()
        .unwrap();
    let faults: Vec<_> = (0..5)
        .map(|_| {
            let decision = pdp.evaluate(&request());
            assert!(decision.is_permit());
            candidate(&decision).plugins[0].fault.unwrap()
        })
        .collect();
    let (trap, out) = (FaultKind::Trap, FaultKind::Quarantined);
    assert_eq!(faults, [trap, trap, trap, out, out]);
    assert_eq!(pdp.quarantined(), []);
    assert_eq!(recorded(&file).len(), 5);
    // The same plugin where it decides was called no time yet.
    let decision = pdp.evaluate(&requests::request("y", "pay", "r"));
    assert_eq!(decision.cause().as_str(), "plugin-trap");
}

#[test]
fn a_candidate_takes_the_place_of_one_plugin() {
    let a = || Integration::new("x").plugin(plugin("a", PERMIT));
    let built = |integration: Integration| Pdp::builder().integration(integration).build();
    let refused = |integration: Integration| {
        let error = built(integration).expect_err("no place for a candidate");
        assert!(matches!(error, PdpError::Candidate { .. }), "{error}");
        error.to_string()
    };
    let b = |replaces: Option<&str>| a().candidate(plugin("b", PERMIT), replaces);
    assert!(refused(b(Some("c"))).contains("no plugin of the integration"));
    assert!(refused(b(Some("A"))).contains("no plugin of the integration"));
    let same = a().candidate(plugin("a", PERMIT), None);
    assert!(refused(same).contains("replaces = \"a\""));
    let twice = b(Some("a")).candidate(plugin("c", PERMIT), Some("a"));
    assert!(refused(twice).contains("replaced already"));
    let alike = b(None).candidate(plugin("b", PERMIT), None);
    assert!(refused(alike).contains("same name"));
    for fine in [
        b(None),
        b(Some("a")),
        a().candidate(plugin("a", PERMIT), Some("a")),
        b(Some("a")).candidate(plugin("a", PERMIT), None),
    ] {
        assert!(built(fine).is_ok());
    }
}
