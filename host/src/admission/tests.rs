use super::*;
use crate::RequestLimits;
use portcullis_model::cause::Cause;
use portcullis_model::request::{Principal, Resource};
use portcullis_trust::revocation::{Revocable, Revoked, append};
use std::time::Duration;

const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);

#[test]
fn what_is_revoked_while_plugins_run_is_revoked() {
    let file =
        std::env::temp_dir().join(format!("portcullis-meanwhile-{}.jsonl", std::process::id()));
    let _ = std::fs::remove_file(&file);
    append(&file, None, NOW).unwrap();
    let revocations = Revocations::follow(&file, Duration::from_secs(60)).unwrap();
    let principal = Principal {
        id: "spiffe://acme.example/a".into(),
        credential_id: "jti-1".into(),
        ..Principal::default()
    };
    let request = Request::builder("x", principal, "a", Resource::default())
        .build(&RequestLimits::default())
        .unwrap();
    let integration = Integration::new("x");
    let admission = Admission {
        registry: None,
        revocations: Some(&revocations),
        intents: None,
        state: None,
        instances: &Sightings::default(),
        postures: None,
        requirements: &Requirements::new(),
        chain: Ok(None),
        request: &request,
        integration: &integration,
        class: ActionClass::Write,
        now: NOW,
        sources: Sources::DryRun,
    };
    let revoke = |id: &str| {
        let revoked = Revoked {
            kind: Revocable::Credential,
            id: id.into(),
            reason: "leaked".into(),
            by: "alice".into(),
        };
        append(&file, Some(revoked), NOW).unwrap();
        revocations.refresh();
    };
    let mut inputs = Inputs::default();
    assert!(admission.admit(&mut inputs, &mut ()).is_ok());
    assert!(admission.revoked_since(&mut inputs, &mut ()).is_none());
    revoke("jti-2");
    assert!(
        admission.revoked_since(&mut inputs, &mut ()).is_none(),
        "another credential's"
    );
    revoke("jti-1");
    let (cause, _) = admission.revoked_since(&mut inputs, &mut ()).unwrap();
    assert_eq!(cause, Cause::Revoked);
    assert!(admission.admit(&mut inputs, &mut ()).is_err());
    std::fs::remove_file(file).unwrap();
}
