//! Reads a line of a log. Lines have one form, and state its version.

use super::Entry;
use portcullis_contract::printable;
use serde::Deserialize;
use serde_json::Value;

/// Version of the lines that are written, and the only one accepted.
pub const VERSION: u64 = 1;

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
    if !text.starts_with(r#"{"v":1,"#) {
        version(text)?;
    }
    let entry = serde_json::from_str(text).map_err(|error| not_a_line(&error))?;
    Ok((text, entry))
}

fn version(text: &str) -> Result<(), String> {
    #[derive(Deserialize)]
    struct Versioned {
        v: Option<Value>,
    }
    let versioned: Versioned = serde_json::from_str(text).map_err(|error| not_a_line(&error))?;
    match versioned.v {
        Some(version) if version == VERSION => Ok(()),
        Some(version) => Err(format!(
            "it is of version `{}`, and version {VERSION} is read here: use a `portcullis` of its version",
            portcullis_contract::excerpt(&version.to_string())
        )),
        None => Err(format!(
            "it has no version (`v`): version {VERSION} is read here; move a log from before it away, and begin a new one"
        )),
    }
}

fn not_a_line(error: &serde_json::Error) -> String {
    format!("it is no line of a log: {}", printable(&error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"{"v":1,"sequence":1,"previous":"the beginning","at":"2026-11-26T00:00:00Z","event":"continuation","behind-head":2}"#;

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
            (with("\"v\":1", "\"v\":2"), "version `2`"),
            (with("\"v\":1", "\"v\":\"1\""), "version `\"1\"`"),
            (with("\"v\":1", "\"v\":1.5"), "version `1.5`"),
            (with("\"v\":1,", ""), "no version"),
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
}
