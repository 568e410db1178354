//! Reasons why a JWT-SVID is not accepted, told apart for the operator.

use super::jwt::{self, shown};
use super::verifier::SvidError;
use portcullis_contract::message;
use portcullis_model::limits::RequestLimits;
use portcullis_model::secret::well_known_withheld;
use portcullis_model::timestamp::Timestamp;
use serde_json::Value;
use spiffe::svid::jwt::{JwtSvidError, JwtVerificationErrorKind};
use std::error::Error as _;
use std::time::Duration;

/// Reason why the signature, audience, time or form of a JWT-SVID is invalid.
///
/// The text names the claims and header members that are at fault. It contains no other part of the token,
/// and withholds what looks like a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidToken {
    /// The token has expired.
    #[error("it expired at {at}, {} ago: have a new one issued", seconds(.since))]
    Expired {
        /// The token's `exp`.
        at: Timestamp,
        /// Time since then.
        since: Duration,
    },
    /// The token is not valid yet.
    #[error(
        "it is valid from {from}, in {}: use it then, or correct the issuer's clock",
        seconds(.until)
    )]
    NotYetValid {
        /// The token's `nbf`.
        from: Timestamp,
        /// Time until then.
        until: Duration,
    },
    /// The token is for another audience.
    #[error("it is for {}, not for `{wanted}`: have one issued for this audience", audiences(.found))]
    OtherAudience {
        /// The verifier's audience.
        wanted: String,
        /// The token's `aud`.
        found: Vec<String>,
    },
    /// The signature does not verify with the key of that id.
    #[error(
        "its signature does not verify with the key `{0}`: it was changed, or signed with another key"
    )]
    Signature(String),
    /// The trust domain has no key of that id.
    #[error(
        "its key id `{0}` is not in the bundle of its trust domain: update the bundle, or have one issued with a current key"
    )]
    UnknownKey(String),
    /// No bundle is configured for the trust domain.
    #[error("no bundle is known for its trust domain `{0}`: add it to `[trust-domains]`")]
    UnknownTrustDomain(String),
    /// The bundle of the trust domain cannot be used.
    #[error("the bundle of its trust domain cannot be used: {0}")]
    Bundle(String),
    /// The algorithm is not supported, or not the one of the key.
    #[error("its algorithm `{found}` is {why}")]
    Algorithm {
        /// The token's `alg`.
        found: String,
        /// Reason why it is not accepted.
        why: String,
    },
    /// The token is not a JWT-SVID, or its signature is malformed.
    #[error("{0}")]
    Form(String),
}

impl InvalidToken {
    /// Tells apart why the library does not accept `token` for `audience`.
    ///
    /// Claims are named only if the signature was verified before them.
    pub(super) fn of(
        error: &JwtSvidError,
        token: &str,
        audience: &str,
        limits: &RequestLimits,
        now: Timestamp,
    ) -> SvidError {
        use JwtVerificationErrorKind as Kind;
        let kind = match error {
            JwtSvidError::InvalidToken(error) => error.kind(),
            _ => Kind::Other,
        };
        let claims =
            || jwt::claims(token, limits).map_err(|error| SvidError::Claims(error.to_string()));
        let date = |name: &str| {
            let date = jwt::numeric_date(&claims()?, name);
            let date = date.map_err(|error| SvidError::Claims(error.to_string()))?;
            date.ok_or_else(|| SvidError::Claims(format!("`/{name}`: missing")))
        };
        let read = || -> Result<Self, SvidError> {
            Ok(match kind {
                Kind::Expired => {
                    let at = date("exp")?;
                    let since = now.since(at);
                    Self::Expired { at, since }
                }
                Kind::NotYetValid => {
                    let from = date("nbf")?;
                    let until = from.since(now);
                    Self::NotYetValid { from, until }
                }
                Kind::AudienceMismatch => Self::OtherAudience {
                    wanted: audience.to_owned(),
                    found: audiences_of(&claims()?),
                },
                Kind::InvalidSignature => Self::Signature(in_header(token, "kid")),
                _ => Self::before_verification(error, token),
            })
        };
        match read() {
            Ok(invalid) => SvidError::Invalid(Box::new(invalid)),
            Err(claims) => claims,
        }
    }

    /// Reason of an error that comes before the signature is verified.
    fn before_verification(error: &JwtSvidError, token: &str) -> Self {
        let algorithm = |why: String| Self::Algorithm {
            found: in_header(token, "alg"),
            why,
        };
        let unsupported =
            "not supported: use `ES256`, `ES384`, or one of `RS` and `PS` with 256, 384 or 512";
        match error {
            JwtSvidError::AuthorityNotFound(id) => Self::UnknownKey(shown(id)),
            JwtSvidError::BundleNotFound(domain) => {
                Self::UnknownTrustDomain(shown(domain.as_ref()))
            }
            JwtSvidError::BundleSourceError(why) => Self::Bundle(why.to_string()),
            JwtSvidError::UnsupportedAlgorithm | JwtSvidError::BackendUnsupportedAlgorithm(_) => {
                algorithm(unsupported.to_owned())
            }
            JwtSvidError::AuthorityAlgorithmMismatch { authority, .. } => algorithm(format!(
                "not that of its key `{}`, {authority:?}: sign it with the algorithm of the key",
                in_header(token, "kid")
            )),
            JwtSvidError::AuthorityCurveMismatch(_) => algorithm(format!(
                "not for the curve of its key `{}`: sign it with the algorithm of the key",
                in_header(token, "kid")
            )),
            JwtSvidError::InvalidToken(error) => {
                let text = format!("its signature cannot be read: {error}");
                Self::Form(message(&well_known_withheld(&text)))
            }
            other => {
                let source = other
                    .source()
                    .map_or_else(String::new, |source| format!(": {source}"));
                Self::Form(message(&well_known_withheld(&format!("{other}{source}"))))
            }
        }
    }
}

/// A text of the token's header, for messages; empty if it is missing.
fn in_header(token: &str, name: &str) -> String {
    jwt::header_member(token, name).map_or_else(String::new, |text| shown(&text))
}

/// The audiences that a token is for.
fn audiences_of(claims: &Value) -> Vec<String> {
    let list = match claims.get("aud") {
        Some(Value::Array(list)) => list.as_slice(),
        Some(one) => std::slice::from_ref(one),
        None => &[],
    };
    let texts = list.iter().filter_map(Value::as_str);
    texts.map(str::to_owned).collect()
}

fn audiences(found: &[String]) -> String {
    const MOST: usize = 3;
    let mut quoted: Vec<_> = found
        .iter()
        .take(MOST)
        .map(|audience| format!("`{}`", shown(audience)))
        .collect();
    match found.len() {
        0 => return "no audience".to_owned(),
        all if all > MOST => quoted.push(format!("{} more", all - MOST)),
        _ => {}
    }
    quoted.join(" and ")
}

/// A time span in whole seconds, at least one.
fn seconds(span: &Duration) -> String {
    let seconds = i64::try_from(span.as_secs()).unwrap_or(i64::MAX).max(1);
    format!("{:#}", jiff::SignedDuration::from_secs(seconds))
}
