//! The Rego plugin in its sandbox gives the verdict that its README promises for the native engine's value.
//!
//! The effect and every reason are compared, including those of errors.

use portcullis_differential::asked::Asked;
use portcullis_differential::rego::{Answer, Native, POLICIES};
use portcullis_differential::sandbox;
use portcullis_tests::random::Random;

const SEED: u64 = 20_261_124;
const REQUESTS_OF_A_POLICY: usize = 60;

/// Minimum share in percent of each kind of answer.
const REAL_SHARE: usize = 4;

/// Number of answers of each kind.
#[derive(Debug, Default)]
struct Tally {
    requests: usize,
    permits: usize,
    denies: usize,
    undefined: usize,
    unanswered: usize,
}

impl Tally {
    fn count(&mut self, answer: &Answer) {
        self.requests += 1;
        let is_undefined = answer.reasons.iter().any(|(code, _)| code == "undefined");
        match answer.effect.as_str() {
            _ if answer.is_unanswered() => self.unanswered += 1,
            "permit" => self.permits += 1,
            "deny" if is_undefined => self.undefined += 1,
            "deny" => self.denies += 1,
            _ => {}
        }
    }
}

#[test]
fn the_plugin_decides_as_the_native_engine() {
    let mut random = Random::seeded(SEED);
    let mut tally = Tally::default();
    for (number, text) in POLICIES.iter().enumerate() {
        let plugin = sandbox::load("rego", text.settings())
            .unwrap_or_else(|error| panic!("{}: {error:#}", text.about));
        let native = Native::of(text);
        for _ in 0..REQUESTS_OF_A_POLICY {
            let asked = Asked::drawn(&mut random);
            let expected = native.answer(&asked);
            let found = sandbox::judge(&plugin, &asked).map(|verdict| Answer::of(&verdict));
            match found {
                Ok(found) if found == expected => tally.count(&expected),
                found => panic!(
                    "{}: the plugin says\n{found:#?}\nand the engine\n{expected:#?}\nto\n{asked:#?}\nof\n{text:#?}",
                    text.about
                ),
            }
        }
        let done = number + 1;
        sandbox::report(&format!(
            "rego: {done} of {} policies, {tally:?}",
            POLICIES.len()
        ));
    }
    assert!(tally.requests >= 1_000, "{tally:?}");
    for kind in [
        tally.permits,
        tally.denies,
        tally.undefined,
        tally.unanswered,
    ] {
        assert!(kind * 100 >= tally.requests * REAL_SHARE, "{tally:?}");
    }
}
