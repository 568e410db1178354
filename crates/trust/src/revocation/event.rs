//! Security events (RFC 8417), from which the host derives revocations.
//!
//! An issuer, such as an identity provider, sends an event. If the kind of the event says that its subject is
//! over, the event revokes the ids that the subject names. If the kind only may say so, or no request can
//! match the subject, the event is an error with instructions for the operator. Such an event is never
//! treated as one that revokes nothing.

use super::event_kind::{Meaning, meaning, short};
use super::ids;
use super::subject::{self, text};
use super::{Event, Revocable, Revoked};
use crate::certificate_id::{certificate_id, issuer_of, serial_readings};
use crate::identity::{JwtError, Keys, KeysError, WatchedKeys, is_meant_for};
use crate::watched::Source;
use portcullis_contract::excerpt;
use portcullis_model::limits::RequestLimits;
use portcullis_model::timestamp::{CLOCK_LEEWAY, Timestamp, numeric_date};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// `typ` of a security event token (RFC 8417, section 2.3).
const JWT_TYPE: &str = "secevent+jwt";

/// Maximum size of an event: 64 KiB, nested 16 deep.
const LIMITS: RequestLimits = RequestLimits {
    bytes: 64 * 1024,
    depth: 16,
};

/// Accepted issuers of events, and the required audience. Changed key files are reloaded.
#[derive(Debug)]
pub struct EventIssuers {
    audience: String,
    issuers: BTreeMap<String, Issuer>,
}

#[derive(Debug)]
struct Issuer {
    keys: WatchedKeys,
    domains: Vec<String>,
}

/// Reason why an event is not applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// The keys of an issuer are unusable.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The issuer is not configured.
    #[error(
        "the event is issued by `{0}`, which is not a configured issuer: configure its keys, if its events should count"
    )]
    Issuer(String),
    /// The token is not a security event, or its issuer did not sign it.
    #[error("the security event is not valid: {0}")]
    Invalid(String),
    /// The event is meant for another receiver.
    #[error("the event is meant for another receiver than `{0}` (`aud`)")]
    Audience(String),
    /// The principal's trust domain is not one that the issuer answers for.
    #[error(
        "`{issuer}` does not answer for {id}: add the trust domain to its `domains`, if it should"
    )]
    Domain {
        /// Issuer of the event.
        issuer: String,
        /// Subject of the event.
        id: String,
    },
    /// No request can match the subject to revoke.
    #[error(
        "the event is about {0}, but no request can have that id: revoke the intended id with `portcullis revoke`"
    )]
    Subject(String),
    /// The event does not state that its subject is over.
    #[error(
        "the event `{kind}` revokes nothing by itself: {why}; investigate, and revoke {about} with `portcullis revoke` if it is no longer valid"
    )]
    ByHand {
        /// Kind of the event.
        kind: String,
        /// Reason why an operator must decide.
        why: &'static str,
        /// Subject of the event.
        about: String,
    },
}

impl EventError {
    /// True if the event is valid and an operator must revoke its subject.
    pub fn needs_a_person(&self) -> bool {
        matches!(self, Self::Subject(_) | Self::ByHand { .. })
    }
}

impl EventIssuers {
    /// Files of the issuers' keys, for a watcher.
    pub fn sources(&self) -> Vec<Source> {
        let issuers = self.issuers.values();
        issuers.map(|issuer| issuer.keys.source()).collect()
    }

    /// Creates a set without issuers, for events meant for `audience`.
    pub fn new(audience: impl Into<String>) -> Self {
        Self {
            audience: audience.into(),
            issuers: BTreeMap::new(),
        }
    }

    /// Accepts events of `issuer` that are signed with the keys in `jwks`.
    ///
    /// They apply to principals of the trust domains in `domains` and to their credentials.
    ///
    /// # Errors
    ///
    /// [`EventError::Keys`] if there is no usable key.
    pub fn issuer<D: Into<String>>(
        mut self,
        issuer: &str,
        jwks: &Path,
        domains: impl IntoIterator<Item = D>,
    ) -> Result<Self, EventError> {
        let domains = domains.into_iter().map(Into::into);
        let domains = domains.map(|domain: String| domain.to_ascii_lowercase());
        let issuer_of_events = Issuer {
            keys: Keys::follow(jwks)?,
            domains: domains.collect(),
        };
        self.issuers.insert(issuer.to_owned(), issuer_of_events);
        Ok(self)
    }

    /// Trust domains that an issuer answers for, if the issuer is configured.
    pub fn domains_of(&self, issuer: &str) -> Option<&[String]> {
        self.issuers.get(issuer).map(|it| it.domains.as_slice())
    }

    /// Verifies an event at the time `now`, and returns its revocations.
    ///
    /// # Errors
    ///
    /// [`EventError`]. Then nothing is revoked.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Event, EventError> {
        let invalid = |message: &str| EventError::Invalid(message.to_owned());
        // The unverified issuer only selects the keys to try.
        let said = crate::identity::unverified(token, &LIMITS).map_err(not_an_event)?;
        let issuer = text(&said, "iss").unwrap_or_default();
        let of_issuer = self
            .issuers
            .get(issuer)
            .ok_or_else(|| EventError::Issuer(excerpt(issuer)))?;
        let claims = of_issuer
            .keys
            .get()?
            .verify(token, JWT_TYPE, &LIMITS)
            .map_err(not_an_event)?;
        if !is_meant_for(&claims, &self.audience) {
            return Err(EventError::Audience(self.audience.clone()));
        }
        let id = match claims.get("jti") {
            None => return Err(invalid("it has no `jti`")),
            Some(Value::String(id)) if !id.is_empty() => id,
            Some(_) => return Err(invalid("its `jti` is no text")),
        };
        let issued_at = match claims.get("iat").map(numeric_date) {
            None => return Err(invalid("it has no `iat`")),
            Some(Err(why)) => return Err(EventError::Invalid(format!("its `iat` is {why}"))),
            Some(Ok(issued_at)) => issued_at,
        };
        if issued_at > now.plus(CLOCK_LEEWAY) {
            return Err(invalid("it is issued in the future (`iat`)"));
        }
        let events = claims.get("events").and_then(Value::as_object);
        let events = events.filter(|events| !events.is_empty());
        let events = events.ok_or_else(|| invalid("`/events`: at least one event is needed"))?;
        let mut read = Event {
            id: format!("{issuer} {id}"),
            revoked: Vec::new(),
            domains: of_issuer.domains.clone(),
            left_out: Vec::new(),
        };
        let mut error = None;
        for (kind, event) in events {
            match revoked(kind, event, &claims, issuer) {
                Ok(all) => {
                    for revoked in all {
                        match beyond(&revoked, of_issuer, issuer) {
                            None => read.revoked.push(revoked),
                            Some(beyond) => {
                                read.left_out.push(beyond.to_string());
                                error.get_or_insert(beyond);
                            }
                        }
                    }
                }
                Err(why) => {
                    read.left_out.push(why.to_string());
                    error.get_or_insert(why);
                }
            }
        }
        match error {
            Some(error) if read.revoked.is_empty() => Err(error),
            _ => Ok(read),
        }
    }
}

/// Error if the issuer does not answer for the trust domain of a principal.
///
/// A credential is revoked in the issuer's domains only, whichever principal it belongs to.
fn beyond(revoked: &Revoked, of_issuer: &Issuer, issuer: &str) -> Option<EventError> {
    if revoked.kind != Revocable::Principal {
        return None;
    }
    let domain = ids::trust_domain(&revoked.id);
    let is_theirs = domain
        .as_deref()
        .is_some_and(|domain| of_issuer.domains.iter().any(|one| one == domain));
    (!is_theirs).then(|| EventError::Domain {
        issuer: excerpt(issuer),
        id: format!("`{}`", excerpt(&revoked.id)),
    })
}

/// Returns the revocations of an event of type `kind`.
fn revoked(
    kind: &str,
    event: &Value,
    claims: &Value,
    issuer: &str,
) -> Result<Vec<Revoked>, EventError> {
    // Three places: that of the standard, that of other tokens, and that of drafts.
    let subjects: Vec<&Value> = [
        claims.get("sub_id"),
        event.get("sub_id"),
        event.get("subject"),
    ]
    .into_iter()
    .flatten()
    .collect();
    let sub = text(claims, "sub");
    let found = || {
        let mut found: Vec<_> = subjects
            .iter()
            .flat_map(|subject| subject::find(subject))
            .collect();
        if subjects.is_empty() {
            found.extend(sub.map(subject::find_sub).into_iter().flatten());
        }
        found
    };
    let about = || {
        let ids: Vec<_> = found().iter().map(|(_, id)| excerpt(id)).collect();
        match (ids.is_empty(), subjects.first(), sub) {
            (false, ..) => format!("`{}`", ids.join("`, `")),
            (true, Some(subject), _) => format!("`{}`", excerpt(&subject.to_string())),
            (true, None, Some(sub)) => format!("`{}`", excerpt(sub)),
            (true, None, None) => "no subject".to_owned(),
        }
    };
    match meaning(kind, event) {
        Meaning::Over => {}
        Meaning::NothingOver => return Ok(Vec::new()),
        Meaning::ByHand(why) => {
            return Err(EventError::ByHand {
                kind: excerpt(short(kind)),
                why,
                about: about(),
            });
        }
    }
    let what = match event.get("x509_serial") {
        Some(serial) => certificates(serial, event)?,
        None => found(),
    };
    if what.is_empty() {
        return Err(EventError::Subject(about()));
    }
    let reason = event.get("reason_admin");
    let reason = reason.and_then(|reason| match reason {
        Value::String(text) => Some(text.as_str()),
        by_language => by_language.as_object()?.values().next()?.as_str(),
    });
    let reason = match reason.or_else(|| text(event, "reason")) {
        None => short(kind).to_owned(),
        Some(why) => format!("{}: {}", short(kind), excerpt(why)),
    };
    let all = what.into_iter().map(|(of_kind, id)| Revoked {
        kind: of_kind,
        id,
        reason: reason.clone(),
        by: issuer.to_owned(),
    });
    Ok(all.collect())
}

/// Returns the ids of the certificates that an event names.
///
/// They are every reading of the serial number, with the issuer if the event names it.
fn certificates(serial: &Value, event: &Value) -> Result<Vec<(Revocable, String)>, EventError> {
    let written = match serial {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    };
    let issuer = text(event, "x509_issuer").and_then(issuer_of);
    let all: Vec<_> = serial_readings(&written)
        .iter()
        .filter_map(|serial| certificate_id(issuer.as_deref(), serial))
        .map(|id| (Revocable::Credential, id))
        .collect();
    match all.is_empty() {
        true => Err(EventError::Subject(format!(
            "the serial number `{}`",
            excerpt(&serial.to_string())
        ))),
        false => Ok(all),
    }
}

fn not_an_event(error: JwtError) -> EventError {
    EventError::Invalid(error.to_string())
}

#[cfg(test)]
mod tests;
