//! Reads the headers and parameters of a call the way servers read them.

use percent_encoding::percent_decode_str;
use portcullis_sdk::name::{self, NameError};
use portcullis_sdk::{Json, json};
use std::borrow::Cow;

/// Headers that change the method, path, host or end point of a call.
///
/// Servers and gateways act on them. [`is_override`] finds further ones by the words of their names. A rule
/// that allows one of these headers names it.
const OVERRIDES: [&str; 21] = [
    "base-url",
    "connection",
    "content-length",
    "destination",
    "forwarded",
    "host",
    "http2-settings",
    "proxy",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-accel-redirect",
    "x-backend-host",
    "x-host",
    "x-invoke-path",
    "x-matched-path",
    "x-middleware-subrequest",
    "x-request-uri",
    "x-waws-unencoded-url",
];

/// Words in a header's name that mark a replaced or original value.
const REPLACING: [&str; 3] = ["original", "override", "rewrite"];

/// Parts of a call that a header with `forwarded` or `method` in its name replaces.
const REPLACED: [&str; 13] = [
    "for", "host", "http", "path", "port", "prefix", "proto", "scheme", "server", "tunnel", "uri",
    "url", "verb",
];

/// Query and body parameters that frameworks read as the method, [`folded`].
const METHOD_PARAMETERS: [&str; 5] = [
    "-method",
    "-http-method",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
];

/// Code and message of the reason for which headers are refused.
pub(crate) type Refusal = (&'static str, String);

/// Returns the call's headers by their [`folded`] names.
///
/// # Errors
///
/// A name is not a token (RFC 9110, section 5.1), two names fold to the same name, or a value has a control
/// character.
pub(crate) fn read(arguments: &Json) -> Result<Json, Refusal> {
    let mut read = json!({});
    let given = arguments.get("headers").and_then(Json::as_object);
    let (Some(read_members), Some(given)) = (read.as_object_mut(), given) else {
        return Ok(read);
    };
    for (name, value) in given {
        if !is_token(name) {
            return Err((
                "header-invalid",
                "the name of a header is letters, digits and `-`, without white space and `:`"
                    .to_owned(),
            ));
        }
        if !is_value(value) {
            return Err((
                "header-invalid",
                format!(
                    "header `{name}` is a text, or a list of texts, without control characters"
                ),
            ));
        }
        if read_members.insert(folded(name), value.clone()).is_some() {
            return Err((
                "header-ambiguous",
                format!(
                    "header `{name}` is there twice, in different case or with another character for `-`"
                ),
            ));
        }
    }
    Ok(read)
}

/// Folds `name` as servers do when they compare header names.
///
/// The result is in lower case, with `-` for each character that is not an ASCII letter or digit, as in the
/// CGI variables of headers.
pub(crate) fn folded(name: &str) -> String {
    let fold = |c: char| match c.is_ascii_alphanumeric() {
        true => c.to_ascii_lowercase(),
        false => '-',
    };
    name.chars().map(fold).collect()
}

/// True if a header of that name changes the method, path or target of the call.
pub(crate) fn is_override(folded: &str) -> bool {
    let has = |word: &str| folded.split('-').any(|part| part == word);
    OVERRIDES.contains(&folded)
        || REPLACING.iter().any(|word| folded.contains(word))
        || ((has("forwarded") || has("method")) && REPLACED.iter().any(|word| has(word)))
        || (has("forwarded") && has("method"))
}

/// Returns why a query parameter's name is refused as ambiguous.
///
/// A name is ambiguous if a server could read it as another name, or as several parameters.
pub(crate) fn refuse_parameter(name: &str) -> Option<&'static str> {
    if name.contains(['&', '=', '#', ';']) {
        return Some("has `&`, `=`, `#` or `;`");
    }
    if decoded(name) != name {
        return Some("is percent-encoded: send it as it is after decoding");
    }
    match name::check_resource(name) {
        Err(NameError::Invisible(_)) => Some("has an invisible character"),
        _ => None,
    }
}

/// True if frameworks read a parameter of that name as the call's method, in any spelling.
pub(crate) fn is_method_parameter(name: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii() && !b.is_ascii_control() && b != b'%';
    let has_method = |name: &str| {
        let mut parts = name.as_bytes().windows("method".len());
        parts.any(|part| part.eq_ignore_ascii_case(b"method"))
    };
    // Fast path: almost every name ends here.
    if name.bytes().all(is_plain) && !has_method(name) {
        return false;
    }
    let name = decoded(name).replace('+', " ");
    let name = name::alike_key(&name);
    // PHP and Rails read `a[b]` as a member of `a`, and PHP reads `[a` as `_a`.
    let (first, rest) = name.split_at(name.chars().next().map_or(0, char::len_utf8));
    let rest = rest.split('[').next().unwrap_or_default().trim_end();
    METHOD_PARAMETERS.contains(&folded(&format!("{first}{rest}")).as_str())
}

/// Returns the name in a body that frameworks read as the method, if there is one.
///
/// It is the name of a member at any depth, or of a field in a text that is JSON, a form or multipart.
pub(crate) fn method_parameter_of(body: &Json) -> Option<String> {
    let Some(text) = body.as_str() else {
        return method_member(body);
    };
    if let Ok(json) = text.parse::<Json>()
        && let Some(name) = method_member(&json)
    {
        return Some(name);
    }
    let ends = |c: char| c.is_control() || "&;?,\"'<>{}=:".contains(c);
    let mut fields = text.split(ends);
    fields
        .find(|name| is_method_parameter(name))
        .map(str::to_owned)
}

fn method_member(value: &Json) -> Option<String> {
    match value {
        Json::Object(members) => {
            let mut names = members.keys();
            let name = names.find(|name| is_method_parameter(name)).cloned();
            name.or_else(|| members.values().find_map(method_member))
        }
        Json::Array(items) => items.iter().find_map(method_member),
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

/// True if `name` is a token (RFC 9110, section 5.6.2).
pub(crate) fn is_token(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

fn is_value(value: &Json) -> bool {
    let is_text = |value: &Json| match value {
        Json::String(text) => !text.chars().any(char::is_control),
        Json::Number(_) | Json::Bool(_) => true,
        Json::Null | Json::Array(_) | Json::Object(_) => false,
    };
    match value {
        Json::Array(values) => values.iter().all(is_text),
        value => is_text(value),
    }
}
