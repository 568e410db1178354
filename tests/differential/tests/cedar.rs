//! The Cedar plugin in its sandbox agrees with the native engine on every request.
//!
//! The decision, the determining policies, and the failed policies with their messages are compared.

use portcullis_differential::asked::Asked;
use portcullis_differential::cedar::{Answer, Native, PolicyText};
use portcullis_differential::sandbox;
use portcullis_host::Effect;
use portcullis_tests::random::Random;
use serde_json::json;

const SEED: u64 = 20_261_124;
const SETS: usize = 100;
const REQUESTS_OF_A_SET: usize = 56;

/// Minimum share in percent of each kind of answer.
const REAL_SHARE: usize = 5;

/// Number of answers of each kind.
#[derive(Debug, Default)]
struct Tally {
    requests: usize,
    permits: usize,
    forbidden: usize,
    undetermined: usize,
    erring: usize,
    /// Refused requests: Cedar's JSON reads an argument as an entity or an extension value.
    escapes: usize,
}

impl Tally {
    fn count(&mut self, answer: &Answer) {
        self.requests += 1;
        match (answer.allowed, answer.determining.is_empty()) {
            (true, _) => self.permits += 1,
            (false, false) => self.forbidden += 1,
            (false, true) => self.undetermined += 1,
        }
        if !answer.errors.is_empty() {
            self.erring += 1;
        }
    }
}

#[test]
fn the_plugin_decides_as_the_native_engine() {
    let mut random = Random::seeded(SEED);
    let mut tally = Tally::default();
    for number in 0..SETS {
        let text = PolicyText::drawn(number, &mut random);
        let plugin = sandbox::load("cedar", text.settings())
            .unwrap_or_else(|error| panic!("set {number}: {error:#}\n{text}"));
        let native = Native::of(&text);
        for _ in 0..REQUESTS_OF_A_SET {
            let asked = Asked::drawn(&mut random);
            if makes_an_entity(&asked) {
                is_refused_by_name(&plugin, &asked);
                tally.escapes += 1;
                continue;
            }
            let expected = native.answer(&asked);
            let found = sandbox::judge(&plugin, &asked).and_then(|verdict| Answer::of(&verdict));
            match found {
                Ok(found) if found == expected => tally.count(&expected),
                found => panic!(
                    "set {number}: the plugin says\n{found:#?}\nand the engine\n{expected:#?}\nto\n{asked:#?}\nof\n{text}"
                ),
            }
        }
        has_no_type_for_a_fraction(&plugin, &mut random);
        sandbox::report(&format!("cedar: {} of {SETS} sets, {tally:?}", number + 1));
    }
    assert!(tally.requests >= 5_000 && tally.escapes > 0, "{tally:?}");
    for kind in [
        tally.permits,
        tally.forbidden,
        tally.undetermined,
        tally.erring,
    ] {
        assert!(kind * 100 >= tally.requests * REAL_SHARE, "{tally:?}");
    }
}

fn makes_an_entity(asked: &Asked) -> bool {
    let holder = asked.arguments.get("holder");
    holder.is_some_and(|it| it.get("__entity").is_some() || it.get("__extn").is_some())
}

fn is_refused_by_name(plugin: &portcullis_host::Plugin, asked: &Asked) {
    let verdict = sandbox::judge(plugin, asked).expect("a verdict");
    assert_eq!(verdict.effect, Effect::Indeterminate, "{verdict:?}");
    let reason = &verdict.reasons[0];
    assert_eq!(reason.code, "escape-in-arguments", "{verdict:?}");
    assert!(
        reason.evidence[0].starts_with("/action/arguments/holder/__"),
        "{verdict:?}"
    );
}

/// A request that the native engine cannot represent is indeterminate, whatever the policies.
fn has_no_type_for_a_fraction(plugin: &portcullis_host::Plugin, random: &mut Random) {
    for value in [json!(0.5), json!([{ "a": null }])] {
        let mut asked = Asked::drawn(random);
        asked.arguments.remove("holder");
        asked.arguments.insert("ratio".to_owned(), value);
        let verdict = sandbox::judge(plugin, &asked).expect("a verdict");
        assert_eq!(verdict.effect, Effect::Indeterminate, "{verdict:?}");
        assert_eq!(verdict.reasons[0].code, "not-representable", "{verdict:?}");
        assert!(
            verdict.reasons[0].evidence[0].starts_with("/action/arguments/ratio"),
            "{verdict:?}"
        );
    }
}
