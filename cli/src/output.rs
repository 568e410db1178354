//! What is printed, and in which colours. Colour is used on a terminal only, and never where
//! `NO_COLOR` is set.

use anstyle::{AnsiColor, Style};
use portcullis_host::{escaped, printable, well_known_withheld, withheld};
use serde::Serialize;
use std::io::{self, Write as _};

pub(crate) const GOOD: Style = AnsiColor::Green.on_default().bold();
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
pub(crate) const WARN: Style = AnsiColor::Yellow.on_default().bold();
pub(crate) const FAINT: Style = Style::new().dimmed();
pub(crate) const STRONG: Style = Style::new().bold();

/// `text` in `style`.
pub(crate) fn styled(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// A text of a file or a plugin, as it may be shown: nothing in it commands the terminal, and what looks
/// like a secret is left out.
pub(crate) fn shown(text: &str) -> String {
    printable(&withheld(text))
}

/// The same of a request, a decision or a log, in which hexadecimal digits are the names of credentials,
/// commits and traces.
pub(crate) fn shown_of_request(text: &str) -> String {
    printable(&well_known_withheld(text))
}

/// Prints a line of the result.
pub(crate) fn line(text: &str) -> io::Result<()> {
    writeln!(anstream::stdout(), "{text}")
}

/// Prints the result as one line of JSON, without what looks like a secret, and with what could command the terminal
/// written as escapes.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    line(&escaped(&well_known_withheld(&serde_json::to_string(
        value,
    )?)))?;
    Ok(())
}

/// Says what went wrong.
pub(crate) fn error(text: &str) {
    // There is nowhere to report that standard error cannot be written.
    let _ = writeln!(anstream::stderr(), "{}: {text}", styled(BAD, "error"));
}

/// Warns of something on standard error.
pub(crate) fn warn(text: &str) {
    note(&format!("{}: {text}", styled(WARN, "warning")));
}

/// Says that a file has text that looks like a secret, which is never echoed.
pub(crate) fn warn_of_token(place: &str) {
    note(&format!(
        "{}: {}: it has text that looks like a secret: if it is one, revoke it, and take it out",
        shown(place),
        styled(WARN, "warning")
    ));
}

/// Says what is being done, or was noticed.
pub(crate) fn note(text: &str) {
    let _ = writeln!(anstream::stderr(), "{text}");
}
