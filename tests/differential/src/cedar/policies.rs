//! Random policies with their entities and schema.

use crate::asked::{ACTIONS, PRINCIPALS, RESOURCE_KINDS, RESOURCES};
use cedar_policy::{PolicySet, Schema, ValidationMode, Validator};
use portcullis_tests::random::Random;
use serde_json::{Value, json};
use std::fmt;

/// A schema to which every complete request conforms.
const SCHEMA: &str = "
entity Org;
entity Team in [Org];
entity Project in [Project];
entity Agent, Service, Pipeline, Human in [Team] {
  owner: String, attestation: String, purpose?: String, environment?: String,
  team?: String, level?: Long, tags?: Set<String>, critical?: Bool,
  profile?: { region: String, quota?: Long },
} tags String;
entity Repository, McpServer, Invoice, PullRequest in [Project] {
  environment?: String, team?: String, level?: Long, tags?: Set<String>, critical?: Bool,
  profile?: { region: String, quota?: Long }, network?: ipaddr, price?: decimal, due?: datetime,
};
type Asked = {
  integration: String, class: String, attestation: String, now: Long,
  arguments: {
    path?: String, limit?: Long, labels?: Set<String>, to?: String, amount?: Long,
    options?: { force: Bool, depth?: Long },
  },
  intent?: { id: String, purpose: String, approvedBy: String },
  risk?: String, ticket?: String, spent?: Long, address?: String, price?: String, day?: String,
};
action \"issues\", \"money\";
action \"issues.create\", \"issues.read\" in [\"issues\"] appliesTo {
  principal: [Agent, Service, Pipeline, Human],
  resource: [Repository, McpServer, Invoice, PullRequest],
  context: Asked,
};
action \"invoices.pay\", \"mail.send\" in [\"money\"] appliesTo {
  principal: [Agent, Service, Pipeline, Human],
  resource: [Repository, McpServer, Invoice, PullRequest],
  context: Asked,
};
action \"repos.delete\" appliesTo {
  principal: [Agent, Service, Pipeline, Human],
  resource: [Repository, McpServer, Invoice, PullRequest],
  context: Asked,
};
";

/// Kinds of principals, and their Cedar types.
const PRINCIPAL_KINDS: [(&str, &str); 5] = [
    ("agent", "Agent"),
    ("service", "Service"),
    ("pipeline", "Pipeline"),
    ("human", "Human"),
    ("break-glass", "BreakGlass"),
];

/// Maximum number of draws of a policy before a plain one replaces it.
const DRAWS: usize = 200;

/// A policy set with its entities, as text.
#[derive(Debug, Clone)]
pub struct PolicyText {
    /// The policies.
    pub policies: String,
    /// True if the policies conform to the schema of complete requests. Most requests do not.
    pub is_typed: bool,
    /// The listed entities.
    pub entities: Value,
    /// The namespace of the types, if they have one.
    pub namespace: Option<&'static str>,
}

impl PolicyText {
    /// Draws the set of that number.
    ///
    /// Every third conforms to a schema, every third has no entities, and every fourth is in a namespace.
    ///
    /// # Panics
    ///
    /// If the schema does not parse.
    pub fn drawn(number: usize, random: &mut Random) -> Self {
        let namespace = (number % 4 == 3).then_some("Acme::Gateway");
        let schema = number.is_multiple_of(3).then(|| match namespace {
            Some(namespace) => format!("namespace {namespace} {{{SCHEMA}}}"),
            None => SCHEMA.to_owned(),
        });
        let mut writer = Writer {
            prefix: namespace.map_or_else(String::new, |namespace| format!("{namespace}::")),
            validator: schema.as_deref().map(|schema| {
                let schema = schema.parse::<Schema>();
                Validator::new(schema.unwrap_or_else(|error| panic!("{error:?}")))
            }),
            random,
        };
        let entities = match number % 3 {
            1 => json!([]),
            _ => writer.entities(),
        };
        let policies = writer.policies(number.is_multiple_of(2));
        Self {
            policies,
            is_typed: schema.is_some(),
            entities,
            namespace,
        }
    }

    /// Returns the namespace with `::`, or an empty text.
    pub fn prefix(&self) -> String {
        self.namespace
            .map_or_else(String::new, |namespace| format!("{namespace}::"))
    }

    /// Returns the setting `types` for the kinds of principals and resources.
    fn types(&self) -> Value {
        let prefix = self.prefix();
        let named = |kinds: &[(&str, &str)]| {
            let named = kinds
                .iter()
                .map(|(kind, name)| ((*kind).to_owned(), json!(format!("{prefix}{name}"))));
            Value::Object(named.collect())
        };
        json!({ "principal": named(&PRINCIPAL_KINDS), "resource": named(&RESOURCE_KINDS) })
    }

    /// Returns the plugin's settings.
    pub fn settings(&self) -> Value {
        let mut settings = json!({
            "policies": self.policies,
            "entities": self.entities,
            "errors": "skip",
            "types": self.types(),
            // Some sets permit nothing, and some have no entities.
            "validate-policies": false,
        });
        if let Some(namespace) = self.namespace {
            settings["namespace"] = json!(namespace);
        }
        settings
    }
}

impl fmt::Display for PolicyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let with = match self.is_typed {
            true => "well typed",
            false => "of any types",
        };
        write!(
            f,
            "{}\n// {with}, in {:?}, on\n{}",
            self.policies, self.namespace, self.entities
        )
    }
}

/// Draws policies and entities.
struct Writer<'a> {
    /// The namespace with `::`, or an empty text.
    prefix: String,
    /// Validator that each policy must pass, if there is a schema.
    validator: Option<Validator>,
    random: &'a mut Random,
}

impl Writer<'_> {
    /// Draws policies. With `generous`, one of them permits much.
    fn policies(&mut self, generous: bool) -> String {
        let mut policies = Vec::new();
        if generous {
            let broad = [
                "context.class != \"admin\"",
                "if context has risk then context.risk != \"high\" else true",
                "if resource has environment then resource.environment != \"test\" else true",
            ];
            let condition = self.random.pick(&broad);
            policies.push(format!(
                "permit (principal, action, resource) when {{ {condition} }};"
            ));
        }
        for _ in 0..4 + self.random.below(6) {
            policies.push(self.policy());
        }
        policies.join("\n")
    }

    /// Draws a policy that parses and, with a schema, conforms to it.
    fn policy(&mut self) -> String {
        for _ in 0..DRAWS {
            let policy = self.any_policy();
            let Ok(parsed) = policy.parse::<PolicySet>() else {
                continue;
            };
            let fits = self.validator.as_ref().is_none_or(|validator| {
                let result = validator.validate(&parsed, ValidationMode::default());
                result.validation_passed()
            });
            if fits {
                return policy;
            }
        }
        "permit (principal, action, resource) when { context.class == \"read\" };".to_owned()
    }

    fn any_policy(&mut self) -> String {
        let annotation = match self.random.chance(50) {
            true => format!("@id(\"rule {}\")\n", self.random.below(100)),
            false => String::new(),
        };
        let effect = self.random.pick(&["permit", "permit", "forbid"]);
        let principal = self.principal();
        let action = self.action();
        let resource = self.resource();
        let mut policy = format!("{annotation}{effect} ({principal}, {action}, {resource})");
        // With a schema, a deep condition rarely conforms to it.
        let depth = match self.validator {
            Some(_) => 1,
            None => 2,
        };
        if self.random.chance(85) {
            let condition = self.condition(depth);
            policy.push_str(&format!("\nwhen {{ {condition} }}"));
        }
        if self.random.chance(20) {
            let condition = self.condition(depth);
            policy.push_str(&format!("\nunless {{ {condition} }}"));
        }
        policy.push(';');
        policy
    }

    fn principal(&mut self) -> String {
        let prefix = &self.prefix;
        let id = self.random.pick(&PRINCIPALS);
        match self.random.below(20) {
            0..10 => "principal".to_owned(),
            10..14 => format!("principal is {prefix}Agent"),
            14..17 => format!("principal in {prefix}Team::\"payments\""),
            17 => format!("principal in {prefix}Org::\"acme\""),
            18 => format!("principal is {prefix}Agent in {prefix}Team::\"payments\""),
            _ => format!("principal == {prefix}Agent::\"{id}\""),
        }
    }

    fn action(&mut self) -> String {
        let prefix = &self.prefix;
        let (one, other) = (self.random.pick(&ACTIONS), self.random.pick(&ACTIONS));
        match self.random.below(20) {
            0..10 => "action".to_owned(),
            10..14 => format!("action == {prefix}Action::\"{one}\""),
            14..17 => format!("action in [{prefix}Action::\"{one}\", {prefix}Action::\"{other}\"]"),
            _ => format!("action in {prefix}Action::\"issues\""),
        }
    }

    fn resource(&mut self) -> String {
        let prefix = &self.prefix;
        let (_, kind) = self.random.pick(&RESOURCE_KINDS);
        let id = self.random.pick(&RESOURCES);
        match self.random.below(20) {
            0..12 => "resource".to_owned(),
            12..15 => format!("resource is {prefix}{kind}"),
            15..18 => format!("resource in {prefix}Project::\"core\""),
            _ => format!("resource == {prefix}{kind}::\"{id}\""),
        }
    }

    /// Draws a condition of at most `depth` levels.
    fn condition(&mut self, depth: usize) -> String {
        if depth == 0 || self.random.chance(40) {
            return self.atom();
        }
        let one = self.condition(depth - 1);
        match self.random.below(7) {
            0 | 1 => format!("({one}) && ({})", self.condition(depth - 1)),
            2..5 => format!("({one}) || ({})", self.condition(depth - 1)),
            5 => format!("!({one})"),
            _ => {
                let then = self.condition(depth - 1);
                let otherwise = self.condition(depth - 1);
                format!("if ({one}) then ({then}) else ({otherwise})")
            }
        }
    }

    /// Draws an atomic condition. About half of them fail if the request lacks a value that they read.
    fn atom(&mut self) -> String {
        let prefix = &self.prefix;
        let number = self.random.pick(&[-1, 0, 3, 10, 100, 499, 500, 5000]);
        let team = self.random.pick(&["payments", "shipping"]);
        let (_, kind) = self.random.pick(&RESOURCE_KINDS);
        let environment = self.random.pick(&["prod", "test"]);
        match self.random.below(44) {
            // Conditions on the principal.
            0 => format!("principal.environment == \"{environment}\""),
            1 => "principal has environment && resource has environment && principal.environment == resource.environment".to_owned(),
            2 => format!("principal has team && principal.team == \"{team}\""),
            3 => format!("principal.team == \"{team}\""),
            4 => format!("principal has level && principal.level > {number}"),
            5 => format!("principal.level + 2 * {number} <= 12"),
            6 => "principal has tags && principal.tags.containsAny([\"a\", \"public\"])".to_owned(),
            7 => "principal.owner like \"*@acme.example\"".to_owned(),
            8 => "[\"x509-svid\", \"proof-of-possession\"].contains(principal.attestation)".to_owned(),
            9 => format!("principal in {prefix}Team::\"{team}\""),
            10 => format!("principal in {prefix}Org::\"acme\""),
            11 => format!("principal is {prefix}Agent"),
            12 => format!("principal is {prefix}Agent in {prefix}Team::\"{team}\""),
            13 => "principal has critical && principal.critical".to_owned(),
            14 => "if principal has critical then principal.critical else false".to_owned(),
            15 => "principal.hasTag(\"tier\") && principal.getTag(\"tier\") == \"gold\"".to_owned(),
            16 => "principal.profile.region == \"eu\"".to_owned(),
            17 => "principal has profile && principal.profile has quota && principal.profile.quota >= 5".to_owned(),
            // Conditions on the resource.
            18 => format!("resource has environment && resource.environment == \"{environment}\""),
            19 => format!("resource in {prefix}Project::\"core\""),
            20 => format!("resource is {prefix}{kind}"),
            21 => "resource.tags.contains(\"public\")".to_owned(),
            22 => "resource has tags && resource.tags.isEmpty()".to_owned(),
            23 => "resource has network && resource.network.isInRange(ip(\"10.0.0.0/8\"))".to_owned(),
            24 => "resource.price.lessThan(decimal(\"10.0\"))".to_owned(),
            25 => "resource has due && resource.due < datetime(\"2027-01-01\")".to_owned(),
            26 => "resource has team && principal has team && resource.team == principal.team".to_owned(),
            // Conditions on the action.
            27 => format!("action in {prefix}Action::\"issues\""),
            28 => format!("[{prefix}Action::\"issues.read\", {prefix}Action::\"mail.send\"].contains(action)"),
            // Conditions on the context.
            29 => "[\"read\", \"write\"].contains(context.class)".to_owned(),
            30 => "context has risk && context.risk == \"high\"".to_owned(),
            31 => "context.risk == \"low\"".to_owned(),
            32 => "context has intent && context.intent.approvedBy != \"\"".to_owned(),
            33 => format!("context.arguments has limit && context.arguments.limit <= {number}"),
            34 => format!("context.arguments.limit * 3 - 1 < {number}"),
            35 => "context.arguments has path && context.arguments.path like \"/workspace/*\"".to_owned(),
            36 => "context.arguments.labels.containsAll([\"a\"])".to_owned(),
            37 => "context has arguments.options.force && context.arguments.options.force".to_owned(),
            38 => "ip(context.address).isInRange(ip(\"10.0.0.0/8\"))".to_owned(),
            39 => "decimal(context.price).greaterThanOrEqual(decimal(\"9.99\"))".to_owned(),
            40 => "datetime(context.day).durationSince(datetime(\"2026-11-01\")) > duration(\"30d\")".to_owned(),
            41 => "context has spent && context.spent * 2048 + 1 > 0".to_owned(),
            42 => "context.now > 1795000000500 && context.integration == \"tracker\"".to_owned(),
            _ => "context.arguments == {limit: 10} || context.arguments has holder && context.arguments.holder has __entity".to_owned(),
        }
    }

    /// Draws groups, some of the principals and resources, and the groups of actions.
    fn entities(&mut self) -> Value {
        let prefix = self.prefix.clone();
        let uid = |kind: &str, id: &str| json!({ "type": format!("{prefix}{kind}"), "id": id });
        let plain = |kind: &str, id: &str, parents: Value| json!({ "uid": uid(kind, id), "attrs": {}, "parents": parents });
        let mut entities = vec![
            plain("Org", "acme", json!([])),
            plain("Team", "payments", json!([uid("Org", "acme")])),
            plain("Team", "shipping", json!([])),
            plain("Project", "core", json!([])),
            plain("Project", "edge", json!([uid("Project", "core")])),
        ];
        entities.push(plain("Action", "issues", json!([])));
        for action in ["issues.create", "issues.read"] {
            entities.push(plain("Action", action, json!([uid("Action", "issues")])));
        }
        for kind in ["Agent", "Service"] {
            for id in PRINCIPALS {
                if self.random.chance(60) {
                    continue;
                }
                let team = self.random.pick(&["payments", "shipping"]);
                entities.push(json!({
                    "uid": uid(kind, id),
                    "attrs": {
                        "owner": self.random.pick(&["team@acme.example", "bob@other.example"]),
                        "attestation": "jwt-svid",
                        "team": team,
                        "level": self.random.pick(&[-3, 0, 2, 9]),
                    },
                    "parents": [uid("Team", team)],
                    "tags": { "tier": self.random.pick(&["gold", "none"]) },
                }));
            }
        }
        for (_, kind) in RESOURCE_KINDS {
            for id in RESOURCES {
                if self.random.chance(70) {
                    continue;
                }
                let address = self.random.pick(&["10.1.0.0/16", "192.168.0.0/24", "::1"]);
                let price = self.random.pick(&["9.99", "12.5"]);
                let due = self.random.pick(&["2026-12-24", "2027-12-24T10:00:00Z"]);
                entities.push(json!({
                    "uid": uid(kind, id),
                    "attrs": {
                        "environment": self.random.pick(&["prod", "test"]),
                        "tags": ["public", "a"],
                        "network": { "__extn": { "fn": "ip", "arg": address } },
                        "price": { "__extn": { "fn": "decimal", "arg": price } },
                        "due": { "__extn": { "fn": "datetime", "arg": due } },
                    },
                    "parents": [uid("Project", self.random.pick(&["core", "edge"]))],
                }));
            }
        }
        Value::from(entities)
    }
}
