//! Reads `[serve.otlp]`.

use super::endpoint::{self, Endpoint};
use super::files::Named;
use portcullis_model::document::Section;
use std::time::Duration;

/// Collector of traces and metrics, by OTLP over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OtlpSettings {
    /// The collector: its URL is followed by `/v1/traces` and `/v1/metrics`.
    pub endpoint: Endpoint,
    /// `service.name` of the server.
    pub service_name: String,
    /// Time between two exports of metrics.
    pub metrics_interval: Duration,
    /// Share of calls that are traced, in percent, among those whose caller did not decide that.
    pub traces_percent: usize,
    /// Maximum number of spans that wait for the collector.
    pub max_queue: usize,
}

/// Reads the section.
///
/// Without the feature, it is refused as a whole, because traces that an operator counts on would be missing.
pub(super) fn read(mut section: Section<'_, '_>, named: &Named<'_>) -> Option<OtlpSettings> {
    if !cfg!(feature = "otlp") {
        section.source().error(
            section.span(),
            "`[serve.otlp]` is not supported by this build: build with the feature `otlp` (`cargo install portcullis-cli --features otlp`), or remove the section",
        );
        return None;
    }
    let endpoint = endpoint::read(&mut section, "endpoint", "http://127.0.0.1:4318", named);
    let service_name = section.text("service-name");
    let service_name = service_name.map_or("portcullis", |(name, _)| name);
    let range = Duration::from_millis(100)..=Duration::from_secs(60 * 60);
    let metrics_interval = section.duration("metrics-interval", range);
    let traces_percent = section.integer("traces-percent", 0..=100);
    let max_queue = section.integer("max-queue", 1..=1_000_000);
    section.end();
    Some(OtlpSettings {
        endpoint: endpoint?,
        service_name: service_name.to_owned(),
        metrics_interval: metrics_interval.unwrap_or(Duration::from_secs(60)),
        traces_percent: traces_percent.unwrap_or(100),
        max_queue: max_queue.unwrap_or(2048),
    })
}
