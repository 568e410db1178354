//! Failed authentications, and their challenges.

use super::token::Scheme;
use crate::{Call, Peer};
use http::{HeaderValue, StatusCode};
use portcullis_host::CauseKind;
use portcullis_host::identity::SvidError;
use portcullis_host::log::Refused;

/// Algorithms of proofs of possession that the host verifies.
const PROOF_ALGORITHMS: &str = "ES256 ES384 EdDSA RS256 RS384 RS512 PS256 PS384 PS512";

/// Reason why a caller is not authenticated.
///
/// The text is for the log. A caller sees the status and the challenges alone.
#[derive(Debug, thiserror::Error)]
#[error("{kind}")]
pub struct AuthError {
    pub(super) kind: AuthErrorKind,
    pub(super) scheme: Option<Scheme>,
    pub(super) challenge: Challenge,
}

/// Kind of a failed authentication.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthErrorKind {
    /// The call has no credential that is accepted.
    #[error("the call has no credential: present one of those that are accepted: {0}")]
    Missing(String),
    /// A header with a credential cannot be read.
    #[error("header `{header}`: {why}")]
    Malformed {
        /// Name of the header.
        header: &'static str,
        /// Reason, and the form that is accepted.
        why: &'static str,
    },
    /// The token has a scheme that is not accepted.
    #[error("header `authorization`: its scheme is not accepted: use one of {0}")]
    Scheme(String),
    /// The token, the proof or the certificate is not valid.
    #[error("{0}")]
    Credential(SvidError),
    /// The certificate that a proxy states is not valid.
    #[error("header `x-forwarded-client-cert`: {0}")]
    Forwarded(String),
    /// A peer that is not trusted states a client certificate.
    #[error(
        "header `x-forwarded-client-cert`: the peer is not one of the proxies that may state a client certificate"
    )]
    UntrustedForwarder,
    /// The host of the call is in no origin that proofs are accepted for.
    #[error(
        "no origin of the authenticator is for the host of the call: add it, or correct `Host`"
    )]
    UnknownOrigin,
    /// The credentials are those of several principals.
    #[error(
        "the token is that of `{token}`, and the certificate that of `{certificate}`: send one"
    )]
    Disagree {
        /// SPIFFE ID in the token.
        token: String,
        /// SPIFFE ID in the certificate.
        certificate: String,
    },
    /// The decision point verifies no credentials.
    #[error("the decision point has no verifier: add `[trust-domains]` to its configuration")]
    NoVerifier,
}

/// The challenges of an authenticator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Challenge {
    pub(super) realm: String,
    pub(super) bearer: bool,
    pub(super) dpop: bool,
}

impl Challenge {
    /// True if the authenticator accepts tokens.
    pub(super) fn is_for_tokens(&self) -> bool {
        self.bearer || self.dpop
    }

    /// Values of `WWW-Authenticate`.
    ///
    /// Those of `scheme` state `error`, or all if there is no scheme.
    pub(super) fn values(&self, scheme: Option<Scheme>, error: Option<&str>) -> Vec<HeaderValue> {
        let offered = [
            (Scheme::Bearer, self.bearer, String::new()),
            (
                Scheme::Dpop,
                self.dpop,
                format!(", algs=\"{PROOF_ALGORITHMS}\""),
            ),
        ];
        let values = offered.into_iter().filter(|(_, is_offered, _)| *is_offered);
        values
            .filter_map(|(offered, _, more)| {
                let stated = error.filter(|_| scheme.is_none_or(|used| used == offered));
                let error = stated.map_or_else(String::new, |code| format!(", error=\"{code}\""));
                let text = format!("{} realm=\"{}\"{error}{more}", offered.as_str(), self.realm);
                HeaderValue::try_from(text).ok()
            })
            .collect()
    }
}

impl AuthError {
    /// Kind of the failure.
    pub fn kind(&self) -> &AuthErrorKind {
        &self.kind
    }

    /// Party that can change the outcome.
    pub fn cause_kind(&self) -> CauseKind {
        match self.status().as_u16() {
            400 => CauseKind::Request,
            401 | 403 => CauseKind::Credential,
            _ => CauseKind::Host,
        }
    }

    /// Status of the response: 400, 401, 403 (no token is accepted, so there is no challenge), 500 or 503.
    pub fn status(&self) -> StatusCode {
        match &self.kind {
            AuthErrorKind::Malformed { .. }
            | AuthErrorKind::Forwarded(_)
            | AuthErrorKind::Disagree { .. } => StatusCode::BAD_REQUEST,
            AuthErrorKind::Credential(SvidError::State(_)) => StatusCode::SERVICE_UNAVAILABLE,
            AuthErrorKind::NoVerifier => StatusCode::INTERNAL_SERVER_ERROR,
            AuthErrorKind::Missing(_)
            | AuthErrorKind::Scheme(_)
            | AuthErrorKind::Credential(_)
            | AuthErrorKind::UntrustedForwarder
            | AuthErrorKind::UnknownOrigin => match self.challenge.is_for_tokens() {
                true => StatusCode::UNAUTHORIZED,
                false => StatusCode::FORBIDDEN,
            },
        }
    }

    /// Values of `WWW-Authenticate` (RFC 6750, section 3; RFC 9449, section 7.1).
    ///
    /// Empty unless the status is 400 or 401.
    pub fn challenges(&self) -> Vec<HeaderValue> {
        let code = match &self.kind {
            // Section 3.1: without a credential, the challenge has no error.
            AuthErrorKind::Missing(_)
            | AuthErrorKind::Scheme(_)
            | AuthErrorKind::UntrustedForwarder => None,
            AuthErrorKind::Malformed { .. }
            | AuthErrorKind::Forwarded(_)
            | AuthErrorKind::Disagree { .. } => Some("invalid_request"),
            AuthErrorKind::UnknownOrigin
            | AuthErrorKind::Credential(SvidError::Proof(_) | SvidError::ProofReplayed) => {
                Some("invalid_dpop_proof")
            }
            AuthErrorKind::Credential(SvidError::State(_)) | AuthErrorKind::NoVerifier => {
                return Vec::new();
            }
            AuthErrorKind::Credential(_) => Some("invalid_token"),
        };
        self.challenge.values(self.scheme, code)
    }

    /// The refusal for the log.
    pub fn refused(&self, call: &Call<'_>, peer: &Peer) -> Refused {
        let refused = Refused::authentication(&self.to_string()).peer(&peer.to_string());
        match call.header(crate::mapper::TRACEPARENT) {
            Some(traceparent) => refused.traceparent(traceparent),
            None => refused,
        }
    }
}
