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
    /// The principal's credential has expired.
    CredentialExpired,
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
    /// The host itself failed.
    HostFault,
}

impl Cause {
    /// The cause as text, such as `plugin-denied` or `plugin-deadline`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Permitted => "permitted",
            Self::InvalidRequest => "invalid-request",
            Self::UnknownIntegration => "unknown-integration",
            Self::CredentialExpired => "credential-expired",
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
