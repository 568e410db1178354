//! The whole path of a request, with growing numbers of identities and revocations.
//!
//! The path has all host checks, one plugin, the grant, and the record in the operating system's hands. The
//! principals alternate, so that no look-up repeats the one before.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use portcullis_host::log::{DecisionLog, Durability, LogOptions};
use portcullis_host::{
    Identity, Integration, Intent, Intents, Pdp, Plugin, PluginSource, Principal, PrincipalKind,
    Registry, Request, RequestLimits, Resource, Revocations, Timestamp,
};
use portcullis_tests::guests;
use serde_json::json;
use std::fmt::Write as _;
use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

const SIZES: [usize; 3] = [100, 10_000, 1_000_000];
/// Number of requests that are evaluated in turn.
const ASKED: usize = 64;

fn id(number: usize) -> String {
    format!("spiffe://acme.example/ns/payments/agent/reconciler-{number:07}")
}

fn registry(size: usize, ends: Timestamp) -> Registry {
    let mut registry = Registry::default();
    for number in 0..size {
        registry.insert(Identity {
            workload_digest: None,
            shared: None,
            id: id(number).into(),
            kind: PrincipalKind::Agent,
            owner: "team-payments@acme.example".into(),
            purpose: "reconcile invoices".into(),
            environment: "prod".into(),
            expires: ends,
            max_credential_lifetime: Duration::from_secs(900),
            integrations: ["files".into()].into(),
        });
    }
    registry
}

fn revocations(size: usize, folder: &Path, now: Timestamp) -> Revocations {
    let file = folder.join(format!("revocations-{size}.jsonl"));
    let mut list = String::new();
    for number in 1..=size {
        let _ = writeln!(
            list,
            r#"{{"epoch":{number},"at":"{now}","kind":"credential","id":"revoked-{number:07}","reason":"rotated","by":"alice@acme.example"}}"#
        );
    }
    std::fs::write(&file, list).unwrap();
    Revocations::follow(&file, Duration::from_secs(24 * 60 * 60)).unwrap()
}

fn whole_way(c: &mut Criterion) {
    // In memory if possible: it records hundreds of megabytes, and writing those of one size to disk
    // would slow down the next.
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() {
        memory.to_owned()
    } else {
        std::env::temp_dir()
    };
    let folder = folder.join(format!("portcullis-scale-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let component = guests::plugin("mcp-tools").unwrap();
    let settings = json!({ "tools": [
        { "tool": "read_file", "arguments": [{ "path": "/path", "op": "under", "value": "/workspace" }] },
    ] });
    let source = PluginSource::new(component)
        .compile_in_process()
        .settings(settings)
        .limits(guests::patient());
    let now = Timestamp::now();
    let hour = now.plus(Duration::from_secs(60 * 60));

    for (name, recorded) in [("decided", false), ("decided and recorded", true)] {
        let mut group = c.benchmark_group(name);
        for size in SIZES {
            let intents = Intents::default();
            let requests: Vec<_> = (0..ASKED)
                .map(|asked| {
                    let number = asked * (size / ASKED).max(1) % size;
                    let intent = json!({
                        "id": format!("int-{asked}"), "purpose": "p", "principal": id(number),
                        "approved-by": { "who": "alice@acme.example", "at": now },
                        "issued-at": now, "expires-at": hour,
                        "allows": [{ "integration": "files", "action": "read_*", "resource": "files", "arguments": "open" }],
                    });
                    intents.insert(intent.to_string().as_bytes()).unwrap();
                    let principal = Principal {
                        id: id(number),
                        credential_id: format!("jti-{asked}"),
                        credential_issued_at: Some(now),
                        credential_expires_at: Some(now.plus(Duration::from_secs(600))),
                        ..Principal::default()
                    };
                    let resource = Resource { id: "files".into(), ..Resource::default() };
                    Request::builder("files", principal, "read_file", resource)
                        .arguments(json!({ "path": "/workspace/notes/plan.md" }))
                        .intent(Intent { id: format!("int-{asked}"), ..Intent::default() })
                        .build(&RequestLimits::default())
                        .unwrap()
                })
                .collect();
            let mut builder = Pdp::builder()
                .integration(Integration::new("files").plugin(Plugin::load(&source).unwrap()))
                .registry(registry(size, hour))
                .revocations(revocations(size, &folder, now))
                .intents(intents, [PrincipalKind::Agent]);
            if recorded {
                let log = LogOptions {
                    durability: Durability::Buffered,
                    ..LogOptions::new(folder.join(format!("decisions-{size}.jsonl")))
                };
                builder = builder.log(DecisionLog::open(log).unwrap());
            }
            let pdp = builder.build().unwrap();
            let mut turn = (0..ASKED).cycle();
            group.bench_function(BenchmarkId::from_parameter(size), |b| {
                b.iter(|| {
                    let request = &requests[turn.next().unwrap()];
                    let decision = match recorded {
                        true => pdp.evaluate(black_box(request)),
                        false => pdp.evaluate_at(black_box(request), now),
                    };
                    assert!(decision.is_permit(), "{}", decision.detail());
                });
            });
            drop(pdp);
            for file in std::fs::read_dir(&folder).unwrap() {
                std::fs::remove_file(file.unwrap().path()).unwrap();
            }
        }
        group.finish();
    }
    std::fs::remove_dir_all(folder).unwrap();
}

criterion_group!(benches, whole_way);
criterion_main!(benches);
