//! Five rules on issues and repositories.
//!
//! `benches/rules` has the same rules in Cedar and in Rego, and the benches refuse to measure unless all
//! three agree.

use portcullis_sdk::{
    ActionClass, Attestation, Pattern, Policy, PrincipalKind, Value, Verdict, policy,
};
use serde::Deserialize;

/// The settings of the rules.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FiveRules {
    /// Actions that agents may perform.
    agent_actions: Vec<String>,
    /// Repositories in which agents may perform them.
    repositories: Pattern,
}

#[policy]
impl Policy for FiveRules {
    fn evaluate(&self, request: &Request) -> Verdict {
        let (principal, action, resource) =
            (request.principal(), request.action(), request.resource());
        let agent = principal.kind() == PrincipalKind::Agent;

        if matches!(
            action.class(),
            ActionClass::Destructive | ActionClass::Admin
        ) && principal.attestation() != Attestation::ProofOfPossession
        {
            return Verdict::deny()
                .because("key-needed", "what destroys takes a proof of possession");
        }
        if request.context("risk").and_then(Value::as_text) == Some("high") {
            return Verdict::deny().because("risk-high", "the session is at risk");
        }
        if agent
            && request
                .intent()
                .is_none_or(|intent| intent.approved_by().is_empty())
        {
            return Verdict::deny()
                .because("intent-missing", "nobody approved what the agent does");
        }

        if agent
            && self.agent_actions.iter().any(|it| it == action.name())
            && self.repositories.matches(resource.id())
            && principal.environment() == resource.environment()
        {
            return Verdict::permit().because("agent-may", "agents may do this to this repository");
        }
        let team = principal.attribute("team").and_then(Value::as_text);
        if action.class() == ActionClass::Read
            && team.is_some()
            && team == resource.attribute("team").and_then(Value::as_text)
        {
            return Verdict::permit().because("team-reads", "the team reads what is its own");
        }
        Verdict::deny().because("no-rule", "no rule permits it")
    }
}
