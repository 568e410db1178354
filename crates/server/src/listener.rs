//! Listeners: TCP, with or without TLS, and Unix sockets.

use crate::settings::Address;
use std::io;
use std::net::SocketAddr;
use tokio::net::TcpListener;
#[cfg(unix)]
use unix::Socket;

/// A bound listener.
#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(Socket),
}

/// A connection that a listener accepted.
pub(crate) enum Accepted {
    Tcp(tokio::net::TcpStream, SocketAddr),
    #[cfg(unix)]
    Unix(tokio::net::UnixStream),
}

impl Listener {
    /// Binds the address.
    ///
    /// # Errors
    ///
    /// The error of the system.
    pub(crate) async fn bind(address: &Address, socket_mode: u32) -> io::Result<Self> {
        match address {
            Address::Tcp(address) => TcpListener::bind(address).await.map(Self::Tcp),
            #[cfg(unix)]
            Address::Unix(path) => Socket::bind(path, socket_mode).map(Self::Unix),
            #[cfg(not(unix))]
            Address::Unix(_) => {
                let _ = socket_mode;
                Err(io::ErrorKind::Unsupported.into())
            }
        }
    }

    /// Address as it is bound, with the real port.
    pub(crate) fn address(&self) -> io::Result<Address> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(Address::Tcp),
            #[cfg(unix)]
            Self::Unix(socket) => Ok(Address::Unix(socket.path().to_owned())),
        }
    }

    /// Accepts a connection. It is safe to cancel.
    pub(crate) async fn accept(&self) -> io::Result<Accepted> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                // Small responses are sent at once. The peer may be gone already, which its first read shows.
                let _ = stream.set_nodelay(true);
                Ok(Accepted::Tcp(stream, peer))
            }
            #[cfg(unix)]
            Self::Unix(socket) => socket.accept().await.map(Accepted::Unix),
        }
    }
}

#[cfg(unix)]
mod unix {
    use std::io;
    use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
    use std::path::{Path, PathBuf};
    use tokio::net::{UnixListener, UnixStream};

    /// A Unix socket in a file, which is removed with it.
    #[derive(Debug)]
    pub(crate) struct Socket {
        listener: UnixListener,
        path: PathBuf,
        /// Device and inode of the file.
        file: (u64, u64),
    }

    impl Socket {
        /// Binds the socket, with its mode from the beginning.
        ///
        /// A socket that no process listens on any more is replaced.
        pub(crate) fn bind(path: &Path, mode: u32) -> io::Result<Self> {
            match std::fs::symlink_metadata(path) {
                Ok(found) if !found.file_type().is_socket() => {
                    return Err(io::Error::new(
                        io::ErrorKind::AlreadyExists,
                        "the file is there and is no socket: move it away, or name another file",
                    ));
                }
                Ok(_) if std::os::unix::net::UnixStream::connect(path).is_ok() => {
                    return Err(io::Error::new(
                        io::ErrorKind::AddrInUse,
                        "another process listens on it: stop it, or name another file",
                    ));
                }
                _ => {}
            }
            // Under another name until it has its mode, so that no other user can connect before.
            let mut begun = path.as_os_str().to_owned();
            begun.push(format!(".{}", std::process::id()));
            let begun = PathBuf::from(begun);
            let _ = std::fs::remove_file(&begun);
            let listener = UnixListener::bind(&begun)?;
            let placed = std::fs::set_permissions(&begun, std::fs::Permissions::from_mode(mode))
                .and_then(|()| std::fs::rename(&begun, path))
                .and_then(|()| std::fs::symlink_metadata(path));
            match placed {
                Ok(found) => Ok(Self {
                    listener,
                    path: path.to_owned(),
                    file: (found.dev(), found.ino()),
                }),
                Err(error) => {
                    let _ = std::fs::remove_file(&begun);
                    Err(error)
                }
            }
        }

        pub(crate) fn path(&self) -> &Path {
            &self.path
        }

        pub(crate) async fn accept(&self) -> io::Result<UnixStream> {
            let (stream, _) = self.listener.accept().await?;
            Ok(stream)
        }
    }

    impl Drop for Socket {
        fn drop(&mut self) {
            // Another process may have replaced the file.
            let is_own = std::fs::symlink_metadata(&self.path)
                .is_ok_and(|found| (found.dev(), found.ino()) == self.file);
            if is_own {
                let _ = std::fs::remove_file(&self.path);
            }
        }
    }
}
