//! A batch of lines as a request: the lines as they are, or log records of OTLP.

use crate::settings::{Format, ShipSettings};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, header};
use portcullis_host::log::Line;
use serde::Deserialize;
use serde_json::{Value, json};

/// Header with the number of the first line of a batch.
const FIRST: HeaderName = HeaderName::from_static("portcullis-log-first");
/// Header with the number of the last line of a batch.
const LAST: HeaderName = HeaderName::from_static("portcullis-log-last");
/// Header with the name of the log.
const NAME: HeaderName = HeaderName::from_static("portcullis-log-name");

/// `SEVERITY_NUMBER_INFO` of OTLP: a deny is a result, and no failure of the host.
const INFO: u8 = 9;

/// The request for a batch that is not empty.
///
/// # Errors
///
/// The reason why the settings make no request.
pub(super) fn request(ship: &ShipSettings, lines: &[Line]) -> Result<Request<Bytes>, String> {
    let (content_type, body) = match ship.format {
        Format::Jsonl => ("application/x-ndjson", jsonl(lines)),
        Format::Otlp => ("application/json", otlp(ship, lines)),
    };
    let numbered = |line: Option<&Line>| HeaderValue::from(line.map_or(0, |line| line.sequence));
    let mut request = Request::post(&ship.endpoint.url)
        .header(header::CONTENT_TYPE, content_type)
        .header(FIRST, numbered(lines.first()))
        .header(LAST, numbered(lines.last()));
    if let Some(name) = &ship.name {
        request = request.header(NAME, name);
    }
    request.body(body.into()).map_err(|error| error.to_string())
}

fn jsonl(lines: &[Line]) -> String {
    let mut body = String::new();
    for line in lines {
        body.push_str(&line.text);
        body.push('\n');
    }
    body
}

/// An `ExportLogsServiceRequest` in the JSON mapping of protobuf, in which 64-bit numbers are texts.
fn otlp(ship: &ShipSettings, lines: &[Line]) -> String {
    let text = |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
    let mut resource = vec![text("service.name", "portcullis")];
    if let Some(name) = &ship.name {
        resource.push(text("service.instance.id", name));
    }
    let records: Vec<_> = lines.iter().map(record).collect();
    json!({
        "resourceLogs": [{
            "resource": { "attributes": resource },
            "scopeLogs": [{
                "scope": { "name": "portcullis", "version": env!("CARGO_PKG_VERSION") },
                "logRecords": records,
            }],
        }],
    })
    .to_string()
}

fn record(line: &Line) -> Value {
    let at = i128::from(line.at.as_millis()).saturating_mul(1_000_000);
    json!({
        "timeUnixNano": at.to_string(),
        "observedTimeUnixNano": at.to_string(),
        "severityNumber": INFO,
        "severityText": "INFO",
        "eventName": format!("portcullis.{}", event(&line.text)),
        "body": { "stringValue": line.text },
        "attributes": [{
            "key": "portcullis.log.sequence",
            "value": { "intValue": line.sequence.to_string() },
        }],
    })
}

/// The event that a line records.
fn event(line: &str) -> String {
    #[derive(Deserialize)]
    struct Recorded {
        event: String,
    }
    // Every line of a log has one.
    serde_json::from_str(line).map_or_else(|_| "unknown".to_owned(), |it: Recorded| it.event)
}

/// Number of records that a receiver of OTLP rejected, although it answered with success, and its message.
///
/// An answer that is not JSON rejects none: a receiver may answer with nothing.
pub(super) fn rejected(ship: &ShipSettings, response: &Response<Bytes>) -> Option<(u64, String)> {
    if ship.format != Format::Otlp {
        return None;
    }
    let body: Value = serde_json::from_slice(response.body()).ok()?;
    let partial = body.get("partialSuccess")?;
    let rejected = match partial.get("rejectedLogRecords")? {
        Value::String(number) => number.parse().ok()?,
        number => number.as_u64()?,
    };
    let message = partial.get("errorMessage").and_then(Value::as_str);
    (rejected > 0).then(|| (rejected, message.unwrap_or_default().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_that_rejects_records_says_so_in_a_success() {
        let ship = |format: &str| {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("portcullis.toml");
            let text = format!(
                "log = {{ path = \"d.jsonl\" }}\n[serve.ship]\nurl = \"http://127.0.0.1:1/\"\nformat = \"{format}\""
            );
            std::fs::write(&file, text).unwrap();
            crate::settings::read(&file).unwrap().ship.unwrap()
        };
        let otlp = ship("otlp");
        let said = |ship: &ShipSettings, body: &'static str| {
            rejected(ship, &Response::new(Bytes::from_static(body.as_bytes())))
        };
        let partial = r#"{"partialSuccess":{"rejectedLogRecords":"2","errorMessage":"full"}}"#;
        assert_eq!(said(&otlp, partial), Some((2, "full".to_owned())));
        let number = r#"{"partialSuccess":{"rejectedLogRecords":1}}"#;
        assert_eq!(said(&otlp, number), Some((1, String::new())));
        for whole in [
            "",
            "ok",
            "{}",
            r#"{"partialSuccess":{}}"#,
            r#"{"partialSuccess":{"rejectedLogRecords":"0"}}"#,
            r#"{"partialSuccess":{"errorMessage":"soon full"}}"#,
        ] {
            assert_eq!(said(&otlp, whole), None, "{whole}");
        }
        assert_eq!(said(&ship("jsonl"), partial), None);
    }
}
