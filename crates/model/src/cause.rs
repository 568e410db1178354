//! The typed reason class of a decision.

use crate::fault_kind::FaultKind;
use serde::{Serialize, Serializer};
use std::fmt;

/// Reason class of a decision. An API, not a message: match on it.
///
/// All causes but [`Cause::Permitted`] are denies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// A plugin permits, no plugin denies, and the host does not object.
    Permitted,
    /// The request could not be read.
    InvalidRequest,
    /// The request names an unknown integration.
    UnknownIntegration,
    /// The principal is not in the registry.
    PrincipalUnregistered,
    /// The principal's registration has expired.
    RegistrationExpired,
    /// The request and the registry state different facts about the principal.
    RegistrationMismatch,
    /// The principal is not registered for the integration.
    IntegrationNotRegistered,
    /// A person uses the machine path, or a machine the interactive path.
    WrongSessionPath,
    /// The principal and the resource belong to different environments.
    EnvironmentCrossed,
    /// The principal's attestation is weaker than the integration requires.
    AttestationTooWeak,
    /// The workload does not run the registered digest.
    WorkloadDrifted,
    /// The credential is single-use and was used before.
    CredentialReplayed,
    /// More than one instance presents the credential.
    CredentialCloned,
    /// The principal's credential is valid for too long, or its lifetime is unknown.
    CredentialTooLongLived,
    /// The principal, its credential, its intent, a plugin or the integration is revoked.
    Revoked,
    /// The revocation list is too old or unusable.
    RevocationStale,
    /// The action's class exceeds the ceiling for an integration of this trust.
    BeyondTier,
    /// A required check did not pass.
    RequiredCheckMissing,
    /// The destination's posture is stale, unknown or bad.
    DestinationUnfit,
    /// The principal's credential has expired.
    CredentialExpired,
    /// The request names no intent, and the principal needs one.
    IntentMissing,
    /// The request names an unknown intent.
    IntentUnknown,
    /// The carried intent is invalid, or is not the named one.
    IntentInvalid,
    /// The intent was approved for another principal.
    IntentOfAnother,
    /// The intent is not valid yet.
    IntentNotYet,
    /// The request is outside the intent or one that it was delegated from.
    OutsideIntent,
    /// Comparing the request with its intent takes more steps than a decision may.
    TooComplex,
    /// The intent has expired.
    IntentExpired,
    /// The intent has no remaining uses.
    IntentUsedUp,
    /// The call answers questions of the server, and a plugin does not judge the answers.
    AnswersNotJudged,
    /// A plugin denies.
    PluginDenied,
    /// A plugin faulted, and no plugin denies.
    PluginFaulted(FaultKind),
    /// A plugin lacks information that it needs.
    Indeterminate,
    /// No plugin judges the request.
    NotApplicable,
    /// The permit has an obligation that the enforcement point does not support.
    UnsupportedObligation,
    /// The arguments of the call do not meet a constraint of the permit.
    ConstraintUnmet,
    /// The grant is empty: no time or no use remains.
    EmptyGrant,
    /// The state that counts uses is unusable.
    StateUnavailable,
    /// The decision could not be recorded.
    NotRecorded,
    /// The host failed.
    HostFault,
}

/// Party that can change the outcome of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CauseKind {
    /// The request is permitted.
    Permitted,
    /// The caller: the request cannot be decided.
    Request,
    /// The caller's identity provider: the credential is not acceptable.
    Credential,
    /// The approver or the operator: the policies do not permit the request.
    Policy,
    /// The operator of the host: the host cannot decide.
    Host,
}

/// Cause of a refusal, and the required change.
pub type Refusal = (Cause, String);

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
            Self::BeyondTier => "beyond-tier",
            Self::RequiredCheckMissing => "required-check-missing",
            Self::DestinationUnfit => "destination-unfit",
            Self::CredentialExpired => "credential-expired",
            Self::IntentMissing => "intent-missing",
            Self::IntentUnknown => "intent-unknown",
            Self::IntentInvalid => "intent-invalid",
            Self::IntentOfAnother => "intent-of-another",
            Self::IntentNotYet => "intent-not-yet",
            Self::OutsideIntent => "outside-intent",
            Self::TooComplex => "too-complex",
            Self::IntentExpired => "intent-expired",
            Self::IntentUsedUp => "intent-used-up",
            Self::AnswersNotJudged => "answers-not-judged",
            Self::PluginDenied => "plugin-denied",
            Self::PluginFaulted(FaultKind::Trap) => "plugin-trap",
            Self::PluginFaulted(FaultKind::Deadline) => "plugin-deadline",
            Self::PluginFaulted(FaultKind::Memory) => "plugin-memory",
            Self::PluginFaulted(FaultKind::Table) => "plugin-table",
            Self::PluginFaulted(FaultKind::OutputTooLarge) => "plugin-output-too-large",
            Self::PluginFaulted(FaultKind::InvalidOutput) => "plugin-output-invalid",
            Self::PluginFaulted(FaultKind::Overloaded) => "overloaded",
            Self::PluginFaulted(FaultKind::HostBusy) => "host-busy",
            Self::PluginFaulted(FaultKind::Quarantined) => "plugin-quarantined",
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

    /// True if another intent could have avoided this cause.
    pub const fn an_intent_would_do(self) -> bool {
        matches!(
            self,
            Self::IntentMissing
                | Self::IntentUnknown
                | Self::IntentExpired
                | Self::IntentUsedUp
                | Self::OutsideIntent
                | Self::TooComplex
        )
    }

    /// Party that can change the outcome.
    pub const fn kind(self) -> CauseKind {
        match self {
            Self::Permitted => CauseKind::Permitted,
            Self::InvalidRequest | Self::UnknownIntegration => CauseKind::Request,
            Self::AttestationTooWeak
            | Self::WorkloadDrifted
            | Self::CredentialReplayed
            | Self::CredentialCloned
            | Self::CredentialTooLongLived
            | Self::CredentialExpired => CauseKind::Credential,
            Self::PrincipalUnregistered
            | Self::RegistrationExpired
            | Self::RegistrationMismatch
            | Self::IntegrationNotRegistered
            | Self::WrongSessionPath
            | Self::EnvironmentCrossed
            | Self::Revoked
            | Self::BeyondTier
            | Self::RequiredCheckMissing
            | Self::DestinationUnfit
            | Self::IntentMissing
            | Self::IntentUnknown
            | Self::IntentInvalid
            | Self::IntentOfAnother
            | Self::IntentNotYet
            | Self::OutsideIntent
            | Self::TooComplex
            | Self::IntentExpired
            | Self::IntentUsedUp
            | Self::AnswersNotJudged
            | Self::PluginDenied
            | Self::Indeterminate
            | Self::NotApplicable
            | Self::UnsupportedObligation
            | Self::ConstraintUnmet
            | Self::EmptyGrant => CauseKind::Policy,
            Self::RevocationStale
            | Self::PluginFaulted(_)
            | Self::StateUnavailable
            | Self::NotRecorded
            | Self::HostFault => CauseKind::Host,
        }
    }

    /// Status of an HTTP response to the caller (RFC 9110): 200 for a permit, and 400, 401, 403, 500 or 503.
    pub const fn http_status(self) -> u16 {
        match self.kind() {
            CauseKind::Permitted => 200,
            CauseKind::Request => 400,
            CauseKind::Credential => 401,
            CauseKind::Policy => 403,
            CauseKind::Host if self.is_retryable() => 503,
            CauseKind::Host => 500,
        }
    }

    /// True if the same request may be permitted later, although the caller and the policies change nothing.
    ///
    /// The caller waits before it tries again. A request that used a credential that is accepted once needs a new
    /// one.
    pub const fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::IntentNotYet
                | Self::RevocationStale
                | Self::StateUnavailable
                | Self::NotRecorded
                | Self::PluginFaulted(
                    FaultKind::Deadline
                        | FaultKind::Overloaded
                        | FaultKind::HostBusy
                        | FaultKind::Quarantined
                        | FaultKind::Sandbox
                )
        )
    }

    /// Risks and controls that the cause is about, by framework.
    ///
    /// The frameworks are OWASP Non-Human Identities Top 10 (2025, `NHI…`), NIST CSF 2.0 (`PR.AA-…`,
    /// `PR.DS-…`, `PR.PS-…`) and the tenets of NIST SP 800-207, section 2.1. Empty if the cause is about none
    /// of them.
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
            Self::BeyondTier => &["NHI3", "PR.AA-05", "SP 800-207 tenet 4"],
            Self::RequiredCheckMissing => &["PR.AA-05", "SP 800-207 tenet 4"],
            Self::DestinationUnfit => &["PR.AA-05", "SP 800-207 tenet 5"],
            Self::IntentMissing
            | Self::IntentUnknown
            | Self::IntentInvalid
            | Self::IntentOfAnother
            | Self::IntentNotYet
            | Self::OutsideIntent
            | Self::TooComplex
            | Self::IntentExpired
            | Self::IntentUsedUp => &["NHI5", "PR.AA-05", "SP 800-207 tenet 3"],
            Self::AnswersNotJudged
            | Self::PluginDenied
            | Self::Indeterminate
            | Self::NotApplicable => &["PR.AA-05", "SP 800-207 tenet 4"],
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_says_whom_to_ask_and_whether_to_try_again() {
        for (cause, kind, status, is_retryable) in [
            (Cause::Permitted, CauseKind::Permitted, 200, false),
            (Cause::InvalidRequest, CauseKind::Request, 400, false),
            (Cause::CredentialExpired, CauseKind::Credential, 401, false),
            (Cause::OutsideIntent, CauseKind::Policy, 403, false),
            (Cause::IntentNotYet, CauseKind::Policy, 403, true),
            (Cause::NotRecorded, CauseKind::Host, 503, true),
            (
                Cause::PluginFaulted(FaultKind::Overloaded),
                CauseKind::Host,
                503,
                true,
            ),
            (
                Cause::PluginFaulted(FaultKind::Trap),
                CauseKind::Host,
                500,
                false,
            ),
            (Cause::HostFault, CauseKind::Host, 500, false),
        ] {
            let found = (cause.kind(), cause.http_status(), cause.is_retryable());
            assert_eq!(found, (kind, status, is_retryable), "{cause}");
        }
    }
}
