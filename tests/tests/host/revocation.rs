//! Revoked items are denied, whatever their kind and whenever the host reads the revocation.
//!
//! An intent that was added while a host ran is accepted after a restart.

use portcullis_host::log::{self, DecisionLog, Event, LogOptions};
use portcullis_host::revocation::{self, Revocable, Revoked};
use portcullis_host::state::{EmbeddedState, Seen, SpendError, State, StateError, Use};
use portcullis_host::{
    Cause, Digest, Integration, Intent, IntentError, Intents, ListAsOf, Pdp, Plugin, Principal,
    PrincipalKind, Request, RequestLimits, Resource, Revocations, Timestamp,
};
use portcullis_tests::guests;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;

const AGENT: &str = "spiffe://acme.example/a";

fn plugin() -> Plugin {
    guests::hostile(json!({ "behaviour": "permit" }), guests::patient())
}

fn revoked(kind: Revocable, id: &str) -> Revoked {
    Revoked {
        kind,
        id: id.into(),
        reason: "it leaked".into(),
        by: "alice@acme.example".into(),
    }
}

fn list(folder: &Path) -> PathBuf {
    let list = folder.join("revocations.jsonl");
    revocation::append(&list, None, Timestamp::now()).unwrap();
    list
}

fn intent(id: &str) -> Value {
    let now = Timestamp::now();
    json!({
        "id": id, "purpose": "p", "principal": AGENT, "max-uses": 100,
        "approved-by": { "who": "alice@acme.example", "at": now },
        "issued-at": now, "expires-at": now.plus(Duration::from_secs(3600)),
        "allows": [{ "integration": "x", "action": "a", "resource": "r", "arguments": {} }],
    })
}

fn request(integration: &str, intent: &str) -> Request {
    let principal = Principal {
        id: AGENT.into(),
        kind: PrincipalKind::Agent,
        credential_id: "jti-1".into(),
        ..Principal::default()
    };
    let resource = Resource {
        id: "r".into(),
        ..Resource::default()
    };
    Request::builder(integration, principal, "a", resource)
        .intent(Intent {
            id: intent.into(),
            ..Intent::default()
        })
        .build(&RequestLimits::default())
        .unwrap()
}

/// A state that adds a revocation to the list while a decision is made.
///
/// The host reads the uses after it evaluated the list, and before it calls the plugins.
#[derive(Debug)]
struct GrowsMeanwhile {
    list: PathBuf,
    revocations: Revocations,
    next: Mutex<Option<Revoked>>,
}

impl State for GrowsMeanwhile {
    fn spent(&self, _: &str) -> Result<u64, StateError> {
        if let Some(revoked) = self.next.lock().unwrap().take() {
            revocation::append(&self.list, Some(revoked), Timestamp::now()).unwrap();
            self.revocations.refresh();
        }
        Ok(0)
    }

    fn spend(&self, _: &[Use], _: Timestamp) -> Result<(), SpendError> {
        Ok(())
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
fn what_is_revoked_while_a_request_is_decided_is_denied_and_decided_the_same_again() {
    let folder = TempDir::new().unwrap();
    let (list, path) = (list(folder.path()), folder.path().join("decisions.jsonl"));
    let revocations = Revocations::follow(&list, Duration::from_secs(3600)).unwrap();
    let intents = Intents::default();
    intents
        .insert(intent("int-1").to_string().as_bytes())
        .unwrap();
    let state = Arc::new(GrowsMeanwhile {
        list,
        revocations: revocations.clone(),
        next: Mutex::default(),
    });
    let pdp = |log: Option<DecisionLog>| {
        let builder = Pdp::builder()
            .integration(Integration::new("x").plugin(plugin()))
            .revocations(revocations.clone())
            .intents(intents.clone(), [PrincipalKind::Agent])
            .state(Arc::<GrowsMeanwhile>::clone(&state));
        match log {
            Some(log) => builder.log(log),
            None => builder,
        }
        .build()
        .unwrap()
    };
    let recording = pdp(Some(DecisionLog::open(LogOptions::new(&path)).unwrap()));
    let ask = |meanwhile: Option<&str>| {
        *state.next.lock().unwrap() = meanwhile.map(|id| revoked(Revocable::Credential, id));
        recording.evaluate(&request("x", "int-1"))
    };
    assert!(ask(None).is_permit());
    assert!(ask(Some("jti-2")).is_permit(), "that is somebody else's");
    let decision = ask(Some("jti-1"));
    assert_eq!(decision.cause(), Cause::Revoked);
    assert_eq!(decision.plugins().len(), 1, "the plugin had been asked");
    let inputs = decision.inputs();
    let epoch = |seen: &Option<revocation::ListSeen>| seen.as_ref().map(|seen| seen.epoch);
    assert_eq!(epoch(&inputs.revocation), Some(1));
    assert_eq!(epoch(&inputs.revocation_again), Some(2));
    drop(recording);

    let again = pdp(None);
    let mut causes = Vec::new();
    log::read(&path, |_, _, _, entry| {
        if let Event::Decision(recorded) = &entry.event {
            let request = recorded.request().unwrap();
            let decide = |list| again.evaluate_again(&request, entry.at, &recorded.inputs, list);
            let then = decide(ListAsOf::Then).replayable();
            assert_eq!(then.to_string(), recorded.decision.to_string());
            assert_eq!(decide(ListAsOf::Now).cause(), Cause::Revoked);
            causes.push(recorded.cause().unwrap().to_owned());
        }
        Ok(())
    })
    .unwrap();
    assert_eq!(causes, ["permitted", "permitted", "revoked"]);
}

#[test]
fn a_plugin_or_an_integration_that_is_revoked_permits_nothing() {
    let hostile = plugin().digest().to_string();
    let another = Digest::of(b"another").to_string();
    for (kind, id, stops) in [
        (Revocable::Plugin, hostile.as_str(), vec!["x", "y"]),
        (Revocable::Plugin, another.as_str(), vec![]),
        (Revocable::Integration, "x", vec!["x"]),
        (Revocable::Integration, "z", vec![]),
    ] {
        let folder = TempDir::new().unwrap();
        let list = list(folder.path());
        let pdp = Pdp::builder()
            .integration(Integration::new("x").plugin(plugin()))
            .integration(Integration::new("y").plugin(plugin()))
            .revocations(Revocations::follow(&list, Duration::from_secs(3600)).unwrap())
            .build()
            .unwrap();
        let ask = |integration: &str| pdp.evaluate(&request(integration, "int-1"));
        assert!(ask("x").is_permit() && ask("y").is_permit());
        revocation::append(&list, Some(revoked(kind, id)), Timestamp::now()).unwrap();
        pdp.revocations().unwrap().refresh();
        for integration in ["x", "y"] {
            let decision = ask(integration);
            let expected = match stops.contains(&integration) {
                true => Cause::Revoked,
                false => Cause::Permitted,
            };
            assert_eq!(decision.cause(), expected, "{kind:?} {id}: {integration}");
            if expected == Cause::Revoked {
                assert!(decision.plugins().is_empty(), "no plugin was asked");
                assert!(decision.detail().contains("it leaked"));
            }
        }
    }
}

#[test]
fn an_intent_that_was_taken_up_while_a_host_ran_counts_after_a_restart() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("state.redb");
    let start = |state: Option<Arc<dyn State>>| {
        let builder = Pdp::builder()
            .integration(Integration::new("x").plugin(plugin()))
            .intents(Intents::default(), [PrincipalKind::Agent]);
        match state {
            Some(state) => builder.state(state),
            None => builder,
        }
        .build()
        .unwrap()
    };
    let open = || -> Option<Arc<dyn State>> {
        Some(Arc::new(
            EmbeddedState::open(&file, Duration::from_secs(60)).unwrap(),
        ))
    };
    let cause = |pdp: &Pdp, intent: &str| pdp.evaluate(&request("x", intent)).cause();
    let mut child = intent("int-2");
    child["principal"] = json!("spiffe://acme.example/b");
    child["approved-by"]["who"] = json!(AGENT);
    let root = intent("int-9");
    {
        let pdp = start(open());
        assert_eq!(cause(&pdp, "int-9"), Cause::IntentUnknown);
        let taken_up = pdp.import_intent(root.to_string().as_bytes()).unwrap();
        child["parent"] = json!({ "id": "int-9", "digest": taken_up.digest().to_string() });
        for time in ["issued-at", "expires-at"] {
            child[time] = root[time].clone();
        }
        // The child's id sorts before that of its parent, and it is added after it.
        pdp.import_intent(child.to_string().as_bytes()).unwrap();
        assert_eq!(cause(&pdp, "int-9"), Cause::Permitted);
        // An intent that is refused is not stored either.
        let again = intent("int-9").to_string().replace("\"r\"", "\"**\"");
        let refused = pdp.import_intent(again.as_bytes());
        assert!(matches!(refused, Err(IntentError::Duplicate(_))));
    }
    {
        let pdp = start(open());
        assert_eq!(cause(&pdp, "int-9"), Cause::Permitted);
        assert_eq!(pdp.intents().unwrap().len(), 2);
        assert_eq!(pdp.intents().unwrap().chain("int-2").unwrap().len(), 2);
        assert_eq!(cause(&pdp, "int-2"), Cause::IntentOfAnother);
    }
    assert_eq!(cause(&start(None), "int-9"), Cause::IntentUnknown);
}
