//! Parts of a request: the principal, the resource, the intent and the session.

use super::Posture;
use crate::timestamp::Timestamp;
use portcullis_contract::{Attestation, PrincipalKind};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The principal, as the gateway vouches for it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Principal {
    /// Id of the principal; a SPIFFE ID for a workload.
    pub id: String,
    /// Kind of the identity.
    pub kind: PrincipalKind,
    /// Type as sent, if it is not the name of `kind`.
    ///
    /// AuthZEN leaves `subject.type` open. `User` and `Acme::Team::User` have no kind, and `user` is
    /// [`PrincipalKind::Human`].
    pub type_name: String,
    /// Person or team responsible for the principal.
    pub owner: String,
    /// Registered purpose, in words.
    pub purpose: String,
    /// Environment that the principal runs in.
    pub environment: String,
    /// Proof of identity that the principal gave.
    pub attestation: Attestation,
    /// Id that revokes the credential, such as a `jti` or serial number.
    pub credential_id: String,
    /// Instance of the workload, such as its pod id or host id.
    pub instance: String,
    /// Attested digest of the running workload, such as its image digest.
    pub workload_digest: String,
    /// Time at which the credential was issued.
    pub credential_issued_at: Option<Timestamp>,
    /// Time at which the credential expires. The host denies requests from then on.
    pub credential_expires_at: Option<Timestamp>,
    /// Ids of the delegators, root first; SPIFFE IDs for workloads.
    pub delegated_by: Vec<String>,
    /// All other attributes.
    pub attributes: Vec<(String, Value)>,
}

impl Principal {
    /// Type as sent, or the name of the kind.
    pub fn type_name(&self) -> &str {
        match self.type_name.as_str() {
            "" => self.kind.as_str(),
            sent => sent,
        }
    }
}

/// Path by which a session started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SessionPath {
    /// The path for people: sign-in, consoles.
    Interactive,
    /// The path for machines.
    Machine,
}

impl SessionPath {
    /// The path as spelt in a request.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Interactive => "interactive",
            Self::Machine => "machine",
        }
    }
}

/// An approval given before the action.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Intent {
    /// Id of the intent.
    pub id: String,
    /// Purpose, in words.
    pub purpose: String,
    /// Approver of the intent.
    pub approved_by: String,
    /// Time at which the intent expires. The host denies requests that rely on it from then on.
    pub expires_at: Option<Timestamp>,
    /// Remaining uses, including this call. At zero the host denies.
    pub remaining_uses: Option<u64>,
    /// The signed intent, preceded by those that it was delegated from, root first.
    ///
    /// If the request does not carry them, the host looks up the intent by its id.
    pub documents: Vec<String>,
}

/// Target of the action.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Resource {
    /// Type of the resource, such as `repository`.
    pub kind: String,
    /// Id of the resource, such as `acme/billing`.
    pub id: String,
    /// Environment of the resource.
    pub environment: String,
    /// Last observed posture of the resource.
    pub posture: Option<Posture>,
    /// All other attributes.
    pub attributes: Vec<(String, Value)>,
}

/// Members of a call with which a client answers questions of the server.
///
/// MCP calls this a multi round-trip request: the server ends a call with questions, and the client repeats the
/// call with the answers.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RoundTrip {
    /// Answers to the server's questions, a JSON object (`inputResponses` of an MCP tool call).
    pub input_responses: Option<Value>,
    /// The server's own state, returned to it (`requestState` of an MCP tool call).
    pub request_state: Option<String>,
}

impl RoundTrip {
    /// True if the call answers no question.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
