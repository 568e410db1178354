//! Proof of possession: that who presents a token has the key that it was issued for (DPoP, RFC 9449).

use super::jwt::{self, JwtError};
use super::verifier::SvidError;
use crate::limits::RequestLimits;
use crate::timestamp::{CLOCK_LEEWAY, Timestamp};
use base64ct::{Base64UrlUnpadded, Encoding as _};
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::ThumbprintHash;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::time::Duration;

/// How large a proof's claims may be: 4 KiB, nested 4 deep.
const LIMITS: RequestLimits = RequestLimits {
    bytes: 4 * 1024,
    depth: 4,
};

/// For how long a proof may be presented after it was made.
const MAX_AGE: Duration = Duration::from_secs(60);

/// A DPoP proof, and the HTTP request that it came with.
#[derive(Debug, Clone, Copy)]
pub struct Proof<'a> {
    /// The `DPoP` header's value.
    pub jwt: &'a str,
    /// The request's method, such as `POST`.
    pub method: &'a str,
    /// The request's URL as the client sees it, without query and fragment.
    pub url: &'a str,
}

/// A proof that was verified. It may be presented once.
pub(super) struct Proved {
    /// The key's thumbprint with the proof's `jti`.
    pub(super) id: String,
    /// Until when it could be presented again.
    pub(super) until: Timestamp,
}

/// Verifies that `proof` was made for `token` with the key of `thumbprint` (section 4.3).
pub(super) fn verify(
    proof: &Proof<'_>,
    token: &str,
    thumbprint: &str,
    now: Timestamp,
) -> Result<Proved, SvidError> {
    let wrong = |what: &str| SvidError::Proof(what.to_owned());
    let header = jwt::header(proof.jwt, "dpop+jwt").map_err(not_a_proof)?;
    let key = header
        .jwk
        .as_ref()
        .ok_or_else(|| wrong("its header has no `jwk`"))?;
    if !jwt::algorithms(key).contains(&header.alg) {
        return Err(wrong("its algorithm is not one of its key"));
    }
    let found = key
        .thumbprint(ThumbprintHash::SHA256)
        .map_err(|error| SvidError::Proof(error.to_string()))?;
    if found != thumbprint {
        return Err(wrong(
            "its key is not the one that the token was issued for",
        ));
    }
    let verifying =
        DecodingKey::from_jwk(key).map_err(|error| SvidError::Proof(error.to_string()))?;
    if !jwt::is_signed_by(proof.jwt, header.alg, &verifying) {
        return Err(wrong("its signature is not right"));
    }
    let claims = jwt::claims(proof.jwt, &LIMITS).map_err(not_a_proof)?;
    let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
    if text("htm") != proof.method {
        return Err(wrong("it is for another method (`htm`)"));
    }
    if text("htu") != proof.url {
        return Err(wrong("it is for another URL (`htu`)"));
    }
    let hash = Base64UrlUnpadded::encode_string(&Sha256::digest(token.as_bytes()));
    if text("ath") != hash {
        return Err(wrong("it is for another token (`ath`)"));
    }
    if text("jti").is_empty() {
        return Err(wrong("it has no `jti`"));
    }
    let made_at = jwt::seconds(&claims, "iat").ok_or_else(|| wrong("it has no `iat`"))?;
    if made_at > now.plus(CLOCK_LEEWAY) || now.since(made_at) > MAX_AGE {
        return Err(wrong("it was not made just now (`iat`)"));
    }
    Ok(Proved {
        id: format!("{found} {}", text("jti")),
        until: made_at.plus(MAX_AGE).plus(CLOCK_LEEWAY),
    })
}

fn not_a_proof(error: JwtError) -> SvidError {
    SvidError::Proof(error.to_string())
}
