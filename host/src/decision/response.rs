//! Serialises a decision as an AuthZEN evaluation response.

use super::Decision;
use super::consulted::Consulted;
use crate::integration::Mode;
use portcullis_contract::printable;
use serde::ser::{SerializeMap, SerializeStruct};
use serde::{Serialize, Serializer};

impl Serialize for Decision {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        respond(self, true, serializer)
    }
}

/// Serialises a decision without the fields that differ on replay, see [`Decision::replayable`].
pub(crate) struct Replayable<'a>(pub(crate) &'a Decision);

impl Serialize for Replayable<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        respond(self.0, false, serializer)
    }
}

fn respond<S: Serializer>(
    decision: &Decision,
    in_full: bool,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut response = serializer.serialize_struct("Decision", 2)?;
    response.serialize_field("decision", &decision.is_permit())?;
    response.serialize_field("context", &ResponseContext { decision, in_full })?;
    response.end()
}

struct ResponseContext<'a> {
    decision: &'a Decision,
    in_full: bool,
}

impl Serialize for ResponseContext<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let decision = self.decision;
        let mut context = serializer.serialize_map(None)?;
        context.serialize_entry("cause", &decision.cause)?;
        if decision.mode == Mode::Observe {
            context.serialize_entry("mode", &decision.mode)?;
        }
        if !decision.detail.is_empty() {
            context.serialize_entry("detail", &decision.detail)?;
        }
        let frameworks = decision.cause.frameworks();
        if !frameworks.is_empty() {
            context.serialize_entry("frameworks", frameworks)?;
        }
        if let Some(id) = decision.id.as_ref().filter(|_| self.in_full) {
            context.serialize_entry("id", id)?;
            if decision.access_request.is_some() {
                // Name of the id in the AuthZEN Access Request and Approval Profile.
                context.serialize_entry("evaluation_id", id)?;
            }
        }
        if let Some(access_request) = &decision.access_request {
            // Name of the cause in the same profile.
            context.serialize_entry("reason", &decision.cause)?;
            context.serialize_entry("access_request", access_request)?;
        }
        context.serialize_entry("reasons", &decision.reasons)?;
        if !decision.obligations.is_empty() {
            context.serialize_entry("obligations", &decision.obligations)?;
        }
        if !decision.advice.is_empty() {
            context.serialize_entry("advice", &decision.advice)?;
        }
        if let Some(grant) = decision.grant() {
            context.serialize_entry("grant", grant)?;
        }
        let plugins = decision.plugins.iter().map(|consulted| OnePlugin {
            consulted,
            in_full: self.in_full,
        });
        context.serialize_entry("plugins", &plugins.collect::<Vec<_>>())?;
        context.end()
    }
}

struct OnePlugin<'a> {
    consulted: &'a Consulted,
    in_full: bool,
}

impl Serialize for OnePlugin<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let consulted = self.consulted;
        let mut plugin = serializer.serialize_map(None)?;
        plugin.serialize_entry("name", &consulted.name)?;
        plugin.serialize_entry("version", &consulted.version)?;
        plugin.serialize_entry("digest", &consulted.digest)?;
        plugin.serialize_entry("settings-digest", &consulted.settings_digest)?;
        match &consulted.outcome {
            Ok(effect) => plugin.serialize_entry("effect", effect)?,
            Err(fault) => {
                plugin.serialize_entry("fault", &fault.kind())?;
                plugin.serialize_entry("fault-detail", &printable(&fault.to_string()))?;
            }
        }
        if self.in_full {
            plugin.serialize_entry("time-us", &consulted.time.as_micros())?;
        }
        plugin.serialize_entry("peak-memory-bytes", &consulted.peak_memory_bytes)?;
        if consulted.reset_failed && self.in_full {
            plugin.serialize_entry("reset-failed", &true)?;
        }
        plugin.end()
    }
}
