//! Reads a line of a log. Lines have one form, and state its version.

use super::{Entry, Event};
use portcullis_contract::printable;
use serde::Deserialize;
use serde_json::Value;

/// Version of the lines that are written.
pub const VERSION: u64 = 2;

/// Oldest version of lines that are read.
const OLDEST: u64 = 1;

/// Causes that version 1 called otherwise.
const RENAMED: [(&str, &str); 3] = [
    ("beyond-trust", "beyond-tier"),
    ("evidence-missing", "required-check-missing"),
    ("posture-amiss", "destination-unfit"),
];

/// Maximum size of a line, in bytes.
///
/// It exceeds the largest possible request with every character escaped.
pub(super) const MAX_BYTES: u64 = 128 * 1024 * 1024;

/// Reads a line, without its line end. The error describes the problem.
pub(super) fn parse(line: &[u8]) -> Result<(&str, Entry), String> {
    if line.is_empty() {
        return Err("it is empty".to_owned());
    }
    if line.starts_with(b"\xef\xbb\xbf") {
        return Err("it begins with a byte order mark, which no host writes".to_owned());
    }
    if line.ends_with(b"\r") {
        return Err("it ends with a carriage return: the line ends were converted".to_owned());
    }
    if let Some(at) = line.iter().position(|byte| *byte == 0) {
        return Err(format!(
            "byte {} is NUL: it was overwritten, or the machine stopped before it was on disk",
            at + 1
        ));
    }
    let text = std::str::from_utf8(line)
        .map_err(|error| format!("byte {} is not UTF-8", error.valid_up_to() + 1))?;
    // Fast path: every line that a host writes begins like this.
    let version = match text.starts_with(r#"{"v":2,"#) {
        true => VERSION,
        false => version(text)?,
    };
    let mut entry: Entry = serde_json::from_str(text).map_err(|error| not_a_line(&error))?;
    if version < VERSION
        && let Event::Decision(decided) = &mut entry.event
    {
        rename(&mut decided.decision);
    }
    Ok((text, entry))
}

/// Gives what version 1 called otherwise its present name.
fn rename(decision: &mut Value) {
    if let Some(cause) = decision.pointer_mut("/context/cause")
        && let Some((_, new)) = RENAMED.iter().find(|(old, _)| cause == old)
    {
        *cause = Value::from(*new);
    }
    let reasons = decision.pointer_mut("/context/reasons");
    for reason in reasons.and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(members) = reason.as_object_mut()
            && let Some(fields) = members.remove("evidence")
        {
            members.insert("fields".to_owned(), fields);
        }
    }
    let obligations = decision.pointer_mut("/context/obligations");
    let obligations = obligations.and_then(Value::as_array_mut);
    for obligation in obligations.into_iter().flatten() {
        let Some(id) = obligation.get_mut("id").filter(|id| *id == "host:trust") else {
            continue;
        };
        *id = Value::from("host:tier");
        let properties = obligation.get_mut("properties");
        if let Some(properties) = properties.and_then(Value::as_object_mut)
            && let Some(tier) = properties.remove("trust")
        {
            properties.insert("tier".to_owned(), tier);
        }
    }
}

/// Version of the line, if it can be read.
fn version(text: &str) -> Result<u64, String> {
    #[derive(Deserialize)]
    struct Versioned {
        v: Option<Value>,
    }
    let versioned: Versioned = serde_json::from_str(text).map_err(|error| not_a_line(&error))?;
    match versioned.v {
        Some(version) => match version.as_u64() {
            Some(version @ OLDEST..=VERSION) => Ok(version),
            _ => Err(format!(
                "it has version `{}`, but only versions {OLDEST} to {VERSION} are supported: use a `portcullis` of its version",
                portcullis_contract::excerpt(&version.to_string())
            )),
        },
        None => Err(format!(
            "it has no version (`v`), but only versions {OLDEST} to {VERSION} are supported; move the old log away, and begin a new one"
        )),
    }
}

fn not_a_line(error: &serde_json::Error) -> String {
    format!("it is no line of a log: {}", printable(&error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"{"v":2,"sequence":1,"previous":"the beginning","at":"2026-11-26T00:00:00Z","event":"continuation","behind-head":2}"#;

    #[test]
    fn a_line_has_one_form() {
        assert_eq!(parse(WHOLE.as_bytes()).unwrap().1.sequence, 1);
        let with = |from: &str, to: &str| WHOLE.replacen(from, to, 1).into_bytes();
        let latin = [WHOLE.as_bytes(), b"\xe9"].concat();
        for (line, said) in [
            (Vec::new(), "empty"),
            (latin, "byte 115 is not UTF-8"),
            (
                [b"\xef\xbb\xbf", WHOLE.as_bytes()].concat(),
                "byte order mark",
            ),
            ([WHOLE.as_bytes(), b"\r"].concat(), "carriage return"),
            (with("head", "he\0d"), "is NUL"),
            (with("\"v\":2", "\"v\":3"), "version `3`"),
            (with("\"v\":2", "\"v\":0"), "version `0`"),
            (with("\"v\":2", "\"v\":\"1\""), "version `\"1\"`"),
            (with("\"v\":2", "\"v\":1.5"), "version `1.5`"),
            (with("\"v\":2,", ""), "no version"),
            (b"hello".to_vec(), "no line of a log"),
            (b"[1]".to_vec(), "no line of a log"),
            (with("continuation", "\u{202e}"), "\u{fffd}"),
            (with("\"sequence\":1,", ""), "sequence"),
            (with(":2}", ":2"), "no line of a log"),
        ] {
            let error = parse(&line).unwrap_err();
            assert!(error.contains(said), "{error}");
            assert_eq!(error, printable(&error));
        }
    }

    /// Members that were added to lines of the same version.
    #[test]
    fn a_line_is_read_with_and_without_members_that_were_added() {
        let line = |more: &str| {
            format!(
                r#"{{"v":2,"sequence":1,"previous":"p","at":"2026-11-26T00:00:00Z","event":"decision","id":"i","request-digest":"d","masked":false,"request":{{}},"inputs":{{}},"decision":{{"decision":false}}{more}}}"#
            )
        };
        let candidate = |more: &str| {
            let (_, entry) = parse(line(more).as_bytes())
                .map_err(|error| format!("{more}: {error}"))
                .unwrap();
            match entry.event {
                Event::Decision(decided) => decided.candidate,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(candidate(""), None);
        assert_eq!(candidate(r#","of-a-later-host":{"a":1}"#), None);
        let found = candidate(
            r#","candidate":{"decision":true,"cause":"permitted","differs":["effect"],"of-a-later-host":1,"plugins":[{"name":"a","version":"1.0.0","digest":"d","settings-digest":"s","effect":"permit","codes":["c"]}]}"#,
        )
        .unwrap();
        assert!(found.decision && found.differs == ["effect"] && found.plugins[0].codes == ["c"]);
    }

    #[test]
    fn a_line_of_version_1_is_read_with_the_present_names() {
        let line = |v: u64, inputs: &str, cause: &str, tier: &str| {
            format!(
                r#"{{"v":{v},"sequence":1,"previous":"p","at":"2026-11-26T00:00:00Z","event":"decision","id":"i","request-digest":"d","masked":false,"request":{{}},"{inputs}":{{"waived":["{}"]}},"decision":{{"decision":false,"context":{{"cause":"{cause}","obligations":[{{"id":"host:{tier}","properties":{{"{tier}":"vendor"}}}},{{"id":"p:1"}}]}}}}}}"#,
                if v == 1 { "posture" } else { "destination" }
            )
        };
        for (old, new) in [
            ("beyond-trust", "beyond-tier"),
            ("evidence-missing", "required-check-missing"),
            ("posture-amiss", "destination-unfit"),
            ("revoked", "revoked"),
        ] {
            let before = line(1, "evidence", old, "trust");
            let now = line(2, "inputs", new, "tier");
            let (_, before) = parse(before.as_bytes()).unwrap();
            assert_eq!(before, parse(now.as_bytes()).unwrap().1);
        }
    }
}
