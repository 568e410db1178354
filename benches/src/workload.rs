//! The benchmarked request with 26 texts, and its variations.

use portcullis_host::{
    ActionClass, Attestation, Exposure, Health, Integration, Intent, Posture, Principal,
    PrincipalKind, Request, RequestLimits, Resource, Timestamp,
};
use serde_json::{Value, json};
use std::time::Duration;

/// The integration of the requests.
pub const INTEGRATION: &str = "tracker";

/// The parts of a request that vary.
#[derive(Debug, Clone, Copy)]
pub struct Variation {
    /// The principal's kind.
    pub kind: PrincipalKind,
    /// The principal's attestation.
    pub attestation: Attestation,
    /// The action.
    pub action: &'static str,
    /// The repository.
    pub repository: &'static str,
    /// The repository's environment.
    pub environment: &'static str,
    /// The repository's team.
    pub team: &'static str,
    /// The session's risk.
    pub risk: &'static str,
    /// True if the request has an approved intent.
    pub approved: bool,
}

impl Default for Variation {
    /// Returns an agent's request to open an issue, which is permitted.
    fn default() -> Self {
        Self {
            kind: PrincipalKind::Agent,
            attestation: Attestation::JwtSvid,
            action: "issues.create",
            repository: "acme/billing",
            environment: "prod",
            team: "payments",
            risk: "low",
            approved: true,
        }
    }
}

/// Returns every combination of the values that the rules read.
pub fn variations() -> Vec<Variation> {
    let mut all = vec![Variation::default()];
    macro_rules! vary {
        ($field:ident: $($value:expr),+) => {
            all = all
                .iter()
                .flat_map(|it| [$($value),+].map(|value| Variation { $field: value, ..*it }))
                .collect();
        };
    }
    vary!(kind: PrincipalKind::Agent, PrincipalKind::Service);
    vary!(attestation: Attestation::JwtSvid, Attestation::ProofOfPossession);
    vary!(action: "issues.create", "issues.read", "repos.delete", "repos.grant");
    vary!(repository: "acme/billing", "other/billing");
    vary!(environment: "prod", "test");
    vary!(team: "payments", "shipping");
    vary!(risk: "low", "high");
    vary!(approved: true, false);
    all
}

/// The operator's classes of the actions.
pub const CLASSES: [(&str, ActionClass); 4] = [
    ("issues.create", ActionClass::Write),
    ("issues.read", ActionClass::Read),
    ("repos.delete", ActionClass::Destructive),
    ("repos.grant", ActionClass::Admin),
];

/// Returns the class of the action called `name`.
pub fn class_of(name: &str) -> ActionClass {
    let found = CLASSES.iter().find(|(action, _)| *action == name);
    found.map_or(ActionClass::Unclassified, |(_, class)| *class)
}

/// Returns the integration with its actions, without a plugin.
pub fn integration() -> Integration {
    CLASSES
        .into_iter()
        // The rules decide which environments may be crossed.
        .fold(
            Integration::new(INTEGRATION).allow_cross_environment(),
            |integration, (name, class)| integration.action(name, class),
        )
}

/// Returns the settings of the plugin with the five rules.
pub fn settings() -> Value {
    json!({
        "agent-actions": ["issues.create", "issues.comment", "issues.label"],
        "repositories": "acme/*",
    })
}

/// Returns the SPIFFE ID of agent `number`.
pub fn id(number: usize) -> String {
    format!("spiffe://acme.example/ns/payments/agent/reconciler-{number:07}")
}

/// Returns the request of agent `number` at `now`.
///
/// # Panics
///
/// Never: the request is within the limits.
pub fn request(number: usize, it: Variation, now: Timestamp) -> Request {
    let principal = Principal {
        id: id(number),
        kind: it.kind,
        owner: "team-payments@acme.example".into(),
        purpose: "reconcile invoices against bank statements".into(),
        environment: "prod".into(),
        attestation: it.attestation,
        credential_id: format!("jti-{number}"),
        credential_issued_at: Some(now),
        credential_expires_at: Some(now.plus(Duration::from_secs(600))),
        delegated_by: vec![
            "spiffe://acme.example/ns/payments/agent/lead".into(),
            "spiffe://acme.example/ns/payments/agent/planner".into(),
        ],
        attributes: vec![("team".into(), json!("payments"))],
        ..Principal::default()
    };
    let resource = Resource {
        posture: Some(Posture {
            exposure: Exposure::Internal,
            health: Health::Healthy,
            observed_at: Some(now),
            ..Posture::default()
        }),
        kind: "repository".into(),
        id: it.repository.into(),
        environment: it.environment.into(),
        attributes: vec![
            ("name".into(), json!(it.repository)),
            ("team".into(), json!(it.team)),
        ],
    };
    let intent = Intent {
        id: format!("int-{number}"),
        purpose: "open one issue per failed invoice".into(),
        approved_by: if it.approved {
            "alice@acme.example"
        } else {
            ""
        }
        .into(),
        ..Intent::default()
    };
    Request::builder(INTEGRATION, principal, it.action, resource)
        .arguments(json!({ "labels": ["invoice"], "title": "Invoice 4711 does not match" }))
        .intent(intent)
        .context("risk", json!(it.risk))
        .context("ticket", json!("OPS-4711"))
        .build(&RequestLimits::default())
        .expect("the request is within its limits")
}

/// Returns the rules' decision for `it`, computed in Rust to verify every engine.
pub fn expected(it: Variation) -> bool {
    let agent = it.kind == PrincipalKind::Agent;
    let destroys = matches!(it.action, "repos.delete" | "repos.grant");
    let proved = it.attestation == Attestation::ProofOfPossession;
    let forbidden = destroys && !proved || it.risk == "high" || agent && !it.approved;
    let agent_may = agent
        && it.action == "issues.create"
        && it.repository.starts_with("acme/")
        && it.environment == "prod";
    let team_reads = it.action == "issues.read" && it.team == "payments";
    (agent_may || team_reads) && !forbidden
}
