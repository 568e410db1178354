//! The five rules in Cedar.

use crate::workload::class_of;
use cedar_policy::{
    Authorizer, Context, Decision, Entities, EntityUid, PolicySet, Request, Response,
};
use serde_json::{Value, json};
use std::str::FromStr as _;

/// The five rules, parsed.
pub struct Cedar {
    authorizer: Authorizer,
    policies: PolicySet,
}

/// A request and the entities that it is about, made in advance.
pub struct Prepared {
    request: Request,
    entities: Entities,
}

impl Cedar {
    /// Parses the rules.
    ///
    /// # Panics
    ///
    /// Never: they are Cedar.
    pub fn new() -> Self {
        Self {
            authorizer: Authorizer::new(),
            policies: PolicySet::from_str(include_str!("../../rules/five.cedar")).expect("Cedar"),
        }
    }

    /// Decides, with the input made in advance.
    pub fn decide(&self, prepared: &Prepared) -> Response {
        self.authorizer
            .is_authorized(&prepared.request, &self.policies, &prepared.entities)
    }

    /// Whether the response permits.
    pub fn permits(response: &Response) -> bool {
        response.decision() == Decision::Allow
    }

    /// From an AuthZEN evaluation in JSON to a decision in JSON, as a gateway would that has no more
    /// than Cedar: no registry, no revocation, no intent is looked at.
    ///
    /// # Panics
    ///
    /// If it is none.
    pub fn decide_json(&self, evaluation: &[u8]) -> Vec<u8> {
        let evaluation: Value = serde_json::from_slice(evaluation).expect("JSON");
        let response = self.decide(&prepare(evaluation));
        let reasons: Vec<_> = response
            .diagnostics()
            .reason()
            .map(ToString::to_string)
            .collect();
        serde_json::to_vec(&json!({
            "decision": Self::permits(&response),
            "context": { "reasons": reasons },
        }))
        .expect("JSON")
    }
}

impl Default for Cedar {
    fn default() -> Self {
        Self::new()
    }
}

/// What Cedar decides for an AuthZEN evaluation: its subject and resource become entities, the rest
/// context.
///
/// # Panics
///
/// If it is none.
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

fn uid(kind: &str, id: &str) -> Value {
    json!({ "type": kind, "id": id })
}

fn entity(uid: &Value) -> EntityUid {
    EntityUid::from_json(uid.clone()).expect("an entity")
}
