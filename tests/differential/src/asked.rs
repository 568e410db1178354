//! A request, described once for the plugin and the native engine.

use portcullis_host::{
    ActionClass, Attestation, Exposure, Health, Intent, Posture, Principal, PrincipalKind, Request,
    RequestLimits, Resource, Timestamp,
};
use portcullis_tests::random::Random;
use serde_json::{Map, Value, json};

/// The integration of every request.
pub const INTEGRATION: &str = "tracker";

/// Names of the actions.
pub const ACTIONS: [&str; 5] = [
    "issues.create",
    "issues.read",
    "invoices.pay",
    "mail.send",
    "repos.delete",
];

/// Kinds of resources, and their Cedar types.
pub const RESOURCE_KINDS: [(&str, &str); 4] = [
    ("repository", "Repository"),
    ("mcp-server", "McpServer"),
    ("invoice", "Invoice"),
    ("pull_request", "PullRequest"),
];

/// Ids of the resources.
pub const RESOURCES: [&str; 4] = ["acme/billing", "acme/web", "other/x", "2026-4711"];

/// Ids of the principals.
pub const PRINCIPALS: [&str; 4] = [
    "spiffe://acme.example/fixer",
    "spiffe://acme.example/reader",
    "spiffe://acme.example/planner",
    "spiffe://other.example/guest",
];

/// A request as the gateway sends it.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The principal's kind.
    pub kind: PrincipalKind,
    /// The principal's SPIFFE ID.
    pub id: String,
    /// The principal's owner; empty if unknown.
    pub owner: String,
    /// The principal's purpose; empty if unknown.
    pub purpose: String,
    /// The principal's environment; empty if unknown.
    pub environment: String,
    /// The principal's attestation.
    pub attestation: Attestation,
    /// The principals that delegated to it.
    pub delegated_by: Vec<String>,
    /// The principal's own attributes.
    pub attributes: Vec<(String, Value)>,
    /// The action's name.
    pub action: String,
    /// The action's class.
    pub class: ActionClass,
    /// The action's arguments.
    pub arguments: Map<String, Value>,
    /// Origins of the arguments.
    pub origins: Vec<(String, String)>,
    /// The resource's kind.
    pub resource_kind: &'static str,
    /// The Cedar type of that kind.
    pub resource_type: &'static str,
    /// The resource's id.
    pub resource_id: String,
    /// The resource's environment; empty if unknown.
    pub resource_environment: String,
    /// The last observed posture of the resource.
    pub posture: Option<Posture>,
    /// The resource's own attributes.
    pub resource_attributes: Vec<(String, Value)>,
    /// The intent.
    pub intent: Option<Intent>,
    /// The host's clock, in milliseconds.
    pub now: u64,
    /// The circumstances.
    pub context: Vec<(String, Value)>,
}

impl Asked {
    /// Draws a random request.
    pub fn drawn(random: &mut Random) -> Self {
        let (resource_kind, resource_type) = random.pick(&RESOURCE_KINDS);
        let environments = ["prod", "prod", "test", ""];
        Self {
            kind: kind(random),
            id: random.pick(&PRINCIPALS).to_owned(),
            owner: random
                .pick(&["team@acme.example", "bob@other.example", ""])
                .to_owned(),
            purpose: random.pick(&["pay what is due", ""]).to_owned(),
            environment: random.pick(&environments).to_owned(),
            attestation: random.pick(&[
                Attestation::None,
                Attestation::StaticSecret,
                Attestation::JwtSvid,
                Attestation::X509Svid,
                Attestation::ProofOfPossession,
            ]),
            delegated_by: match random.chance(30) {
                true => vec![random.pick(&PRINCIPALS).to_owned()],
                false => Vec::new(),
            },
            attributes: attributes(random),
            action: random.pick(&ACTIONS).to_owned(),
            class: random.pick(&[
                ActionClass::Unclassified,
                ActionClass::Read,
                ActionClass::Write,
                ActionClass::Destructive,
                ActionClass::Admin,
            ]),
            arguments: arguments(random),
            origins: match random.chance(30) {
                true => vec![("/path".to_owned(), "tool:search".to_owned())],
                false => Vec::new(),
            },
            resource_kind,
            resource_type,
            resource_id: random.pick(&RESOURCES).to_owned(),
            resource_environment: random.pick(&environments).to_owned(),
            posture: random.chance(40).then(|| Posture {
                exposure: random.pick(&[Exposure::Unknown, Exposure::Internet, Exposure::Internal]),
                health: random.pick(&[Health::Unknown, Health::Degraded, Health::Healthy]),
                privileged: random.pick(&[None, Some(true), Some(false)]),
                ..Posture::default()
            }),
            resource_attributes: attributes(random),
            intent: random.chance(60).then(|| Intent {
                id: "int-7".to_owned(),
                purpose: random.pick(&["pay what is due", ""]).to_owned(),
                approved_by: random.pick(&["alice@acme.example", ""]).to_owned(),
                remaining_uses: random.pick(&[None, Some(3)]),
                ..Intent::default()
            }),
            now: 1_795_000_000_000 + random.draw() % 1000,
            context: context(random),
        }
    }

    /// Returns the request as the gateway passes it to the host.
    ///
    /// # Panics
    ///
    /// Never: the request is within the limits.
    pub fn request(&self) -> Request {
        let principal = Principal {
            id: self.id.clone(),
            kind: self.kind,
            owner: self.owner.clone(),
            purpose: self.purpose.clone(),
            environment: self.environment.clone(),
            attestation: self.attestation,
            delegated_by: self.delegated_by.clone(),
            attributes: self.attributes.clone(),
            ..Principal::default()
        };
        let resource = Resource {
            kind: self.resource_kind.to_owned(),
            id: self.resource_id.clone(),
            environment: self.resource_environment.clone(),
            posture: self.posture,
            attributes: self.resource_attributes.clone(),
        };
        let mut builder = Request::builder(INTEGRATION, principal, self.action.as_str(), resource)
            .arguments(Value::Object(self.arguments.clone()))
            .argument_origins(self.origins.clone());
        if let Some(intent) = &self.intent {
            builder = builder.intent(intent.clone());
        }
        for (name, value) in &self.context {
            builder = builder.context(name.as_str(), value.clone());
        }
        builder
            .build(&RequestLimits::default())
            .expect("the request is within its limits")
    }

    /// Returns the host's clock.
    pub fn clock(&self) -> Timestamp {
        Timestamp::from_millis(self.now)
    }
}

fn kind(random: &mut Random) -> PrincipalKind {
    random.pick(&[
        PrincipalKind::Agent,
        PrincipalKind::Agent,
        PrincipalKind::Agent,
        PrincipalKind::Agent,
        PrincipalKind::Service,
        PrincipalKind::Pipeline,
        PrincipalKind::Human,
        PrincipalKind::BreakGlass,
    ])
}

/// A random selection of members, some of them with an unexpected type.
struct Members<'a> {
    random: &'a mut Random,
    list: Vec<(String, Value)>,
}

impl<'a> Members<'a> {
    fn new(random: &'a mut Random) -> Self {
        let list = Vec::new();
        Self { random, list }
    }

    /// Adds one of `values` with a probability of `percent`.
    fn put(&mut self, percent: usize, name: &str, values: &[Value]) {
        if self.random.chance(percent) {
            let value = values[self.random.below(values.len())].clone();
            self.list.push((name.to_owned(), value));
        }
    }
}

fn attributes(random: &mut Random) -> Vec<(String, Value)> {
    let mut members = Members::new(random);
    members.put(
        60,
        "team",
        &[
            json!("payments"),
            json!("payments"),
            json!("payments"),
            json!("shipping"),
            json!("shipping"),
            json!(7),
        ],
    );
    members.put(
        60,
        "level",
        &[
            json!(-3),
            json!(0),
            json!(2),
            json!(5),
            json!(9),
            json!("high"),
        ],
    );
    members.put(
        60,
        "tags",
        &[
            json!(["public"]),
            json!(["a", "b"]),
            json!(["b", "a", "b", "public"]),
            json!([]),
            json!([1, "a"]),
            json!({ "public": true }),
        ],
    );
    members.put(
        50,
        "critical",
        &[json!(true), json!(false), json!(false), json!("yes")],
    );
    members.put(
        50,
        "profile",
        &[
            json!({ "region": "eu", "quota": 5 }),
            json!({ "region": "us" }),
            json!({ "region": "eu", "quota": "five", "more": { "deep": [[1], [2, 3]] } }),
        ],
    );
    members.put(20, "odd \"name\"\n", &[json!("\u{e9}\t'\\"), json!(1)]);
    members.list
}

fn arguments(random: &mut Random) -> Map<String, Value> {
    let mut members = Members::new(random);
    members.put(
        70,
        "path",
        &[
            json!("/workspace/a.txt"),
            json!("/workspace/b/c.txt"),
            json!("/etc/passwd"),
            json!("/workspace/../etc"),
            json!(["/workspace/a.txt"]),
        ],
    );
    members.put(
        70,
        "limit",
        &[
            json!(0),
            json!(10),
            json!(100),
            json!(5000),
            json!(-1),
            json!("many"),
        ],
    );
    members.put(
        60,
        "labels",
        &[
            json!(["a"]),
            json!(["a", "b"]),
            json!(["public", "x"]),
            json!([]),
        ],
    );
    members.put(
        40,
        "to",
        &[json!("alice@acme.example"), json!("eve@other.example")],
    );
    members.put(
        60,
        "amount",
        &[
            json!(1),
            json!(499),
            json!(500),
            json!(501),
            json!(9_007_199_254_740_991_i64),
        ],
    );
    members.put(
        50,
        "options",
        &[
            json!({ "force": true, "depth": 3 }),
            json!({ "force": false, "depth": 0 }),
            json!({ "force": "yes" }),
        ],
    );
    // Objects that Cedar's JSON reads as an entity and an address, and that of regorus as a number.
    members.put(
        10,
        "holder",
        &[
            json!({ "__entity": { "type": "Agent", "id": "spiffe://acme.example/fixer" } }),
            json!({ "__extn": { "fn": "ip", "arg": "10.0.0.1" } }),
            json!({ "$serde_json::private::Number": "5" }),
        ],
    );
    members.list.into_iter().collect()
}

fn context(random: &mut Random) -> Vec<(String, Value)> {
    let mut members = Members::new(random);
    members.put(
        60,
        "risk",
        &[json!("low"), json!("low"), json!("high"), json!(3)],
    );
    members.put(
        50,
        "ticket",
        &[json!("T-1"), json!("1.2.3"), json!("1.10.0")],
    );
    members.put(
        50,
        "spent",
        &[json!(0), json!(250), json!(9_007_199_254_740_991_i64)],
    );
    members.put(
        60,
        "address",
        &[
            json!("10.1.2.3"),
            json!("192.168.0.9"),
            json!("::1"),
            json!("not an address"),
        ],
    );
    members.put(
        60,
        "price",
        &[
            json!("9.99"),
            json!("12.5"),
            json!("1.23456"),
            json!("cheap"),
        ],
    );
    members.put(
        50,
        "day",
        &[json!("2026-11-16"), json!("2027-02-01"), json!("tomorrow")],
    );
    members.list
}
