//! JWT-SVIDs: claims, headers and signatures.

use super::*;
use crate::waiting::until;
use portcullis_contract::PrincipalKind;

#[test]
fn a_token_proves_who_asks() {
    let issuer = Issuer::new("proves", 7);
    let claims = claims();
    let principal = issuer
        .verifier()
        .verify(&issuer.sign(&claims.to_string()))
        .unwrap();
    assert_eq!(
        principal.id,
        "spiffe://acme.example/ns/payments/agent/reconciler"
    );
    assert_eq!(principal.attestation, Attestation::JwtSvid);
    assert_eq!(principal.credential_id, "jti-17");
    let millis = |name: &str| Timestamp::from_millis(claims[name].as_u64().unwrap() * 1000);
    assert_eq!(principal.credential_issued_at, Some(millis("iat")));
    assert_eq!(principal.credential_expires_at, Some(millis("exp")));
    assert_eq!(
        principal.kind,
        PrincipalKind::Unspecified,
        "that is the registry's word"
    );
}

#[test]
fn a_token_without_an_id_is_called_by_its_digest() {
    let issuer = Issuer::new("digest", 7);
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove("jti");
    let principal = issuer
        .verifier()
        .verify(&issuer.sign(&claims.to_string()))
        .unwrap();
    assert!(principal.credential_id.starts_with("sha256:"));
}

#[test]
fn a_token_that_is_wrong_in_one_thing_proves_nothing() {
    let issuer = Issuer::new("wrong", 7);
    let verifier = issuer.verifier();
    let with = |name: &str, value: Value| {
        let mut claims = claims();
        claims[name] = value;
        verifier
            .verify(&issuer.sign(&claims.to_string()))
            .map(|_| ())
            .unwrap_err()
    };
    let without = |name: &str| {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove(name);
        verifier
            .verify(&issuer.sign(&claims.to_string()))
            .map(|_| ())
            .unwrap_err()
    };
    let is_invalid = |error: SvidError| matches!(error, SvidError::Invalid(_));
    assert!(is_invalid(with(
        "aud",
        json!(["https://elsewhere.example"])
    )));
    assert!(is_invalid(with("exp", json!(now() - 1))));
    assert!(is_invalid(with("nbf", json!(now() + 60))));
    assert!(is_invalid(with("sub", json!("spiffe://other.example/a"))));
    assert!(is_invalid(with("sub", json!("https://acme.example/a"))));
    for name in ["sub", "aud", "exp"] {
        assert!(is_invalid(without(name)), "{name}");
    }
    assert!(matches!(without("iat"), SvidError::NoIssuedAt));
    assert!(matches!(
        with("iat", json!(now() + 60)),
        SvidError::NotYetIssued(_)
    ));
    assert!(matches!(
        with("iat", json!("yesterday")),
        SvidError::Claims(_)
    ));
    assert!(matches!(
        with("iat", json!(now() - 3600)),
        SvidError::TooLongLived { .. }
    ));
    assert!(matches!(with("jti", json!(7)), SvidError::Claims(_)));

    let mallory = Issuer::new("mallory", 8);
    assert!(is_invalid(
        verifier
            .verify(&mallory.sign(&claims().to_string()))
            .map(|_| ())
            .unwrap_err()
    ));
    let token = issuer.sign(&claims().to_string());
    let (signed, _) = token.rsplit_once('.').unwrap();
    for forged in [
        format!("{signed}."),
        format!(
            "{}.{}.",
            encode(r#"{"alg":"none"}"#),
            encode(claims().to_string())
        ),
        format!(
            "{}.{}.{}",
            encode(r#"{"alg":"HS256","kid":"key-1"}"#),
            encode(claims().to_string()),
            encode("x")
        ),
        "not a token".to_owned(),
        String::new(),
    ] {
        let error = verifier.verify(&forged).map(|_| ()).unwrap_err();
        assert!(is_invalid(error), "{forged}");
    }
}

#[test]
fn each_reason_why_a_token_is_invalid_has_its_own_message() {
    let issuer = Issuer::new("reasons", 7);
    let verifier = issuer.verifier();
    let refused = |header: Value, claims: &Value, key: &NewKey| {
        let signed = format!(
            "{}.{}",
            encode(header.to_string()),
            encode(claims.to_string())
        );
        let token = format!("{signed}.{}", encode(key.sign(signed.as_bytes())));
        let error = verifier.verify(&token).map(|_| ()).unwrap_err();
        let text = error.to_string();
        assert!(!text.contains(&encode(claims.to_string())), "{text}");
        text
    };
    let good = json!({ "alg": "ES256", "kid": "key-1", "typ": "JWT" });
    let with = |name: &str, value: Value| {
        let mut claims = claims();
        claims[name] = value;
        claims
    };
    let secret = "ghp_0123456789abcdefghijABCDEFGHIJ012345";
    let time = |seconds: u64| Timestamp::from_millis(seconds * 1000);
    let ended = now() - 7200;
    let begins = now() + 7200;
    let begin_of = |text: &str| text.split(", ").next().unwrap().to_owned();
    let invalid = "the JWT-SVID is not valid: ";
    let expired = refused(good.clone(), &with("exp", json!(ended)), &issuer.key);
    assert_eq!(
        begin_of(&expired),
        format!("{invalid}it expired at {}", time(ended))
    );
    assert!(
        expired.ends_with(" ago: have a new one issued"),
        "{expired}"
    );
    let early = refused(good.clone(), &with("nbf", json!(begins)), &issuer.key);
    assert_eq!(
        begin_of(&early),
        format!("{invalid}it is valid from {}", time(begins))
    );
    let mallory = Issuer::new("reasons-mallory", 8);
    for (said, found) in [
        (
            format!("it is for `https://elsewhere.example`, not for `{AUDIENCE}`: have one issued for this audience"),
            refused(
                good.clone(),
                &with("aud", json!(["https://elsewhere.example"])),
                &issuer.key,
            ),
        ),
        (
            format!("it is for `a` and `b` and `c` and 1 more, not for `{AUDIENCE}`: have one issued for this audience"),
            refused(good.clone(), &with("aud", json!(["a", "b", "c", "d"])), &issuer.key),
        ),
        (
            "its signature does not verify with the key `key-1`: it was changed, or signed with another key".to_owned(),
            refused(good.clone(), &claims(), &mallory.key),
        ),
        (
            "its key id `key-2` is not in the bundle of its trust domain: update the bundle, or have one issued with a current key".to_owned(),
            refused(json!({ "alg": "ES256", "kid": "key-2" }), &claims(), &issuer.key),
        ),
        (
            "no bundle is known for its trust domain `other.example`: add it to `[trust-domains]`".to_owned(),
            refused(good, &with("sub", json!("spiffe://other.example/a")), &issuer.key),
        ),
        (
            "its algorithm `none` is not supported: use `ES256`, `ES384`, or one of `RS` and `PS` with 256, 384 or 512".to_owned(),
            refused(json!({ "alg": "none", "kid": "key-1" }), &claims(), &issuer.key),
        ),
        (
            "its algorithm `RS256` is not that of its key `key-1`, ES256: sign it with the algorithm of the key".to_owned(),
            refused(json!({ "alg": "RS256", "kid": "key-1" }), &claims(), &issuer.key),
        ),
    ] {
        assert_eq!(found, format!("{invalid}{said}"));
    }
    let hidden = refused(
        json!({ "alg": "ES256", "kid": secret }),
        &claims(),
        &issuer.key,
    );
    assert!(!hidden.contains(secret), "{hidden}");
    assert!(hidden.contains("its key id `"), "{hidden}");
    // A malformed token, and the neighbour that is valid.
    let error = verifier.verify("not a token").map(|_| ()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("{invalid}malformed jwt token: expected 3 dot-separated parts")
    );
    assert!(verifier.verify(&issuer.sign(&claims().to_string())).is_ok());
}

#[test]
fn a_claim_that_is_there_twice_has_no_meaning() {
    let issuer = Issuer::new("twice", 7);
    let claims = claims().to_string();
    let twice = claims.replace(
        "\"jti\":\"jti-17\"",
        "\"jti\":\"jti-17\",\"jti\":\"jti-18\"",
    );
    assert_ne!(claims, twice);
    let error = issuer
        .verifier()
        .verify(&issuer.sign(&twice))
        .map(|_| ())
        .unwrap_err();
    assert!(matches!(error, SvidError::Claims(_)), "{error}");
}

#[test]
fn a_token_that_was_verified_before_proves_nothing_once_it_expires() {
    let issuer = Issuer::new("expires", 7);
    let verifier = issuer.verifier();
    let mut claims = claims();
    let expires = now() + 2;
    claims["exp"] = json!(expires);
    let token = issuer.sign(&claims.to_string());
    assert!(verifier.verify(&token).is_ok());
    until("the token expires", || now() >= expires);
    assert!(verifier.verify(&token).is_err());
}

#[test]
fn a_token_is_of_a_workload_and_can_be_revoked() {
    let issuer = Issuer::new("workload", 7);
    let verifier = issuer.verifier();
    let with = |name: &str, value: Value| {
        let mut claims = claims();
        claims[name] = value;
        verifier.verify(&issuer.sign(&claims.to_string()))
    };
    for id in [
        "spiffe://acme.example",
        "spiffe://acme.example/",
        "spiffe://ACME.example/agent",
        "SPIFFE://acme.example/agent",
        "spiffe://acme.example/agent/",
        "spiffe://acme.example/a/../b",
        " spiffe://acme.example/agent",
    ] {
        assert!(with("sub", json!(id)).is_err(), "{id}");
    }
    let long = format!("spiffe://acme.example/{}", "a".repeat(2048));
    assert!(with("sub", json!(long)).is_err());
    for id in [
        " sp",
        "sp ",
        "s p",
        "",
        "\t",
        "a\u{0}",
        "a\u{200b}b",
        "a\u{202e}b",
        "\u{ff21}",
    ] {
        let refused = with("jti", json!(id)).unwrap_err();
        assert!(matches!(refused, SvidError::Claims(_)), "{id:?}");
    }
    for id in ["jti-17", "5f0c_E.9:x/y", "urn:uuid:0c6b"] {
        assert!(with("jti", json!(id)).is_ok(), "{id}");
    }
    for (date, is_valid) in [
        (json!(now() - 60), true),
        (json!(now() as f64 - 59.5), true),
        (json!((now() - 60).to_string()), false),
        (json!(-1), false),
        (Value::Null, false),
    ] {
        assert_eq!(with("iat", date.clone()).is_ok(), is_valid, "{date}");
    }
}

#[test]
fn a_token_has_the_header_and_the_claims_of_the_standard() {
    let issuer = Issuer::new("header", 7);
    let verifier = issuer.verifier();
    let signed = |header: Value, claims: &Value| {
        let signed = format!(
            "{}.{}",
            encode(header.to_string()),
            encode(claims.to_string())
        );
        let signature = issuer.key.sign(signed.as_bytes());
        format!("{signed}.{}", encode(signature))
    };
    let good = json!({ "alg": "ES256", "kid": "key-1", "typ": "JWT" });
    for (header, is_valid) in [
        (good.clone(), true),
        (json!({ "alg": "ES256", "kid": "key-1" }), true),
        (
            json!({ "alg": "ES256", "kid": "key-1", "typ": "JOSE" }),
            true,
        ),
        (
            json!({ "alg": "ES256", "kid": "key-1", "typ": "intent+jwt" }),
            false,
        ),
        (json!({ "alg": "none", "kid": "key-1" }), false),
        (json!({ "alg": "None", "kid": "key-1" }), false),
        (json!({ "alg": "HS256", "kid": "key-1" }), false),
        (json!({ "alg": "EdDSA", "kid": "key-1" }), false),
        (json!({ "alg": "ES384", "kid": "key-1" }), false),
        (json!({ "alg": "RS256", "kid": "key-1" }), false),
        (json!({ "alg": "ES256", "kid": "key-2" }), false),
        (json!({ "alg": "ES256" }), false),
        (
            json!({ "alg": "ES256", "kid": "key-1", "crit": ["x"], "x": 1 }),
            false,
        ),
        (
            json!({ "alg": "ES256", "kid": "key-1", "b64": false, "crit": ["b64"] }),
            false,
        ),
        (
            json!({ "alg": "ES256", "kid": "key-1", "jku": "https://mallory.example/keys" }),
            false,
        ),
        (
            json!({ "alg": "ES256", "kid": "key-1", "jwk": issuer.jwk() }),
            false,
        ),
    ] {
        let came = verifier.verify(&signed(header.clone(), &claims()));
        assert_eq!(came.is_ok(), is_valid, "{header}: {came:?}");
    }
    for (name, value, is_valid) in [
        ("aud", json!(AUDIENCE), true),
        ("aud", json!(["another", AUDIENCE]), true),
        ("aud", json!([]), false),
        ("aud", json!(""), false),
        ("aud", json!([format!("{AUDIENCE}/")]), false),
        ("aud", Value::Null, false),
        ("exp", json!(now() - 1), false),
        ("exp", json!("tomorrow"), false),
        ("exp", Value::Null, false),
        ("nbf", json!(now() + 60), false),
        ("nbf", json!("soon"), false),
    ] {
        let mut claims = claims();
        claims[name] = value.clone();
        let came = verifier.verify(&signed(good.clone(), &claims));
        assert_eq!(came.is_ok(), is_valid, "{name} {value}: {came:?}");
    }
    // A key of another trust domain with the same `kid`.
    let other = Issuer::new("header-other", 8);
    let files = [
        ("acme.example", &issuer.file),
        ("other.example", &other.file),
    ];
    let both = Verifier::new(Bundles::from_files(files).unwrap(), AUDIENCE);
    assert!(both.verify(&issuer.sign(&claims().to_string())).is_ok());
    assert!(both.verify(&other.sign(&claims().to_string())).is_err());
}
