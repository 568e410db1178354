//! Intents as JSON documents: reads them from files, and writes them for approvers.

use crate::file;
use crate::output::{self, shown};
use anyhow::{Context as _, anyhow};
use portcullis_host::config::looks_like_a_token;
use portcullis_host::{StoredIntent, Timestamp, printable};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Reads the intent in `file`, JSON or signed, as JSON.
///
/// It does not verify the signature: the result is for an approver to sign, or for a person to read.
pub(super) fn read(file: &Path) -> anyhow::Result<(Value, StoredIntent)> {
    let text = file::read_text(file)?;
    let json = if text.trim_start().starts_with('{') {
        text
    } else {
        portcullis_host::unverified_intent(text.trim()).map_err(|error| {
            anyhow!(
                "{}: it is neither an intent in JSON nor a signed one: {error}",
                file.display()
            )
        })?
    };
    let intent = StoredIntent::from_json(json.as_bytes())
        .with_context(|| format!("{}: it is no intent", file.display()))?;
    if looks_like_a_token(&json) {
        output::warn_of_token(&file.display().to_string());
    }
    Ok((serde_json::from_str(&json)?, intent))
}

/// Returns the document of a parsed intent. It is the same intent, but its JSON may differ in form.
pub(super) fn of(intent: &StoredIntent) -> Value {
    let allows = intent.allows.iter().map(|allowance| {
        let mut json = json!({
            "integration": allowance.integration,
            "action": allowance.action,
            "resource": allowance.resource,
        });
        if let Some(arguments) = &allowance.arguments {
            json["arguments"] = arguments.to_json();
        }
        if !allowance.constraints.is_empty() {
            json["constraints"] = json!(allowance.constraints);
        }
        if let Some(uses) = allowance.max_uses {
            json["max-uses"] = json!(uses);
        }
        json
    });
    let denies = intent.denies.iter().map(|denial| {
        json!({
            "integration": denial.integration,
            "action": denial.action,
            "resource": denial.resource,
        })
    });
    let (allows, denies): (Vec<_>, Vec<_>) = (allows.collect(), denies.collect());
    let mut document = json!({
        "id": intent.id,
        "purpose": intent.purpose,
        "principal": intent.principal,
        "approved-by": { "who": intent.approved_by, "at": intent.approved_at },
        "issued-at": intent.issued_at,
        "expires-at": intent.expires_at,
        "allows": allows,
    });
    if !denies.is_empty() {
        document["denies"] = Value::Array(denies);
    }
    if let Some((id, digest)) = &intent.parent {
        document["parent"] = json!({ "id": id, "digest": digest.to_string() });
    }
    if let Some(uses) = intent.max_uses {
        document["max-uses"] = json!(uses);
    }
    if let Some(said) = &intent.said {
        document["said"] = json!(said.to_string());
    }
    if let Some(exception) = &intent.exception {
        document["exception"] = json!({ "owner": exception.owner, "waives": exception.waives });
    }
    document
}

/// Warns the signer of the risks of an intent.
pub(super) fn warn(intent: &StoredIntent) {
    for warning in intent.warnings() {
        let text = format!("intent {}: {warning}", intent.id);
        output::warn(&shown(&text));
    }
}

/// Writes a document to `file`, or to standard output.
pub(super) fn write(text: &str, file: Option<&PathBuf>) -> anyhow::Result<()> {
    match file {
        None => output::line(text)?,
        Some(file) => {
            file::write(file, format!("{text}\n"))?;
            output::note(&format!("wrote {}", file.display()));
        }
    }
    Ok(())
}

/// Returns the time now and after `lifetime`, in whole seconds as signed intents have it.
pub(crate) fn from_now(lifetime: Duration) -> (Timestamp, Timestamp) {
    let now = Timestamp::from_millis(Timestamp::now().as_millis() / 1000 * 1000);
    (now, now.plus(lifetime))
}

/// Returns an unused id for an intent.
pub(crate) fn new_id() -> anyhow::Result<String> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes)
        .map_err(|error| anyhow!("the system gives no randomness for an id: {error}"))?;
    let hex: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("int-{}", hex.concat()))
}

/// Formats an intent as JSON that displays as it reads.
///
/// Characters that reorder or hide text are escaped, which does not change the JSON.
pub(crate) fn to_text(intent: &Value) -> String {
    escaped(&format!("{intent:#}"))
}

/// As [`to_text`], on one line.
pub(crate) fn to_line(intent: &Value) -> String {
    escaped(&intent.to_string())
}

fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if c == '\n' || printable(c.encode_utf8(&mut [0; 4])).starts_with(c) {
            text.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                text.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_of_an_intent_is_that_intent() {
        let document = json!({
            "id": "int-1",
            "purpose": "p",
            "principal": "spiffe://acme.example/agent/x",
            "approved-by": { "who": "spiffe://acme.example/agent/lead", "at": "2026-01-01T00:00:00Z" },
            "issued-at": "2026-01-01T00:00:00Z",
            "expires-at": "2099-01-01T00:00:00Z",
            "parent": { "id": "int-0", "digest": format!("sha256:{}", "0".repeat(64)) },
            "max-uses": 9,
            "allows": [
                { "integration": "bank", "action": "*", "resource": "acme/**", "max-uses": 3,
                  "arguments": { "required": ["/to"], "optional": ["/message/text"] },
                  "constraints": [{ "path": "/to", "op": "one-of", "value": ["a", "b"] }] },
                { "integration": "mail", "action": "send", "resource": "*", "arguments": "open" },
                { "integration": "mail", "action": "read", "resource": "*" },
            ],
            "denies": [{ "integration": "bank", "action": "close", "resource": "**" }],
            "exception": { "owner": "alice", "waives": ["credential-lifetime", "destination"] },
        });
        let intent = StoredIntent::from_json(document.to_string().as_bytes()).unwrap();
        assert_eq!(of(&intent), document);
        let again = StoredIntent::from_json(of(&intent).to_string().as_bytes()).unwrap();
        assert_eq!(again.digest(), intent.digest());
    }
}
