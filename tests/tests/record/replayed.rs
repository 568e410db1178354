//! A replay of recorded decisions decides each the same way.

use super::config;
use portcullis_host::log::{self, DecisionLog, Event, LogOptions};
use portcullis_host::state::{EmbeddedState, Seen, SpendError, State, StateError, Use};
use portcullis_host::{
    Cause, Identity, Integration, Intent, Intents, ListAsOf, OnStale, Pdp, PostureRule, Postures,
    Principal, PrincipalKind, QuarantineRule, Registry, Request, RequestLimits, Resource,
    Revocations, Timestamp, revocation,
};
use portcullis_tests::guests;
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// Number of registered agents. Each has an intent.
const AGENTS: u32 = 8;

fn agent(number: u32) -> String {
    format!("spiffe://acme.example/agent/{number}")
}

fn registry() -> Registry {
    let mut registry = Registry::default();
    for number in 0..AGENTS {
        registry.insert(Identity {
            id: agent(number).into(),
            kind: PrincipalKind::Agent,
            owner: "team@acme.example".into(),
            purpose: "p".into(),
            environment: "prod".into(),
            expires: Timestamp::now().plus(Duration::from_secs(24 * 3600)),
            max_credential_lifetime: Duration::from_secs(3600),
            integrations: ["permits", "tells", "faults"].map(Arc::<str>::from).into(),
            workload_digest: None,
            shared: None,
        });
    }
    registry
}

/// Returns an intent for each agent, with fewer uses than there are requests.
fn intents() -> Intents {
    let intents = Intents::default();
    // The same times at each call, so that the digests are equal.
    let (from, to) = ("2026-01-01T00:00:00Z", "2099-01-01T00:00:00Z");
    for number in 0..AGENTS {
        let allows = ["permits", "tells", "faults"].map(|integration| {
            json!({
                "integration": integration, "action": "a", "resource": "**",
                "arguments": { "required": ["/number"], "optional": ["/text", "/half"] },
                "constraints": [{ "path": "/number", "op": "at-most", "value": 9900 }],
            })
        });
        let intent = json!({
            "id": format!("int-{number}"), "purpose": "p", "principal": agent(number),
            "approved-by": { "who": "alice@acme.example", "at": from },
            "issued-at": from, "expires-at": to, "max-uses": 300, "allows": allows,
        });
        intents.insert(intent.to_string().as_bytes()).unwrap();
    }
    intents
}

/// Writes a posture file with six destinations, whose health is `health`.
fn see(file: &Path, health: &str) {
    let destinations: Vec<_> = (0..6)
        .map(|number| {
            let id = format!("r{number}");
            json!({ "id": id, "health": health, "observed-at": Timestamp::now() })
        })
        .collect();
    let postures = json!({ "destinations": destinations });
    fs::write(file, postures.to_string()).unwrap();
}

#[test]
fn ten_thousand_recorded_decisions_are_decided_the_same_again() {
    let folder = TempDir::new().unwrap();
    let [path, list, seen] = ["decisions.jsonl", "revocations.jsonl", "posture.json"]
        .map(|name| folder.path().join(name));
    revocation::append(&list, None, Timestamp::now()).unwrap();
    see(&seen, "healthy");
    let pdp = |log| {
        let plugin =
            |behaviour: &str| guests::hostile(json!({ "behaviour": behaviour }), guests::patient());
        let rule = PostureRule {
            max_age: Duration::from_secs(3600),
            weaknesses: Vec::new(),
            otherwise: OnStale::Deny,
        };
        let tells = Integration::new("tells").posture(rule);
        let builder = Pdp::builder()
            // A quarantine depends on the decisions before, and is not replayed.
            .quarantine(QuarantineRule {
                faults: 0,
                ..QuarantineRule::default()
            })
            .integration(Integration::new("permits").plugin(plugin("permit")))
            .integration(tells.plugin(plugin("tell")))
            .integration(Integration::new("faults").plugin(plugin("no-reason")))
            .registry(registry())
            .revocations(Revocations::follow(&list, Duration::from_secs(3600)).unwrap())
            .intents(intents(), [PrincipalKind::Agent])
            .postures(Postures::from_file(&seen).unwrap())
            .state(Arc::new(EmbeddedState::in_memory(Duration::from_secs(
                3600,
            ))));
        match log {
            Some(log) => builder.log(log),
            None => builder,
        }
        .build()
        .unwrap()
    };
    let revoke = |kind: revocation::Revocable, id: String| {
        let revoked = revocation::Revoked {
            kind,
            id,
            reason: "it leaked".into(),
            by: "alice@acme.example".into(),
        };
        revocation::append(&list, Some(revoked), Timestamp::now()).unwrap();
    };
    let log = LogOptions {
        durability: log::Durability::Buffered,
        max_file_bytes: 1 << 20,
        ..LogOptions::new(&path)
    };
    let recording = pdp(Some(DecisionLog::open(log).unwrap()));
    for number in 0..10_000_u32 {
        if number == 3000 {
            revoke(revocation::Revocable::Principal, agent(2));
            recording.revocations().unwrap().refresh();
        }
        let integration = ["permits", "tells", "faults", "none"][number as usize % 4];
        // One more than the number of agents.
        let asks = number % (AGENTS + 1);
        // Some credentials were presented by another instance before.
        let (credential, instance) = match number % 20 {
            0 => (
                format!("jti-shared-{asks}"),
                format!("pod-{}", number / 20 % 2),
            ),
            _ => (format!("jti-{number}"), "pod-0".to_owned()),
        };
        let now = Timestamp::now();
        let principal = Principal {
            id: agent(asks),
            credential_id: credential,
            instance,
            credential_issued_at: Some(now),
            credential_expires_at: Some(now.plus(Duration::from_secs(600))),
            ..Principal::default()
        };
        let resource = Resource {
            id: format!("r{}", number % 7),
            ..Resource::default()
        };
        let request = Request::builder(integration, principal, "a", resource)
            .arguments(json!({ "number": number, "text": "é\u{1f600}\n", "half": 0.5 }))
            .context("visible", json!({ "deep": [number] }))
            .intent(Intent {
                id: format!("int-{asks}"),
                ..Intent::default()
            })
            .build(&RequestLimits::default())
            .unwrap();
        let _recorded = recording.evaluate(&request);
    }
    drop(recording);

    // The inputs of the decisions have changed, and only the log has the old ones.
    see(&seen, "compromised");
    for number in 0..AGENTS {
        revoke(revocation::Revocable::Principal, agent(number));
    }
    let again = pdp(None);
    let (mut decided, mut others) = (0, 0);
    let mut causes: BTreeMap<String, u32> = BTreeMap::new();
    log::read(&path, |_, _, _, entry| {
        let Event::Decision(recorded) = &entry.event else {
            others += 1;
            return Ok(());
        };
        let request = recorded.request().unwrap();
        let now = again.evaluate_again(&request, entry.at, &recorded.inputs, ListAsOf::Then);
        let now = now.replayable();
        assert_eq!(
            now.to_string(),
            recorded.decision.to_string(),
            "decision {}",
            entry.sequence
        );
        decided += 1;
        let cause = recorded.cause().unwrap().to_owned();
        *causes.entry(cause).or_default() += 1;
        Ok(())
    })
    .unwrap();
    assert_eq!(decided, 10_000);
    assert_eq!(log::verify(&path).unwrap().entries, 10_000 + others);
    for cause in [
        "permitted",
        "unknown-integration",
        "principal-unregistered",
        "credential-cloned",
        "revoked",
        "intent-used-up",
        "outside-intent",
        "destination-unfit",
        "plugin-output-invalid",
    ] {
        let times = causes.get(cause).copied().unwrap_or(0);
        assert!(times >= 20, "{cause}: {causes:?}");
    }
}

#[test]
fn what_was_counted_seen_and_revoked_then_is_decided_the_same_again() {
    let folder = TempDir::new().unwrap();
    config(folder.path());
    let file = folder.path().join("portcullis.toml");
    let with = |text: &str| {
        format!(
            "{text}\ndestinations = {{ path = \"posture.json\" }}\nrevocation = {{ path = \"revocations.jsonl\", max-staleness = \"1h\" }}\n"
        )
    };
    let text = fs::read_to_string(&file).unwrap();
    let (tops, integration) = text.split_once("[[integration]]").unwrap();
    let integration = integration.replace(
        "name = \"x\"",
        "name = \"x\"\ndestination = { max-age = \"1h\" }",
    );
    fs::write(
        &file,
        format!("{}\n[[integration]]{integration}", with(tops)),
    )
    .unwrap();
    let seen = |health: &str| {
        let destination = json!({ "id": "r", "health": health, "observed-at": Timestamp::now() });
        let postures = json!({ "destinations": [destination] });
        fs::write(folder.path().join("posture.json"), postures.to_string()).unwrap();
    };
    seen("healthy");
    // Two uses are left at the third request.
    let intent = folder.path().join("intents/int-1.json");
    let document = fs::read_to_string(&intent).unwrap();
    fs::write(&intent, document.replace("2000", "4")).unwrap();
    let list = folder.path().join("revocations.jsonl");
    revocation::append(&list, None, Timestamp::now()).unwrap();
    let pdp = Pdp::from_file(&file).unwrap();
    let ask = |credential: &str, instance: &str| {
        let principal = Principal {
            id: "spiffe://acme.example/a".into(),
            credential_id: credential.into(),
            instance: instance.into(),
            ..Principal::default()
        };
        let resource = Resource {
            id: "r".into(),
            ..Resource::default()
        };
        let request = Request::builder("x", principal, "a", resource)
            .intent(Intent {
                id: "int-1".into(),
                ..Intent::default()
            })
            .build(pdp.request_limits())
            .unwrap();
        pdp.evaluate(&request).cause().as_str()
    };
    let mut causes = vec![
        ask("jti-1", "pod-1"),
        ask("jti-2", "pod-1"),
        ask("jti-2", "pod-2"),
    ];
    causes.extend([
        ask("jti-1", "pod-1"),
        ask("jti-3", "pod-1"),
        ask("jti-3", "pod-1"),
    ]);
    let leaked = revocation::Revoked {
        kind: revocation::Revocable::Credential,
        id: "jti-1".into(),
        reason: "leaked".into(),
        by: "alice@acme.example".into(),
    };
    revocation::append(&list, Some(leaked), Timestamp::now()).unwrap();
    pdp.revocations().unwrap().refresh();
    causes.push(ask("jti-1", "pod-1"));
    assert_eq!(
        causes,
        [
            "permitted",
            "permitted",
            "credential-cloned",
            "permitted",
            "permitted",
            "intent-used-up",
            "revoked"
        ]
    );
    drop(pdp);

    // The destination is compromised since, and the state is missing.
    seen("compromised");
    fs::remove_file(folder.path().join("state.redb")).unwrap();
    let again = portcullis_host::config::check(&file).pdp.unwrap();
    let decide = |list: ListAsOf| {
        let (mut recorded, mut now) = (Vec::new(), Vec::new());
        log::read(&folder.path().join("decisions.jsonl"), |_, _, _, entry| {
            if let Event::Decision(decided) = &entry.event {
                let request = decided.request().unwrap();
                let decision = again.evaluate_again(&request, entry.at, &decided.inputs, list);
                recorded.push(decided.decision.to_string());
                now.push((decision.cause().as_str(), decision.replayable().to_string()));
            }
            Ok(())
        })
        .unwrap();
        (recorded, now)
    };
    let (recorded, then) = decide(ListAsOf::Then);
    let texts: Vec<_> = then.into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts, recorded);
    let (_, now) = decide(ListAsOf::Now);
    let causes: Vec<_> = now.iter().map(|(cause, _)| *cause).collect();
    assert_eq!(
        causes,
        [
            "revoked",
            "permitted",
            "credential-cloned",
            "revoked",
            "permitted",
            "intent-used-up",
            "revoked"
        ]
    );
}

/// A state in which nothing can be spent: because of concurrent updates, or because of the disk.
#[derive(Debug)]
struct Unspendable {
    others_are_faster: bool,
}

impl State for Unspendable {
    fn spent(&self, _: &str) -> Result<u64, StateError> {
        Ok(7)
    }

    fn spend(&self, uses: &[Use], _: Timestamp) -> Result<(), SpendError> {
        assert_eq!(uses.len(), 1);
        if self.others_are_faster {
            return Err(SpendError::UsedUp(uses[0].key.clone()));
        }
        Err(SpendError::State(StateError::Store {
            file: "state.redb".into(),
            message: "no space left".into(),
        }))
    }

    fn seen_elsewhere(&self, _: &Seen<'_>) -> Result<Option<String>, StateError> {
        Ok(None)
    }

    fn raise_mark(&self, _: &str, to: u64) -> Result<u64, StateError> {
        Ok(to)
    }

    fn keep_intent(&self, _: &str, _: &[u8]) -> Result<(), StateError> {
        Ok(())
    }

    fn kept_intents(&self) -> Result<Vec<Vec<u8>>, StateError> {
        Ok(Vec::new())
    }
}

#[test]
fn what_could_not_be_spent_is_decided_the_same_again() {
    for others_are_faster in [true, false] {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("decisions.jsonl");
        let intents = Intents::default();
        let now = Timestamp::now();
        let intent = json!({
            "id": "int-1", "purpose": "p", "principal": "spiffe://acme.example/a", "max-uses": 10,
            "approved-by": { "who": "alice@acme.example", "at": now },
            "issued-at": now, "expires-at": now.plus(Duration::from_secs(3600)),
            "allows": [{ "integration": "x", "action": "a", "resource": "**", "arguments": "open" }],
        });
        intents.insert(intent.to_string().as_bytes()).unwrap();
        let pdp = |state: Arc<dyn State>| {
            let permits = guests::hostile(json!({ "behaviour": "permit" }), guests::patient());
            Pdp::builder()
                .integration(Integration::new("x").plugin(permits))
                .intents(intents.clone(), [])
                .state(state)
        };
        let log = DecisionLog::open(LogOptions::new(&path)).unwrap();
        let recording = pdp(Arc::new(Unspendable { others_are_faster }));
        let recording = recording.log(log).build().unwrap();
        let principal = Principal {
            id: "spiffe://acme.example/a".into(),
            ..Principal::default()
        };
        let resource = Resource {
            id: "r".into(),
            ..Resource::default()
        };
        let request = Request::builder("x", principal, "a", resource)
            .intent(Intent {
                id: "int-1".into(),
                ..Intent::default()
            })
            .build(&RequestLimits::default())
            .unwrap();
        let decision = recording.evaluate(&request);
        assert_eq!(decision.cause(), Cause::StateUnavailable);
        assert!(recording.evaluate_at(&request, now).is_permit());
        drop(recording);

        let state = EmbeddedState::in_memory(Duration::from_secs(60));
        let again = pdp(Arc::new(state)).build().unwrap();
        let mut decided = 0;
        log::read(&path, |_, _, _, entry| {
            if let Event::Decision(recorded) = &entry.event {
                let request = recorded.request().unwrap();
                let inputs = &recorded.inputs;
                let now = again.evaluate_again(&request, entry.at, inputs, ListAsOf::Then);
                assert_eq!(now.replayable().to_string(), recorded.decision.to_string());
                decided += 1;
            }
            Ok(())
        })
        .unwrap();
        assert_eq!(decided, 1);
    }
}

#[test]
fn a_deny_is_recorded_with_the_revocations_that_it_was_made_with() {
    let folder = TempDir::new().unwrap();
    let (path, list) = (
        folder.path().join("decisions.jsonl"),
        folder.path().join("revocations.jsonl"),
    );
    let revoked = revocation::Revoked {
        kind: revocation::Revocable::Credential,
        id: "jti-1".into(),
        reason: "leaked".into(),
        by: "alice@acme.example".into(),
    };
    revocation::append(&list, Some(revoked), Timestamp::now()).unwrap();
    let plugin = guests::hostile(json!({ "behaviour": "permit" }), guests::patient());
    let pdp = Pdp::builder()
        .integration(Integration::new("x").plugin(plugin))
        .revocations(Revocations::follow(&list, Duration::from_secs(60)).unwrap())
        .log(DecisionLog::open(LogOptions::new(&path)).unwrap())
        .build()
        .unwrap();
    for credential in ["jti-1", "jti-2"] {
        let principal = Principal {
            id: "agent-x".into(),
            credential_id: credential.into(),
            ..Principal::default()
        };
        let request = Request::builder("x", principal, "a", Resource::default())
            .build(&RequestLimits::default())
            .unwrap();
        assert_eq!(pdp.evaluate(&request).is_permit(), credential == "jti-2");
    }
    // A revocation from before the log existed is recorded, and so is the epoch at which the host starts.
    // Every other line has the digest of the list.
    let (mut epochs, mut digests) = (Vec::new(), Vec::new());
    let mut revoked_before = 0;
    log::read(&path, |_, _, _, entry| {
        let (epoch, digest) = match entry.event {
            Event::Decision(decided) => {
                let seen = decided.inputs.revocation.unwrap();
                (seen.epoch, seen.digest)
            }
            Event::Revocation {
                epoch,
                revoked: Some(revoked),
                ..
            } => {
                assert_eq!((revoked.id.as_str(), epochs.len()), ("jti-1", 0));
                revoked_before += 1;
                (epoch, None)
            }
            Event::Revocation { epoch, digest, .. } => (epoch, digest),
            other => panic!("there are no intents: {other:?}"),
        };
        epochs.push(epoch);
        digests.extend(digest);
        Ok(())
    })
    .unwrap();
    assert_eq!((epochs.as_slice(), revoked_before), (&[1, 1, 1, 1][..], 1));
    assert_eq!(digests.len(), 3);
    assert!(digests.iter().all(|digest| *digest == digests[0]));
}
