//! An HTTP client that knows nothing of Portcullis.

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use portcullis_server::settings::Address;
use rustls_pki_types::{CertificateDer, ServerName};
use serde_json::Value;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// A response that was read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The decision of an evaluation with status 200.
    pub(crate) fn decision(&self) -> bool {
        assert_eq!(self.status, StatusCode::OK, "{}", self.text());
        self.json()["decision"].as_bool().expect("a decision")
    }

    /// The decisions of a batch with status 200.
    pub(crate) fn decisions(&self) -> Vec<bool> {
        assert_eq!(self.status, StatusCode::OK, "{}", self.text());
        let json = self.json();
        let all = json["evaluations"].as_array().expect("evaluations");
        all.iter()
            .map(|one| one["decision"].as_bool().expect("a decision"))
            .collect()
    }
}

/// Sends a request over a connection of its own.
pub(crate) async fn send(address: &Address, request: Request<Full<Bytes>>) -> Answer {
    match address {
        Address::Tcp(address) => over(TcpStream::connect(address).await.unwrap(), request).await,
        Address::Unix(path) => over(UnixStream::connect(path).await.unwrap(), request).await,
        other => panic!("{other}"),
    }
}

/// Sends a request over TLS.
pub(crate) async fn send_tls(
    address: &Address,
    config: Arc<ClientConfig>,
    request: Request<Full<Bytes>>,
) -> std::io::Result<Answer> {
    let Address::Tcp(address) = address else {
        panic!("{address}")
    };
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let stream = TlsConnector::from(config).connect(name, stream).await?;
    Ok(over(stream, request).await)
}

async fn over<S>(stream: S, request: Request<Full<Bytes>>) -> Answer
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    let response: Response<_> = sender.send_request(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    connection.abort();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body,
    }
}

/// Settings of a client that trusts one certificate.
pub(crate) fn trusting(certificate: &CertificateDer<'static>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap();
    Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
}

/// A request with a body of JSON.
pub(crate) fn post(path: &str, body: &Value) -> Request<Full<Bytes>> {
    post_as(path, "application/json", body.to_string())
}

/// A request with a body of that type.
pub(crate) fn post_as(
    path: &str,
    content_type: &str,
    body: impl Into<Bytes>,
) -> Request<Full<Bytes>> {
    Request::post(path)
        .header("host", "127.0.0.1")
        .header("content-type", content_type)
        .body(Full::new(body.into()))
        .unwrap()
}

/// A request without a body.
pub(crate) fn get(path: &str) -> Request<Full<Bytes>> {
    Request::get(path)
        .header("host", "127.0.0.1")
        .body(Full::default())
        .unwrap()
}

/// The request with another header.
pub(crate) fn with(
    mut request: Request<Full<Bytes>>,
    name: &'static str,
    value: &str,
) -> Request<Full<Bytes>> {
    request.headers_mut().append(name, value.parse().unwrap());
    request
}
