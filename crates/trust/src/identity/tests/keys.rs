//! Rules for accepted keys, tested at every place that reads keys.

use super::*;
use crate::identity::keys::{PublicKey, Purpose, Unfit};
use crate::intent::Signatures;
use crate::revocation::EventIssuers;

/// Expected result for a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Accepted,
    /// The key is skipped, as RFC 7517 requires.
    NotMeant,
    /// The key is refused, with a message that contains this text.
    Refused(&'static str),
}
use Verdict::{Accepted, NotMeant, Refused};

/// An RSA key with a modulus of `bits` bits, whose factors are irrelevant.
fn rsa(bits: usize) -> Value {
    let modulus = vec![0xff; bits / 8];
    json!({ "kty": "RSA", "n": encode(modulus), "e": "AQAB" })
}

fn p256() -> Value {
    NewKey::seeded(7).to_jwk()
}

/// Decodes hexadecimal digits.
fn hex(digits: &str) -> Vec<u8> {
    base16ct::lower::decode_vec(digits).unwrap()
}

/// Points of Ed25519 of order 1, 2, 4 and 8.
const SMALL_ORDER: [(&str, &str); 8] = [
    (
        "Ed25519 of order 1",
        "0100000000000000000000000000000000000000000000000000000000000000",
    ),
    (
        "Ed25519 of order 8",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    ),
    (
        "Ed25519 of order 4",
        "0000000000000000000000000000000000000000000000000000000000000000",
    ),
    (
        "Ed25519 of order 8, again",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    ),
    (
        "Ed25519 of order 2",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ),
    (
        "Ed25519 of order 8, negated",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    ),
    (
        "Ed25519 of order 4, negated",
        "0000000000000000000000000000000000000000000000000000000000000080",
    ),
    (
        "Ed25519 of order 8, negated again",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    ),
];

/// The base point of Ed25519, and that point with a component of order 8 and of order 2.
const BASE_POINT: &str = "5866666666666666666666666666666666666666666666666666666666666666";
const MIXED_ORDER: [&str; 2] = [
    "da99e28ba529cdde35a25fba9059e78ecaee239f99755b9b1aa4f65df00803e2",
    "9599999999999999999999999999999999999999999999999999999999999999",
];

fn ed25519(x: impl AsRef<[u8]>) -> Value {
    json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(x) })
}

/// The key of RFC 8037, appendix A.2.
fn rfc8037() -> Value {
    json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" })
}

/// Bytes that are not a point of the curve of Ed25519: no point has y = 2.
fn no_point() -> [u8; 32] {
    let mut y = [0; 32];
    y[0] = 2;
    y
}

fn with(mut key: Value, members: Value) -> Value {
    let members = members.as_object().unwrap().clone();
    key.as_object_mut().unwrap().extend(members);
    key
}

/// Keys with their expected results.
fn keys() -> Vec<(&'static str, Value, Verdict)> {
    let mut keys = vec![
        ("P-256", p256(), Accepted),
        (
            "P-256 for ES256",
            with(p256(), json!({ "alg": "ES256" })),
            Accepted,
        ),
        (
            "P-256 that verifies",
            with(p256(), json!({ "key_ops": ["verify"] })),
            Accepted,
        ),
        (
            "P-256 with a certificate beside it",
            with(p256(), json!({ "x5t": "abc", "kid": "k" })),
            Accepted,
        ),
        ("RSA 2048", rsa(2048), Accepted),
        ("RSA 4096", rsa(4096), Accepted),
        (
            "RSA for PS384",
            with(rsa(2048), json!({ "alg": "PS384" })),
            Accepted,
        ),
        ("Ed25519 of RFC 8037", rfc8037(), Accepted),
        ("RSA 512", rsa(512), Refused("512 bits")),
        ("RSA 1024", rsa(1024), Refused("1024 bits")),
        ("RSA 2040", rsa(2040), Refused("2040 bits")),
        ("RSA 16384", rsa(16384), Refused("16384 bits")),
        (
            "RSA, e = 1",
            with(rsa(2048), json!({ "e": "AQ" })),
            Refused("exponent"),
        ),
        (
            "RSA, e = 3",
            with(rsa(2048), json!({ "e": "Aw" })),
            Refused("exponent"),
        ),
        (
            "RSA, e even",
            with(rsa(2048), json!({ "e": "AQAC" })),
            Refused("exponent"),
        ),
        (
            "RSA, e vast",
            with(rsa(2048), json!({ "e": encode([0xff; 16]) })),
            Refused("exponent"),
        ),
        (
            "RSA, leading zeros",
            with(
                rsa(2048),
                json!({ "n": encode([vec![0; 200], vec![0xff; 256]].concat()) }),
            ),
            Refused("leading zeros"),
        ),
        (
            "RSA 1024 that is padded",
            with(
                rsa(2048),
                json!({ "n": encode([vec![0; 128], vec![0xff; 128]].concat()) }),
            ),
            Refused("leading zeros"),
        ),
        (
            "RSA, even",
            with(
                rsa(2048),
                json!({ "n": encode([vec![0xff; 255], vec![0xfe]].concat()) }),
            ),
            Refused("even"),
        ),
        (
            "RSA without e",
            json!({ "kty": "RSA", "n": encode([0xff; 256]) }),
            Refused("`/e`"),
        ),
        (
            "RSA for ES256",
            with(rsa(2048), json!({ "alg": "ES256" })),
            Refused("`/alg`"),
        ),
        (
            "P-256 for RS256",
            with(p256(), json!({ "alg": "RS256" })),
            Refused("`/alg`"),
        ),
        (
            "P-256 for ES384",
            with(p256(), json!({ "alg": "ES384" })),
            Refused("`/alg`"),
        ),
        (
            "P-256 for HS256",
            with(p256(), json!({ "alg": "HS256" })),
            Refused("`/alg`"),
        ),
        (
            "P-256 for none",
            with(p256(), json!({ "alg": "none" })),
            Refused("`/alg`"),
        ),
        (
            "Ed25519 for ES256",
            with(rfc8037(), json!({ "alg": "ES256" })),
            Refused("`/alg`"),
        ),
        (
            "RSA for OAEP",
            with(rsa(2048), json!({ "alg": "RSA-OAEP-256" })),
            NotMeant,
        ),
        (
            "P-256 for ECDH",
            with(p256(), json!({ "alg": "ECDH-ES+A128KW" })),
            NotMeant,
        ),
        (
            "use is enc",
            with(p256(), json!({ "use": "enc" })),
            NotMeant,
        ),
        ("use is empty", with(p256(), json!({ "use": "" })), NotMeant),
        (
            "use in capitals",
            with(p256(), json!({ "use": "SIG" })),
            NotMeant,
        ),
        (
            "use is a number",
            with(p256(), json!({ "use": 1 })),
            Refused("`/use`"),
        ),
        (
            "key_ops derives",
            with(p256(), json!({ "key_ops": ["deriveKey"] })),
            NotMeant,
        ),
        (
            "key_ops signs",
            with(p256(), json!({ "key_ops": ["sign"] })),
            NotMeant,
        ),
        (
            "key_ops is empty",
            with(p256(), json!({ "key_ops": [] })),
            NotMeant,
        ),
        (
            "key_ops does both",
            with(p256(), json!({ "key_ops": ["verify", "deriveBits"] })),
            Refused("`/key_ops`"),
        ),
        (
            "key_ops twice",
            with(p256(), json!({ "key_ops": ["verify", "verify"] })),
            Refused("twice"),
        ),
        (
            "key_ops is text",
            with(p256(), json!({ "key_ops": "verify" })),
            Refused("`/key_ops`"),
        ),
        ("oct", json!({ "kty": "oct" }), Refused("shared secret")),
        (
            "oct with its secret",
            json!({ "kty": "oct", "k": "c2VjcmV0" }),
            Refused("/k`"),
        ),
        ("no kty", json!({ "x": "AA" }), Refused("`/kty`")),
        (
            "an unknown kty",
            json!({ "kty": "AKP", "alg": "ML-DSA-44" }),
            NotMeant,
        ),
        (
            "P-521",
            json!({ "kty": "EC", "crv": "P-521", "x": "AA", "y": "AA" }),
            NotMeant,
        ),
        (
            "secp256k1",
            json!({ "kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA" }),
            NotMeant,
        ),
        (
            "X25519",
            json!({ "kty": "OKP", "crv": "X25519", "x": "AA" }),
            NotMeant,
        ),
        (
            "P-384 with the point of P-256",
            with(p256(), json!({ "crv": "P-384" })),
            Refused("48 bytes"),
        ),
        (
            "no point of its curve",
            with(p256(), json!({ "y": encode([1; 32]) })),
            Refused("no point"),
        ),
        (
            "the point of zeros",
            with(
                p256(),
                json!({ "x": encode([0; 32]), "y": encode([0; 32]) }),
            ),
            Refused("no point"),
        ),
        (
            "half a point",
            with(p256(), json!({ "y": encode([1; 16]) })),
            Refused("32 bytes"),
        ),
        (
            "Ed25519 on `EC`",
            json!({ "kty": "EC", "crv": "Ed25519", "x": "AA", "y": "AA" }),
            NotMeant,
        ),
        ("Ed25519, too short", ed25519([1; 8]), Refused("32 bytes")),
        (
            "Ed25519, padded",
            with(
                rfc8037(),
                json!({ "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo=" }),
            ),
            Refused("`/x`"),
        ),
        (
            "Ed25519, no point",
            ed25519(no_point()),
            Refused("no point"),
        ),
        // y = p + 1, which a decoder that does not check for canonical form reads as 1.
        (
            "Ed25519, not canonical",
            ed25519([vec![0xee], vec![0xff; 30], vec![0x7f]].concat()),
            Refused("no point"),
        ),
        // y = 1 has x = 0, which has no sign.
        (
            "Ed25519 of order 1, negated",
            ed25519([vec![1], vec![0; 30], vec![0x80]].concat()),
            Refused("no point"),
        ),
        (
            "Ed25519, the base point",
            ed25519(hex(BASE_POINT)),
            Accepted,
        ),
        (
            "Ed25519 with a part of order 8",
            ed25519(hex(MIXED_ORDER[0])),
            Refused("small order"),
        ),
        (
            "Ed25519 with a part of order 2",
            ed25519(hex(MIXED_ORDER[1])),
            Refused("small order"),
        ),
    ];
    for (name, point) in SMALL_ORDER {
        keys.push((name, ed25519(hex(point)), Refused("small order")));
    }
    for member in ["d", "p", "q", "dp", "dq", "qi", "oth"] {
        let name = match member {
            "d" => "a private key",
            _ => "a part of a private key",
        };
        keys.push((
            name,
            with(p256(), json!({ member: "AA" })),
            Refused("a private key"),
        ));
    }
    keys
}

/// Asserts the expected result where only a message is returned.
fn hold(name: &str, verdict: Verdict, came: Result<(), String>) {
    match (verdict, came) {
        (Accepted, Ok(())) => {}
        (NotMeant, Err(_)) => {}
        (Refused(word), Err(said)) => assert!(said.contains(word), "{name}: {said}"),
        (_, came) => panic!("{name}: {verdict:?} was expected, and came {came:?}"),
    }
}

#[test]
fn a_key_is_judged_by_strength_and_purpose() {
    for (name, jwk, verdict) in keys() {
        match (verdict, PublicKey::from_jwk(&jwk, Purpose::Signatures)) {
            (NotMeant, Err(Unfit::NotMeant(_))) => {}
            (NotMeant, came) => panic!("{name}: {:?}", came.map(|_| ())),
            (verdict, came) => hold(name, verdict, came.map(|_| ()).map_err(Unfit::into_message)),
        }
    }
}

#[test]
fn a_key_set_of_approvers_delegators_and_issuers_is_judged_alike() {
    let file = std::env::temp_dir().join(format!("portcullis-doors-{}.json", std::process::id()));
    for (name, jwk, verdict) in keys() {
        let set = json!({ "keys": [jwk] });
        fs::write(&file, set.to_string()).unwrap();
        let approver = Signatures::default().approver("alice@acme.example", &file);
        let came = approver.map(|_| ()).map_err(|error| error.to_string());
        hold(name, verdict, came);
        let delegator = Signatures::default().delegator("spiffe://acme.example/lead", &file);
        let came = delegator.map(|_| ()).map_err(|error| error.to_string());
        hold(name, verdict, came);
        let issuer =
            EventIssuers::new(AUDIENCE).issuer("https://idp.acme.example", &file, ["acme.example"]);
        let came = issuer.map(|_| ()).map_err(|error| error.to_string());
        hold(name, verdict, came);

        // Beside an accepted key, a key that is not meant is skipped, and a refused one makes the set
        // unusable.
        let set = json!({ "keys": [jwk, p256()] });
        let both = Keys::from_jwks(set.to_string().as_bytes());
        assert_eq!(
            both.is_ok(),
            !matches!(verdict, Refused(_)),
            "{name}: {both:?}"
        );
    }
    fs::remove_file(file).unwrap();
}

#[test]
fn a_trust_bundle_is_judged_alike() {
    let issuer = Issuer::new("judged", 7);
    for (name, jwk, verdict) in keys() {
        // The purpose at this place is `jwt-svid`.
        if jwk.get("use").is_some() {
            continue;
        }
        let jwk = with(jwk, json!({ "use": "jwt-svid", "kid": "judged" }));
        issuer.publish(&json!({ "keys": [jwk] }));
        let alone = Bundles::from_files([("acme.example", &issuer.file)]);
        let came = alone.map(|_| ()).map_err(|error| error.to_string());
        hold(name, verdict, came);
        issuer.publish(&json!({ "keys": [jwk, issuer.jwk()] }));
        let both = Bundles::from_files([("acme.example", &issuer.file)]);
        assert_eq!(
            both.is_ok(),
            !matches!(verdict, Refused(_)),
            "{name}: {both:?}"
        );
    }
    let unnamed = with(p256(), json!({ "use": "jwt-svid", "kid": "" }));
    issuer.publish(&json!({ "keys": [unnamed] }));
    let error = Bundles::from_files([("acme.example", &issuer.file)]).unwrap_err();
    assert!(error.to_string().contains("`/keys/0/kid`"), "{error}");
    let elsewhere = with(p256(), json!({ "use": "another", "d": "AA" }));
    issuer.publish(&json!({ "keys": [elsewhere, issuer.jwk()] }));
    let error = Bundles::from_files([("acme.example", &issuer.file)]).unwrap_err();
    assert!(error.to_string().contains("`/keys/0/d`"), "{error}");
}

#[test]
fn pem_is_refused_by_name() {
    let issuer = Issuer::new("pem", 7);
    for (pem, said) in [
        (
            "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n",
            "private key in PEM",
        ),
        (
            "-----BEGIN EC PRIVATE KEY-----\nAA==\n-----END EC PRIVATE KEY-----\n",
            "private key in PEM",
        ),
        (
            "\n-----BEGIN RSA PRIVATE KEY-----\nAA==\n-----END RSA PRIVATE KEY-----\n",
            "private key in PEM",
        ),
        (
            "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\nAA==\n",
            "private key in PEM",
        ),
        (
            "-----BEGIN PUBLIC KEY-----\nAA==\n-----END PUBLIC KEY-----\n",
            "as a JWKS",
        ),
    ] {
        fs::write(&issuer.file, pem).unwrap();
        let approver = Signatures::default().approver("alice", &issuer.file);
        let error = approver.unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
        let bundle = Bundles::from_files([("acme.example", &issuer.file)]);
        let error = bundle.unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
    // A single key as an object, as before it is published in a set.
    fs::write(&issuer.file, with(p256(), json!({ "d": "AA" })).to_string()).unwrap();
    let approver = Signatures::default().approver("alice", &issuer.file);
    let error = approver.unwrap_err().to_string();
    assert!(error.contains("a private key"), "{error}");
}

#[test]
fn one_key_signs_for_one_signer() {
    let file = |name: &str, keys: Value| {
        let file =
            std::env::temp_dir().join(format!("portcullis-shared-{name}-{}", std::process::id()));
        fs::write(&file, json!({ "keys": keys }).to_string()).unwrap();
        file
    };
    let renamed = with(
        p256(),
        json!({ "kid": "another name", "alg": "ES256", "use": "sig" }),
    );
    let (ours, same, own) = (
        file("ours", json!([p256(), rfc8037()])),
        file("same", json!([rsa(2048), renamed])),
        file("own", json!([rsa(3072)])),
    );
    let alice = || {
        Signatures::default()
            .approver("alice@acme.example", &ours)
            .unwrap()
    };
    let lead = "spiffe://acme.example/agent/lead";
    for (error, other) in [
        (
            alice().approver("bob@acme.example", &same),
            "alice@acme.example",
        ),
        (alice().delegator(lead, &same), "alice@acme.example"),
        (alice().delegator(lead, &ours), "alice@acme.example"),
        (
            Signatures::default()
                .delegator(lead, &ours)
                .unwrap()
                .delegator("spiffe://acme.example/b", &ours),
            lead,
        ),
    ] {
        let error = error.unwrap_err().to_string();
        assert!(
            error.contains("one key") && error.contains(other),
            "{error}"
        );
    }
    let apart = alice().approver("bob@acme.example", &own).unwrap();
    let third = file("third", json!([rsa(4096)]));
    assert!(apart.delegator(lead, &third).is_ok());
    for file in [ours, same, own, third] {
        fs::remove_file(file).unwrap();
    }
}

#[test]
fn a_signer_has_one_name_in_one_spelling() {
    let issuer = Issuer::new("spelling", 7);
    let mut sig = issuer.jwk();
    sig["use"] = json!("sig");
    issuer.publish(&json!({ "keys": [sig] }));
    for who in [
        "SPIFFE://acme.example/agent/fixer",
        "spiffe://ACME.example/agent/fixer",
        "spiffe://acme.example/agent/fixer/",
        "spiffe://acme.example/agent/%66ixer",
        "spiffe://acme.example//agent/fixer",
        " spiffe://acme.example/agent/fixer",
        "spiffe://acme.example/agent/fixer\u{200b}",
        "spiffe://acme.example",
        "spiffe:acme.example/agent/fixer",
        "alice ",
        "",
    ] {
        let refused = Signatures::default().approver(who, &issuer.file);
        assert!(refused.is_err(), "{who:?}");
        let refused = Signatures::default().delegator(who, &issuer.file);
        assert!(refused.is_err(), "{who:?}");
    }
    for who in ["alice@acme.example", "spiffe://acme.example/agent/fixer"] {
        assert!(
            Signatures::default().approver(who, &issuer.file).is_ok(),
            "{who}"
        );
    }
    let next = Issuer::new("spelling-next", 8);
    sig_of(&next);
    let twice = Signatures::default()
        .approver("alice@acme.example", &issuer.file)
        .unwrap();
    let error = twice
        .approver("Alice@ACME.example", &next.file)
        .unwrap_err();
    assert!(error.to_string().contains("two spellings"), "{error}");
}

fn sig_of(issuer: &Issuer) {
    let mut jwk = issuer.jwk();
    jwk["use"] = json!("sig");
    issuer.publish(&json!({ "keys": [jwk] }));
}
