//! What a decision was made from, besides the request and the configuration.

use crate::intent::Waiver;
use crate::request::Posture;
use crate::revocation::ListSeen;
use crate::state::StateMark;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a decision was made from, besides the request and the configuration. It is recorded, and with
/// it the same is decided again.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Evidence {
    /// How far the revocation list was known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revocation: Option<ListSeen>,
    /// How far it was known when the plugins had been asked, if that was farther.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revocation_again: Option<ListSeen>,
    /// The intent and those that it was delegated by, root first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub intents: Vec<IntentSeen>,
    /// How often what has so many uses had been used.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub spent: BTreeMap<String, u64>,
    /// Which other instance had presented the credential.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen_elsewhere: Option<String>,
    /// What the host knew of the destination's posture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub posture: Option<Posture>,
    /// Why nothing is known of destinations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub posture_unusable: Option<String>,
    /// Why what is counted could not be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state_unusable: Option<String>,
    /// Why what a permit would have used up could not be spent, so that it became none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_spent: Option<String>,
    /// Which state it was spent from, and how far that had gone then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<StateMark>,
    /// What the intent, as an exception, waived.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waived: Vec<Waiver>,
}

/// An intent that a decision relied on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntentSeen {
    /// Its id.
    pub id: String,
    /// Its digest.
    pub digest: String,
    /// Who may act on it.
    pub principal: String,
    /// Who approved it; empty where an older log does not say.
    #[serde(
        rename = "approved-by",
        default,
        skip_serializing_if = "String::is_empty"
    )]
    pub approved_by: String,
}

/// Where a decision has what it is made from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Sources<'a> {
    /// What there is now. What is seen is remembered.
    Live,
    /// What there is now. Nothing is remembered.
    DryRun,
    /// What was recorded; the revocation list as it was then, or as it is now.
    Recorded(&'a Evidence, ListAsOf),
}

/// Which revocation list counts when a decision is made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListAsOf {
    /// The list as it was then: what was decided is decided again.
    Then,
    /// The list as it is now: what was revoked since is denied.
    Now,
}
