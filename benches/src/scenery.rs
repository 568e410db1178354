//! Plugins and decision points for the benches, with and without the host's checks.

use crate::workload::{self, INTEGRATION, Variation, id};
use portcullis_host::log::{DecisionLog, Durability, LogOptions};
use portcullis_host::{
    CompiledCache, Identity, Instances, Intents, OnStale, Pdp, Plugin, PluginSource, PostureRule,
    PrincipalKind, Registry, Request, Revocations, Timestamp, Weakness,
};
use portcullis_tests::guests;
use serde_json::json;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Number of registered identities, and of revoked credentials.
pub const SIZE: usize = 10_000;

/// Number of principals that make requests in turn.
pub const ASKED: usize = 64;

/// A temporary folder, in memory if possible, which is removed on drop.
pub struct Folder(PathBuf);

impl Folder {
    /// Creates the folder.
    ///
    /// # Panics
    ///
    /// If the folder cannot be created.
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

    /// Returns the folder's path.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A failure leaves files in memory, or for the system to clean.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Returns the plugin with the five rules.
///
/// # Panics
///
/// If it does not build.
pub fn five_rules() -> PluginSource {
    let component = guests::component("benches/guest").expect("the plugin builds");
    PluginSource::new(component)
        .compile_in_process()
        .settings(workload::settings())
        .limits(guests::patient())
}

/// As [`five_rules`], with settings that are unique to `number`.
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

/// As [`five_rules`], with the compiled cache in `folder`.
///
/// # Panics
///
/// If the cache cannot be opened.
pub fn cached_five_rules(folder: &Folder) -> PluginSource {
    let cache = CompiledCache::open(folder.path().join("compiled")).expect("a cache");
    five_rules().cache(cache)
}

/// Returns a decision point with the five rules only.
///
/// # Panics
///
/// If the plugin does not load.
pub fn bare(instances: Instances) -> Pdp {
    let plugin = Plugin::load(&five_rules()).expect("the plugin loads");
    let integration = workload::integration().instances(instances).plugin(plugin);
    let pdp = Pdp::builder().integration(integration);
    pdp.build().expect("a decision point")
}

/// Returns a decision point with the five rules and every check of the host.
///
/// It has a registry and a revocation list of `size`, intents, the destination's posture, and a log in the
/// operating system's hands.
///
/// # Panics
///
/// If one of them cannot be created.
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
            weaknesses: vec![Weakness::Internet],
            otherwise: OnStale::Deny,
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

/// Returns the numbers of the principals that make requests in turn, spread over the registry.
pub fn asked(size: usize) -> impl Iterator<Item = usize> {
    (0..ASKED).map(move |asked| asked * (size / ASKED))
}

/// Returns the requests to evaluate in turn. Their destination's posture is up to date.
pub fn requests(size: usize, now: Timestamp) -> Vec<Request> {
    asked(size)
        .map(|number| workload::request(number, Variation::default(), now))
        .collect()
}
