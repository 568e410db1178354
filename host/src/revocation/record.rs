//! One line of a revocation list.

use crate::Timestamp;
use portcullis_contract::{looks_like_a_token, withheld};
use serde::{Deserialize, Serialize};

/// What can be revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Revocable {
    /// A principal, one that delegated to it, or an approver, by id.
    Principal,
    /// A credential, by its `credential-id`, or a certificate's serial number.
    Credential,
    /// An intent, by its id.
    Intent,
    /// A plugin, by its digest.
    Plugin,
    /// An integration, by its name.
    Integration,
}

/// One line of the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Line", into = "Line")]
pub struct Record {
    /// How many revocations and lifts there are up to and with this one.
    pub epoch: u64,
    /// When the line was written.
    pub at: Timestamp,
    /// What is revoked, or no longer is; a line without it is a checkpoint.
    pub revoked: Option<Revoked>,
    /// Whether it is no longer revoked from this line on.
    pub lifts: bool,
    /// The trust domains of the principals that it is about; all, if there are none.
    pub domains: Vec<String>,
    /// The security event that revoked it, if it was one.
    pub event: Option<String>,
    /// Whether another event had the name of this one.
    pub conflict: bool,
    /// The signature of all lines before this one.
    pub head: Option<String>,
}

impl Record {
    /// A revocation that is about everyone.
    pub fn revocation(epoch: u64, revoked: Revoked) -> Self {
        Self {
            revoked: Some(revoked),
            ..Self::checkpoint(epoch, Timestamp::from_millis(0))
        }
    }

    /// Whether it is about what is `principal`'s, by its trust domain.
    pub fn is_about(&self, principal: &str) -> bool {
        let domain = super::ids::trust_domain(principal);
        self.domains.is_empty()
            || domain.is_none_or(|domain| self.domains.iter().any(|one| *one == domain))
    }

    /// A checkpoint.
    pub(super) fn checkpoint(epoch: u64, at: Timestamp) -> Self {
        Self {
            epoch,
            at,
            revoked: None,
            lifts: false,
            domains: Vec::new(),
            event: None,
            conflict: false,
            head: None,
        }
    }
}

/// A line as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    epoch: u64,
    at: Timestamp,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    lift: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kind: Option<Revocable>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    domains: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    event: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    conflict: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    head: Option<String>,
}

impl TryFrom<Line> for Record {
    type Error = &'static str;

    fn try_from(line: Line) -> Result<Self, &'static str> {
        let of_revocation =
            line.lift || line.conflict || line.event.is_some() || !line.domains.is_empty();
        let revoked = match (line.kind, line.id, line.reason, line.by) {
            (None, None, None, None) if !of_revocation => None,
            (Some(kind), Some(id), Some(reason), Some(by)) if line.head.is_none() => {
                Some(Revoked {
                    kind,
                    id,
                    reason,
                    by,
                })
            }
            _ => {
                return Err(
                    "a revocation has `kind`, `id`, `reason` and `by`, and a checkpoint none",
                );
            }
        };
        Ok(Self {
            epoch: line.epoch,
            at: line.at,
            revoked,
            lifts: line.lift,
            domains: line.domains,
            event: line.event,
            conflict: line.conflict,
            head: line.head,
        })
    }
}

impl From<Record> for Line {
    fn from(record: Record) -> Self {
        let (kind, id, reason, by) = match record.revoked {
            Some(Revoked {
                kind,
                id,
                reason,
                by,
            }) => (Some(kind), Some(id), Some(reason), Some(by)),
            None => (None, None, None, None),
        };
        Self {
            epoch: record.epoch,
            at: record.at,
            lift: record.lifts,
            kind,
            id,
            reason,
            by,
            domains: record.domains,
            event: record.event,
            conflict: record.conflict,
            head: record.head,
        }
    }
}

/// What is revoked, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revoked {
    /// What kind of thing it is.
    pub kind: Revocable,
    /// Which one it is.
    pub id: String,
    /// Why, for people.
    pub reason: String,
    /// Who revoked it.
    pub by: String,
}

impl Revoked {
    /// Takes out of what is for people what looks like a secret, and gives whether there was any.
    pub(super) fn withhold_tokens(&mut self) -> bool {
        let mut has_token = false;
        for text in [&mut self.reason, &mut self.by] {
            if looks_like_a_token(text) {
                *text = withheld(text);
                has_token = true;
            }
        }
        has_token
    }
}
