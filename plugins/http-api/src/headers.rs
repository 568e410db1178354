//! The headers of a call, as every server reads them.

use portcullis_sdk::{Json, json};

/// Headers by which servers and gateways take another method, path or host than the call has. A rule
/// that is to let one through names it.
const OVERRIDES: [&str; 22] = [
    "base-url",
    "destination",
    "forwarded",
    "host",
    "x-accel-redirect",
    "x-forwarded-host",
    "x-forwarded-method",
    "x-forwarded-path",
    "x-forwarded-prefix",
    "x-forwarded-server",
    "x-forwarded-uri",
    "x-forwarded-url",
    "x-host",
    "x-http-host-override",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-method",
    "x-original-uri",
    "x-original-url",
    "x-override-url",
    "x-rewrite-url",
];

/// Parameters of a query or a body that frameworks take for the method.
const METHOD_PARAMETERS: [&str; 5] = [
    "_method",
    "_http_method",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
];

/// Why headers are refused: a reason's code and message.
pub(crate) type Refusal = (&'static str, String);

/// The call's headers, by the name that servers compare: in lower case, with `-` for `_`.
///
/// # Errors
///
/// A name is no token (RFC 9110, section 5.1), two names are one, or a value has a control character.
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
                format!("header `{name}` is there twice, in different case or with `_` for `-`"),
            ));
        }
    }
    Ok(read)
}

/// `name` as servers compare it.
pub(crate) fn folded(name: &str) -> String {
    name.to_ascii_lowercase().replace('_', "-")
}

/// Whether a header of that name changes what the call is.
pub(crate) fn is_override(folded: &str) -> bool {
    OVERRIDES.contains(&folded)
}

/// Whether a parameter of that name changes the method of the call.
pub(crate) fn is_method_parameter(name: &str) -> bool {
    METHOD_PARAMETERS.contains(&name.to_ascii_lowercase().as_str())
}

/// Whether `name` is a token as RFC 9110 has it.
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
