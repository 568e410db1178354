//! The native engine, called as the plugin's README documents.

use super::{Answer, PolicyText};
use crate::asked::{Asked, INTEGRATION};
use cedar_policy::{
    AuthorizationError, Authorizer, Context, Decision, Entities, Entity, EntityId, EntityTypeName,
    EntityUid, PolicySet, Request, RestrictedExpression,
};
use portcullis_host::{ActionClass, Attestation, PrincipalKind, printable};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};

/// A policy set in the native engine.
#[derive(Debug)]
pub struct Native {
    policies: PolicySet,
    entities: Entities,
    /// The namespace with `::`, or an empty text.
    prefix: String,
}

impl Native {
    /// Parses the plugin's settings.
    ///
    /// # Panics
    ///
    /// If they do not parse.
    pub fn of(text: &PolicyText) -> Self {
        Self {
            policies: text.policies.parse().expect("the policies parse"),
            entities: Entities::from_json_value(text.entities.clone(), None)
                .expect("the entities parse"),
            prefix: text.prefix(),
        }
    }

    /// Returns the engine's answer to `asked`.
    ///
    /// # Panics
    ///
    /// If the request has a value that Cedar has no type for.
    pub fn answer(&self, asked: &Asked) -> Answer {
        let principal = self.uid(principal_type(asked.kind), &asked.id);
        let action = self.uid("Action", &asked.action);
        let resource = self.uid(asked.resource_type, &asked.resource_id);

        let mut unlisted = Vec::new();
        if self.entities.get(&principal).is_none() {
            let mut attributes = asked.attributes.clone();
            put_known(&mut attributes, "owner", &asked.owner);
            put_known(&mut attributes, "purpose", &asked.purpose);
            put_known(&mut attributes, "environment", &asked.environment);
            attributes.push(("attestation".to_owned(), json!(word(asked.attestation))));
            unlisted.push(entity(&principal, attributes));
        }
        if self.entities.get(&resource).is_none() {
            let mut attributes = asked.resource_attributes.clone();
            put_known(&mut attributes, "environment", &asked.resource_environment);
            unlisted.push(entity(&resource, attributes));
        }
        let entities = self
            .entities
            .clone()
            .add_entities(unlisted, None)
            .expect("the entities are of different principals and resources");
        let request = Request::new(principal, action, resource, context(asked), None)
            .expect("without a schema, there is nothing to refuse");

        let response = Authorizer::new().is_authorized(&request, &self.policies, &entities);
        let diagnostics = response.diagnostics();
        Answer {
            allowed: response.decision() == Decision::Allow,
            determining: diagnostics.reason().map(ToString::to_string).collect(),
            errors: diagnostics
                .errors()
                .map(|AuthorizationError::PolicyEvaluationError(error)| {
                    let message = error.inner().to_string();
                    assert!(
                        message.chars().count() <= 500,
                        "the plugin cuts `{message}`"
                    );
                    (error.policy_id().to_string(), printable(&message))
                })
                .collect(),
        }
    }

    fn uid(&self, name: &str, id: &str) -> EntityUid {
        let name: EntityTypeName = format!("{}{name}", self.prefix)
            .parse()
            .expect("the name of a type");
        EntityUid::from_type_name_and_id(name, EntityId::new(id))
    }
}

fn principal_type(kind: PrincipalKind) -> &'static str {
    match kind {
        PrincipalKind::Unspecified => "Unspecified",
        PrincipalKind::Agent => "Agent",
        PrincipalKind::Service => "Service",
        PrincipalKind::Connector => "Connector",
        PrincipalKind::Pipeline => "Pipeline",
        PrincipalKind::Human => "Human",
        PrincipalKind::BreakGlass => "BreakGlass",
    }
}

fn word(attestation: Attestation) -> &'static str {
    match attestation {
        Attestation::None => "none",
        Attestation::StaticSecret => "static-secret",
        Attestation::BearerToken => "bearer-token",
        Attestation::JwtSvid => "jwt-svid",
        Attestation::X509Svid => "x509-svid",
        Attestation::ProofOfPossession => "proof-of-possession",
    }
}

fn class(class: ActionClass) -> &'static str {
    match class {
        ActionClass::Unclassified => "unclassified",
        ActionClass::Read => "read",
        ActionClass::Write => "write",
        ActionClass::Destructive => "destructive",
        ActionClass::Exfiltration => "exfiltration",
        ActionClass::Admin => "admin",
    }
}

fn put_known(attributes: &mut Vec<(String, Value)>, name: &str, text: &str) {
    if !text.is_empty() {
        attributes.push((name.to_owned(), json!(text)));
    }
}

fn entity(uid: &EntityUid, attributes: Vec<(String, Value)>) -> Entity {
    let attributes: HashMap<_, _> = attributes
        .into_iter()
        .map(|(name, value)| (name, expression(&value)))
        .collect();
    Entity::new(uid.clone(), attributes, HashSet::new()).expect("plain values")
}

fn context(asked: &Asked) -> Context {
    let mut members = asked.context.clone();
    members.push(("integration".to_owned(), json!(INTEGRATION)));
    members.push(("class".to_owned(), json!(class(asked.class))));
    members.push(("attestation".to_owned(), json!(word(asked.attestation))));
    members.push(("now".to_owned(), json!(asked.now)));
    members.push((
        "arguments".to_owned(),
        Value::Object(asked.arguments.clone()),
    ));
    if let Some(intent) = &asked.intent {
        let intent = json!({
            "id": intent.id, "purpose": intent.purpose, "approvedBy": intent.approved_by,
        });
        members.push(("intent".to_owned(), intent));
    }
    let members = members
        .into_iter()
        .map(|(name, value)| (name, expression(&value)));
    Context::from_pairs(members).expect("the members have different names")
}

/// Converts the value through Cedar's parser.
fn expression(value: &Value) -> RestrictedExpression {
    let text = literal(value);
    text.parse::<RestrictedExpression>()
        .unwrap_or_else(|error| panic!("`{text}` is no expression: {error}"))
}

/// Returns the value in Cedar's policy syntax.
fn literal(value: &Value) -> String {
    match value {
        Value::Null => panic!("there is no null in Cedar"),
        Value::Bool(boolean) => boolean.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => format!("{text:?}"),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(literal).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(members) => {
            let members = members.iter();
            let members: Vec<_> = members
                .map(|(name, value)| format!("{name:?}: {}", literal(value)))
                .collect();
            format!("{{{}}}", members.join(", "))
        }
    }
}
