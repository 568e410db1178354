//! Members that both formats of a request share: intent, origins, round trip, session path and posture.

use super::{Intent, Posture, RoundTrip, SessionPath};
use crate::json;
use crate::object::{Object, unexpected};
use portcullis_contract::{ArgumentOrigin, is_origin, is_pointer};
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
    pub fn origins(&mut self) -> Result<Vec<ArgumentOrigin>, json::Error> {
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
                let mut item = Self::new(item, format!("{at}/{index}"))?;
                let (path, part) = (item.text("path")?, item.optional_text("part")?);
                let origins = match item.texts("origins")? {
                    Some(origins) => origins,
                    None => vec![item.text("origin")?],
                };
                item.end("`path`, `part`, and either `origin` or `origins`")?;
                Ok(ArgumentOrigin {
                    path,
                    part,
                    origins,
                })
            })
            .collect::<Result<Vec<_>, json::Error>>()?;
        check_origins(&origins, &at)?;
        Ok(origins)
    }

    /// Removes the optional members `responses` and `state`, and returns them.
    ///
    /// # Errors
    ///
    /// [`json::Error`], which names the place.
    pub fn round_trip(&mut self, responses: &str, state: &str) -> Result<RoundTrip, json::Error> {
        let responses = self.optional_object(responses)?;
        Ok(RoundTrip {
            input_responses: responses.map(|it| Value::Object(it.rest().into_iter().collect())),
            request_state: self.optional_text(state)?,
        })
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

/// Maximum number of origins of one argument.
const MAX_ORIGINS: usize = 32;

/// Refuses invalid origins, and two statements for one argument or part.
pub(super) fn check_origins(origins: &[ArgumentOrigin], at: &str) -> Result<(), json::Error> {
    let mut stated = BTreeSet::new();
    for (
        index,
        ArgumentOrigin {
            path,
            part,
            origins,
        },
    ) in origins.iter().enumerate()
    {
        if !is_pointer(path) {
            let at = format!("{at}/{index}/path");
            return Err(unexpected(
                at,
                "a JSON Pointer",
                &Value::from(path.as_str()),
            ));
        }
        if origins.len() > MAX_ORIGINS {
            return Err(json::Error::Unexpected {
                at: format!("{at}/{index}/origins"),
                expected: format!("at most {MAX_ORIGINS} origins"),
                found: format!("{}", origins.len()),
            });
        }
        if let Some(origin) = origins.iter().find(|origin| !is_origin(origin)) {
            let member = if origins.len() == 1 {
                "origin"
            } else {
                "origins"
            };
            let at = format!("{at}/{index}/{member}");
            let found = Value::from(origin.as_str());
            let expected = "`user`, `unknown`, `tool:<name>`, or a place in a result such as `tool:<name>#/0/id`";
            return Err(unexpected(at, expected, &found));
        }
        if !stated.insert((path, part)) {
            return Err(json::Error::DuplicateKey {
                at: format!("{at}/{index}/path"),
            });
        }
    }
    Ok(())
}
