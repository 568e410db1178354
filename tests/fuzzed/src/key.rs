//! A signing key that is the same in each run.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64ct::{Base64UrlUnpadded, Encoding as _};
use serde_json::{Value, json};

/// A key on the curve P-256.
pub(crate) struct Key(EcdsaKeyPair);

impl Key {
    /// The key whose private number has this byte 32 times.
    pub(crate) fn of(seed: u8) -> Self {
        // ECPrivateKey (RFC 5915) with the curve, and without the public key.
        let before = [0x30, 0x31, 2, 1, 1, 4, 32];
        let curve = [0xa0, 0x0a, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
        let der = [&before[..], &[seed; 32], &curve].concat();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        Self(EcdsaKeyPair::from_private_key_der(algorithm, &der).expect("a private key"))
    }

    /// The public key as a JWK.
    pub(crate) fn jwk(&self) -> Value {
        // Form, then both coordinates (SEC 1, section 2.3.3).
        let point = self.0.public_key().as_ref();
        let coordinate = |from: usize| Base64UrlUnpadded::encode_string(&point[from..from + 32]);
        json!({ "kty": "EC", "crv": "P-256", "x": coordinate(1), "y": coordinate(33) })
    }

    /// A key set of this key, for `purpose`.
    pub(crate) fn jwks(&self, purpose: &str) -> String {
        let mut jwk = self.jwk();
        jwk["use"] = json!(purpose);
        jwk["kid"] = json!("k");
        json!({ "keys": [jwk] }).to_string()
    }

    /// The JWT with this header and these claims.
    pub(crate) fn signed(&self, header: &[u8], claims: &[u8]) -> String {
        let message = unsigned(header, claims);
        let signature = self.0.sign(&SystemRandom::new(), message.as_bytes());
        let signature = Base64UrlUnpadded::encode_string(signature.expect("signed").as_ref());
        format!("{message}.{signature}")
    }
}

/// The part of a JWT that is signed.
pub(crate) fn unsigned(header: &[u8], claims: &[u8]) -> String {
    let encoded = Base64UrlUnpadded::encode_string;
    format!("{}.{}", encoded(header), encoded(claims))
}
