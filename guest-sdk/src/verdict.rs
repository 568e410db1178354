//! What a policy answers.

use crate::Constraint;
use serde_json::Value;
use std::time::Duration;

/// A policy's answer, built from its effect:
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

/// The answer itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// The policy approves, within its narrowing. Needs at least one reason.
    Permit,
    /// The policy refuses. No other can overrule it.
    Deny,
    /// The request is not the policy's to judge.
    NotApplicable,
    /// The policy was not told what it would need. A deny.
    Indeterminate,
}

/// Why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// Stable and machine-readable: 1 to 64 letters, digits, `-`, `_`, `.` and `:`.
    pub code: String,
    /// For people.
    pub message: String,
    /// The fields that decided it, as JSON Pointers into the request.
    pub evidence: Vec<String>,
}

/// What the enforcement point must do, or may do where it is advice.
#[derive(Debug, Clone, PartialEq)]
pub struct Obligation {
    /// Unique in the verdict.
    pub id: String,
    /// The type, as in the AuthZEN obligations profile. `plugin.toml` must list it.
    pub kind: String,
    /// A JSON object.
    pub properties: Value,
}

/// How a permit is narrowed. What is absent narrows nothing.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Narrowing {
    /// What the arguments must meet for as long as the grant lasts, this call included.
    pub constraints: Vec<Constraint>,
    /// For how long the grant lasts, at most.
    pub lifetime: Option<Duration>,
    /// How often it may be used, at most, this call included.
    pub max_uses: Option<u32>,
}

impl Verdict {
    /// The policy approves.
    pub fn permit() -> Self {
        Self::new(Effect::Permit)
    }

    /// The policy refuses.
    pub fn deny() -> Self {
        Self::new(Effect::Deny)
    }

    /// The request is not the policy's to judge.
    pub fn not_applicable() -> Self {
        Self::new(Effect::NotApplicable)
    }

    /// The policy was not told what it would need.
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

    /// Adds a reason: a stable `code` of 1 to 64 letters, digits, `-`, `_`, `.` and `:`, and a
    /// `message` for people.
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

    /// Adds what the enforcement point must do. `plugin.toml` must list `kind`, and `properties`
    /// is a JSON object. A kind of the AuthZEN obligations profile has the properties that it asks for:
    /// `notification` needs `to` and `body`, `step-up` needs `acr_value`, `session_termination` needs `subject`.
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

    /// Adds what the enforcement point may do. `properties` is a JSON object.
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

    /// Narrows a permit: the arguments must meet `constraint` for as long as the grant lasts. If
    /// this call's do not, it is denied.
    pub fn only_if(mut self, constraint: Constraint) -> Self {
        self.narrowing.constraints.push(constraint);
        self
    }

    /// The answer itself.
    pub fn effect(&self) -> Effect {
        self.effect
    }

    /// Why.
    pub fn reasons(&self) -> &[Reason] {
        &self.reasons
    }

    /// Whether one of the reasons has this code.
    pub fn has_reason(&self, code: &str) -> bool {
        self.reasons.iter().any(|reason| reason.code == code)
    }

    /// What the enforcement point must do.
    pub fn obligations(&self) -> &[Obligation] {
        &self.obligations
    }

    /// What the enforcement point may do.
    pub fn advice(&self) -> &[Obligation] {
        &self.advice
    }

    /// How a permit is narrowed.
    pub fn narrowing(&self) -> &Narrowing {
        &self.narrowing
    }
}
