//! Healthy plugins that share the process with a hostile one.

use portcullis_host::log::{DecisionLog, Durability, LogOptions};
use portcullis_host::{
    ActionClass, CompiledCache, Decision, Instances, Integration, Pdp, Plugin, PluginSource,
    Principal, PrincipalKind, Request, RequestLimits, Resource, Timestamp,
};
use portcullis_tests::guests;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::LazyLock;
use tempfile::TempDir;

/// Time of the decisions that are compared.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);

/// Integration of the hostile guest.
pub(crate) const HOSTILE: &str = "hostile";

/// Each neighbour's integration, the folder of its crate, and its settings.
fn neighbours() -> [(&'static str, &'static str, Value); 2] {
    [
        ("echo", "tests/guests/echo", json!({})),
        (
            "tools",
            "plugins/mcp-tools",
            json!({ "tools": [{ "tool": "deploy" }] }),
        ),
    ]
}

/// A request to `integration`.
pub(crate) fn request(integration: &str) -> Request {
    let principal = Principal {
        id: "spiffe://acme.example/agent/fixer".into(),
        kind: PrincipalKind::Agent,
        ..Principal::default()
    };
    let resource = Resource {
        id: "acme/billing".into(),
        ..Resource::default()
    };
    Request::builder(integration, principal, "deploy", resource)
        .arguments(json!({ "branch": "main" }))
        .build(&RequestLimits::default())
        .expect("a request")
}

/// Decides for the neighbours, and for `hostile` beside them, with a log in `folder`.
pub(crate) fn pdp(hostile: Option<Plugin>, instances: Instances, folder: &Path) -> Pdp {
    static CACHE: LazyLock<(TempDir, CompiledCache)> = LazyLock::new(|| {
        let folder = TempDir::new().expect("a folder");
        let cache = CompiledCache::open(folder.path().join("cache")).expect("a cache");
        (folder, cache)
    });
    let options = LogOptions {
        durability: Durability::Buffered,
        ..LogOptions::new(folder.join("decisions.jsonl"))
    };
    let log = DecisionLog::open(options).expect("a log");
    let mut pdp = Pdp::builder().log(log);
    for (name, crate_folder, settings) in neighbours() {
        let component = guests::component(crate_folder).expect("a guest that builds");
        let source = PluginSource::new(component)
            .compile_in_process()
            .settings(settings)
            .limits(guests::patient())
            .cache(CACHE.1.clone())
            .resettable();
        let plugin = Plugin::load(&source).expect("a healthy plugin");
        let integration = Integration::new(name)
            .action("deploy", ActionClass::Write)
            .obligations(["notification"])
            .instances(instances)
            .plugin(plugin);
        pdp = pdp.integration(integration);
    }
    if let Some(plugin) = hostile {
        let integration = Integration::new(HOSTILE)
            .obligations(["notification"])
            .instances(instances)
            .plugin(plugin);
        pdp = pdp.integration(integration);
    }
    pdp.build().expect("a decision point")
}

/// Decisions of the neighbours, without durations.
pub(crate) fn decisions(pdp: &Pdp) -> Vec<Value> {
    let decide = |(name, _, _)| pdp.evaluate_at(&request(name), NOW);
    let decisions: Vec<Decision> = neighbours().into_iter().map(decide).collect();
    decisions.iter().map(Decision::replayable).collect()
}

/// Asserts that the neighbours decide as they did before the first hostile guest.
pub(crate) fn unharmed() -> Result<(), String> {
    static ALONE: LazyLock<(TempDir, [Pdp; 2])> = LazyLock::new(|| {
        let folder = TempDir::new().expect("a folder");
        let pdp_in = |name: &str, instances| {
            let folder = folder.path().join(name);
            std::fs::create_dir(&folder).expect("a folder");
            pdp(None, instances, &folder)
        };
        let pdps = [
            pdp_in("fresh", Instances::Fresh),
            pdp_in("reset", Instances::Reset),
        ];
        (folder, pdps)
    });
    for alone in &ALONE.1 {
        same(&decisions(alone))?;
    }
    Ok(())
}

/// Compares decisions of the neighbours with the first ones of this process.
pub(crate) fn same(found: &[Value]) -> Result<(), String> {
    static FIRST: std::sync::OnceLock<Vec<Value>> = std::sync::OnceLock::new();
    let first = FIRST.get_or_init(|| found.to_vec());
    match first == found {
        true => Ok(()),
        false => Err(format!(
            "its neighbours decide otherwise than before: {found:?}, not {first:?}"
        )),
    }
}
