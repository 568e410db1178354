//! From a token to a principal.

use crate::bundles::Bundles;
use base64ct::{Base64UrlUnpadded, Encoding as _};
use portcullis_host::{
    Attestation, Digest, Principal, RequestError, RequestLimits, Timestamp, json,
};
use serde_json::Value;
use spiffe::JwtSvid;
use spiffe::svid::jwt::JwtSvidError;
use std::time::Duration;

/// How large the claims of a token may be: 16 KiB, nested 8 deep.
const LIMITS: RequestLimits = RequestLimits {
    bytes: 16 * 1024,
    depth: 8,
};

/// How far the issuer's clock may be ahead of ours.
const LEEWAY: Duration = Duration::from_secs(5);

/// Verifies JWT-SVIDs for one audience.
#[derive(Debug)]
pub struct Verifier {
    bundles: Bundles,
    audience: String,
    max_lifetime: Duration,
}

/// Why a token proves nothing.
#[derive(Debug, thiserror::Error)]
pub enum SvidError {
    /// Its signature, audience, time or form is not right. The text never has any of the token.
    #[error("the JWT-SVID is not valid: {0}")]
    Invalid(#[source] Box<JwtSvidError>),
    /// Its claims have more than one meaning.
    #[error("the claims of the JWT-SVID are not valid: {0}")]
    Claims(String),
    /// It does not say when it was issued, so that nobody knows for how long it is valid.
    #[error("the JWT-SVID has no `iat`: have it issued with one")]
    NoIssuedAt,
    /// It was issued in the future.
    #[error("the JWT-SVID is issued at {0}, which is still to come: set the issuer's clock")]
    NotYetIssued(Timestamp),
    /// It is valid for longer than it may be.
    #[error(
        "the JWT-SVID is valid for {found:?}, and {most:?} is the most: have shorter ones issued"
    )]
    TooLongLived {
        /// For how long it is valid.
        found: Duration,
        /// For how long it may be.
        most: Duration,
    },
}

impl Verifier {
    /// Verifies tokens that were issued for `audience`, with a lifetime of at most an hour.
    pub fn new(bundles: Bundles, audience: impl Into<String>) -> Self {
        Self {
            bundles,
            audience: audience.into(),
            max_lifetime: Duration::from_secs(60 * 60),
        }
    }

    /// For how long a token may be valid, from `iat` to `exp`.
    #[must_use]
    pub fn max_lifetime(mut self, lifetime: Duration) -> Self {
        self.max_lifetime = lifetime;
        self
    }

    /// The bundles that tokens are verified with.
    pub fn bundles(&self) -> &Bundles {
        &self.bundles
    }

    /// Verifies `token`, and gives whom it proves: the SPIFFE ID, what the credential is called (its
    /// `jti`, or the digest of what is signed of the token), when it was issued and when it expires.
    ///
    /// # Errors
    ///
    /// [`SvidError`]. Take any of them for no proof at all.
    pub fn verify(&self, token: &str) -> Result<Principal, SvidError> {
        let svid = JwtSvid::parse_and_validate(token, &self.bundles, &[&self.audience])
            .map_err(|error| SvidError::Invalid(Box::new(error)))?;
        // Only now, when whoever signed it is trusted, is more of it read.
        let claims = claims(token)?;
        let issued_at = seconds(&claims, "iat")?.ok_or(SvidError::NoIssuedAt)?;
        let now = Timestamp::now();
        if issued_at > now.plus(LEEWAY) {
            return Err(SvidError::NotYetIssued(issued_at));
        }
        let expires_at = seconds(&claims, "exp")?
            .ok_or_else(|| SvidError::Claims("`/exp`: missing".to_owned()))?;
        let found = expires_at.since(issued_at);
        if found > self.max_lifetime || expires_at <= issued_at {
            let most = self.max_lifetime;
            return Err(SvidError::TooLongLived { found, most });
        }
        let credential_id = match claims.get("jti") {
            // Of what is signed: of one token there can be two signatures.
            None => {
                let signed = token.rsplit_once('.').map_or(token, |(signed, _)| signed);
                Digest::of(signed.as_bytes()).to_string()
            }
            Some(Value::String(id)) if !id.is_empty() => id.clone(),
            Some(_) => return Err(SvidError::Claims("`/jti`: expected text".to_owned())),
        };
        Ok(Principal {
            id: svid.spiffe_id().to_string(),
            attestation: Attestation::JwtSvid,
            credential_id,
            credential_issued_at: Some(issued_at),
            credential_expires_at: Some(expires_at),
            ..Principal::default()
        })
    }
}

fn claims(token: &str) -> Result<Value, SvidError> {
    let claims = token.split('.').nth(1).unwrap_or_default();
    let claims = Base64UrlUnpadded::decode_vec(claims)
        .map_err(|error| SvidError::Claims(error.to_string()))?;
    // The strict reader: a claim that is there twice is not read in two ways.
    json::parse(&claims, &LIMITS)
        .map_err(|error: RequestError| SvidError::Claims(error.to_string()))
}

/// A claim in whole seconds since the Unix epoch (RFC 7519, NumericDate).
fn seconds(claims: &Value, name: &str) -> Result<Option<Timestamp>, SvidError> {
    let wrong = || SvidError::Claims(format!("`/{name}`: expected whole seconds since 1970"));
    match claims.get(name) {
        None => Ok(None),
        Some(value) => {
            let seconds = value.as_u64().ok_or_else(wrong)?;
            let millis = seconds.checked_mul(1000).ok_or_else(wrong)?;
            Ok(Some(Timestamp::from_millis(millis)))
        }
    }
}
