//! What is printed, and in which colours. Colour is used on a terminal only, and never where
//! `NO_COLOR` is set.

use anstyle::{AnsiColor, Style};
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

/// Prints a line of the result.
pub(crate) fn line(text: &str) -> io::Result<()> {
    writeln!(anstream::stdout(), "{text}")
}

/// Prints the result as one line of JSON.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    line(&serde_json::to_string(value)?)?;
    Ok(())
}

/// Says what went wrong.
pub(crate) fn error(text: &str) {
    // There is nowhere to report that standard error cannot be written.
    let _ = writeln!(anstream::stderr(), "{}: {text}", styled(BAD, "error"));
}

/// Says what is being done, or was noticed.
pub(crate) fn note(text: &str) {
    let _ = writeln!(anstream::stderr(), "{text}");
}
