//! Traces and metrics by OTLP, with the names of the semantic conventions of OpenTelemetry.
//!
//! Spans and metrics have names of the configuration, causes, kinds and routes, and the id of a decision. None has
//! an argument, a principal, a resource, a path with its values, or a query.

#[cfg(not(feature = "otlp"))]
mod off;
#[cfg(feature = "otlp")]
mod on;
#[cfg(feature = "otlp")]
mod queue;
#[cfg(feature = "otlp")]
mod span;

#[cfg(not(feature = "otlp"))]
pub(crate) use off::{Telemetry, note_decision, note_headers, note_refusal};
#[cfg(feature = "otlp")]
pub(crate) use on::Telemetry;
#[cfg(feature = "otlp")]
pub(crate) use span::{note_decision, note_headers, note_refusal};

use serde::{Deserialize, Serialize};

/// Requests of which a span is made: those on the listeners for decisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Traced {
    Yes,
    No,
}

/// Export of traces and metrics.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct OtlpStatus {
    /// URL of the collector.
    pub endpoint: String,
    /// Number of spans that the collector did not take in time.
    pub dropped_spans: u64,
    /// Number of exports that it did not take.
    pub failed_exports: u64,
    /// Reason why the last export failed, unless a later one succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}
