//! Intents as documents: read from files, and written for somebody to approve.

use crate::output;
use anyhow::{Context as _, bail};
use base64ct::{Base64UrlUnpadded, Encoding as _};
use portcullis_host::{INTENT_TYPE, StoredIntent, Timestamp};
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
        unsigned(text.trim()).with_context(|| {
            format!(
                "{}: it is neither an intent in JSON nor a signed one",
                file.display()
            )
        })?
    };
    let intent = StoredIntent::from_json(json.as_bytes())
        .with_context(|| format!("{}: it is no intent", file.display()))?;
    Ok((serde_json::from_str(&json)?, intent))
}

fn unsigned(token: &str) -> anyhow::Result<String> {
    let claims = token.split('.').nth(1).context("there are no claims")?;
    let claims: Value = serde_json::from_slice(&Base64UrlUnpadded::decode_vec(claims)?)?;
    let details = claims.pointer("/authorization_details/0");
    let Some(Value::Object(mut members)) = details.cloned() else {
        bail!("it has no `authorization_details`");
    };
    if members.remove("type").as_ref().and_then(Value::as_str) != Some(INTENT_TYPE) {
        bail!("its `authorization_details` are of another type");
    }
    Ok(Value::Object(members).to_string())
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
pub(super) fn new_id() -> String {
    let mut bytes = [0; 8];
    // Without randomness from the system there is none that is not used.
    if getrandom::fill(&mut bytes).is_err() {
        bytes = Timestamp::now().as_millis().to_be_bytes();
    }
    let hex: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("int-{}", hex.concat())
}
