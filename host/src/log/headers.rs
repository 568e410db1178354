//! Finds HTTP headers that carry credentials anywhere in a request, and masks them.

use serde_json::Value;

/// True if a member of that name holds headers.
///
/// Examples are `headers`, `Headers` and `http_headers`.
pub(super) fn are_headers(member: &str) -> bool {
    let name = name(member);
    name == "header" || name.ends_with("headers")
}

/// Normalises a header's name: lower case, and `-` for `_`.
///
/// Header names are case-insensitive, and many servers treat `-` and `_` alike.
pub(super) fn name(header: &str) -> String {
    header.trim().to_ascii_lowercase().replace('_', "-")
}

/// Last words of credential headers: `x-auth-token`, `private-token`, `x-csrf-token`.
const LAST_WORDS: [&str; 17] = [
    "assertion",
    "auth",
    "authentication",
    "authorization",
    "apikey",
    "bearer",
    "cookie",
    "cookie2",
    "credential",
    "credentials",
    "dpop",
    "jwt",
    "passwd",
    "password",
    "secret",
    "session",
    "token",
];

/// Words before `key` in credential headers: `x-api-key`, but not `idempotency-key`.
const KEYS: [&str; 9] = [
    "access",
    "account",
    "api",
    "auth",
    "functions",
    "master",
    "private",
    "secret",
    "subscription",
];

/// True if a header of that name, normalised by [`name`], carries a credential.
pub(super) fn carries_a_credential(header: &str) -> bool {
    let mut words = header.rsplit('-');
    let last = words.next().unwrap_or_default();
    if LAST_WORDS.contains(&last)
        || last
            .strip_suffix('s')
            .is_some_and(|one| LAST_WORDS.contains(&one))
    {
        return true;
    }
    let of = words.next().unwrap_or_default();
    match last {
        "key" => KEYS.contains(&of),
        "id" => of == "session",
        _ => false,
    }
}

/// Returns `arguments` with every header masked that carries a credential.
pub(crate) fn without_credentials(arguments: &Value) -> Value {
    let mut shown = arguments.clone();
    mask_in(&mut shown, &carries_a_credential);
    shown
}

/// Masks the headers selected by `is_masked` anywhere in `value`.
///
/// Returns true if it masked any.
pub(super) fn mask_in(value: &mut Value, is_masked: &impl Fn(&str) -> bool) -> bool {
    match value {
        Value::Object(members) => {
            let mut any = false;
            for (member, value) in members {
                any |= match are_headers(member) {
                    true => mask(value, is_masked),
                    false => mask_in(value, is_masked),
                };
            }
            any
        }
        Value::Array(items) => items
            .iter_mut()
            .fold(false, |any, item| mask_in(item, is_masked) | any),
        Value::String(text) => {
            let Some(mut inner) = json_in(text) else {
                return false;
            };
            let masks = mask_in(&mut inner, is_masked);
            if masks {
                *value = super::mask::masked();
            }
            masks
        }
        _ => false,
    }
}

/// True if [`mask_in`] could find headers. It is fast if there are none.
pub(super) fn may_be_in(value: &Value) -> bool {
    match value {
        Value::Object(members) => members
            .iter()
            .any(|(member, value)| are_headers(member) || may_be_in(value)),
        Value::Array(items) => items.iter().any(may_be_in),
        Value::String(text) => begins_as_json(text),
        _ => false,
    }
}

/// Masks the values of the headers selected by `is_masked`.
///
/// Headers are an object by name, a list of objects with `name` and `value`, a list of pairs, a list of
/// alternating names and values, or text. Returns true if it masked any.
pub(super) fn mask(headers: &mut Value, is_masked: &impl Fn(&str) -> bool) -> bool {
    let named = |value: &Value| value.as_str().is_some_and(|text| is_masked(&name(text)));
    match headers {
        Value::Object(members) => {
            let mut any = false;
            let states = |member: &str| {
                matches!(
                    name(member).as_str(),
                    "name" | "key" | "header" | "field" | "k" | "n"
                )
            };
            let is_one = members
                .iter()
                .any(|(member, value)| states(member) && named(value));
            for (member, value) in members {
                let is_value = is_one && !(states(member) && named(value));
                if is_value || is_masked(&name(member)) {
                    *value = super::mask::masked();
                    any = true;
                } else {
                    any |= mask(value, is_masked);
                }
            }
            any
        }
        Value::Array(items) => {
            let mut any = false;
            let mut follows_name = false;
            for item in items {
                let is_name = named(item);
                if follows_name {
                    *item = super::mask::masked();
                    any = true;
                } else if !is_name {
                    any |= mask(item, is_masked);
                }
                follows_name = is_name && !follows_name;
            }
            any
        }
        Value::String(text) => {
            let is_line = |line: &str| {
                let name_of = line.split([':', '=']).next().unwrap_or_default();
                name_of.len() < line.len() && is_masked(&name(name_of))
            };
            let has_lines = text.split(['\r', '\n']).any(is_line);
            let masks =
                has_lines || json_in(text).is_some_and(|mut inner| mask(&mut inner, is_masked));
            if masks {
                *headers = super::mask::masked();
            }
            masks
        }
        _ => false,
    }
}

fn begins_as_json(text: &str) -> bool {
    text.trim_start().starts_with(['{', '[', '"'])
}

/// Parses a text that is JSON.
///
/// The JSON library limits the nesting depth. JSON inside a JSON text is shorter at each level, so the
/// recursion ends.
fn json_in(text: &str) -> Option<Value> {
    match begins_as_json(text) {
        true => serde_json::from_str(text).ok(),
        false => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn headers_with_credentials_are_told_from_others() {
        for secret in [
            "Authorization",
            "PROXY_AUTHORIZATION",
            "cookie",
            "Set-Cookie",
            "set-cookie2",
            "X-Api-Key",
            "x_api_key",
            "apikey",
            "X-Auth-Token",
            "PRIVATE-TOKEN",
            "X-Amz-Security-Token",
            "Ocp-Apim-Subscription-Key",
            "x-functions-key",
            "X-Goog-IAP-JWT-Assertion",
            "DPoP",
            "X-Client-Secret",
            "X-Session-Id",
            " authorization ",
        ] {
            assert!(carries_a_credential(&name(secret)), "{secret}");
        }
        for other in [
            "accept",
            "content-type",
            "idempotency-key",
            "sec-websocket-key",
            "x-request-id",
            "x-token-count",
            "www-authenticate",
            "traceparent",
            "x-author",
            "",
        ] {
            assert!(!carries_a_credential(&name(other)), "{other}");
        }
    }

    #[test]
    fn a_credential_is_masked_in_whatever_form_headers_have() {
        let pairs = [
            json!({ "headers": { "Authorization": "hunter2", "accept": "text/html" } }),
            json!({ "Headers": { "AUTHORIZATION": ["hunter2", "hunter2"], "accept": "text/html" } }),
            json!({ "headers": [{ "name": "Cookie", "value": "hunter2" }, { "name": "accept", "value": "text/html" }] }),
            json!({ "headers": [{ "Key": "x_api_key", "Values": ["hunter2"] }, "accept", "text/html"] }),
            json!({ "headers": [["X-Auth-Token", "hunter2"], ["accept", "text/html"]] }),
            json!({ "headers": ["accept", "text/html", "Set-Cookie", "hunter2"] }),
            json!({ "headers": ["accept: text/html", "Authorization: hunter2"] }),
            json!({ "request": { "http_headers": { "proxy-authorization": { "scheme": "hunter2" } } }, "accept": "text/html" }),
            json!([[{ "requestHeaders": [[{ "cookie": "hunter2" }]] }], "text/html"]),
            json!({ "headers": "accept: x\r\nauthorization: hunter2", "body": "text/html" }),
            json!({ "headers": r#"{"Authorization":"hunter2"}"#, "body": "text/html" }),
            json!({ "body": r#" {"headers":{"Authorization":"hunter2"}}"#, "type": "text/html" }),
            json!({ "body": json!(json!({ "headers": { "cookie": "hunter2" } }).to_string()).to_string(), "type": "text/html" }),
        ];
        for whole in pairs {
            let mut masked = whole.clone();
            assert!(may_be_in(&whole), "{whole}");
            assert!(mask_in(&mut masked, &carries_a_credential), "{whole}");
            let text = masked.to_string();
            assert!(
                !text.contains("hunter2") && text.contains("text/html"),
                "{text}"
            );
        }
        for whole in [
            json!({ "headers": { "accept": "a", "idempotency-key": "k" }, "authorization": "an argument of its own" }),
            json!({ "headers": ["accept", "authorization"], "cookies": 2 }),
            json!({ "body": "{\"authorization\":1}", "text": "[headers: cookie]" }),
        ] {
            let mut same = whole.clone();
            assert!(!mask_in(&mut same, &carries_a_credential), "{whole}");
            assert_eq!(same, whole);
        }
        assert!(!may_be_in(
            &json!({ "path": "/headers", "n": [1, { "a": "b" }] })
        ));
    }
}
