//! From the credentials of a call to its principal.

mod error;
mod origin;
mod token;
mod xfcc;

pub use error::{AuthError, AuthErrorKind};

use crate::{Call, Peer};
use error::Challenge;
use http::HeaderValue;
use origin::Origin;
use portcullis_host::identity::{Proof, Verifier};
use portcullis_host::{Digest, Pdp, Principal};
use std::net::IpAddr;
use token::{Scheme, Token};

/// Authenticates callers with the verifier of a decision point.
///
/// It accepts the credentials that it is built for, and no others:
///
/// | credential | option |
/// |---|---|
/// | JWT-SVID in `Authorization: Bearer` | [`bearer`](AuthenticatorBuilder::bearer) |
/// | JWT-SVID with a proof of possession, in `Authorization: DPoP` and `DPoP` | [`dpop`](AuthenticatorBuilder::dpop) |
/// | client certificate of the connection, an X.509-SVID | [`certificates`](AuthenticatorBuilder::certificates) |
/// | client certificate that a trusted proxy states in `X-Forwarded-Client-Cert` | [`forwarded_certificates`](AuthenticatorBuilder::forwarded_certificates) |
///
/// A call with a token and a certificate must have the same principal in both. Then the credential of the stronger
/// attestation counts: the caller could have left the other one out.
///
/// If no token is accepted, `Authorization` belongs to the server behind the gateway and is not read.
#[derive(Debug, Clone)]
pub struct Authenticator {
    challenge: Challenge,
    origins: Vec<Origin>,
    certificates: bool,
    forwarders: Vec<TrustedPeer>,
}

/// Builder of an [`Authenticator`].
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct AuthenticatorBuilder {
    realm: Option<String>,
    bearer: bool,
    origins: Vec<String>,
    certificates: bool,
    forwarders: Vec<TrustedPeer>,
}

/// A peer whose statements about its own client are accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrustedPeer {
    /// A peer that proved this SPIFFE ID: with its client certificate, or as [`Peer::spiffe_id`].
    SpiffeId(String),
    /// A process of this user, over a Unix socket.
    UnixUser(u32),
    /// A peer with this address.
    ///
    /// Every process that can connect from it is trusted, which suits a proxy that shares the loopback interface.
    Address(IpAddr),
}

/// Reason why the options of an authenticator cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("options of the authenticator cannot be used: {0}")]
pub struct AuthenticatorError(String);

impl TrustedPeer {
    /// True if `peer` proved to be this peer.
    pub fn is(&self, pdp: &Pdp, peer: &Peer) -> bool {
        match self {
            Self::SpiffeId(id) => match (&peer.spiffe_id, pdp.verifier()) {
                (Some(proved), _) => proved == id,
                (None, Some(verifier)) if !peer.certificates.is_empty() => verifier
                    .verify_x509(&peer.certificates)
                    .is_ok_and(|principal| principal.id == *id),
                (None, _) => false,
            },
            Self::UnixUser(user) => peer.unix.is_some_and(|unix| unix.user == *user),
            Self::Address(address) => peer.address == Some(*address),
        }
    }
}

impl Authenticator {
    /// Starts a builder that accepts nothing.
    pub fn builder() -> AuthenticatorBuilder {
        AuthenticatorBuilder::default()
    }

    /// Authenticates the caller.
    ///
    /// A proof of possession is spent, so that a call is authenticated once.
    ///
    /// # Errors
    ///
    /// [`AuthError`]. Treat every error as a missing credential.
    pub fn authenticate(
        &self,
        pdp: &Pdp,
        call: &Call<'_>,
        peer: &Peer,
    ) -> Result<Principal, AuthError> {
        let mut scheme = None;
        self.principal(pdp, call, peer, &mut scheme)
            .map_err(|kind| AuthError {
                kind,
                scheme,
                challenge: self.challenge.clone(),
            })
    }

    /// Values of `WWW-Authenticate` for a deny because of the credential.
    pub(crate) fn challenges(&self) -> Vec<HeaderValue> {
        self.challenge.values(None, Some("invalid_token"))
    }

    fn principal(
        &self,
        pdp: &Pdp,
        call: &Call<'_>,
        peer: &Peer,
        scheme: &mut Option<Scheme>,
    ) -> Result<Principal, AuthErrorKind> {
        let verifier = pdp.verifier().ok_or(AuthErrorKind::NoVerifier)?;
        let token = match self.challenge.is_for_tokens() {
            true => token::read(call)?,
            false => None,
        };
        *scheme = token.and_then(|token| token.scheme());
        // Before the token: a proof is spent by its verification.
        let certificate = self.certificate(pdp, verifier, call, peer)?;
        let token = token
            .map(|token| self.verified(verifier, call, token))
            .transpose()?;
        match (token, certificate) {
            (Some(token), Some(certificate)) if token.id != certificate.id => {
                Err(AuthErrorKind::Disagree {
                    token: token.id,
                    certificate: certificate.id,
                })
            }
            (Some(token), Some(certificate)) => match token.attestation > certificate.attestation {
                true => Ok(token),
                false => Ok(certificate),
            },
            (Some(one), None) | (None, Some(one)) => Ok(one),
            (None, None) => Err(AuthErrorKind::Missing(self.accepted())),
        }
    }

    /// Verifies a token.
    fn verified(
        &self,
        verifier: &Verifier,
        call: &Call<'_>,
        token: Token<'_>,
    ) -> Result<Principal, AuthErrorKind> {
        match token {
            Token::Bearer(token) if self.challenge.bearer => verifier.verify(token),
            Token::Dpop { token, proof } if self.challenge.dpop => {
                let mut origins = self.origins.iter();
                let origin = origins.find(|origin| origin.is_of(call));
                let url = origin.ok_or(AuthErrorKind::UnknownOrigin)?.url(call);
                let proof = Proof {
                    jwt: proof,
                    method: call.method,
                    url: &url,
                };
                verifier.verify_with_proof(token, &proof)
            }
            Token::Bearer(_) | Token::Dpop { .. } | Token::Other => {
                return Err(AuthErrorKind::Scheme(self.accepted()));
            }
        }
        .map_err(AuthErrorKind::Credential)
    }

    /// Verifies the client certificate: that of the connection, or that which a trusted proxy states.
    fn certificate(
        &self,
        pdp: &Pdp,
        verifier: &Verifier,
        call: &Call<'_>,
        peer: &Peer,
    ) -> Result<Option<Principal>, AuthErrorKind> {
        let is_proxy = self.forwarders.iter().any(|one| one.is(pdp, peer));
        let is_stated = !self.forwarders.is_empty() && call.headers.contains_key(xfcc::HEADER);
        match (is_stated, is_proxy) {
            (true, true) => forwarded(verifier, call).map(Some),
            (true, false) => Err(AuthErrorKind::UntrustedForwarder),
            // The certificate of a proxy is not that of the caller.
            (false, true) => Ok(None),
            (false, false) if self.certificates && !peer.certificates.is_empty() => verifier
                .verify_x509(&peer.certificates)
                .map(Some)
                .map_err(AuthErrorKind::Credential),
            (false, false) => Ok(None),
        }
    }

    /// The accepted credentials, for a message.
    fn accepted(&self) -> String {
        let all = [
            ("`Authorization: Bearer`", self.challenge.bearer),
            ("`Authorization: DPoP`", self.challenge.dpop),
            ("a client certificate", self.certificates),
            (
                "a client certificate that a trusted proxy states",
                !self.forwarders.is_empty(),
            ),
        ];
        let accepted = all.iter().filter(|(_, is_accepted)| *is_accepted);
        let names: Vec<_> = accepted.map(|(name, _)| *name).collect();
        names.join(", ")
    }
}

/// Verifies the client certificate that a trusted proxy states.
///
/// The chain is verified like one of a connection: the statement of the proxy is that the client has its key.
fn forwarded(verifier: &Verifier, call: &Call<'_>) -> Result<Principal, AuthErrorKind> {
    let wrong = |why: String| AuthErrorKind::Forwarded(why);
    let text = call
        .header(xfcc::HEADER)
        .ok_or_else(|| wrong("it is there twice, or is not ASCII".to_owned()))?;
    let stated = xfcc::read(text).map_err(wrong)?;
    let principal = verifier
        .verify_x509(&stated.chain)
        .map_err(AuthErrorKind::Credential)?;
    let leaf = stated
        .chain
        .first()
        .map(|leaf| Digest::of(leaf).to_string());
    let is_leaf = |hash: &String| {
        leaf.as_deref()
            .and_then(|leaf| leaf.strip_prefix("sha256:"))
            .is_some_and(|leaf| leaf.eq_ignore_ascii_case(hash))
    };
    if !stated.hash.as_ref().is_none_or(is_leaf) {
        return Err(wrong("`Hash` is not that of the certificate".to_owned()));
    }
    if stated.uris.iter().any(|uri| *uri != principal.id) {
        return Err(wrong("`URI` is not that of the certificate".to_owned()));
    }
    Ok(principal)
}

impl AuthenticatorBuilder {
    /// Accepts JWT-SVIDs as bearer tokens (RFC 6750, section 2.1).
    pub fn bearer(mut self) -> Self {
        self.bearer = true;
        self
    }

    /// Accepts JWT-SVIDs with a proof of possession (DPoP, RFC 9449).
    ///
    /// Calls with a proof are accepted for `origins`, as clients see them, such as `https://api.acme.example`. If a proof
    /// were compared with the host that the call states, one for another server could be presented here. The decision
    /// point needs a state, in which each proof is spent.
    pub fn dpop<S: Into<String>>(mut self, origins: impl IntoIterator<Item = S>) -> Self {
        self.origins.extend(origins.into_iter().map(Into::into));
        self
    }

    /// Accepts the client certificate of the connection, an X.509-SVID ([`Peer::certificates`]).
    pub fn certificates(mut self) -> Self {
        self.certificates = true;
        self
    }

    /// Accepts client certificates in `X-Forwarded-Client-Cert` from these peers.
    ///
    /// The proxy replaces the header (Envoy: `SANITIZE_SET`) and sends the certificate (`cert` or `chain`), which the
    /// host verifies. From any other peer, the header is refused.
    pub fn forwarded_certificates(mut self, from: impl IntoIterator<Item = TrustedPeer>) -> Self {
        self.forwarders.extend(from);
        self
    }

    /// Sets the realm of challenges. `portcullis` by default.
    pub fn realm(mut self, realm: impl Into<String>) -> Self {
        self.realm = Some(realm.into());
        self
    }

    /// Builds the authenticator.
    ///
    /// # Errors
    ///
    /// [`AuthenticatorError`] if nothing is accepted, or if an origin or the realm is invalid.
    pub fn build(self) -> Result<Authenticator, AuthenticatorError> {
        let wrong = |why: String| AuthenticatorError(why);
        let origins = self.origins.iter().map(|text| {
            Origin::read(text).ok_or_else(|| {
                wrong(format!(
                    "`{text}` is no origin: write it as `https://api.acme.example`"
                ))
            })
        });
        let origins = origins.collect::<Result<Vec<_>, _>>()?;
        let realm = self.realm.unwrap_or_else(|| "portcullis".to_owned());
        let is_plain = |c: char| c.is_ascii_graphic() && !"\"\\".contains(c) || c == ' ';
        if !realm.chars().all(is_plain) {
            return Err(wrong(
                "the realm has a character other than visible ASCII".to_owned(),
            ));
        }
        let challenge = Challenge {
            realm,
            bearer: self.bearer,
            dpop: !origins.is_empty(),
        };
        let accepts_certificates = self.certificates || !self.forwarders.is_empty();
        if !challenge.is_for_tokens() && !accepts_certificates {
            return Err(wrong(
                "no credential is accepted: name at least one, such as `bearer`".to_owned(),
            ));
        }
        Ok(Authenticator {
            challenge,
            origins,
            certificates: self.certificates,
            forwarders: self.forwarders,
        })
    }
}
