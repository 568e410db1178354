//! Members that both formats of a request share: intent, origins, session path and posture.

use super::{Intent, Posture, SessionPath};
use crate::json;
use crate::object::{Object, unexpected};
use portcullis_contract::is_origin;
use serde_json::Value;
use std::collections::BTreeSet;

impl Object {
    /// Removes the optional member `session-path` and returns it.
    ///
    /// # Errors
    ///
    /// [`json::Error`], which names the place.
    pub fn session_path(&mut self) -> Result<Option<SessionPath>, json::Error> {
        self.parsed("session-path", "`interactive` or `machine`")
    }

    /// Removes the optional member `intent` and returns it.
    ///
    /// # Errors
    ///
    /// [`json::Error`], which names the place.
    pub fn intent(&mut self) -> Result<Option<Intent>, json::Error> {
        let Some(mut intent) = self.optional_object("intent")? else {
            return Ok(None);
        };
        let read = Intent {
            id: intent.text("id")?,
            purpose: intent.optional_text("purpose")?.unwrap_or_default(),
            approved_by: intent.optional_text("approved-by")?.unwrap_or_default(),
            expires_at: intent.time("expires-at")?,
            remaining_uses: intent.parsed("remaining-uses", "a whole number")?,
            documents: intent.texts("documents")?.unwrap_or_default(),
        };
        intent
            .end("`id`, `purpose`, `approved-by`, `expires-at`, `remaining-uses`, `documents`")?;
        Ok(Some(read))
    }

    /// Removes the member `argument-origins` and returns it; empty if it is missing.
    ///
    /// # Errors
    ///
    /// [`json::Error`], which names the place.
    pub fn origins(&mut self) -> Result<Vec<(String, String)>, json::Error> {
        let at = self.at("argument-origins");
        let list = match self.take("argument-origins") {
            None => return Ok(Vec::new()),
            Some(Value::Array(list)) => list,
            Some(other) => return Err(unexpected(at, "a list", &other)),
        };
        let origins = list
            .into_iter()
            .enumerate()
            .map(|(index, item)| {
                let mut origin = Self::new(item, format!("{at}/{index}"))?;
                let read = (origin.text("path")?, origin.text("origin")?);
                origin.end("`path`, `origin`")?;
                Ok(read)
            })
            .collect::<Result<Vec<_>, json::Error>>()?;
        check_origins(&origins, &at)?;
        Ok(origins)
    }

    /// Removes the optional member `posture` and returns it.
    ///
    /// # Errors
    ///
    /// [`json::Error`], which names the place.
    pub fn posture(&mut self) -> Result<Option<Posture>, json::Error> {
        let posture = self.optional_object("posture")?;
        posture.map(Self::into_posture).transpose()
    }

    /// Reads the object itself as a posture.
    ///
    /// # Errors
    ///
    /// [`json::Error`], which names the place.
    pub fn into_posture(self) -> Result<Posture, json::Error> {
        let mut posture = self;
        let read = Posture {
            exposure: posture
                .parsed("exposure", "`internet`, `partner`, `internal` or `unknown`")?
                .unwrap_or_default(),
            health: posture
                .parsed(
                    "health",
                    "`compromised`, `degraded`, `healthy` or `unknown`",
                )?
                .unwrap_or_default(),
            privileged: posture.parsed("privileged", "true or false")?,
            legacy: posture.parsed("legacy", "true or false")?,
            drifted: posture.parsed("drifted", "true or false")?,
            observed_at: posture.time("observed-at")?,
        };
        posture.end("`exposure`, `health`, `privileged`, `legacy`, `drifted`, `observed-at`")?;
        Ok(read)
    }
}

/// Refuses invalid origins, and two origins for one argument.
pub(super) fn check_origins(origins: &[(String, String)], at: &str) -> Result<(), json::Error> {
    let mut paths = BTreeSet::new();
    for (index, (path, origin)) in origins.iter().enumerate() {
        if !path.is_empty() && !path.starts_with('/') {
            let at = format!("{at}/{index}/path");
            return Err(unexpected(
                at,
                "a JSON Pointer",
                &Value::from(path.as_str()),
            ));
        }
        if !is_origin(origin) {
            let at = format!("{at}/{index}/origin");
            let found = Value::from(origin.as_str());
            return Err(unexpected(at, "`user`, `tool:<name>` or `unknown`", &found));
        }
        if !paths.insert(path) {
            return Err(json::Error::DuplicateKey {
                at: format!("{at}/{index}/path"),
            });
        }
    }
    Ok(())
}
