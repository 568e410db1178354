//! A server elsewhere, for relays and hooks: JSON over HTTP.

use crate::outbound::{HttpClient, client, message};
use bytes::Bytes;
use http::{HeaderValue, Request, header};
use http_body_util::{BodyExt as _, Full, Limited};
use std::path::Path;
use std::time::Duration;
use tokio::time::timeout;

/// Maximum time for an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Maximum size of an answer, in bytes.
const LARGEST: usize = 64 * 1024 * 1024;

/// A server that answers requests with JSON.
#[derive(Debug, Clone)]
pub struct Remote {
    client: HttpClient,
    base: String,
    token: Option<HeaderValue>,
    session: Option<HeaderValue>,
}

impl Remote {
    /// The server at `url`, such as `http://127.0.0.1:8181`. Nothing is connected yet.
    ///
    /// `token` is a bearer token, and `authorities` a PEM file with the authorities of the server's certificate.
    ///
    /// # Errors
    ///
    /// The reason why it cannot be asked, with the remedy.
    pub fn new(url: &str, token: Option<&str>, authorities: Option<&Path>) -> Result<Self, String> {
        if !portcullis_mcp::settings::is_url(url) {
            return Err(format!(
                "{url} is not one of a server: write `https://HOST`, or `http://` for one on this machine"
            ));
        }
        Ok(Self {
            client: client(url, authorities)?,
            base: url.trim_end_matches('/').to_owned(),
            token: match token {
                Some(token) => Some(secret(&format!("Bearer {token}"))?),
                None => None,
            },
            session: None,
        })
    }

    /// Sets the handle of the session that requests are of.
    ///
    /// # Errors
    ///
    /// It is no header.
    pub fn in_session(mut self, handle: &str) -> Result<Self, String> {
        self.session = Some(secret(handle)?);
        Ok(self)
    }

    /// URL of the server, without `/` at its end.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Sends JSON to a path, and returns the answer.
    ///
    /// # Errors
    ///
    /// The reason why there is none, or the message of the server, in one printable line.
    pub async fn post(&self, path: &str, body: &[u8]) -> Result<Bytes, String> {
        let url = format!("{}{path}", self.base);
        let mut request = Request::post(&url).header(header::CONTENT_TYPE, "application/json");
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, token);
        }
        if let Some(session) = &self.session {
            request = request.header(SESSION, session);
        }
        let request = request
            .body(Full::new(Bytes::copy_from_slice(body)))
            .map_err(|error| error.to_string())?;
        let exchange = async {
            let response = self.client.request(request).await;
            let (parts, body) = response.map_err(|error| message(&error))?.into_parts();
            let body = Limited::new(body, LARGEST).collect().await;
            let body = body.map_err(|error| error.to_string())?.to_bytes();
            match parts.status.is_success() {
                true => Ok(body),
                false => {
                    let text = String::from_utf8_lossy(&body);
                    let text = portcullis_host::printable(text.trim());
                    Err(format!("{url} answers {}: {text}", parts.status))
                }
            }
        };
        match timeout(PATIENCE, exchange).await {
            Ok(answered) => answered,
            Err(_) => Err(format!("{url} gave no answer within {PATIENCE:?}")),
        }
    }
}

/// Header with the handle of a session, which a front end opened.
pub(crate) const SESSION: http::HeaderName = http::HeaderName::from_static("portcullis-session");

fn secret(text: &str) -> Result<HeaderValue, String> {
    let value = HeaderValue::try_from(text);
    let mut value = value.map_err(|_| "a token or a handle is not printable ASCII".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}
