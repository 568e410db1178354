//! The verdict that a policy returns.

use portcullis_contract::{Constraint, Effect, Narrowing, Obligation, Reason};
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
///     .fields(["/action/arguments/branch"]);
/// ```
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Verdict(portcullis_contract::Verdict);

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
        Self(portcullis_contract::Verdict {
            effect,
            reasons: Vec::new(),
            obligations: Vec::new(),
            advice: Vec::new(),
            narrowing: Narrowing::default(),
            requestable: false,
        })
    }

    /// Adds a reason with a code and a message for people.
    ///
    /// `code` is stable, has 1 to 64 letters, digits, `-`, `_`, `.` and `:`, and is declared in `plugin.toml` under
    /// `[reasons]`.
    pub fn because(mut self, code: impl Into<String>, message: impl Into<String>) -> Self {
        self.0.reasons.push(Reason {
            code: code.into(),
            message: message.into(),
            fields: Vec::new(),
        });
        self
    }

    /// Names the fields that decided the last reason, as JSON Pointers into the request.
    pub fn fields<S: Into<String>>(mut self, fields: impl IntoIterator<Item = S>) -> Self {
        if let Some(reason) = self.0.reasons.last_mut() {
            reason.fields.extend(fields.into_iter().map(Into::into));
        }
        self
    }

    /// Says that an approved intent for this call would change the answer. Only a deny may say so.
    ///
    /// The host then offers with the denial to ask for approval, where the operator allows it.
    pub fn requestable(mut self) -> Self {
        self.0.requestable = true;
        self
    }

    /// Adds an obligation for the enforcement point.
    ///
    /// `plugin.toml` must list `kind`, and `properties` is a JSON object. Kinds of the AuthZEN obligations
    /// profile require properties: `notification` needs `to` and `body`, `step-up` needs `acr_value`, and
    /// `session_termination` needs `subject`.
    pub fn oblige(mut self, kind: impl Into<String>, properties: Value) -> Self {
        let kind = kind.into();
        let id = format!("{kind}-{}", self.0.obligations.len() + 1);
        self.0.obligations.push(Obligation {
            id,
            kind,
            properties,
        });
        self
    }

    /// Adds advice for the enforcement point. `properties` is a JSON object.
    pub fn advise(mut self, kind: impl Into<String>, properties: Value) -> Self {
        let kind = kind.into();
        let id = format!("{kind}-advice-{}", self.0.advice.len() + 1);
        self.0.advice.push(Obligation {
            id,
            kind,
            properties,
        });
        self
    }

    /// Narrows a permit: the grant lasts at most `lifetime`, counted in milliseconds.
    pub fn expires_in(mut self, lifetime: Duration) -> Self {
        self.0.narrowing.lifetime = Some(lifetime);
        self
    }

    /// Narrows a permit: the grant may be used at most `uses` times, this call included.
    pub fn at_most(mut self, uses: u32) -> Self {
        self.0.narrowing.max_uses = Some(uses);
        self
    }

    /// Narrows a permit: the arguments must meet `constraint` for as long as the grant lasts.
    ///
    /// If the arguments of this call do not meet it, the host denies the call.
    pub fn only_if(mut self, constraint: Constraint) -> Self {
        self.0.narrowing.constraints.push(constraint);
        self
    }

    /// Returns the effect.
    pub fn effect(&self) -> Effect {
        self.0.effect
    }

    /// Returns the reasons.
    pub fn reasons(&self) -> &[Reason] {
        &self.0.reasons
    }

    /// True if one of the reasons has this code.
    pub fn has_reason(&self, code: &str) -> bool {
        self.0.reasons.iter().any(|reason| reason.code == code)
    }

    /// Returns the obligations of the enforcement point.
    pub fn obligations(&self) -> &[Obligation] {
        &self.0.obligations
    }

    /// Returns the advice for the enforcement point.
    pub fn advice(&self) -> &[Obligation] {
        &self.0.advice
    }

    /// Returns the limits of a permit.
    pub fn narrowing(&self) -> &Narrowing {
        &self.0.narrowing
    }

    /// True if an approved intent for this call would change the answer.
    pub fn is_requestable(&self) -> bool {
        self.0.requestable
    }

    /// The verdict as a record of the contract.
    pub(crate) fn into_inner(self) -> portcullis_contract::Verdict {
        self.0
    }
}
