//! Revocations and lifts, and the ids that they match.

use super::super::list::List;
use super::*;

#[test]
fn a_revocation_is_known_once_it_is_appended() {
    let file = file("append");
    append(&file, None, NOW).unwrap();
    let followed = Revocations::follow(&file, Duration::from_secs(60)).unwrap();
    assert!(
        followed
            .now_known()
            .find(Revocable::Credential, "a")
            .is_none()
    );
    append(&file, Some(revoked("a")), NOW).unwrap();
    append(&file, Some(revoked("a")), NOW).unwrap();
    followed.refresh();
    let known = followed.now_known();
    assert_eq!(known.seen().epoch, 2);
    let before = ListSeen {
        epoch: 0,
        as_of: Some(NOW),
        digest: None,
        error: None,
    };
    let as_seen = followed.as_seen(before);
    assert!(as_seen.find(Revocable::Credential, "a").is_none());
    drop(as_seen);
    assert!(known.find(Revocable::Credential, "a").is_some());
    assert!(known.find(Revocable::Principal, "a").is_none());
    std::fs::remove_file(file).unwrap();
}

#[test]
fn a_lift_for_one_issuer_lifts_no_other() {
    let file = file("issuers");
    append(&file, None, NOW).unwrap();
    let [a, b] = ["a", "b"].map(|digit| format!("x509:{}:102ab", digit.repeat(32)));
    let revoke = |id: &str| drop(append(&file, Some(revoked(id)), NOW).unwrap());
    let lift = |id: &str| ListWriter::open(&file).unwrap().lift(revoked(id), NOW);
    let is_revoked = |ids: &[&str]| -> Vec<bool> {
        let list = List::read(&file, None).unwrap();
        let find = |id: &&str| {
            list.entries
                .find(Revocable::Credential, id, None, u64::MAX)
                .is_some()
        };
        ids.iter().map(find).collect()
    };
    revoke("102ab");
    let refused = lift(&a).unwrap_err();
    assert!(refused.to_string().contains("lift `102ab`"), "{refused}");
    assert!(matches!(refused, ListError::OfEveryIssuer { .. }));
    assert_eq!(is_revoked(&[&a, &b, "102ab"]), [true; 3]);
    revoke(&a);
    lift(&a).unwrap();
    assert_eq!(is_revoked(&[&a, &b]), [true; 2], "as every issuer's");
    lift("0102AB").unwrap();
    assert_eq!(is_revoked(&[&a, &b, "102ab"]), [false; 3]);
    // A revocation for one issuer is lifted for that issuer or for all.
    revoke(&a);
    assert!(matches!(lift(&b), Err(ListError::NotRevoked(_))));
    lift(&a.to_uppercase()).unwrap();
    revoke(&b);
    lift("102ab").unwrap();
    assert_eq!(is_revoked(&[&a, &b]), [false; 2]);
    std::fs::remove_file(file).unwrap();
}

#[test]
fn a_revocation_can_be_lifted_and_stays_on_the_list() {
    let file = file("lifted");
    append(&file, None, NOW).unwrap();
    append(&file, Some(revoked("0102AB")), NOW).unwrap();
    let lift = |id: &str| ListWriter::open(&file).unwrap().lift(revoked(id), NOW);
    assert!(matches!(lift("jti-9"), Err(ListError::NotRevoked(_))));
    let followed = Revocations::follow(&file, Duration::from_secs(60)).unwrap();
    let find = |known: Known<'_>| known.find(Revocable::Credential, "01:02:ab").is_some();
    assert!(find(followed.now_known()));
    let lifted = lift("1:2:ab").unwrap();
    assert_eq!((lifted.epoch, lifted.lifts), (2, true));
    assert!(matches!(lift("102ab"), Err(ListError::NotRevoked(_))));
    followed.refresh();
    assert!(!find(followed.now_known()));
    assert!(followed.revoked().is_empty());
    assert_eq!(followed.lifted().len(), 1);
    // Decisions between the revocation and the lift saw the revocation.
    let then = |epoch| ListSeen {
        epoch,
        as_of: Some(NOW),
        digest: None,
        error: None,
    };
    assert!(find(followed.as_seen(then(1))));
    assert!(!find(followed.as_seen(then(2))));
    // The id can be revoked again.
    append(&file, Some(revoked("102ab")), NOW).unwrap();
    followed.refresh();
    assert!(find(followed.now_known()));
    assert!(!find(followed.as_seen(then(2))));
    assert_eq!(std::fs::read_to_string(&file).unwrap().lines().count(), 4);
    std::fs::remove_file(file).unwrap();
}

#[test]
fn a_line_with_domains_is_about_their_principals_only() {
    let file = file("domains");
    let line = |epoch: u64, kind: &str, id: &str| {
        format!(
            "{{\"epoch\":{epoch},\"at\":\"{NOW}\",\"kind\":\"{kind}\",\"id\":\"{id}\",\"reason\":\"r\",\"by\":\"b\",\"domains\":[\"a.example\"]}}\n"
        )
    };
    let lines = [
        line(1, "credential", "102ab"),
        line(2, "principal", "spiffe://b.example/x"),
        line(3, "principal", "spiffe://a.example/x"),
    ];
    std::fs::write(&file, lines.concat()).unwrap();
    let followed = Revocations::follow(&file, Duration::from_secs(60)).unwrap();
    let known = followed.now_known();
    let credential = |of: &str| known.find_credential("0102AB", of).is_some();
    assert!(credential("spiffe://a.example/y"));
    assert!(!credential("spiffe://b.example/y"));
    let principal = |id: &str| known.find(Revocable::Principal, id).is_some();
    assert!(principal("spiffe://A.example/x"));
    assert!(!principal("spiffe://b.example/x"));
    drop(known);
    std::fs::remove_file(file).unwrap();
}

#[test]
fn refuses_to_revoke_what_nobody_could_be_found_by() {
    let file = file("ids");
    for (kind, id) in [
        (Revocable::Principal, "spiffe://acme.example/*"),
        (Revocable::Principal, "spiffe://acme.example"),
        (Revocable::Plugin, "ba7816bf"),
        (Revocable::Credential, " jti-1"),
        (Revocable::Integration, ""),
    ] {
        let revoked = Revoked {
            kind,
            ..revoked(id)
        };
        assert!(
            matches!(append(&file, Some(revoked), NOW), Err(ListError::Id { .. })),
            "{id}"
        );
    }
    assert!(!file.exists());
}
