//! The five rules in Cedar.

use crate::workload::class_of;
use cedar_policy::{
    Authorizer, Context, Decision, Entities, Entity, EntityId, EntityTypeName, EntityUid,
    PolicySet, Request, Response, RestrictedExpression,
};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::str::FromStr as _;

/// The five rules, parsed.
pub struct Cedar {
    authorizer: Authorizer,
    policies: PolicySet,
    types: Types,
}

/// The entity types of a request.
struct Types {
    agent: EntityTypeName,
    service: EntityTypeName,
    action: EntityTypeName,
    repository: EntityTypeName,
}

/// A prepared request with its entities.
pub struct Prepared {
    request: Request,
    entities: Entities,
}

impl Cedar {
    /// Parses the rules.
    ///
    /// # Panics
    ///
    /// Never: the rules are valid Cedar.
    pub fn new() -> Self {
        let named = |name| EntityTypeName::from_str(name).expect("a type");
        Self {
            types: Types {
                agent: named("Agent"),
                service: named("Service"),
                action: named("Action"),
                repository: named("Repository"),
            },
            authorizer: Authorizer::new(),
            policies: PolicySet::from_str(include_str!("../../rules/five.cedar")).expect("Cedar"),
        }
    }

    /// Decides a prepared request.
    pub fn decide(&self, prepared: &Prepared) -> Response {
        self.authorizer
            .is_authorized(&prepared.request, &self.policies, &prepared.entities)
    }

    /// True if the response permits.
    pub fn permits(response: &Response) -> bool {
        response.decision() == Decision::Allow
    }

    /// Decides an AuthZEN evaluation in JSON, and returns the decision in JSON.
    ///
    /// It corresponds to a gateway with Cedar alone, without registry, revocation or intents. Cedar reads the
    /// entities and the context from JSON itself.
    ///
    /// # Panics
    ///
    /// If `evaluation` is invalid.
    pub fn decide_json(&self, evaluation: &[u8]) -> Vec<u8> {
        let evaluation: Value = serde_json::from_slice(evaluation).expect("JSON");
        written(&self.decide(&prepare(evaluation)))
    }

    /// As [`Cedar::decide_json`], for a gateway that builds entities and context itself.
    ///
    /// It uses no more of the request than the plugin `cedar`.
    ///
    /// # Panics
    ///
    /// If `evaluation` is invalid.
    pub fn decide_json_by_hand(&self, evaluation: &[u8]) -> Vec<u8> {
        let evaluation: Value = serde_json::from_slice(evaluation).expect("JSON");
        written(&self.decide(&self.prepare_by_hand(evaluation)))
    }

    /// As [`prepare`], without Cedar's JSON reader, and limited to the values that the plugin `cedar` uses.
    ///
    /// # Panics
    ///
    /// If `evaluation` is invalid.
    pub fn prepare_by_hand(&self, mut evaluation: Value) -> Prepared {
        let mut take = |pointer: &str| evaluation.pointer_mut(pointer).map(Value::take);
        let mut text = |pointer: &str| match take(pointer) {
            Some(Value::String(text)) => text,
            _ => String::new(),
        };
        let [kind, id, name, repository] = [
            "/subject/type",
            "/subject/id",
            "/action/name",
            "/resource/id",
        ]
        .map(&mut text);
        let attestation = evaluation
            .pointer("/subject/properties/attestation")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        let mut members = |pointer: &str| match evaluation.pointer_mut(pointer).map(Value::take) {
            Some(Value::Object(members)) => members,
            _ => Map::new(),
        };
        let uid = |kind: &EntityTypeName, id: String| {
            EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
        };
        let string = RestrictedExpression::new_string;

        let arguments = members("/action/properties");
        let intent = members("/context/intent");
        let mut context = without(
            members("/context"),
            &[
                "intent",
                "argument-origins",
                "session-path",
                "supported_obligations",
            ],
        );
        context.insert(
            "class".to_owned(),
            string(class_of(&name).as_str().to_owned()),
        );
        context.insert("attestation".to_owned(), string(attestation));
        context.insert("arguments".to_owned(), expression(arguments.into()));
        if !intent.is_empty() {
            let mut intent = without(intent, &["expires-at", "remaining-uses", "documents"]);
            let approved_by = intent.remove("approved-by");
            intent.insert(
                "approvedBy".to_owned(),
                approved_by.unwrap_or_else(|| string(String::new())),
            );
            let intent = RestrictedExpression::new_record(intent).expect("a record");
            context.insert("intent".to_owned(), intent);
        }
        let principal = match kind.as_str() {
            "agent" => uid(&self.types.agent, id),
            _ => uid(&self.types.service, id),
        };
        let resource = uid(&self.types.repository, repository);
        let entity = |uid: &EntityUid, attributes| {
            Entity::new_with_tags(uid.clone(), attributes, [], []).expect("plain values")
        };
        let of_principal = &[
            "credential-id",
            "credential-issued-at",
            "credential-expires-at",
            "delegated-by",
        ];
        let entities = [
            entity(
                &principal,
                without(members("/subject/properties"), of_principal),
            ),
            entity(
                &resource,
                without(members("/resource/properties"), &["posture"]),
            ),
        ];
        let request = Request::new(
            principal,
            uid(&self.types.action, name),
            resource,
            Context::from_pairs(context).expect("a context"),
            None,
        );
        Prepared {
            request: request.expect("a request"),
            entities: Entities::from_entities(entities, None).expect("entities"),
        }
    }
}

/// Returns the response as JSON.
fn written(response: &Response) -> Vec<u8> {
    let reasons: Vec<_> = response
        .diagnostics()
        .reason()
        .map(ToString::to_string)
        .collect();
    serde_json::to_vec(&json!({
        "decision": Cedar::permits(response),
        "context": { "reasons": reasons },
    }))
    .expect("JSON")
}

impl Default for Cedar {
    fn default() -> Self {
        Self::new()
    }
}

/// Converts an AuthZEN evaluation to a Cedar request.
///
/// Its subject and resource become entities, and the rest becomes the context.
///
/// # Panics
///
/// If `evaluation` is invalid.
pub fn prepare(mut evaluation: Value) -> Prepared {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut taken = |pointer: &str| {
        evaluation
            .pointer_mut(pointer)
            .map(Value::take)
            .unwrap_or_else(|| json!({}))
    };
    let principal = uid(
        match text(&taken("/subject/type")).as_str() {
            "agent" => "Agent",
            _ => "Service",
        },
        &text(&taken("/subject/id")),
    );
    let name = text(&taken("/action/name"));
    let repository = text(&taken("/resource/id"));
    let resource = uid("Repository", &repository);
    let resource_attributes = taken("/resource/properties");
    let principal_attributes = taken("/subject/properties");
    let arguments = taken("/action/properties");
    let mut context = taken("/context");
    if let Some(context) = context.as_object_mut() {
        if let Some(Value::Object(intent)) = context.get_mut("intent")
            && let Some(who) = intent.remove("approved-by")
        {
            intent.insert("approvedBy".to_owned(), who);
        }
        context.insert("class".to_owned(), json!(class_of(&name).as_str()));
        context.insert("arguments".to_owned(), arguments);
    }
    let entities = json!([
        { "uid": principal, "attrs": principal_attributes, "parents": [] },
        { "uid": resource, "attrs": resource_attributes, "parents": [] },
    ]);
    let action = uid("Action", &name);
    let request = Request::new(
        entity(&principal),
        entity(&action),
        entity(&resource),
        Context::from_json_value(context, None).expect("a context"),
        None,
    );
    Prepared {
        request: request.expect("a request"),
        entities: Entities::from_json_value(entities, None).expect("entities"),
    }
}

/// # Panics
///
/// If `value` is `null` or a fraction, which Cedar has no type for.
fn expression(value: Value) -> RestrictedExpression {
    match value {
        Value::Null => panic!("there is no null in Cedar"),
        Value::Bool(boolean) => RestrictedExpression::new_bool(boolean),
        Value::Number(number) => {
            RestrictedExpression::new_long(number.as_i64().expect("a whole number"))
        }
        Value::String(text) => RestrictedExpression::new_string(text),
        Value::Array(items) => RestrictedExpression::new_set(items.into_iter().map(expression)),
        Value::Object(members) => {
            let members = members.into_iter();
            let members = members.map(|(name, value)| (name, expression(value)));
            RestrictedExpression::new_record(members).expect("a record")
        }
    }
}

/// Converts the members that are not in `others`.
fn without(members: Map<String, Value>, others: &[&str]) -> BTreeMap<String, RestrictedExpression> {
    let members = members.into_iter();
    let taken = members.filter(|(name, _)| !others.contains(&name.as_str()));
    taken
        .map(|(name, value)| (name, expression(value)))
        .collect()
}

fn uid(kind: &str, id: &str) -> Value {
    json!({ "type": kind, "id": id })
}

fn entity(uid: &Value) -> EntityUid {
    EntityUid::from_json(uid.clone()).expect("an entity")
}
