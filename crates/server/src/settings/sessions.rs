//! Reads `[sessions]`: front ends that state the words of users.

use super::files::{Named, Secret};
use super::read::secret;
use portcullis_model::document::Section;
use std::time::Duration;

/// Sessions of agents, and who may open them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionSettings {
    /// Maximum number of open sessions. 1,000 by default.
    pub most: usize,
    /// Time without use after which a session is closed. 1 h by default.
    pub idle: Duration,
    /// Front ends, which open sessions with the words of users.
    pub front_ends: Vec<FrontEnd>,
}

/// A front end: the program in which users write.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FrontEnd {
    /// Name, for messages.
    pub id: String,
    /// Its bearer token. No agent may have it.
    pub token: Secret,
}

impl Default for SessionSettings {
    fn default() -> Self {
        Self {
            most: 1000,
            idle: Duration::from_secs(60 * 60),
            front_ends: Vec::new(),
        }
    }
}

/// Reads the section. Parts with an error have their default.
pub(super) fn read(mut section: Section<'_, '_>, named: &Named<'_>) -> SessionSettings {
    let source = section.source();
    let mut settings = SessionSettings::default();
    if let Some(most) = section.integer("max", 1..=100_000) {
        settings.most = most;
    }
    let range = Duration::from_secs(60)..=Duration::from_secs(30 * 24 * 60 * 60);
    if let Some(idle) = section.duration("idle", range) {
        settings.idle = idle;
    }
    for mut section in section.sections("front-end") {
        let place = section.span();
        let id = section.required_text("id").map(|(id, _)| id.to_owned());
        if !section.has("token-file") {
            source.error(
                place.clone(),
                "`token-file` is missing: name the file of its bearer token",
            );
        }
        let token = secret(&mut section, "token-file", named);
        section.end();
        let (Some(id), Some(token)) = (id, token) else {
            continue;
        };
        let is_known = |other: &FrontEnd| other.id == id || other.token == token;
        match settings.front_ends.iter().any(is_known) {
            true => source.error(
                place,
                format!(
                    "there are two front ends `{id}`, or two with one token: give each its own"
                ),
            ),
            false => settings.front_ends.push(FrontEnd { id, token }),
        }
    }
    section.end();
    settings
}
