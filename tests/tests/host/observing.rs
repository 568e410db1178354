//! A decision point without a configuration: it denies all, blocks nothing and records everything.

use portcullis_host::log::{self, Event, LogOptions};
use portcullis_host::observe::UNNAMED;
use portcullis_host::{Cause, Pdp};
use portcullis_tests::requests;
use serde_json::json;

#[test]
fn an_observer_permits_nothing_blocks_nothing_and_records_all() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("observed.jsonl");
    let pdp = Pdp::observing(LogOptions::new(&file)).unwrap();
    assert!(pdp.only_observes());
    for integration in ["billing", "files", "Billing"] {
        let decision = pdp.evaluate(&requests::request(integration, "read", "r"));
        assert_eq!(decision.cause(), Cause::UnknownIntegration);
        assert!(!decision.is_permit() && !decision.blocks());
        assert!(decision.grant().is_none());
    }
    // An evaluation of an AuthZEN client that knows nothing of integrations.
    let evaluation = json!({
        "subject": { "type": "user", "id": "alice" },
        "action": { "name": "can_read" },
        "resource": { "type": "todo", "id": "1" },
    });
    let decision = pdp.evaluate_authzen(evaluation.to_string().as_bytes());
    assert!(!decision.is_permit() && !decision.blocks());
    // One that cannot be read is an ordinary deny: it is unknown what it asks for.
    let unreadable = pdp.evaluate_authzen(b"{}");
    assert_eq!(unreadable.cause(), Cause::InvalidRequest);
    assert!(unreadable.blocks());
    drop(pdp);

    let mut seen = Vec::new();
    log::read(&file, |_, _, _, entry| {
        if let Event::Decision(decided) = &entry.event {
            assert!(!decided.is_permit());
            let request = decided.request();
            seen.push(request.map(|it| it.integration().to_owned()));
        }
        Ok(())
    })
    .unwrap();
    let named = ["billing", "files", "Billing", UNNAMED].map(|it| Some(it.to_owned()));
    assert_eq!(seen, [named.as_slice(), &[None]].concat());
    assert!(log::verify(&file).is_ok());
}

#[test]
fn a_decision_point_with_a_configuration_does_not_observe_the_unknown() {
    let pdp = Pdp::builder().build().unwrap();
    assert!(!pdp.only_observes());
    let decision = pdp.evaluate(&requests::request("billing", "read", "r"));
    assert_eq!(decision.cause(), Cause::UnknownIntegration);
    assert!(decision.blocks());
}

#[test]
fn an_observer_needs_a_log_that_it_can_write() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("no/observed.jsonl");
    assert!(Pdp::observing(LogOptions::new(missing)).is_err());
}
