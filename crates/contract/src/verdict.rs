//! The verdict of a plugin, as host and SDK know it.

use crate::Constraint;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

/// A plugin's verdict.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// The effect.
    pub effect: Effect,
    /// Reasons for the effect. A permit has at least one.
    pub reasons: Vec<Reason>,
    /// Obligations for the enforcement point. The plugin's manifest lists their kinds.
    pub obligations: Vec<Obligation>,
    /// Optional actions for the enforcement point.
    pub advice: Vec<Obligation>,
    /// Limits of a permit.
    pub narrowing: Narrowing,
    /// True if an approved intent for this call would change the answer. Only a deny may be requestable.
    pub requestable: bool,
}

/// The effect of a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// The plugin approves, within its narrowing. Needs at least one reason.
    Permit,
    /// The plugin refuses. No other plugin can overrule it.
    Deny,
    /// The plugin does not judge this request.
    NotApplicable,
    /// The plugin lacks information that it needs to decide. The host denies.
    Indeterminate,
}

/// A reason for the effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// Stable and machine-readable: 1 to 64 letters, digits, `-`, `_`, `.` and `:`. The manifest declares it.
    pub code: String,
    /// Message for people.
    pub message: String,
    /// The fields that decided it, as JSON Pointers into the request.
    pub fields: Vec<String>,
}

/// An action for the enforcement point: mandatory as an obligation, optional as advice.
///
/// In JSON it has the shape of the AuthZEN obligations profile.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Obligation {
    /// Unique in the verdict. In a decision, the plugin's name and `:` come first.
    pub id: String,
    /// Kind of the obligation, as in the AuthZEN obligations profile.
    #[serde(rename = "type")]
    pub kind: String,
    /// Properties, a JSON object.
    pub properties: Value,
}

/// Limits of a permit. An absent limit does not narrow it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Narrowing {
    /// Conditions on the arguments of each call during the grant, including this one.
    pub constraints: Vec<Constraint>,
    /// Maximum lifetime of the grant.
    pub lifetime: Option<Duration>,
    /// Maximum number of uses of the grant, including this call.
    pub max_uses: Option<u32>,
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
