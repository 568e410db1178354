//! Facts that a connection proved about its peer.

use bytes::Bytes;
use std::net::IpAddr;

/// Facts that the connection of a call proved about its peer.
///
/// The server that accepts connections makes it, and inserts it into the extensions of each request. Without it, a
/// connection proved nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peer {
    /// Certificate chain in DER, leaf first, of which TLS verified that the peer has the key of the leaf.
    pub certificates: Vec<Bytes>,
    /// SPIFFE ID of a proxy, if the server verified it.
    pub spiffe_id: Option<String>,
    /// Address of the peer.
    pub address: Option<IpAddr>,
    /// Credentials of the process at the other end of a Unix socket.
    pub unix: Option<UnixCredentials>,
}

/// Credentials of a process at the other end of a Unix socket (`SO_PEERCRED`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnixCredentials {
    /// User id.
    pub user: u32,
    /// Group id.
    pub group: u32,
}
