//! Verdicts of plugins, and their reasons in a decision.

pub use portcullis_contract::{Effect, Narrowing, Obligation, Verdict};

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use std::ops::Deref;

/// A plugin's reason for its verdict, with the plugin's name.
///
/// It dereferences to the reason: `code`, `message` and `fields`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// Name of the plugin that gives the reason.
    pub plugin: String,
    /// The reason. Its message has no control characters.
    pub reason: portcullis_contract::Reason,
}

impl Deref for Reason {
    type Target = portcullis_contract::Reason;

    fn deref(&self) -> &Self::Target {
        &self.reason
    }
}

impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_struct("Reason", 4)?;
        members.serialize_field("plugin", &self.plugin)?;
        members.serialize_field("code", &self.code)?;
        members.serialize_field("message", &self.message)?;
        members.serialize_field("fields", &self.fields)?;
        members.end()
    }
}
