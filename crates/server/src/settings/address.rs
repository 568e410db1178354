//! Addresses of listeners.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// Address of a listener: `127.0.0.1:8181`, `[::1]:8181` or `unix:/run/portcullis/pdp.sock`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Address {
    /// A TCP address. Port 0 is any free port.
    Tcp(SocketAddr),
    /// Path of a Unix socket.
    Unix(PathBuf),
}

/// Prefix of a Unix socket.
pub(crate) const UNIX: &str = "unix:";

impl Address {
    /// True if only processes of this machine can reach the address.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix(UNIX) {
            Some("") => Err("name the file of the socket: `unix:/run/portcullis/pdp.sock`".to_owned()),
            Some(path) => Ok(Self::Unix(PathBuf::from(path))),
            None => text.parse().map(Self::Tcp).map_err(|_| {
                format!(
                    "`{}` is no address: write an IP address with a port, such as `127.0.0.1:8181`, or `unix:/run/portcullis/pdp.sock`",
                    portcullis_host::excerpt(text)
                )
            }),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_and_unix_sockets_are_local() {
        let is_local = |text: &str| text.parse::<Address>().map(|address| address.is_local());
        for local in [
            "127.0.0.1:8181",
            "127.9.9.9:0",
            "[::1]:8181",
            "[::ffff:127.0.0.1]:8181",
            "unix:/run/pdp.sock",
            "unix:pdp.sock",
        ] {
            assert_eq!(is_local(local), Ok(true), "{local}");
        }
        for open in [
            "0.0.0.0:8181",
            "[::]:8181",
            "192.0.2.1:80",
            "[::ffff:192.0.2.1]:80",
            "[fe80::1]:80",
        ] {
            assert_eq!(is_local(open), Ok(false), "{open}");
        }
        for none in [
            "",
            "unix:",
            "localhost:8181",
            "127.0.0.1",
            "8181",
            "http://127.0.0.1:1",
        ] {
            assert!(is_local(none).is_err(), "{none}");
        }
    }
}
