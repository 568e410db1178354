//! One line of a revocation list.

use portcullis_model::secret::{looks_like_a_token, withheld};
use portcullis_model::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

/// Kinds of ids that can be revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Revocable {
    /// Id of a principal, one of its delegators, or an approver.
    Principal,
    /// `credential-id` of a credential, or serial number of a certificate.
    Credential,
    /// Id of an intent.
    Intent,
    /// Digest of a plugin.
    Plugin,
    /// Name of an integration.
    Integration,
}

/// One line of the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Line", into = "Line")]
pub struct Record {
    /// Number of revocations and lifts up to and including this line.
    pub epoch: u64,
    /// Time at which the line was written.
    pub at: Timestamp,
    /// Revocation that this line makes or lifts; `None` for a checkpoint.
    pub revoked: Option<Revoked>,
    /// True if the line lifts the revocation.
    pub lifts: bool,
    /// Trust domains of the principals that the line applies to; all if empty.
    pub domains: Vec<String>,
    /// Security event that caused the revocation, if any.
    pub event: Option<String>,
    /// True if another event has the same name.
    pub conflict: bool,
    /// Signature over all lines before this one.
    pub head: Option<String>,
}

impl Record {
    /// A revocation that applies to all trust domains.
    pub fn revocation(epoch: u64, revoked: Revoked) -> Self {
        Self {
            revoked: Some(revoked),
            ..Self::checkpoint(epoch, Timestamp::from_millis(0))
        }
    }

    /// True if the line applies to the trust domain of `principal`.
    pub fn is_about(&self, principal: &str) -> bool {
        let domain = super::ids::trust_domain(principal);
        self.domains.is_empty()
            || domain.is_none_or(|domain| self.domains.iter().any(|one| *one == domain))
    }

    /// A checkpoint without a head.
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

/// JSON form of a line.
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
                    "a revocation has `kind`, `id`, `reason` and `by`, and a checkpoint has none of them",
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

/// A revoked id with its reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revoked {
    /// Kind of the id.
    pub kind: Revocable,
    /// Revoked id.
    pub id: String,
    /// Reason for the revocation, for people.
    pub reason: String,
    /// Operator or issuer that revoked it.
    pub by: String,
}

impl Revoked {
    /// Replaces possible secrets in `reason` and `by`. True if there was one.
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
