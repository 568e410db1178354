//! The verdict that a policy returns.

use crate::Constraint;
use serde_json::Value;
use std::time::Duration;

/// A policy's verdict, built from its effect:
///
/// ```
/// use portcullis_sdk::{Verdict, json};
/// use std::time::Duration;
///
/// Verdict::permit()
///     .because("read-only", "the tool only reads")
///     .expires_in(Duration::from_secs(60))
///     .oblige("notification", json!({ "to": "owner", "body": "a tool was called" }));
///
/// Verdict::deny()
///     .because("branch-protected", "`main` takes no direct pushes")
///     .evidence(["/action/arguments/branch"]);
/// ```
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Verdict {
    pub(crate) effect: Effect,
    pub(crate) reasons: Vec<Reason>,
    pub(crate) obligations: Vec<Obligation>,
    pub(crate) advice: Vec<Obligation>,
    pub(crate) narrowing: Narrowing,
}

/// The effect of a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// The policy approves, within its narrowing. Needs at least one reason.
    Permit,
    /// The policy denies. No other policy can overrule it.
    Deny,
    /// The policy does not apply to the request.
    NotApplicable,
    /// The policy lacks information that it needs to decide. The host denies.
    Indeterminate,
}

/// A reason for the effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// Stable and machine-readable: 1 to 64 letters, digits, `-`, `_`, `.` and `:`.
    pub code: String,
    /// Message for people.
    pub message: String,
    /// The fields that decided it, as JSON Pointers into the request.
    pub evidence: Vec<String>,
}

/// An action that the enforcement point must take, or may take if it is advice.
#[derive(Debug, Clone, PartialEq)]
pub struct Obligation {
    /// Unique in the verdict.
    pub id: String,
    /// The type, as in the AuthZEN obligations profile. `plugin.toml` must list it.
    pub kind: String,
    /// A JSON object.
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

impl Verdict {
    /// Returns a verdict that approves.
    pub fn permit() -> Self {
        Self::new(Effect::Permit)
    }

    /// Returns a verdict that denies.
    pub fn deny() -> Self {
        Self::new(Effect::Deny)
    }

    /// Returns a verdict of a policy that does not apply to the request.
    pub fn not_applicable() -> Self {
        Self::new(Effect::NotApplicable)
    }

    /// Returns a verdict of a policy that lacks information it needs to decide.
    pub fn indeterminate() -> Self {
        Self::new(Effect::Indeterminate)
    }

    fn new(effect: Effect) -> Self {
        Self {
            effect,
            reasons: Vec::new(),
            obligations: Vec::new(),
            advice: Vec::new(),
            narrowing: Narrowing::default(),
        }
    }

    /// Adds a reason with a code and a message for people.
    ///
    /// `code` is stable, and has 1 to 64 letters, digits, `-`, `_`, `.` and `:`.
    pub fn because(mut self, code: impl Into<String>, message: impl Into<String>) -> Self {
        self.reasons.push(Reason {
            code: code.into(),
            message: message.into(),
            evidence: Vec::new(),
        });
        self
    }

    /// Names the fields that decided the last reason, as JSON Pointers into the request.
    pub fn evidence<S: Into<String>>(mut self, fields: impl IntoIterator<Item = S>) -> Self {
        if let Some(reason) = self.reasons.last_mut() {
            reason.evidence.extend(fields.into_iter().map(Into::into));
        }
        self
    }

    /// Adds an obligation for the enforcement point.
    ///
    /// `plugin.toml` must list `kind`, and `properties` is a JSON object. Kinds of the AuthZEN obligations
    /// profile require properties: `notification` needs `to` and `body`, `step-up` needs `acr_value`, and
    /// `session_termination` needs `subject`.
    pub fn oblige(mut self, kind: impl Into<String>, properties: Value) -> Self {
        let kind = kind.into();
        let id = format!("{kind}-{}", self.obligations.len() + 1);
        self.obligations.push(Obligation {
            id,
            kind,
            properties,
        });
        self
    }

    /// Adds advice for the enforcement point. `properties` is a JSON object.
    pub fn advise(mut self, kind: impl Into<String>, properties: Value) -> Self {
        let kind = kind.into();
        let id = format!("{kind}-advice-{}", self.advice.len() + 1);
        self.advice.push(Obligation {
            id,
            kind,
            properties,
        });
        self
    }

    /// Narrows a permit: the grant lasts at most `lifetime`, counted in milliseconds.
    pub fn expires_in(mut self, lifetime: Duration) -> Self {
        self.narrowing.lifetime = Some(lifetime);
        self
    }

    /// Narrows a permit: the grant may be used at most `uses` times, this call included.
    pub fn at_most(mut self, uses: u32) -> Self {
        self.narrowing.max_uses = Some(uses);
        self
    }

    /// Narrows a permit: the arguments must meet `constraint` for as long as the grant lasts.
    ///
    /// If the arguments of this call do not meet it, the host denies the call.
    pub fn only_if(mut self, constraint: Constraint) -> Self {
        self.narrowing.constraints.push(constraint);
        self
    }

    /// Returns the effect.
    pub fn effect(&self) -> Effect {
        self.effect
    }

    /// Returns the reasons.
    pub fn reasons(&self) -> &[Reason] {
        &self.reasons
    }

    /// True if one of the reasons has this code.
    pub fn has_reason(&self, code: &str) -> bool {
        self.reasons.iter().any(|reason| reason.code == code)
    }

    /// Returns the obligations of the enforcement point.
    pub fn obligations(&self) -> &[Obligation] {
        &self.obligations
    }

    /// Returns the advice for the enforcement point.
    pub fn advice(&self) -> &[Obligation] {
        &self.advice
    }

    /// Returns the limits of a permit.
    pub fn narrowing(&self) -> &Narrowing {
        &self.narrowing
    }
}
