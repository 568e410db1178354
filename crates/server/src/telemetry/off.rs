//! The server without the feature `otlp`, whose settings have no collector.

use super::{OtlpStatus, Traced};
use crate::metrics::Metrics;
use crate::refusal::Kind;
use crate::settings::Settings;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderMap;
use portcullis_host::Decision;

/// No traces and metrics are exported.
pub(crate) struct Telemetry;

impl Telemetry {
    /// Refuses settings that name a collector, which a program may have built in code.
    ///
    /// # Errors
    ///
    /// The remedy.
    pub(crate) fn start(settings: &Settings, _: &Metrics) -> Result<Self, String> {
        match settings.otlp {
            None => Ok(Self),
            Some(_) => Err("build `portcullis-server` with the feature `otlp`".to_owned()),
        }
    }

    /// Answers a request.
    pub(crate) async fn observe(&self, _: Traced, request: Request, next: Next) -> Response {
        next.run(request).await
    }

    /// There is no export.
    pub(crate) fn status(&self, _: &Metrics) -> Option<OtlpStatus> {
        None
    }

    /// There is nothing to send.
    pub(crate) async fn stop(&self) {}
}

/// A decision, of which no span is made.
pub(crate) fn note_decision(_: &portcullis_host::Request, _: &Decision, _: bool) {}

/// Headers that may name the parent of a span, which is not made.
pub(crate) fn note_headers(_: &HeaderMap) {}

/// A refusal, of which no span is made.
pub(crate) fn note_refusal(_: Kind) {}
