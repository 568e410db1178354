//! Keys of approvers, delegators and trust domains.

use portcullis_host::identity::NewKey;
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
    /// Makes a key.
    ///
    /// # Panics
    ///
    /// If the cryptographic library fails.
    pub fn generate() -> Self {
        let key = NewKey::generate().expect("a key");
        Self {
            pem: key.to_pem().expect("PKCS #8"),
            jwk: key.to_jwk(),
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
        jwk["alg"] = json!("ES256");
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
