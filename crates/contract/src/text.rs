//! Display of text that a plugin, a request or a file controls.

/// Replaces each character that could command a terminal or reorder a line.
///
/// These are control characters, and invisible characters that change the direction of text or hide it.
pub fn printable(text: &str) -> String {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return text.to_owned();
    }
    text.chars()
        .map(|c| if is_printable(c) { c } else { '\u{fffd}' })
        .collect()
}

/// Joins the lines of a message from a library, such as a parser, with spaces.
///
/// For text of this process. In text that a plugin or a request controls, [`printable`] replaces line feeds.
pub fn one_line(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join(" ")
}

/// Returns the first 60 characters of `text`, printable.
///
/// Enough for a reader to recognise the text.
pub fn excerpt(text: &str) -> String {
    beginning(text, 60)
}

/// Returns the first 600 characters of a message, printable.
///
/// A file controls part of the message. 600 characters leave room for the remedy at the message's end and fit
/// on one line of an error.
pub fn message(text: &str) -> String {
    beginning(text, 600)
}

fn beginning(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        Some((end, _)) => format!("{}…", printable(text.get(..end).unwrap_or_default())),
        None => printable(text),
    }
}

/// Returns line and column of the byte at `offset` in `text`, from 1.
///
/// The column counts characters. If `offset` is past the end, the result is the position of the end.
pub fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let in_line = before.rsplit('\n').next().unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    (line, in_line.chars().count() + 1)
}

/// Escapes unprintable characters of a JSON text.
///
/// Such characters could command a terminal or reorder a line.
///
/// The escaped JSON has the same meaning.
pub fn escaped(json: &str) -> String {
    if json.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return json.to_owned();
    }
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        // Line breaks and tabs occur between the members of JSON.
        if is_printable(c) || matches!(c, '\n' | '\t') {
            escaped.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                escaped.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    escaped
}

/// True if a character is safe to print.
///
/// It neither commands a terminal nor hides or reorders its neighbours.
pub fn is_printable(c: char) -> bool {
    !c.is_control()
        && !matches!(c,
            '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// True if a reader of a name does not see `c`.
///
/// Such a character is not printable, or Unicode lets readers ignore it (`Default_Ignorable_Code_Point`), or
/// it is a blank that is not white space.
pub fn is_invisible(c: char) -> bool {
    !is_printable(c)
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_commands_the_terminal() {
        assert_eq!(
            printable("a\x1b[31mb\n\u{202e}c é\u{61c}"),
            "a\u{fffd}[31mb\u{fffd}\u{fffd}c é\u{fffd}"
        );
        assert_eq!(excerpt(&"é".repeat(61)), format!("{}…", "é".repeat(60)));
        assert_eq!(excerpt("é\n"), "é\u{fffd}");
    }

    #[test]
    fn the_lines_of_a_message_become_one() {
        assert_eq!(one_line("a\n  b\r\n\nc\n"), "a b c");
        assert_eq!(one_line("a  b"), "a  b");
        assert_eq!(one_line("a\u{1b}b"), "a\u{1b}b");
    }

    #[test]
    fn escaped_json_means_the_same() {
        let json = "{\"a\u{9b}\":\"\u{202e}é\u{e0041}\"}";
        assert_eq!(escaped(json), r#"{"a\u009b":"\u202eé\udb40\udc41"}"#);
        let read: serde_json::Value = serde_json::from_str(&escaped(json)).unwrap();
        assert_eq!(
            read,
            serde_json::from_str::<serde_json::Value>(json).unwrap()
        );
    }

    #[test]
    fn places_count_lines_and_characters() {
        let text = "a\néb\n";
        assert_eq!(line_and_column(text, 0), (1, 1));
        assert_eq!(line_and_column(text, 1), (1, 2));
        assert_eq!(line_and_column(text, 2), (2, 1));
        assert_eq!(line_and_column(text, 4), (2, 2));
        assert_eq!(line_and_column(text, 6), (3, 1));
        assert_eq!(line_and_column(text, 100), (3, 1));
        assert_eq!(line_and_column("", 0), (1, 1));
    }
}
