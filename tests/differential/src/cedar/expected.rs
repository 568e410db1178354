//! The native engine's answers for an organisation's requests.
//!
//! It reads the policies, schema, entities and context as written, with its own readers.

use super::Answer;
use super::own::{Organisation, OwnRequest};
use cedar_policy::{
    AuthorizationError, Authorizer, Context, Decision, Entities, Entity, EntityUid, PolicySet,
    Request, Schema,
};
use portcullis_host::printable;
use serde_json::json;

/// An organisation's policies in the native engine.
#[derive(Debug)]
pub struct Expected {
    policies: PolicySet,
    schema: Option<Schema>,
    entities: Entities,
    validates_requests: bool,
}

impl Expected {
    /// Parses the plugin's settings.
    ///
    /// # Panics
    ///
    /// If they do not parse.
    pub fn of(organisation: &Organisation) -> Self {
        let schema = organisation
            .schema
            .as_deref()
            .map(|text| text.parse::<Schema>().expect("the schema parses"));
        let entities = Entities::from_json_value(organisation.entities.clone(), schema.as_ref())
            .unwrap_or_else(|error| panic!("{error:?}\n{organisation:?}"));
        Self {
            policies: organisation.policies.parse().expect("the policies parse"),
            schema,
            entities,
            validates_requests: organisation.validates_requests,
        }
    }

    /// Returns the engine's answer to `request`, or `None` if its readers refuse it.
    ///
    /// # Panics
    ///
    /// If the action is not a Cedar entity.
    pub fn answer(&self, request: &OwnRequest) -> Option<Answer> {
        let uid = |kind: &str, id: &str| EntityUid::from_json(json!({ "type": kind, "id": id }));
        let (kind, id, attributes) = &request.principal;
        let principal = uid(kind, id).ok()?;
        let action: EntityUid = request.action.parse().expect("an action");
        let resource = uid(&request.resource.0, &request.resource.1).ok()?;
        let held_to = self.schema.as_ref().map(|schema| (schema, &action));
        let context = Context::from_json_value(request.context.clone().into(), held_to).ok()?;

        // Without a schema, an unlisted entity exists with its known attributes.
        let mut unlisted = Vec::new();
        let mut attributes = attributes.clone();
        if self.schema.is_none() {
            attributes.insert("attestation".to_owned(), json!("none"));
        }
        let schema = self.schema.as_ref().filter(|_| self.validates_requests);
        if self.entities.get(&principal).is_none() && !attributes.is_empty() {
            let entity = json!({
                "uid": { "type": kind, "id": id }, "attrs": attributes, "parents": [],
            });
            unlisted.push(Entity::from_json_value(entity, schema).ok()?);
        }
        if self.entities.get(&resource).is_none() && self.schema.is_none() && resource != principal
        {
            unlisted.push(Entity::with_uid(resource.clone()));
        }
        let entities = self.entities.clone().add_entities(unlisted, None).ok()?;
        let request = Request::new(principal, action, resource, context, schema).ok()?;
        let response = Authorizer::new().is_authorized(&request, &self.policies, &entities);
        let diagnostics = response.diagnostics();
        Some(Answer {
            allowed: response.decision() == Decision::Allow,
            determining: diagnostics.reason().map(ToString::to_string).collect(),
            errors: diagnostics
                .errors()
                .map(|AuthorizationError::PolicyEvaluationError(error)| {
                    let message = cut(&error.inner().to_string());
                    (error.policy_id().to_string(), printable(&message))
                })
                .collect(),
        })
    }
}

/// Truncates a message to the length that the plugin's README documents.
fn cut(message: &str) -> String {
    match message.char_indices().nth(500) {
        Some((end, _)) => format!("{}\u{2026}", &message[..end]),
        None => message.to_owned(),
    }
}
