//! The arguments of a recorded call, as an allowance of a draft requires them again.

use portcullis_host::escape_key;
use serde_json::{Value, json};

/// Headers that differ in each call, in lower case.
const VOLATILE: [&str; 29] = [
    "authorization",
    "b3",
    "baggage",
    "content-digest",
    "content-length",
    "cookie",
    "correlation-id",
    "date",
    "digest",
    "dpop",
    "grpc-timeout",
    "idempotency-key",
    "proxy-authorization",
    "request-id",
    "sentry-trace",
    "signature",
    "signature-input",
    "traceparent",
    "tracestate",
    "user-agent",
    "x-amz-date",
    "x-amzn-trace-id",
    "x-b3-parentspanid",
    "x-b3-sampled",
    "x-b3-spanid",
    "x-b3-traceid",
    "x-cloud-trace-context",
    "x-correlation-id",
    "x-request-id",
];

/// The arguments of a call, each pinned to its value or left out.
#[derive(Debug, Default)]
pub(crate) struct Pinned {
    /// Pointers that a call must have.
    pub(crate) required: Vec<String>,
    /// Pointers to what differs in each call, which may have any value.
    pub(crate) left_out: Vec<String>,
    /// Constraints on the values.
    pub(crate) constraints: Vec<Value>,
}

impl Pinned {
    /// Pins `arguments`.
    ///
    /// Without a volatile header, the arguments as a whole must be equal. Otherwise, each part that has none
    /// must be equal, and headers that differ in each call are optional.
    pub(crate) fn of(arguments: &Value) -> Self {
        let mut pinned = Self::default();
        if has_volatile(arguments) {
            pinned.pin(String::new(), arguments);
        } else {
            let names = arguments.as_object().into_iter().flatten();
            pinned.required = names.map(|(key, _)| below("", key)).collect();
            pinned.constraints = vec![equals("", arguments)];
        }
        pinned
    }

    fn pin(&mut self, at: String, value: &Value) {
        let Some(members) = value.as_object().filter(|_| has_volatile(value)) else {
            self.constraints.push(equals(&at, value));
            self.required.push(at);
            return;
        };
        for (key, value) in members {
            let at = below(&at, key);
            let headers = value.as_object().filter(|_| are_headers(key));
            let Some(headers) = headers else {
                self.pin(at, value);
                continue;
            };
            for (name, value) in headers {
                let at = below(&at, name);
                match is_volatile(name) {
                    true => self.left_out.push(at),
                    false => self.pin(at, value),
                }
            }
        }
    }

    /// True if a pinned value is the text that stands for a masked one in a log.
    pub(crate) fn has_masked(&self) -> bool {
        fn is_masked(value: &Value) -> bool {
            match value {
                Value::String(text) => text == "masked",
                Value::Array(items) => items.iter().any(is_masked),
                Value::Object(members) => members.values().any(is_masked),
                _ => false,
            }
        }
        self.constraints.iter().any(|it| is_masked(&it["value"]))
    }
}

/// True if an object of headers in `value` has one that differs in each call.
fn has_volatile(value: &Value) -> bool {
    let Some(members) = value.as_object() else {
        return false;
    };
    members.iter().any(|(key, value)| match value.as_object() {
        Some(headers) if are_headers(key) => headers.keys().any(|name| is_volatile(name)),
        _ => has_volatile(value),
    })
}

fn are_headers(member: &str) -> bool {
    let name = member.to_ascii_lowercase();
    name == "header" || name.ends_with("headers")
}

fn is_volatile(header: &str) -> bool {
    let name = header.trim().to_ascii_lowercase();
    VOLATILE.contains(&name.replace('_', "-").as_str())
}

fn below(at: &str, key: &str) -> String {
    format!("{at}/{}", escape_key(key))
}

fn equals(path: &str, value: &Value) -> Value {
    json!({ "path": path, "op": "equals", "value": value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_that_differ_in_each_call_are_left_out_and_others_are_pinned() {
        let arguments = json!({
            "path": "/a",
            "headers": {
                "accept": "text/html", "Date": "Mon", "traceparent": "00-1", "X_Request_Id": "7",
                "x-date": "kept",
            },
            "options": { "Http-Headers": { "user-agent": "x" }, "date": "kept" },
        });
        let pinned = Pinned::of(&arguments);
        assert_eq!(
            pinned.left_out,
            [
                "/headers/Date",
                "/headers/X_Request_Id",
                "/headers/traceparent",
                "/options/Http-Headers/user-agent"
            ]
        );
        let required = [
            "/headers/accept",
            "/headers/x-date",
            "/options/date",
            "/path",
        ];
        assert_eq!(pinned.required, required);
        let constrained: Vec<_> = pinned.constraints.iter().map(|it| &it["path"]).collect();
        assert_eq!(constrained, required);
    }

    #[test]
    fn without_such_a_header_the_arguments_are_pinned_as_a_whole() {
        for arguments in [
            json!({}),
            json!({ "date": "Mon", "b": { "user-agent": "x" } }),
            json!({ "headers": { "accept": "a" } }),
            // The order of a list is its own: no item can be left out.
            json!({ "headers": [["date", "Mon"]] }),
        ] {
            let pinned = Pinned::of(&arguments);
            assert_eq!(pinned.constraints, [equals("", &arguments)]);
            assert!(pinned.left_out.is_empty());
            assert_eq!(pinned.required.len(), arguments.as_object().unwrap().len());
        }
    }

    #[test]
    fn a_masked_header_counts_only_if_it_is_pinned() {
        let with = |name: &str| Pinned::of(&json!({ "headers": { "date": "x", name: "masked" } }));
        assert!(!with("authorization").has_masked());
        assert!(with("x-api-key").has_masked());
    }
}
