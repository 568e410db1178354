//! What is decided: one request of 26 texts, and its variations.

use portcullis_host::{
    ActionClass, Attestation, Exposure, Health, Integration, Intent, Posture, Principal,
    PrincipalKind, Request, RequestLimits, Resource, Timestamp,
};
use serde_json::{Value, json};
use std::time::Duration;

/// The integration that is asked for.
pub const INTEGRATION: &str = "tracker";

/// What varies from one request to the next.
#[derive(Debug, Clone, Copy)]
pub struct Variation {
    /// Who asks.
    pub kind: PrincipalKind,
    /// How that was proved.
    pub attestation: Attestation,
    /// What is done.
    pub action: &'static str,
    /// To which repository.
    pub repository: &'static str,
    /// In which environment it is.
    pub environment: &'static str,
    /// Whose it is.
    pub team: &'static str,
    /// How risky the session is.
    pub risk: &'static str,
    /// Whether somebody approved it.
    pub approved: bool,
}

impl Default for Variation {
    /// An agent that opens an issue, which is permitted.
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

/// Every combination of what the rules look at.
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

/// What the operator says that actions do.
pub const CLASSES: [(&str, ActionClass); 4] = [
    ("issues.create", ActionClass::Write),
    ("issues.read", ActionClass::Read),
    ("repos.delete", ActionClass::Destructive),
    ("repos.grant", ActionClass::Admin),
];

/// The class of the action called `name`.
pub fn class_of(name: &str) -> ActionClass {
    let found = CLASSES.iter().find(|(action, _)| *action == name);
    found.map_or(ActionClass::Unclassified, |(_, class)| *class)
}

/// The integration with its actions, and no plugin yet.
pub fn integration() -> Integration {
    CLASSES
        .into_iter()
        // Which environments may be crossed is the rules' to say here.
        .fold(
            Integration::new(INTEGRATION).allow_cross_environment(),
            |integration, (name, class)| integration.action(name, class),
        )
}

/// The settings of the plugin that holds the five rules.
pub fn settings() -> Value {
    json!({
        "agent-actions": ["issues.create", "issues.comment", "issues.label"],
        "repositories": "acme/*",
    })
}

/// The SPIFFE ID of agent `number`.
pub fn id(number: usize) -> String {
    format!("spiffe://acme.example/ns/payments/agent/reconciler-{number:07}")
}

/// The request that agent `number` makes at `now`.
///
/// # Panics
///
/// Never: it is within its limits.
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

/// What the rules say of `it`, in no engine's language, to hold them all against.
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
