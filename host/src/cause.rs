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
    /// The principal proved itself in a weaker way than the integration asks for.
    AttestationTooWeak,
    /// The workload does not run what it is registered with.
    WorkloadDrifted,
    /// The credential may be used once, and was used.
    CredentialReplayed,
    /// More than one instance presents the credential.
    CredentialCloned,
    /// The principal's credential is valid for longer than it may be, or nobody says for how long.
    CredentialTooLongLived,
    /// The principal, its credential, its intent, a plugin or the integration is revoked.
    Revoked,
    /// The revocation list is too old to rely on, or cannot be used.
    RevocationStale,
    /// The action is of a class that an integration of this trust may not be used for.
    BeyondTrust,
    /// Something that there has to be evidence of is not known.
    EvidenceMissing,
    /// The destination was not looked at recently enough, or is not well.
    PostureAmiss,
    /// The principal's credential has expired.
    CredentialExpired,
    /// The request names no intent, and its principal needs one.
    IntentMissing,
    /// The request names an intent that nobody knows.
    IntentUnknown,
    /// The intent that the request carries is none, or not the one that it names.
    IntentInvalid,
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
    /// What is counted could not be: the state cannot be used.
    StateUnavailable,
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
            Self::AttestationTooWeak => "attestation-too-weak",
            Self::WorkloadDrifted => "workload-drifted",
            Self::CredentialReplayed => "credential-replayed",
            Self::CredentialCloned => "credential-cloned",
            Self::CredentialTooLongLived => "credential-too-long-lived",
            Self::Revoked => "revoked",
            Self::RevocationStale => "revocation-stale",
            Self::BeyondTrust => "beyond-trust",
            Self::EvidenceMissing => "evidence-missing",
            Self::PostureAmiss => "posture-amiss",
            Self::CredentialExpired => "credential-expired",
            Self::IntentMissing => "intent-missing",
            Self::IntentUnknown => "intent-unknown",
            Self::IntentInvalid => "intent-invalid",
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
            Self::StateUnavailable => "state-unavailable",
            Self::NotRecorded => "not-recorded",
            Self::HostFault => "host-fault",
        }
    }

    /// Whether the request would have gone further with another intent.
    pub(crate) const fn an_intent_would_do(self) -> bool {
        matches!(
            self,
            Self::IntentMissing
                | Self::IntentUnknown
                | Self::IntentExpired
                | Self::IntentUsedUp
                | Self::OutsideIntent
        )
    }

    /// What the frameworks call the risk or control that the cause is about: OWASP Non-Human Identities
    /// Top 10 (2025, `NHI…`), NIST CSF 2.0 (`PR.AA-…`, `PR.DS-…`, `PR.PS-…`) and the tenets of NIST SP
    /// 800-207, section 2.1. Empty where the cause is about none of them.
    pub const fn frameworks(self) -> &'static [&'static str] {
        match self {
            Self::PrincipalUnregistered => &["NHI1", "PR.AA-01", "SP 800-207 tenet 6"],
            Self::RegistrationExpired => &["NHI1", "PR.AA-01", "SP 800-207 tenet 6"],
            Self::RegistrationMismatch => &["NHI4", "PR.AA-02", "SP 800-207 tenet 4"],
            Self::IntegrationNotRegistered => &["NHI5", "PR.AA-05", "SP 800-207 tenet 3"],
            Self::WrongSessionPath => &["NHI10", "PR.AA-03", "SP 800-207 tenet 6"],
            Self::EnvironmentCrossed => &["NHI8", "PR.AA-05", "SP 800-207 tenet 4"],
            Self::AttestationTooWeak => &["NHI4", "PR.AA-03", "SP 800-207 tenet 6"],
            Self::WorkloadDrifted => &["NHI6", "PR.AA-02", "SP 800-207 tenet 5"],
            Self::CredentialReplayed | Self::CredentialCloned => {
                &["NHI2", "NHI9", "PR.AA-04", "SP 800-207 tenet 6"]
            }
            Self::CredentialTooLongLived => &["NHI7", "PR.AA-01", "SP 800-207 tenet 3"],
            Self::CredentialExpired => &["NHI7", "PR.AA-03", "SP 800-207 tenet 6"],
            Self::Revoked | Self::RevocationStale => &["NHI1", "PR.AA-01", "SP 800-207 tenet 6"],
            Self::BeyondTrust => &["NHI3", "PR.AA-05", "SP 800-207 tenet 4"],
            Self::EvidenceMissing => &["PR.AA-05", "SP 800-207 tenet 4"],
            Self::PostureAmiss => &["PR.AA-05", "SP 800-207 tenet 5"],
            Self::IntentMissing
            | Self::IntentUnknown
            | Self::IntentInvalid
            | Self::IntentOfAnother
            | Self::IntentNotYet
            | Self::OutsideIntent
            | Self::IntentExpired
            | Self::IntentUsedUp => &["NHI5", "PR.AA-05", "SP 800-207 tenet 3"],
            Self::PluginDenied | Self::Indeterminate | Self::NotApplicable => {
                &["PR.AA-05", "SP 800-207 tenet 4"]
            }
            Self::ConstraintUnmet | Self::EmptyGrant | Self::UnsupportedObligation => {
                &["PR.AA-05", "SP 800-207 tenet 3"]
            }
            Self::StateUnavailable | Self::NotRecorded => &["PR.PS-04", "SP 800-207 tenet 7"],
            Self::Permitted
            | Self::InvalidRequest
            | Self::UnknownIntegration
            | Self::PluginFaulted(_)
            | Self::HostFault => &[],
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
