//! Bodies: which are read, and which go on unread.

use super::error::{MapError, Place};
use super::overrides;
use crate::Call;
use http::{StatusCode, header};
use portcullis_host::{RequestLimits, json};
use serde_json::Value;

/// Bodies that a mapper accepts.
///
/// A form (`application/x-www-form-urlencoded`, `multipart/…`) is refused unless
/// [`MapperBuilder::allow_forms`](crate::MapperBuilder::allow_forms) lets it go on: many frameworks take the method
/// of a `POST` from a form field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Bodies {
    /// JSON is read and passed as the argument `body`. A call with another body is refused. The default.
    #[default]
    Json,
    /// JSON is read and passed. Other bodies go on unread, except those of another type with `json` in its name.
    ///
    /// A server that takes a body for JSON without such a type sees a body that was not decided.
    JsonOrUnread,
    /// No body is read. The decision is about method, path, query and headers alone.
    ///
    /// Some frameworks also take the method of a `POST` from a member of a JSON body.
    Unread,
}

/// Treatment of the body of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Treatment {
    Read,
    GoesOn,
}

impl Bodies {
    /// Treatment of the body of `call`, if it has one.
    pub(super) fn treatment(
        self,
        call: &Call<'_>,
        forms_allowed: bool,
    ) -> Result<Treatment, MapError> {
        let unsupported = |why: &str| {
            let error = MapError::new(Place::Body, why);
            Err(error.with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE))
        };
        let Some((media_type, parameters)) = media_type(call) else {
            return unsupported("`Content-Type` is not one media type");
        };
        // Some frameworks compare only a part of the media type.
        if media_type.contains("form-urlencoded") || media_type.starts_with("multipart/") {
            return match forms_allowed && self != Self::Json {
                true => Ok(Treatment::GoesOn),
                false => unsupported(
                    "a form is not accepted, because frameworks read a field of it as the method",
                ),
            };
        }
        if self == Self::Unread {
            return Ok(Treatment::GoesOn);
        }
        let is_json = media_type == "application/json"
            || (media_type.starts_with("application/") && media_type.ends_with("+json"));
        match (is_json, self) {
            // Some servers read `text/json` and the like as JSON.
            (false, Self::JsonOrUnread) if !media_type.contains("json") => {
                return Ok(Treatment::GoesOn);
            }
            (false, _) => {
                return unsupported("only JSON is accepted: send it with `Content-Type`");
            }
            (true, _) => {}
        }
        if !is_utf_8(parameters) {
            return unsupported("JSON is UTF-8: send it without another `charset`");
        }
        let is_encoded = call
            .headers
            .get_all(header::CONTENT_ENCODING)
            .iter()
            .any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"));
        match is_encoded {
            true => unsupported("JSON is accepted without `Content-Encoding`"),
            false => Ok(Treatment::Read),
        }
    }
}

/// Media type of the body in lower case, and its parameters. Empty if the call has none.
///
/// `None` if it has another form (RFC 9110, section 8.3.1): some frameworks take `a/b, c/d` for `a/b`.
fn media_type<'a>(call: &Call<'a>) -> Option<(String, &'a str)> {
    let Some(value) = call.headers.get(header::CONTENT_TYPE) else {
        return Some((String::new(), ""));
    };
    let text = value.to_str().ok()?;
    let (media_type, parameters) = text.split_once(';').unwrap_or((text, ""));
    let media_type = media_type.trim().to_ascii_lowercase();
    let is_token = |text: &str| {
        let is_character = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        !text.is_empty() && text.bytes().all(is_character)
    };
    let (kind, subtype) = media_type.split_once('/')?;
    (is_token(kind) && is_token(subtype)).then_some((media_type, parameters))
}

/// True if no parameter of a media type names another charset.
fn is_utf_8(parameters: &str) -> bool {
    parameters.split(';').all(|parameter| {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let value = value.trim().trim_matches('"');
        !name.trim().eq_ignore_ascii_case("charset") || value.eq_ignore_ascii_case("utf-8")
    })
}

/// Reads a JSON body.
pub(super) fn read(bytes: &[u8], limits: &RequestLimits) -> Result<Value, MapError> {
    let body = json::parse(bytes, limits).map_err(|error| {
        let status = match error {
            json::Error::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            _ => StatusCode::BAD_REQUEST,
        };
        MapError::new(Place::Body, error.to_string()).with_status(status)
    })?;
    match overrides::method_member(&body) {
        Some(name) => Err(MapError::new(
            Place::Body,
            format!(
                "frameworks read the member `{name}` as the method of the call: send the method as the method"
            ),
        )),
        None => Ok(body),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderMap;

    fn treatment(bodies: Bodies, headers: &[(&'static str, &str)]) -> Result<Treatment, u16> {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| {
                let name = http::HeaderName::from_static(name);
                (name, value.parse().unwrap())
            })
            .collect();
        let call = Call::stated("POST", "api.example", "/", &headers);
        bodies
            .treatment(&call, false)
            .map_err(|error| error.status().as_u16())
    }

    #[test]
    fn json_is_known_by_its_media_type() {
        for content_type in [
            "application/json",
            "Application/JSON; charset=utf-8",
            "application/json;charset=\"UTF-8\"",
            "application/merge-patch+json",
        ] {
            let headers = [("content-type", content_type)];
            for bodies in [Bodies::Json, Bodies::JsonOrUnread] {
                assert_eq!(treatment(bodies, &headers), Ok(Treatment::Read));
            }
            assert_eq!(treatment(Bodies::Unread, &headers), Ok(Treatment::GoesOn));
        }
    }

    #[test]
    fn another_body_is_refused_unless_it_may_go_on() {
        for content_type in [
            "text/plain",
            "text/xml; charset=latin1",
            "application/octet-stream",
        ] {
            let headers = [("content-type", content_type)];
            assert_eq!(treatment(Bodies::Json, &headers), Err(415));
            for bodies in [Bodies::JsonOrUnread, Bodies::Unread] {
                assert_eq!(treatment(bodies, &headers), Ok(Treatment::GoesOn));
            }
        }
        for content_type in ["text/json", "application/jsonx", "application/x-ndjson"] {
            let headers = [("content-type", content_type)];
            assert_eq!(treatment(Bodies::JsonOrUnread, &headers), Err(415));
            assert_eq!(treatment(Bodies::Unread, &headers), Ok(Treatment::GoesOn));
        }
        assert_eq!(treatment(Bodies::Json, &[]), Err(415));
        assert_eq!(treatment(Bodies::Unread, &[]), Ok(Treatment::GoesOn));
    }

    #[test]
    fn a_media_type_has_one_reading() {
        for content_type in [
            "",
            "text",
            "application/x-www-form-urlencoded, text/plain",
            "application/json, text/plain",
            "application/json text/plain",
            "/json",
            "text/",
            "a/b/c",
        ] {
            let headers = [("content-type", content_type)];
            for bodies in [Bodies::Json, Bodies::JsonOrUnread, Bodies::Unread] {
                assert_eq!(treatment(bodies, &headers), Err(415), "{content_type}");
            }
        }
    }

    #[test]
    fn json_that_cannot_be_read_is_refused() {
        for headers in [
            [
                ("content-type", "application/json"),
                ("content-encoding", "gzip"),
            ],
            [
                ("content-type", "application/json; charset=utf-16"),
                ("accept", "a"),
            ],
            [
                ("content-type", "application/json; x=y; CHARSET=utf-7"),
                ("accept", "a"),
            ],
        ] {
            assert_eq!(treatment(Bodies::Json, &headers), Err(415));
            assert_eq!(treatment(Bodies::JsonOrUnread, &headers), Err(415));
        }
        let identity = [
            ("content-type", "application/json"),
            ("content-encoding", "identity"),
        ];
        assert_eq!(treatment(Bodies::Json, &identity), Ok(Treatment::Read));
    }

    #[test]
    fn a_form_goes_on_only_if_the_gateway_says_so() {
        for content_type in [
            "Application/X-WWW-Form-Urlencoded",
            "application/x-www-form-urlencoded;charset=utf-8",
            "multipart/form-data; boundary=x",
            "multipart/mixed",
        ] {
            let value = content_type.parse().unwrap();
            let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, value)]);
            let call = Call::stated("POST", "api.example", "/", &headers);
            for bodies in [Bodies::Json, Bodies::JsonOrUnread, Bodies::Unread] {
                assert!(bodies.treatment(&call, false).is_err());
            }
            assert!(Bodies::Json.treatment(&call, true).is_err());
            for bodies in [Bodies::JsonOrUnread, Bodies::Unread] {
                assert_eq!(bodies.treatment(&call, true), Ok(Treatment::GoesOn));
            }
        }
    }

    #[test]
    fn a_body_has_one_meaning() {
        let limits = RequestLimits {
            bytes: 64,
            depth: 4,
        };
        assert_eq!(
            read(br#"{"amount": 5}"#, &limits),
            Ok(serde_json::json!({ "amount": 5 }))
        );
        for (body, status) in [
            (r#"{"amount": 5, "amount": 6}"#, 400),
            (r#"{"amount": 5, "Amount": 6}"#, 400),
            (r#"{"amount": 5}{"amount": 6}"#, 400),
            (r#"{"amount": 9007199254740993}"#, 400),
            ("[[[[[5]]]]]", 400),
            ("amount=5", 400),
            ("\u{feff}{}", 400),
            (r#"{"a": {"_method": "DELETE"}}"#, 400),
        ] {
            let error = read(body.as_bytes(), &limits).unwrap_err();
            assert_eq!(error.status().as_u16(), status, "{body}");
        }
        let large = format!("\"{}\"", "a".repeat(64));
        let error = read(large.as_bytes(), &limits).unwrap_err();
        assert_eq!(error.status(), StatusCode::PAYLOAD_TOO_LARGE);
    }
}
