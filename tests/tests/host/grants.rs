//! A grant never outlasts its inputs.

use portcullis_host::{
    Integration, Intents, Pdp, Principal, PrincipalKind, Request, RequestLimits, Resource,
    Timestamp,
};
use portcullis_tests::guests;
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
        "allows": [{ "integration": "x", "action": "a", "resource": "r", "arguments": "open", "constraints": [constraint] }],
    })
}

#[test]
fn a_grant_ends_with_the_first_of_all_that_it_rests_on() {
    let cap = Duration::from_secs(300);
    // The plugin permits for a year.
    let plugin = guests::hostile(json!({ "behaviour": "wide" }), guests::patient());
    let plugin = Arc::new(plugin);
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

                let integration = Integration::new("x").max_grant_ttl(cap);
                let pdp = Pdp::builder()
                    .integration(integration.plugin(Arc::clone(&plugin)))
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
