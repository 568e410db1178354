//! From the credentials of a call to its principal.

use crate::{Call, Peer};
use http::{HeaderValue, StatusCode};
use portcullis_host::log::Refused;
use portcullis_host::{Pdp, Principal};
use std::net::IpAddr;

/// Authenticates the caller of an HTTP call with the verifier of a decision point.
///
/// Accepts only what it is built to accept: bearer tokens (JWT-SVID), tokens with a proof of possession (DPoP), client
/// certificates (X.509-SVID), and client certificates that a trusted proxy states (XFCC).
#[derive(Debug, Clone)]
pub struct Authenticator {}

/// Builder of an [`Authenticator`].
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct AuthenticatorBuilder {}

/// A peer whose statements about its own client are accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrustedPeer {
    /// A peer that proved this SPIFFE ID with its client certificate, or as [`Peer::spiffe_id`].
    SpiffeId(String),
    /// A process of this user at the other end of a Unix socket.
    UnixUser(u32),
    /// A peer with this address. The weakest proof: it suits a sidecar on the loopback interface.
    Address(IpAddr),
}

impl TrustedPeer {
    /// True if `peer` is this peer; a certificate is verified with the decision point's bundles.
    pub fn is(&self, pdp: &Pdp, peer: &Peer) -> bool { todo!() }
}

impl Authenticator {
    /// Starts a builder that accepts nothing.
    pub fn builder() -> AuthenticatorBuilder { todo!() }

    /// Authenticates the caller.
    ///
    /// A call with several credentials must have the same principal in each; the one of the strongest attestation
    /// is returned.
    ///
    /// # Errors
    ///
    /// [`AuthError`]. Treat every error as a missing credential.
    pub fn authenticate(&self, pdp: &Pdp, call: &Call<'_>, peer: &Peer) -> Result<Principal, AuthError> { todo!() }
}

impl AuthenticatorBuilder {
    /// Accepts JWT-SVIDs as bearer tokens (RFC 6750, section 2.1).
    pub fn bearer(self) -> Self { todo!() }
    /// Accepts tokens with a proof of possession (RFC 9449) for these origins, such as `https://api.acme.example`.
    pub fn dpop<S: Into<String>>(self, origins: impl IntoIterator<Item = S>) -> Self { todo!() }
    /// Accepts the client certificate of the connection.
    pub fn certificates(self) -> Self { todo!() }
    /// Accepts client certificates in `X-Forwarded-Client-Cert` from these peers.
    pub fn forwarded_certificates(self, from: impl IntoIterator<Item = TrustedPeer>) -> Self { todo!() }
    /// Builds the authenticator.
    ///
    /// # Errors
    ///
    /// [`AuthenticatorError`] if nothing is accepted, or an origin is not one.
    pub fn build(self) -> Result<Authenticator, AuthenticatorError> { todo!() }
}

/// Reason why the options of an authenticator cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct AuthenticatorError(String);

/// Reason why a caller is not authenticated.
#[derive(Debug, thiserror::Error)]
#[error("{kind}")]
pub struct AuthError { kind: AuthErrorKind }

/// Kind of a failed authentication.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthErrorKind {
    #[error("…")]
    Missing,
}

impl AuthError {
    /// Kind of the failure, with its detail for operators.
    pub fn kind(&self) -> &AuthErrorKind { &self.kind }
    /// Status of the response: 400, 401, 403, 500 or 503.
    pub fn status(&self) -> StatusCode { todo!() }
    /// Values of `WWW-Authenticate` (RFC 6750, section 3; RFC 9449, section 7.1).
    pub fn challenges(&self) -> Vec<HeaderValue> { todo!() }
    /// The refusal for the log.
    pub fn refused(&self, call: &Call<'_>, peer: &Peer) -> Refused { todo!() }
}
