//! Asks the admin listener of a running server for its status.

use crate::admin::{STATUS, WholeStatus};
use crate::settings::Address;
use crate::tls;
use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Maximum time for the whole answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Maximum size of the answer.
const LARGEST: usize = 16 * 1024 * 1024;

/// URL of an admin listener: `http://127.0.0.1:8182`, `https://pdp.acme.example:8182` or `unix:/run/admin.sock`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminUrl(Place);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// Authority, and true for TLS.
    Tcp(String, bool),
    Unix(PathBuf),
}

impl AdminUrl {
    /// URL of a configured listener.
    pub fn of(address: &Address, has_tls: bool) -> Self {
        Self(match address {
            Address::Tcp(address) => Place::Tcp(address.to_string(), has_tls),
            Address::Unix(path) => Place::Unix(path.clone()),
        })
    }
}

impl FromStr for AdminUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return Ok(Self(Place::Unix(PathBuf::from(path))));
        }
        let uri = text.parse::<http::Uri>().ok();
        let parts = uri.as_ref().and_then(|uri| {
            let has_tls = match uri.scheme_str()? {
                "http" => false,
                "https" => true,
                _ => return None,
            };
            let authority = uri.authority()?.clone();
            let port = authority
                .port_u16()
                .unwrap_or(if has_tls { 443 } else { 80 });
            Some((format!("{}:{port}", authority.host()), has_tls))
        });
        match parts {
            Some((authority, has_tls)) => Ok(Self(Place::Tcp(authority, has_tls))),
            None => Err(
                "an admin listener is `http://HOST:PORT`, `https://HOST:PORT` or `unix:FILE`"
                    .to_owned(),
            ),
        }
    }
}

/// Reason why a server gave no status.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AskError {
    /// No server answers there.
    #[error(
        "no server answers at {place}: {error}; start it with `portcullis serve`, or name its admin listener with `--admin`"
    )]
    NoServer {
        /// Address that was tried.
        place: String,
        /// Error of the connection.
        error: String,
    },
    /// The server did not accept the question.
    #[error("the server answers {status}: {message}")]
    Refused {
        /// Status of the response.
        status: u16,
        /// Text of the response.
        message: String,
    },
    /// The answer is not a status.
    #[error("the answer is not the status of a server: {0}")]
    NotAStatus(String),
    /// The authorities are unusable.
    #[error("{0}")]
    Authorities(String),
}

/// Asks the server at `url` for its status.
///
/// `token` is that of `admin-token-file`, and `authorities` a PEM file with the authorities of the server's
/// certificate.
///
/// # Errors
///
/// [`AskError`].
pub async fn ask(
    url: &AdminUrl,
    token: Option<&str>,
    authorities: Option<&Path>,
) -> Result<WholeStatus, AskError> {
    let asked = tokio::time::timeout(PATIENCE, asked(url, token, authorities));
    match asked.await {
        Ok(status) => status,
        Err(_) => Err(no_server(&url.0, "it gave no answer in time")),
    }
}

async fn asked(
    url: &AdminUrl,
    token: Option<&str>,
    authorities: Option<&Path>,
) -> Result<WholeStatus, AskError> {
    let failed = |error: std::io::Error| no_server(&url.0, error);
    match &url.0 {
        #[cfg(unix)]
        Place::Unix(path) => {
            let stream = tokio::net::UnixStream::connect(path)
                .await
                .map_err(failed)?;
            exchange(stream, &url.0, "localhost", token).await
        }
        #[cfg(not(unix))]
        Place::Unix(_) => Err(failed(std::io::ErrorKind::Unsupported.into())),
        Place::Tcp(authority, false) => {
            let stream = TcpStream::connect(authority).await.map_err(failed)?;
            exchange(stream, &url.0, authority, token).await
        }
        Place::Tcp(authority, true) => {
            let connector = connector(authorities)?;
            let host = authority
                .rsplit_once(':')
                .map_or(&**authority, |(host, _)| host);
            let host = host
                .trim_start_matches('[')
                .trim_end_matches(']')
                .to_owned();
            let name = ServerName::try_from(host).map_err(|error| no_server(&url.0, error))?;
            let stream = TcpStream::connect(authority).await.map_err(failed)?;
            let stream = connector.connect(name, stream).await.map_err(failed)?;
            exchange(stream, &url.0, authority, token).await
        }
    }
}

fn no_server(place: &Place, error: impl ToString) -> AskError {
    let place = match place {
        Place::Tcp(authority, _) => authority.clone(),
        Place::Unix(path) => path.display().to_string(),
    };
    AskError::NoServer {
        place,
        error: error.to_string(),
    }
}

fn connector(authorities: Option<&Path>) -> Result<TlsConnector, AskError> {
    let Some(file) = authorities else {
        return Err(AskError::Authorities(
            "the admin listener speaks TLS: name a PEM file with the authorities of its certificate with `--authorities`".to_owned(),
        ));
    };
    let config = tls::roots(Some(file)).and_then(tls::client_config);
    let config = config.map_err(AskError::Authorities)?;
    Ok(TlsConnector::from(Arc::new(config)))
}

async fn exchange<S>(
    stream: S,
    place: &Place,
    host: &str,
    token: Option<&str>,
) -> Result<WholeStatus, AskError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let failed = |error: hyper::Error| no_server(place, error);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(failed)?;
    let connection = tokio::spawn(connection);
    let mut request = Request::get(STATUS).header(header::HOST, host);
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let request = request
        .body(Empty::<Bytes>::new())
        .map_err(|error| AskError::Authorities(format!("the token cannot be sent: {error}")))?;
    let response = sender.send_request(request).await.map_err(failed)?;
    let status = response.status();
    let body = Limited::new(response.into_body(), LARGEST).collect().await;
    connection.abort();
    let body = body
        .map_err(|error| AskError::NotAStatus(error.to_string()))?
        .to_bytes();
    if !status.is_success() {
        return Err(AskError::Refused {
            status: status.as_u16(),
            message: portcullis_host::printable(String::from_utf8_lossy(&body).trim()),
        });
    }
    serde_json::from_slice(&body).map_err(|error| AskError::NotAStatus(error.to_string()))
}
