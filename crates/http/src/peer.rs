//! Facts that a connection proved about its peer.

use bytes::Bytes;
use std::fmt;
use std::net::IpAddr;

/// Facts that the connection of a call proved about its peer.
///
/// The server that accepts connections makes it, and inserts it into the extensions of each request. A request
/// without it came over a connection that proved nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Peer {
    /// Certificate chain in DER, leaf first. TLS must have verified that the peer has the key of the leaf.
    pub certificates: Vec<Bytes>,
    /// SPIFFE ID of a proxy, if the server verified it.
    pub spiffe_id: Option<String>,
    /// Address of the peer.
    pub address: Option<IpAddr>,
    /// Credentials of the peer of a Unix socket.
    pub unix: Option<UnixCredentials>,
}

/// Credentials of the peer of a Unix socket (`SO_PEERCRED`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnixCredentials {
    /// User id.
    pub user: u32,
    /// Group id.
    pub group: u32,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.spiffe_id, &self.address, &self.unix) {
            (Some(id), Some(address), _) => write!(f, "{id} at {address}"),
            (Some(id), None, _) => f.write_str(id),
            (None, Some(address), _) => write!(f, "{address}"),
            (None, None, Some(unix)) => write!(f, "user {} of this machine", unix.user),
            (None, None, None) => f.write_str("unknown"),
        }
    }
}
