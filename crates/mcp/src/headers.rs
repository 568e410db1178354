//! Headers that repeat parts of a message, since 2026-07-28: `Mcp-Method`, `Mcp-Name` and `Mcp-Param-*`.
//!
//! Others on the way route and filter by them, so that each has to say what the body says, in every version.

use crate::message::Message;
use base64ct::{Base64, Encoding as _};
use http::{HeaderMap, HeaderName};
use serde_json::Value;

/// Header with the version of the protocol.
pub const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
/// Header with the method of the message.
pub const METHOD: HeaderName = HeaderName::from_static("mcp-method");
/// Header with the tool, the prompt or the resource of the message.
pub const NAME: HeaderName = HeaderName::from_static("mcp-name");
/// Beginning of headers with arguments.
pub const PARAM: &str = "mcp-param-";

/// Member of `_meta` with the version of the protocol.
const VERSION_IN_META: &str = "io.modelcontextprotocol/protocolVersion";

/// Versions of the protocol before the headers.
const BEFORE: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];

/// Methods whose parameters have a name, and the parameter.
const NAMED: [(&str, &str); 3] = [
    ("tools/call", "name"),
    ("prompts/get", "name"),
    ("resources/read", "uri"),
];

/// Headers with arguments, as they came with a call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Params {
    /// True if arguments for which the tool declares a header need it.
    is_required: bool,
    /// Names in lower case without their beginning, and values.
    given: Vec<(String, String)>,
}

/// A header that a tool declares for an argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Declared {
    /// Name in lower case, without its beginning.
    name: String,
    /// JSON Pointer of the argument.
    pointer: String,
}

/// Compares the headers with the message, but for those with arguments, which it returns.
///
/// # Errors
///
/// The header that disagrees, for the client.
pub(crate) fn agree(headers: &HeaderMap, message: &Message) -> Result<Params, String> {
    let version = one(headers, &VERSION)?;
    let (method, params) = match message {
        Message::Request { method, params, .. } | Message::Notification { method, params } => {
            (Some(method.as_str()), params)
        }
        Message::Response { .. } => (None, &Value::Null),
    };
    let in_meta = params
        .get("_meta")
        .and_then(|meta| meta.get(VERSION_IN_META));
    if let (Some(version), Some(in_meta)) = (version, in_meta)
        && in_meta != version
    {
        return Err(format!(
            "header `MCP-Protocol-Version` is `{version}`, and the body has `{VERSION_IN_META}` {in_meta}"
        ));
    }
    let version = version.or(in_meta.and_then(Value::as_str));
    // A client that does not know yet which version is spoken sends neither.
    let is_required = version.is_some_and(|version| !BEFORE.contains(&version));
    same(headers, &METHOD, method, is_required && method.is_some())?;
    let name = method.and_then(|method| {
        let (_, parameter) = NAMED.iter().find(|(named, _)| *named == method)?;
        params.get(parameter)?.as_str()
    });
    same(headers, &NAME, name, is_required && name.is_some())?;
    let mut given: Vec<(String, String)> = Vec::new();
    for (header, value) in headers {
        let Some(name) = header.as_str().strip_prefix(PARAM) else {
            continue;
        };
        if method != Some("tools/call") || given.iter().any(|(other, _)| other == name) {
            return Err(format!(
                "header `{header}` is unexpected here, or there twice"
            ));
        }
        let value = value
            .to_str()
            .map_err(|_| format!("header `{header}` is not ASCII"))?;
        given.push((name.to_owned(), value.to_owned()));
    }
    Ok(Params { is_required, given })
}

impl Params {
    /// Compares the headers with the arguments of a call, by what its tool declares.
    ///
    /// # Errors
    ///
    /// The header that disagrees, for the client.
    pub(crate) fn agree(&self, declared: &[Declared], arguments: &Value) -> Result<(), String> {
        for (name, value) in &self.given {
            let Some(of) = declared.iter().find(|it| it.name == *name) else {
                return Err(format!(
                    "header `Mcp-Param-{name}` is not one that the tool declares"
                ));
            };
            let argument = arguments.pointer(&of.pointer).unwrap_or(&Value::Null);
            if !decoded(value).is_some_and(|value| says(&value, argument)) {
                return Err(format!(
                    "header `Mcp-Param-{name}` does not say what the argument `{}` is",
                    of.pointer
                ));
            }
        }
        let is_given = |of: &&Declared| self.given.iter().any(|(name, _)| *name == of.name);
        let needs = |of: &&Declared| {
            let argument = arguments.pointer(&of.pointer);
            self.is_required
                && argument.is_some_and(|it| it.is_string() || it.is_number() || it.is_boolean())
        };
        match declared.iter().find(|it| needs(it) && !is_given(it)) {
            None => Ok(()),
            Some(of) => Err(format!(
                "header `Mcp-Param-{}` is missing, and the argument `{}` is there",
                of.name, of.pointer
            )),
        }
    }
}

/// The headers that a tool declares in its input schema.
pub(crate) fn declared(tool: &Value) -> Vec<Declared> {
    let mut all = Vec::new();
    if let Some(schema) = tool.get("inputSchema") {
        declare(schema, "", 0, &mut all);
    }
    all
}

/// Deepest object of arguments in which a header is looked for.
const MAX_DEPTH: usize = 16;

fn declare(schema: &Value, pointer: &str, depth: usize, all: &mut Vec<Declared>) {
    let properties = schema.get("properties").and_then(Value::as_object);
    if depth == MAX_DEPTH {
        return;
    }
    for (property, schema) in properties.into_iter().flatten() {
        let pointer = format!("{pointer}/{}", portcullis_host::escape_key(property));
        if let Some(name) = schema.get("x-mcp-header").and_then(Value::as_str) {
            all.push(Declared {
                name: name.to_ascii_lowercase(),
                pointer: pointer.clone(),
            });
        }
        declare(schema, &pointer, depth + 1, all);
    }
}

/// The value of a header that may be there once.
fn one<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, String> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => match value.to_str() {
            Ok(value) => Ok(Some(value)),
            Err(_) => Err(format!("header `{name}` is not ASCII")),
        },
        (Some(_), Some(_)) => Err(format!("header `{name}` is there twice")),
    }
}

fn same(
    headers: &HeaderMap,
    name: &HeaderName,
    body: Option<&str>,
    is_required: bool,
) -> Result<(), String> {
    match one(headers, name)? {
        None if is_required => Err(format!("header `{name}` is missing")),
        None => Ok(()),
        Some(value) if decoded(value).as_deref() == body => Ok(()),
        Some(_) => Err(format!("header `{name}` does not say what the body says")),
    }
}

/// The value of a header, which is in Base64 if it has other than printable ASCII. `None` if that is broken.
fn decoded(value: &str) -> Option<String> {
    let encoded = value
        .strip_prefix("=?base64?")
        .and_then(|it| it.strip_suffix("?="));
    match encoded {
        None => Some(value.to_owned()),
        Some(encoded) => String::from_utf8(Base64::decode_vec(encoded).ok()?).ok(),
    }
}

/// Sets the headers that repeat parts of a message which the gate sends on: `Mcp-Method` and `Mcp-Name`.
pub fn repeat(raw: &[u8], headers: &mut HeaderMap) {
    let Ok(message) = serde_json::from_slice::<Value>(raw) else {
        return;
    };
    let method = message.get("method").and_then(Value::as_str);
    let Some(method) = method else {
        return;
    };
    let named = NAMED.iter().find(|(named, _)| *named == method);
    let name = named.and_then(|(_, parameter)| message.get("params")?.get(parameter)?.as_str());
    for (header, value) in [(METHOD, Some(method)), (NAME, name)] {
        headers.remove(&header);
        if let Some(Ok(value)) = value.map(|value| encoded(value).parse()) {
            headers.insert(header, value);
        }
    }
}

/// The value as a header.
fn encoded(value: &str) -> String {
    let is_plain = value.bytes().all(|byte| matches!(byte, 0x20..=0x7e))
        && value.trim() == value
        && !value.starts_with("=?base64?");
    match is_plain {
        true => value.to_owned(),
        false => format!("=?base64?{}?=", Base64::encode_string(value.as_bytes())),
    }
}

/// True if a header says what an argument is.
fn says(value: &str, argument: &Value) -> bool {
    match argument {
        Value::String(text) => value == text,
        Value::Bool(is) => value == if *is { "true" } else { "false" },
        Value::Number(number) => {
            value == number.to_string()
                || number.as_i64().is_some_and(|whole| {
                    let (integer, fraction) = value.split_once('.').unwrap_or((value, ""));
                    integer.parse() == Ok(whole) && fraction.bytes().all(|digit| digit == b'0')
                })
        }
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Id;
    use serde_json::json;

    fn call(name: &str) -> Message {
        Message::Request {
            id: Id::Number(1),
            method: "tools/call".into(),
            params: json!({ "name": name, "_meta": { VERSION_IN_META: "2026-07-28" } }),
        }
    }

    fn headers(all: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in all {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn headers_say_what_the_body_says() {
        const MODERN: (&str, &str) = ("mcp-protocol-version", "2026-07-28");
        const CALL: (&str, &str) = ("mcp-method", "tools/call");
        let ok =
            |all: &[(&'static str, &str)], name: &str| agree(&headers(all), &call(name)).is_ok();
        assert!(ok(&[MODERN, CALL, ("mcp-name", "pay")], "pay"));
        assert!(ok(
            &[MODERN, CALL, ("mcp-name", "=?base64?csOpYWQ=?=")],
            "réad"
        ));
        for wrong in [
            vec![MODERN, CALL, ("mcp-name", "read")],
            vec![MODERN, CALL],
            vec![MODERN, ("mcp-name", "pay")],
            vec![MODERN, ("mcp-method", "tools/list"), ("mcp-name", "pay")],
            vec![MODERN, CALL, CALL, ("mcp-name", "pay")],
            vec![MODERN, CALL, ("mcp-name", "pay"), ("mcp-name", "read")],
            vec![MODERN, CALL, ("mcp-name", "=?base64?%?=")],
            vec![
                ("mcp-protocol-version", "2025-11-25"),
                CALL,
                ("mcp-name", "pay"),
            ],
        ] {
            assert!(!ok(&wrong, "pay"), "{wrong:?}");
        }
    }

    #[test]
    fn in_an_older_version_headers_may_be_absent_and_may_not_lie() {
        let message = Message::Request {
            id: Id::Number(1),
            method: "tools/call".into(),
            params: json!({ "name": "pay" }),
        };
        let ok = |all: &[(&'static str, &str)]| agree(&headers(all), &message).is_ok();
        assert!(ok(&[]));
        assert!(ok(&[("mcp-protocol-version", "2025-11-25")]));
        assert!(!ok(&[("mcp-method", "tools/list")]));
        assert!(!ok(&[
            ("mcp-protocol-version", "2025-11-25"),
            ("mcp-name", "other")
        ]));
    }

    #[test]
    fn arguments_in_headers_are_those_of_the_body() {
        let tool = json!({ "name": "pay", "inputSchema": { "properties": {
            "region": { "type": "string", "x-mcp-header": "Region" },
            "to": { "properties": { "count": { "type": "integer", "x-mcp-header": "Count" } } },
        } } });
        let declared = declared(&tool);
        let arguments = json!({ "region": "eu", "to": { "count": 42 } });
        let ok = |given: &[(&str, &str)]| {
            let given = given
                .iter()
                .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()));
            let params = Params {
                is_required: true,
                given: given.collect(),
            };
            params.agree(&declared, &arguments).is_ok()
        };
        assert!(ok(&[("region", "eu"), ("count", "42")]));
        assert!(ok(&[("region", "=?base64?ZXU=?="), ("count", "42.0")]));
        assert!(!ok(&[("region", "us"), ("count", "42")]));
        assert!(!ok(&[("region", "eu")]));
        assert!(!ok(&[("region", "eu"), ("count", "43")]));
        assert!(!ok(&[("region", "eu"), ("count", "42"), ("else", "x")]));
    }

    #[test]
    fn a_value_is_encoded_as_it_is_read() {
        for value in ["pay", "réad", " pay", "=?base64?x", ""] {
            assert_eq!(decoded(&encoded(value)).as_deref(), Some(value));
        }
    }
}
