//! The connection that a request came over, and the identity that it proves.

use crate::pep::{Pep, Peps};
use portcullis_host::revocation::Revocable;
use portcullis_host::{Pdp, Principal, Timestamp};
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Time for which a verified certificate chain is not verified again.
///
/// It bounds how late a replaced bundle takes effect. Expiry and revocation are looked up for every request.
const VERIFIED_FOR: Duration = Duration::from_secs(1);

/// A connection, which each of its requests carries as an extension.
#[derive(Debug, Clone)]
pub(crate) struct Connection(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    peer: Peer,
    /// Principal of the peer's chain, and when it was verified.
    verified: Mutex<Option<(Instant, Arc<Principal>)>>,
}

/// The other end of a connection.
#[derive(Debug)]
pub(crate) enum Peer {
    /// TCP without TLS.
    Tcp(SocketAddr),
    /// TLS, with the certificate chain of the peer in DER, leaf first; empty if it presented none.
    Tls {
        /// Address of the peer.
        address: SocketAddr,
        /// Certificates of the peer. The handshake proved that it has the key of the first.
        chain: Vec<Vec<u8>>,
    },
    /// A Unix socket, with the credentials that the kernel states.
    Unix {
        /// User of the peer.
        uid: u32,
        /// Process of the peer, if the system states it.
        pid: Option<i32>,
    },
}

impl Connection {
    /// A connection from `peer`.
    pub(crate) fn new(peer: Peer) -> Self {
        Self(Arc::new(Inner {
            peer,
            verified: Mutex::default(),
        }))
    }

    /// The enforcement point that the connection itself identifies.
    ///
    /// A peer whose X.509-SVID expired or was revoked is none, on a connection that it has already too.
    pub(crate) fn pep(&self, peps: &Peps, pdp: &Pdp) -> Option<Arc<Pep>> {
        if let Some(local) = peps.local() {
            return Some(local);
        }
        match &self.0.peer {
            Peer::Tcp(_) => None,
            Peer::Unix { uid, .. } => peps.by_uid(*uid),
            Peer::Tls { chain, .. } => {
                let principal = self.verified(chain, pdp)?;
                match is_revoked(&principal, pdp) {
                    true => None,
                    false => peps.by_spiffe_id(&principal.id),
                }
            }
        }
    }

    /// The workload that the peer's certificate identifies, if it has one that is in force.
    pub(crate) fn workload(&self, pdp: &Pdp) -> Option<Arc<Principal>> {
        match &self.0.peer {
            Peer::Tls { chain, .. } => {
                let principal = self.verified(chain, pdp)?;
                (!is_revoked(&principal, pdp)).then_some(principal)
            }
            Peer::Tcp(_) | Peer::Unix { .. } => None,
        }
    }

    /// Scheme of URLs of this server for the peer.
    pub(crate) fn scheme(&self) -> &'static str {
        match &self.0.peer {
            Peer::Tls { .. } => "https",
            Peer::Tcp(_) | Peer::Unix { .. } => "http",
        }
    }

    /// Verifies the chain with the host's trust domains.
    fn verified(&self, chain: &[Vec<u8>], pdp: &Pdp) -> Option<Arc<Principal>> {
        let mut verified = self
            .0
            .verified
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some((at, principal)) = &*verified
            && at.elapsed() < VERIFIED_FOR
        {
            let expires_at = principal.credential_expires_at;
            return expires_at
                .is_none_or(|at| Timestamp::now() < at)
                .then(|| Arc::clone(principal));
        }
        *verified = None;
        let found = match chain {
            [] => None,
            chain => pdp.verifier()?.verify_x509(chain).ok(),
        };
        let found = Arc::new(found?);
        *verified = Some((Instant::now(), Arc::clone(&found)));
        Some(found)
    }
}

/// True if the host's revocation list has the principal or its credential.
pub(crate) fn is_revoked(principal: &Principal, pdp: &Pdp) -> bool {
    pdp.revocations().is_some_and(|revocations| {
        let known = revocations.now_known();
        let credential = &principal.credential_id;
        known.find(Revocable::Principal, &principal.id).is_some()
            || known.find_credential(credential, &principal.id).is_some()
    })
}

impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.peer {
            Peer::Tcp(address) | Peer::Tls { address, .. } => write!(f, "{address}"),
            Peer::Unix {
                uid,
                pid: Some(pid),
            } => write!(f, "uid {uid}, pid {pid}"),
            Peer::Unix { uid, pid: None } => write!(f, "uid {uid}"),
        }
    }
}

/// The enforcement point that makes a request, with its connection.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pep: Arc<Pep>,
    connection: Connection,
}

impl Caller {
    pub(crate) fn new(pep: Arc<Pep>, connection: &Connection) -> Self {
        Self {
            pep,
            connection: connection.clone(),
        }
    }

    /// The enforcement point.
    pub(crate) fn pep(&self) -> &Pep {
        &self.pep
    }

    /// The connection of the request.
    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }
}
