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
            Some(_) => {
                return Err(wrong(
                    "`portcullis-body` of `context_extensions` is `included`, or left out",
                ));
            }
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
        let appended = headers.try_append(name, value);
        appended.map_err(|_| wrong("there are too many headers"))?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use envoy_types::pb::envoy::config::core::v3::{HeaderMap as RawHeaders, HeaderValue as Raw};
    use envoy_types::pb::envoy::service::auth::v3::AttributeContext;
    use envoy_types::pb::envoy::service::auth::v3::attribute_context::{Peer as Source, Request};

    fn http() -> HttpRequest {
        HttpRequest {
            method: "GET".to_owned(),
            path: "/v1/invoices/7?page=2".to_owned(),
            host: "api.acme.example".to_owned(),
            ..HttpRequest::default()
        }
    }

    fn check(http: HttpRequest) -> CheckRequest {
        let request = Request {
            http: Some(http),
            ..Request::default()
        };
        let attributes = AttributeContext {
            request: Some(request),
            ..AttributeContext::default()
        };
        CheckRequest {
            attributes: Some(attributes),
        }
    }

    /// The request with these raw headers.
    fn raw(lines: &[(&str, &[u8])]) -> HttpRequest {
        let headers = lines.iter().map(|(key, value)| Raw {
            key: (*key).to_owned(),
            raw_value: value.to_vec(),
            ..Raw::default()
        });
        HttpRequest {
            header_map: Some(RawHeaders {
                headers: headers.collect(),
            }),
            ..http()
        }
    }

    fn extended(mut check: CheckRequest, key: &str, value: &str) -> CheckRequest {
        let extensions = &mut check.attributes.as_mut().unwrap().context_extensions;
        extensions.insert(key.to_owned(), value.to_owned());
        check
    }

    #[test]
    fn reads_the_call_from_the_fields_of_envoy() {
        let lines: [(&str, &[u8]); 6] = [
            (":method", b"GET"),
            (":path", b"/v1/invoices/7?page=2"),
            (":authority", b"api.acme.example"),
            (":scheme", b"http"),
            ("accept", b"a"),
            ("accept", b"caf\xe9"),
        ];
        let read = Read::of(extended(check(raw(&lines)), INTEGRATION, "invoices")).unwrap();
        assert_eq!(read.method, "GET");
        assert_eq!(read.target, "/v1/invoices/7?page=2");
        assert_eq!(read.authority, "api.acme.example");
        assert_eq!(read.integration.as_deref(), Some("invoices"));
        assert_eq!(read.headers.len(), 2, "{:?}", read.headers);
        assert!(read.client.certificates.is_empty());

        let mut text = http();
        text.headers.insert("accept".to_owned(), "a".to_owned());
        let read = Read::of(check(text)).unwrap();
        assert_eq!(read.headers["accept"], "a");
    }

    #[test]
    fn refuses_attributes_that_contradict_one_another() {
        assert!(Read::of(CheckRequest::default()).is_err());
        for lines in [
            [(":path", &b"/v1/payroll"[..])],
            [(":method", b"DELETE")],
            [(":authority", b"other.example")],
            [("host", b"other.example")],
            [("a b", b"a")],
            [("x-a", b"a\r\nb: c")],
        ] {
            assert!(Read::of(check(raw(&lines))).is_err(), "{lines:?}");
        }
        let both = HttpRequest {
            body: "a".to_owned(),
            raw_body: b"b".to_vec(),
            ..http()
        };
        assert!(Read::of(check(both)).is_err());
        let many: Vec<_> = (0..40_000).map(|number| format!("x-{number}")).collect();
        let many: Vec<_> = many.iter().map(|name| (name.as_str(), &b"a"[..])).collect();
        assert!(Read::of(check(raw(&many))).is_err());
        assert!(Read::of(extended(check(http()), BODY, "yes")).is_err());
    }

    #[test]
    fn a_body_counts_if_envoy_sent_all_of_it() {
        let with_body = |partial: &[&'static [u8]]| HttpRequest {
            raw_body: b"{}".to_vec(),
            ..raw(&partial
                .iter()
                .map(|value| (PARTIAL_BODY, *value))
                .collect::<Vec<_>>())
        };
        for (request, body) in [
            (check(with_body(&[])), Some("{}")),
            (check(with_body(&[b"false"])), Some("{}")),
            (check(with_body(&[b"true"])), None),
            // A client can add the header, and Envoy adds its own beside it.
            (check(with_body(&[b"false", b"true"])), None),
            (check(with_body(&[b"true", b"false"])), None),
            // Without a body, only the configuration tells whether Envoy sends bodies.
            (check(http()), None),
            (extended(check(http()), BODY, "included"), Some("")),
            (
                extended(check(with_body(&[b"true"])), BODY, "included"),
                None,
            ),
        ] {
            let read = Read::of(request).unwrap();
            let found = read.body.map(|body| String::from_utf8(body).unwrap());
            assert_eq!(found.as_deref(), body);
            assert!(!read.headers.contains_key(PARTIAL_BODY));
        }
    }

    #[test]
    fn the_certificate_of_the_client_is_that_of_its_connection() {
        let stated = |certificate: &str| {
            let mut check = check(http());
            check.attributes.as_mut().unwrap().source = Some(Source {
                certificate: certificate.to_owned(),
                ..Source::default()
            });
            Read::of(check).map(|read| read.client.certificates)
        };
        // Three bytes in Base64, as Envoy encodes a certificate.
        let pem = "-----BEGIN%20CERTIFICATE-----%0AAQID%0A-----END%20CERTIFICATE-----%0A";
        assert_eq!(stated(pem).unwrap(), [Bytes::from_static(&[1, 2, 3])]);
        assert!(stated("").unwrap().is_empty());
        for certificate in ["AQID", "-----BEGIN%20CERTIFICATE-----", "%FF"] {
            assert!(stated(certificate).is_err(), "{certificate}");
        }
    }
}
