//! Intents: what was approved before acting, in a form that can be compared.
//!
//! ```json
//! {
//!   "id": "int-7f3c",
//!   "purpose": "open one issue per failed invoice",
//!   "principal": "spiffe://acme.example/ns/payments/agent/reconciler",
//!   "approved-by": { "who": "alice@acme.example", "at": "2026-11-22T08:55:00Z" },
//!   "issued-at": "2026-11-22T09:00:00Z",
//!   "expires-at": "2026-11-22T10:00:00Z",
//!   "allows": [
//!     { "integration": "github", "action": "issues.create", "resource": "acme/billing",
//!       "constraints": [{ "path": "/labels", "op": "subset-of", "value": ["invoice"] }] }
//!   ],
//!   "denies": [{ "integration": "github", "action": "repos.*", "resource": "**" }]
//! }
//! ```
//!
//! An intent that was delegated has a `parent`, with its id and digest. It is approved by the
//! parent's principal, and allows nothing that the parent does not.

mod store;

pub(crate) use store::{Chain, revoked_in};
pub use store::{IntentError, Intents};

use crate::Timestamp;
use crate::json;
use crate::limits::RequestLimits;
use crate::object::{Object, unexpected};
use crate::plugin::Digest;
use crate::request::{Request, RequestError};
use portcullis_contract::{Constraint, Pattern};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt;

/// How large an intent may be: 64 KiB, nested 16 deep.
const LIMITS: RequestLimits = RequestLimits {
    bytes: 64 * 1024,
    depth: 16,
};

/// The most allowances, denials and constraints of an intent, each.
const MAX_ITEMS: usize = 64;

/// The most items that the constraints of an allowance list together.
const MAX_OPERAND_ITEMS: usize = 512;

/// The longest pattern of an intent, in bytes.
const MAX_PATTERN_BYTES: usize = 512;

/// What was approved before acting.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredIntent {
    /// Its identifier.
    pub id: String,
    /// The purpose, in words. Nothing compares it.
    pub purpose: String,
    /// The SPIFFE ID of who may act on it.
    pub principal: String,
    /// Who approved it, who is never the principal.
    pub approved_by: String,
    /// When it was approved.
    pub approved_at: Timestamp,
    /// From when it holds.
    pub issued_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// The intent that it was delegated from: id and digest.
    pub parent: Option<(String, Digest)>,
    /// What it allows; nothing else is.
    pub allows: Vec<Allowance>,
    /// What it does not allow, whatever it allows.
    pub denies: Vec<Denial>,
    digest: Digest,
}

/// An action on a resource, with what its arguments have to meet.
#[derive(Debug, Clone, PartialEq)]
pub struct Allowance {
    /// The integration's name.
    pub integration: String,
    /// The actions.
    pub action: Pattern,
    /// The resources.
    pub resource: Pattern,
    /// What the arguments meet.
    pub constraints: Vec<Constraint>,
}

/// An action on a resource that is not allowed.
#[derive(Debug, Clone, PartialEq)]
pub struct Denial {
    /// The integration's name.
    pub integration: String,
    /// The actions.
    pub action: Pattern,
    /// The resources.
    pub resource: Pattern,
}

/// How a delegated intent goes beyond the one that it was delegated from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Widening {
    /// It was approved by somebody whose intent the parent is not.
    #[error("it is approved by `{approved_by}`, and only `{principal}` can delegate its parent")]
    Delegator {
        /// Who approved it.
        approved_by: String,
        /// The parent's principal.
        principal: String,
    },
    /// It holds when its parent does not.
    #[error("it holds from {from} to {to}, and its parent does not all that time")]
    Time {
        /// From when it holds.
        from: Timestamp,
        /// When it ends.
        to: Timestamp,
    },
    /// It allows something that its parent does not.
    #[error("it allows {0}, and no allowance of its parent includes that")]
    Allowance(String),
    /// It lacks something that its parent denies.
    #[error("its parent denies {0}, and it does not")]
    Denial(String),
}

impl StoredIntent {
    /// Reads an intent from JSON.
    ///
    /// # Errors
    ///
    /// [`RequestError`], which names the place.
    pub fn from_json(json: &[u8]) -> Result<Self, RequestError> {
        let value = json::parse(json, &LIMITS)?;
        let digest = Digest::of(&serde_json_canonicalizer::to_vec(&value).unwrap_or_default());
        let mut intent = Object::new(value, "")?;
        let mut approval = intent.object("approved-by")?;
        let read = Self {
            id: intent.text("id")?,
            purpose: intent.text("purpose")?,
            principal: intent.text("principal")?,
            approved_by: approval.text("who")?,
            approved_at: approval.required_time("at")?,
            issued_at: intent.required_time("issued-at")?,
            expires_at: intent.required_time("expires-at")?,
            parent: parent(&mut intent)?,
            allows: list(&mut intent, "allows", Allowance::read)?,
            denies: list(&mut intent, "denies", Denial::read)?,
            digest,
        };
        approval.end("`who`, `at`")?;
        if read.approved_by == read.principal {
            let at = "/approved-by/who".to_owned();
            let found = Value::from(read.principal);
            return Err(unexpected(at, "somebody else than the principal", &found));
        }
        for (at, text) in [
            ("/id", &read.id),
            ("/purpose", &read.purpose),
            ("/principal", &read.principal),
            ("/approved-by/who", &read.approved_by),
        ] {
            if text.trim().is_empty() {
                return Err(unexpected(
                    at.to_owned(),
                    "a text that says something",
                    &Value::from(""),
                ));
            }
        }
        if read.approved_at > read.expires_at {
            let at = Value::from(read.approved_at.to_string());
            return Err(unexpected(
                "/approved-by/at".to_owned(),
                "a time before `expires-at`",
                &at,
            ));
        }
        if read.expires_at <= read.issued_at {
            let at = Value::from(read.expires_at.to_string());
            return Err(unexpected(
                "/expires-at".to_owned(),
                "a time after `issued-at`",
                &at,
            ));
        }
        if read.allows.is_empty() {
            let at = "/allows".to_owned();
            return Err(unexpected(
                at,
                "at least one allowance",
                &Value::Array(Vec::new()),
            ));
        }
        intent.end(
            "`id`, `purpose`, `principal`, `approved-by`, `issued-at`, `expires-at`, `parent`, `allows`, `denies`",
        )?;
        Ok(read)
    }

    /// The digest of the intent in canonical form (RFC 8785).
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The first allowance that includes `request`, unless the intent denies it.
    pub fn allowance_for(&self, request: &Request) -> Option<&Allowance> {
        if self.denies.iter().any(|denial| denial.includes(request)) {
            return None;
        }
        self.allows
            .iter()
            .find(|allowance| allowance.includes(request))
    }

    /// Whether nothing is allowed here that `parent` does not allow, and at no other time.
    ///
    /// Never wrong where it says yes: what this intent allows, the parent allows.
    ///
    /// # Errors
    ///
    /// [`Widening`], the first there is.
    pub fn is_within(&self, parent: &Self) -> Result<(), Widening> {
        if self.approved_by != parent.principal {
            return Err(Widening::Delegator {
                approved_by: self.approved_by.clone(),
                principal: parent.principal.clone(),
            });
        }
        if self.issued_at < parent.issued_at || self.expires_at > parent.expires_at {
            return Err(Widening::Time {
                from: self.issued_at,
                to: self.expires_at,
            });
        }
        if let Some(wider) = self
            .allows
            .iter()
            .find(|ours| !parent.allows.iter().any(|theirs| ours.is_within(theirs)))
        {
            return Err(Widening::Allowance(wider.to_string()));
        }
        if let Some(lacking) = parent
            .denies
            .iter()
            .find(|theirs| !self.denies.iter().any(|ours| theirs.is_within(ours)))
        {
            return Err(Widening::Denial(lacking.to_string()));
        }
        Ok(())
    }
}

impl Allowance {
    fn read(mut object: Object) -> Result<Self, RequestError> {
        let at = object.at("constraints");
        let read = Self {
            integration: object.text("integration")?,
            action: pattern(&mut object, "action")?,
            resource: pattern(&mut object, "resource")?,
            constraints: list(&mut object, "constraints", |constraint: Object| {
                constraint.value()
            })?,
        };
        object.end("`integration`, `action`, `resource`, `constraints`")?;
        // Each item is compared with each item of an argument, without a deadline.
        let items: usize = read.constraints.iter().map(Constraint::operand_items).sum();
        if items > MAX_OPERAND_ITEMS {
            let expected = format!("at most {MAX_OPERAND_ITEMS} items in all lists together");
            return Err(unexpected(at, &expected, &Value::from(items)));
        }
        Ok(read)
    }

    fn includes(&self, request: &Request) -> bool {
        self.integration == request.integration()
            && self.action.matches(request.action())
            && self.resource.matches(&request.resource().id)
            && self
                .constraints
                .iter()
                .all(|constraint| constraint.met_by(request.arguments(), request.origins()))
    }

    fn is_within(&self, other: &Self) -> bool {
        self.integration == other.integration
            && self.action.is_within(&other.action)
            && self.resource.is_within(&other.resource)
            && other
                .constraints
                .iter()
                .all(|constraint| constraint.follows_from(&self.constraints))
    }
}

impl Denial {
    fn read(mut object: Object) -> Result<Self, RequestError> {
        let read = Self {
            integration: object.text("integration")?,
            action: pattern(&mut object, "action")?,
            resource: pattern(&mut object, "resource")?,
        };
        object.end("`integration`, `action`, `resource`")?;
        Ok(read)
    }

    fn includes(&self, request: &Request) -> bool {
        self.integration == request.integration()
            && self.action.might_match(request.action())
            && self.resource.might_match(&request.resource().id)
    }

    fn is_within(&self, other: &Self) -> bool {
        self.integration == other.integration
            && self.action.is_within(&other.action)
            && self.resource.is_within(&other.resource)
    }
}

impl fmt::Display for Allowance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}: {} {}`",
            self.integration, self.action, self.resource
        )?;
        for constraint in &self.constraints {
            write!(f, " with `{constraint}`")?;
        }
        Ok(())
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}: {} {}`",
            self.integration, self.action, self.resource
        )
    }
}

fn parent(intent: &mut Object) -> Result<Option<(String, Digest)>, RequestError> {
    let Some(mut parent) = intent.optional_object("parent")? else {
        return Ok(None);
    };
    let id = parent.text("id")?;
    let digest = parent.text("digest")?;
    let digest = digest.parse().map_err(|_| {
        let at = parent.at("digest");
        unexpected(
            at,
            "`sha256:` and 64 hexadecimal digits",
            &Value::from(digest),
        )
    })?;
    parent.end("`id`, `digest`")?;
    Ok(Some((id, digest)))
}

fn pattern(object: &mut Object, key: &str) -> Result<Pattern, RequestError> {
    let text = object.text(key)?;
    if text.len() > MAX_PATTERN_BYTES {
        let expected = format!("a pattern of at most {MAX_PATTERN_BYTES} bytes");
        return Err(unexpected(object.at(key), &expected, &Value::from(text)));
    }
    text.parse().map_err(|_| {
        unexpected(
            object.at(key),
            "a pattern, such as `acme/*`",
            &Value::from(text),
        )
    })
}

fn list<T>(
    object: &mut Object,
    key: &str,
    read: impl Fn(Object) -> Result<T, RequestError>,
) -> Result<Vec<T>, RequestError> {
    let at = object.at(key);
    match object.take(key) {
        None => Ok(Vec::new()),
        Some(Value::Array(items)) if items.len() > MAX_ITEMS => {
            let found = Value::from(items.len());
            Err(unexpected(
                at,
                &format!("at most {MAX_ITEMS} of them"),
                &found,
            ))
        }
        Some(Value::Array(items)) => items
            .into_iter()
            .enumerate()
            .map(|(index, item)| read(Object::new(item, format!("{at}/{index}"))?))
            .collect(),
        Some(other) => Err(unexpected(at, "a list", &other)),
    }
}

impl Object {
    fn required_time(&mut self, key: &str) -> Result<Timestamp, RequestError> {
        let at = self.at(key);
        self.time(key)?.ok_or_else(|| RequestError::Missing {
            at,
            expected: "a time".to_owned(),
        })
    }

    /// The whole object as what it deserialises to.
    fn value<T: DeserializeOwned>(self) -> Result<T, RequestError> {
        let at = self.at("").trim_end_matches('/').to_owned();
        let value: Value = self.rest().into_iter().collect();
        serde_json::from_value(value).map_err(|error| RequestError::Unexpected {
            at,
            expected: "a constraint with `path`, `op` and `value`".to_owned(),
            found: format!(
                "one that is not: {}",
                portcullis_contract::excerpt(&error.to_string())
            ),
        })
    }
}

#[cfg(test)]
mod tests;
