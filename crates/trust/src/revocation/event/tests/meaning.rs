//! Subjects and kinds of events, and the revocations that follow from them.

use super::*;

#[test]
fn an_event_revokes_what_it_is_about() {
    let issuer = Issuer::new("about");
    let agent = "spiffe://acme.example/agent";
    let principal = |id: &str| (Revocable::Principal, id.to_owned());
    let credential = |id: &str| (Revocable::Credential, id.to_owned());
    let uri = json!({ "format": "uri", "uri": agent });
    let jwt_id = json!({ "format": "jwt_id", "iss": ISSUER, "jti": "jti-1" });
    let opaque = json!({ "format": "opaque", "id": "s-1" });
    let iss_sub = json!({ "format": "iss_sub", "iss": ISSUER, "sub": agent });
    let complex = |session: &Value| json!({ "format": "complex", "user": uri, "session": session });
    let aliases = json!({ "format": "aliases", "identifiers": [opaque, uri] });
    let revoke = json!({ "change_type": "revoke" });
    let serial = |text: &str| json!({ "change_type": "delete", "x509_serial": text });
    let none = json!({});
    for (kind, subject, event, expected) in [
        ("session-revoked", &uri, &none, vec![principal(agent)]),
        ("session-revoked", &jwt_id, &none, vec![credential("jti-1")]),
        (
            "session-revoked",
            &complex(&jwt_id),
            &none,
            vec![credential("jti-1")],
        ),
        (
            "session-revoked",
            &complex(&opaque),
            &none,
            vec![credential("s-1"), principal(agent)],
        ),
        (
            "session-revoked",
            &aliases,
            &none,
            vec![credential("s-1"), principal(agent)],
        ),
        (
            "credential-change",
            &iss_sub,
            &revoke,
            vec![principal(agent)],
        ),
        (
            "credential-change",
            &uri,
            &serial("00:01:0A"),
            vec![credential("10a")],
        ),
        (
            "credential-change",
            &uri,
            &json!({ "change_type": "create" }),
            vec![],
        ),
        ("session-presented", &uri, &none, vec![]),
    ] {
        let event = issuer
            .verify(&claims(kind, subject.clone(), event.clone()))
            .unwrap();
        let found: Vec<_> = event
            .revoked
            .into_iter()
            .map(|it| (it.kind, it.id))
            .collect();
        assert_eq!(found, expected, "{kind} {subject}");
    }
    let nobodys = claims("credential-change", uri.clone(), serial("twelve"));
    assert!(matches!(
        issuer.verify(&nobodys),
        Err(EventError::Subject(_))
    ));
}

#[test]
fn every_event_revokes_says_that_nothing_is_over_or_needs_a_person() {
    let issuer = Issuer::new("kinds");
    let agent = "spiffe://acme.example/agent";
    let subject = json!({ "format": "iss_sub", "iss": ISSUER, "sub": agent });
    let oauth = "https://schemas.openid.net/secevent/oauth/event-type/";
    let ssf = "https://schemas.openid.net/secevent/ssf/event-type/";
    let revokes = [
        (RISC, "account-disabled", json!({ "reason": "hijacking" })),
        (RISC, "account-purged", json!({})),
        (
            RISC,
            "credential-compromise",
            json!({ "credential_type": "password" }),
        ),
        (RISC, "sessions-revoked", json!({})),
        (CAEP, "session-revoked", json!({})),
        (
            CAEP,
            "device-compliance-change",
            json!({ "current_status": "not-compliant" }),
        ),
        (CAEP, "device-compliance-change", json!({})),
        (
            CAEP,
            "credential-change",
            json!({ "change_type": "delete", "credential_type": "x509" }),
        ),
        (oauth, "tokens-revoked", json!({})),
    ];
    for (base, kind, event) in revokes {
        assert_eq!(
            found(
                &issuer,
                &of_type(&format!("{base}{kind}"), &subject, &event)
            ),
            Ok(vec![(Revocable::Principal, agent.to_owned())]),
            "{kind} {event}"
        );
    }
    let harmless = [
        (
            CAEP,
            "credential-change",
            json!({ "change_type": "create" }),
        ),
        (CAEP, "session-established", json!({})),
        (CAEP, "session-presented", json!({})),
        (
            CAEP,
            "device-compliance-change",
            json!({ "current_status": "compliant" }),
        ),
        (
            CAEP,
            "assurance-level-change",
            json!({ "change_direction": "increase" }),
        ),
        (CAEP, "risk-level-change", json!({ "current_level": "LOW" })),
        (RISC, "account-enabled", json!({})),
        (RISC, "opt-in", json!({})),
        (ssf, "verification", json!({ "state": "x" })),
    ];
    for (base, kind, event) in harmless {
        assert_eq!(
            found(
                &issuer,
                &of_type(&format!("{base}{kind}"), &subject, &event)
            ),
            Ok(Vec::new()),
            "{kind} {event}"
        );
    }
    let by_hand = [
        (CAEP, "credential-change", json!({})),
        (
            CAEP,
            "credential-change",
            json!({ "change_type": "update" }),
        ),
        (
            CAEP,
            "credential-change",
            json!({ "change_type": "Revoke" }),
        ),
        (CAEP, "token-claims-change", json!({})),
        (CAEP, "assurance-level-change", json!({})),
        (
            CAEP,
            "risk-level-change",
            json!({ "current_level": "HIGH" }),
        ),
        (CAEP, "session-ended", json!({})),
        (RISC, "account-credential-change-required", json!({})),
        (RISC, "identifier-changed", json!({})),
        (RISC, "identifier-recycled", json!({})),
        (RISC, "recovery-activated", json!({})),
        (RISC, "account-closed", json!({})),
        ("urn:ietf:params:scim:event:prov:", "delete", json!({})),
        ("", "session-revoked", json!({})),
    ];
    for (base, kind, event) in by_hand {
        let error = found(
            &issuer,
            &of_type(&format!("{base}{kind}"), &subject, &event),
        );
        let error = error.unwrap_err();
        assert!(
            matches!(error, EventError::ByHand { .. }) && error.needs_a_person(),
            "{kind} {event}: {error}"
        );
        assert!(error.to_string().contains(agent), "{error}");
    }
}

#[test]
fn a_subject_is_found_wherever_and_however_it_is_written() {
    let issuer = Issuer::new("subjects");
    let agent = "spiffe://acme.example/Agent";
    let principal = || vec![(Revocable::Principal, agent.to_owned())];
    let credential = |id: &str| vec![(Revocable::Credential, id.to_owned())];
    let spelt = "SPIFFE://Acme.example/Agent";
    for (subject, expected) in [
        (json!({ "format": "opaque", "id": agent }), principal()),
        (json!({ "format": "opaque", "id": spelt }), principal()),
        (json!({ "format": "uri", "uri": spelt }), principal()),
        (json!({ "format": "account", "uri": agent }), principal()),
        // RFC 9493, sections 3.2.4 and 3.2.8; Shared Signals Framework 1.0, section 3.5.
        (
            json!({ "format": "aliases", "identifiers": [
                { "format": "email", "email": "user@example.com" },
                { "format": "phone_number", "phone_number": "+12065550100" },
                { "format": "uri", "uri": agent },
                { "format": "opaque", "id": agent },
            ] }),
            principal(),
        ),
        (
            json!({ "format": "opaque", "id": "dMTlD|1600802906337.16|16008.16" }),
            credential("dMTlD|1600802906337.16|16008.16"),
        ),
        (
            json!({ "format": "jwt_id", "iss": "https://idp.example.com/123456789/", "jti": "B70BA622-9515-4353-A866-823539EECBC8" }),
            credential("B70BA622-9515-4353-A866-823539EECBC8"),
        ),
        (
            json!({
                "format": "complex",
                "user": { "format": "iss_sub", "iss": ISSUER, "sub": agent },
                "tenant": { "format": "opaque", "id": "123456789" },
            }),
            principal(),
        ),
        (
            json!({
                "format": "complex",
                "application": { "format": "aliases", "identifiers": [{ "format": "uri", "uri": agent }] },
            }),
            principal(),
        ),
        // The form of the drafts.
        (
            json!({ "subject_type": "iss-sub", "iss": ISSUER, "sub": agent }),
            principal(),
        ),
        (
            json!({ "user": { "format": "iss_sub", "iss": ISSUER, "sub": agent } }),
            principal(),
        ),
    ] {
        let kind = format!("{RISC}account-disabled");
        let event = of_type(&kind, &subject, &json!({}));
        assert_eq!(found(&issuer, &event), Ok(expected.clone()), "{subject}");
        // The place of the drafts.
        let mut event = of_type(&kind, &json!(null), &json!({ "subject": subject }));
        event.as_object_mut().unwrap().remove("sub_id");
        assert_eq!(found(&issuer, &event), Ok(expected), "{subject}");
    }
    let mut by_sub = of_type(&format!("{CAEP}session-revoked"), &json!(null), &json!({}));
    by_sub.as_object_mut().unwrap().remove("sub_id");
    by_sub["sub"] = json!(agent);
    assert_eq!(found(&issuer, &by_sub), Ok(principal()));
    for subject in [
        json!({ "format": "email", "email": "john.doe@example.com" }),
        json!({ "format": "iss_sub", "iss": ISSUER, "sub": "7375626A656374" }),
        json!({ "format": "account", "uri": "acct:example.user@service.example.com" }),
        json!({ "format": "did", "url": "did:example:123456/did/url/path?versionId=1" }),
        json!({ "format": "uri", "uri": "https://user.example.com/" }),
        json!({ "format": "saml_assertion_id", "issuer": "https://idp.example.com/", "assertion_id": "_8e8dc5f6" }),
        json!({ "format": "complex", "tenant": { "format": "opaque", "id": "123456789" } }),
        json!({ "format": "opaque", "id": "urn:spiffe://acme.example/a" }),
        json!({ "format": "opaque", "id": " jti-1" }),
        json!({ "format": "uri", "uri": "spiffe://acme.example" }),
        json!({}),
        json!("spiffe://acme.example/a"),
        json!(null),
    ] {
        let event = of_type(&format!("{RISC}account-purged"), &subject, &json!({}));
        let error = found(&issuer, &event).unwrap_err();
        assert!(
            matches!(error, EventError::Subject(_)),
            "{subject}: {error}"
        );
        assert!(error.needs_a_person());
    }
}

#[test]
fn a_certificate_is_named_by_any_reading_of_its_serial_number_and_its_issuer() {
    let issuer = Issuer::new("serials");
    let list = issuer.folder.join("revocations.jsonl");
    let revoke = |jti: &str, event: Value| {
        let subject = json!({ "format": "opaque", "id": "ignored" });
        let mut claims = of_type(&format!("{CAEP}credential-change"), &subject, &event);
        claims["jti"] = json!(jti);
        append_event(&list, &issuer.verify(&claims).unwrap(), NOW).unwrap();
    };
    let serial = |serial: Value| json!({ "change_type": "revoke", "x509_serial": serial });
    revoke("1", serial(json!("66219")));
    revoke("2", serial(json!("01:02:AC")));
    revoke("3", serial(json!(66_221)));
    let mut of_issuer = serial(json!("0102AE"));
    of_issuer["x509_issuer"] = json!("CN=Acme CA,O=Acme");
    revoke("4", of_issuer);
    let list = List::read(&list, None).unwrap();
    let of = "spiffe://a.example/x";
    let find = |id: &str| {
        list.entries
            .find(Revocable::Credential, id, Some(of), u64::MAX)
            .is_some()
    };
    for id in ["102ab", "66219", "102ac", "01:02:AD", "102ae"] {
        assert!(find(id), "{id}");
    }
    assert!(!find("102af"));
    let certificate = |issuer: &str| certificate_id(issuer_of(issuer).as_deref(), "102ae").unwrap();
    assert!(find(&certificate("O = Acme, CN = Acme CA")));
    assert!(!find(&certificate("CN=Other CA,O=Acme")));
}

#[test]
fn several_events_in_one_token_are_all_applied() {
    let issuer = Issuer::new("several");
    let mut event = claims(
        "session-revoked",
        json!({ "format": "opaque", "id": "s-1" }),
        json!({}),
    );
    event["events"][format!("{RISC}account-disabled")] =
        json!({ "subject": { "format": "uri", "uri": "spiffe://a.example/x" } });
    event["events"][format!("{CAEP}token-claims-change")] = json!({});
    let event = issuer.verify(&event).unwrap();
    let ids: Vec<_> = event.revoked.iter().map(|it| it.id.as_str()).collect();
    assert!(ids.contains(&"s-1") && ids.contains(&"spiffe://a.example/x"));
    assert_eq!(event.left_out.len(), 1);
}
