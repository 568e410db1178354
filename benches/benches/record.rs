//! Decisions of 64 tasks on two threads, recorded: called in the task, on a blocking pool, and awaited.
//!
//! The log is in the folder for temporary files (`TMPDIR`): name one on the disk that the log will be on.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use portcullis_benches::scenery::{self, Folder};
use portcullis_benches::workload;
use portcullis_host::log::{DecisionLog, Durability, LogOptions};
use portcullis_host::{Pdp, Plugin, Request, Timestamp};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

/// Number of requests at a time.
const TASKS: u64 = 64;

/// Entrance by which a task gets its decision.
#[derive(Debug, Clone, Copy)]
enum Entrance {
    Evaluate,
    BlockingPool,
    Async,
}

impl Entrance {
    async fn decide(self, pdp: &Pdp, request: &Arc<Request>) {
        match self {
            Self::Evaluate => drop(pdp.evaluate(request)),
            Self::Async => drop(pdp.evaluate_async(request).await),
            Self::BlockingPool => {
                let (pdp, request) = (pdp.clone(), Arc::clone(request));
                let decided = tokio::task::spawn_blocking(move || pdp.evaluate(&request));
                drop(decided.await.expect("no panic"));
            }
        }
    }
}

/// Time in which all tasks together make `decisions` decisions.
fn time(runtime: &Runtime, pdp: &Pdp, entrance: Entrance, decisions: u64) -> Duration {
    let each = decisions.div_ceil(TASKS);
    let now = Timestamp::now();
    runtime.block_on(async {
        let begun = Instant::now();
        let mut tasks = JoinSet::new();
        for number in 0..TASKS {
            let pdp = pdp.clone();
            let it = workload::variations()[0];
            let number = usize::try_from(number).expect("small");
            let request = Arc::new(workload::request(number, it, now));
            tasks.spawn(async move {
                for _ in 0..each {
                    entrance.decide(&pdp, &request).await;
                }
            });
        }
        tasks.join_all().await;
        begun
            .elapsed()
            .mul_f64(decisions as f64 / (each * TASKS) as f64)
    })
}

fn record(c: &mut Criterion) {
    let folder = Folder::new("record");
    let runtime = Builder::new_multi_thread().worker_threads(2).build();
    let runtime = runtime.expect("a runtime");
    let mut group = c.benchmark_group("recorded");
    group.throughput(Throughput::Elements(1));
    group.sample_size(20);
    for (name, durability) in [
        ("buffered", Durability::Buffered),
        ("fsync", Durability::Fsync),
    ] {
        let mut options = LogOptions::new(folder.path().join(format!("{name}.jsonl")));
        options.durability = durability;
        let plugin = Plugin::load(&scenery::five_rules()).expect("the plugin loads");
        let pdp = Pdp::builder()
            .integration(workload::integration().plugin(plugin))
            .log(DecisionLog::open(options).expect("a log"))
            .build();
        let pdp = pdp.expect("a decision point");
        for entrance in [Entrance::Evaluate, Entrance::BlockingPool, Entrance::Async] {
            group.bench_function(BenchmarkId::new(name, format!("{entrance:?}")), |bencher| {
                bencher.iter_custom(|decisions| time(&runtime, &pdp, entrance, decisions));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, record);
criterion_main!(benches);
