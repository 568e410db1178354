//! Events of which a revocation is on the list already.

use super::*;
use crate::revocation::append;

#[test]
fn an_event_that_comes_again_is_the_same() {
    let issuer = Issuer::new("again");
    let list = issuer.folder.join("revocations.jsonl");
    append(&list, None, NOW).unwrap();
    let subject = json!({ "format": "aliases", "identifiers": [
        { "format": "opaque", "id": "s-1" }, { "format": "opaque", "id": "s-2" },
    ] });
    let event = issuer
        .verify(&claims("session-revoked", subject, json!({})))
        .unwrap();
    let epochs = |records: Vec<crate::revocation::Record>| -> Vec<_> {
        records.iter().map(|record| record.epoch).collect()
    };
    assert_eq!(epochs(append_event(&list, &event, NOW).unwrap()), [1, 2]);
    assert!(append_event(&list, &event, NOW).unwrap().is_empty());
    assert_eq!(List::read(&list, None).unwrap().epoch, 2);
    // Another event of the same name is applied as a conflict.
    let other = |id: &str| {
        let subject = json!({ "format": "opaque", "id": id });
        issuer
            .verify(&claims("session-revoked", subject, json!({})))
            .unwrap()
    };
    assert!(append_event(&list, &other("s-2"), NOW).unwrap().is_empty());
    let records = append_event(&list, &other("s-3"), NOW).unwrap();
    let conflicts: Vec<_> = records.iter().map(|it| (it.epoch, it.conflict)).collect();
    assert_eq!(conflicts, [(3, true)]);
    assert!(append_event(&list, &other("s-3"), NOW).unwrap().is_empty());
    let list = List::read(&list, None).unwrap();
    assert!(
        list.entries
            .find(Revocable::Credential, "s-3", None, 3)
            .is_some()
    );
}

fn epochs(records: &[crate::revocation::Record]) -> Vec<u64> {
    records.iter().map(|record| record.epoch).collect()
}

#[test]
fn another_certificate_under_a_used_name_is_revoked() {
    let issuer = Issuer::new("same-serial");
    let list = issuer.folder.join("revocations.jsonl");
    let take = |serial: &str, of: &str| {
        let event = json!({ "change_type": "revoke", "x509_serial": serial, "x509_issuer": of });
        let claims = claims("credential-change", json!({}), event);
        append_event(&list, &issuer.verify(&claims).unwrap(), NOW).unwrap()
    };
    assert_eq!(epochs(&take("102ab", "CN=One")), [1]);
    assert!(take("01:02:AB", "cn = one").is_empty());
    for (epoch, of) in [(2, "CN=Two"), (3, "CN=Three"), (4, "favourite=x")] {
        let records = take("102ab", of);
        assert_eq!(epochs(&records), [epoch], "{of}");
        assert!(records.iter().all(|record| record.conflict), "{of}");
        assert!(take("102ab", of).is_empty(), "{of}");
    }
}

#[test]
fn an_issuer_that_answers_for_more_domains_revokes_there_too() {
    let issuer = Issuer::new("wider");
    let list = issuer.folder.join("revocations.jsonl");
    let jti = json!({ "format": "opaque", "id": "jti-1" });
    let mut event = issuer
        .verify(&claims("session-revoked", jti, json!({})))
        .unwrap();
    let mut take = |domains: &[&str]| {
        event.domains = domains.iter().map(|it| (*it).to_owned()).collect();
        append_event(&list, &event, NOW).unwrap()
    };
    assert_eq!(epochs(&take(&["acme.example"])), [1]);
    let wider = take(&["acme.example", "b.example"]);
    assert_eq!(epochs(&wider), [2]);
    assert_eq!(wider[0].domains, ["b.example"]);
    assert!(!wider[0].conflict, "it is the same event");
    for known in [
        &["acme.example", "b.example"][..],
        &["b.example"],
        &["b.example", "acme.example"],
    ] {
        assert!(take(known).is_empty(), "{known:?}");
    }
    let read = List::read(&list, None).unwrap();
    let find = |of| {
        read.entries
            .find(Revocable::Credential, "jti-1", Some(of), 2)
    };
    assert!(find("spiffe://b.example/x").is_some());
    assert!(find("spiffe://acme.example/x").is_some());
    assert!(find("spiffe://c.example/x").is_none());
}

#[test]
fn what_was_lifted_is_not_revoked_again_by_the_same_event() {
    use crate::revocation::{ListError, ListWriter};
    let issuer = Issuer::new("lifted");
    let list = issuer.folder.join("revocations.jsonl");
    let about = |ids: &[&str]| {
        let ids = ids.iter().map(|id| json!({ "format": "opaque", "id": id }));
        let subject = json!({ "format": "aliases", "identifiers": ids.collect::<Vec<_>>() });
        issuer
            .verify(&claims("session-revoked", subject, json!({})))
            .unwrap()
    };
    let event = about(&["s-1", "s-2"]);
    assert_eq!(epochs(&append_event(&list, &event, NOW).unwrap()), [1, 2]);
    assert!(append_event(&list, &event, NOW).unwrap().is_empty());
    let lifted = event.revoked[0].clone();
    let lift = |one| ListWriter::open(&list).unwrap().lift(one, NOW).unwrap();
    assert_eq!(lift(lifted.clone()).epoch, 3);
    let again = append_event(&list, &event, NOW).unwrap_err();
    assert_eq!(
        again,
        ListError::Lifted {
            id: "s-1".to_owned(),
            epoch: 3
        }
    );
    assert!(again.to_string().contains("lifted at epoch 3"), "{again}");
    // A revocation that is not lifted is on the list already; a new one is added.
    assert!(
        append_event(&list, &about(&["s-2"]), NOW)
            .unwrap()
            .is_empty()
    );
    let added = ListWriter::open(&list).unwrap();
    let added = added.event(&about(&["s-1", "s-3"]), NOW).unwrap();
    assert_eq!(epochs(&added.records), [4]);
    assert_eq!(added.lifted, [("s-1".to_owned(), 3)]);
    // After an operator revoked it, it is revoked.
    append(&list, Some(lifted), NOW).unwrap();
    assert!(append_event(&list, &event, NOW).unwrap().is_empty());
}
