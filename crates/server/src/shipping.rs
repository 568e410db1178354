//! Progress of shipping the decision log, as the status and its readers know it.

use portcullis_host::Timestamp;
use serde::{Deserialize, Serialize};

/// Progress of shipping the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct ShipStatus {
    /// URL of the receiver.
    pub url: String,
    /// Number of the last line that the receiver confirmed; 0 for none.
    pub confirmed: u64,
    /// Number of lines that it has not confirmed.
    pub behind: u64,
    /// True if nothing is sent until an operator acts.
    pub stopped: bool,
    /// Reason why the last batch was not shipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// Time of that problem.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}
