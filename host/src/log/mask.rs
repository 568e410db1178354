//! Masks values that must not be written to the log.

use super::headers;
use portcullis_contract::name::fold;
use portcullis_model::request::{
    CONTEXT_MEMBERS, PRINCIPAL_MEMBERS, RESOURCE_MEMBERS, Request, RoundTrip,
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// JSON Pointers to the parts of a request that are not written.
///
/// A `*` matches every item of a list or every member of an object.
///
/// A pointer points into the arguments of a request. If its first key is `subject`, `action`, `resource`
/// or `context` and its second key a member of that, it also points into the request as recorded, an
/// AuthZEN evaluation: `/context/ticket` masks a member of the context, and an argument of that name.
/// Values that the host itself uses, such as `/subject/id`, cannot be masked: without them, the log would
/// not show what a revocation has to end.
///
/// Keys are compared without case, as a careless reader of the arguments compares them. In names of
/// headers, `_` and `-` are also the same: `/headers/authorization` masks `Authorization` and
/// `AUTHORIZATION`.
///
/// Headers that carry credentials are masked by default, wherever arguments, context or attributes have
/// `headers`: `authorization`, `proxy-authorization`, `cookie`, `set-cookie`, `x-api-key`, and every name
/// that ends with a word such as `token`, `secret` or `password`. [`Mask::and_header`] adds a header, and
/// [`Mask::but_not_header`] excludes one for a stated reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mask {
    arguments: Vec<Vec<String>>,
    request: Vec<Vec<String>>,
    /// Names of headers that are masked in addition to the default ones.
    headers: BTreeSet<String>,
    /// Names of headers that are not masked, with the reason.
    unmasked: BTreeMap<String, String>,
}

/// Reason why a text is not a valid mask.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MaskError {
    /// It is not a JSON Pointer, or points to everything.
    #[error(
        "`{0}` is not a JSON Pointer to an argument, such as `/password` or `/headers/authorization`, or into a request, such as `/context/ticket`"
    )]
    NotAPointer(String),
    /// The log needs the value.
    #[error(
        "`{0}` is or contains a value that the host needs to find what a revocation ends: name single attributes, such as `/subject/properties/email`, or write `/action/properties{0}` if it is an argument"
    )]
    Needed(String),
    /// It is not the name of a header.
    #[error(
        "`{0}` is not the name of a header: write letters, digits and `-`, such as `x-tenant-secret`"
    )]
    NotAHeader(String),
    /// The header is not masked by default.
    #[error(
        "header `{0}` is not masked: only headers that are masked by default need a reason to be written"
    )]
    NotMasked(String),
    /// No reason is stated for writing the header.
    #[error(
        "header `{0}` carries credentials: say why it is written, such as `\"x-csrf-token\" = \"useless without the cookie\"`"
    )]
    NoReason(String),
}

impl Mask {
    /// Masks headers of that name too.
    ///
    /// # Errors
    ///
    /// [`MaskError::NotAHeader`].
    pub fn and_header(mut self, header: &str) -> Result<Self, MaskError> {
        self.headers.insert(header_name(header)?);
        Ok(self)
    }

    /// Writes headers of that name, masked by default, for the reason `why`.
    ///
    /// # Errors
    ///
    /// [`MaskError`] if it is not a header name, the header is not masked by default, or `why` is empty.
    pub fn but_not_header(mut self, header: &str, why: &str) -> Result<Self, MaskError> {
        let name = header_name(header)?;
        if !headers::carries_a_credential(&name) {
            return Err(MaskError::NotMasked(header.to_owned()));
        }
        if why.trim().is_empty() {
            return Err(MaskError::NoReason(header.to_owned()));
        }
        self.unmasked.insert(name, why.to_owned());
        Ok(self)
    }

    fn masks_header(&self, name: &str) -> bool {
        self.headers.contains(name)
            || headers::carries_a_credential(name) && !self.unmasked.contains_key(name)
    }

    /// Makes a mask from JSON Pointers.
    ///
    /// # Errors
    ///
    /// [`MaskError`] at the first text that is not a pointer, or that points to everything or to a value that
    /// the log needs.
    pub fn new<'a>(pointers: impl IntoIterator<Item = &'a str>) -> Result<Self, MaskError> {
        let mut masks = Self::default();
        for pointer in pointers {
            let Some(path) = pointer.strip_prefix('/') else {
                return Err(MaskError::NotAPointer(pointer.to_owned()));
            };
            let path: Vec<String> = path
                .split('/')
                .map(|key| key.replace("~1", "/").replace("~0", "~"))
                .collect();
            match Place::of(&path) {
                Place::Needed => return Err(MaskError::Needed(pointer.to_owned())),
                Place::Request => masks.request.push(path.clone()),
                Place::Arguments => {}
            }
            masks.arguments.push(path);
        }
        Ok(masks)
    }

    /// True if anything in the request could be masked. It is fast if nothing is.
    pub(crate) fn may_apply(&self, request: &Request) -> bool {
        let attributes = [
            request.context(),
            request.principal().attributes.as_slice(),
            request.resource().attributes.as_slice(),
        ];
        let mut attributes = attributes.into_iter().flatten();
        !self.arguments.is_empty()
            || !self.request.is_empty()
            || headers::may_be_in(request.arguments())
            || answers_may_have_headers(request.round_trip())
            || attributes
                .any(|(name, value)| headers::are_headers(name) || headers::may_be_in(value))
    }

    /// Masks values in `request`, an AuthZEN evaluation; returns true if any.
    ///
    /// A value of another shape than a pointer expects is masked as a whole: its contents are unknown.
    pub(crate) fn apply(&self, request: &mut Value) -> bool {
        let mut any = false;
        if let Some(arguments) = request.pointer_mut("/action/properties") {
            for path in &self.arguments {
                any |= mask(arguments, path, false);
            }
        }
        for path in &self.request {
            any |= mask(request, path, false);
        }
        for part in [
            "/action/properties",
            "/context",
            "/subject/properties",
            "/resource/properties",
        ] {
            if let Some(part) = request.pointer_mut(part) {
                any |= headers::mask_in(part, &|name: &str| self.masks_header(name));
            }
        }
        any
    }
}

/// True if the answers to the server's questions, or its state, may have headers.
fn answers_may_have_headers(round_trip: &RoundTrip) -> bool {
    let state = round_trip.request_state.as_deref();
    round_trip
        .input_responses
        .as_ref()
        .is_some_and(headers::may_be_in)
        || state.is_some_and(|state| headers::may_be_in(&Value::from(state)))
}

fn header_name(header: &str) -> Result<String, MaskError> {
    let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    match !header.is_empty() && header.bytes().all(is_token) {
        true => Ok(headers::name(header)),
        false => Err(MaskError::NotAHeader(header.to_owned())),
    }
}

/// Replacement for a masked value.
pub(super) fn masked() -> Value {
    Value::from("masked")
}

/// Target of a pointer.
enum Place {
    /// The arguments only.
    Arguments,
    /// The request as recorded, and the arguments.
    Request,
    /// A value that the log needs.
    Needed,
}

impl Place {
    fn of(path: &[String]) -> Self {
        let keys: Vec<&str> = path.iter().map(String::as_str).collect();
        let attribute = |key: &str, reserved: &[&str]| match key {
            "*" => Self::Needed,
            key if reserved.contains(&key) => Self::Needed,
            _ => Self::Request,
        };
        match keys.as_slice() {
            ["action", "properties", _, ..]
            | ["context", "input-responses", _, ..]
            | ["context", "request-state"]
            | ["resource", "id"]
            | ["subject", "properties", "purpose"]
            | ["context", "intent", "purpose" | "approved-by"] => Self::Request,
            ["subject", "properties", key, ..] => attribute(key, &PRINCIPAL_MEMBERS),
            ["resource", "properties", key, ..] => attribute(key, &RESOURCE_MEMBERS),
            ["context", key, ..] => attribute(key, &CONTEXT_MEMBERS),
            [
                "subject" | "resource",
                "type" | "id" | "properties" | "*",
                ..,
            ]
            | ["action", "name" | "properties" | "*", ..] => Self::Needed,
            _ => Self::Arguments,
        }
    }
}

/// Masks the values at `path`; `are_headers` is set if `value` holds headers.
fn mask(value: &mut Value, path: &[String], are_headers: bool) -> bool {
    let Some((key, rest)) = path.split_first() else {
        *value = masked();
        return true;
    };
    // A header is masked in every form that headers can have.
    let named = headers::name(key);
    let mut any = are_headers && key != "*" && headers::mask(value, &|name: &str| name == named);
    match value {
        Value::Object(members) if key == "*" => {
            for (name, value) in members {
                any |= mask(value, rest, headers::are_headers(name));
            }
        }
        Value::Object(members) => {
            for (name, value) in members {
                if fold(name) == fold(key) {
                    any |= mask(value, rest, headers::are_headers(name));
                }
            }
        }
        Value::Array(items) => match (key.as_str(), key.parse::<usize>()) {
            ("*", _) => any |= mask_each(items.iter_mut(), rest, are_headers),
            (_, Ok(index)) => {
                any |= items
                    .get_mut(index)
                    .is_some_and(|item| mask(item, rest, are_headers));
                // A list of objects in place of an object.
                any |= mask_each(
                    items.iter_mut().filter(|item| item.is_object()),
                    path,
                    are_headers,
                );
            }
            // A list in place of an object may hold several objects.
            (_, Err(_)) => {
                let items = items.iter_mut();
                // Strings are names and values of headers, which were masked above.
                any |= mask_each(
                    items.filter(|item| !are_headers || !item.is_string()),
                    path,
                    are_headers,
                );
            }
        },
        _ => any = mask(value, &[], false),
    }
    any
}

/// Masks every value, without stopping at the first.
fn mask_each<'a>(
    values: impl Iterator<Item = &'a mut Value>,
    path: &[String],
    are_headers: bool,
) -> bool {
    let mut any = false;
    for value in values {
        any |= mask(value, path, are_headers);
    }
    any
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn masked(pointers: &[&str], arguments: Value) -> (bool, String) {
        let mask = Mask::new(pointers.iter().copied()).unwrap();
        let mut request = json!({ "action": { "properties": arguments } });
        let any = mask.apply(&mut request);
        (any, request["action"]["properties"].to_string())
    }

    #[test]
    fn what_is_masked_is_not_there() {
        for (pointers, arguments) in [
            (
                vec!["/password"],
                json!({ "password": "hunter2", "user": "a" }),
            ),
            (vec!["/a/b"], json!({ "a": { "b": "hunter2" } })),
            (vec!["/list/*"], json!({ "list": ["x", "hunter2"] })),
            (
                vec!["/headers/*"],
                json!({ "headers": { "authorization": "hunter2" } }),
            ),
            (vec!["/list/1"], json!({ "list": ["x", "hunter2"] })),
            (vec!["/a", "/b"], json!({ "a": "x", "b": "hunter2" })),
            // A value of another shape than the pointer expects is masked too.
            (vec!["/a/b"], json!({ "a": "hunter2" })),
            (vec!["/a/b"], json!({ "a": [{ "b": "hunter2" }] })),
            (vec!["/a"], json!({ "a": { "deep": ["hunter2"] } })),
            // Arguments named like parts of a request.
            (vec!["/subject"], json!({ "subject": "hunter2" })),
            (vec!["/context/b"], json!({ "context": { "b": "hunter2" } })),
            (vec!["/action/properties/a"], json!({ "a": "hunter2" })),
        ] {
            let (any, text) = masked(&pointers, arguments);
            assert!(any && !text.contains("hunter2"), "{pointers:?}: {text}");
        }
        let (any, text) = masked(&["/password"], json!({ "user": "a" }));
        assert!(!any && text == r#"{"user":"a"}"#);
    }

    #[test]
    fn keys_are_found_as_a_careless_reader_finds_them() {
        for (pointer, arguments) in [
            (
                "/headers/authorization",
                json!({ "headers": { "Authorization": "hunter2" } }),
            ),
            (
                "/headers/authorization",
                json!({ "Headers": { "AUTHORIZATION": "hunter2" } }),
            ),
            (
                "/headers/x-tenant",
                json!({ "headers": { "X_Tenant": "hunter2" } }),
            ),
            (
                "/headers/x_tenant",
                json!({ "headers": [{ "name": "X-Tenant", "value": "hunter2" }] }),
            ),
            (
                "/headers/x-tenant",
                json!({ "headers": [["X-TENANT", "hunter2"], ["accept", "a"]] }),
            ),
            (
                "/headers/x-tenant",
                json!({ "headers": ["accept", "a", "x-tenant", "hunter2"] }),
            ),
            (
                "/headers/x-tenant",
                json!({ "headers": ["X-Tenant: hunter2"] }),
            ),
            (
                "/headers/x-tenant",
                json!({ "headers": "x-tenant: hunter2" }),
            ),
            (
                "/headers/x-tenant/0",
                json!({ "headers": { "X-Tenant": ["hunter2"] } }),
            ),
            (
                "/headers/*",
                json!({ "HEADERS": { "X-Tenant": "hunter2" } }),
            ),
            (
                "/headers/*/value",
                json!({ "headers": [{ "name": "x", "Value": "hunter2" }] }),
            ),
            ("/password", json!({ "PassWord": "hunter2" })),
            ("/password", json!({ "pa\u{17f}\u{17f}word": "hunter2" })),
            ("/a/b", json!({ "A": [[{ "B": "hunter2" }]] })),
            ("/a/b", json!({ "a": "{\"b\":\"hunter2\"}" })),
            ("/a/0", json!({ "a": [{ "0": "hunter2" }] })),
            ("/action/properties/a", json!({ "A": "hunter2" })),
        ] {
            let (any, text) = masked(&[pointer], arguments);
            assert!(any && !text.contains("hunter2"), "{pointer}: {text}");
        }
        for (pointer, arguments) in [
            (
                "/headers/x-tenant",
                json!({ "headers": { "accept": "a" }, "x-tenant": "b" }),
            ),
            ("/password", json!({ "passwords": "a", "pass-word": "b" })),
        ] {
            let (any, text) = masked(&[pointer], arguments.clone());
            let whole = arguments.to_string();
            assert!(!any && text == whole, "{pointer}: {text}");
        }
    }

    #[test]
    fn credentials_in_headers_are_masked_unless_a_reason_says_otherwise() {
        let arguments =
            || json!({ "headers": { "Authorization": "a", "X-CSRF-Token": "b", "X-Tenant": "c" } });
        let of = |mask: Mask| {
            let mut request = json!({
                "action": { "properties": arguments() },
                "context": { "headers": { "cookie": "d" } },
            });
            assert!(mask.apply(&mut request));
            assert_eq!(request["context"]["headers"]["cookie"], "masked");
            let headers = &request["action"]["properties"]["headers"];
            ["Authorization", "X-CSRF-Token", "X-Tenant"].map(|name| headers[name] == "masked")
        };
        assert_eq!(of(Mask::default()), [true, true, false]);
        let more = Mask::default().and_header("x_tenant").unwrap();
        assert_eq!(of(more), [true, true, true]);
        let fewer = Mask::default().but_not_header("x-csrf-token", "useless without the cookie");
        assert_eq!(of(fewer.unwrap()), [true, false, false]);
        let mask = Mask::default;
        assert!(matches!(
            mask().but_not_header("cookie", " "),
            Err(MaskError::NoReason(_))
        ));
        assert!(matches!(
            mask().but_not_header("accept", "why"),
            Err(MaskError::NotMasked(_))
        ));
        for wrong in ["", "x tenant", "x:", "é"] {
            assert!(
                matches!(mask().and_header(wrong), Err(MaskError::NotAHeader(_))),
                "{wrong}"
            );
        }
    }

    #[test]
    fn refuses_what_is_no_pointer() {
        assert!(Mask::new(["password"]).is_err());
        assert!(Mask::new([""]).is_err());
    }

    #[test]
    fn masks_of_a_request_what_the_host_does_not_go_by() {
        let whole = json!({
            "subject": { "type": "agent", "id": "i", "properties": { "email": "e", "owner": "o" } },
            "action": { "name": "n", "properties": { "email": "a" } },
            "resource": { "type": "t", "id": "r", "properties": { "title": { "text": "x" } } },
            "context": { "integration": "c", "ticket": "y", "intent": { "id": "d", "purpose": "p" } },
        });
        for pointer in [
            "/subject/properties/email",
            "/action/properties/email",
            "/resource/id",
            "/resource/properties/title/text",
            "/context/ticket",
            "/context/intent/purpose",
        ] {
            let mut request = whole.clone();
            assert!(Mask::new([pointer]).unwrap().apply(&mut request));
            let expected = Some(&Value::from("masked"));
            assert_eq!(request.pointer(pointer), expected, "{pointer}");
            *request.pointer_mut(pointer).unwrap() = whole.pointer(pointer).unwrap().clone();
            assert_eq!(request, whole, "{pointer} and nothing else");
        }
        for needed in [
            "/subject/id",
            "/subject/*",
            "/subject/properties",
            "/subject/properties/*",
            "/subject/properties/credential-id",
            "/subject/id/deep",
            "/action/name",
            "/action/properties",
            "/resource/properties/environment",
            "/context/*",
            "/context/integration",
            "/context/intent",
            "/context/intent/id",
        ] {
            let refused = Mask::new([needed]);
            assert_eq!(refused, Err(MaskError::Needed(needed.into())));
        }
    }
}
