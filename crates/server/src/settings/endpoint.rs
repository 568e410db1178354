//! Servers that the host sends to: their URL, and the files with secrets and authorities.

use super::files::{Named, readable_by_others, small, token};
use crate::tls;
use http::uri::Scheme;
use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use portcullis_host::excerpt;
use portcullis_model::document::Section;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A server that the host sends to.
///
/// Its headers are secrets, which are not shown.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Endpoint {
    /// URL, without user, query and fragment.
    pub url: String,
    /// Headers of every request: the bearer token, and those of `headers-file`.
    pub(crate) headers: HeaderMap,
    /// PEM file with the authorities of its certificate; `None` for those of the system.
    pub authorities: Option<PathBuf>,
    /// Maximum time for a request and its response.
    pub timeout: Duration,
}

/// Minimum length of a header that is taken for a secret. A shorter one, such as a tenant's number, is part of many texts.
const SHORTEST_SECRET: usize = 8;

impl Endpoint {
    /// A text of the server, which may repeat the secrets that it was sent, without them.
    pub(crate) fn without_secrets(&self, text: &str) -> String {
        let values = self.headers.values().filter_map(|it| it.to_str().ok());
        let secrets = values.map(|it| it.strip_prefix(BEARER).unwrap_or(it));
        secrets
            .filter(|secret| secret.len() >= SHORTEST_SECRET)
            .fold(text.to_owned(), |text, secret| {
                text.replace(secret, "(withheld)")
            })
    }
}

/// Scheme of a bearer token in `Authorization`.
const BEARER: &str = "Bearer ";

/// Maximum time for a request and its response, by default.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Headers that the host sets.
const OWN: [HeaderName; 5] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::HOST,
    header::TRANSFER_ENCODING,
];

/// Reads the keys of an endpoint. `key` is that of the URL, and `example` one.
pub(super) fn read(
    section: &mut Section<'_, '_>,
    key: &'static str,
    example: &str,
    named: &Named<'_>,
) -> Option<Endpoint> {
    let source = section.source();
    let found = section.required_text(key);
    let plain_http = section.boolean("plain-http").unwrap_or(false);
    let range = Duration::from_millis(100)..=Duration::from_secs(300);
    let timeout = section.duration("timeout", range).unwrap_or(TIMEOUT);
    let mut headers = Some(HeaderMap::new());
    if let Some((path, span)) = section.text("headers-file") {
        let file = named.file(path);
        if let Some(warning) = readable_by_others(&file) {
            source.warn(span.clone(), warning);
        }
        headers = headers_of(&file)
            .map_err(|error| source.error(span, error))
            .ok();
    }
    if let Some((path, span)) = section.text("token-file") {
        let file = named.file(path);
        if let Some(warning) = readable_by_others(&file) {
            source.warn(span.clone(), warning);
        }
        match bearer(&file) {
            Err(error) => {
                source.error(span, error);
                headers = None;
            }
            Ok(bearer) => {
                let before = headers
                    .as_mut()
                    .and_then(|headers| headers.insert(header::AUTHORIZATION, bearer));
                if before.is_some() {
                    source.error(
                        span,
                        "`headers-file` has `Authorization` too: remove it there, or remove `token-file`",
                    );
                }
            }
        }
    }
    let mut authorities = None;
    if let Some((path, span)) = section.text("authorities") {
        let file = named.file(path);
        if let Err(error) = tls::roots(Some(&file)) {
            source.error(span, error);
        }
        authorities = Some(file);
    }
    let (url, span) = found?;
    let url = match url_of(url, plain_http) {
        Ok(url) => url,
        Err(error) => {
            source.error(span, format!("`{key}` {error}, such as `{example}`"));
            return None;
        }
    };
    Some(Endpoint {
        url,
        headers: headers?,
        authorities,
        timeout,
    })
}

/// Checks a URL, and returns it.
fn url_of(text: &str, plain_http: bool) -> Result<String, String> {
    let shown = excerpt(text);
    let uri = text.parse::<Uri>().ok().filter(|uri| {
        let authority = uri.authority();
        authority.is_some_and(|it| !it.as_str().contains('@'))
            && uri.query().is_none()
            && !text.contains('#')
    });
    let Some(uri) = uri else {
        return Err(
            "is no URL without user, query and fragment: put secrets into `token-file` or `headers-file`, and write one"
                .to_owned(),
        );
    };
    let scheme = uri.scheme();
    let is_plain = scheme == Some(&Scheme::HTTP);
    if !is_plain && scheme != Some(&Scheme::HTTPS) {
        return Err(format!("is `{shown}`: write an `http` or `https` URL"));
    }
    if is_plain && !plain_http && !is_loopback(uri.host().unwrap_or_default()) {
        return Err(format!(
            "is `{shown}`, and others on the way could read what is sent: write an `https` URL, set `plain-http = true`, or name a server of this machine"
        ));
    }
    Ok(text.to_owned())
}

/// True if the host is this machine.
fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || address
            .parse::<IpAddr>()
            .is_ok_and(|address| address.to_canonical().is_loopback())
}

/// The value of `Authorization` with the token in `file`.
fn bearer(file: &Path) -> Result<HeaderValue, String> {
    let token = token(file)?;
    if token.is_empty() {
        return Err(format!("{}: it is empty: write the token", file.display()));
    }
    secret_value(&format!("{BEARER}{token}"))
        .ok_or_else(|| format!("{}: the token is no value of a header", file.display()))
}

/// Reads headers from a file, one `Name: value` on each line.
///
/// # Errors
///
/// The line that is unusable, without its content, which may be a secret.
fn headers_of(file: &Path) -> Result<HeaderMap, String> {
    let name = file.display();
    let text = small(file)?.ok_or_else(|| {
        format!("{name}: it is no text of at most 4 KiB: write one `Name: value` on each line")
    })?;
    let mut headers = HeaderMap::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let line_number = index.saturating_add(1);
        let read = line.split_once(':').and_then(|(name, value)| {
            let name = HeaderName::from_bytes(name.trim().as_bytes()).ok()?;
            Some((name, secret_value(value.trim())?))
        });
        let Some((header, value)) = read else {
            return Err(format!("{name}:{line_number}: it is not `Name: value`"));
        };
        if OWN.contains(&header) {
            return Err(format!(
                "{name}:{line_number}: the host sets `{header}` itself: remove the line"
            ));
        }
        if headers.insert(header, value).is_some() {
            return Err(format!(
                "{name}:{line_number}: the header is there twice: remove one"
            ));
        }
    }
    Ok(headers)
}

fn secret_value(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_stays_on_this_machine_unless_it_is_allowed() {
        for local in [
            "http://127.0.0.1:4318",
            "http://localhost:4318/v1/logs",
            "http://[::1]:9",
            "http://[::ffff:127.0.0.1]:9",
            "https://collector.acme.example",
        ] {
            assert_eq!(url_of(local, false), Ok(local.to_owned()));
        }
        for open in [
            "http://collector.acme.example",
            "http://192.0.2.1:4318",
            "http://localhost.evil.example",
            "http://[::ffff:192.0.2.1]:9",
        ] {
            assert!(
                url_of(open, false).unwrap_err().contains("plain-http"),
                "{open}"
            );
            assert!(url_of(open, true).is_ok(), "{open}");
        }
    }

    #[test]
    fn a_url_has_no_place_for_secrets() {
        for other in [
            "",
            "/v1/logs",
            "ftp://a.example",
            "https://user:s3cret@a.example",
            "https://a.example/?key=s3cret",
            "https://a.example/#s3cret",
            "a.example:443",
        ] {
            let error = url_of(other, true).unwrap_err();
            assert!(!error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn headers_of_a_file_are_read_line_by_line_and_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("headers");
        let read = |text: &str| {
            std::fs::write(&file, text).unwrap();
            headers_of(&file)
        };
        let headers = read("# of the vendor\nX-Api-Key: s3cret:1\n\nx-scope: acme \n").unwrap();
        assert_eq!(headers["x-api-key"], "s3cret:1");
        assert_eq!(headers["x-scope"], "acme");
        assert!(!format!("{headers:?}").contains("s3cret"));
        for (text, said) in [
            ("s3cret", ":1: it is not"),
            ("a: b\nb c: s3cret", ":2: it is not"),
            ("a: s3cret\u{1}", ":1: it is not"),
            ("Content-Type: s3cret", "the host sets `content-type`"),
            ("Host: s3cret", "the host sets `host`"),
            ("a: s3cret\nA: s3cret", ":2: the header is there twice"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(said) && !error.contains("s3cret"), "{error}");
        }
    }
}
