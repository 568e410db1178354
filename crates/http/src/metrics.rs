//! Metrics of decisions.

use portcullis_host::Decision;
use prometheus_client::registry::Registry;
use std::time::Duration;

/// Metrics of decisions, in Prometheus' terms. Labels are bounded: integrations that exist, effects and kinds of cause.
#[derive(Debug, Clone, Default)]
pub struct Metrics {}

impl Metrics {
    /// Registers the metrics in `registry`.
    pub fn register(&self, registry: &mut Registry) { todo!() }
    /// Counts a decision and its duration.
    pub fn decided(&self, integration: &str, decision: &Decision, took: Duration) { todo!() }
    /// Counts a refused authentication.
    pub fn not_authenticated(&self) { todo!() }
    /// Counts a call that could not be mapped or read.
    pub fn unreadable(&self) { todo!() }
}
