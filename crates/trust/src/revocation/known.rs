//! The list in one state, as a decision looks it up.

use super::error::ListError;
use super::list::List;
use super::{ListSeen, Revocable, Revoked};
use portcullis_model::timestamp::Timestamp;
use std::sync::RwLockReadGuard;
use std::time::Duration;

/// The list in one state, locked against changes while this exists.
pub struct Known<'a> {
    pub(super) list: RwLockReadGuard<'a, List>,
    /// Earlier state to look up, if not the current one.
    pub(super) as_seen: Option<ListSeen>,
    pub(super) max_staleness: Duration,
}

impl Known<'_> {
    /// Epoch, time and digest of the list, as a decision records them.
    pub fn seen(&self) -> ListSeen {
        self.as_seen.clone().unwrap_or_else(|| ListSeen {
            epoch: self.list.epoch,
            as_of: self.list.as_of,
            digest: self.list.mark().and_then(|mark| mark.digest),
            error: self.list.unreliable().map(|error| error.to_string()),
        })
    }

    /// Number of changes in this state.
    pub fn epoch(&self) -> u64 {
        self.as_seen
            .as_ref()
            .map_or(self.list.epoch, |seen| seen.epoch)
    }

    /// Reason why the list is unreliable at `now`, if it is.
    pub fn unreliable(&self, now: Timestamp) -> Option<String> {
        let (error, as_of) = match &self.as_seen {
            Some(seen) => (seen.error.clone(), seen.as_of),
            None => {
                let error = self.list.unreliable();
                (error.map(|error| error.to_string()), self.list.as_of)
            }
        };
        if error.is_some() {
            return error;
        }
        let Some(as_of) = as_of else {
            return Some(ListError::Empty.to_string());
        };
        let age = now.since(as_of);
        (age > self.max_staleness).then(|| {
            format!(
                "the revocation list is stale: it is of {as_of}, {age:?} ago, and may be {:?} old; make sure that updates with checkpoints are delivered",
                self.max_staleness
            )
        })
    }

    /// Returns the revocation of an id.
    ///
    /// For a credential, revocations for any principal match.
    pub fn find(&self, kind: Revocable, id: &str) -> Option<&Revoked> {
        self.list.entries.find(kind, id, None, self.epoch())
    }

    /// Returns the revocation of a credential of `principal`.
    pub fn find_credential(&self, id: &str, principal: &str) -> Option<&Revoked> {
        let kind = Revocable::Credential;
        self.list
            .entries
            .find(kind, id, Some(principal), self.epoch())
    }
}
