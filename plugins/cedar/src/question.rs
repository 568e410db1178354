//! Converts a request to a Cedar authorization request.

use crate::Request;
use crate::named::Known;
use crate::text::{close_to, fold, with_causes};
use crate::types::{NoAction, Part, Types, entity};
use crate::value::{self, Unrepresentable};
use cedar_policy::{
    Context, Entities, Entity, EntityTypeName, EntityUid, Request as Question,
    RestrictedExpression, Schema,
};
use cedar_policy_core::validator::types::Type;
use portcullis_sdk::{Attribute, Json, Verdict, escape_key, json};
use serde_json::Map;
use std::collections::BTreeMap;

/// Members of the context that the host provides.
pub(crate) const HOST_CONTEXT: [&str; 6] = [
    "integration",
    "class",
    "attestation",
    "arguments",
    "intent",
    "now",
];

/// Name of the attribute in which the host passes the principal's type.
const TYPE: &str = "type";

/// The reason why Cedar cannot evaluate a request. As a [`Verdict`], it is indeterminate.
#[derive(Debug)]
pub(crate) struct Unasked {
    code: &'static str,
    message: String,
    /// JSON Pointer to the field in the request.
    field: String,
}

impl From<Unasked> for Verdict {
    fn from(unasked: Unasked) -> Self {
        Self::indeterminate()
            .because(unasked.code, unasked.message)
            .fields([unasked.field])
    }
}

/// The settings for converting a request.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) types: Types,
    pub(crate) schema: Option<Schema>,
    /// The entity types that the schema or the policies use.
    pub(crate) known: Known,
    /// True if a request must conform to the schema or, without one, to the known types.
    pub(crate) holds_requests: bool,
    /// The members of [`HOST_CONTEXT`] that the context contains.
    pub(crate) host_context: Vec<String>,
}

/// The attributes of an entity, or the members of the context, as JSON.
type Members = Map<String, Json>;

impl Reading {
    /// Returns Cedar's authorization request for `request`, whose arguments are `arguments`.
    ///
    /// # Errors
    ///
    /// [`Unasked`] if Cedar cannot represent the request, or the request does not conform to the schema.
    pub(crate) fn question(&self, request: &Request, arguments: Json) -> Result<Question, Unasked> {
        let (principal, resource) = (request.principal(), request.resource());
        let kind = principal.kind().as_str();
        let sent = match principal.type_name() {
            "" => kind,
            sent => sent,
        };
        let principal = entity(self.typed(Part::Principal, sent, kind)?, principal.id());
        let action = self.action(request.action().name())?;
        let kind = resource.kind();
        let resource = entity(self.typed(Part::Resource, kind, kind)?, resource.id());
        let context = self.context(request, arguments, &action)?;
        let held_to = self.schema.as_ref().filter(|_| self.holds_requests);
        Question::new(principal, action, resource, context, held_to).map_err(|error| Unasked {
            code: "not-in-schema",
            message: format!(
                "the request does not keep to the schema: {}",
                with_causes(&error)
            ),
            field: String::new(),
        })
    }

    /// Returns the static entities and those of `request`, or `None` if the static ones suffice.
    ///
    /// # Errors
    ///
    /// [`Unasked`] if Cedar cannot represent an attribute, or an attribute does not conform to the schema.
    pub(crate) fn entities(
        &self,
        request: &Request,
        question: &Question,
        known: &Entities,
    ) -> Result<Option<Entities>, Unasked> {
        let mut missing = Vec::new();
        let principal = question.principal();
        if let Some(uid) = principal.filter(|uid| known.get(uid).is_none()) {
            let stated = request.principal();
            let host = [
                ("owner", stated.owner()),
                ("purpose", stated.purpose()),
                ("environment", stated.environment()),
                ("attestation", stated.attestation().as_str()),
            ];
            let own = stated.attributes().iter().filter(|own| own.name != TYPE);
            missing.extend(self.entity(uid, &host, "/principal/attributes", own)?);
        }
        // If the principal is also the resource, it is one entity, with the attributes of the principal.
        let resource = question.resource().filter(|uid| Some(*uid) != principal);
        if let Some(uid) = resource.filter(|uid| known.get(uid).is_none()) {
            let stated = request.resource();
            let host = [("environment", stated.environment())];
            let own = stated.attributes().iter();
            missing.extend(self.entity(uid, &host, "/resource/attributes", own)?);
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

    /// Returns the Cedar type of the principal or resource that was sent as `sent`.
    fn typed(&self, part: Part, sent: &str, kind: &str) -> Result<EntityTypeName, Unasked> {
        let named = part.as_str();
        let unmatched = |code, message| Unasked {
            code,
            message,
            field: match part {
                Part::Principal => "/principal/type".to_owned(),
                Part::Resource => "/resource/kind".to_owned(),
            },
        };
        let map = format!("map it under `types.{named}`");
        let close = |text: &str| match &self.known {
            Known::Applicable([principals, resources]) => {
                let types = match part {
                    Part::Principal => principals,
                    Part::Resource => resources,
                };
                close_to(text, types.iter().map(ToString::to_string))
            }
            Known::Named(types, _) => close_to(text, types.iter().map(ToString::to_string)),
        };
        let Some(name) = self.types.of(part, sent) else {
            let message = format!(
                "the {named}'s type `{sent}` is not the name of a Cedar type{}: {map}",
                close(sent)
            );
            return Err(unmatched("type-unusable", message));
        };
        if !self.holds_requests {
            return Ok(name);
        }
        match &self.known {
            Known::Applicable([principals, resources]) => {
                let types = match part {
                    Part::Principal => principals,
                    Part::Resource => resources,
                };
                if !types.contains(&name) {
                    let message = format!(
                        "the schema has no action for a {named} of the type `{name}`{}: {map}",
                        close(sent)
                    );
                    return Err(unmatched("not-in-schema", message));
                }
            }
            Known::Named(types, folded) => {
                let alike = [fold(&name.to_string()), fold(kind)];
                let alike = alike.iter().find_map(|text| folded.get(text));
                if let Some(alike) = alike
                    && !types.contains(&name)
                    && !self.types.is_mapped(part, sent)
                {
                    let alike: Vec<_> = alike.iter().map(|name| format!("`{name}`")).collect();
                    let message = format!(
                        "the {named} is of the type `{name}`, but the policies name {}, which may be the intended type: {map}",
                        alike.join(", ")
                    );
                    return Err(unmatched("type-unmatched", message));
                }
            }
        }
        Ok(name)
    }

    fn action(&self, name: &str) -> Result<EntityUid, Unasked> {
        let unasked = |message| Unasked {
            code: "not-in-schema",
            message,
            field: "/action/name".to_owned(),
        };
        match self.types.action(name) {
            Ok(uid) => Ok(uid),
            Err(NoAction::Unknown) if !self.holds_requests => Ok(self.types.undeclared(name)),
            Err(NoAction::Unknown) => Err(unasked(format!(
                "the schema has no action called `{name}`: declare it, or map the name under `actions`"
            ))),
            Err(NoAction::Ambiguous) => Err(unasked(format!(
                "the schema has several actions called `{name}`: say which under `actions`, or set `types.action`"
            ))),
        }
    }

    fn context(
        &self,
        request: &Request,
        arguments: Json,
        action: &EntityUid,
    ) -> Result<Context, Unasked> {
        let schema = self.schema.as_ref();
        let declared = schema.and_then(|schema| schema.as_ref().context_type(action.as_ref()));
        let mut members = Members::new();
        let mut put = |name: &str, value: Json| {
            let is_declared = declared.is_none_or(|context| has_member(context, name));
            if is_declared && self.host_context.iter().any(|member| member == name) {
                members.insert(name.to_owned(), value);
            }
        };
        put("integration", json!(request.integration()));
        put("class", json!(request.action().class().as_str()));
        put(
            "attestation",
            json!(request.principal().attestation().as_str()),
        );
        if let Some(intent) = request.intent() {
            put(
                "intent",
                json!({
                    "id": intent.id(), "purpose": intent.purpose(), "approvedBy": intent.approved_by(),
                }),
            );
        }
        if let Some(now) = request.now() {
            let now = i64::try_from(now.as_millis()).map_err(|error| refused("/now", &error))?;
            put("now", Json::from(now));
        }
        value::representable(&arguments)
            .map_err(|error| not_representable("/action/arguments", error))?;
        if declared.is_none()
            && let Some(at) = value::escape_in(&arguments)
        {
            let field = format!("/action/arguments{at}");
            return Err(Unasked {
                code: "escape-in-arguments",
                message: format!(
                    "`{field}` is an entity or an extension value in Cedar's JSON, which a caller may not make: send it in the context, or declare its type in a schema"
                ),
                field,
            });
        }
        put("arguments", arguments);
        put_all(&mut members, "/context", request.circumstances().iter())?;
        match schema {
            Some(schema) if declared.is_some() => {
                let held_to = Some((schema, action));
                Context::from_json_value(Json::Object(members), held_to).map_err(|error| Unasked {
                    code: "not-in-schema",
                    message: format!(
                        "the context of `{action}` does not keep to the schema: {}",
                        with_causes(&error)
                    ),
                    field: "/context".to_owned(),
                })
            }
            _ => {
                let (escaped, plain) = apart(members);
                let plain = expressions(plain, "/context")?;
                if escaped.is_empty() {
                    return Context::from_pairs(plain).map_err(|error| refused("/context", &error));
                }
                let context = Context::from_json_value(Json::Object(escaped), None)
                    .map_err(|error| refused("/context", &error))?;
                context
                    .merge(plain)
                    .map_err(|error| refused("/context", &error))
            }
        }
    }

    /// Returns the entity `uid` of a request.
    ///
    /// With a schema, the host's attributes are limited to those that the schema declares, and an entity
    /// without attributes is left out. It never has parents: only the settings define those.
    fn entity<'a>(
        &self,
        uid: &EntityUid,
        host: &[(&str, &str)],
        at: &str,
        own: impl Iterator<Item = &'a Attribute>,
    ) -> Result<Option<Entity>, Unasked> {
        let schema = self.schema.as_ref();
        let declared =
            schema.and_then(|schema| schema.as_ref().get_entity_type(uid.type_name().as_ref()));
        let mut attributes = Members::new();
        for (name, text) in host.iter().filter(|(_, text)| !text.is_empty()) {
            if declared.is_none_or(|declared| declared.attr(name).is_some()) {
                attributes.insert((*name).to_owned(), Json::from(*text));
            }
        }
        put_all(&mut attributes, at, own)?;
        if attributes.is_empty() && schema.is_some() {
            return Ok(None);
        }
        let held_to = schema.filter(|_| self.holds_requests);
        let (escaped, plain) = match held_to {
            Some(_) => (attributes, Members::new()),
            None => apart(attributes),
        };
        if escaped.is_empty() {
            let plain: BTreeMap<_, _> = expressions(plain, at)?.into_iter().collect();
            return Entity::new_with_tags(uid.clone(), plain, [], [])
                .map(Some)
                .map_err(|error| refused(at, &error));
        }
        let attributes: Members = escaped.into_iter().chain(plain).collect();
        let id: &str = uid.id().unescaped();
        let json = json!({
            "uid": { "type": uid.type_name().to_string(), "id": id },
            "attrs": attributes,
            "parents": [],
        });
        Entity::from_json_value(json, held_to)
            .map(Some)
            .map_err(|error| Unasked {
                code: match held_to {
                    Some(_) => "not-in-schema",
                    None => "not-representable",
                },
                message: format!(
                    "the attributes of `{uid}` do not keep to {}: {}",
                    match held_to {
                        Some(_) => "the schema",
                        None => "Cedar's JSON",
                    },
                    with_causes(&error)
                ),
                field: at.to_owned(),
            })
    }
}

fn has_member(context: &Type, name: &str) -> bool {
    match context {
        Type::Record { attrs, .. } => attrs.get_attr(name).is_some(),
        _ => false,
    }
}

/// Adds `attributes` to `members`, and fails rather than replace a member.
fn put_all<'a>(
    members: &mut Members,
    at: &str,
    attributes: impl Iterator<Item = &'a Attribute>,
) -> Result<(), Unasked> {
    for Attribute { name, value } in attributes {
        let pointer = || format!("{at}/{}", escape_key(name));
        let json = value::json_of(value).map_err(|error| not_representable(&pointer(), error))?;
        value::representable(&json).map_err(|error| not_representable(&pointer(), error))?;
        if members.insert(name.clone(), json).is_some() {
            return Err(Unasked {
                code: "name-taken",
                message: format!(
                    "`{name}` is the host's: send it under another name, or leave the host's out of `host-context`"
                ),
                field: pointer(),
            });
        }
    }
    Ok(())
}

/// Splits `members` into those with an entity or extension value in Cedar's JSON, and the rest.
fn apart(members: Members) -> (Members, Members) {
    members
        .into_iter()
        .partition(|(name, json)| is_escape(name) || value::escape_in(json).is_some())
}

/// True if the name makes the whole object an entity or an extension value.
fn is_escape(name: &str) -> bool {
    value::escape_in(&json!({ name: null })).is_some()
}

fn expressions(members: Members, at: &str) -> Result<Vec<(String, RestrictedExpression)>, Unasked> {
    members
        .into_iter()
        .map(|(name, json)| {
            let pointer = format!("{at}/{}", escape_key(&name));
            let value = value::of_json(json).map_err(|error| not_representable(&pointer, error))?;
            Ok((name, value))
        })
        .collect()
}

fn not_representable(at: &str, error: Unrepresentable) -> Unasked {
    let field = format!("{at}{}", error.pointer);
    Unasked {
        code: "not-representable",
        message: format!(
            "`{field}` is {}, which Cedar has no type for: leave it out, or send it as text",
            error.what
        ),
        field,
    }
}

/// Reports a value that Cedar rejects.
fn refused(field: &str, error: &dyn std::error::Error) -> Unasked {
    Unasked {
        code: "not-representable",
        message: with_causes(error),
        field: field.to_owned(),
    }
}
