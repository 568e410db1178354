//! Headers: those that no call may have, those that are there once, and those that are passed.

use super::error::MapError;
use super::overrides::{folded, is_override};
use crate::Call;
use http::{HeaderName, header};
use serde_json::{Map, Value};

/// Header with the id of the intent of a call.
pub(super) const INTENT: &str = "portcullis-intent";

/// Headers that a call has once at most, besides the passed ones.
const SINGLE: [&str; 6] = [
    "authorization",
    "content-encoding",
    "content-length",
    "content-type",
    "dpop",
    INTENT,
];

/// Headers with credentials, which are never passed: arguments are recorded, and shown to approvers.
const CREDENTIALS: [&str; 11] = [
    "authentication-info",
    "authorization",
    "client-cert",
    "client-cert-chain",
    "cookie",
    "cookie2",
    "dpop",
    "proxy-authorization",
    "set-cookie",
    "x-api-key",
    "x-forwarded-client-cert",
];

/// Options of a connection. Another one names a header that the next proxy drops.
const CONNECTION_OPTIONS: [&str; 5] = ["close", "keep-alive", "te", "upgrade", "http2-settings"];

/// Reads the name of a header that is passed, in lower case.
///
/// # Errors
///
/// The reason why no header of that name is passed.
pub(super) fn passed(name: &str) -> Result<HeaderName, String> {
    let read: HeaderName = name
        .parse()
        .map_err(|_| format!("`{name}` is no name of a header"))?;
    if CREDENTIALS.contains(&folded(read.as_str()).as_str()) {
        return Err(format!(
            "`{name}` carries a credential, and arguments are recorded: leave it out"
        ));
    }
    match folded(read.as_str()) == read.as_str() {
        true => Ok(read),
        false => Err(format!(
            "`{name}`: write the name with letters, digits and `-`, as rules do"
        )),
    }
}

/// Returns the `passed` headers by name; refuses ambiguous ones.
pub(super) fn read(call: &Call<'_>, passed: &[HeaderName]) -> Result<Map<String, Value>, MapError> {
    for name in call.headers.keys() {
        let name = name.as_str();
        let folded = folded(name);
        let is_passed = passed.iter().any(|other| other.as_str() == folded);
        if is_override(&folded) && !is_passed {
            return Err(MapError::header(
                name,
                "a server could take the method, the path or the host of the call from it: send the call without",
            ));
        }
        if !is_passed && !SINGLE.contains(&folded.as_str()) {
            continue;
        }
        if folded != name {
            return Err(MapError::header(
                name,
                format!("some servers read it as `{folded}`: send it under this name"),
            ));
        }
        if call.headers.get_all(name).iter().count() > 1 {
            return Err(MapError::header(
                name,
                "it is there twice, and servers disagree on which one counts: send it once",
            ));
        }
    }
    for value in call.headers.get_all(header::CONNECTION) {
        let options = value.to_str().unwrap_or("?").split(',');
        let mut options = options.map(|option| option.trim().to_ascii_lowercase());
        if options.any(|option| !CONNECTION_OPTIONS.contains(&option.as_str())) {
            return Err(MapError::header(
                "connection",
                "it names a header that the next server would not see: send `close` or `keep-alive` at most",
            ));
        }
    }
    let mut read = Map::new();
    for name in passed {
        let Some(value) = call.headers.get(name) else {
            continue;
        };
        let value = value.to_str().map_err(|_| {
            MapError::header(name.as_str(), "it has a character outside of visible ASCII")
        })?;
        read.insert(name.as_str().to_owned(), Value::from(value));
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, HeaderValue};
    use serde_json::json;

    fn read_from(headers: &[(&str, &str)]) -> Result<Value, MapError> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name: HeaderName = name.parse().unwrap();
            map.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let call = Call::stated("GET", "api.example", "/", &map);
        read(&call, &[passed("X-Source").unwrap()]).map(Value::Object)
    }

    #[test]
    fn passes_the_listed_headers_alone() {
        let found = read_from(&[
            ("x-source", "reconciler"),
            ("accept", "text/html"),
            ("accept", "text/plain"),
            ("cookie", "a=b"),
            ("connection", "keep-alive"),
            ("x-forwarded-for", "192.0.2.1"),
        ]);
        assert_eq!(found, Ok(json!({ "x-source": "reconciler" })));
        assert_eq!(read_from(&[]), Ok(json!({})));
    }

    #[test]
    fn refuses_ambiguous_headers() {
        for headers in [
            &[("x-source", "a"), ("x-source", "b")][..],
            &[("x-source", "a"), ("x_source", "b")],
            &[("x_source", "b")],
            &[("x.source", "b")],
            &[("x-source", "caf\u{e9}")],
            &[("authorization", "Bearer a"), ("authorization", "Bearer b")],
            &[("content-type", "a/b"), ("content-type", "c/d")],
            &[("content_type", "a/b")],
            &[("portcullis-intent", "a"), ("portcullis-intent", "b")],
            &[("portcullis_intent", "a")],
            &[("dpop", "a"), ("dpop", "b")],
            &[("x-source", "a"), ("connection", "close, X-Source")],
            &[("connection", "authorization")],
            &[("x-http-method-override", "DELETE")],
            &[("x_http_method_override", "DELETE")],
            &[("x-original-url", "/admin")],
        ] {
            assert!(read_from(headers).is_err(), "{headers:?}");
        }
    }

    #[test]
    fn a_header_that_replaces_the_method_is_passed_if_it_is_listed() {
        let headers = HeaderMap::from_iter([(
            HeaderName::from_static("destination"),
            HeaderValue::from_static("/b"),
        )]);
        let call = Call::stated("MOVE", "api.example", "/a", &headers);
        assert!(read(&call, &[]).is_err());
        let found = read(&call, &[passed("destination").unwrap()]);
        assert_eq!(found.map(Value::Object), Ok(json!({ "destination": "/b" })));
    }

    #[test]
    fn credentials_are_not_passed() {
        for name in [
            "Authorization",
            "cookie",
            "DPoP",
            "X-Forwarded-Client-Cert",
            "x-api-key",
            "x_source",
            "a b",
            "",
        ] {
            assert!(passed(name).is_err(), "{name}");
        }
    }
}
