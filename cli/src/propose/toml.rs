//! Parts of a TOML document as text, with comments, which no writer of TOML in the tree supports.

use portcullis_host::{printable, withheld};
use serde_json::Value;

/// A text in TOML, on one line.
///
/// Characters that control a terminal or hide or reorder text are escaped.
pub(super) fn text(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            c if printable(c.encode_utf8(&mut [0; 4])).starts_with(c) => quoted.push(c),
            c => quoted.push_str(&format!("\\U{:08X}", u32::from(c))),
        }
    }
    quoted.push('"');
    quoted
}

/// A list of texts in TOML.
pub(super) fn texts<T: AsRef<str>>(items: impl IntoIterator<Item = T>) -> String {
    let items = items.into_iter().map(|item| text(item.as_ref()));
    format!("[{}]", items.collect::<Vec<_>>().join(", "))
}

/// A value in TOML: text, a whole number, true or false, or a list of these. `None` for others.
pub(super) fn value(json: &Value) -> Option<String> {
    match json {
        Value::String(it) => Some(text(it)),
        Value::Bool(it) => Some(it.to_string()),
        Value::Number(it) if it.is_i64() => Some(it.to_string()),
        Value::Array(items) => {
            let items: Option<Vec<_>> = items.iter().map(value).collect();
            Some(format!("[{}]", items?.join(", ")))
        }
        Value::Number(_) | Value::Null | Value::Object(_) => None,
    }
}

/// A comment of one line. Text that looks like a secret is withheld.
pub(super) fn comment(text: &str) -> String {
    format!("# {}\n", printable(&withheld(text)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_text_is_read_as_it_was() {
        for original in [
            "plain",
            "",
            "a \"quoted\" \\ text",
            "tab\tline\nreturn\r\u{0}\u{7f}\u{1b}",
            "\u{202e}\u{200b}\u{feff}",
            "äöü 漢字 🦀",
            "'''\"\"\"",
        ] {
            let document = format!("it = {}", text(original));
            assert!(!document.contains('\n'), "{document:?}");
            let read: toml::Table = document.parse().unwrap();
            assert_eq!(read["it"].as_str(), Some(original), "{document}");
        }
    }

    #[test]
    fn values_that_toml_has_no_form_for_have_none() {
        for (json, expected) in [
            (json!("a"), Some("\"a\"")),
            (json!([1, true, "a"]), Some("[1, true, \"a\"]")),
            (json!(-7), Some("-7")),
            (json!(null), None),
            (json!([null]), None),
            (json!({}), None),
        ] {
            assert_eq!(value(&json).as_deref(), expected, "{json}");
        }
    }

    #[test]
    fn a_comment_is_one_line() {
        let written = comment("a\nowner = \"mallory\"\u{85}b");
        assert_eq!(written.lines().count(), 1);
        assert!(
            format!("{written}x = 1")
                .parse::<toml::Table>()
                .unwrap()
                .len()
                == 1
        );
    }
}
