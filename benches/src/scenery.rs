//! What decisions are made with: plugins, and decision points with and without all that a host checks.

use crate::workload::{self, INTEGRATION, Variation, id};
use portcullis_host::log::{DecisionLog, Durability, LogOptions};
use portcullis_host::{
    CompiledCache, Identity, Intents, Lane, Otherwise, Pdp, Plugin, PluginSource, PostureRule,
    PrincipalKind, Registry, Request, Revocations, Timestamp, Weakness,
};
use portcullis_tests::guests;
use serde_json::json;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How many identities are registered, and how many credentials revoked.
pub const SIZE: usize = 10_000;

/// How many principals ask in turn.
pub const ASKED: usize = 64;

/// A folder for what is kept, in memory where there is such a file system, and gone when this is.
pub struct Folder(PathBuf);

impl Folder {
    /// Makes it.
    ///
    /// # Panics
    ///
    /// If it cannot be made.
    pub fn new(name: &str) -> Self {
        let memory = Path::new("/dev/shm");
        let parent = match memory.is_dir() {
            true => memory.to_owned(),
            false => std::env::temp_dir(),
        };
        let folder = parent.join(format!("portcullis-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        Self(folder)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left is in memory, or the system's to clean.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The five rules as a plugin's file.
///
/// # Panics
///
/// If it does not build.
pub fn five_rules() -> PluginSource {
    let component = guests::component("benches/guest").expect("the plugin builds");
    PluginSource::new(component)
        .settings(workload::settings())
        .limits(guests::patient())
}

/// As [`five_rules`], with settings that no other number has.
///
/// # Panics
///
/// If it does not build.
pub fn five_rules_of(number: usize) -> PluginSource {
    let mut settings = workload::settings();
    if let Some(actions) = settings["agent-actions"].as_array_mut() {
        actions.push(json!(format!("issues.other-{number}")));
    }
    five_rules().settings(settings)
}

/// As [`five_rules`], taking its requests as the records of the contract.
///
/// # Panics
///
/// If it does not build.
pub fn typed_five_rules() -> PluginSource {
    let component = guests::component("benches/guest-typed").expect("the plugin builds");
    PluginSource::new(component)
        .settings(workload::settings())
        .limits(guests::patient())
}

/// As [`five_rules`], from the cache in `folder`.
///
/// # Panics
///
/// If there can be none.
pub fn cached_five_rules(folder: &Folder) -> PluginSource {
    let cache = CompiledCache::open(folder.path().join("compiled")).expect("a cache");
    five_rules().cache(cache)
}

/// A decision point with the five rules and nothing else to hold a request to.
///
/// # Panics
///
/// If the plugin does not load.
pub fn bare(lane: Lane) -> Pdp {
    let plugin = Plugin::load(&five_rules()).expect("the plugin loads");
    let integration = workload::integration().lane(lane).plugin(plugin);
    let pdp = Pdp::builder().integration(integration);
    pdp.build().expect("a decision point")
}

/// A decision point with the five rules and every check of the host: a registry and a revocation list of
/// `size`, intents, the destination's posture, and a log in the operating system's hands.
///
/// # Panics
///
/// If one of them cannot be made.
pub fn checked(folder: &Folder, size: usize, now: Timestamp) -> Pdp {
    let hour = now.plus(Duration::from_secs(3600));
    let mut registry = Registry::default();
    for number in 0..size {
        registry.insert(Identity {
            id: id(number).into(),
            kind: PrincipalKind::Agent,
            owner: "team-payments@acme.example".into(),
            purpose: "reconcile invoices against bank statements".into(),
            environment: "prod".into(),
            expires: hour,
            max_credential_lifetime: Duration::from_secs(900),
            integrations: [INTEGRATION.into()].into(),
            workload_digest: None,
            shared: None,
        });
    }
    let mut list = String::new();
    for number in 1..=size {
        let _ = writeln!(
            list,
            r#"{{"epoch":{number},"at":"{now}","kind":"credential","id":"revoked-{number}","reason":"rotated","by":"alice@acme.example"}}"#
        );
    }
    let file = folder.path().join(format!("revocations-{size}.jsonl"));
    std::fs::write(&file, list).expect("a list");
    let revocations = Revocations::follow(&file, Duration::from_secs(24 * 3600));
    let intents = Intents::default();
    for number in asked(size) {
        let intent = json!({
            "id": format!("int-{number}"), "purpose": "open one issue per failed invoice",
            "principal": id(number),
            "approved-by": { "who": "alice@acme.example", "at": now },
            "issued-at": now, "expires-at": hour,
            "allows": [
                { "integration": INTEGRATION, "action": "issues.*", "resource": "acme/*",
                  "arguments": "open",
                  "constraints": [{ "path": "/labels", "op": "subset-of", "value": ["invoice"] }] },
            ],
        });
        let taken = intents.insert(intent.to_string().as_bytes());
        taken.expect("an intent");
    }
    let plugin = Plugin::load(&five_rules()).expect("the plugin loads");
    let integration = workload::integration()
        .posture(PostureRule {
            max_age: Duration::from_secs(3600),
            amiss: vec![Weakness::Internet],
            otherwise: Otherwise::Deny,
        })
        .plugin(plugin);
    let log = DecisionLog::open(LogOptions {
        durability: Durability::Buffered,
        ..LogOptions::new(folder.path().join(format!("decisions-{size}.jsonl")))
    });
    let pdp = Pdp::builder()
        .integration(integration)
        .registry(registry)
        .revocations(revocations.expect("the list"))
        .intents(intents, [PrincipalKind::Agent])
        .log(log.expect("a log"));
    pdp.build().expect("a decision point")
}

/// The numbers of the principals that ask in turn, from all over the registry.
pub fn asked(size: usize) -> impl Iterator<Item = usize> {
    (0..ASKED).map(move |asked| asked * (size / ASKED))
}

/// The requests that are asked in turn, whose destination was just looked at.
pub fn requests(size: usize, now: Timestamp) -> Vec<Request> {
    asked(size)
        .map(|number| workload::request(number, Variation::default(), now))
        .collect()
}
