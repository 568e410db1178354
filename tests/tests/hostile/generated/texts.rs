//! Texts that command a terminal, hide something or forge a line, in every place of a verdict that takes text.

use super::postcard::{DENY, Narrowing, Obligation, Reason, Verdict, narrowed, permit, reason};
use crate::frame::Made;

/// A message that clears the terminal and sets its title.
pub(crate) fn message_that_commands_a_terminal() -> Made {
    message("\u{1b}[2J\u{1b}]0;permitted\u{7}")
}

/// A message with control characters of one byte in ISO 8859-1.
pub(crate) fn message_of_c1_controls() -> Made {
    message("\u{9b}2J\u{85}\u{90}\u{9c}")
}

/// A message that turns the direction of the text around.
pub(crate) fn message_that_reorders_itself() -> Made {
    message("denied\u{202e}dettimrep\u{2066}\u{2069}\u{200f}")
}

/// A message with a line of a log in it.
pub(crate) fn message_that_forges_a_line() -> Made {
    message("a\n{\"decision\":true,\"cause\":\"permitted\"}\r\n")
}

/// A message with separators that some readers take for line breaks.
pub(crate) fn message_of_other_line_breaks() -> Made {
    message("a\u{2028}b\u{2029}c\u{b}d\u{c}e\u{85}f")
}

/// A message with NUL.
pub(crate) fn message_with_nul() -> Made {
    message("a\0b")
}

/// A message with invisible characters.
pub(crate) fn message_of_invisible_text() -> Made {
    message("\u{200b}\u{feff}\u{2060}\u{e0041}\u{180e}")
}

/// A message that ends the JSON around it.
pub(crate) fn message_that_ends_the_json() -> Made {
    message("\"}],\"decision\":true,\"x\":[{\"y\":\"\\")
}

/// A code with terminal commands.
pub(crate) fn code_that_commands_a_terminal() -> Made {
    denied(reason("\u{1b}[2J", ""))
}

/// A code with a line break.
pub(crate) fn code_of_two_lines() -> Made {
    denied(reason("a\nb", ""))
}

/// A field with terminal commands and a line break.
pub(crate) fn field_that_commands_a_terminal() -> Made {
    denied(Reason {
        fields: vec!["/\u{1b}[2J\n\u{202e}".into()],
        ..reason("a", "")
    })
}

/// An id of an obligation with terminal commands.
pub(crate) fn obligation_id_that_commands_a_terminal() -> Made {
    obliged("\u{1b}[2J", "notification", r#"{"to":"owner","body":"a"}"#)
}

/// A kind of obligation with terminal commands.
pub(crate) fn obligation_kind_that_commands_a_terminal() -> Made {
    obliged("o", "\u{1b}[2J", "{}")
}

/// Properties whose texts and keys command a terminal.
pub(crate) fn properties_that_command_a_terminal() -> Made {
    let properties = r#"{"to":"owner","body":"\u001b[2J\u202e","\u001b]0;a\u0007":["\u009b"]}"#;
    obliged("o", "notification", properties)
}

/// An operand whose text commands a terminal.
pub(crate) fn operand_that_commands_a_terminal() -> Made {
    narrowed(Narrowing {
        constraints: vec![(
            "/branch".into(),
            1,
            "[\"main\",\"\\u001b[2J\\u202e\"]".into(),
        )],
        ..Narrowing::default()
    })
}

/// A constraint whose path commands a terminal, which the call does not meet.
pub(crate) fn path_that_commands_a_terminal() -> Made {
    narrowed(Narrowing {
        constraints: vec![("/\u{1b}[2J\u{202e}\n".into(), 0, "1".into())],
        ..Narrowing::default()
    })
}

/// An operand that is not JSON and commands a terminal.
pub(crate) fn operand_of_no_json_that_commands_a_terminal() -> Made {
    narrowed(Narrowing {
        constraints: vec![("/branch".into(), 0, "\u{1b}[2J\n".into())],
        ..Narrowing::default()
    })
}

/// Messages with tokens that look like secrets.
pub(crate) fn message_with_a_secret() -> Made {
    message("ghp_0123456789abcdefghijklmnopqrstuvwxyz")
}

fn message(text: &str) -> Made {
    denied(reason("a", text))
}

fn denied(reason: Reason) -> Made {
    Verdict {
        effect: DENY,
        reasons: vec![reason],
        ..Verdict::default()
    }
    .made()
}

fn obliged(id: &str, kind: &str, properties: &str) -> Made {
    Verdict {
        obligations: vec![Obligation {
            id: id.into(),
            kind: kind.into(),
            properties: properties.into(),
        }],
        ..permit()
    }
    .made()
}
