//! Organisations with types of their own: random schemas, entities, policies and requests.
//!
//! The schemas have several namespaces, and the requests have entities and extension values in the context.

mod policies;
mod schema;
mod values;

use cedar_policy::{Schema, Validator};
use portcullis_tests::random::Random;
use serde_json::{Map, Value, json};

const IDS: [&str; 6] = ["alice", "bob", "x-1", "a/b", "Alice Smith", "mallory"];
const WORDS: [&str; 5] = ["red", "blue", "a*b", "", "\u{e9}t\u{e9}"];

/// The type of an attribute.
#[derive(Debug, Clone)]
enum Kind {
    Long,
    Text,
    Bool,
    Set(Box<Kind>),
    Record(Vec<Field>),
    Entity(usize),
    Ip,
    Decimal,
    Datetime,
    Duration,
}

#[derive(Debug, Clone)]
struct Field {
    name: &'static str,
    kind: Kind,
    is_required: bool,
}

#[derive(Debug, Clone)]
struct EntityType {
    namespace: &'static str,
    base: &'static str,
    /// Indices of the types of its parents, which precede it in the list.
    parents: Vec<usize>,
    fields: Vec<Field>,
}

impl EntityType {
    fn name(&self) -> String {
        qualified(self.namespace, self.base)
    }
}

#[derive(Debug, Clone)]
struct Action {
    namespace: &'static str,
    id: &'static str,
    in_group: bool,
    principals: Vec<usize>,
    resources: Vec<usize>,
    context: Vec<Field>,
}

impl Action {
    fn uid(&self) -> String {
        format!("{}::{:?}", qualified(self.namespace, "Action"), self.id)
    }
}

/// An organisation: the plugin's settings, and the types and actions of its requests.
#[derive(Debug, Clone)]
pub struct Organisation {
    types: Vec<EntityType>,
    actions: Vec<Action>,
    /// The policies.
    pub policies: String,
    /// The schema for reading requests and entities, if there is one.
    pub schema: Option<String>,
    /// The listed entities.
    pub entities: Value,
    /// True if policies are validated against the schema.
    pub validates_policies: bool,
    /// True if requests are validated against the schema.
    pub validates_requests: bool,
    /// Names for actions whose own name no request can have.
    names: Map<String, Value>,
}

/// A request in Cedar's terms and in the gateway's.
#[derive(Debug, Clone)]
pub struct OwnRequest {
    /// The principal's type, id and sent attributes.
    pub principal: (String, String, Map<String, Value>),
    /// The action's entity in Cedar's syntax.
    pub action: String,
    /// The action's name in the gateway's request.
    pub action_name: String,
    /// The resource's type and id.
    pub resource: (String, String),
    /// The context in Cedar's JSON.
    pub context: Map<String, Value>,
}

impl OwnRequest {
    /// Returns the request as an AuthZEN evaluation.
    pub fn authzen(&self, integration: &str) -> Value {
        let (kind, id, properties) = &self.principal;
        let mut context = self.context.clone();
        context.insert("integration".to_owned(), json!(integration));
        json!({
            "subject": { "type": kind, "id": id, "properties": properties },
            "action": { "name": self.action_name },
            "resource": { "type": self.resource.0, "id": self.resource.1 },
            "context": context,
        })
    }
}

/// Returns the name of the group of a namespace's actions.
///
/// It must not equal the name of an action without a namespace.
fn group_of(namespace: &str) -> &'static str {
    match namespace {
        "" => "all of them",
        _ => "every one",
    }
}

fn qualified(namespace: &str, base: &str) -> String {
    match namespace {
        "" => base.to_owned(),
        namespace => format!("{namespace}::{base}"),
    }
}

impl Organisation {
    /// Draws the organisation of that number.
    ///
    /// Every fourth has no schema, every third validates its policies, and every fifth does not validate
    /// requests.
    ///
    /// # Panics
    ///
    /// If the drawn schema does not parse.
    pub fn drawn(number: usize, random: &mut Random) -> Self {
        let mut drawing = Drawing {
            random,
            types: Vec::new(),
            actions: Vec::new(),
        };
        drawing.types();
        drawing.actions();
        let text = drawing.schema();
        let schema = (number % 4 != 3).then_some(text.clone());
        let validates_policies = schema.is_some() && number.is_multiple_of(3);
        let validator = validates_policies.then(|| {
            let schema = text.parse::<Schema>();
            Validator::new(schema.unwrap_or_else(|error| panic!("{error:?}\n{text}")))
        });
        let entities = drawing.entities(schema.is_some());
        let policies = drawing.policies(validator.as_ref());
        let mut names = Map::new();
        for action in &drawing.actions {
            let is_twice = drawing
                .actions
                .iter()
                .filter(|it| it.id == action.id)
                .count()
                > 1;
            let is_odd = action.id.contains(' ') && drawing.random.chance(50);
            // Without a schema, only actions without a namespace can be called by their own name.
            if is_twice || is_odd || schema.is_none() && !action.namespace.is_empty() {
                let name = format!("{}.{}", action.namespace, action.id);
                let name = name.replace([' ', ':'], "-");
                names.insert(name, json!(action.uid()));
            }
        }
        Self {
            policies,
            entities,
            validates_policies,
            validates_requests: number % 5 != 4,
            schema,
            names,
            types: drawing.types,
            actions: drawing.actions,
        }
    }

    /// Returns the plugin's settings.
    pub fn settings(&self) -> Value {
        let mut settings = json!({
            "policies": self.policies,
            "entities": self.entities,
            "actions": self.names,
            "host-context": [],
            "errors": "skip",
            "validate-policies": self.validates_policies,
            "validate-requests": self.validates_requests,
        });
        if let Some(schema) = &self.schema {
            settings["schema"] = json!(schema);
        }
        settings
    }

    /// Draws a request, which nearly always conforms to the schema.
    pub fn request(&self, random: &mut Random) -> OwnRequest {
        let mut drawing = Drawing {
            random,
            types: self.types.clone(),
            actions: self.actions.clone(),
        };
        let action = &self.actions[drawing.random.below(self.actions.len())];
        let of = |drawing: &mut Drawing<'_>, types: &[usize]| match drawing.random.chance(92) {
            true => types[drawing.random.below(types.len())],
            false => drawing.random.below(self.types.len()),
        };
        let principal = of(&mut drawing, &action.principals);
        let resource = of(&mut drawing, &action.resources);
        let is_schematic = self.schema.is_some();
        let (id, properties) = match drawing.random.chance(15) {
            // An unlisted principal, with attributes from the request.
            true => {
                let fields = self.types[principal].fields.clone();
                ("guest-1", drawing.record(&fields, is_schematic))
            }
            false => (drawing.random.pick(&IDS), Map::new()),
        };
        let mut context = drawing.record(&action.context.clone(), is_schematic);
        match drawing.random.below(40) {
            0 => {
                context.insert("flags".to_owned(), json!({ "odd": [1, "a"] }));
            }
            1 => {
                let first = context.keys().next().cloned();
                first.and_then(|name| context.remove(&name));
            }
            2 => {
                context.insert(
                    "net".to_owned(),
                    json!({ "__extn": { "fn": "ip", "arg": "nowhere" } }),
                );
            }
            3 => {
                context.insert("age".to_owned(), json!(9_007_199_254_740_993_i64));
            }
            _ => {}
        }
        let named = self.names.iter().find(|(_, uid)| **uid == action.uid());
        OwnRequest {
            principal: (self.types[principal].name(), id.to_owned(), properties),
            action: action.uid(),
            action_name: named
                .map_or(action.id, |(name, _)| name.as_str())
                .to_owned(),
            resource: (
                self.types[resource].name(),
                drawing.random.pick(&IDS).to_owned(),
            ),
            context,
        }
    }
}

struct Drawing<'a> {
    random: &'a mut Random,
    types: Vec<EntityType>,
    actions: Vec<Action>,
}
