//! Metrics of decisions, in the form of Prometheus.

use portcullis_host::{CauseKind, Decision, Pdp};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use std::time::Duration;

/// Upper bounds of the buckets of durations, in seconds.
const BUCKETS: [f64; 12] = [
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5,
];

/// Metrics of decisions, in the form of Prometheus.
///
/// | metric | labels |
/// |---|---|
/// | `portcullis_decisions_total` | `integration`, `effect` (`permit`, `deny`, `observed-deny`), `kind` of the cause |
/// | `portcullis_decision_seconds` | `integration` |
/// | `portcullis_refused_total` | `reason` (`authentication`, `request`) |
/// | `portcullis_refused_unrecorded_total` | none |
/// | `portcullis_obligations_failed_total` | `integration` |
///
/// The number of label values is bounded: integrations that are configured (`unknown` for all others), and the listed
/// words. No label has a text of a call. Clones count together.
#[derive(Debug, Clone)]
pub struct Metrics {
    decisions: Family<DecisionLabels, Counter>,
    seconds: Family<IntegrationLabel, Histogram, fn() -> Histogram>,
    refused: Family<ReasonLabel, Counter>,
    unrecorded: Counter,
    obligations_failed: Family<IntegrationLabel, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DecisionLabels {
    integration: String,
    effect: &'static str,
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct IntegrationLabel {
    integration: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            decisions: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            refused: Family::default(),
            unrecorded: Counter::default(),
            obligations_failed: Family::default(),
        }
    }
}

impl Metrics {
    /// Metrics that are in no registry.
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers the metrics.
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("portcullis");
        registry.register(
            "decisions",
            "Decisions, by integration, effect and kind of the cause",
            self.decisions.clone(),
        );
        registry.register_with_unit(
            "decision",
            "Duration of decisions, with their records",
            Unit::Seconds,
            self.seconds.clone(),
        );
        registry.register(
            "refused",
            "Calls that were refused before a decision",
            self.refused.clone(),
        );
        registry.register(
            "refused_unrecorded",
            "Refused callers without a line in the log, because there were too many",
            self.unrecorded.clone(),
        );
        registry.register(
            "obligations_failed",
            "Obligations that were not carried out",
            self.obligations_failed.clone(),
        );
    }

    /// Counts a decision of `pdp` for `integration`, and its duration.
    pub fn decided(&self, pdp: &Pdp, integration: &str, decision: &Decision, took: Duration) {
        let label = labelled(pdp, integration);
        let effect = match (decision.is_permit(), decision.blocks()) {
            (true, _) => "permit",
            (false, true) => "deny",
            (false, false) => "observed-deny",
        };
        let labels = DecisionLabels {
            integration: label.integration.clone(),
            effect,
            kind: kind(decision.cause().kind()),
        };
        self.decisions.get_or_create(&labels).inc();
        self.seconds
            .get_or_create(&label)
            .observe(took.as_secs_f64());
    }

    /// Counts an obligation that was not carried out.
    pub fn obligation_failed(&self, pdp: &Pdp, integration: &str) {
        let label = labelled(pdp, integration);
        self.obligations_failed.get_or_create(&label).inc();
    }

    /// Counts a call whose caller was not authenticated.
    pub fn not_authenticated(&self) {
        self.refused_for("authentication");
    }

    /// Counts a call that could not be read or mapped.
    pub fn unreadable(&self) {
        self.refused_for("request");
    }

    /// Counts a refusal that is not recorded, because [`UnknownCallers`](crate::UnknownCallers) bounds them.
    pub fn not_recorded(&self) {
        self.unrecorded.inc();
    }

    fn refused_for(&self, reason: &'static str) {
        self.refused.get_or_create(&ReasonLabel { reason }).inc();
    }
}

/// The label of an integration. A request can name any, so those that are not configured share one label.
fn labelled(pdp: &Pdp, integration: &str) -> IntegrationLabel {
    let configured = pdp.integration(integration);
    IntegrationLabel {
        integration: configured.map_or("unknown", |it| it.name()).to_owned(),
    }
}

fn kind(kind: CauseKind) -> &'static str {
    match kind {
        CauseKind::Permitted => "permitted",
        CauseKind::Request => "request",
        CauseKind::Credential => "credential",
        CauseKind::Policy => "policy",
        CauseKind::Host => "host",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_host::{Pdp, Principal, Request, Resource};

    #[test]
    fn a_request_cannot_add_labels() {
        let pdp = Pdp::builder().build().unwrap();
        let metrics = Metrics::new();
        for integration in ["a", "b", "c"] {
            let principal = Principal {
                id: "spiffe://acme.example/agent".into(),
                ..Principal::default()
            };
            let request = Request::builder(integration, principal, "GET", Resource::default())
                .build(pdp.request_limits())
                .unwrap();
            let decision = pdp.evaluate(&request);
            metrics.decided(&pdp, integration, &decision, Duration::from_micros(70));
        }
        metrics.not_authenticated();
        metrics.unreadable();
        let mut registry = Registry::default();
        metrics.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in [
            "portcullis_decisions_total{integration=\"unknown\",effect=\"deny\",kind=\"request\"} 3",
            "portcullis_decision_seconds_count{integration=\"unknown\"} 3",
            "portcullis_refused_total{reason=\"authentication\"} 1",
            "portcullis_refused_total{reason=\"request\"} 1",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
        assert!(!text.contains("\"a\""));
    }
}
