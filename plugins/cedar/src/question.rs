//! From a request to what Cedar is asked.

use crate::types::Types;
use crate::value::{self, Unrepresentable};
use cedar_policy::{
    Context, Entities, Entity, EntityUid, Request as Question, RestrictedExpression,
};
use portcullis_sdk::{Attribute, Json, Request, Verdict, escape_key};
use std::collections::BTreeMap;

/// Why Cedar cannot be asked about a request. As a [`Verdict`], it is indeterminate.
#[derive(Debug)]
pub(crate) struct Unasked {
    code: &'static str,
    message: String,
    /// The field, as a JSON Pointer into the request.
    evidence: String,
}

impl From<Unasked> for Verdict {
    fn from(unasked: Unasked) -> Self {
        Self::indeterminate()
            .because(unasked.code, unasked.message)
            .evidence([unasked.evidence])
    }
}

/// The attributes of an entity, or the members of the context.
type Record = BTreeMap<String, RestrictedExpression>;

/// What Cedar is asked about `request`, whose arguments are `arguments`.
///
/// # Errors
///
/// [`Unasked`] if the request is not one for Cedar.
pub(crate) fn question(
    request: &Request,
    arguments: Json,
    types: &Types,
) -> Result<Question, Unasked> {
    let kind = &request.resource.kind;
    let resource = types
        .resource(kind, &request.resource.id)
        .ok_or_else(|| Unasked {
            code: "resource-kind-unusable",
            message: format!(
                "the resource's kind `{kind}` makes no Cedar type: send words of letters and digits, joined by `-` or `_`"
            ),
            evidence: "/resource/kind".to_owned(),
        })?;
    let context = Context::from_pairs(context(request, arguments)?)
        .map_err(|error| refused("/context", &error))?;
    Question::new(
        types.principal(request.principal.kind, &request.principal.id),
        types.action(&request.action.name),
        resource,
        context,
        None,
    )
    .map_err(|error| refused("", &error))
}

/// The static entities with those of `request` that are not among them, or nothing if all are.
///
/// # Errors
///
/// [`Unasked`] if an attribute is not one for Cedar.
pub(crate) fn entities(
    request: &Request,
    question: &Question,
    known: &Entities,
) -> Result<Option<Entities>, Unasked> {
    let mut missing = Vec::new();
    let principal = question.principal();
    if let Some(uid) = principal.filter(|uid| known.get(uid).is_none()) {
        missing.push(entity(uid, principal_attributes(request)?)?);
    }
    // Where the principal acts on itself, it is one entity, and what the host vouches for counts.
    let resource = question.resource().filter(|uid| Some(*uid) != principal);
    if let Some(uid) = resource.filter(|uid| known.get(uid).is_none()) {
        missing.push(entity(uid, resource_attributes(request)?)?);
    }
    if missing.is_empty() {
        return Ok(None);
    }
    let all = if known.is_empty() {
        Entities::from_entities(missing, None)
    } else {
        known.clone().add_entities(missing, None)
    };
    all.map(Some).map_err(|error| refused("", &error))
}

fn entity(uid: &EntityUid, attributes: Record) -> Result<Entity, Unasked> {
    Entity::new_with_tags(uid.clone(), attributes, [], []).map_err(|error| refused("", &error))
}

fn principal_attributes(request: &Request) -> Result<Record, Unasked> {
    let principal = &request.principal;
    let mut record = Record::new();
    put_known(&mut record, "owner", &principal.owner);
    put_known(&mut record, "purpose", &principal.purpose);
    put_known(&mut record, "environment", &principal.environment);
    put(&mut record, "attestation", principal.attestation.as_str());
    put_all(&mut record, "/principal/attributes", &principal.attributes)?;
    Ok(record)
}

fn resource_attributes(request: &Request) -> Result<Record, Unasked> {
    let mut record = Record::new();
    put_known(&mut record, "environment", &request.resource.environment);
    put_all(
        &mut record,
        "/resource/attributes",
        &request.resource.attributes,
    )?;
    Ok(record)
}

fn context(request: &Request, arguments: Json) -> Result<Record, Unasked> {
    let mut record = Record::new();
    put(&mut record, "integration", &request.integration);
    put(&mut record, "class", request.action.class.as_str());
    put(
        &mut record,
        "attestation",
        request.principal.attestation.as_str(),
    );
    let arguments =
        value::of_json(arguments).map_err(|error| not_representable("/action/arguments", error))?;
    record.insert("arguments".to_owned(), arguments);
    if let Some(intent) = &request.intent {
        let members = [
            ("id", &intent.id),
            ("purpose", &intent.purpose),
            ("approvedBy", &intent.approved_by),
        ]
        .map(|(name, text)| {
            let text = RestrictedExpression::new_string(text.clone());
            (name.to_owned(), text)
        });
        let intent = RestrictedExpression::new_record(members)
            .map_err(|error| refused("/intent", &error))?;
        record.insert("intent".to_owned(), intent);
    }
    if let Some(now) = request.now {
        let now = i64::try_from(now.0).map_err(|error| refused("/now", &error))?;
        record.insert("now".to_owned(), RestrictedExpression::new_long(now));
    }
    put_all(&mut record, "/context", &request.context)?;
    Ok(record)
}

/// Puts `text`, known or not.
fn put(record: &mut Record, name: &str, text: &str) {
    let text = RestrictedExpression::new_string(text.to_owned());
    record.insert(name.to_owned(), text);
}

/// Puts `text` if it is known. A policy that does not ask whether it is there then errs, where it
/// would compare with nothing.
fn put_known(record: &mut Record, name: &str, text: &str) {
    if !text.is_empty() {
        put(record, name, text);
    }
}

/// Puts attributes beside what is there, and never in its place.
fn put_all(record: &mut Record, at: &str, attributes: &[Attribute]) -> Result<(), Unasked> {
    for Attribute { name, value } in attributes {
        let pointer = || format!("{at}/{}", escape_key(name));
        let value = value::of(value).map_err(|error| not_representable(&pointer(), error))?;
        if record.insert(name.clone(), value).is_some() {
            return Err(Unasked {
                code: "name-taken",
                message: format!("`{name}` is there already: send it under another name"),
                evidence: pointer(),
            });
        }
    }
    Ok(())
}

fn not_representable(at: &str, error: Unrepresentable) -> Unasked {
    let evidence = format!("{at}{}", error.pointer);
    Unasked {
        code: "not-representable",
        message: format!(
            "`{evidence}` is {}, which Cedar has no type for: leave it out, or send it as text",
            error.what
        ),
        evidence,
    }
}

/// What Cedar itself does not take.
fn refused(evidence: &str, error: &dyn std::fmt::Display) -> Unasked {
    Unasked {
        code: "not-representable",
        message: error.to_string(),
        evidence: evidence.to_owned(),
    }
}
