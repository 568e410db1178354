//! Last observed state of a destination.

use crate::{Exposure, Health, Timestamp};
use serde::{Deserialize, Serialize};

/// Last observed state of an action's destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Posture {
    /// Audience that can reach the destination.
    pub exposure: Exposure,
    /// Operating state of the destination.
    pub health: Health,
    /// True if acting on the destination gives power over other systems.
    pub privileged: Option<bool>,
    /// True if the destination is past its support.
    pub legacy: Option<bool>,
    /// True if the destination's configuration deviates from its baseline.
    pub drifted: Option<bool>,
    /// Time of the observation.
    pub observed_at: Option<Timestamp>,
}
