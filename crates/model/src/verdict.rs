//! A plugin's answer, in the host's types.

use portcullis_contract::Constraint;
use serde::Serialize;
use serde_json::Value;
use std::time::Duration;

/// A plugin's answer that conforms to the contract.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// Effect of the answer.
    pub effect: Effect,
    /// Reasons for the effect. A permit has at least one.
    pub reasons: Vec<Reason>,
    /// Obligations for the enforcement point. The plugin's manifest lists their kinds.
    pub obligations: Vec<Obligation>,
    /// Optional actions for the enforcement point.
    pub advice: Vec<Obligation>,
    /// Limits on a permit.
    pub narrowing: Narrowing,
}

/// Effect of one plugin's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// The plugin approves, within its narrowing.
    Permit,
    /// The plugin refuses. No other plugin can overrule it.
    Deny,
    /// The plugin does not judge this request.
    NotApplicable,
    /// The plugin lacks information that it needs. The host denies.
    Indeterminate,
}

impl Effect {
    /// The effect as text, such as `not-applicable`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Permit => "permit",
            Self::Deny => "deny",
            Self::NotApplicable => "not-applicable",
            Self::Indeterminate => "indeterminate",
        }
    }
}

/// A plugin's reason for its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// Name of the plugin that gives the reason.
    pub plugin: String,
    /// Stable, machine-readable code.
    pub code: String,
    /// Message for people, without control characters.
    pub message: String,
    /// Fields that decided the answer, as JSON Pointers into the request.
    pub evidence: Vec<String>,
}

/// An action for the enforcement point: mandatory as an obligation, optional as advice.
///
/// In JSON it has the shape of the AuthZEN obligations profile.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Obligation {
    /// Id, unique in a decision: the plugin's name, `:` and the plugin's own id.
    pub id: String,
    /// Kind of the obligation.
    #[serde(rename = "type")]
    pub kind: String,
    /// Properties, a JSON object.
    pub properties: Value,
}

/// Limits on a permit. An absent limit has no effect.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Narrowing {
    /// Constraints on the arguments, including those of this call.
    pub constraints: Vec<Constraint>,
    /// Maximum lifetime of the grant.
    pub lifetime: Option<Duration>,
    /// Maximum number of uses, including this call.
    pub max_uses: Option<u32>,
}
