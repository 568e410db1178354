//! AuthZEN 1.0 evaluation requests (section 6.1).

mod entities;
mod reserved;
mod written;

use super::{DefaultIntegrations, Principal, Request};
use crate::json;
use crate::limits::RequestLimits;
use crate::object::{Object, unexpected};
pub(crate) use entities::{Format, agrees, kind_of, principal, resource, settle_type};
use portcullis_contract::PrincipalKind;
pub(crate) use reserved::refuse_reserved;
pub use reserved::{CONTEXT_MEMBERS, PRINCIPAL_MEMBERS, RESOURCE_MEMBERS};
use serde_json::{Map, Value};
pub use written::Written;

/// Members that the host reads from `properties`. Outside `properties` they are misplaced.
const OURS_OF_PRINCIPALS: [&str; 10] = [
    "owner",
    "purpose",
    "environment",
    "instance",
    "attestation",
    "credential-id",
    "credential-issued-at",
    "credential-expires-at",
    "workload-digest",
    "delegated-by",
];

const EVALUATION: [&str; 6] = [
    "subject",
    "action",
    "resource",
    "context",
    "evaluations",
    "options",
];
const ENTITY: [&str; 3] = ["type", "id", "properties"];
const ACTION: [&str; 2] = ["name", "properties"];

/// Parts of an evaluation.
pub(super) struct Evaluation {
    pub(super) subject: Object,
    pub(super) action: String,
    pub(super) arguments: Value,
    pub(super) resource: Object,
    pub(super) context: Option<Object>,
}

impl Evaluation {
    /// Splits an evaluation into its parts.
    ///
    /// As the standard requires, unknown members are ignored at the top level and in `subject`, `action` and
    /// `resource`. Two kinds are refused: members that another reader takes for known ones, and Portcullis's
    /// own members in the wrong place.
    pub(super) fn of(json: Value) -> Result<Self, json::Error> {
        let mut evaluation = Object::new(json, "")?;
        match evaluation.take("evaluations") {
            None => {}
            // The standard treats an empty list as absent.
            Some(Value::Array(list)) if list.is_empty() => {}
            Some(_) => {
                return Err(json::Error::NotHere {
                    at: "/evaluations".to_owned(),
                    why: "this is a batch, but one evaluation is expected: read it with `Request::batch_from_authzen`, or send each of its evaluations as its own request",
                });
            }
        }
        let subject = evaluation.object("subject")?;
        let mut action = evaluation.object("action")?;
        let resource = evaluation.object("resource")?;
        let context = evaluation.optional_object("context")?;
        evaluation.refuse_alike(&EVALUATION, |_, _| true)?;
        evaluation.refuse_misplaced(&CONTEXT_MEMBERS, "`/context`")?;
        let name = action.text("name")?;
        let arguments = match action.take("properties") {
            None => Map::new(),
            Some(arguments) => {
                Map::from_iter(Object::new(arguments, action.at("properties"))?.rest())
            }
        };
        action.refuse_alike(&ACTION, |_, _| false)?;
        action.refuse_misplaced(
            &["arguments", "argument-origins"],
            "`/action/properties`, and its origins to `/context/argument-origins`",
        )?;
        Ok(Self {
            subject,
            action: name,
            arguments: Value::Object(arguments),
            resource,
            context,
        })
    }
}

/// Splits a batch (section 7.1) into evaluations, each a document of its own.
///
/// An evaluation takes missing parts from the defaults. A batch without evaluations is a single evaluation.
pub(super) fn batch(json: Value) -> Result<Vec<Value>, json::Error> {
    const PARTS: [&str; 4] = ["subject", "action", "resource", "context"];
    let mut batch = Object::new(json, "")?;
    let evaluations = match batch.take("evaluations") {
        None => Vec::new(),
        Some(Value::Array(list)) => list,
        Some(other) => return Err(unexpected("/evaluations".to_owned(), "a list", &other)),
    };
    if evaluations.is_empty() {
        return Ok(vec![Value::Object(Map::from_iter(batch.rest()))]);
    }
    batch.refuse_alike(&EVALUATION, |_, _| true)?;
    batch.refuse_misplaced(&CONTEXT_MEMBERS, "`/context`")?;
    let defaults: Vec<_> = PARTS
        .iter()
        .filter_map(|part| Some(((*part).to_owned(), batch.take(part)?)))
        .collect();
    let with_defaults = |evaluation| match evaluation {
        Value::Object(mut members) => {
            for (part, default) in &defaults {
                members
                    .entry(part.as_str())
                    .or_insert_with(|| default.clone());
            }
            Value::Object(members)
        }
        // Refused when it is read as an evaluation.
        other => other,
    };
    Ok(evaluations.into_iter().map(with_defaults).collect())
}

/// Splits a subject or resource into its type, id and properties.
pub(super) fn entity(
    mut entity: Object,
    misplaced: &[&str],
) -> Result<(String, String, Object), json::Error> {
    let read = (
        entity.text("type")?,
        entity.text("id")?,
        properties(&mut entity)?,
    );
    entity.refuse_alike(&ENTITY, |_, _| false)?;
    entity.refuse_misplaced(misplaced, "`properties`")?;
    Ok(read)
}

/// Splits a subject into its type, id and properties.
pub(super) fn subject(subject: Object) -> Result<(String, String, Object), json::Error> {
    entity(subject, &OURS_OF_PRINCIPALS)
}

/// Reads an evaluation.
pub(super) fn read(
    json: Value,
    defaults: &DefaultIntegrations,
    limits: &RequestLimits,
) -> Result<Request, json::Error> {
    let Evaluation {
        subject,
        action,
        arguments,
        resource,
        context,
    } = Evaluation::of(json)?;
    let (kind, id, properties) = self::subject(subject)?;
    let principal = Principal {
        type_name: kind,
        ..principal(
            id,
            PrincipalKind::Unspecified,
            properties,
            Format::Evaluation,
        )?
    };
    let (kind, id, properties) = entity(resource, &RESOURCE_MEMBERS)?;
    let resource = self::resource(kind, id, properties, Format::Evaluation)?;
    let mut context = match context {
        Some(context) => context,
        None => Object::new(Value::Object(Map::new()), "/context")?,
    };
    let integration = match context.optional_text("integration")? {
        Some(integration) => integration,
        None => match defaults.of(&resource.kind) {
            Some(integration) => integration.to_owned(),
            None => {
                return Err(json::Error::Missing {
                    at: context.at("integration"),
                    expected: "text, or an integration for such requests under `[authzen]` of the configuration".to_owned(),
                });
            }
        },
    };
    let mut builder =
        Request::builder(integration, principal, action, resource).arguments(arguments);
    if let Some(intent) = context.intent()? {
        builder = builder.intent(intent);
    }
    builder = builder
        .argument_origins(context.origins()?)
        .round_trip(context.round_trip("input-responses", "request-state")?);
    if let Some(kinds) = context.texts("supported_obligations")? {
        builder = builder.supported_obligations(kinds);
    }
    if let Some(path) = context.session_path()? {
        builder = builder.session_path(path);
    }
    for (name, value) in context.attributes(&CONTEXT_MEMBERS)? {
        builder = builder.context(name, value);
    }
    builder.build(limits)
}

fn properties(of: &mut Object) -> Result<Object, json::Error> {
    match of.optional_object("properties")? {
        Some(properties) => Ok(properties),
        None => Object::new(Value::Object(Map::new()), of.at("properties")),
    }
}

#[cfg(test)]
mod tests;
