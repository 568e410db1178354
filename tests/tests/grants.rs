//! A grant is never worth more than what it rests on.

use portcullis_host::{
    Integration, Intents, Pdp, Principal, PrincipalKind, Request, RequestLimits, Resource,
    StoredIntent, Timestamp,
};
use portcullis_tests::guests;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);
const ROOT: &str = "spiffe://acme.example/root";
const LEAF: &str = "spiffe://acme.example/leaf";

fn after(seconds: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(seconds))
}

fn intent(id: &str, principal: &str, by: &str, ends: Timestamp, constraint: Value) -> Value {
    json!({
        "id": id, "purpose": "p", "principal": principal,
        "approved-by": { "who": by, "at": NOW.to_string() },
        "issued-at": NOW.to_string(), "expires-at": ends.to_string(),
        "allows": [{ "integration": "x", "action": "a", "resource": "r", "constraints": [constraint] }],
    })
}

#[test]
fn a_grant_ends_with_the_first_of_all_that_it_rests_on() {
    let cap = Duration::from_secs(300);
    for credential in [100, 200, 400] {
        for parent in [150, 250, 500] {
            for child in [50, 150, 250] {
                if child > parent {
                    continue;
                }
                let intents = Intents::default();
                let at_most = |most: u32| json!({ "path": "/n", "op": "at-most", "value": most });
                let root = intent("int-1", ROOT, "alice", after(parent), at_most(9));
                let root = intents.insert(root.to_string().as_bytes()).unwrap();
                let mut leaf = intent("int-2", LEAF, ROOT, after(child), at_most(5));
                leaf["parent"] = json!({ "id": "int-1", "digest": root.digest().to_string() });
                intents.insert(leaf.to_string().as_bytes()).unwrap();

                // The plugin permits for a year.
                let plugin = guests::hostile(json!({ "behaviour": "wide" }), guests::patient());
                let pdp = Pdp::builder()
                    .integration(Integration::new("x").max_grant_ttl(cap).plugin(plugin))
                    .intents(intents, [PrincipalKind::Agent])
                    .build()
                    .unwrap();
                let principal = Principal {
                    id: LEAF.into(),
                    kind: PrincipalKind::Agent,
                    credential_expires_at: Some(after(credential)),
                    ..Principal::default()
                };
                let resource = Resource {
                    id: "r".into(),
                    ..Resource::default()
                };
                let request = Request::builder("x", principal, "a", resource)
                    .arguments(json!({ "n": 5 }))
                    .intent(portcullis_host::Intent {
                        id: "int-2".into(),
                        ..Default::default()
                    })
                    .build(&RequestLimits::default())
                    .unwrap();
                let decision = pdp.evaluate_at(&request, NOW);
                let grant = decision.grant().expect("a permit");
                let first = cap.as_secs().min(credential).min(parent).min(child);
                assert_eq!(grant.expires_at(), after(first));
                let constraints: Vec<_> = grant
                    .constraints()
                    .iter()
                    .map(ToString::to_string)
                    .collect();
                assert_eq!(constraints, ["/n at-most 9", "/n at-most 5"]);
            }
        }
    }
}

/// One intent of a chain, as far as it differs from others.
#[derive(Debug, Clone)]
struct Link {
    action: &'static str,
    resource: &'static str,
    at_most: Option<u32>,
    begins: u64,
    ends: u64,
    denies: Option<&'static str>,
}

fn link() -> impl Strategy<Value = Link> {
    (
        prop::sample::select(vec!["a.x", "a.*", "*"]),
        prop::sample::select(vec!["o/r", "o/*", "**"]),
        prop::option::of(1_u32..8),
        0_u64..40,
        40_u64..400,
        prop::option::of(prop::sample::select(vec!["a.y", "b.*"])),
    )
        .prop_map(|(action, resource, at_most, begins, ends, denies)| Link {
            action,
            resource,
            at_most,
            begins,
            ends,
            denies,
        })
}

fn principal(place: usize) -> String {
    match place {
        0 => "alice".to_owned(),
        place => format!("spiffe://acme.example/{place}"),
    }
}

/// Takes up a chain of those links, if each is within the one before it. Their ids begin with
/// `name`.
fn chain(intents: &Intents, name: &str, links: &[Link]) -> Option<Vec<Arc<StoredIntent>>> {
    let mut chain: Vec<Arc<StoredIntent>> = Vec::new();
    for (place, link) in links.iter().enumerate() {
        let constraints: Vec<_> = link
            .at_most
            .iter()
            .map(|most| json!({ "path": "/n", "op": "at-most", "value": most }))
            .collect();
        let denies: Vec<_> = link
            .denies
            .iter()
            .map(|action| json!({ "integration": "x", "action": action, "resource": "**" }))
            .collect();
        let mut document = json!({
            "id": format!("{name}-{place}"), "purpose": "p", "principal": principal(place + 1),
            "approved-by": { "who": principal(place), "at": NOW },
            "issued-at": after(link.begins), "expires-at": after(link.ends),
            "allows": [{
                "integration": "x", "action": link.action, "resource": link.resource,
                "constraints": constraints,
            }],
            "denies": denies,
        });
        if let Some(parent) = chain.last() {
            let digest = parent.digest().to_string();
            document["parent"] = json!({ "id": parent.id, "digest": digest });
        }
        chain.push(intents.insert(document.to_string().as_bytes()).ok()?);
    }
    Some(chain)
}

#[test]
fn what_is_permitted_is_within_every_intent_of_its_chain_and_ends_with_the_first() {
    let plugin = guests::hostile(json!({ "behaviour": "wide" }), guests::patient());
    let intents = Intents::default();
    let pdp = Pdp::builder()
        .integration(Integration::new("x").plugin(plugin))
        .intents(intents.clone(), [PrincipalKind::Agent])
        .build()
        .unwrap();
    let mut runner = TestRunner::default();
    let (mut permits, mut denies) = (0, 0);
    let cases = (
        prop::collection::vec(link(), 1..4),
        prop::sample::select(vec!["a.x", "a.y", "b.x"]),
        prop::sample::select(vec!["o/r", "o/s", "p/r"]),
        0_u32..9,
        0_u64..100,
    );
    for case in 0..4000 {
        let (links, action, resource, n, at) = cases.new_tree(&mut runner).unwrap().current();
        let name = format!("int-{case}");
        let Some(chain) = chain(&intents, &name, &links) else {
            continue;
        };
        let asks = Principal {
            id: principal(links.len()),
            kind: PrincipalKind::Agent,
            credential_expires_at: Some(after(350)),
            ..Principal::default()
        };
        let resource = Resource {
            id: resource.into(),
            ..Resource::default()
        };
        let request = Request::builder("x", asks, action, resource)
            .arguments(json!({ "n": n }))
            .intent(portcullis_host::Intent {
                id: format!("{name}-{}", links.len() - 1),
                ..Default::default()
            })
            .build(&RequestLimits::default())
            .unwrap();
        let now = after(at);
        let within = |intent: &Arc<StoredIntent>| {
            intent.issued_at <= now
                && now < intent.expires_at
                && intent.allowance_for(&request).is_some()
        };
        let decision = pdp.evaluate_at(&request, now);
        let Some(grant) = decision.grant() else {
            assert!(
                !chain.iter().all(within),
                "{links:?} {request:?}: {decision:?}"
            );
            denies += 1;
            continue;
        };
        permits += 1;
        for intent in &chain {
            assert!(within(intent), "{links:?} {request:?}");
            assert!(grant.expires_at() <= intent.expires_at);
        }
        assert!(grant.expires_at() <= after(350));
        let held = chain
            .iter()
            .flat_map(|intent| &intent.allows[0].constraints);
        for constraint in held {
            assert!(grant.constraints().contains(constraint));
        }
    }
    assert!(
        permits > 100 && denies > 100,
        "{permits} permits, {denies} denies"
    );
}
