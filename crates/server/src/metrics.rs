//! Counters in the format of Prometheus.
//!
//! Every label has a bounded number of values: names of the configuration, causes, kinds and routes. None comes
//! from a request.

use crate::refusal::Kind;
use portcullis_host::{Decision, Request};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use std::sync::atomic::AtomicU64;
use std::time::Duration;

/// Counters and gauges of a server.
pub(crate) struct Metrics {
    registry: Registry,
    decisions: Family<DecisionLabels, Counter>,
    seconds: Histogram,
    refused: Family<RefusedLabels, Counter>,
    not_recorded: Counter,
    requests: Family<RequestLabels, Counter>,
    reloads: Family<ReloadLabels, Counter>,
    events: Family<EventLabels, Counter>,
    /// Open connections.
    pub(crate) connections: Gauge,
    /// Age of the revocation list.
    pub(crate) list_age: Gauge<f64, AtomicU64>,
    /// 1 if the server is ready.
    pub(crate) ready: Gauge,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DecisionLabels {
    integration: String,
    effect: &'static str,
    cause: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusedLabels {
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReloadLabels {
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EventLabels {
    result: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("portcullis");
        let metrics = Self {
            decisions: Family::default(),
            // 10 µs to 2.6 s.
            seconds: Histogram::new(exponential_buckets(1e-5, 2.0, 19)),
            refused: Family::default(),
            not_recorded: Counter::default(),
            requests: Family::default(),
            reloads: Family::default(),
            events: Family::default(),
            connections: Gauge::default(),
            list_age: Gauge::default(),
            ready: Gauge::default(),
            registry: Registry::default(),
        };
        registry.register("decisions", "Decisions", metrics.decisions.clone());
        registry.register_with_unit(
            "decision_time",
            "Time of a decision, with its record in the log",
            Unit::Seconds,
            metrics.seconds.clone(),
        );
        registry.register(
            "refused_requests",
            "Requests that were refused before a decision",
            metrics.refused.clone(),
        );
        registry.register(
            "unrecorded_refusals",
            "Requests of unknown callers beyond the number that the log records in a second",
            metrics.not_recorded.clone(),
        );
        registry.register("requests", "HTTP requests", metrics.requests.clone());
        registry.register(
            "reloads",
            "Reloads that were requested",
            metrics.reloads.clone(),
        );
        registry.register(
            "security_events",
            "Security events that were received",
            metrics.events.clone(),
        );
        registry.register(
            "connections",
            "Open connections",
            metrics.connections.clone(),
        );
        registry.register_with_unit(
            "revocation_list_age",
            "Age of the revocation list",
            Unit::Seconds,
            metrics.list_age.clone(),
        );
        registry.register(
            "ready",
            "1 if the server is ready for requests",
            metrics.ready.clone(),
        );
        Self {
            registry,
            ..metrics
        }
    }
}

impl Metrics {
    /// Counts a decision. `is_known` is true if its integration is configured.
    pub(crate) fn decided(
        &self,
        request: &Request,
        decision: &Decision,
        is_known: bool,
        took: Duration,
    ) {
        let labels = DecisionLabels {
            integration: match is_known {
                true => request.integration().to_owned(),
                false => "unknown".to_owned(),
            },
            effect: match decision.is_permit() {
                true => "permit",
                false => "deny",
            },
            cause: decision.cause().as_str(),
        };
        self.decisions.get_or_create(&labels).inc();
        self.seconds.observe(took.as_secs_f64());
    }

    /// Counts a refusal.
    pub(crate) fn refused(&self, kind: Kind) {
        let kind = kind.as_str();
        self.refused.get_or_create(&RefusedLabels { kind }).inc();
    }

    /// Counts a refusal that has no line in the log.
    pub(crate) fn not_recorded(&self) {
        self.not_recorded.inc();
    }

    /// Counts a request to `route`, a path of the server.
    pub(crate) fn answered(&self, route: &str, status: u16) {
        let labels = RequestLabels {
            route: route.to_owned(),
            status,
        };
        self.requests.get_or_create(&labels).inc();
    }

    /// Counts a reload that was requested.
    pub(crate) fn reloaded(&self, succeeded: bool) {
        let result = match succeeded {
            true => "succeeded",
            false => "failed",
        };
        self.reloads.get_or_create(&ReloadLabels { result }).inc();
    }

    /// Counts a security event by its result.
    pub(crate) fn event(&self, result: &'static str) {
        self.events.get_or_create(&EventLabels { result }).inc();
    }

    /// All counters as text.
    pub(crate) fn to_text(&self) -> String {
        let mut text = String::new();
        // Writing to a `String` does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
