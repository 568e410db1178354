//! From JSON to an intent, with the place of whatever keeps it from being one.

use super::{Allowance, Denial, Exception, StoredIntent, Waiver};
use crate::json;
use crate::limits::RequestLimits;
use crate::object::{Object, unexpected};
use crate::plugin::Digest;
use crate::registry::{is_same, is_spiffe_id};
use crate::request::RequestError;
use crate::timestamp::Timestamp;
use portcullis_contract::{Constraint, Pattern};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// How large an intent may be: 64 KiB, nested 16 deep.
pub(super) const LIMITS: RequestLimits = RequestLimits {
    bytes: 64 * 1024,
    depth: 16,
};

/// The most allowances, denials and constraints of an intent, each.
const MAX_ITEMS: usize = 64;

/// The most items that the constraints of an intent list together.
const MAX_OPERAND_ITEMS: usize = 512;

/// The longest pattern of an intent, in bytes.
const MAX_PATTERN_BYTES: usize = 512;

const MEMBERS: &str = "`id`, `purpose`, `principal`, `approved-by`, `issued-at`, `expires-at`, `parent`, `max-uses`, `allows`, `denies`, `exception`";

impl StoredIntent {
    /// Reads an intent from JSON.
    ///
    /// # Errors
    ///
    /// [`RequestError`], which names the place.
    pub fn from_json(json: &[u8]) -> Result<Self, RequestError> {
        Self::from_value(json::parse(json, &LIMITS)?)
    }

    pub(super) fn from_value(value: Value) -> Result<Self, RequestError> {
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
            max_uses: max_uses(&mut intent)?,
            allows: list(&mut intent, "allows", Allowance::read)?,
            denies: list(&mut intent, "denies", Denial::read)?,
            exception: exception(&mut intent)?,
            digest,
        };
        approval.end("`who`, `at`")?;
        intent.end(MEMBERS)?;
        read.make_sense()?;
        Ok(read)
    }

    /// Refuses what is well-formed and means nothing.
    fn make_sense(&self) -> Result<(), RequestError> {
        if is_same(&self.approved_by, &self.principal) {
            let at = "/approved-by/who".to_owned();
            let found = Value::from(self.principal.as_str());
            return Err(unexpected(at, "somebody else than the principal", &found));
        }
        for (at, text) in [
            ("/id", &self.id),
            ("/purpose", &self.purpose),
            ("/principal", &self.principal),
            ("/approved-by/who", &self.approved_by),
        ] {
            if text.trim().is_empty() {
                let expected = "a text that says something";
                return Err(unexpected(at.to_owned(), expected, &Value::from("")));
            }
        }
        if self.approved_by.to_ascii_lowercase().starts_with("spiffe:")
            && !is_spiffe_id(&self.approved_by)
        {
            let at = "/approved-by/who".to_owned();
            let found = Value::from(self.approved_by.as_str());
            return Err(unexpected(at, "a SPIFFE ID in its one spelling", &found));
        }
        if !is_spiffe_id(&self.principal) {
            let at = "/principal".to_owned();
            let found = Value::from(self.principal.as_str());
            return Err(unexpected(at, "the SPIFFE ID of a workload", &found));
        }
        if self.approved_at > self.expires_at {
            let found = Value::from(self.approved_at.to_string());
            let at = "/approved-by/at".to_owned();
            return Err(unexpected(at, "a time before `expires-at`", &found));
        }
        if self.expires_at <= self.issued_at {
            let found = Value::from(self.expires_at.to_string());
            let at = "/expires-at".to_owned();
            return Err(unexpected(at, "a time after `issued-at`", &found));
        }
        if self.allows.is_empty() {
            let at = "/allows".to_owned();
            let found = Value::Array(Vec::new());
            return Err(unexpected(at, "at least one allowance", &found));
        }
        // Each item is compared with each item of an argument, without a deadline.
        let constraints = self
            .allows
            .iter()
            .flat_map(|allowance| &allowance.constraints);
        let items: usize = constraints.map(Constraint::operand_items).sum();
        if items > MAX_OPERAND_ITEMS {
            let at = "/allows".to_owned();
            let expected = format!(
                "at most {MAX_OPERAND_ITEMS} items in the lists of all constraints together"
            );
            return Err(unexpected(at, &expected, &Value::from(items)));
        }
        Ok(())
    }
}

impl Allowance {
    fn read(mut object: Object) -> Result<Self, RequestError> {
        let read = Self {
            integration: object.text("integration")?,
            action: pattern(&mut object, "action")?,
            resource: pattern(&mut object, "resource")?,
            constraints: list(&mut object, "constraints", |constraint: Object| {
                constraint.value()
            })?,
            max_uses: max_uses(&mut object)?,
        };
        object.end("`integration`, `action`, `resource`, `constraints`, `max-uses`")?;
        Ok(read)
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
}

fn parent(intent: &mut Object) -> Result<Option<(String, Digest)>, RequestError> {
    let Some(mut parent) = intent.optional_object("parent")? else {
        return Ok(None);
    };
    let id = parent.text("id")?;
    let digest = parent.text("digest")?;
    let digest = digest.parse().map_err(|_| {
        let expected = "`sha256:` and 64 hexadecimal digits";
        unexpected(parent.at("digest"), expected, &Value::from(digest))
    })?;
    parent.end("`id`, `digest`")?;
    Ok(Some((id, digest)))
}

fn exception(intent: &mut Object) -> Result<Option<Exception>, RequestError> {
    let Some(mut exception) = intent.optional_object("exception")? else {
        return Ok(None);
    };
    let waives = exception.at("waives");
    let expected =
        "a list of `credential-lifetime`, `attestation`, `environment` and `posture`, not empty";
    let read = Exception {
        owner: exception.text("owner")?,
        waives: exception
            .parsed::<Vec<Waiver>>("waives", expected)?
            .unwrap_or_default(),
    };
    if read.owner.trim().is_empty() {
        let at = exception.at("owner");
        return Err(unexpected(at, "who answers for it", &Value::from("")));
    }
    if read.waives.is_empty() {
        return Err(unexpected(waives, expected, &Value::Array(Vec::new())));
    }
    exception.end("`owner`, `waives`")?;
    Ok(Some(read))
}

fn max_uses(object: &mut Object) -> Result<Option<u64>, RequestError> {
    let expected = "a whole number from 1";
    let uses = object.parsed::<u64>("max-uses", expected)?;
    match uses {
        Some(0) => Err(unexpected(object.at("max-uses"), expected, &Value::from(0))),
        uses => Ok(uses),
    }
}

fn pattern(object: &mut Object, key: &str) -> Result<Pattern, RequestError> {
    let text = object.text(key)?;
    if text.len() > MAX_PATTERN_BYTES {
        let expected = format!("a pattern of at most {MAX_PATTERN_BYTES} bytes");
        return Err(unexpected(object.at(key), &expected, &Value::from(text)));
    }
    text.parse().map_err(|_| {
        let expected = "a pattern, such as `acme/*`";
        unexpected(object.at(key), expected, &Value::from(text))
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
            let expected = format!("at most {MAX_ITEMS} of them");
            Err(unexpected(at, &expected, &found))
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
