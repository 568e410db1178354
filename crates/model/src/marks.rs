//! Marks: last seen positions of a revocation list and of a state.

use crate::count::counted;
use crate::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

/// Last known position of a revocation list, as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ListMark {
    /// Number of changes in the list.
    pub epoch: u64,
    /// SHA-256 digest of the lines up to a change, inclusive, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Number of that change, if it is not the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest_epoch: Option<u64>,
}

impl ListMark {
    /// Creates a mark of `epoch` changes. `digest` is up to the last one.
    pub fn new(epoch: u64, digest: Option<String>) -> Self {
        Self {
            epoch,
            digest,
            digest_epoch: None,
        }
    }

    /// Returns the last change for which the digest is known, and that digest.
    pub fn fixed(&self) -> Option<(u64, &str)> {
        let digest = self.digest.as_deref()?;
        Some((self.digest_epoch.unwrap_or(self.epoch), digest))
    }

    /// Merges another mark of the same list. Returns true if this mark advanced.
    ///
    /// The other mark may know more changes, or the digest up to a later change.
    pub fn raise(&mut self, other: &Self) -> bool {
        let fixed = |mark: &Self| mark.fixed().map(|(epoch, _)| epoch);
        let is_fixed_later = fixed(self) < fixed(other);
        if !is_fixed_later && other.epoch <= self.epoch {
            return false;
        }
        let known = if is_fixed_later { other } else { &*self };
        let digest_epoch = fixed(known);
        let digest = known.digest.clone();
        self.epoch = self.epoch.max(other.epoch);
        self.digest = digest;
        self.digest_epoch = digest_epoch.filter(|epoch| *epoch != self.epoch);
        true
    }

    /// Like [`ListMark::raise`], for a mark that may be unknown.
    pub fn raise_known(known: &mut Option<Self>, other: &Self) -> bool {
        match known {
            Some(known) => known.raise(other),
            None => {
                *known = Some(other.clone());
                true
            }
        }
    }

    /// Returns the highest of `marks`; `None` if there are none.
    pub fn highest(marks: impl IntoIterator<Item = Self>) -> Option<Self> {
        let mut highest = None;
        for mark in marks {
            Self::raise_known(&mut highest, &mark);
        }
        highest
    }
}

/// Position of a revocation list, as used by a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ListSeen {
    /// Number of revocations in the list.
    pub epoch: u64,
    /// Time of the last line. A list without lines is not trusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<Timestamp>,
    /// Digest of the lines up to and including the last change, see [`ListMark::digest`].
    ///
    /// Missing in older logs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Reason why the list was unusable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Identity of a state, and its position.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct StateMark {
    /// Unique name of the state. A new state, or one that the operator accepts again, gets a new name.
    pub generation: String,
    /// Number of changes in this generation: uses spent or returned, and marks raised.
    pub changes: u64,
}

impl StateMark {
    /// Returns the reason if this mark belongs to another or older state than `known`.
    pub fn falls_short_of(&self, known: &Self) -> Option<String> {
        if self.generation != known.generation {
            return Some(
                match self.changes {
                    0 => "the earlier state is missing, and this one was created in its place",
                    _ => "another state is in the place of the earlier one",
                }
                .to_owned(),
            );
        }
        (self.changes < known.changes).then(|| {
            format!(
                "it has {}, and had {} before: it is an older copy",
                counted(self.changes, "change"),
                known.changes
            )
        })
    }
}
