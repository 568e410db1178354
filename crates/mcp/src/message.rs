//! Messages of JSON-RPC 2.0, read so that no other reader can take them for something else.

use portcullis_host::{RequestLimits, json};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use std::fmt;

/// Id of a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Id {
    Text(String),
    Number(i64),
}

impl Id {
    /// The id in JSON, if it is a text or a whole number.
    pub(crate) fn of(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => Some(Self::Text(text.clone())),
            Value::Number(number) => number.as_i64().map(Self::Number),
            _ => None,
        }
    }

    pub(crate) fn to_json(&self) -> Value {
        match self {
            Self::Text(text) => Value::from(text.as_str()),
            Self::Number(number) => Value::from(*number),
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => number.fmt(f),
        }
    }
}

/// A message.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Message {
    Request {
        id: Id,
        method: String,
        params: Value,
    },
    Notification {
        method: String,
        params: Value,
    },
    /// A response.
    Response {
        id: Id,
    },
}

/// A message of a server.
#[derive(Debug)]
pub(crate) enum OfServer {
    Request {
        id: Id,
        method: String,
    },
    Notification {
        method: String,
        params: Value,
    },
    /// A response with its result, or its error, as it is.
    Response {
        id: Id,
        result: Result<Box<RawValue>, Box<RawValue>>,
    },
}

/// Reads a message of the client, by the strict rules for requests: one meaning, or none.
///
/// # Errors
///
/// [`json::Error`] with the place.
pub(crate) fn of_client(raw: &[u8], limits: &RequestLimits) -> Result<Message, json::Error> {
    let Value::Object(members) = json::parse(raw, limits)? else {
        return Err(json::Error::NotHere {
            at: String::new(),
            why: "a message is one JSON object: send the messages of a batch one by one",
        });
    };
    of_members(members)
}

/// Members of a message of a server. Each is there once, and there are no others.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Members {
    jsonrpc: String,
    #[serde(default, deserialize_with = "present")]
    id: Option<Value>,
    method: Option<String>,
    params: Option<Value>,
    result: Option<Box<RawValue>>,
    error: Option<Box<RawValue>>,
}

/// Tells a member that is `null` from one that is absent.
fn present<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

/// Reads a message of a server.
///
/// Its own members are strict, and so are those of a result, but for what is within them: tools return what they like. Of
/// two members with one name, the last counts there, and what another reader makes of it was not observed, so that its
/// origin is unknown.
///
/// # Errors
///
/// The reason, for the operator.
pub(crate) fn of_server(raw: &[u8]) -> Result<OfServer, String> {
    let members: Members = serde_json::from_slice(raw).map_err(|error| error.to_string())?;
    if members.jsonrpc != "2.0" {
        return Err("`/jsonrpc` is not `\"2.0\"`".to_owned());
    }
    let id = match &members.id {
        None => None,
        Some(value) => Some(Id::of(value).ok_or("`/id` is neither a text nor a whole number")?),
    };
    match (members.method, id, members.result, members.error) {
        (Some(method), Some(id), None, None) => Ok(OfServer::Request { id, method }),
        (Some(method), None, None, None) => Ok(OfServer::Notification {
            method,
            params: members.params.unwrap_or_default(),
        }),
        (None, Some(id), Some(result), None) => {
            let mut keys = Vec::new();
            if let Ok(Top(of_result)) = serde_json::from_str(result.get()) {
                keys = of_result;
            }
            keys.sort_unstable();
            match keys.windows(2).find(|pair| pair.first() == pair.last()) {
                None => Ok(OfServer::Response {
                    id,
                    result: Ok(result),
                }),
                Some(_) => Err(
                    "two members of `/result` have names that some readers take for one".to_owned(),
                ),
            }
        }
        (None, Some(id), None, Some(error)) => Ok(OfServer::Response {
            id,
            result: Err(error),
        }),
        _ => Err("it is no request, notification or response of JSON-RPC".to_owned()),
    }
}

/// Names of the members of an object, as those are compared who ignore case and width.
struct Top(Vec<String>);

impl<'de> Deserialize<'de> for Top {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> serde::de::Visitor<'de> for Names {
            type Value = Top;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Top, A::Error> {
                let mut names = Vec::new();
                while let Some((name, _)) = map.next_entry::<String, serde::de::IgnoredAny>()? {
                    names.push(json::as_compared(&name).into_owned());
                }
                Ok(Top(names))
            }
        }
        from.deserialize_map(Names)
    }
}

/// Makes a message of its members.
fn of_members(mut members: Map<String, Value>) -> Result<Message, json::Error> {
    let wrong = |at: &str, why: &'static str| json::Error::NotHere {
        at: at.to_owned(),
        why,
    };
    if members.remove("jsonrpc") != Some(Value::from("2.0")) {
        return Err(wrong("/jsonrpc", "`\"2.0\"` is expected"));
    }
    const ID: &str = "a text or a whole number is expected";
    let id = match members.remove("id") {
        None => None,
        Some(value) => Some(Id::of(&value).ok_or_else(|| wrong("/id", ID))?),
    };
    let message = match (members.remove("method"), id) {
        (Some(Value::String(method)), id) => {
            let params = members.remove("params").unwrap_or(Value::Null);
            if !matches!(params, Value::Null | Value::Object(_)) {
                return Err(wrong("/params", "an object is expected"));
            }
            match id {
                Some(id) => Message::Request { id, method, params },
                None => Message::Notification { method, params },
            }
        }
        (Some(_), _) => return Err(wrong("/method", "a text is expected")),
        (None, None) => {
            return Err(wrong(
                "",
                "a message has a `method`, or an `id` and a `result` or an `error`",
            ));
        }
        (None, Some(id)) => {
            if members.remove("result").is_some() == members.remove("error").is_some() {
                return Err(wrong("", "a response has either a `result` or an `error`"));
            }
            Message::Response { id }
        }
    };
    match members.keys().next() {
        None => Ok(message),
        Some(other) => Err(json::Error::NotHere {
            at: format!("/{}", portcullis_host::escape_key(other)),
            why: "a message of JSON-RPC has no such member",
        }),
    }
}

/// Id that an unreadable message seems to have, for its answer. It decides nothing.
pub(crate) fn seeming_id(raw: &[u8]) -> Option<Id> {
    let value: Value = serde_json::from_slice(raw).ok()?;
    Id::of(value.get("id")?)
}

/// True if an unreadable message seems to be a request or a notification. It decides nothing.
pub(crate) fn is_request(raw: &[u8]) -> bool {
    let value = serde_json::from_slice::<Value>(raw).ok();
    value.is_some_and(|value| value.get("method").is_some())
}

/// One line of `raw`, without line breaks that some readers split at.
///
/// JSON has `\r` and `\n` only as white space, since in a text they are escaped. U+0085, U+2028 and U+2029 it has only in
/// texts, where they are escaped here.
pub(crate) fn one_line(raw: &[u8]) -> Vec<u8> {
    let mut line = Vec::with_capacity(raw.len());
    let mut rest = raw.trim_ascii();
    while let Some((first, others)) = rest.split_first() {
        let (written, used): (&[u8], usize) = match rest {
            [b'\r' | b'\n', ..] => (b" ", 1),
            [0xc2, 0x85, ..] => (b"\\u0085", 2),
            [0xe2, 0x80, 0xa8, ..] => (b"\\u2028", 3),
            [0xe2, 0x80, 0xa9, ..] => (b"\\u2029", 3),
            _ => {
                line.push(*first);
                rest = others;
                continue;
            }
        };
        line.extend_from_slice(written);
        rest = rest.get(used..).unwrap_or_default();
    }
    line
}

/// A request or a response of the client, which was read strictly, with another id.
pub(crate) fn with_id(raw: &[u8], id: &Id) -> Option<Vec<u8>> {
    let mut message: Value = serde_json::from_slice(raw).ok()?;
    message
        .as_object_mut()?
        .insert("id".to_owned(), id.to_json());
    Some(line(&message))
}

/// A notification that a request is cancelled, with another id of the request.
pub(crate) fn cancels(raw: &[u8], id: &Id) -> Option<Vec<u8>> {
    let mut message: Value = serde_json::from_slice(raw).ok()?;
    *message.pointer_mut("/params/requestId")? = id.to_json();
    Some(line(&message))
}

/// A response with a result or an error as it is.
pub(crate) fn response(id: &Id, result: &Result<Box<RawValue>, Box<RawValue>>) -> Vec<u8> {
    let (name, of) = match result {
        Ok(result) => ("result", result),
        Err(error) => ("error", error),
    };
    let text = format!(
        r#"{{"jsonrpc":"2.0","id":{},"{name}":{}}}"#,
        id.to_json(),
        of.get()
    );
    one_line(text.as_bytes())
}

/// A message as one line.
pub(crate) fn line(message: &Value) -> Vec<u8> {
    one_line(message.to_string().as_bytes())
}

/// A response with a result.
pub(crate) fn result(id: &Id, result: &Value) -> Vec<u8> {
    line(&json!({ "jsonrpc": "2.0", "id": id.to_json(), "result": result }))
}

/// A request.
pub(crate) fn request(id: &Id, method: &str, params: &Value) -> Vec<u8> {
    line(&json!({ "jsonrpc": "2.0", "id": id.to_json(), "method": method, "params": params }))
}

/// Error of JSON-RPC.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Error {
    pub(crate) code: i64,
    pub(crate) message: String,
    pub(crate) data: Option<Value>,
}

/// Codes of errors. Those of the gate are from the range that JSON-RPC leaves to applications.
pub(crate) mod code {
    /// The message is not JSON, or not unambiguous.
    pub(crate) const UNREADABLE: i64 = -32700;
    /// The message is not one that the gate passes on.
    pub(crate) const INVALID: i64 = -32600;
    /// The method is not one that the gate knows.
    pub(crate) const NO_METHOD: i64 = -32601;
    /// The headers and the body disagree, as MCP 2026-07-28 defines it.
    pub(crate) const HEADER_MISMATCH: i64 = -32020;
    /// The decision is a deny.
    pub(crate) const DENIED: i64 = -31001;
    /// The call cannot be decided.
    pub(crate) const UNDECIDED: i64 = -31002;
    /// The tool's definition is not the approved one.
    pub(crate) const NOT_AS_APPROVED: i64 = -31003;
    /// The server's answer cannot be passed on.
    pub(crate) const SERVER: i64 = -31004;
}

impl Error {
    pub(crate) fn new(code: i64, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            data: None,
        }
    }

    pub(crate) fn data(mut self, data: Value) -> Self {
        self.data = Some(data);
        self
    }

    /// The response to the request with that id, or to one without a known id.
    pub(crate) fn answer(&self, id: Option<&Id>) -> Vec<u8> {
        let mut error = json!({ "code": self.code, "message": self.message });
        if let (Some(data), Some(error)) = (&self.data, error.as_object_mut()) {
            error.insert("data".to_owned(), data.clone());
        }
        let id = id.map_or(Value::Null, Id::to_json);
        line(&json!({ "jsonrpc": "2.0", "id": id, "error": error }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(text: &str) -> Result<Message, String> {
        let read = of_client(text.as_bytes(), &RequestLimits::default());
        read.map_err(|error| error.to_string())
    }

    #[test]
    fn a_message_of_the_client_has_one_meaning_or_is_refused() {
        assert_eq!(
            client(r#"{"jsonrpc":"2.0","id":"a","method":"ping"}"#),
            Ok(Message::Request {
                id: Id::Text("a".into()),
                method: "ping".into(),
                params: Value::Null
            })
        );
        assert!(matches!(
            client(r#"{"jsonrpc":"2.0","method":"notifications/initialized","params":{}}"#),
            Ok(Message::Notification { .. })
        ));
        assert!(matches!(
            client(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#),
            Ok(Message::Response { .. })
        ));
        for wrong in [
            r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/call"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[1]}"#,
            r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"n":100000000000000000000001}}"#,
            r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#,
            r#"{"id":1,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"ping"} {}"#,
        ] {
            assert!(client(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_servers_own_members_are_strict_and_its_results_are_any_json() {
        for legal in [
            r#"{"jsonrpc":"2.0","id":1,"result":{"x":{"A":1,"a":2},"n":100000000000000000000001}}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":[]}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{}}"#,
        ] {
            assert!(of_server(legal.as_bytes()).is_ok(), "{legal}");
        }
        for wrong in [
            r#"{"jsonrpc":"2.0","id":1,"id":2,"result":{}}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{},"result":{}}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{},"ID":2}"#,
            r#"{"jsonrpc":"2.0","id":null,"result":{}}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{"inputRequests":{},"InputRequests":{}}}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[],"tools":[1]}}"#,
            "Listening on port 3000",
        ] {
            assert!(of_server(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_line_has_no_line_break_that_another_reader_splits_at() {
        let raw =
            "{\"a\":\r{\"jsonrpc\":\"2.0\"},\r\n\"b\":\"x\u{2028}y\u{85}\u{2029}é\"}\n".as_bytes();
        let line = one_line(raw);
        assert!(
            !String::from_utf8(line.clone())
                .unwrap()
                .contains(['\u{2028}', '\u{2029}', '\u{85}'])
        );
        assert!(!line.contains(&b'\r') && !line.contains(&b'\n'));
        let same = |raw: &[u8]| serde_json::from_slice::<Value>(raw).unwrap();
        assert_eq!(same(&line), same(raw));
    }
}
