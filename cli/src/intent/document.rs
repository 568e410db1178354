//! Intents as documents: read from files, and written for somebody to approve.

use crate::output;
use anyhow::{Context as _, anyhow};
use portcullis_host::config::looks_like_a_token;
use portcullis_host::{StoredIntent, Timestamp, printable};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The intent in `file`, JSON or signed, as JSON. The signature is not verified: what is made of it is
/// for somebody to sign, or to read.
pub(super) fn read(file: &Path) -> anyhow::Result<(Value, StoredIntent)> {
    let text =
        std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
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

/// Writes a document to `file`, or to standard output.
pub(super) fn write(text: &str, file: Option<&PathBuf>) -> anyhow::Result<()> {
    match file {
        None => output::line(text)?,
        Some(file) => {
            std::fs::write(file, format!("{text}\n"))
                .with_context(|| format!("cannot write {}", file.display()))?;
            output::note(&format!("wrote {}", file.display()));
        }
    }
    Ok(())
}

/// Now, and so much later, in whole seconds, which is all that a signed intent can say.
pub(super) fn from_now(lifetime: Duration) -> (Timestamp, Timestamp) {
    let now = Timestamp::from_millis(Timestamp::now().as_millis() / 1000 * 1000);
    (now, now.plus(lifetime))
}

/// An id that nobody has given to an intent yet.
pub(super) fn new_id() -> anyhow::Result<String> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes)
        .map_err(|error| anyhow!("the system gives no randomness for an id: {error}"))?;
    let hex: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("int-{}", hex.concat()))
}

/// The intent as JSON that shows on a screen what it says: what could reorder or hide text is written
/// as an escape, which is the same JSON.
pub(super) fn to_text(intent: &Value) -> anyhow::Result<String> {
    let json = serde_json::to_string_pretty(intent)?;
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
    Ok(text)
}
