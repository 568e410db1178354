//! Inputs that a decision used besides the request and the configuration.

use crate::marks::ListSeen;
use crate::marks::StateMark;
use crate::request::Posture;
use crate::waiver::Waiver;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Inputs that a decision used besides the request and the configuration.
///
/// The host records it. A replay with the same inputs gives the same decision.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Inputs {
    /// Position of the revocation list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revocation: Option<ListSeen>,
    /// Position of the list after the plugin calls, if it had advanced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revocation_again: Option<ListSeen>,
    /// The intent and those that it was delegated from, root first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub intents: Vec<IntentSeen>,
    /// Number of uses already spent, by credential or intent key.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub spent: BTreeMap<String, u64>,
    /// Another instance that had presented the credential.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen_elsewhere: Option<String>,
    /// Reason why the registry was unusable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registry_unusable: Option<String>,
    /// Posture of the destination, as observed by the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub posture: Option<Posture>,
    /// Reason why the host's observations of destinations were unusable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub posture_unusable: Option<String>,
    /// Reason why the state that counts uses was unusable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state_unusable: Option<String>,
    /// Reason why the uses of a permit could not be spent. The host denied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_spent: Option<String>,
    /// State that the uses were spent from, and its position after that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<StateMark>,
    /// Checks that the intent waived as an exception.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waived: Vec<Waiver>,
}

/// An intent that a decision relied on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntentSeen {
    /// Id of the intent.
    pub id: String,
    /// Digest of the intent.
    pub digest: String,
    /// Principal that may act on the intent.
    pub principal: String,
    /// Approver; empty if an older log does not name one.
    #[serde(
        rename = "approved-by",
        default,
        skip_serializing_if = "String::is_empty"
    )]
    pub approved_by: String,
}

/// Source of the inputs of a decision.
#[derive(Debug, Clone, Copy)]
pub enum Sources<'a> {
    /// Current data. The host remembers its observations.
    Live,
    /// Current data. The host remembers nothing.
    DryRun,
    /// Recorded inputs, with the revocation list of that time or the current one.
    Recorded(&'a Inputs, ListAsOf),
}

/// Revocation list to use for a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListAsOf {
    /// The list at the time of the decision: the replay gives the same decision.
    Then,
    /// The current list: the replay denies what was revoked since.
    Now,
}
