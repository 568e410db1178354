//! An HTTP call as an enforcement point received it.

use crate::mapper::{MapError, Place};
use http::request::Parts;
use http::{HeaderMap, Version, header};

/// An HTTP call as an enforcement point received it, without its body.
///
/// An embedder makes it from the parts of a request ([`Call::of`]), and a decision point behind a proxy from the
/// statements of the proxy ([`Call::stated`]). Nothing is normalised.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    pub(crate) method: &'a str,
    pub(crate) scheme: Option<&'a str>,
    pub(crate) authority: &'a str,
    pub(crate) target: &'a str,
    pub(crate) headers: &'a HeaderMap,
}

/// The body of a call, as the enforcement point has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body<'a> {
    /// All bytes of the body. Empty if the call has none.
    Whole(&'a [u8]),
    /// The enforcement point has not read all of the body.
    ///
    /// A mapper refuses the call unless its [`Bodies`](crate::Bodies) let bodies go on unread.
    Unread,
}

impl<'a> Call<'a> {
    /// The call that a server of this process received.
    ///
    /// # Errors
    ///
    /// [`MapError`] if the target is not a path (`*`, an authority, or a URL over HTTP/1), or if the host is
    /// missing, stated twice, or differs between `Host` and `:authority`.
    pub fn of(parts: &'a Parts) -> Result<Self, MapError> {
        let host = one_host(&parts.headers)?;
        let authority = parts.uri.authority().map(http::uri::Authority::as_str);
        let authority = match (authority, host) {
            // A server that takes the host from the URL and one that takes it from `Host` would disagree.
            (Some(_), _) if parts.version <= Version::HTTP_11 => {
                return Err(MapError::new(
                    Place::Path,
                    "the target is a URL, which only a forward proxy serves: send path and query, and the host in `Host`",
                ));
            }
            (Some(authority), Some(host)) if !authority.eq_ignore_ascii_case(host) => {
                return Err(MapError::new(
                    Place::Host,
                    "`Host` and `:authority` differ: send one host",
                ));
            }
            (Some(authority), _) => authority,
            (None, Some(host)) => host,
            (None, None) => {
                return Err(MapError::new(Place::Host, "the call names no host"));
            }
        };
        let target = parts.uri.path_and_query().ok_or_else(|| {
            MapError::new(Place::Path, "the target has no path: send path and query")
        })?;
        Ok(Self {
            method: parts.method.as_str(),
            scheme: parts.uri.scheme_str(),
            authority,
            target: target.as_str(),
            headers: &parts.headers,
        })
    }

    /// The call that a trusted proxy states.
    ///
    /// `target` is path and query exactly as the client sent them. `headers` are those of the client's call,
    /// without the headers in which the proxy states the call, such as `X-Forwarded-Method` and `X-Original-URL`: a
    /// mapper refuses those of a client.
    pub fn stated(
        method: &'a str,
        authority: &'a str,
        target: &'a str,
        headers: &'a HeaderMap,
    ) -> Self {
        Self {
            method,
            scheme: None,
            authority,
            target,
            headers,
        }
    }

    /// Sets the scheme, `http` or `https`. Without it, any scheme fits.
    #[must_use]
    pub fn scheme(mut self, scheme: &'a str) -> Self {
        self.scheme = Some(scheme);
        self
    }

    /// The value of the header `name`.
    ///
    /// `None` if it is missing, there twice, or has characters outside of visible ASCII.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        let mut values = self.headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (Some(value), None) => value.to_str().ok(),
            _ => None,
        }
    }

    /// Path of the target.
    pub(crate) fn path(&self) -> &'a str {
        self.target
            .split_once('?')
            .map_or(self.target, |(path, _)| path)
    }

    /// Query of the target. Empty if there is none.
    pub(crate) fn query(&self) -> &'a str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }
}

fn one_host(headers: &HeaderMap) -> Result<Option<&str>, MapError> {
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => Ok(None),
        (Some(host), None) => match host.to_str() {
            Ok(host) => Ok(Some(host)),
            Err(_) => Err(MapError::new(
                Place::Host,
                "`Host` has a character outside of visible ASCII",
            )),
        },
        (Some(_), Some(_)) => Err(MapError::new(
            Place::Host,
            "`Host` is there twice: send one host",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn parts(request: http::request::Builder) -> Parts {
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn the_host_comes_from_one_place() {
        let over_1 = || Request::builder().uri("/v1/a?b=c");
        let over_2 = || {
            Request::builder()
                .version(Version::HTTP_2)
                .uri("https://api.example/v1/a?b=c")
        };
        for request in [
            over_1().header("host", "api.example"),
            over_2(),
            over_2().header("host", "API.example"),
        ] {
            let parts = parts(request);
            let call = Call::of(&parts).unwrap();
            assert!(call.authority.eq_ignore_ascii_case("api.example"));
            assert_eq!((call.path(), call.query()), ("/v1/a", "b=c"));
        }
        for request in [
            over_1(),
            over_1().header("host", "a").header("host", "a"),
            over_2().header("host", "other.example"),
            over_2()
                .header("host", "api.example")
                .header("host", "other.example"),
        ] {
            assert_eq!(Call::of(&parts(request)).unwrap_err().place(), &Place::Host);
        }
    }

    #[test]
    fn a_target_is_a_path() {
        for (method, target) in [
            ("GET", "http://api.example/v1/a"),
            ("CONNECT", "api.example:443"),
        ] {
            let request = Request::builder().method(method).uri(target);
            let parts = parts(request.header("host", "api.example"));
            assert_eq!(Call::of(&parts).unwrap_err().place(), &Place::Path);
        }
    }

    #[test]
    fn a_header_counts_if_there_is_one() {
        let parts = parts(
            Request::builder()
                .uri("/")
                .header("host", "a")
                .header("x-one", "1")
                .header("x-two", "1")
                .header("x-two", "2"),
        );
        let call = Call::of(&parts).unwrap();
        assert_eq!(call.header("x-one"), Some("1"));
        assert_eq!(call.header("x-two"), None);
        assert_eq!(call.header("x-none"), None);
    }
}
