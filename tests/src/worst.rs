//! Requests and intents that take longest to compare, of the largest sizes that are accepted.

use portcullis_host::identity::NewKey;
use portcullis_host::log::{DecisionLog, Durability, LogOptions};
use portcullis_host::{
    AccessRequests, Integration, Intent, Intents, Pdp, Plugin, PluginSource, Principal,
    PrincipalKind, Request, RequestLimits, Resource, Signatures, StoredIntent, Timestamp, sign,
};
use serde_json::{Value, json};
use std::time::Duration;
use tempfile::TempDir;

/// Time of the decisions.
pub const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);

/// A request, and the intents that it is compared with.
pub struct Worst {
    /// Part of the work that is as large as it can be.
    pub name: &'static str,
    /// The request.
    pub request: Request,
    intents: Box<dyn Fn() -> Intents>,
    /// Folder of the decision log, if a denial says how to request approval.
    offers: Option<TempDir>,
}

impl Worst {
    /// Returns a host that has decided nothing yet, and so has verified no carried intent.
    ///
    /// # Panics
    ///
    /// If an intent is refused.
    pub fn pdp(&self) -> Pdp {
        let component = crate::raw::packed(r"\00\00\00\00\00\00");
        let plugin = Plugin::load(&PluginSource::new(component).compile_in_process());
        let mut builder = Pdp::builder()
            .integration(Integration::new("x").plugin(plugin.expect("a plugin")))
            .intents((self.intents)(), [PrincipalKind::Agent]);
        if let Some(folder) = &self.offers {
            builder = builder
                .log(
                    DecisionLog::open(LogOptions {
                        durability: Durability::Buffered,
                        ..LogOptions::new(folder.path().join("decisions.jsonl"))
                    })
                    .expect("a log"),
                )
                .access_requests(AccessRequests {
                    endpoint: None,
                    template: None,
                    valid_for: Duration::from_secs(600),
                    beyond_intent: false,
                });
        }
        builder.build().expect("a host")
    }
}

/// Number of intents in the longest chain.
const CHAIN: usize = 8;

const APPROVER: &str = "alice";

/// Maximum number of allowances, denials and constraints.
const ITEMS: usize = 64;

/// Returns one request for each kind of work.
///
/// # Panics
///
/// If an intent or a request is refused.
pub fn requests() -> Vec<Worst> {
    let any = json!([allowance("**", json!("open"), json!([]))]);
    let wild = "**/a*b/".repeat(70) + "*";
    let tagged = format!("{}/{}", vec!["a:b"; 32].join("/"), "a/".repeat(900) + "z");
    let deep = "a/".repeat(1000) + "b";
    let many = |text: &str| -> Value {
        let denials = (0..ITEMS).map(|index| denial(&format!("{text}{index}")));
        denials.collect()
    };
    let listed: Vec<_> = (0..64).map(|index| format!("/list/{index}/x")).collect();
    let members = json!({ "list": (0..6000).map(|_| json!({ "x": 1 })).collect::<Vec<_>>() });
    let unlisted: Value = (0..8000)
        .map(|index| (index.to_string(), json!(1)))
        .collect();
    let numbers = json!({ "list": vec![10_511; 8000] });
    let operand: Vec<_> = (0..512).map(|index| 10_000 + index).collect();
    let text = json!({ "text": "x".repeat(60_000) });
    let each = |count: usize, constraint: Value| -> Value {
        let constraints = vec![constraint; count.min(ITEMS)];
        let allowances =
            vec![allowance("**", json!("open"), json!(constraints)); count.div_ceil(ITEMS)];
        json!(allowances)
    };
    let origins =
        (0..1500).map(|index| json!({ "path": format!("/a/{index}"), "origin": "tool:mail#/0/x" }));
    let origins: Vec<_> = origins.collect();
    vec![
        of_chain(
            "denials with wildcards",
            any.clone(),
            many(&wild),
            &deep,
            json!({}),
            json!([]),
        ),
        of_chain(
            "denials of a name with tags",
            any,
            many("**/x/**/y*z"),
            &tagged,
            json!({}),
            json!([]),
        ),
        of_chain(
            "lists of arguments",
            json!(vec![
                allowance(
                    "**",
                    json!({ "required": listed }),
                    json!([])
                );
                20
            ]),
            json!([]),
            "r",
            members,
            json!([]),
        ),
        of_chain(
            "a list within a list",
            each(
                1,
                json!({ "path": "/list", "op": "subset-of", "value": operand }),
            ),
            json!([]),
            "r",
            numbers,
            json!([]),
        ),
        of_chain(
            "a long text",
            each(
                448,
                json!({ "path": "/text", "op": "under", "value": "x/y" }),
            ),
            json!([]),
            "r",
            text,
            json!([]),
        ),
        of_chain(
            "origins",
            each(
                448,
                json!({ "path": "/a", "op": "origin-is", "value": ["tool:mail#/1/x"] }),
            ),
            json!([]),
            "r",
            json!({ "a": (0..1500).collect::<Vec<_>>() }),
            json!(origins),
        ),
        Worst {
            offers: Some(tempfile::tempdir().expect("a folder")),
            ..of_chain(
                "unlisted arguments, with an offer",
                json!(vec![
                    allowance(
                        "**",
                        json!({ "optional": ["/x"] }),
                        json!([])
                    );
                    ITEMS
                ]),
                json!([]),
                "r",
                unlisted,
                json!([]),
            )
        },
        carried(),
    ]
}

fn allowance(resource: &str, arguments: Value, constraints: Value) -> Value {
    json!({
        "integration": "x", "action": "*", "resource": resource,
        "arguments": arguments, "constraints": constraints,
    })
}

fn denial(resource: &str) -> Value {
    json!({ "integration": "x", "action": "*", "resource": resource })
}

fn principal(level: usize) -> String {
    format!("spiffe://a.example/{level}")
}

/// The intents of a chain, root first. Each delegates what it has.
fn documents(allows: &Value, denies: &Value) -> Vec<String> {
    let mut documents = Vec::new();
    let mut parent: Option<(String, String)> = None;
    for level in 0..CHAIN {
        let mut intent = json!({
            "id": format!("int-{level}"), "purpose": "p", "principal": principal(level),
            "approved-by": { "who": APPROVER, "at": "2026-01-01T00:00:00Z" },
            "issued-at": "2026-01-01T00:00:00Z", "expires-at": "2099-01-01T00:00:00Z",
            "allows": allows, "denies": denies,
        });
        if let Some((id, digest)) = &parent {
            intent["parent"] = json!({ "id": id, "digest": digest });
            intent["approved-by"]["who"] = json!(principal(level - 1));
        }
        let document = intent.to_string();
        let read = StoredIntent::from_json(document.as_bytes()).expect("an intent");
        parent = Some((read.id.clone(), read.digest().to_string()));
        documents.push(document);
    }
    documents
}

fn request(level: usize, resource: &str, arguments: Value, intent: Intent) -> Request {
    let principal = Principal {
        id: principal(level),
        kind: PrincipalKind::Agent,
        ..Principal::default()
    };
    let resource = Resource {
        id: resource.into(),
        ..Resource::default()
    };
    let limits = RequestLimits {
        bytes: 256 * 1024,
        ..RequestLimits::default()
    };
    Request::builder("x", principal, "a", resource)
        .arguments(arguments)
        .intent(intent)
        .build(&limits)
        .expect("a request")
}

fn of_chain(
    name: &'static str,
    allows: Value,
    denies: Value,
    resource: &str,
    arguments: Value,
    origins: Value,
) -> Worst {
    let documents = documents(&allows, &denies);
    let intents = move || {
        let intents = Intents::default();
        for document in &documents {
            intents
                .insert(document.as_bytes())
                .expect("a delegated intent");
        }
        intents
    };
    let intent = Intent {
        id: format!("int-{}", CHAIN - 1),
        ..Intent::default()
    };
    let mut request = request(CHAIN - 1, resource, arguments, intent);
    if origins
        .as_array()
        .is_some_and(|origins| !origins.is_empty())
    {
        let mut evaluation = request.to_authzen();
        evaluation["context"]["argument-origins"] = origins;
        let limits = RequestLimits {
            bytes: 512 * 1024,
            ..RequestLimits::default()
        };
        request =
            Request::from_authzen(evaluation.to_string().as_bytes(), &limits).expect("origins");
    }
    Worst {
        name,
        request,
        intents: Box::new(intents),
        offers: None,
    }
}

/// A chain that the request carries for the first time, whose patterns are hard to compare with each other.
fn carried() -> Worst {
    let allows: Value = (0..4)
        .map(|index| {
            let pattern = format!("{}x{index}", "*a".repeat(12) + "/**/" + &"*b".repeat(12));
            allowance(&pattern, json!("open"), json!([]))
        })
        .collect();
    let keys = Keys::default();
    let documents = documents(&allows, &json!([]));
    let intent = Intent {
        id: format!("int-{}", CHAIN - 1),
        documents: (0..CHAIN)
            .map(|level| keys.sign(level, &documents[level]))
            .collect(),
        ..Intent::default()
    };
    Worst {
        name: "a carried chain",
        request: request(CHAIN - 1, "aaaa/b", json!({}), intent),
        intents: Box::new(move || Intents::signed(keys.signatures())),
        offers: None,
    }
}

/// Keys of the approver and of the principals that delegate, and the folder of their public parts.
struct Keys(Vec<NewKey>, TempDir);

impl Default for Keys {
    fn default() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let keys = (0..CHAIN).map(|level| {
            let key = NewKey::generate().expect("a key");
            let public = json!({ "keys": [key.to_jwk()] }).to_string();
            std::fs::write(folder.path().join(level.to_string()), public).expect("written");
            key
        });
        Self(keys.collect(), folder)
    }
}

impl Keys {
    fn sign(&self, level: usize, intent: &str) -> String {
        let key = self.0[level].to_pem().expect("PEM");
        sign(intent.as_bytes(), key.as_bytes(), None, None).expect("signed")
    }

    fn signatures(&self) -> Signatures {
        let file = |level: usize| self.1.path().join(level.to_string());
        let approved = Signatures::default().approver(APPROVER, &file(0));
        (1..CHAIN).fold(approved.expect("keys"), |signatures, level| {
            let delegated = signatures.delegator(&principal(level - 1), &file(level));
            delegated.expect("keys")
        })
    }
}
