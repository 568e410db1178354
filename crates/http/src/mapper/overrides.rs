//! Headers and parameters that replace the method, path or host.
//!
//! The plugin `http-api` judges the headers and parameters that it sees by the same rules. A mapper passes few headers,
//! so it refuses the others here, for every plugin.

use percent_encoding::percent_decode_str;
use portcullis_contract::name;
use serde_json::Value;
use std::borrow::Cow;

/// Headers of another target that the words below do not find.
const TARGETS: [&str; 11] = [
    "base-url",
    "destination",
    "proxy",
    "upgrade",
    "x-accel-redirect",
    "x-backend-host",
    "x-host",
    "x-invoke-path",
    "x-matched-path",
    "x-middleware-subrequest",
    "x-request-uri",
];

/// Words in a header's name that mark a replaced or original value.
const REPLACING: [&str; 4] = ["original", "override", "rewrite", "unencoded"];

/// Parts that a header with `forwarded` or `method` in its name replaces.
const REPLACED: [&str; 8] = [
    "http", "method", "path", "prefix", "tunnel", "uri", "url", "verb",
];

/// Header with the addresses of a call alone, in spite of its name.
const ADDRESSES: &str = "x-original-forwarded-for";

/// Parameters that frameworks read as the method, [`folded`].
const METHOD_PARAMETERS: [&str; 5] = [
    "-method",
    "-http-method",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
];

/// `name` as servers compare names of headers that pass through CGI variables.
///
/// The result is in lower case, with `-` for each character that is not an ASCII letter or digit.
pub(super) fn folded(name: &str) -> String {
    let fold = |c: char| match c.is_ascii_alphanumeric() {
        true => c.to_ascii_lowercase(),
        false => '-',
    };
    name.chars().map(fold).collect()
}

/// True if a header of this [`folded`] name replaces a part of the call.
pub(super) fn is_override(folded: &str) -> bool {
    if folded == ADDRESSES {
        return false;
    }
    let has = |word: &str| folded.split('-').any(|part| part == word);
    TARGETS.contains(&folded)
        || REPLACING.iter().any(|word| folded.contains(word))
        || has("forwarded") && REPLACED.iter().any(|word| has(word))
        || has("method") && REPLACED.iter().any(|word| *word != "method" && has(word))
}

/// True if frameworks read a parameter of that name as the method.
pub(super) fn is_method_parameter(name: &str) -> bool {
    let name = decoded(name).replace('+', " ");
    METHOD_PARAMETERS.contains(&reading(&name).as_str())
}

/// The name that the most lenient framework reads.
///
/// PHP and Rails read `a[b]` as a member of `a`, PHP reads `a.b` and `a b` as `a_b`, and others ignore case.
pub(super) fn reading(name: &str) -> String {
    let name = name::alike_key(name);
    let (first, rest) = name.split_at(name.chars().next().map_or(0, char::len_utf8));
    let rest = rest.split('[').next().unwrap_or_default().trim_end();
    folded(&format!("{first}{rest}"))
}

/// The member of a body, at any depth, that frameworks read as the method.
pub(super) fn method_member(body: &Value) -> Option<&str> {
    match body {
        Value::Object(members) => {
            let mut names = members.keys();
            let name = names.find(|name| is_method_parameter(name));
            name.map(String::as_str)
                .or_else(|| members.values().find_map(method_member))
        }
        Value::Array(items) => items.iter().find_map(method_member),
        _ => None,
    }
}

/// Percent-decodes `text` repeatedly, as several readers in turn would.
fn decoded(text: &str) -> Cow<'_, str> {
    const READERS: usize = 4;
    let mut text = Cow::Borrowed(text);
    for _ in 0..READERS {
        if !text.contains('%') {
            break;
        }
        text = Cow::Owned(percent_decode_str(&text).decode_utf8_lossy().into_owned());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn knows_headers_that_replace_a_part_of_the_call() {
        for name in [
            "X-HTTP-Method-Override",
            "x_http_method_override",
            "X-HTTP-Method",
            "X-Method-Override",
            "X.Http.Method.Override",
            "X-Forwarded-Method",
            "X-Forwarded-Path",
            "X-Forwarded-Prefix",
            "X-Forwarded-Uri",
            "X-Original-URL",
            "X-Original-Method",
            "X-Rewrite-URL",
            "X-WAWS-Unencoded-URL",
            "X-Middleware-Subrequest",
            "X-Accel-Redirect",
            "Destination",
            "Upgrade",
            "Proxy",
            "X-Host",
        ] {
            assert!(is_override(&folded(name)), "{name}");
        }
        for name in [
            "Host",
            "Accept",
            "Content-Length",
            "Connection",
            "Forwarded",
            "X-Forwarded-For",
            "X-Forwarded-Host",
            "X-Forwarded-Proto",
            "X-Forwarded-Port",
            "X-Forwarded-Client-Cert",
            "X-Original-Forwarded-For",
            "X-Real-IP",
            "X-Request-Id",
            "Access-Control-Request-Method",
            "Traceparent",
        ] {
            assert!(!is_override(&folded(name)), "{name}");
        }
    }

    #[test]
    fn knows_parameters_that_frameworks_read_as_the_method() {
        for name in [
            "_method",
            "_METHOD",
            "_Method",
            "_http_method",
            "_http-method",
            "X-HTTP-Method-Override",
            "x_http_method_override",
            "x-http-method",
            "_method[]",
            "_method[a]",
            "[method",
            ".method",
            "%5Fmethod",
            "%255Fmethod",
            "\u{ff3f}method",
            "_method\0x",
            "_met\u{200b}hod",
        ] {
            assert!(is_method_parameter(name), "{name:?}");
        }
        for name in ["method", "payment_method", "_methods", "methods[]", "limit"] {
            assert!(!is_method_parameter(name), "{name}");
        }
    }

    #[test]
    fn finds_the_method_in_a_body_at_any_depth() {
        for body in [
            json!({ "_method": "DELETE" }),
            json!({ "a": [{ "_METHOD": "DELETE" }] }),
            json!([{ "b": { "x-http-method-override": "PUT" } }]),
        ] {
            assert!(method_member(&body).is_some(), "{body}");
        }
        for body in [
            json!({ "method": "card", "a": "_method" }),
            json!("_method=DELETE"),
        ] {
            assert_eq!(method_member(&body), None, "{body}");
        }
    }
}
