//! Private keys for signing.

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;

/// Reads a private key in PEM, and finds its signature algorithm.
pub(crate) fn private_key(
    pem: &[u8],
) -> Result<(Algorithm, EncodingKey), jsonwebtoken::errors::Error> {
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
