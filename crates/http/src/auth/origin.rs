//! Origins that proofs of possession are made for.

use crate::Call;

/// Scheme and authority of a server, as its clients see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    scheme: &'static str,
    /// In lower case, without the default port.
    authority: String,
}

impl Origin {
    /// Reads an origin, such as `https://api.acme.example`. `None` if it is none.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (scheme, authority) = text.split_once("://")?;
        let scheme = ["https", "http"]
            .into_iter()
            .find(|known| *known == scheme)?;
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b);
        let is_authority = !authority.is_empty() && authority.bytes().all(is_plain);
        is_authority.then(|| Self {
            scheme,
            authority: without_default_port(scheme, authority),
        })
    }

    /// True if clients reach the server of the call under this origin.
    pub(super) fn is_of(&self, call: &Call<'_>) -> bool {
        call.scheme.is_none_or(|scheme| scheme == self.scheme)
            && without_default_port(self.scheme, call.authority) == self.authority
    }

    /// URL of the call, without its query.
    pub(super) fn url(&self, call: &Call<'_>) -> String {
        format!("{}://{}{}", self.scheme, self.authority, call.path())
    }
}

fn without_default_port(scheme: &str, authority: &str) -> String {
    let port = match scheme {
        "https" => ":443",
        _ => ":80",
    };
    let authority = authority.strip_suffix(port).unwrap_or(authority);
    authority.to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderMap;

    #[test]
    fn an_origin_is_that_of_calls_to_its_host() {
        let headers = HeaderMap::new();
        let origin = Origin::read("https://api.example").unwrap();
        for (authority, scheme, is_of) in [
            ("api.example", None, true),
            ("API.example:443", Some("https"), true),
            ("api.example:80", None, false),
            ("api.example", Some("http"), false),
            ("evil.example", None, false),
            ("api.example.evil", None, false),
            ("user@api.example", None, false),
        ] {
            let mut call = Call::stated("GET", authority, "/v1/a?b", &headers);
            call.scheme = scheme;
            assert_eq!(origin.is_of(&call), is_of, "{authority} {scheme:?}");
            assert_eq!(origin.url(&call), "https://api.example/v1/a");
        }
    }

    #[test]
    fn an_origin_has_no_path_and_no_user() {
        for text in [
            "api.example",
            "https://",
            "https://api.example/",
            "https://a@b",
            "ftp://api.example",
            "HTTPS://api.example",
            "https://a b",
        ] {
            assert_eq!(Origin::read(text), None, "{text}");
        }
        for text in ["http://localhost:8080", "https://[::1]:8443"] {
            assert!(Origin::read(text).is_some(), "{text}");
        }
    }
}
