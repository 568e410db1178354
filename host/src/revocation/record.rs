//! One line of a revocation list.

use super::ListError;
use crate::Timestamp;
use crate::plugin::Digest;
use crate::registry::is_spiffe_id;
use portcullis_contract::{excerpt, looks_like_a_token, withheld};
use serde::{Deserialize, Serialize};

/// What can be revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Revocable {
    /// A principal or one that delegated to it, by SPIFFE ID.
    Principal,
    /// A credential, by its `credential-id`.
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
    /// How many revocations there are up to and with this one.
    pub epoch: u64,
    /// When the line was written.
    pub at: Timestamp,
    /// What is revoked; a line without it is a checkpoint.
    pub revoked: Option<Revoked>,
    /// The security event that revoked it, if it was one.
    pub event: Option<String>,
}

/// A line as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    epoch: u64,
    at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kind: Option<Revocable>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    event: Option<String>,
}

impl TryFrom<Line> for Record {
    type Error = &'static str;

    fn try_from(line: Line) -> Result<Self, &'static str> {
        let revoked = match (line.kind, line.id, line.reason, line.by) {
            (None, None, None, None) if line.event.is_none() => None,
            (Some(kind), Some(id), Some(reason), Some(by)) => Some(Revoked {
                kind,
                id,
                reason,
                by,
            }),
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
            event: line.event,
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
            kind,
            id,
            reason,
            by,
            event: record.event,
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

    /// Refuses what no request could ever name.
    pub(super) fn could_be_found(&self) -> Result<(), ListError> {
        let expected = match self.kind {
            Revocable::Principal if !is_spiffe_id(&self.id) => "a SPIFFE ID, in lower case",
            Revocable::Plugin if self.id.parse::<Digest>().is_err() => {
                "a digest, `sha256:` and 64 hexadecimal digits"
            }
            _ if self.id.trim() != self.id || self.id.is_empty() => {
                "an id without spaces around it"
            }
            _ => return Ok(()),
        };
        Err(ListError::Id {
            id: excerpt(&withheld(&self.id)),
            expected,
        })
    }
}
