//! Proofs of possession.

use super::*;
use crate::request::Principal;
use crate::state::EmbeddedState;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

const URL: &str = "https://gateway.acme.example/mcp";

/// A client's key, and a verifier that keeps state.
struct Client {
    key: SigningKey,
    verifier: Verifier,
    issuer: Issuer,
    state: PathBuf,
}

impl Client {
    fn new(name: &str) -> Self {
        let issuer = Issuer::new(name, 7);
        let state =
            std::env::temp_dir().join(format!("portcullis-{name}-{}.redb", std::process::id()));
        let _ = fs::remove_file(&state);
        let opened = EmbeddedState::open(&state, Duration::from_secs(60)).unwrap();
        Self {
            key: SigningKey::from_slice(&[42; 32]).unwrap(),
            verifier: issuer.verifier().state(Arc::new(opened)),
            issuer,
            state,
        }
    }

    fn jwk(&self) -> Value {
        let point = self.key.verifying_key().to_encoded_point(false);
        json!({
            "kty": "EC", "crv": "P-256",
            "x": encode(point.x().unwrap()), "y": encode(point.y().unwrap()),
        })
    }

    fn token(&self) -> String {
        let jwk = self.jwk();
        let text = |name: &str| jwk[name].as_str().unwrap().to_owned();
        // RFC 7638: the required members in order.
        let canonical = format!(
            r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#,
            text("x"),
            text("y")
        );
        let mut claims = claims();
        claims["cnf"] = json!({ "jkt": encode(Sha256::digest(canonical.as_bytes())) });
        self.issuer.sign(&claims.to_string())
    }

    fn claims(&self, token: &str) -> Value {
        json!({
            "htm": "POST", "htu": URL, "iat": now(), "jti": "proof-1",
            "ath": encode(Sha256::digest(token.as_bytes())),
        })
    }

    fn prove(&self, key: &SigningKey, header: &Value, claims: &Value) -> String {
        let signed = format!(
            "{}.{}",
            encode(header.to_string()),
            encode(claims.to_string())
        );
        let signature: Signature = key.sign(signed.as_bytes());
        format!("{signed}.{}", encode(signature.to_bytes()))
    }

    fn present(&self, token: &str, claims: &Value) -> Result<Principal, SvidError> {
        let header = json!({ "alg": "ES256", "typ": "dpop+jwt", "jwk": self.jwk() });
        self.present_as(token, &self.prove(&self.key, &header, claims))
    }

    fn present_as(&self, token: &str, jwt: &str) -> Result<Principal, SvidError> {
        let proof = Proof {
            jwt,
            method: "POST",
            url: URL,
        };
        self.verifier.verify_with_proof(token, &proof)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.state);
    }
}

#[test]
fn who_has_the_key_is_believed_once_per_proof() {
    let client = Client::new("possession");
    let token = client.token();
    let claims = client.claims(&token);
    let principal = client.present(&token, &claims).unwrap();
    assert_eq!(principal.attestation, Attestation::ProofOfPossession);
    assert_eq!(principal.credential_id, "jti-17");
    let again = client.present(&token, &claims).unwrap_err();
    assert!(matches!(again, SvidError::ProofReplayed), "{again}");
    let mut next = claims;
    next["jti"] = json!("proof-2");
    assert!(client.present(&token, &next).is_ok());
}

#[test]
fn a_stolen_token_is_worth_nothing_without_its_key() {
    let client = Client::new("stolen");
    let token = client.token();
    assert!(matches!(
        client.verifier.verify(&token),
        Err(SvidError::ProofNeeded)
    ));
    let thief = SigningKey::from_slice(&[43; 32]).unwrap();
    let claims = client.claims(&token);
    let point = thief.verifying_key().to_encoded_point(false);
    let own = json!({
        "kty": "EC", "crv": "P-256",
        "x": encode(point.x().unwrap()), "y": encode(point.y().unwrap()),
    });
    for jwk in [own, client.jwk()] {
        let header = json!({ "alg": "ES256", "typ": "dpop+jwt", "jwk": jwk });
        let forged = client.prove(&thief, &header, &claims);
        assert!(matches!(
            client.present_as(&token, &forged),
            Err(SvidError::Proof(_))
        ));
    }
}

#[test]
fn a_proof_is_for_one_request_made_now() {
    let client = Client::new("one-request");
    let token = client.token();
    for (name, value) in [
        ("htm", json!("GET")),
        ("htu", json!("https://gateway.acme.example/other")),
        ("ath", json!("another")),
        ("iat", json!(now() - 3600)),
        ("iat", json!(now() + 3600)),
        ("jti", json!("")),
        ("jti", json!(7)),
    ] {
        let mut claims = client.claims(&token);
        claims[name] = value.clone();
        let refused = client.present(&token, &claims);
        assert!(
            matches!(refused, Err(SvidError::Proof(_))),
            "{name} {value}"
        );
    }
    let claims = client.claims(&token);
    for header in [
        json!({ "alg": "ES256", "typ": "JWT", "jwk": client.jwk() }),
        json!({ "alg": "ES256", "typ": "dpop+jwt" }),
        json!({ "alg": "ES384", "typ": "dpop+jwt", "jwk": client.jwk() }),
        json!({ "alg": "ES256", "typ": "dpop+jwt", "jwk": client.jwk(), "crit": ["x"] }),
    ] {
        let proof = client.prove(&client.key, &header, &claims);
        let refused = client.present_as(&token, &proof);
        assert!(matches!(refused, Err(SvidError::Proof(_))), "{header}");
    }
    assert!(client.present(&token, &claims).is_ok());
}

#[test]
fn a_token_that_is_bound_to_nothing_has_nothing_to_prove() {
    let client = Client::new("unbound");
    let token = client.issuer.sign(&claims().to_string());
    assert!(client.verifier.verify(&token).is_ok());
    let refused = client.present(&token, &client.claims(&token));
    assert!(matches!(refused, Err(SvidError::NotBound)));
    let mut claims = claims();
    claims["cnf"] = json!({ "x5t#S256": "…" });
    let bound_otherwise = client.issuer.sign(&claims.to_string());
    assert!(client.verifier.verify(&bound_otherwise).is_err());
}
