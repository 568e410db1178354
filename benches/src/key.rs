//! Keys of approvers, delegators and trust domains.

use jsonwebtoken::{Algorithm, EncodingKey};
use p256::ecdsa::SigningKey;
use p256::pkcs8::{EncodePrivateKey as _, LineEnding};
use serde_json::{Value, json};
use std::path::Path;

/// The `kid` of every key.
pub const KEY_ID: &str = "k";

/// A P-256 key.
pub struct Key {
    pem: String,
    jwk: Value,
}

impl Key {
    /// Returns the key of that seed, which must not be 0.
    ///
    /// # Panics
    ///
    /// If the seed is 0.
    pub fn seeded(seed: u8) -> Self {
        let key = SigningKey::from_slice(&[seed; 32]).expect("a scalar of the curve");
        let pem = key.to_pkcs8_pem(LineEnding::LF).expect("PKCS #8");
        let encoding = EncodingKey::from_ec_pem(pem.as_bytes()).expect("a key in PEM");
        let jwk = jsonwebtoken::jwk::Jwk::from_encoding_key(&encoding, Algorithm::ES256);
        Self {
            pem: pem.to_string(),
            jwk: json!(jwk.expect("a JWK")),
        }
    }

    /// Returns the private key in PEM.
    pub fn pem(&self) -> &[u8] {
        self.pem.as_bytes()
    }

    /// Writes a JWKS with the public key, whose `use` is `used_for`.
    ///
    /// # Panics
    ///
    /// If the file cannot be written.
    pub fn publish(&self, file: &Path, used_for: &str) {
        let mut jwk = self.jwk.clone();
        jwk["kid"] = json!(KEY_ID);
        jwk["use"] = json!(used_for);
        std::fs::write(file, json!({ "keys": [jwk] }).to_string()).expect("a key set");
    }

    /// Signs an intent.
    ///
    /// # Panics
    ///
    /// If `intent` is invalid.
    pub fn sign(&self, intent: &Value) -> String {
        let intent = intent.to_string();
        portcullis_host::sign(intent.as_bytes(), self.pem(), Some(KEY_ID), None).expect("an intent")
    }
}
