//! Printing of results and messages, with colours.
//!
//! Colour is used on a terminal only, and never if `NO_COLOR` is set.

use anstyle::{AnsiColor, Style};
use portcullis_host::{escaped, printable, well_known_withheld, withheld};
use serde::Serialize;
use std::io::{self, Write as _};

pub(crate) const GOOD: Style = AnsiColor::Green.on_default().bold();
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
pub(crate) const WARN: Style = AnsiColor::Yellow.on_default().bold();
pub(crate) const FAINT: Style = Style::new().dimmed();
pub(crate) const STRONG: Style = Style::new().bold();

/// Returns `text` in `style`.
pub(crate) fn styled(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// Returns a text of a file or a plugin for display.
///
/// Control characters are escaped for the terminal, and text that looks like a secret is withheld.
pub(crate) fn shown(text: &str) -> String {
    printable(&withheld(text))
}

/// Returns a text of a request, a decision or a log for display.
///
/// As [`shown`], but hexadecimal digits are kept: they identify credentials, commits and traces.
pub(crate) fn shown_of_request(text: &str) -> String {
    printable(&well_known_withheld(text))
}

/// Prints a line of the result.
pub(crate) fn line(text: &str) -> io::Result<()> {
    writeln!(anstream::stdout(), "{text}")
}

/// Prints the result as one line of JSON.
///
/// Text that looks like a secret is withheld, and terminal control characters are escaped.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    line(&escaped(&well_known_withheld(&serde_json::to_string(
        value,
    )?)))?;
    Ok(())
}

/// Prints an error.
pub(crate) fn error(text: &str) {
    // A failure to write to standard error cannot be reported.
    let _ = writeln!(anstream::stderr(), "{}: {text}", styled(BAD, "error"));
}

/// Prints a warning on standard error.
pub(crate) fn warn(text: &str) {
    note(&format!("{}: {text}", styled(WARN, "warning")));
}

/// Warns that a file has text that looks like a secret, without repeating it.
pub(crate) fn warn_of_token(place: &str) {
    note(&format!(
        "{}: {}: it has text that looks like a secret: if it is one, revoke it, and take it out",
        shown(place),
        styled(WARN, "warning")
    ));
}

/// Prints progress or a note on standard error.
pub(crate) fn note(text: &str) {
    let _ = writeln!(anstream::stderr(), "{text}");
}
