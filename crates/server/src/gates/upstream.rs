//! The server behind a gate, over Streamable HTTP.

use crate::outbound::{HttpClient, client, message};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, header};
use http_body_util::Full;
use hyper::body::Incoming;
use portcullis_host::Timestamp;
use portcullis_mcp::headers::{self, PARAM, VERSION};
use portcullis_mcp::settings::{self, Credential, Server};

/// Header with the session of the transport, before 2026-07-28.
pub(crate) const TRANSPORT_SESSION: HeaderName = HeaderName::from_static("mcp-session-id");

/// A server with a URL.
pub(crate) struct Upstream {
    client: HttpClient,
    url: String,
    credential: Option<Credential>,
}

/// Trace of a call.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

impl Upstream {
    /// The server, if it has a URL.
    ///
    /// # Errors
    ///
    /// The reason why it cannot be reached, with the remedy.
    pub(crate) fn new(server: &Server) -> Result<Option<Self>, String> {
        let settings::Upstream::Url(url) = &server.upstream else {
            return Ok(None);
        };
        Ok(Some(Self {
            client: client(url, None)?,
            url: url.clone(),
            credential: server.credential.clone(),
        }))
    }

    /// Sends a message to the server, and returns its answer without the body.
    ///
    /// # Errors
    ///
    /// The reason why there is none, in one printable line.
    pub(crate) async fn send(
        &self,
        method: Method,
        message_: &[u8],
        headers: &HeaderMap,
    ) -> Result<Response<Incoming>, String> {
        let mut request = Request::new(Full::new(Bytes::copy_from_slice(message_)));
        *request.method_mut() = method;
        *request.uri_mut() = self
            .url
            .parse()
            .map_err(|_| "its URL is invalid".to_owned())?;
        let sent = request.headers_mut();
        sent.extend(headers.clone());
        headers::repeat(message_, sent);
        if !is_call(message_) {
            let arguments: Vec<_> = sent
                .keys()
                .filter(|name| name.as_str().starts_with(PARAM))
                .cloned()
                .collect();
            for name in arguments {
                sent.remove(name);
            }
        }
        let both = HeaderValue::from_static("application/json, text/event-stream");
        sent.insert(header::ACCEPT, both);
        sent.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        // The agent's own token stays here.
        if let Some(credential) = &self.credential {
            let secret = credential.secret(Timestamp::now())?;
            let bearer = HeaderValue::try_from(format!("Bearer {secret}"));
            let mut bearer = bearer.map_err(|_| "its credential cannot be sent".to_owned())?;
            bearer.set_sensitive(true);
            sent.insert(header::AUTHORIZATION, bearer);
        }
        let answered = self.client.request(request).await;
        answered.map_err(|error| message(&error))
    }
}

fn is_call(raw: &[u8]) -> bool {
    let message = serde_json::from_slice::<serde_json::Value>(raw).ok();
    message.is_some_and(|message| message.get("method") == Some(&"tools/call".into()))
}

/// Headers of a client's request that go on to the server: version, session, trace and arguments.
///
/// Each goes on once: the server's reader may take another one of two.
pub(crate) fn headers(of_client: &HeaderMap) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for name in of_client.keys() {
        let goes_on = [&VERSION, &TRANSPORT_SESSION, &TRACEPARENT].contains(&name)
            || name.as_str().starts_with(PARAM);
        if let Some(value) = of_client.get(name).filter(|_| goes_on) {
            headers.insert(name, value.clone());
        }
    }
    headers
}
