//! Reads a call from the attributes that Envoy states.
//!
//! Method, path, host and the certificate of the client come from fields that Envoy itself fills, and never from headers.

use crate::refusal::Refusal;
use bytes::Bytes;
use envoy_types::ext_authz::v3::pb::CheckRequest;
use envoy_types::pb::envoy::service::auth::v3::attribute_context::HttpRequest;
use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;
use portcullis_http::Peer;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

/// Key of `context_extensions` that names the integration.
const INTEGRATION: &str = "portcullis-integration";
/// Key of `context_extensions` with the value `included` if Envoy sends every body.
const BODY: &str = "portcullis-body";
/// Header with which Envoy states that it sends the body, and whether only a part of it.
const PARTIAL_BODY: &str = "x-envoy-auth-partial-body";

/// A call as Envoy states it.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) method: String,
    /// Path and query.
    pub(super) target: String,
    pub(super) authority: String,
    pub(super) headers: HeaderMap,
    /// The whole body, if Envoy sent it.
    pub(super) body: Option<Vec<u8>>,
    /// The certificate of the client's connection with Envoy.
    pub(super) client: Peer,
    /// Integration that Envoy's configuration names.
    pub(super) integration: Option<String>,
}

impl Read {
    /// Reads the attributes of a check.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if they are not those of an HTTP request, or contradict one another.
    pub(super) fn of(check: CheckRequest) -> Result<Self, Refusal> {
        let wrong = |why: &str| Refusal::malformed(format!("attributes of the call: {why}"));
        let attributes = check.attributes.unwrap_or_default();
        let http = attributes.request.and_then(|request| request.http);
        let mut http = http.ok_or_else(|| wrong("there is no `request.http`"))?;
        let mut headers = headers(&http)?;
        // Envoy adds its own beside one of the client.
        let mut partial = headers.get_all(PARTIAL_BODY).iter();
        let is_partial = partial.any(|value| value != "false");
        headers.remove(PARTIAL_BODY);
        let extensions = attributes.context_extensions;
        let sends_bodies = match extensions.get(BODY).map(String::as_str) {
            None => false,
            Some("included") => true,
            Some(_) => return Err(wrong("`portcullis-body` of `context_extensions` is `included`, or left out")),
        };
        let body = match body(&mut http)? {
            body if is_partial || (body.is_empty() && !sends_bodies) => None,
            body => Some(body),
        };
        let certificate = attributes.source.map(|source| source.certificate);
        let certificate = certificate.filter(|text| !text.is_empty());
        let mut client = Peer::default();
        if let Some(certificate) = certificate {
            client.certificates = certificates(&certificate)
                .ok_or_else(|| wrong("`source.certificate` is no certificate in PEM"))?;
        }
        Ok(Self {
            method: http.method,
            target: http.path,
            authority: http.host,
            headers,
            body,
            client,
            integration: extensions.get(INTEGRATION).cloned(),
        })
    }
}

/// The body, of which Envoy fills one of two fields.
fn body(http: &mut HttpRequest) -> Result<Vec<u8>, Refusal> {
    let text = std::mem::take(&mut http.body).into_bytes();
    let raw = std::mem::take(&mut http.raw_body);
    match (text.is_empty(), raw.is_empty()) {
        (_, true) => Ok(text),
        (true, false) => Ok(raw),
        (false, false) => Err(Refusal::malformed(
            "attributes of the call: there are both `body` and `raw_body`",
        )),
    }
}

/// The headers of the call, from one of the two fields that Envoy fills.
///
/// Pseudo-headers must agree with the fields that they repeat.
fn headers(http: &HttpRequest) -> Result<HeaderMap, Refusal> {
    let raw = http.header_map.iter().flat_map(|map| &map.headers);
    let raw = raw.map(|header| {
        let value = match header.raw_value.is_empty() {
            true => header.value.as_bytes(),
            false => header.raw_value.as_slice(),
        };
        (header.key.as_str(), value)
    });
    let text = http.headers.iter();
    let text = text.map(|(name, value)| (name.as_str(), value.as_bytes()));
    let mut headers = HeaderMap::new();
    for (name, value) in raw.chain(text) {
        let wrong = |why: &str| {
            let name = portcullis_host::excerpt(name);
            Refusal::malformed(format!("attributes of the call: header `{name}`: {why}"))
        };
        let repeats = match name {
            ":method" => Some(&http.method),
            ":path" => Some(&http.path),
            ":authority" | "host" => Some(&http.host),
            name if name.starts_with(':') => continue,
            _ => None,
        };
        match repeats {
            Some(field) if field.as_bytes() == value => continue,
            Some(_) => return Err(wrong("it is not that of the call")),
            None => {}
        }
        let name: HeaderName = name.parse().map_err(|_| wrong("it has no valid name"))?;
        let value = HeaderValue::from_bytes(value).map_err(|_| wrong("it has no valid value"))?;
        headers.append(name, value);
    }
    Ok(headers)
}

/// The certificate in PEM, in which Envoy percent-encodes what is not allowed in URLs.
fn certificates(text: &str) -> Option<Vec<Bytes>> {
    let pem = percent_decode_str(text).collect::<Vec<u8>>();
    let read = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
    let read = read.ok().filter(|read| !read.is_empty())?;
    let der = read.into_iter().map(|der| Bytes::copy_from_slice(&der));
    Some(der.collect())
}
