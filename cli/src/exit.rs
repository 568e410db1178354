//! Exit codes, which scripts rely on.

use portcullis_host::log::Corrupt;
use portcullis_host::{Cause, Decision};
use std::process::ExitCode;

/// Exit code of the program, in order of severity. The most severe one counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exit {
    /// 0: permit, or success.
    Success,
    /// 2: deny.
    Deny,
    /// 4: a plugin faulted, which is a deny.
    Faulted,
    /// 3: a plugin, a configuration, a request, an intent or a log is invalid.
    Invalid,
    /// 5: a gate failed: a replay differs, a configuration permits more than another one, a revocation is not
    /// confirmed, a registry has findings, a case is decided differently, a decision takes too long.
    GateFailed,
    /// 1: the tool itself failed, or its arguments are wrong.
    Failed,
}

pub(crate) const HELP: &str = "\
Exit codes:
  0  permit, or success
  1  the tool failed, or was called wrongly
  2  deny
  3  a plugin, a configuration, a request, an intent or a log is not valid
  4  a plugin faulted (a deny)
  5  a gate failed: a replay differs, a configuration permits more than another
     one, a revocation is not confirmed, a registry has findings, a case is decided
     differently, a decision takes too long";

impl Exit {
    /// Returns the exit code for a log that is broken or cannot be read.
    pub(crate) fn of_log(broken: &Corrupt) -> Self {
        match broken.is_unread() {
            true => Self::Failed,
            false => Self::Invalid,
        }
    }

    pub(crate) fn of(decision: &Decision) -> Self {
        match decision.cause() {
            Cause::Permitted => Self::Success,
            Cause::InvalidRequest => Self::Invalid,
            Cause::PluginFaulted(_) => Self::Faulted,
            Cause::HostFault | Cause::NotRecorded => Self::Failed,
            Cause::UnknownIntegration
            | Cause::PrincipalUnregistered
            | Cause::RegistrationExpired
            | Cause::RegistrationMismatch
            | Cause::IntegrationNotRegistered
            | Cause::WrongSessionPath
            | Cause::EnvironmentCrossed
            | Cause::AttestationTooWeak
            | Cause::WorkloadDrifted
            | Cause::CredentialReplayed
            | Cause::CredentialCloned
            | Cause::CredentialTooLongLived
            | Cause::Revoked
            | Cause::RevocationStale
            | Cause::BeyondTier
            | Cause::RequiredCheckMissing
            | Cause::DestinationUnfit
            | Cause::CredentialExpired
            | Cause::IntentMissing
            | Cause::IntentUnknown
            | Cause::IntentInvalid
            | Cause::IntentOfAnother
            | Cause::IntentNotYet
            | Cause::OutsideIntent
            | Cause::TooComplex
            | Cause::IntentExpired
            | Cause::IntentUsedUp
            | Cause::AnswersNotJudged
            | Cause::PluginDenied
            | Cause::Indeterminate
            | Cause::NotApplicable
            | Cause::UnsupportedObligation
            | Cause::ConstraintUnmet
            | Cause::EmptyGrant
            | Cause::StateUnavailable => Self::Deny,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Success => 0,
            Exit::Failed => 1,
            Exit::Deny => 2,
            Exit::Invalid => 3,
            Exit::Faulted => 4,
            Exit::GateFailed => 5,
        })
    }
}
