//! Counters in the format of Prometheus.
//!
//! Every label has a bounded number of values: names of the configuration, causes, kinds and routes. None comes
//! from a request.

mod counts;

use crate::refusal::Kind;
use counts::{Counts, labelled};
use portcullis_host::{Decision, Request};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Metric, Registry, Unit};
use std::borrow::Cow;
#[cfg(feature = "otlp")]
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

#[cfg(feature = "otlp")]
pub(crate) use counts::{Label, Listed};

/// Counters and gauges of a server.
pub(crate) struct Metrics {
    registry: Registry,
    #[cfg(feature = "otlp")]
    listed: Vec<(&'static str, &'static str, Arc<dyn Listed>)>,
    decisions: Counts<3>,
    seconds: Histogram,
    refused: Counts<1>,
    not_recorded: Counter,
    requests: Counts<2>,
    reloads: Counts<1>,
    events: Counts<1>,
    ship_failures: Counts<1>,
    /// Lines of the log that a receiver confirmed.
    pub(crate) shipped: Counter,
    /// Lines of the log that no receiver has confirmed.
    pub(crate) unshipped: Gauge,
    /// 1 if the log is not shipped until an operator acts.
    pub(crate) ship_stopped: Gauge,
    /// Spans that were dropped, because the collector did not take them in time.
    pub(crate) dropped_spans: Counter,
    /// Exports of spans or metrics that the collector did not take.
    pub(crate) failed_exports: Counter,
    /// Open connections.
    pub(crate) connections: Gauge,
    /// Age of the revocation list.
    pub(crate) list_age: Gauge<f64, AtomicU64>,
    /// 1 if the server is ready.
    pub(crate) ready: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("portcullis"),
            #[cfg(feature = "otlp")]
            listed: Vec::new(),
            decisions: Counts::default(),
            // 10 µs to 2.6 s.
            seconds: Histogram::new(exponential_buckets(1e-5, 2.0, 19)),
            refused: Counts::default(),
            not_recorded: Counter::default(),
            requests: Counts::default(),
            reloads: Counts::default(),
            events: Counts::default(),
            ship_failures: Counts::default(),
            shipped: Counter::default(),
            unshipped: Gauge::default(),
            ship_stopped: Gauge::default(),
            dropped_spans: Counter::default(),
            failed_exports: Counter::default(),
            connections: Gauge::default(),
            list_age: Gauge::default(),
            ready: Gauge::default(),
        };
        metrics.register_counters();
        metrics.register_others();
        metrics
    }
}

/// A counter, or a family of them.
#[cfg(feature = "otlp")]
trait Counted: Metric + Listed + Clone {}
#[cfg(feature = "otlp")]
impl<C: Metric + Listed + Clone> Counted for C {}
/// A counter, or a family of them.
#[cfg(not(feature = "otlp"))]
trait Counted: Metric + Clone {}
#[cfg(not(feature = "otlp"))]
impl<C: Metric + Clone> Counted for C {}

impl Metrics {
    fn register_counters(&mut self) {
        self.add("decisions", "Decisions", &self.decisions.clone());
        self.add(
            "refused_requests",
            "Requests that were refused before a decision",
            &self.refused.clone(),
        );
        self.add(
            "unrecorded_refusals",
            "Requests of unknown callers beyond the number that the log records in a second",
            &self.not_recorded.clone(),
        );
        self.add("requests", "HTTP requests", &self.requests.clone());
        self.add(
            "reloads",
            "Reloads that were requested",
            &self.reloads.clone(),
        );
        self.add(
            "security_events",
            "Security events that were received",
            &self.events.clone(),
        );
        self.add(
            "shipped_lines",
            "Lines of the log that a receiver confirmed",
            &self.shipped.clone(),
        );
        self.add(
            "ship_failures",
            "Batches of the log that were not shipped",
            &self.ship_failures.clone(),
        );
        self.add(
            "dropped_spans",
            "Spans that the collector did not take in time",
            &self.dropped_spans.clone(),
        );
        self.add(
            "failed_exports",
            "Exports of spans or metrics that the collector did not take",
            &self.failed_exports.clone(),
        );
    }

    fn register_others(&mut self) {
        let registry = &mut self.registry;
        registry.register_with_unit(
            "decision_time",
            "Time of a decision, with its record in the log",
            Unit::Seconds,
            self.seconds.clone(),
        );
        registry.register(
            "unshipped_lines",
            "Lines of the log that no receiver has confirmed",
            self.unshipped.clone(),
        );
        registry.register(
            "ship_stopped",
            "1 if the log is not shipped until an operator acts",
            self.ship_stopped.clone(),
        );
        registry.register("connections", "Open connections", self.connections.clone());
        registry.register_with_unit(
            "revocation_list_age",
            "Age of the revocation list",
            Unit::Seconds,
            self.list_age.clone(),
        );
        registry.register(
            "ready",
            "1 if the server is ready for requests",
            self.ready.clone(),
        );
    }

    fn add(&mut self, name: &'static str, help: &'static str, counter: &impl Counted) {
        self.registry.register(name, help, counter.clone());
        #[cfg(feature = "otlp")]
        self.listed.push((name, help, Arc::new(counter.clone())));
    }

    /// All counters, each with its name and its description.
    #[cfg(feature = "otlp")]
    pub(crate) fn counters(
        &self,
    ) -> impl Iterator<Item = (&'static str, &'static str, Arc<dyn Listed>)> {
        let listed = self.listed.iter();
        listed.map(|(name, help, counter)| (*name, *help, Arc::clone(counter)))
    }

    /// Counts a decision. `is_known` is true if its integration is configured.
    pub(crate) fn decided(
        &self,
        request: &Request,
        decision: &Decision,
        is_known: bool,
        took: Duration,
    ) {
        let integration = match is_known {
            true => Cow::from(request.integration().to_owned()),
            false => Cow::from("unknown"),
        };
        self.decisions.add(&[
            ("integration", integration),
            ("effect", effect(decision).into()),
            ("cause", decision.cause().as_str().into()),
        ]);
        self.seconds.observe(took.as_secs_f64());
    }

    /// Counts a refusal.
    pub(crate) fn refused(&self, kind: Kind) {
        self.refused.add(&labelled("kind", kind.as_str()));
    }

    /// Counts a refusal that has no line in the log.
    pub(crate) fn not_recorded(&self) {
        self.not_recorded.inc();
    }

    /// Counts a request to `route`, a path of the server.
    pub(crate) fn answered(&self, route: &str, status: u16) {
        let route = Cow::from(route.to_owned());
        let status = Cow::from(status.to_string());
        self.requests.add(&[("route", route), ("status", status)]);
    }

    /// Counts a reload that was requested.
    pub(crate) fn reloaded(&self, succeeded: bool) {
        let result = match succeeded {
            true => "succeeded",
            false => "failed",
        };
        self.reloads.add(&labelled("result", result));
    }

    /// Counts a security event by its result.
    pub(crate) fn event(&self, result: &'static str) {
        self.events.add(&labelled("result", result));
    }

    /// Counts a batch of the log that was not shipped.
    pub(crate) fn not_shipped(&self, reason: &'static str) {
        self.ship_failures.add(&labelled("reason", reason));
    }

    /// All counters as text.
    pub(crate) fn to_text(&self) -> String {
        let mut text = String::new();
        // Writing to a `String` does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

/// Effect of a decision, as a label.
pub(crate) fn effect(decision: &Decision) -> &'static str {
    match decision.is_permit() {
        true => "permit",
        false => "deny",
    }
}
