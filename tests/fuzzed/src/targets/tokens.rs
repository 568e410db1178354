//! Signed documents: JWT-SVIDs, proofs of possession and signed intents.
//!
//! The first line of the input names the document, the second how it is signed, the third and fourth are header and
//! claims. In both, `"$now"` is the current time, `"$jwk"` and `"$jkt"` the key of the proof and its thumbprint, and
//! `"$ath"` the hash of the token that the proof is for.
//!
//! - Nothing is accepted without a signature over exactly this header and these claims.
//! - What is signed and accepted has the issuer, audience, subject and times that it needs.
//! - A proof of possession is accepted once.

use crate::Read;
use crate::key::{Key, unsigned};
use crate::members::expect_printable;
use base64ct::{Base64UrlUnpadded, Encoding as _};
use portcullis_host::identity::{Bundles, Proof, SvidError, Verifier};
use portcullis_host::state::EmbeddedState;
use portcullis_host::{
    Attestation, Digest, Intents, Principal, Signatures, Timestamp, unverified_intent,
};
use serde_json::{Value, json};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

const DOMAIN: &str = "acme.example";
const AUDIENCE: &str = "portcullis.example";
const APPROVER: &str = "alice@acme.example";
const URL: &str = "https://files.acme.example/v1/a";

/// Keys, and what verifies with them.
struct Setup {
    /// Signs SVIDs and intents.
    issuer: Key,
    /// Signs proofs.
    holder: Key,
    verifier: Verifier,
    /// A JWT-SVID that is bound to the key `holder`.
    bound: String,
}

static SETUP: LazyLock<Setup> = LazyLock::new(|| {
    let (issuer, holder) = (Key::of(7), Key::of(9));
    let folder = tempfile::tempdir().expect("a folder");
    let bundle = folder.path().join("bundle.json");
    std::fs::write(&bundle, issuer.jwks("jwt-svid")).expect("a file");
    let bundles = Bundles::from_files([(DOMAIN, bundle)]).expect("a bundle");
    let verifier = Verifier::new(bundles, AUDIENCE)
        .max_lifetime(Duration::from_secs(200 * 365 * 24 * 3600))
        .state(Arc::new(EmbeddedState::in_memory(Duration::from_secs(60))));
    let header = json!({ "alg": "ES256", "kid": "k", "typ": "JWT" }).to_string();
    let claims = json!({
        "sub": format!("spiffe://{DOMAIN}/agent/fixer"), "aud": [AUDIENCE],
        "iat": 1_700_000_000, "exp": 4_102_444_800_u64, "cnf": { "jkt": thumbprint(&holder) },
    });
    let bound = issuer.signed(header.as_bytes(), claims.to_string().as_bytes());
    Setup {
        issuer,
        holder,
        verifier,
        bound,
    }
});

/// Thumbprint of a key (RFC 7638).
fn thumbprint(key: &Key) -> String {
    let jwk = key.jwk();
    let members = format!(
        r#"{{"crv":"P-256","kty":"EC","x":{},"y":{}}}"#,
        jwk["x"], jwk["y"]
    );
    in_base64(&Digest::of(members.as_bytes()))
}

/// The digest's bytes in base64url.
fn in_base64(digest: &Digest) -> String {
    let text = digest.to_string();
    let digits = text.strip_prefix("sha256:").unwrap_or_default();
    let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).expect("a byte");
    let bytes: Vec<u8> = (0..digits.len()).step_by(2).map(byte).collect();
    Base64UrlUnpadded::encode_string(&bytes)
}

/// A document of the input.
struct Document {
    token: String,
    header: Vec<u8>,
    claims: Vec<u8>,
    /// True if the token is signed with the right key, over exactly header and claims.
    is_signed: bool,
}

pub(super) fn run(input: &[u8]) -> Read {
    let setup = &*SETUP;
    let Ok(text) = std::str::from_utf8(input) else {
        return Read::Refused;
    };
    let mut lines = text.splitn(4, '\n');
    let mut line = || lines.next().unwrap_or_default();
    let (kind, signing, header, claims) = (line(), line(), line(), line());
    let key = match kind {
        "proof" => &setup.holder,
        _ => &setup.issuer,
    };
    let header = with_values(header, setup).into_bytes();
    let claims = with_values(claims, setup).into_bytes();
    let token = match signing {
        "signed" => key.signed(&header, &claims),
        "other-key" => Key::of(11).signed(&header, &claims),
        // The signature of other claims.
        "moved" => {
            let other = key.signed(&header, b"{}");
            let (_, signature) = other.rsplit_once('.').unwrap_or_default();
            format!("{}.{signature}", unsigned(&header, &claims))
        }
        "unsigned" => format!("{}.", unsigned(&header, &claims)),
        _ => String::from_utf8_lossy(&header).into_owned(),
    };
    let document = Document {
        token,
        header,
        claims,
        is_signed: signing == "signed",
    };
    match kind {
        "svid" => svid(setup, &document),
        "proof" => proof(setup, &document),
        _ => intent(setup, &document),
    }
}

/// Puts the values in the place of their names.
fn with_values(text: &str, setup: &Setup) -> String {
    let now = Timestamp::now().as_millis() / 1000;
    let ath = in_base64(&Digest::of(setup.bound.as_bytes()));
    text.replace("\"$now\"", &now.to_string())
        .replace("\"$jwk\"", &setup.holder.jwk().to_string())
        .replace("$jkt", &thumbprint(&setup.holder))
        .replace("$ath", &ath)
}

/// Panics if the document is not signed, or its header is not one of the issuer's key.
fn expect_signed(document: &Document) -> Value {
    assert!(
        document.is_signed,
        "accepted without its signature: {}",
        document.token
    );
    let header: Value = serde_json::from_slice(&document.header).expect("a header");
    assert_eq!(header["alg"], "ES256");
    assert_eq!(header.get("crit"), None);
    serde_json::from_slice(&document.claims).expect("claims")
}

fn is_meant_for_us(claims: &Value) -> bool {
    let audience = &claims["aud"];
    let list = audience.as_array().map_or(&[][..], Vec::as_slice);
    audience == AUDIENCE || list.iter().any(|one| one == AUDIENCE)
}

fn refused(error: &SvidError) -> Read {
    expect_printable(&error.to_string());
    Read::Refused
}

fn svid(setup: &Setup, document: &Document) -> Read {
    let principal = match setup.verifier.verify(&document.token) {
        Ok(principal) => principal,
        Err(SvidError::ProofNeeded) => {
            let claims = expect_signed(document);
            assert!(claims["cnf"]["jkt"].is_string());
            return Read::Refused;
        }
        Err(error) => return refused(&error),
    };
    let claims = expect_signed(document);
    expect_principal(&principal, &claims);
    assert_eq!(principal.attestation, Attestation::JwtSvid);
    assert_eq!(claims.get("cnf"), None, "a token that is bound to a key");
    let again = setup.verifier.verify(&document.token);
    assert_eq!(again.expect("it is verified again"), principal);
    Read::Accepted
}

fn expect_principal(principal: &Principal, claims: &Value) {
    assert_eq!(claims["sub"], principal.id.as_str());
    assert!(principal.id.starts_with("spiffe://acme.example/"));
    assert!(is_meant_for_us(claims));
    let now = Timestamp::now();
    assert!(principal.credential_expires_at.is_some_and(|at| at > now));
    assert!(principal.credential_issued_at.is_some());
    let expires = claims["exp"].as_f64().expect("a time");
    assert!(expires * 1000.0 >= now.as_millis() as f64 - 1000.0);
    if let Some(id) = claims.get("jti") {
        assert_eq!(id, principal.credential_id.as_str());
    }
}

fn proof(setup: &Setup, document: &Document) -> Read {
    let proof = Proof {
        jwt: &document.token,
        method: "POST",
        url: URL,
    };
    let principal = match setup.verifier.verify_with_proof(&setup.bound, &proof) {
        Ok(principal) => principal,
        Err(SvidError::ProofReplayed) => {
            // Another input had the same `jti`.
            expect_signed(document);
            return Read::Accepted;
        }
        Err(error) => return refused(&error),
    };
    let claims = expect_signed(document);
    assert_eq!(principal.attestation, Attestation::ProofOfPossession);
    assert_eq!(claims["htm"], "POST");
    let ath = in_base64(&Digest::of(setup.bound.as_bytes()));
    assert_eq!(claims["ath"], ath.as_str());
    assert!(claims["jti"].is_string() && claims["iat"].is_number());
    let again = setup.verifier.verify_with_proof(&setup.bound, &proof);
    assert!(
        matches!(again, Err(SvidError::ProofReplayed)),
        "a proof counts twice"
    );
    Read::Accepted
}

fn intent(setup: &Setup, document: &Document) -> Read {
    let _ = unverified_intent(&document.token);
    let folder = tempfile::tempdir().expect("a folder");
    let keys = folder.path().join("alice.json");
    std::fs::write(&keys, setup.issuer.jwks("sig")).expect("a file");
    let signatures = Signatures::default()
        .approver(APPROVER, &keys)
        .expect("an approver")
        .audience(AUDIENCE);
    let intents = Intents::signed(signatures);
    let stored = match intents.insert(document.token.as_bytes()) {
        Ok(stored) => stored,
        Err(error) => {
            expect_printable(&error.to_string());
            assert!(intents.is_empty());
            return Read::Refused;
        }
    };
    let claims = expect_signed(document);
    assert_eq!(stored.approved_by, APPROVER);
    assert_eq!(stored.parent, None, "an approver delegates nothing");
    assert!(is_meant_for_us(&claims));
    for (claim, text) in [
        ("iss", &stored.approved_by),
        ("sub", &stored.principal),
        ("jti", &stored.id),
    ] {
        assert_eq!(claims[claim], text.as_str(), "{claim}");
    }
    assert_eq!(claims["exp"], stored.expires_at.as_millis() / 1000);
    let details = claims["authorization_details"].as_array();
    assert_eq!(details.map(Vec::len), Some(1));
    Read::Accepted
}
