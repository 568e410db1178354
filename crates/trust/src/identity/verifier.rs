//! Verifies credentials and returns principals.

use super::bundles::Bundles;
use super::invalid_token::InvalidToken;
use super::jwt;
use super::proof::{self, Proof};
use super::x509;
use crate::state::{SpendError, State, Use};
use portcullis_contract::{Attestation, name};
use portcullis_model::digest::Digest;
use portcullis_model::limits::RequestLimits;
use portcullis_model::request::Principal;
use portcullis_model::spiffe_id::is_spiffe_id;
use portcullis_model::timestamp::{CLOCK_LEEWAY, Timestamp};
use quick_cache::sync::Cache;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use spiffe::JwtSvid;
use std::sync::Arc;
use std::time::Duration;

/// Maximum size of a token's claims: 16 KiB, nested 8 deep.
const LIMITS: RequestLimits = RequestLimits {
    bytes: 16 * 1024,
    depth: 8,
};

/// Maximum number of cached tokens.
const CACHED_TOKENS: usize = 10_000;

/// Verifies SVIDs: JWT-SVIDs for one audience, and X.509-SVIDs.
///
/// Verified JWT-SVIDs are cached by their hash until they expire or a bundle changes. Revocation is not
/// cached: the host looks it up at each decision.
///
/// A decision point that has the verifier reloads bundles that change. A verifier without one reloads them
/// only in [`Bundles::refresh`], or with a [`Watcher`](crate::watched::Watcher) of [`Bundles::sources`].
#[derive(Debug)]
pub struct Verifier {
    bundles: Bundles,
    audience: String,
    max_lifetime: Duration,
    state: Option<Arc<dyn State>>,
    verified: Cache<[u8; 32], Verified>,
}

/// Cached result of a verified token.
#[derive(Debug, Clone)]
struct Verified {
    principal: Arc<Principal>,
    /// Thumbprint of the key that the token is bound to, if any.
    bound_to: Option<Arc<str>>,
    expires_at: Timestamp,
    bundles_version: u64,
}

/// Reason why a credential is invalid.
#[derive(Debug, thiserror::Error)]
pub enum SvidError {
    /// Signature, audience, time or form of the token is invalid.
    #[error("the JWT-SVID is not valid: {0}")]
    Invalid(Box<InvalidToken>),
    /// The claims of the token are ambiguous or invalid.
    #[error("the claims of the JWT-SVID are not valid: {0}")]
    Claims(String),
    /// The token does not state its issue time, so that its lifetime is unknown.
    #[error("the JWT-SVID has no `iat`: have it issued with one")]
    NoIssuedAt,
    /// The issue time is in the future.
    #[error("the JWT-SVID is issued at {0}, which is in the future: correct the issuer's clock")]
    NotYetIssued(Timestamp),
    /// The lifetime exceeds the maximum.
    #[error(
        "the SVID is valid for {found:?}, longer than the maximum {most:?}: issue shorter-lived SVIDs"
    )]
    TooLongLived {
        /// Lifetime of the SVID.
        found: Duration,
        /// Maximum lifetime.
        most: Duration,
    },
    /// The certificate chain is invalid.
    #[error("the X.509-SVID is not valid: {0}")]
    Certificate(String),
    /// The token is bound to a key, and no proof of possession came with it.
    #[error("the JWT-SVID is bound to a key (`cnf`): present it with a proof of possession")]
    ProofNeeded,
    /// The token is not bound to a key, so that the proof proves nothing.
    #[error(
        "the JWT-SVID is not bound to a key (`cnf`), so a proof of possession cannot be verified"
    )]
    NotBound,
    /// The proof of possession is invalid.
    #[error("the proof of possession is not valid: {0}")]
    Proof(String),
    /// The proof was presented before.
    #[error("the proof of possession was presented before: make one for each request")]
    ProofReplayed,
    /// The state could not report whether the proof was presented before.
    #[error("cannot tell whether the proof of possession was presented before: {0}")]
    State(String),
}

impl Verifier {
    /// Verifies tokens for `audience`, with a lifetime of at most an hour.
    pub fn new(bundles: Bundles, audience: impl Into<String>) -> Self {
        super::signing_key::choose_library();
        Self {
            bundles,
            audience: audience.into(),
            max_lifetime: Duration::from_secs(60 * 60),
            state: None,
            verified: Cache::new(CACHED_TOKENS),
        }
    }

    /// Sets the maximum lifetime of an SVID, from issue to expiry.
    #[must_use]
    pub fn max_lifetime(mut self, lifetime: Duration) -> Self {
        self.max_lifetime = lifetime;
        self
    }

    /// Sets the state that records presented proofs and the `spiffe_sequence` of bundles.
    ///
    /// Without a state, no proof is accepted, and sequences are forgotten when the host ends.
    ///
    /// A proof is accepted once per state: hosts that serve the same URL share a state.
    #[must_use]
    pub fn state(mut self, state: Arc<dyn State>) -> Self {
        self.bundles.keep_sequences(Arc::clone(&state));
        self.state = Some(state);
        self
    }

    /// Trust bundles that SVIDs are verified with.
    pub fn bundles(&self) -> &Bundles {
        &self.bundles
    }

    /// Verifies a JWT-SVID that is not bound to a key.
    ///
    /// Returns the principal: its SPIFFE ID, the credential id (the `jti`, or the digest of the signed part
    /// of the token), and the times at which the credential was issued and expires.
    ///
    /// # Errors
    ///
    /// [`SvidError`]. Treat every error as a missing credential.
    pub fn verify(&self, token: &str) -> Result<Principal, SvidError> {
        let verified = self.verified(token)?;
        match verified.bound_to {
            None => Ok(Principal::clone(&verified.principal)),
            Some(_) => Err(SvidError::ProofNeeded),
        }
    }

    /// Verifies a JWT-SVID that is bound to a key, with its proof of possession.
    ///
    /// The token names the key in `cnf.jkt` (RFC 9449), and the proof shows that the presenter has it. A
    /// proof is accepted once.
    ///
    /// # Errors
    ///
    /// [`SvidError`]. Treat every error as a missing credential.
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

    /// Verifies an X.509-SVID from its chain in DER, leaf first.
    ///
    /// Returns the principal that the chain proves. TLS must verify that the peer has the key of the leaf.
    ///
    /// # Errors
    ///
    /// [`SvidError`]. Treat every error as a missing credential.
    pub fn verify_x509(&self, chain: &[impl AsRef<[u8]>]) -> Result<Principal, SvidError> {
        x509::verify(&self.bundles, chain, self.max_lifetime, Timestamp::now())
    }

    /// Returns the verified token, from the cache if possible.
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
            .map_err(|error| InvalidToken::of(&error, token, &self.audience, &LIMITS, now))?;
        // The claims are read only after the signature is verified.
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
            // The digest covers the signed part only: a token can have two valid signatures.
            None => {
                let signed = token.rsplit_once('.').map_or(token, |(signed, _)| signed);
                Digest::of(signed.as_bytes()).to_string()
            }
            // The revocation list applies the same rule, so that every accepted `jti` can be revoked.
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

/// Thumbprint of the key that the token is bound to.
///
/// A token with an unsupported `cnf` is an error, and not a token without a binding.
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

/// Reads a date claim, if it is present.
fn date(claims: &Value, name: &str) -> Result<Option<Timestamp>, SvidError> {
    jwt::numeric_date(claims, name).map_err(|error| SvidError::Claims(error.to_string()))
}
