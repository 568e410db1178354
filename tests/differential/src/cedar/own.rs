//! Organisations with types of their own: random schemas, entities, policies and requests.
//!
//! The schemas have several namespaces, and the requests have entities and extension values in the context.

use crate::random::Random;
use cedar_policy::{PolicySet, Schema, ValidationMode, Validator};
use serde_json::{Map, Value, json};

const NAMESPACES: [&str; 3] = ["Acme", "Acme::Team", "Ops"];
const BARE_TYPES: [&str; 4] = ["Person", "Group", "folder", "Device_2"];
const SPACED_TYPES: [&str; 4] = ["User", "Doc", "team", "Site"];
const IDS: [&str; 6] = ["alice", "bob", "x-1", "a/b", "Alice Smith", "mallory"];
const ACTIONS: [&str; 6] = [
    "view",
    "edit.all",
    "read/list",
    "stop",
    "view photo",
    "Delete",
];
const FIELDS: [&str; 8] = [
    "age",
    "dept",
    "boss",
    "net",
    "cost",
    "since",
    "nick name",
    "flags",
];
const WORDS: [&str; 5] = ["red", "blue", "a*b", "", "\u{e9}t\u{e9}"];

/// Maximum number of draws of a policy before a plain one replaces it.
const DRAWS: usize = 100;

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

impl Drawing<'_> {
    fn types(&mut self) {
        for base in BARE_TYPES {
            if self.random.chance(60) {
                self.entity_type("", base);
            }
        }
        for namespace in NAMESPACES {
            for base in SPACED_TYPES {
                if self.random.chance(35) {
                    self.entity_type(namespace, base);
                }
            }
        }
        while self.types.len() < 2 {
            let base = ["Spare", "Other"][self.types.len()];
            self.entity_type("", base);
        }
    }

    fn entity_type(&mut self, namespace: &'static str, base: &'static str) {
        let before = self.types.len();
        let parents = (0..before).filter(|_| self.random.chance(30)).collect();
        let fields = self.fields(before, 1);
        self.types.push(EntityType {
            namespace,
            base,
            parents,
            fields,
        });
    }

    fn actions(&mut self) {
        for id in ACTIONS {
            let namespaces: &[&str] = match self.random.below(4) {
                0 | 1 => &[""],
                2 => &["Acme"],
                _ => &["Acme", "Ops"],
            };
            for namespace in namespaces {
                let types = self.types.len();
                let (principals, resources) = (self.some(types), self.some(types));
                let action = Action {
                    namespace,
                    id,
                    in_group: self.random.chance(40),
                    principals,
                    resources,
                    context: self.fields(types, 1),
                };
                self.actions.push(action);
            }
        }
    }

    /// Draws one to three of `many` indices.
    fn some(&mut self, many: usize) -> Vec<usize> {
        let mut chosen: Vec<_> = (0..1 + self.random.below(3))
            .map(|_| self.random.below(many))
            .collect();
        chosen.sort_unstable();
        chosen.dedup();
        chosen
    }

    fn fields(&mut self, types: usize, depth: usize) -> Vec<Field> {
        let mut fields = Vec::new();
        for name in FIELDS {
            if self.random.chance(40) {
                let kind = self.kind(types, depth);
                let is_required = self.random.chance(60);
                fields.push(Field {
                    name,
                    kind,
                    is_required,
                });
            }
        }
        fields
    }

    fn kind(&mut self, types: usize, depth: usize) -> Kind {
        match self.random.below(13) {
            0 => Kind::Long,
            1 => Kind::Text,
            2 => Kind::Bool,
            3 if depth > 0 => Kind::Set(Box::new(self.kind(types, depth - 1))),
            4 if depth > 0 => Kind::Record(self.fields(types, depth - 1)),
            5..9 if types > 0 => Kind::Entity(self.random.below(types)),
            9 => Kind::Ip,
            10 => Kind::Decimal,
            11 => Kind::Datetime,
            12 => Kind::Duration,
            _ => Kind::Text,
        }
    }

    fn schema(&self) -> String {
        let mut text = String::new();
        for namespace in ["", "Acme", "Acme::Team", "Ops"] {
            let mut body = String::new();
            for it in self.types.iter().filter(|it| it.namespace == namespace) {
                let parents: Vec<_> = it.parents.iter().map(|it| self.types[*it].name()).collect();
                let parents = match parents.is_empty() {
                    true => String::new(),
                    false => format!(" in [{}]", parents.join(", ")),
                };
                let fields = self.record_type(&it.fields);
                body.push_str(&format!("entity {}{parents} {fields};\n", it.base));
            }
            let actions: Vec<_> = self
                .actions
                .iter()
                .filter(|it| it.namespace == namespace)
                .collect();
            if !actions.is_empty() {
                body.push_str(&format!("action {:?};\n", group_of(namespace)));
            }
            for action in actions {
                let named = |types: &[usize]| {
                    let names: Vec<_> = types.iter().map(|it| self.types[*it].name()).collect();
                    names.join(", ")
                };
                body.push_str(&format!(
                    "action {:?}{} appliesTo {{ principal: [{}], resource: [{}], context: {} }};\n",
                    action.id,
                    if action.in_group {
                        format!(" in [{:?}]", group_of(namespace))
                    } else {
                        String::new()
                    },
                    named(&action.principals),
                    named(&action.resources),
                    self.record_type(&action.context),
                ));
            }
            match namespace {
                "" => text.push_str(&body),
                namespace => text.push_str(&format!("namespace {namespace} {{\n{body}}}\n")),
            }
        }
        text
    }

    fn record_type(&self, fields: &[Field]) -> String {
        let fields: Vec<_> = fields
            .iter()
            .map(|field| {
                let optional = if field.is_required { "" } else { "?" };
                format!(
                    "{:?}{optional}: {}",
                    field.name,
                    self.type_text(&field.kind)
                )
            })
            .collect();
        format!("{{ {} }}", fields.join(", "))
    }

    fn type_text(&self, kind: &Kind) -> String {
        match kind {
            Kind::Long => "__cedar::Long".to_owned(),
            Kind::Text => "__cedar::String".to_owned(),
            Kind::Bool => "__cedar::Bool".to_owned(),
            Kind::Set(item) => format!("Set<{}>", self.type_text(item)),
            Kind::Record(fields) => self.record_type(fields),
            Kind::Entity(it) => self.types[*it].name(),
            Kind::Ip => "__cedar::ipaddr".to_owned(),
            Kind::Decimal => "__cedar::decimal".to_owned(),
            Kind::Datetime => "__cedar::datetime".to_owned(),
            Kind::Duration => "__cedar::duration".to_owned(),
        }
    }

    /// Draws the members of a record. Optional members are left out at times.
    fn record(&mut self, fields: &[Field], is_schematic: bool) -> Map<String, Value> {
        let mut members = Map::new();
        for field in fields {
            if field.is_required || self.random.chance(60) {
                let value = self.value(&field.kind, is_schematic);
                members.insert(field.name.to_owned(), value);
            }
        }
        members
    }

    fn value(&mut self, kind: &Kind, is_schematic: bool) -> Value {
        match kind {
            Kind::Long => json!(self.random.pick(&[-3, 0, 1, 7, 1_i64 << 40])),
            Kind::Text => json!(self.random.pick(&WORDS)),
            Kind::Bool => json!(self.random.chance(50)),
            Kind::Set(item) => {
                let items = (0..self.random.below(4)).map(|_| self.value(item, is_schematic));
                Value::Array(items.collect())
            }
            Kind::Record(fields) => Value::Object(self.record(fields, is_schematic)),
            Kind::Entity(it) => {
                let uid = self.uid(*it);
                match is_schematic && self.random.chance(40) {
                    true => uid,
                    false => json!({ "__entity": uid }),
                }
            }
            Kind::Ip | Kind::Decimal | Kind::Datetime | Kind::Duration => {
                let (function, argument) = self.extension(kind);
                match self.random.below(if is_schematic { 4 } else { 2 }) {
                    0 | 1 => json!({ "__extn": { "fn": function, "arg": argument } }),
                    2 => json!({ "fn": function, "arg": argument }),
                    _ => json!(argument),
                }
            }
        }
    }

    fn extension(&mut self, kind: &Kind) -> (&'static str, &'static str) {
        match kind {
            Kind::Decimal => ("decimal", self.random.pick(&["9.99", "0.0001", "-12.5"])),
            Kind::Datetime => (
                "datetime",
                self.random
                    .pick(&["2026-11-26", "2026-11-26T10:00:00Z", "1970-01-01"]),
            ),
            Kind::Duration => ("duration", self.random.pick(&["1h", "-2d3ms", "90m"])),
            _ => (
                "ip",
                self.random
                    .pick(&["10.0.0.1", "10.0.0.0/8", "::1", "192.168.0.1"]),
            ),
        }
    }

    fn uid(&mut self, of: usize) -> Value {
        json!({ "type": self.types[of].name(), "id": self.random.pick(&IDS) })
    }

    fn entities(&mut self, is_schematic: bool) -> Value {
        let mut entities = Vec::new();
        for (index, it) in self.types.clone().into_iter().enumerate() {
            for id in IDS {
                if self.random.chance(40) {
                    continue;
                }
                let mut parents = Vec::new();
                for parent in &it.parents {
                    if self.random.chance(60) {
                        parents.push(self.uid(*parent));
                    }
                }
                entities.push(json!({
                    "uid": { "type": self.types[index].name(), "id": id },
                    "attrs": self.record(&it.fields, is_schematic),
                    "parents": parents,
                }));
            }
        }
        if !is_schematic {
            for action in self.actions.iter().filter(|it| it.in_group) {
                let kind = qualified(action.namespace, "Action");
                entities.push(json!({
                    "uid": { "type": kind, "id": action.id },
                    "attrs": {},
                    "parents": [{ "type": kind, "id": group_of(action.namespace) }],
                }));
            }
        }
        Value::Array(entities)
    }

    fn policies(&mut self, validator: Option<&Validator>) -> String {
        let mut policies = vec![
            "permit (principal, action, resource) when { principal == principal };".to_owned(),
        ];
        if self.random.chance(40) {
            policies.clear();
        }
        for _ in 0..4 + self.random.below(5) {
            let drawn = (0..DRAWS).find_map(|_| {
                let policy = self.policy();
                let parsed = policy.parse::<PolicySet>().ok()?;
                let fits = validator.is_none_or(|validator| {
                    let result = validator.validate(&parsed, ValidationMode::default());
                    result.validation_passed_without_warnings()
                });
                fits.then_some(policy)
            });
            policies.extend(drawn);
        }
        if self.random.chance(60) {
            let plain: Vec<_> = self
                .actions
                .iter()
                .filter(|it| !it.id.contains(' '))
                .collect();
            let one = plain[self.random.below(plain.len())].uid();
            let other = plain[self.random.below(plain.len())].uid();
            policies.push(format!(
                "forbid (principal, action in [{one}, {other}], resource);"
            ));
        }
        // The plugin refuses a set without a permit.
        policies.push(
            "permit (principal, action, resource) when { resource == resource && principal == resource };"
                .to_owned(),
        );
        if validator.is_some() {
            policies.pop();
            policies.insert(0, "permit (principal, action, resource);".to_owned());
        }
        policies.join("\n")
    }

    fn policy(&mut self) -> String {
        let effect = self.random.pick(&["permit", "permit", "forbid"]);
        let action = self.random.below(self.actions.len());
        let action = self.actions[action].clone();
        let principal = action.principals[self.random.below(action.principals.len())];
        let resource = action.resources[self.random.below(action.resources.len())];
        let group = format!(
            "{}::{:?}",
            qualified(action.namespace, "Action"),
            group_of(action.namespace)
        );
        let action_scope = match self.random.below(6) {
            0 | 1 => "action".to_owned(),
            2 if action.in_group => format!("action in {group}"),
            3 => format!("action in [{}]", action.uid()),
            _ => format!("action == {}", action.uid()),
        };
        let scope = format!(
            "{}, {action_scope}, {}",
            self.scope("principal", principal),
            self.scope("resource", resource)
        );
        let mut policy = format!("{effect} ({scope})");
        for clause in ["when", "unless"] {
            let percent = if clause == "when" { 85 } else { 20 };
            if self.random.chance(percent) {
                let mut condition = self.atom(&action, principal, resource);
                if self.random.chance(40) {
                    let other = self.atom(&action, principal, resource);
                    let operator = self.random.pick(&["&&", "||"]);
                    condition = format!("({condition}) {operator} ({other})");
                }
                policy.push_str(&format!(" {clause} {{ {condition} }}"));
            }
        }
        policy.push(';');
        policy
    }

    fn scope(&mut self, variable: &str, of: usize) -> String {
        let name = self.types[of].name();
        let id = self.random.pick(&IDS);
        let parents = self.types[of].parents.clone();
        match self.random.below(8) {
            0..4 => variable.to_owned(),
            4 => format!("{variable} is {name}"),
            5 if !parents.is_empty() => {
                let parent = self.types[parents[self.random.below(parents.len())]].name();
                format!("{variable} in {parent}::{id:?}")
            }
            6 if !parents.is_empty() => {
                let parent = self.types[parents[0]].name();
                format!("{variable} is {name} in {parent}::{id:?}")
            }
            _ => format!("{variable} == {name}::{id:?}"),
        }
    }

    fn atom(&mut self, action: &Action, principal: usize, resource: usize) -> String {
        let (root, fields, guard) = match self.random.below(4) {
            0 => {
                let name = self.types[principal].name();
                let fields = self.types[principal].fields.clone();
                ("principal", fields, format!("principal is {name} && "))
            }
            1 => {
                let name = self.types[resource].name();
                let fields = self.types[resource].fields.clone();
                ("resource", fields, format!("resource is {name} && "))
            }
            _ => {
                let guard = format!("action == {} && ", action.uid());
                ("context", action.context.clone(), guard)
            }
        };
        let guard = if self.random.chance(70) {
            guard
        } else {
            String::new()
        };
        match fields.is_empty() {
            true => format!("{guard}{root} == {root}"),
            false => {
                let condition = self.field(root, &fields, 2);
                format!("{guard}({condition})")
            }
        }
    }

    fn field(&mut self, root: &str, fields: &[Field], depth: usize) -> String {
        let field = &fields[self.random.below(fields.len())];
        let path = format!("{root}[{:?}]", field.name);
        let guard = match field.is_required || self.random.chance(20) {
            true => String::new(),
            false => format!("{root} has {:?} && ", field.name),
        };
        format!("{guard}{}", self.of_kind(&path, &field.kind, depth))
    }

    fn of_kind(&mut self, path: &str, kind: &Kind, depth: usize) -> String {
        match kind {
            Kind::Long => {
                let number = self.random.pick(&[-1, 0, 1, 7]);
                match self.random.below(3) {
                    0 => format!("{path} > {number}"),
                    1 => format!("{path} + 1 <= {number}"),
                    _ => format!("{path} == {number}"),
                }
            }
            Kind::Text => match self.random.below(2) {
                0 => format!("{path} == {:?}", self.random.pick(&WORDS)),
                _ => format!("{path} like \"*e*\""),
            },
            Kind::Bool => path.to_owned(),
            Kind::Set(item) => match self.random.below(3) {
                0 => format!("{path}.isEmpty()"),
                _ => {
                    let literal = self.literal(item);
                    format!("{path}.contains({literal})")
                }
            },
            Kind::Record(fields) if !fields.is_empty() && depth > 0 => {
                self.field(path, &fields.clone(), depth - 1)
            }
            Kind::Record(_) => format!("{path} == {path}"),
            Kind::Entity(it) => {
                let fields = self.types[*it].fields.clone();
                let literal = self.literal(kind);
                let name = self.types[*it].name();
                match self.random.below(6) {
                    0 => format!("{path} == {literal}"),
                    1 => format!("{path} in {literal}"),
                    2 => format!("{path} is {name}"),
                    3 => format!("{path} == principal || {path} == resource"),
                    _ if depth > 0 && !fields.is_empty() => self.field(path, &fields, depth - 1),
                    _ => format!("principal in {path}"),
                }
            }
            Kind::Ip => match self.random.below(2) {
                0 => format!("{path}.isInRange(ip(\"10.0.0.0/8\"))"),
                _ => format!("{path}.isIpv4()"),
            },
            Kind::Decimal => format!("{path}.lessThan({})", self.literal(kind)),
            Kind::Datetime | Kind::Duration => format!("{path} < {}", self.literal(kind)),
        }
    }

    fn literal(&mut self, kind: &Kind) -> String {
        match kind {
            Kind::Long => "7".to_owned(),
            Kind::Text => format!("{:?}", self.random.pick(&WORDS)),
            Kind::Bool => "true".to_owned(),
            Kind::Set(_) => "[]".to_owned(),
            Kind::Record(_) => "{}".to_owned(),
            Kind::Entity(it) => {
                format!("{}::{:?}", self.types[*it].name(), self.random.pick(&IDS))
            }
            Kind::Ip | Kind::Decimal | Kind::Datetime | Kind::Duration => {
                let (function, argument) = self.extension(kind);
                format!("{function}({argument:?})")
            }
        }
    }
}
