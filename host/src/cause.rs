//! The typed reason class of a decision.

use crate::plugin::FaultKind;
use serde::{Serialize, Serializer};
use std::fmt;

/// Why a decision is what it is: a class, not a message. An API: match on it.
///
/// All but [`Cause::Permitted`] are denies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// A plugin permits, none objects, and the host has nothing against it.
    Permitted,
    /// The request could not be read.
    InvalidRequest,
    /// No integration has the name that the request gives.
    UnknownIntegration,
    /// The principal is not in the registry.
    PrincipalUnregistered,
    /// The principal's registration has ended.
    RegistrationExpired,
    /// The request states something else of the principal than the registry.
    RegistrationMismatch,
    /// The principal is not registered for the integration.
    IntegrationNotRegistered,
    /// A person on the path for machines, or a machine on the one for people.
    WrongSessionPath,
    /// The principal is of one environment and the resource of another.
    EnvironmentCrossed,
    /// The principal's credential is valid for longer than it may be, or nobody says for how long.
    CredentialTooLongLived,
    /// The principal, its credential, its intent, a plugin or the integration is revoked.
    Revoked,
    /// The revocation list is too old to rely on, or cannot be used.
    RevocationStale,
    /// The destination was not looked at recently enough, or is not well.
    PostureAmiss,
    /// The principal's credential has expired.
    CredentialExpired,
    /// The request names no intent, and its principal needs one.
    IntentMissing,
    /// The request names an intent that nobody knows.
    IntentUnknown,
    /// The intent was approved for another principal.
    IntentOfAnother,
    /// The intent does not hold yet.
    IntentNotYet,
    /// The request is not what the intent, or one that it was delegated from, allows.
    OutsideIntent,
    /// The intent has expired.
    IntentExpired,
    /// The intent may not be used any more.
    IntentUsedUp,
    /// A plugin denies.
    PluginDenied,
    /// A plugin faulted, and none denies.
    PluginFaulted(FaultKind),
    /// A plugin was not told what it would need.
    Indeterminate,
    /// No plugin found the request to be its to judge.
    NotApplicable,
    /// The permit comes with an obligation that the enforcement point cannot carry out.
    UnsupportedObligation,
    /// The permit is narrowed to something that this call is not.
    ConstraintUnmet,
    /// The permit is narrowed to nothing: no time or no use is left.
    EmptyGrant,
    /// The decision could not be recorded.
    NotRecorded,
    /// The host itself failed.
    HostFault,
}

/// Why a request is refused: the cause, and what would have to change.
pub(crate) type Refusal = (Cause, String);

impl Cause {
    /// The cause as text, such as `plugin-denied` or `plugin-deadline`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Permitted => "permitted",
            Self::InvalidRequest => "invalid-request",
            Self::UnknownIntegration => "unknown-integration",
            Self::PrincipalUnregistered => "principal-unregistered",
            Self::RegistrationExpired => "registration-expired",
            Self::RegistrationMismatch => "registration-mismatch",
            Self::IntegrationNotRegistered => "integration-not-registered",
            Self::WrongSessionPath => "wrong-session-path",
            Self::EnvironmentCrossed => "environment-crossed",
            Self::CredentialTooLongLived => "credential-too-long-lived",
            Self::Revoked => "revoked",
            Self::RevocationStale => "revocation-stale",
            Self::PostureAmiss => "posture-amiss",
            Self::CredentialExpired => "credential-expired",
            Self::IntentMissing => "intent-missing",
            Self::IntentUnknown => "intent-unknown",
            Self::IntentOfAnother => "intent-of-another",
            Self::IntentNotYet => "intent-not-yet",
            Self::OutsideIntent => "outside-intent",
            Self::IntentExpired => "intent-expired",
            Self::IntentUsedUp => "intent-used-up",
            Self::PluginDenied => "plugin-denied",
            Self::PluginFaulted(FaultKind::Trap) => "plugin-trap",
            Self::PluginFaulted(FaultKind::Deadline) => "plugin-deadline",
            Self::PluginFaulted(FaultKind::Memory) => "plugin-memory",
            Self::PluginFaulted(FaultKind::Table) => "plugin-table",
            Self::PluginFaulted(FaultKind::OutputTooLarge) => "plugin-output-too-large",
            Self::PluginFaulted(FaultKind::InvalidOutput) => "plugin-output-invalid",
            Self::PluginFaulted(FaultKind::Overloaded) => "overloaded",
            Self::PluginFaulted(FaultKind::Sandbox) => "sandbox-unavailable",
            Self::Indeterminate => "indeterminate",
            Self::NotApplicable => "not-applicable",
            Self::UnsupportedObligation => "unsupported-obligation",
            Self::ConstraintUnmet => "constraint-unmet",
            Self::EmptyGrant => "empty-grant",
            Self::NotRecorded => "not-recorded",
            Self::HostFault => "host-fault",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Cause {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
