//! Proxies, and the headers in which each of them states the call of its client.

use crate::refusal::Refusal;
use http::{HeaderMap, HeaderName, header};

/// A proxy that asks by forward authentication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proxy {
    /// `auth_request`, with the `proxy_set_header` lines of its page.
    Nginx,
    /// The middleware `forwardAuth`, with `trustForwardHeader` off.
    Traefik,
    /// The directive `forward_auth`.
    Caddy,
}

/// Headers in which a proxy states a call. Its documented configuration overwrites each of them.
struct Names {
    method: HeaderName,
    target: HeaderName,
    authority: HeaderName,
}

/// A call as a proxy states it.
#[derive(Debug)]
pub(super) struct Read<'a> {
    pub(super) method: &'a str,
    /// Path and query.
    pub(super) target: &'a str,
    pub(super) authority: &'a str,
    /// Headers of the client's call.
    pub(super) headers: HeaderMap,
}

/// Headers of the proxy's own request, which are not those of the call.
const OF_THE_REQUEST: [HeaderName; 5] = [
    super::PEP,
    header::HOST,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
];

impl Proxy {
    const ALL: [Self; 3] = [Self::Nginx, Self::Traefik, Self::Caddy];

    /// The proxy whose route ends with `name`.
    pub(super) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|proxy| proxy.name() == name)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Traefik => "traefik",
            Self::Caddy => "caddy",
        }
    }

    const fn names(self) -> Names {
        match self {
            Self::Nginx => Names {
                method: HeaderName::from_static("x-original-method"),
                target: HeaderName::from_static("x-original-uri"),
                authority: HeaderName::from_static("x-original-host"),
            },
            Self::Traefik | Self::Caddy => Names {
                method: HeaderName::from_static("x-forwarded-method"),
                target: HeaderName::from_static("x-forwarded-uri"),
                authority: HeaderName::from_static("x-forwarded-host"),
            },
        }
    }

    /// Reads the call from the headers of this proxy. All other headers are those of the client.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if a header of the proxy is missing, repeated, empty or not visible ASCII.
    pub(super) fn read(self, sent: &HeaderMap) -> Result<Read<'_>, Refusal> {
        let names = self.names();
        let mut headers = sent.clone();
        for name in OF_THE_REQUEST {
            headers.remove(name);
        }
        let mut one = |name: HeaderName| {
            headers.remove(&name);
            self.one(sent, &name)
        };
        Ok(Read {
            method: one(names.method)?,
            target: one(names.target)?,
            authority: one(names.authority)?,
            headers,
        })
    }

    fn one<'a>(self, headers: &'a HeaderMap, name: &HeaderName) -> Result<&'a str, Refusal> {
        let mut values = headers.get_all(name).iter();
        let (value, wrong) = match (values.next(), values.next()) {
            (None, _) => (None, "is missing"),
            (Some(value), None) => (value.to_str().ok(), "is empty, or not visible ASCII"),
            (Some(_), Some(_)) => (None, "is there twice"),
        };
        let is_visible =
            |value: &&str| !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_graphic());
        value.filter(is_visible).ok_or_else(|| {
            let proxy = self.name();
            Refusal::malformed(format!(
                "header `{name}` {wrong}: configure {proxy} as in docs/gateways/{proxy}.md, so that it overwrites the header"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        headers
    }

    const OF_NGINX: [(&str, &str); 3] = [
        ("x-original-method", "GET"),
        ("x-original-uri", "/v1/a?b=c"),
        ("x-original-host", "api.example:443"),
    ];
    const OF_CADDY: [(&str, &str); 3] = [
        ("x-forwarded-method", "GET"),
        ("x-forwarded-uri", "/v1/a?b=c"),
        ("x-forwarded-host", "api.example:443"),
    ];

    #[test]
    fn a_proxy_is_known_by_the_end_of_its_route() {
        for proxy in Proxy::ALL {
            assert_eq!(Proxy::of(proxy.name()), Some(proxy));
        }
        for name in ["", "Nginx", "envoy", "nginx/", "haproxy"] {
            assert_eq!(Proxy::of(name), None, "{name}");
        }
    }

    #[test]
    fn reads_the_headers_of_the_proxy_and_of_no_other() {
        for (proxy, own, foreign) in [
            (Proxy::Nginx, OF_NGINX, OF_CADDY),
            (Proxy::Traefik, OF_CADDY, OF_NGINX),
            (Proxy::Caddy, OF_CADDY, OF_NGINX),
        ] {
            let sent = headers(&own);
            let read = proxy.read(&sent).unwrap();
            assert_eq!(
                (read.method, read.target, read.authority),
                ("GET", "/v1/a?b=c", "api.example:443")
            );
            assert!(read.headers.is_empty(), "{:?}", read.headers);
            assert!(proxy.read(&headers(&foreign)).is_err(), "{proxy:?}");
        }
    }

    #[test]
    fn headers_of_the_client_stay_and_those_of_the_request_go() {
        let mut lines = OF_NGINX.to_vec();
        lines.extend([
            ("x-source", "reconciler"),
            ("x-forwarded-uri", "/forged"),
            ("host", "portcullis"),
            ("content-length", "0"),
            ("transfer-encoding", "chunked"),
            ("connection", "close"),
            ("portcullis-pep", "Bearer secret"),
        ]);
        let sent = headers(&lines);
        let read = Proxy::Nginx.read(&sent).unwrap();
        let mut left: Vec<_> = read.headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        // The mapper refuses a call with the former.
        assert_eq!(left, ["x-forwarded-uri", "x-source"]);
    }

    #[test]
    fn refuses_a_statement_that_is_missing_repeated_empty_or_not_ascii() {
        for missing in 0..3 {
            let mut lines = OF_NGINX.to_vec();
            let (name, _) = lines.remove(missing);
            let refusal = Proxy::Nginx.read(&headers(&lines)).unwrap_err();
            assert!(refusal.message().contains(name), "{}", refusal.message());
            for (value, wrong) in [
                ("", "empty"),
                ("/v1/\u{e9}", "visible ASCII"),
                ("/v1/a\tb", "visible ASCII"),
            ] {
                let mut lines = lines.clone();
                lines.push((name, value));
                let refusal = Proxy::Nginx.read(&headers(&lines)).unwrap_err();
                assert!(refusal.message().contains(wrong), "{}", refusal.message());
            }
            let mut lines = OF_NGINX.to_vec();
            lines.push((name, "GET"));
            let refusal = Proxy::Nginx.read(&headers(&lines)).unwrap_err();
            assert!(refusal.message().contains("twice"), "{}", refusal.message());
        }
    }
}
