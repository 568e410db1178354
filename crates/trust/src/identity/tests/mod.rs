mod bundles;
mod keys;
mod proof;
mod tokens;
mod vectors;
mod x509;

use super::*;
use crate::state::EmbeddedState;
use base64ct::{Base64UrlUnpadded, Encoding as _};
use portcullis_contract::Attestation;
use portcullis_model::timestamp::Timestamp;
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

const AUDIENCE: &str = "https://gateway.acme.example";

struct Issuer {
    key: NewKey,
    file: PathBuf,
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    Base64UrlUnpadded::encode_string(bytes.as_ref())
}

impl Issuer {
    fn new(name: &str, seed: u8) -> Self {
        let file = std::env::temp_dir().join(format!(
            "portcullis-bundle-{name}-{}.json",
            std::process::id()
        ));
        let issuer = Self {
            key: NewKey::seeded(seed),
            file,
        };
        issuer.publish(&json!({ "keys": [issuer.jwk()] }));
        issuer
    }

    fn jwk(&self) -> Value {
        let mut jwk = self.key.to_jwk();
        jwk["use"] = json!("jwt-svid");
        jwk["alg"] = json!("ES256");
        jwk["kid"] = json!("key-1");
        jwk
    }

    fn publish(&self, jwks: &Value) {
        fs::write(&self.file, jwks.to_string()).unwrap();
    }

    fn sign(&self, claims: &str) -> String {
        let header = encode(json!({ "alg": "ES256", "kid": "key-1", "typ": "JWT" }).to_string());
        let signed = format!("{header}.{}", encode(claims));
        let signature = self.key.sign(signed.as_bytes());
        format!("{signed}.{}", encode(signature))
    }

    fn verifier(&self) -> Verifier {
        let bundles = Bundles::from_files([("acme.example", &self.file)]).unwrap();
        Verifier::new(bundles, AUDIENCE).max_lifetime(Duration::from_secs(900))
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.file);
    }
}

fn now() -> u64 {
    Timestamp::now().as_millis() / 1000
}

fn claims() -> Value {
    json!({
        "sub": "spiffe://acme.example/ns/payments/agent/reconciler", "aud": [AUDIENCE],
        "iat": now() - 60, "exp": now() + 600, "jti": "jti-17",
    })
}
