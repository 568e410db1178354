//! The client of servers that the host sends to, over HTTP/1.1, with TLS for `https`.

use crate::settings::Endpoint;
use crate::tls;
use bytes::Bytes;
use http::uri::Scheme;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use portcullis_host::printable;
use std::error::Error;
use std::path::Path;
use std::time::Duration;
use tokio::time::timeout;
use tokio_rustls::rustls::RootCertStore;

/// Size of a response from which on the rest of it is not read.
pub(crate) const LARGEST: usize = 64 * 1024;
/// Time after which an unused connection is closed.
const IDLE: Duration = Duration::from_secs(60);

/// A client of one server. It follows no redirects, because they could lead secrets elsewhere.
#[derive(Debug, Clone)]
pub(crate) struct Outbound {
    client: HttpClient,
    endpoint: Endpoint,
}

impl Outbound {
    /// A client of `endpoint`. Nothing is connected yet.
    ///
    /// # Errors
    ///
    /// The reason why no authorities are known, with the remedy.
    pub(crate) fn new(endpoint: &Endpoint) -> Result<Self, String> {
        let client = client(&endpoint.url, endpoint.authorities.as_deref())?;
        Ok(Self {
            client,
            endpoint: endpoint.clone(),
        })
    }

    /// The server that is asked.
    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Sends a request with the headers of the endpoint, and reads the response, to its end or to [`LARGEST`] bytes.
    ///
    /// # Errors
    ///
    /// The reason why there is no response, in one printable line.
    pub(crate) async fn send(
        &self,
        mut request: Request<Bytes>,
    ) -> Result<Response<Bytes>, String> {
        let headers = request.headers_mut();
        for (name, value) in &self.endpoint.headers {
            headers.insert(name, value.clone());
        }
        let exchange = async {
            let response = self.client.request(request.map(Full::new)).await;
            let (parts, body) = response.map_err(|error| message(&error))?.into_parts();
            let body = beginning(body).await.map_err(|error| message(&error))?;
            Ok(Response::from_parts(parts, body))
        };
        match timeout(self.endpoint.timeout, exchange).await {
            Ok(answered) => answered,
            Err(_) => Err(format!("no answer within {:?}", self.endpoint.timeout)),
        }
    }
}

/// A client of HTTP/1.1, with TLS for `https`. It follows no redirects. Nothing is connected yet.
///
/// # Errors
///
/// The reason why no authorities are known, with the remedy.
pub(crate) fn client(url: &str, authorities: Option<&Path>) -> Result<HttpClient, String> {
    let url = url.parse::<Uri>();
    let roots = match url.is_ok_and(|url| url.scheme() == Some(&Scheme::HTTPS)) {
        true => tls::roots(authorities)?,
        false => RootCertStore::empty(),
    };
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls::client_config(roots)?)
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp);
    Ok(Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .build(connector))
}

/// A client of HTTP/1.1.
pub(crate) type HttpClient = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Reads a body, to its end or to [`LARGEST`] bytes.
async fn beginning(mut body: Incoming) -> Result<Bytes, hyper::Error> {
    let mut read = Vec::new();
    while read.len() < LARGEST
        && let Some(frame) = body.frame().await
    {
        if let Ok(data) = frame?.into_data() {
            read.extend_from_slice(&data);
        }
    }
    read.truncate(LARGEST);
    Ok(read.into())
}

/// An error with its sources.
pub(crate) fn message(error: &(dyn Error + 'static)) -> String {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        message.push_str(": ");
        message.push_str(&error.to_string());
        source = error.source();
    }
    printable(&message)
}
