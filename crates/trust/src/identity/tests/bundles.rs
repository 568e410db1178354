//! Bundles that change, are replaced, invalid or older.

use super::*;
use std::sync::atomic::{AtomicBool, Ordering};

#[test]
fn a_bundle_that_changes_is_read_again_and_one_that_is_not_valid_is_none() {
    let issuer = Issuer::new("changes", 7);
    let verifier = issuer.verifier();
    let token = issuer.sign(&claims().to_string());
    let verify = || {
        verifier.bundles().refresh();
        verifier.verify(&token).is_ok()
    };
    assert!(verify());
    let next = Issuer::new("next", 9);
    issuer.publish(&json!({ "keys": [next.jwk()], "spiffe_sequence": 2 }));
    assert!(!verify(), "the key was replaced");
    issuer.publish(&json!({ "keys": [issuer.jwk()], "spiffe_sequence": 3 }));
    assert!(verify());
    issuer.publish(&json!({ "keys": [], "spiffe_sequence": 4 }));
    assert!(!verify(), "without keys the trust domain is not valid");
    fs::write(&issuer.file, "not json").unwrap();
    assert!(!verify());
    fs::remove_file(&issuer.file).unwrap();
    assert!(!verify());
}

#[test]
fn a_bundle_that_is_replaced_over_and_over_refuses_nobody_meanwhile() {
    let issuer = Issuer::new("replaced", 7);
    let verifier = issuer.verifier();
    let mut another = Issuer::new("replaced-too", 9).jwk();
    another["kid"] = json!("key-2");
    let replace = |keys: &Value| {
        let beside = issuer.file.with_extension("beside");
        fs::write(&beside, json!({ "keys": keys }).to_string()).unwrap();
        fs::rename(beside, &issuer.file).unwrap();
        verifier.bundles().refresh();
    };
    // Each token is different, because verified tokens are cached.
    let token = |number: usize| {
        let mut claims = claims();
        claims["jti"] = json!(format!("jti-{number}"));
        issuer.sign(&claims.to_string())
    };
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let ask = || {
            let mut verified = 0;
            while verified == 0 || !is_over.load(Ordering::Relaxed) {
                let proved = verifier.verify(&token(verified));
                assert!(proved.is_ok(), "{proved:?}");
                verified += 1;
            }
        };
        let asking = [scope.spawn(ask), scope.spawn(ask)];
        for _ in 0..250 {
            replace(&json!([issuer.jwk(), another]));
            replace(&json!([issuer.jwk()]));
        }
        is_over.store(true, Ordering::Relaxed);
        for asked in asking {
            asked.join().unwrap();
        }
    });
    assert!(verifier.bundles().version() >= 500);
    replace(&json!([another]));
    assert!(verifier.verify(&token(0)).is_err());
}

#[test]
fn of_a_bundle_that_is_half_written_the_keys_that_were_there_count_until_it_is_whole() {
    let issuer = Issuer::new("half", 7);
    let verifier = issuer.verifier();
    let token = issuer.sign(&claims().to_string());
    let write = |text: &str| {
        fs::write(&issuer.file, text).unwrap();
        verifier.bundles().refresh();
        verifier.verify(&token).is_ok()
    };
    let next = Issuer::new("half-next", 9);
    let whole = json!({ "keys": [next.jwk()] }).to_string();
    assert!(write(""));
    assert!(write(&whole[..whole.len() / 2]));
    assert!(!write(&whole), "now the key is replaced");
    assert!(!write(""), "and is not taken back");
}

#[test]
fn refuses_bundles_that_are_not_valid() {
    let issuer = Issuer::new("refused", 7);
    let read = || {
        Bundles::from_files([("acme.example", &issuer.file)])
            .map(|_| ())
            .unwrap_err()
    };
    issuer.publish(&json!({ "keys": [] }));
    assert!(matches!(read(), BundleError::Empty(_)));
    let mut other = issuer.jwk();
    other["use"] = json!("another");
    issuer.publish(&json!({ "keys": [other] }));
    assert!(matches!(read(), BundleError::Empty(_)));
    issuer.publish(&json!({ "keys": [issuer.jwk(), issuer.jwk()] }));
    assert!(matches!(read(), BundleError::Shape { .. }));
    fs::write(&issuer.file, r#"{"keys":[],"keys":[]}"#).unwrap();
    assert!(matches!(read(), BundleError::Shape { .. }));
    issuer.publish(&json!({ "keys": [issuer.jwk()] }));
    let twice = [
        ("acme.example", &issuer.file),
        ("acme.example", &issuer.file),
    ];
    assert!(matches!(
        Bundles::from_files(twice),
        Err(BundleError::Duplicate(_))
    ));
    assert!(matches!(
        Bundles::from_files([("Acme!", &issuer.file)]),
        Err(BundleError::Name(_))
    ));
}

#[test]
fn keys_that_were_withdrawn_are_not_taken_back() {
    let issuer = Issuer::new("rollback", 7);
    let bundle = |sequence: u64| json!({ "keys": [issuer.jwk()], "spiffe_sequence": sequence });
    issuer.publish(&bundle(2));
    let verifier = issuer.verifier();
    let token = issuer.sign(&claims().to_string());
    assert!(verifier.verify(&token).is_ok());
    issuer.publish(&bundle(1));
    verifier.bundles().refresh();
    assert!(verifier.verify(&token).is_err());
    issuer.publish(&bundle(3));
    verifier.bundles().refresh();
    assert!(verifier.verify(&token).is_ok());
}

#[test]
fn a_bundle_that_has_lost_its_sequence_is_not_taken_for_the_newest() {
    let issuer = Issuer::new("lost", 7);
    let bundle = |sequence: Value| {
        let mut bundle = json!({ "keys": [issuer.jwk()] });
        if !sequence.is_null() {
            bundle["spiffe_sequence"] = sequence;
        }
        issuer.publish(&bundle);
    };
    bundle(Value::Null);
    let verifier = issuer.verifier();
    let token = issuer.sign(&claims().to_string());
    let verifies = |sequence: Value| {
        bundle(sequence);
        verifier.bundles().refresh();
        verifier.verify(&token).is_ok()
    };
    assert!(
        verifies(Value::Null),
        "where there was none, none is needed"
    );
    assert!(verifies(json!(5)));
    assert!(!verifies(Value::Null), "there was one before");
    assert!(!verifies(json!(4)));
    for wrong in [json!("6"), json!(6.5), json!(-1), json!([6])] {
        assert!(!verifies(wrong.clone()), "{wrong}");
    }
    assert!(verifies(json!(5)), "the same bundle again");
    // The largest whole number that every JSON reader reads exactly.
    assert!(verifies(json!((1_u64 << 53) - 1)));
    assert!(!verifies(json!(6)));
}

#[test]
fn a_sequence_does_not_go_back_over_a_restart() {
    let issuer = Issuer::new("restart", 7);
    let file = std::env::temp_dir().join(format!("portcullis-restart-{}.redb", std::process::id()));
    let _ = fs::remove_file(&file);
    let publish = |sequence: Option<u64>| {
        let mut bundle = json!({ "keys": [issuer.jwk()] });
        if let Some(sequence) = sequence {
            bundle["spiffe_sequence"] = json!(sequence);
        }
        issuer.publish(&bundle);
    };
    let token = issuer.sign(&claims().to_string());
    // Starts a host, verifies a token and ends.
    let run = || {
        let state = EmbeddedState::open(&file, Duration::from_secs(60)).unwrap();
        let verifier = issuer.verifier().state(Arc::new(state));
        let valid = verifier.bundles().are_valid();
        assert_eq!(valid.is_ok(), verifier.verify(&token).is_ok());
        valid
    };
    publish(None);
    assert_eq!(run(), Ok(()));
    publish(Some(7));
    assert_eq!(run(), Ok(()));
    publish(Some(6));
    assert!(matches!(
        run(),
        Err(BundleError::Older {
            found: 6,
            known: 7,
            ..
        })
    ));
    publish(None);
    assert!(matches!(
        run(),
        Err(BundleError::NoSequence { known: 7, .. })
    ));
    // A dry run reads the state and writes nothing.
    publish(Some(9));
    let state = EmbeddedState::open(&file, Duration::from_secs(60)).unwrap();
    let bundles = Bundles::from_files([("acme.example", &issuer.file)]).unwrap();
    assert_eq!(bundles.are_newer_than(&state), Ok(()));
    drop(state);
    publish(Some(7));
    assert_eq!(run(), Ok(()));
    // The same while the host runs.
    let state = EmbeddedState::open(&file, Duration::from_secs(60)).unwrap();
    let verifier = issuer.verifier().state(Arc::new(state));
    publish(Some(10));
    verifier.bundles().refresh();
    assert!(verifier.verify(&token).is_ok());
    drop(verifier);
    publish(Some(7));
    assert!(matches!(
        run(),
        Err(BundleError::Older {
            found: 7,
            known: 10,
            ..
        })
    ));
    fs::remove_file(file).unwrap();
}
