//! Manifests of plugins.
//!
//! - An accepted manifest, written again, is the same manifest.
//! - Each problem of a refused one has a place in the text, and there are no more problems than bytes.

use crate::Read;
use crate::members::expect_printable;
use portcullis_contract::{Manifest, ManifestFault};
use serde_json::Value;

pub(super) fn run(input: &[u8]) -> Read {
    let Ok(text) = std::str::from_utf8(input) else {
        return Read::Refused;
    };
    let manifest = match Manifest::parse(text) {
        Ok(manifest) => manifest,
        Err(error) => {
            let problems = error.0;
            assert!(!problems.is_empty() && problems.len() <= text.len().max(1));
            let lines = text.split('\n').count();
            for problem in problems {
                assert!(
                    !matches!(problem.fault, ManifestFault::NotRead(_)),
                    "the parser panicked: {problem}"
                );
                let of_file = matches!(problem.fault, ManifestFault::TooLarge(_));
                assert_eq!(of_file, problem.line == 0, "{problem}");
                assert!(problem.line <= lines, "{problem} of {lines} lines");
                assert_eq!(problem.line == 0, problem.column == 0, "{problem}");
                expect_printable(&problem.to_string());
            }
            return Read::Refused;
        }
    };
    let written = written(&manifest);
    let again = Manifest::parse(&written);
    assert_eq!(again.as_ref(), Ok(&manifest), "written as {written}");
    Read::Accepted
}

/// The manifest in TOML.
fn written(manifest: &Manifest) -> String {
    let value = serde_json::to_value(manifest).expect("a manifest serialises");
    let members = value.as_object().expect("a manifest is an object");
    let line = |(name, value): (&String, &Value)| format!("{name} = {}\n", in_toml(value));
    members.iter().map(line).collect()
}

/// The value in TOML, on one line.
fn in_toml(value: &Value) -> String {
    match value {
        // What is no number in JSON.
        Value::Null => "nan".to_owned(),
        Value::Bool(it) => it.to_string(),
        Value::Number(it) => it.to_string(),
        Value::String(text) => quoted(text),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(in_toml).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(members) => {
            let member =
                |(name, value): (&String, &Value)| format!("{} = {}", quoted(name), in_toml(value));
            let members: Vec<_> = members.iter().map(member).collect();
            format!("{{ {} }}", members.join(", "))
        }
    }
}

/// The text as a basic string of TOML.
fn quoted(text: &str) -> String {
    // The escapes of JSON, and one that JSON does not need.
    let json = Value::from(text).to_string();
    json.replace('\u{7f}', "\\u007f")
}
