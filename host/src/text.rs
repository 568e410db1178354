//! Text that a plugin or a request controls.

/// `text` with what could command a terminal or reorder a line replaced: control characters, and
/// the invisible ones that change direction.
pub fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if is_printable(c) { c } else { '\u{fffd}' })
        .collect()
}

fn is_printable(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    #[test]
    fn nothing_commands_the_terminal() {
        assert_eq!(super::printable("a\x1b[31mb\n\u{202e}c é"), "a\u{fffd}[31mb\u{fffd}\u{fffd}c é");
    }
}
