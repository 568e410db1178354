//! Instructions for requesting approval of a denied request.

use portcullis_model::digest::Digest;
use portcullis_model::timestamp::Timestamp;
use serde::Serialize;
use serde_json::Value;

/// Instructions for requesting approval of a denied request.
///
/// It makes the deny a requestable denial of the AuthZEN Access Request and Approval Profile. The
/// decision stays a deny; an approval results in an intent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AccessRequest {
    /// Address at which to request approval.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Kind of approval required, for the approver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// Ids of the accepted approvers, sorted, without the principal itself.
    ///
    /// Empty if intents need not be signed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub approvers: Vec<String>,
    /// Permission that the approver would have to grant.
    pub approval: Approval,
    /// Time until which an approval request may refer to this denial.
    pub expires_at: Timestamp,
}

/// Permission that an intent would need for a denied request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Approval {
    /// Name of the integration.
    pub integration: String,
    /// Name of the action.
    pub action: String,
    /// Id of the resource.
    pub resource: String,
    /// Arguments that the approver has to know.
    ///
    /// If an allowance admits the action and the resource, these are the arguments that it does not admit.
    /// Otherwise they are all arguments. The first 16 are listed, and `arguments_left_out` counts the others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<ApprovalArgument>,
    /// Number of such arguments that are not listed.
    #[serde(skip_serializing_if = "is_zero")]
    pub arguments_left_out: usize,
    /// SHA-256 of all arguments in canonical JSON (RFC 8785).
    pub arguments_digest: Digest,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// An argument of a denied request, for the approver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ApprovalArgument {
    /// JSON Pointer of the argument.
    pub path: String,
    /// Value of the argument; absent if the request has no such argument.
    ///
    /// Texts, lists and objects are shortened to 60 characters, and what looks like a secret is withheld.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// Origins of the argument and its parts, as the gateway states them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub origins: Vec<String>,
}
