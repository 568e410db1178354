//! A decision as the caller may see it.

use crate::decision::Decision;
use portcullis_model::cause::{Cause, CauseKind};
use serde::Serialize;

/// A decision as the caller may see it, for the gateway's response.
///
/// [`Decision::detail`], reasons and the trace are for operators: they name approvers, allowances, files and
/// plugins. This has none of them. As JSON it has the members `decision`, `id`, `kind`, `status`, `retryable` and
/// `message`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ForCaller {
    /// True for a permit.
    pub decision: bool,
    /// Id of the decision, by which an operator finds it in the log; absent in a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Party that can change the outcome.
    pub kind: CauseKind,
    /// Status of an HTTP response, see [`Cause::http_status`].
    pub status: u16,
    /// True if the same request may be permitted later, see [`Cause::is_retryable`].
    pub retryable: bool,
    /// Message to show: the place of the error for a request that cannot be read, or else a fixed text.
    pub message: String,
}

impl Decision {
    /// The part of the decision that a gateway may return to the caller.
    pub fn for_caller(&self) -> ForCaller {
        let cause = self.cause();
        let message = match cause {
            // It names places and texts of the caller's own request only.
            Cause::InvalidRequest => self.detail(),
            cause => message(cause),
        };
        ForCaller {
            decision: self.is_permit(),
            id: self.id().map(str::to_owned),
            kind: cause.kind(),
            status: cause.http_status(),
            retryable: cause.is_retryable(),
            message: message.to_owned(),
        }
    }
}

fn message(cause: Cause) -> &'static str {
    match cause.kind() {
        CauseKind::Permitted => "the request is permitted",
        CauseKind::Request => "the request cannot be decided as it is: correct it",
        CauseKind::Credential => "the credential is not accepted: present a valid one",
        CauseKind::Policy => "the request is not permitted: ask for an approval",
        CauseKind::Host if cause.is_retryable() => "the request cannot be decided now: try again",
        CauseKind::Host => "the request cannot be decided: report it to the operator",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_sees_no_detail_that_is_meant_for_operators() {
        let detail = "intent `int-7`, approved by alice@acme.example, allows `acme/payroll`";
        for cause in [
            Cause::OutsideIntent,
            Cause::UnknownIntegration,
            Cause::CredentialCloned,
            Cause::NotRecorded,
            Cause::HostFault,
        ] {
            let seen = Decision::deny(cause, detail).for_caller();
            let json = serde_json::to_string(&seen).unwrap();
            for secret in ["int-7", "alice", "payroll"] {
                assert!(!json.contains(secret), "{json}");
            }
            assert!(!seen.decision);
            assert_eq!(seen.status, cause.http_status());
        }
        let own = "`/action/name`: missing: expected text";
        let seen = Decision::deny(Cause::InvalidRequest, own).for_caller();
        assert_eq!((seen.message.as_str(), seen.status), (own, 400));
    }
}
