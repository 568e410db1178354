//! Revocation: an append-only list that the host follows.
//!
//! The list has one JSON object per line. A revocation has the next epoch. A checkpoint repeats the last
//! epoch and states that the list was complete at that time:
//!
//! ```json
//! {"epoch":1,"at":"2026-11-22T09:00:00Z","kind":"credential","id":"jti-17","reason":"leaked","by":"alice"}
//! {"epoch":1,"at":"2026-11-22T09:01:00Z"}
//! ```
//!
//! - `event` names the security event that caused a revocation, so that the same event, sent again, adds no
//!   line.
//! - `domains` lists the trust domains that the event's issuer answers for.
//! - `"lift":true` ends a revocation; the line of the revocation stays.
//! - `head` in a checkpoint signs everything before it.

mod added;
mod append;
mod entries;
mod error;
#[cfg(feature = "identity")]
mod event;
#[cfg(feature = "identity")]
mod event_kind;
mod followed;
#[cfg(feature = "identity")]
mod head;
#[cfg(not(feature = "identity"))]
#[path = "head_left_out.rs"]
mod head;
mod ids;
mod known;
mod list;
mod part;
mod record;
#[cfg(feature = "identity")]
mod subject;

pub use crate::certificate_id::serial_readings;
pub use crate::state::shared::Part;
pub use append::{AddedOfEvent, Event, ListWriter, Opening, append, append_event};
pub use error::ListError;
#[cfg(feature = "identity")]
pub use event::{EventError, EventIssuers};
pub use followed::{Change, Revocations};
pub use head::{HeadKey, Signers};
pub use ids::{is_lifted, is_same, normal_credential, normal_id};
pub use known::Known;
pub use portcullis_model::marks::{ListMark, ListSeen};
pub use record::{Record, Revocable, Revoked};

#[cfg(test)]
mod tests;
