//! Organisations with types, namespaces, entities in context and extension values of their own.
//!
//! Each request is sent as a gateway sends it. The Cedar plugin in its sandbox agrees with the native engine,
//! or refuses the request with a code.

use portcullis_differential::asked::INTEGRATION;
use portcullis_differential::cedar::{Answer, Expected, Organisation, OwnRequest};
use portcullis_differential::sandbox;
use portcullis_host::{ActionClass, Effect, Plugin, Request, RequestLimits, Timestamp};
use portcullis_tests::random::Random;
use std::collections::BTreeMap;

const SEED: u64 = 20_261_126;
const ORGANISATIONS: usize = 40;
const REQUESTS_OF_EACH: usize = 150;

/// The result of a request.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    /// Decision, determining policies and errors are the engine's.
    Agrees(&'static str),
    /// The engine's readers refuse it, and the plugin refuses it with this code.
    BothRefuse(String),
    /// The host refuses it, and names this place.
    RefusedByHost(String),
    /// The engine decides it, and the plugin refuses it with this code.
    RefusedByPlugin(String),
}

#[test]
fn every_request_is_decided_as_natively_or_refused_by_name() {
    let mut random = Random::seeded(SEED);
    let mut counts: BTreeMap<Outcome, usize> = BTreeMap::new();
    let mut loaded = Loaded::default();
    for number in 0..ORGANISATIONS {
        let mut organisation = Organisation::drawn(number, &mut random);
        let plugin = load(&mut organisation, &mut loaded)
            .unwrap_or_else(|error| panic!("organisation {number}: {error:#}\n{organisation:#?}"));
        let expected = Expected::of(&organisation);
        for _ in 0..REQUESTS_OF_EACH {
            let request = organisation.request(&mut random);
            let answer = expected.answer(&request);
            let outcome = outcome(&plugin, &request, answer.as_ref());
            let outcome = outcome.unwrap_or_else(|error| {
                panic!(
                    "organisation {number}: {error:#}\nthe engine says\n{answer:#?}\nto\n{request:#?}\nof\n{organisation:#?}"
                )
            });
            *counts.entry(outcome).or_default() += 1;
        }
        sandbox::report(&format!(
            "cedar: {} of {ORGANISATIONS} organisations, {loaded:?}, {counts:?}",
            number + 1
        ));
    }
    let total: usize = counts.values().sum();
    assert!(total >= 5_000, "{counts:?}");
    for kind in ["permitted", "forbidden", "not permitted", "with errors"] {
        let many = counts[&Outcome::Agrees(kind)];
        assert!(many * 100 >= total * 3, "{kind}: {counts:?}");
    }
    assert!(loaded.held_to_the_schema >= 3, "{loaded:?}");
    // The plugin refuses requests that the engine decides with one code only.
    for outcome in counts.keys() {
        if let Outcome::RefusedByPlugin(code) = outcome {
            assert_eq!(code, "type-unmatched", "{counts:?}");
        }
    }
}

/// Numbers of loaded policy sets.
#[derive(Debug, Default)]
struct Loaded {
    held_to_the_schema: usize,
    as_they_are: usize,
    /// Number of sets that were refused first and then loaded without validation.
    refused: usize,
}

/// Loads the organisation.
///
/// Policies that no request can meet are refused first. The error names the setting that loads them anyway.
fn load(organisation: &mut Organisation, loaded: &mut Loaded) -> anyhow::Result<Plugin> {
    if organisation.validates_policies {
        match sandbox::load("cedar", organisation.settings()) {
            Ok(plugin) => {
                loaded.held_to_the_schema += 1;
                return Ok(plugin);
            }
            Err(error) => {
                let message = format!("{error:#}");
                anyhow::ensure!(message.contains("`validate-policies = false`"), "{message}");
                organisation.validates_policies = false;
                loaded.refused += 1;
            }
        }
    }
    loaded.as_they_are += 1;
    sandbox::load("cedar", organisation.settings())
}

fn outcome(
    plugin: &Plugin,
    request: &OwnRequest,
    expected: Option<&Answer>,
) -> anyhow::Result<Outcome> {
    let json = request.authzen(INTEGRATION).to_string();
    let read = match Request::from_authzen(json.as_bytes(), &RequestLimits::default()) {
        Ok(read) => read,
        Err(error) => {
            let message = error.to_string();
            let at = message.split('`').nth(1).unwrap_or_default();
            return Ok(Outcome::RefusedByHost(at.to_owned()));
        }
    };
    let clock = Timestamp::from_millis(1_795_000_000_000);
    let verdict = sandbox::judge_request(plugin, &read, ActionClass::Unclassified, clock)?;
    if verdict.effect == Effect::Indeterminate {
        let code = verdict.reasons[0].code.clone();
        anyhow::ensure!(code != "policy-error", "{verdict:?}");
        return Ok(match expected {
            None => Outcome::BothRefuse(code),
            Some(_) => Outcome::RefusedByPlugin(code),
        });
    }
    let found = Answer::of(&verdict)?;
    let Some(expected) = expected else {
        anyhow::bail!("the plugin decides what the engine refuses: {found:#?}");
    };
    anyhow::ensure!(found == *expected, "the plugin says {found:#?}");
    Ok(Outcome::Agrees(
        match (&expected.errors, expected.allowed) {
            (errors, _) if !errors.is_empty() => "with errors",
            (_, true) => "permitted",
            (_, false) if expected.determining.is_empty() => "not permitted",
            (_, false) => "forbidden",
        },
    ))
}
