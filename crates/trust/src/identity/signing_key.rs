//! Private keys for signing.

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64ct::{Base64UrlUnpadded, Encoding as _};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use pem::{EncodeConfig, LineEnding, Pem};
use serde_json::{Value, json};

/// A new private key for signing (P-256).
#[derive(Debug)]
pub struct NewKey(EcdsaKeyPair);

/// Reason why a key cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the cryptographic library cannot make a key: restart the command, and report it if that does not help"
)]
pub struct NewKeyError;

impl From<Unspecified> for NewKeyError {
    fn from(_: Unspecified) -> Self {
        Self
    }
}

impl NewKey {
    /// Makes a random key.
    ///
    /// # Errors
    ///
    /// [`NewKeyError`] if the library fails.
    pub fn generate() -> Result<Self, NewKeyError> {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
        Ok(Self(key))
    }

    /// The private key in PEM (PKCS #8).
    ///
    /// # Errors
    ///
    /// [`NewKeyError`] if the library fails.
    pub fn to_pem(&self) -> Result<String, NewKeyError> {
        let der = self.0.to_pkcs8v1()?;
        let pem = Pem::new("PRIVATE KEY", der.as_ref());
        let config = EncodeConfig::new().set_line_ending(LineEnding::LF);
        Ok(pem::encode_config(&pem, config))
    }

    /// The public key as a JWK, without `use` and `kid`.
    pub fn to_jwk(&self) -> Value {
        // Form, then both coordinates (SEC 1, section 2.3.3).
        let point = self.0.public_key().as_ref();
        let coordinate = |from: usize| {
            let bytes = point.get(from..from + 32).unwrap_or_default();
            Base64UrlUnpadded::encode_string(bytes)
        };
        json!({ "kty": "EC", "crv": "P-256", "x": coordinate(1), "y": coordinate(33) })
    }
}

#[cfg(test)]
impl NewKey {
    /// The key with this private number, the same at each call.
    pub(crate) fn seeded(seed: u8) -> Self {
        // ECPrivateKey (RFC 5915) with the curve, and without the public key.
        let before = [0x30, 0x31, 2, 1, 1, 4, 32];
        let curve = [0xa0, 0x0a, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
        let der = [&before[..], &[seed; 32], &curve].concat();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        Self(EcdsaKeyPair::from_private_key_der(algorithm, &der).unwrap())
    }

    /// Signature of `message` as a JWT has it.
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let signature = self.0.sign(&aws_lc_rs::rand::SystemRandom::new(), message);
        signature.unwrap().as_ref().to_vec()
    }
}

/// Selects aws-lc-rs for `jsonwebtoken`.
///
/// Without a choice, `jsonwebtoken` panics at its first use if another crate of the process enables its other
/// library, too.
pub(crate) fn choose_library() {
    // An embedder that chose another one keeps it.
    let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
}

/// Reads a private key in PEM, and finds its signature algorithm.
pub(crate) fn private_key(
    pem: &[u8],
) -> Result<(Algorithm, EncodingKey), jsonwebtoken::errors::Error> {
    choose_library();
    if let Ok(key) = EncodingKey::from_ed_pem(pem) {
        return Ok((Algorithm::EdDSA, key));
    }
    if let Ok(key) = EncodingKey::from_rsa_pem(pem) {
        return Ok((Algorithm::PS256, key));
    }
    let key = EncodingKey::from_ec_pem(pem)?;
    // The key does not expose its curve: signing with the wrong algorithm fails.
    let fits = |algorithm| jsonwebtoken::encode(&Header::new(algorithm), &json!({}), &key).is_ok();
    let algorithm = if fits(Algorithm::ES256) {
        Algorithm::ES256
    } else {
        Algorithm::ES384
    };
    Ok((algorithm, key))
}
