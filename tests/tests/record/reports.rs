//! Reports of a gateway beside decisions: requests it refused, and outcomes of calls.

use portcullis_host::log::{self, CallOutcome, DecisionLog, Event, LogOptions, Refused};
use portcullis_host::state::{EmbeddedState, State};
use portcullis_host::{
    Cause, Decision, Integration, Intent, Intents, OutcomeError, Pdp, Principal, Request,
    RequestLimits, Resource, Timestamp,
};
use portcullis_tests::guests;
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

const AGENT: &str = "spiffe://acme.example/a";

struct Gateway {
    pdp: Pdp,
    state: Arc<EmbeddedState>,
    budget: String,
}

impl Gateway {
    /// Creates a gateway whose intent has two uses, and whose credentials are valid for one request.
    fn new(log: &Path) -> Self {
        let intents = Intents::default();
        let now = Timestamp::now();
        let intent = json!({
            "id": "int-1", "purpose": "p", "principal": AGENT, "max-uses": 2,
            "approved-by": { "who": "alice@acme.example", "at": now },
            "issued-at": now, "expires-at": now.plus(Duration::from_secs(3600)),
            "allows": [{ "integration": "x", "action": "a", "resource": "**", "arguments": "open" }],
        });
        let known = intents.insert(intent.to_string().as_bytes());
        let budget = format!("intent {}", known.unwrap().digest());
        let state = Arc::new(EmbeddedState::in_memory(Duration::from_secs(60)));
        let plugin = guests::hostile(json!({ "behaviour": "permit" }), guests::patient());
        let pdp = Pdp::builder()
            .integration(
                Integration::new("x")
                    .single_use_credentials()
                    .plugin(plugin),
            )
            .intents(intents, [])
            .state(Arc::clone(&state) as Arc<dyn State>)
            .log(DecisionLog::open(LogOptions::new(log)).unwrap())
            .build()
            .unwrap();
        Self { pdp, state, budget }
    }

    fn request(credential: &str) -> Request {
        let principal = Principal {
            id: AGENT.into(),
            credential_id: credential.into(),
            credential_expires_at: Some(Timestamp::now().plus(Duration::from_secs(600))),
            ..Principal::default()
        };
        let resource = Resource {
            id: "r".into(),
            ..Resource::default()
        };
        Request::builder("x", principal, "a", resource)
            .intent(Intent {
                id: "int-1".into(),
                ..Intent::default()
            })
            .build(&RequestLimits::default())
            .unwrap()
    }

    fn ask(&self, credential: &str) -> Decision {
        self.pdp.evaluate(&Self::request(credential))
    }

    fn spent(&self) -> u64 {
        self.state.spent(&self.budget).unwrap()
    }
}

#[test]
fn a_use_is_given_back_where_the_call_was_not_made_and_only_there() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("decisions.jsonl");
    let gateway = Gateway::new(&path);
    let report = |decision: &Decision, outcome: CallOutcome| {
        gateway.pdp.record_outcome(decision, &outcome).unwrap();
    };
    let first = gateway.ask("jti-1");
    assert!(first.is_permit(), "{}", first.detail());
    report(&first, CallOutcome::made());
    report(&first, CallOutcome::failed("it answered 500"));
    assert_eq!(gateway.spent(), 1);
    let second = gateway.ask("jti-2");
    assert_eq!(gateway.spent(), 2);
    assert_eq!(gateway.ask("jti-3").cause(), Cause::IntentUsedUp);
    let not_made = || CallOutcome::not_made("no mail server").obligation("notification");
    // A use is returned once, however often it is reported.
    for _ in 0..3 {
        report(&second, not_made());
        assert_eq!(gateway.spent(), 1);
    }
    // The credential stays used.
    assert_eq!(gateway.ask("jti-2").cause(), Cause::CredentialReplayed);
    let third = gateway.ask("jti-4");
    assert!(third.is_permit());
    // A deny spent nothing, and returns nothing.
    let denied = gateway.ask("jti-5");
    report(&denied, not_made());
    assert_eq!(gateway.spent(), 2);
    // A dry run has no call.
    let dry = gateway
        .pdp
        .evaluate_at(&Gateway::request("jti-6"), Timestamp::now());
    let refused = gateway.pdp.record_outcome(&dry, &not_made());
    assert!(matches!(refused, Err(OutcomeError::DryRun)));
    let second_id = second.id().unwrap().to_owned();
    drop(gateway);

    let mut given_back = Vec::new();
    log::read(&path, |_, _, _, entry| {
        if let Event::Outcome(outcome) = entry.event
            && outcome.decision == second_id
        {
            assert_eq!(outcome.what.failed_obligation(), Some("notification"));
            given_back.push(outcome.gives_back);
        }
        Ok(())
    })
    .unwrap();
    assert_eq!(given_back.len(), 3);
    assert!(given_back.iter().all(|keys| keys.len() == 1));
    log::verify(&path).unwrap();
}

#[test]
fn what_is_refused_before_there_is_a_decision_is_recorded_without_secrets() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("decisions.jsonl");
    let gateway = Gateway::new(&path);
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let token = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJlc2lnbmF0dXJl";
    let authentication = Refused::authentication(&format!("the token {token} is expired\u{1b}[2J"))
        .claimed_principal(AGENT)
        .peer("192.0.2.7:4711")
        .traceparent(&format!("00-{trace}-00f067aa0ba902b7-01"));
    let unreadable = Refused::request(&"x".repeat(100_000))
        .integration("x")
        .body(b"password=hunter2");
    let ids = [&authentication, &unreadable].map(|it| gateway.pdp.record_refused(it).unwrap());
    drop(gateway);
    let text = std::fs::read_to_string(&path).unwrap();
    for secret in [token, "hunter2", "\u{1b}"] {
        assert!(!text.contains(secret), "{secret:?}");
    }
    assert!(text.len() < 10_000);
    let mut found = Vec::new();
    log::read(&path, |_, _, _, entry| {
        if let Event::Refused(refused) = entry.event {
            found.push((
                refused.id.clone(),
                refused.what.trace_id().map(str::to_owned),
            ));
        }
        Ok(())
    })
    .unwrap();
    let [first, second] = ids;
    assert_eq!(found, [(first, Some(trace.to_owned())), (second, None)]);
}

#[test]
fn a_removed_log_denies_the_next_decision_and_gives_its_use_back() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("decisions.jsonl");
    let gateway = Gateway::new(&path);
    assert!(gateway.ask("jti-1").is_permit());
    let aside = folder.path().join("aside");
    std::fs::rename(&path, &aside).unwrap();
    for credential in ["jti-2", "jti-3"] {
        let decision = gateway.ask(credential);
        assert_eq!(decision.cause(), Cause::NotRecorded);
        assert_eq!(gateway.spent(), 1, "it was not given");
    }
    std::fs::rename(&aside, &path).unwrap();
    assert!(gateway.ask("jti-4").is_permit());
    drop(gateway);
    log::verify(&path).unwrap();
}
