//! Heads of a list, signed by its signers.

use super::*;
use crate::waiting::until;
use std::path::Path;
use std::sync::Arc;

/// Signers with one key, that key, and a key of no signer.
pub(super) fn signers(name: &str) -> (PathBuf, impl Fn() -> Signers + use<>, HeadKey, HeadKey) {
    signers_of(name, 7)
}

fn signers_of(name: &str, byte: u8) -> (PathBuf, impl Fn() -> Signers + use<>, HeadKey, HeadKey) {
    use crate::identity::NewKey;
    let key = |byte: u8| {
        let key = NewKey::seeded(byte);
        let pem = key.to_pem().unwrap();
        (HeadKey::new(pem.as_bytes(), None).unwrap(), key)
    };
    let ((ours, public), (theirs, _)) = (key(byte), key(8));
    let jwk = serde_json::json!({ "keys": [public.to_jwk()] });
    let jwks = file(name).with_extension("json");
    std::fs::write(&jwks, jwk.to_string()).unwrap();
    let file = jwks.clone();
    let signers = move || Signers::default().signer("alice", &file).unwrap();
    (jwks, signers, ours, theirs)
}

#[test]
fn with_signers_a_list_counts_only_while_its_head_is_signed() {
    let file = file("signed");
    let (jwks, signers, ours, theirs) = signers("signers");
    append(&file, None, NOW).unwrap();
    let follow =
        || Revocations::follow_signed(&file, Duration::from_secs(60), signers(), None).unwrap();
    let why = || follow().now_known().unreliable(NOW);
    assert!(why().unwrap().contains("not signed"));
    let followed = follow();
    let writer = |key: Option<&'static HeadKey>| {
        ListWriter::open_signed(
            Box::leak(file.clone().into_boxed_path()),
            key,
            Some(Arc::new(signers())),
        )
    };
    let (ours, theirs): (&'static HeadKey, &'static HeadKey) =
        (Box::leak(Box::new(ours)), Box::leak(Box::new(theirs)));
    // A list without a head is signed for the first time.
    writer(Some(ours)).unwrap().checkpoint(NOW).unwrap();
    assert_eq!(why(), None);
    writer(Some(ours))
        .unwrap()
        .revoke(revoked("a"), NOW)
        .unwrap();
    assert_eq!(why(), None);
    followed.refresh();
    assert_eq!(followed.now_known().unreliable(NOW), None);
    assert!(
        followed
            .now_known()
            .find(Revocable::Credential, "a")
            .is_some()
    );
    let signed = std::fs::read_to_string(&file).unwrap();
    // After the head there are lines without a signature, or with that of another key.
    let unsigned = |add: &dyn Fn()| {
        add();
        assert!(why().unwrap().contains("not signed"));
        // Signing over them requires `sign_anew`.
        assert!(matches!(writer(Some(ours)), Err(ListError::NotSigned(_))));
        std::fs::write(&file, &signed).unwrap();
    };
    unsigned(&|| drop(append(&file, Some(revoked("b")), NOW).unwrap()));
    unsigned(&|| drop(append(&file, None, NOW).unwrap()));
    unsigned(&|| {
        drop(
            ListWriter::open(&file)
                .unwrap()
                .lift(revoked("a"), NOW)
                .unwrap(),
        );
    });
    unsigned(&|| {
        let path = Box::leak(file.clone().into_boxed_path());
        let writer = ListWriter::open_signed(path, Some(theirs), None).unwrap();
        writer.lift(revoked("a"), NOW).unwrap();
    });
    // Signed content was changed.
    let start = |content: String| {
        std::fs::write(&file, content).unwrap();
        why()
    };
    assert_eq!(start(signed.clone()), None);
    assert!(
        start(signed.replace("\"a\"", "\"z\""))
            .unwrap()
            .contains("signed another list")
    );
    // The head of an earlier list.
    let first = signed.lines().nth(1).unwrap();
    assert!(first.contains("head"));
    let lines: Vec<_> = signed.lines().collect();
    let moved = format!("{}\n{first}\n", lines[..lines.len() - 1].join("\n"));
    assert!(Revocations::follow_signed(&file, Duration::from_secs(60), signers(), None).is_ok());
    std::fs::write(&file, &moved).unwrap();
    let followed = Revocations::follow_signed(&file, Duration::from_secs(60), signers(), None);
    assert!(followed.is_err(), "its epoch does not follow");
    std::fs::remove_file(&file).unwrap();
    std::fs::remove_file(jwks).unwrap();
}

#[test]
fn a_signer_whose_key_is_replaced_counts_no_more() {
    type Change = fn(&Path);
    let changes: [(&str, Change, bool); 5] = [
        ("replaced", |jwks| replace_key(jwks), false),
        ("removed", |jwks| std::fs::remove_file(jwks).unwrap(), false),
        (
            "garbage",
            |jwks| std::fs::write(jwks, "[1]").unwrap(),
            false,
        ),
        (
            "emptied",
            |jwks| std::fs::write(jwks, "{\"keys\":[]}").unwrap(),
            false,
        ),
        (
            "written again",
            |jwks| {
                let keys = std::fs::read_to_string(jwks).unwrap();
                std::fs::write(jwks, format!("{keys}\n")).unwrap();
            },
            true,
        ),
    ];
    let mut all = Vec::new();
    for (name, change, counts) in changes {
        let file = file(&format!("key-{name}"));
        let (jwks, signers, ours, _) = signers(&format!("keys-{name}"));
        let signed = ListWriter::open_signed(&file, Some(&ours), None).unwrap();
        signed.checkpoint(NOW).unwrap();
        let followed = Revocations::follow_signed(&file, Duration::from_secs(60), signers(), None);
        let followed = followed.unwrap();
        assert_eq!(followed.unreliable(), None, "{name}");
        change(&jwks);
        all.push((name, counts, followed, file, jwks));
    }
    // The key that still counts is the last: by then, a change of it would have been seen.
    for (name, counts, followed, file, jwks) in all {
        until(name, || {
            followed.refresh();
            followed.unreliable().is_none() == counts
        });
        match followed.unreliable() {
            None => assert!(counts, "{name}"),
            Some(ListError::NotSigned(_)) => assert!(!counts, "{name}"),
            Some(other) => panic!("{name}: {other}"),
        }
        std::fs::remove_file(file).unwrap();
        let _ = std::fs::remove_file(jwks);
    }
}

/// Replaces a key file by that of another signer.
fn replace_key(jwks: &Path) {
    let (other, ..) = signers_of("replacement", 9);
    std::fs::rename(other, jwks).unwrap();
}

#[test]
fn what_nobody_signed_is_signed_anew_and_only_by_a_signer() {
    let file = file("anew");
    let (jwks, signers, ours, theirs) = signers("signers-anew");
    let open = |key: Option<&'static HeadKey>, sign_anew: bool| {
        let opening = Opening {
            key,
            signers: Some(Arc::new(signers())),
            sign_anew,
            ..Opening::default()
        };
        ListWriter::open_as(Box::leak(file.clone().into_boxed_path()), opening)
    };
    let (ours, theirs): (&'static HeadKey, &'static HeadKey) =
        (Box::leak(Box::new(ours)), Box::leak(Box::new(theirs)));
    let follow =
        || Revocations::follow_signed(&file, Duration::from_secs(60), signers(), None).unwrap();
    open(Some(ours), false).unwrap().checkpoint(NOW).unwrap();
    // With another key, or none, nothing is written.
    let before = std::fs::read(&file).unwrap();
    for key in [Some(theirs), None] {
        let writer = || open(key, false).unwrap();
        for refused in [
            writer().checkpoint(NOW),
            writer().revoke(revoked("a"), NOW),
            open(key, true).unwrap().checkpoint(NOW),
        ] {
            let expected = match key {
                Some(_) => matches!(refused, Err(ListError::NotASigner(_))),
                None => matches!(refused, Err(ListError::NotSigned(_))),
            };
            assert!(expected, "{refused:?}");
        }
        assert_eq!(std::fs::read(&file).unwrap(), before);
    }
    // Lines without a signature, and a head of another signer.
    let unsigned = || drop(append(&file, Some(revoked("b")), NOW).unwrap());
    let by_another = || {
        let path = file.clone();
        let writer = ListWriter::open_signed(&path, Some(theirs), None).unwrap();
        writer.revoke(revoked("c"), NOW).unwrap();
    };
    let cases: [&dyn Fn(); 2] = [&unsigned, &by_another];
    for add in cases {
        add();
        let why = follow().unreliable().unwrap().to_string();
        assert!(why.contains("--checkpoint --sign-anew --key KEY"), "{why}");
        assert!(matches!(
            open(Some(ours), false),
            Err(ListError::NotSigned(_))
        ));
        open(Some(ours), true).unwrap().checkpoint(NOW).unwrap();
        assert_eq!(follow().unreliable(), None);
    }
    std::fs::remove_file(file).unwrap();
    std::fs::remove_file(jwks).unwrap();
}
