//! Reads `[serve.ship]`.

use super::endpoint::{self, Endpoint};
use super::files::Named;
use http::HeaderValue;
use portcullis_host::excerpt;
use portcullis_model::document::Section;
use std::path::PathBuf;
use std::time::Duration;

/// Receiver of the decision log.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShipSettings {
    /// The receiver.
    pub endpoint: Endpoint,
    /// Format of a batch.
    pub format: Format,
    /// Name of the log at the receiver, if several hosts ship to it.
    pub name: Option<String>,
    /// File with the last line that the receiver confirmed; by default beside the log.
    pub cursor: Option<PathBuf>,
    /// Maximum number of lines of a batch.
    pub max_lines: usize,
    /// Maximum number of bytes of the lines of a batch, if there is more than one line.
    pub max_bytes: usize,
    /// Time between two looks for new lines.
    pub interval: Duration,
}

/// Format of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// The lines as they are in the log.
    Jsonl,
    /// Log records of OTLP, as JSON. Each has a line as its body.
    Otlp,
}

/// Reads the section. `has_log` is true if there is a log.
pub(super) fn read(
    mut section: Section<'_, '_>,
    has_log: bool,
    named: &Named<'_>,
) -> Option<ShipSettings> {
    let source = section.source();
    if !has_log {
        source.error(
            section.span(),
            "`[serve.ship]` ships the decision log: add `[log]`, or remove the section",
        );
    }
    let example = "https://logs.acme.example/portcullis";
    let endpoint = endpoint::read(&mut section, "url", example, named);
    let format = match section.required_text("format") {
        Some(("jsonl", _)) => Some(Format::Jsonl),
        Some(("otlp", _)) => Some(Format::Otlp),
        Some((other, span)) => {
            let message = format!(
                "`format` is `{}`: write `\"jsonl\"` for the lines as they are, or `\"otlp\"` for log records of OTLP",
                excerpt(other)
            );
            source.error(span, message);
            None
        }
        None => None,
    };
    let name = section.text("name");
    if let Some((name, span)) = &name
        && (name.is_empty() || HeaderValue::from_str(name).is_err())
    {
        source.error(
            span.clone(),
            "`name` is sent as a header: write visible ASCII, such as `\"pdp-1\"`",
        );
    }
    let cursor = section.text("cursor").map(|(path, _)| named.written(path));
    let max_lines = section.integer("max-lines", 1..=100_000);
    let max_bytes = section.integer("max-bytes", 1024..=64 * 1024 * 1024);
    let range = Duration::from_millis(10)..=Duration::from_secs(60 * 60);
    let interval = section.duration("interval", range);
    section.end();
    Some(ShipSettings {
        endpoint: endpoint?,
        format: format?,
        name: name.map(|(name, _)| name.to_owned()),
        cursor,
        max_lines: max_lines.unwrap_or(1000),
        max_bytes: max_bytes.unwrap_or(1024 * 1024),
        interval: interval.unwrap_or(Duration::from_secs(1)),
    })
}
