//! Properties of every decision: what is added can only narrow, and every way to ask gives the same answer.

use portcullis_host::{
    CompiledCache, Decision, Instances, Integration, Outcome, Pdp, Plugin, PluginSource, Request,
    RequestLimits, Timestamp,
};
use portcullis_tests::{guests, raw, requests};
use proptest::prelude::*;
use serde_json::json;
use std::sync::LazyLock;
use std::time::Duration;
use tempfile::TempDir;

const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);

/// Answer of a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// A permit for at most so many seconds and uses, with `/amount` at most so much.
    Permit {
        seconds: Option<u32>,
        uses: Option<u32>,
        amount: Option<u8>,
    },
    Deny,
    NotApplicable,
    Indeterminate,
    Trap,
}

impl Answer {
    const PERMIT: Self = Self::Permit {
        seconds: None,
        uses: None,
        amount: None,
    };

    fn is_permit(self) -> bool {
        matches!(self, Self::Permit { .. })
    }

    /// The component that gives this answer. Names of plugins in one integration differ.
    fn component(self, name: &str) -> Vec<u8> {
        let effect = match self {
            Self::Trap => return raw::trapping(name),
            Self::Permit { .. } => 0,
            Self::Deny => 1,
            Self::NotApplicable => 2,
            Self::Indeterminate => 3,
        };
        // One reason `ok` without message and fields, no obligations and no advice.
        let mut verdict = vec![effect, 1, 2, b'o', b'k', 0, 0, 0, 0];
        match self {
            Self::Permit {
                seconds,
                uses,
                amount,
            } => {
                verdict.push(1);
                match amount {
                    None => verdict.push(0),
                    Some(most) => {
                        let operand = most.to_string();
                        // One constraint: `/amount at-most N`.
                        verdict.extend([1, 7]);
                        verdict.extend(b"/amount");
                        verdict.extend([5, u8::try_from(operand.len()).unwrap()]);
                        verdict.extend(operand.bytes());
                    }
                }
                for bound in [seconds.map(|it| it * 1000), uses] {
                    match bound {
                        None => verdict.push(0),
                        Some(bound) => {
                            verdict.push(1);
                            varint(bound, &mut verdict);
                        }
                    }
                }
            }
            _ => verdict.push(0),
        }
        verdict.push(0);
        raw::named(name, &verdict)
    }
}

fn varint(mut number: u32, bytes: &mut Vec<u8>) {
    while number >= 0x80 {
        bytes.push(u8::try_from(number & 0x7f).unwrap() | 0x80);
        number >>= 7;
    }
    bytes.push(u8::try_from(number).unwrap());
}

/// The compiled plugins of all cases: there are few answers.
static CACHE: LazyLock<(TempDir, CompiledCache)> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let cache = CompiledCache::open(folder.path().join("cache")).unwrap();
    (folder, cache)
});

fn pdp(answers: &[Answer], instances: Instances) -> Pdp {
    let mut integration = Integration::new("x").instances(instances);
    for (index, answer) in answers.iter().enumerate() {
        let mut source = PluginSource::new(answer.component(&format!("plugin-{index}")))
            .compile_in_process()
            .limits(guests::patient())
            .cache(CACHE.1.clone());
        if instances == Instances::Reset {
            source = source.resettable();
        }
        integration = integration.plugin(Plugin::load(&source).unwrap());
    }
    Pdp::builder().integration(integration).build().unwrap()
}

fn request() -> Request {
    requests::builder("x", "pay", "r")
        .arguments(json!({ "amount": 5 }))
        .build(&RequestLimits::default())
        .unwrap()
}

fn decide(answers: &[Answer]) -> Decision {
    pdp(answers, Instances::Fresh).evaluate_at(&request(), NOW)
}

/// Bounds of a permit: expiry, uses and constraints; `None` for a deny.
fn bounds(decision: &Decision) -> Option<(Timestamp, Option<u64>, Vec<String>)> {
    match decision.outcome() {
        Outcome::Deny => None,
        Outcome::Permit(grant) => {
            let mut constraints: Vec<_> = grant
                .constraints()
                .iter()
                .map(ToString::to_string)
                .collect();
            constraints.sort();
            constraints.dedup();
            Some((grant.expires_at(), grant.remaining_uses(), constraints))
        }
    }
}

fn answer() -> impl Strategy<Value = Answer> {
    let bound = || prop_oneof![Just(None), Just(Some(1)), Just(Some(40)), Just(Some(4000))];
    let permit = (
        bound(),
        bound(),
        prop_oneof![Just(None), Just(Some(5_u8)), Just(Some(9)), Just(Some(4))],
    )
        .prop_map(|(seconds, uses, amount)| Answer::Permit {
            seconds,
            uses,
            amount,
        });
    prop_oneof![
        6 => permit,
        1 => Just(Answer::Deny),
        2 => Just(Answer::NotApplicable),
        1 => Just(Answer::Indeterminate),
        1 => Just(Answer::Trap),
    ]
}

fn answers() -> impl Strategy<Value = Vec<Answer>> {
    prop::collection::vec(answer(), 1..5)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_permit_needs_a_permit_and_nothing_else_than_permits(answers in answers()) {
        let decision = decide(&answers);
        let all = answers.iter().all(|it| it.is_permit() || *it == Answer::NotApplicable);
        let any = answers.iter().any(|it| it.is_permit());
        prop_assert!(!decision.is_permit() || (all && any), "{answers:?}");
        // The amount of the request is 5.
        let unmet = answers.iter().any(|it| matches!(it, Answer::Permit { amount: Some(4), .. }));
        prop_assert_eq!(decision.is_permit(), all && any && !unmet, "{:?}", answers);
    }

    #[test]
    fn a_further_plugin_never_adds_a_permit_to_a_deny_of_others(answers in answers(), more in answer()) {
        let before = decide(&answers);
        let after = decide(&[&answers[..], &[more]].concat());
        let silent = before.cause().as_str() == "not-applicable";
        if !before.is_permit() && !silent {
            prop_assert!(!after.is_permit(), "{answers:?} and {more:?}");
        }
        if matches!(more, Answer::Deny | Answer::Trap | Answer::Indeterminate) {
            prop_assert!(!after.is_permit());
        }
    }

    #[test]
    fn removing_a_permit_never_adds_one(answers in answers(), index in any::<prop::sample::Index>()) {
        let index = index.index(answers.len());
        prop_assume!(answers.len() > 1 && answers[index].is_permit());
        let unmet = matches!(answers[index], Answer::Permit { amount: Some(4), .. });
        let before = decide(&answers);
        let mut fewer = answers.clone();
        fewer.remove(index);
        // Without it, its own narrowing is gone too.
        prop_assert!(before.is_permit() || unmet || !decide(&fewer).is_permit(), "{answers:?} {index}");
    }

    #[test]
    fn a_further_permit_only_narrows(answers in answers(), more in answer()) {
        prop_assume!(more.is_permit());
        let (before, after) = (decide(&answers), decide(&[&answers[..], &[more]].concat()));
        if let (Some(before), Some(after)) = (bounds(&before), bounds(&after)) {
            prop_assert!(after.0 <= before.0);
            let uses = |uses: Option<u64>| uses.unwrap_or(u64::MAX);
            prop_assert!(uses(after.1) <= uses(before.1));
            prop_assert!(before.2.iter().all(|it| after.2.contains(it)));
        }
    }

    #[test]
    fn the_order_of_plugins_does_not_matter(answers in answers(), seed in any::<u64>()) {
        let mut other = answers.clone();
        let length = other.len() as u64;
        for index in 0..other.len() {
            other.swap(index, usize::try_from((seed >> index) % length).unwrap());
        }
        let (one, two) = (decide(&answers), decide(&other));
        prop_assert_eq!(bounds(&one), bounds(&two), "{:?} {:?}", answers, other);
        prop_assert_eq!(one.cause().kind(), two.cause().kind());
    }

    #[test]
    fn every_way_to_ask_gives_the_same_decision(answers in answers()) {
        let fresh = pdp(&answers, Instances::Fresh);
        let request = request();
        let json = request.to_authzen().to_string();
        let read = fresh.read_authzen(json.as_bytes()).unwrap();
        let dry = fresh.evaluate_at(&request, NOW);
        let expected = dry.replayable();
        let reset = pdp(&answers, Instances::Reset);
        for (way, decision) in [
            ("from JSON", fresh.evaluate_at(&read, NOW)),
            ("explained", fresh.explain_at(&request, NOW).0),
            ("again", fresh.evaluate_at(&request, NOW)),
            (
                "replayed",
                fresh.evaluate_again(&request, NOW, dry.inputs(), portcullis_host::ListAsOf::Then),
            ),
            ("reset", reset.evaluate_at(&request, NOW)),
            ("reset again", reset.evaluate_at(&request, NOW)),
        ] {
            prop_assert_eq!(&decision.replayable(), &expected, "{}", way);
        }
        let live = fresh.evaluate(&request);
        prop_assert_eq!(live.cause(), dry.cause());
        prop_assert_eq!(live.is_permit(), dry.is_permit());
        let authzen = fresh.evaluate_authzen(json.as_bytes());
        prop_assert_eq!(authzen.cause(), dry.cause());
    }
}

#[test]
fn the_answers_are_what_they_are_called() {
    assert!(decide(&[Answer::PERMIT]).is_permit());
    let decision = decide(&[Answer::Permit {
        seconds: Some(40),
        uses: Some(4000),
        amount: Some(9),
    }]);
    let (until, uses, constraints) = bounds(&decision).unwrap();
    assert_eq!(until, NOW.plus(Duration::from_secs(40)));
    assert_eq!(
        (uses, constraints),
        (Some(4000), vec!["/amount at-most 9".to_owned()])
    );
    for (answer, cause) in [
        (Answer::Deny, "plugin-denied"),
        (Answer::NotApplicable, "not-applicable"),
        (Answer::Indeterminate, "indeterminate"),
        (Answer::Trap, "plugin-trap"),
    ] {
        assert_eq!(decide(&[answer]).cause().as_str(), cause);
    }
}
