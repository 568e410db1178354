//! From a credential to a principal.

use super::bundles::Bundles;
use super::jwt;
use super::proof::{self, Proof};
use super::x509;
use crate::limits::RequestLimits;
use crate::plugin::Digest;
use crate::registry::is_spiffe_id;
use crate::request::Principal;
use crate::state::{SpendError, State, Use};
use crate::timestamp::{CLOCK_LEEWAY, Timestamp};
use portcullis_contract::{Attestation, name};
use quick_cache::sync::Cache;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use spiffe::JwtSvid;
use spiffe::svid::jwt::JwtSvidError;
use std::sync::Arc;
use std::time::Duration;

/// How large the claims of a token may be: 16 KiB, nested 8 deep.
const LIMITS: RequestLimits = RequestLimits {
    bytes: 16 * 1024,
    depth: 8,
};

/// How many verified tokens are kept in mind.
const CACHED_TOKENS: usize = 10_000;

/// Verifies SVIDs: JWT-SVIDs for one audience, and X.509-SVIDs.
///
/// A JWT-SVID that was verified is kept in mind, by its hash, until it expires or a bundle changes:
/// what it proves does not change. Whether it is revoked is asked anew at each decision.
#[derive(Debug)]
pub struct Verifier {
    bundles: Bundles,
    audience: String,
    max_lifetime: Duration,
    state: Option<Arc<dyn State>>,
    verified: Cache<[u8; 32], Verified>,
}

/// What a token proves.
#[derive(Debug, Clone)]
struct Verified {
    principal: Arc<Principal>,
    /// The thumbprint of the key that the token was issued for, if it was for one.
    bound_to: Option<Arc<str>>,
    expires_at: Timestamp,
    bundles_version: u64,
}

/// Why a credential proves nothing.
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
    #[error("the SVID is valid for {found:?}, and {most:?} is the most: have shorter ones issued")]
    TooLongLived {
        /// For how long it is valid.
        found: Duration,
        /// For how long it may be.
        most: Duration,
    },
    /// The certificate chain is not valid.
    #[error("the X.509-SVID is not valid: {0}")]
    Certificate(String),
    /// It was issued for whoever has a key, and nothing proves that.
    #[error("the JWT-SVID is bound to a key (`cnf`): present it with a proof of possession")]
    ProofNeeded,
    /// The token is for anybody, so that there is nothing to prove.
    #[error(
        "the JWT-SVID is bound to no key (`cnf`), so that a proof of possession proves nothing"
    )]
    NotBound,
    /// The proof of possession is not valid.
    #[error("the proof of possession is not valid: {0}")]
    Proof(String),
    /// The proof was presented before.
    #[error("the proof of possession was presented before: make one for each request")]
    ProofReplayed,
    /// It cannot be told whether the proof was presented before.
    #[error("cannot tell whether the proof of possession was presented before: {0}")]
    State(String),
}

impl Verifier {
    /// Verifies tokens that were issued for `audience`, with a lifetime of at most an hour.
    pub fn new(bundles: Bundles, audience: impl Into<String>) -> Self {
        Self {
            bundles,
            audience: audience.into(),
            max_lifetime: Duration::from_secs(60 * 60),
            state: None,
            verified: Cache::new(CACHED_TOKENS),
        }
    }

    /// For how long an SVID may be valid, from when it is issued to when it expires.
    #[must_use]
    pub fn max_lifetime(mut self, lifetime: Duration) -> Self {
        self.max_lifetime = lifetime;
        self
    }

    /// Where it is kept which proofs of possession were presented, and which `spiffe_sequence` a bundle
    /// had. Without it, no proof is accepted, and sequences are forgotten when the host ends.
    ///
    /// A proof is accepted once per state: hosts that serve the same URL share one.
    #[must_use]
    pub fn state(mut self, state: Arc<dyn State>) -> Self {
        self.bundles.keep_sequences(Arc::clone(&state));
        self.state = Some(state);
        self
    }

    /// The bundles that SVIDs are verified with.
    pub fn bundles(&self) -> &Bundles {
        &self.bundles
    }

    /// Verifies a JWT-SVID that whoever has it may present, and gives whom it proves: the SPIFFE ID,
    /// what the credential is called (its `jti`, or the digest of what is signed of the token), when it
    /// was issued and when it expires.
    ///
    /// # Errors
    ///
    /// [`SvidError`]. Take any of them for no proof at all.
    pub fn verify(&self, token: &str) -> Result<Principal, SvidError> {
        let verified = self.verified(token)?;
        match verified.bound_to {
            None => Ok(Principal::clone(&verified.principal)),
            Some(_) => Err(SvidError::ProofNeeded),
        }
    }

    /// Verifies a JWT-SVID that is bound to a key (`cnf.jkt`, RFC 9449), and the proof that who
    /// presents it has the key. A proof is accepted once.
    ///
    /// # Errors
    ///
    /// [`SvidError`]. Take any of them for no proof at all.
    pub fn verify_with_proof(
        &self,
        token: &str,
        proof: &Proof<'_>,
    ) -> Result<Principal, SvidError> {
        let verified = self.verified(token)?;
        let key = verified.bound_to.ok_or(SvidError::NotBound)?;
        let now = Timestamp::now();
        let proved = proof::verify(proof, token, &key, now)?;
        let state = self
            .state
            .as_ref()
            .ok_or_else(|| SvidError::State("no state is configured: add `[state]`".to_owned()))?;
        let once = Use {
            key: format!("proof {}", proved.id),
            limit: 1,
            until: proved.until,
        };
        match state.spend(&[once], now) {
            Ok(()) => Ok(Principal {
                attestation: Attestation::ProofOfPossession,
                ..Principal::clone(&verified.principal)
            }),
            Err(SpendError::UsedUp(_)) => Err(SvidError::ProofReplayed),
            Err(SpendError::State(error)) => Err(SvidError::State(error.to_string())),
        }
    }

    /// Verifies an X.509-SVID from its chain in DER, leaf first, and gives whom it proves. That the
    /// peer has the leaf's key is for TLS to see to.
    ///
    /// # Errors
    ///
    /// [`SvidError`]. Take any of them for no proof at all.
    pub fn verify_x509(&self, chain: &[impl AsRef<[u8]>]) -> Result<Principal, SvidError> {
        x509::verify(&self.bundles, chain, self.max_lifetime, Timestamp::now())
    }

    /// What the token proves, from memory if it was verified before.
    fn verified(&self, token: &str) -> Result<Verified, SvidError> {
        let hash: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let bundles_version = self.bundles.version();
        let now = Timestamp::now();
        if let Some(verified) = self.verified.get(&hash)
            && verified.bundles_version == bundles_version
        {
            if now < verified.expires_at {
                return Ok(verified);
            }
            self.verified.remove(&hash);
        }
        let verified = self.verify_anew(token, bundles_version, now)?;
        self.verified.insert(hash, verified.clone());
        Ok(verified)
    }

    fn verify_anew(
        &self,
        token: &str,
        bundles_version: u64,
        now: Timestamp,
    ) -> Result<Verified, SvidError> {
        JwtSvid::parse_and_validate(token, &self.bundles, &[&self.audience])
            .map_err(|error| SvidError::Invalid(Box::new(error)))?;
        // Only now, when whoever signed it is trusted, is more of it read.
        let claims =
            jwt::claims(token, &LIMITS).map_err(|error| SvidError::Claims(error.to_string()))?;
        let id = claims
            .get("sub")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if !is_spiffe_id(id) {
            return Err(SvidError::Claims(
                "`/sub`: the SPIFFE ID of a workload is needed, with a path and in its one spelling"
                    .to_owned(),
            ));
        }
        let issued_at = date(&claims, "iat")?.ok_or(SvidError::NoIssuedAt)?;
        if issued_at > now.plus(CLOCK_LEEWAY) {
            return Err(SvidError::NotYetIssued(issued_at));
        }
        let expires_at =
            date(&claims, "exp")?.ok_or_else(|| SvidError::Claims("`/exp`: missing".to_owned()))?;
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
            // One that is accepted can be revoked: by the very rule of the revocation list.
            Some(Value::String(id)) => {
                name::check_identifier(id)
                    .map_err(|error| SvidError::Claims(format!("`/jti`: {error}")))?;
                id.clone()
            }
            Some(_) => return Err(SvidError::Claims("`/jti`: expected text".to_owned())),
        };
        let principal = Principal {
            id: id.to_owned(),
            attestation: Attestation::JwtSvid,
            credential_id,
            credential_issued_at: Some(issued_at),
            credential_expires_at: Some(expires_at),
            ..Principal::default()
        };
        Ok(Verified {
            principal: Arc::new(principal),
            bound_to: bound_to(&claims)?,
            expires_at,
            bundles_version,
        })
    }
}

/// The thumbprint of the key that the token is bound to. One that is bound in a way that is not
/// understood is not taken for one that anybody may present.
fn bound_to(claims: &Value) -> Result<Option<Arc<str>>, SvidError> {
    match claims.get("cnf") {
        None => Ok(None),
        Some(confirmation) => match confirmation.get("jkt") {
            Some(Value::String(thumbprint)) => Ok(Some(thumbprint.as_str().into())),
            _ => Err(SvidError::Claims(
                "`/cnf/jkt`: the thumbprint of a key is needed (RFC 9449)".to_owned(),
            )),
        },
    }
}

/// A claim that is a date, if it is there.
fn date(claims: &Value, name: &str) -> Result<Option<Timestamp>, SvidError> {
    jwt::numeric_date(claims, name).map_err(|error| SvidError::Claims(error.to_string()))
}
