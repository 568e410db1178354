//! Signatures of events, and the trust domains of their issuers.

use super::*;

#[test]
fn an_event_that_is_not_signed_or_meant_for_us_revokes_nothing() {
    let issuer = Issuer::new("refused");
    let good = claims(
        "session-revoked",
        json!({ "format": "opaque", "id": "s-1" }),
        json!({}),
    );
    assert!(issuer.verify(&good).is_ok());
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        issuer.verify(&claims).unwrap_err()
    };
    assert!(matches!(
        with("iss", json!("https://mallory.example")),
        EventError::Issuer(_)
    ));
    assert!(matches!(
        with("aud", json!("https://other.example")),
        EventError::Audience(_)
    ));
    assert!(matches!(with("jti", json!("")), EventError::Invalid(_)));
    assert!(matches!(
        with("iat", json!(NOW.as_millis() / 1000 + 3600)),
        EventError::Invalid(_)
    ));
    assert!(matches!(with("events", json!({})), EventError::Invalid(_)));
    let email = json!({ "format": "email", "email": "a@acme.example" });
    assert!(matches!(with("sub_id", email), EventError::Subject(_)));
    for (iat, why) in [
        (json!("1790000000"), "no number"),
        (json!(null), "no number"),
        (json!(NOW.as_millis()), "milliseconds"),
        (json!(-1), "before 1970"),
    ] {
        let EventError::Invalid(message) = with("iat", iat) else {
            panic!("it is not valid");
        };
        assert!(
            message.contains("`iat` is") && message.contains(why),
            "{message}"
        );
    }
    let other_type = issuer.sign("JWT", &good);
    assert!(issuer.events.verify(&other_type, NOW).is_err());
    let mut forged = issuer.sign("secevent+jwt", &good);
    forged.truncate(forged.len() - 4);
    assert!(issuer.events.verify(&forged, NOW).is_err());
}

#[test]
fn an_event_may_state_fractions_of_seconds() {
    let issuer = Issuer::new("fractions");
    let mut event = claims(
        "session-revoked",
        json!({ "format": "opaque", "id": "s-1" }),
        json!({ "event_timestamp": NOW.as_millis() }),
    );
    for iat in [
        json!(1_790_000_000.25),
        json!(1.79e9),
        json!(1_790_000_000.123_456_7),
    ] {
        event["iat"] = iat;
        assert_eq!(issuer.verify(&event).unwrap().revoked.len(), 1, "{event}");
    }
}

#[test]
fn an_issuer_revokes_what_is_of_its_trust_domains() {
    let issuer = Issuer::new("domains");
    let kind = format!("{CAEP}session-revoked");
    let about = |id: &str| of_type(&kind, &json!({ "format": "uri", "uri": id }), &json!({}));
    assert!(found(&issuer, &about("spiffe://a.example/x")).is_ok());
    for id in [
        "spiffe://b.example/x",
        "spiffe://sub.a.example/x",
        "spiffe://a.example.evil/x",
        "spiffe://xa.example/x",
    ] {
        let refused = found(&issuer, &about(id));
        assert!(matches!(refused, Err(EventError::Domain { .. })), "{id}");
    }
    // Subjects in the issuer's domains are revoked, and the others are reported.
    let both = json!({ "format": "aliases", "identifiers": [
        { "format": "uri", "uri": "spiffe://a.example/x" },
        { "format": "uri", "uri": "spiffe://b.example/x" },
    ] });
    let event = issuer.verify(&of_type(&kind, &both, &json!({}))).unwrap();
    assert_eq!((event.revoked.len(), event.left_out.len()), (1, 1));
    // Credentials are revoked in the issuer's domains only.
    let list = issuer.folder.join("revocations.jsonl");
    let jti = json!({ "format": "jwt_id", "iss": ISSUER, "jti": "jti-1" });
    let event = issuer.verify(&of_type(&kind, &jti, &json!({}))).unwrap();
    append_event(&list, &event, NOW).unwrap();
    let list = List::read(&list, None).unwrap();
    let find = |of| {
        list.entries
            .find(Revocable::Credential, "jti-1", Some(of), 1)
    };
    assert!(find("spiffe://a.example/x").is_some());
    assert!(find("spiffe://b.example/x").is_none());
}
