//! Facts about a request that the host establishes before it calls plugins.

use crate::request::{Posture, Request};
use crate::timestamp::Timestamp;
use portcullis_contract::PrincipalKind;

/// Known facts about an intent: the approved ones, or else those stated by the request.
#[derive(Debug, Clone, Copy)]
pub struct IntentFacts<'a> {
    /// Id of the intent.
    pub id: &'a str,
    /// Purpose in words, for messages.
    pub purpose: &'a str,
    /// Approver.
    pub approved_by: &'a str,
    /// End of the approval.
    pub expires_at: Option<Timestamp>,
    /// Remaining uses, including this one.
    pub remaining_uses: Option<u64>,
}

/// Known facts about a principal, its intent and the destination.
///
/// They come from the registry, the approval and the host's own observations, or else from the request.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The intent that the request acts on.
    pub intent: Option<IntentFacts<'a>>,
    /// Kind of the principal.
    pub kind: PrincipalKind,
    /// Owner of the principal.
    pub owner: &'a str,
    /// Purpose of the principal, in words.
    pub purpose: &'a str,
    /// Environment of the principal.
    pub environment: &'a str,
    /// State of the destination.
    pub posture: Option<Posture>,
}

impl<'a> Facts<'a> {
    /// Facts as the request states them.
    pub fn stated(request: &'a Request) -> Self {
        let principal = request.principal();
        Self {
            intent: request.intent().map(|intent| IntentFacts {
                id: &intent.id,
                purpose: &intent.purpose,
                approved_by: &intent.approved_by,
                expires_at: intent.expires_at,
                remaining_uses: intent.remaining_uses,
            }),
            kind: principal.kind,
            owner: &principal.owner,
            purpose: &principal.purpose,
            environment: &principal.environment,
            posture: request.resource().posture,
        }
    }
}
