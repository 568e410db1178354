//! Reads intents from JSON; errors name the place in the document.

use super::{Allowance, Arguments, Denial, Exception, KnownArguments, StoredIntent};
use portcullis_contract::name::check_identifier;
use portcullis_contract::{Constraint, MAX_OPERAND_ITEMS, Pattern, PatternError, is_pointer};
use portcullis_model::digest::Digest;
use portcullis_model::json;
use portcullis_model::limits::RequestLimits;
use portcullis_model::object::{Object, unexpected};
use portcullis_model::spiffe_id::{is_same_id, is_spiffe_id};
use portcullis_model::waiver::Waiver;
use serde_json::Value;

/// Maximum size of an intent: 64 KiB, nested 16 deep.
pub(super) const LIMITS: RequestLimits = RequestLimits {
    bytes: 64 * 1024,
    depth: 16,
};

/// Maximum number of allowances, of denials and of constraints of an intent.
const MAX_ITEMS: usize = 64;

/// Maximum length of a pattern in bytes.
const MAX_PATTERN_BYTES: usize = 512;

const MEMBERS: &str = "`id`, `purpose`, `principal`, `approved-by`, `issued-at`, `expires-at`, `parent`, `max-uses`, `allows`, `denies`, `exception`, `said`";

impl StoredIntent {
    /// Reads an intent from JSON.
    ///
    /// # Errors
    ///
    /// [`json::Error`], which names the place.
    pub fn from_json(json: &[u8]) -> Result<Self, json::Error> {
        Self::from_value(json::parse(json, &LIMITS)?)
    }

    pub(super) fn from_value(value: Value) -> Result<Self, json::Error> {
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
            said: said(&mut intent)?,
            digest,
        };
        approval.end("`who`, `at`")?;
        intent.end(MEMBERS)?;
        read.make_sense()?;
        Ok(read)
    }

    /// Refuses contradictory and meaningless values in a well-formed intent.
    fn make_sense(&self) -> Result<(), json::Error> {
        if is_same_id(&self.approved_by, &self.principal) {
            let at = "/approved-by/who".to_owned();
            let found = Value::from(self.principal.as_str());
            return Err(unexpected(
                at,
                "an approver other than the principal",
                &found,
            ));
        }
        for (at, text) in [
            ("/id", &self.id),
            ("/purpose", &self.purpose),
            ("/principal", &self.principal),
            ("/approved-by/who", &self.approved_by),
        ] {
            if text.trim().is_empty() {
                let expected = "a text that is not empty";
                return Err(unexpected(at.to_owned(), expected, &Value::from("")));
            }
        }
        // Every accepted id must be revocable, and therefore have a single spelling.
        for (at, id) in [
            ("/id", &self.id),
            ("/principal", &self.principal),
            ("/approved-by/who", &self.approved_by),
        ] {
            if let Err(error) = check_identifier(id) {
                return Err(json::Error::Unexpected {
                    at: at.to_owned(),
                    expected: "an id that has one spelling".to_owned(),
                    found: format!("`{}`: {error}", portcullis_contract::excerpt(id)),
                });
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
    fn read(mut object: Object) -> Result<Self, json::Error> {
        let constraints: Vec<Constraint> =
            list(&mut object, "constraints", |constraint: Object| {
                constraint.value("a constraint with `path`, `op` and `value`")
            })?;
        // The members of all pointers become a tree, which is walked and dropped by recursion.
        if let Some(long) = constraints
            .iter()
            .find(|one| one.path().len() > MAX_PATTERN_BYTES)
        {
            let expected = format!("a `path` of at most {MAX_PATTERN_BYTES} bytes");
            let found = Value::from(long.path());
            return Err(unexpected(object.at("constraints"), &expected, &found));
        }
        if let Some(why) = Constraint::contradiction(&constraints) {
            return Err(json::Error::Unexpected {
                at: object.at("constraints"),
                expected: "constraints that an argument can meet".to_owned(),
                found: why,
            });
        }
        let read = Self {
            integration: integration(&mut object)?,
            action: action(&mut object)?,
            resource: pattern(&mut object, "resource", str::parse)?,
            arguments: arguments(&mut object, &constraints)?,
            max_uses: max_uses(&mut object)?,
            asks: asks(&mut object, &constraints)?,
            constraints,
        };
        object.end(
            "`integration`, `action`, `resource`, `arguments`, `constraints`, `max-uses`, `asks`",
        )?;
        Ok(read)
    }
}

/// Reads the arguments for whose values approval may be requested.
///
/// An approved value counts as the user's word, so that a constraint has to accept that.
fn asks(
    allowance: &mut Object,
    constraints: &[Constraint],
) -> Result<Option<Vec<String>>, json::Error> {
    let at = allowance.at("asks");
    let asks = allowance.texts("asks")?;
    let can_be_approved = |path: &&String| {
        let mut own = constraints.iter().filter(|it| it.path() == path.as_str());
        own.any(Constraint::accepts_approved)
    };
    let asked = || asks.iter().flatten();
    match asked().find(|path| !can_be_approved(path)) {
        None => Ok(asks),
        Some(path) => {
            let expected = "paths of constraints that accept the origin `user` or `user~word`";
            Err(unexpected(at, expected, &Value::from(path.as_str())))
        }
    }
}

/// Reads the arguments of an allowance, whose pointers have a single spelling.
fn arguments(
    allowance: &mut Object,
    constraints: &[Constraint],
) -> Result<Option<Arguments>, json::Error> {
    const EXPECTED: &str = "an object such as `{ \"required\": [\"/to\"], \"optional\": [\"/subject\"] }`, or `\"open\"`";
    let at = allowance.at("arguments");
    let value = match allowance.take("arguments") {
        None => return Ok(None),
        Some(Value::String(text)) if text == "open" => return Ok(Some(Arguments::Open)),
        Some(value @ Value::Object(_)) => value,
        Some(other) => return Err(unexpected(at, EXPECTED, &other)),
    };
    let mut object = Object::new(value, at.clone())?;
    let mut listed = |key: &str| {
        let at = object.at(key);
        let list = object.texts(key)?.unwrap_or_default();
        if list.len() > MAX_ITEMS {
            let expected = format!("at most {MAX_ITEMS} of them");
            return Err(unexpected(at, &expected, &Value::from(list.len())));
        }
        for (index, pointer) in list.iter().enumerate() {
            let at = format!("{at}/{index}");
            let found = Value::from(pointer.as_str());
            let has_names = pointer.split('/').skip(1).all(|name| !name.is_empty());
            if pointer.is_empty() || !is_pointer(pointer) || !has_names {
                let expected = "a JSON Pointer to an argument, such as `/path`";
                return Err(unexpected(at, expected, &found));
            }
            if pointer.contains('*') {
                let expected = "the JSON Pointer of one argument, without `*`";
                return Err(unexpected(at, expected, &found));
            }
            if pointer.len() > MAX_PATTERN_BYTES {
                let expected = format!("a JSON Pointer of at most {MAX_PATTERN_BYTES} bytes");
                return Err(unexpected(at, &expected, &found));
            }
        }
        Ok(list)
    };
    let (required, optional) = (listed("required")?, listed("optional")?);
    object.end("`required`, `optional`")?;
    let known = KnownArguments::new(required, optional, constraints).map_err(|pointer| {
        let expected = "each argument once, and none that lies within another";
        unexpected(at, expected, &Value::from(pointer))
    })?;
    Ok(Some(Arguments::Only(known)))
}

impl Denial {
    fn read(mut object: Object) -> Result<Self, json::Error> {
        let read = Self {
            integration: integration(&mut object)?,
            action: action(&mut object)?,
            resource: pattern(&mut object, "resource", Pattern::for_denial)?,
        };
        object.end("`integration`, `action`, `resource`")?;
        Ok(read)
    }
}

fn said(intent: &mut Object) -> Result<Option<Digest>, json::Error> {
    const EXPECTED: &str = "the digest of the user's words: `sha256:` and 64 hexadecimal digits";
    match intent.take("said") {
        None => Ok(None),
        Some(value) => match value.as_str().map(str::parse) {
            Some(Ok(digest)) => Ok(Some(digest)),
            _ => Err(unexpected(intent.at("said"), EXPECTED, &value)),
        },
    }
}

fn parent(intent: &mut Object) -> Result<Option<(String, Digest)>, json::Error> {
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

fn exception(intent: &mut Object) -> Result<Option<Exception>, json::Error> {
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
        return Err(unexpected(
            at,
            "the owner of the exception",
            &Value::from(""),
        ));
    }
    if read.waives.is_empty() {
        return Err(unexpected(waives, expected, &Value::Array(Vec::new())));
    }
    exception.end("`owner`, `waives`")?;
    Ok(Some(read))
}

fn max_uses(object: &mut Object) -> Result<Option<u64>, json::Error> {
    let expected = "a whole number from 1";
    let uses = object.parsed::<u64>("max-uses", expected)?;
    match uses {
        Some(0) => Err(unexpected(object.at("max-uses"), expected, &Value::from(0))),
        uses => Ok(uses),
    }
}

/// Reads the name of an integration, in the form that a configuration accepts.
fn integration(object: &mut Object) -> Result<String, json::Error> {
    let name = object.text("integration")?;
    match check_identifier(&name) {
        Ok(()) => Ok(name),
        Err(error) => Err(json::Error::Unexpected {
            at: object.at("integration"),
            expected: "the name of an integration, as in the configuration".to_owned(),
            found: format!("`{}`: {error}", portcullis_contract::excerpt(&name)),
        }),
    }
}

fn action(object: &mut Object) -> Result<Pattern, json::Error> {
    pattern(object, "action", Pattern::of_actions)
}

fn pattern(
    object: &mut Object,
    key: &str,
    read: impl Fn(&str) -> Result<Pattern, PatternError>,
) -> Result<Pattern, json::Error> {
    let text = object.text(key)?;
    if text.len() > MAX_PATTERN_BYTES {
        let expected = format!("a pattern of at most {MAX_PATTERN_BYTES} bytes");
        return Err(unexpected(object.at(key), &expected, &Value::from(text)));
    }
    read(&text).map_err(|error| json::Error::Unexpected {
        at: object.at(key),
        expected: match error {
            PatternError::NoAction { .. } => {
                "a name of an action, where `*` stands for any characters but `/`".to_owned()
            }
            _ => "a pattern, such as `acme/*`".to_owned(),
        },
        found: format!("one that is not: {error}"),
    })
}

fn list<T>(
    object: &mut Object,
    key: &str,
    read: impl Fn(Object) -> Result<T, json::Error>,
) -> Result<Vec<T>, json::Error> {
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
