//! Decisions that take longest to compare, see `portcullis_tests::worst`. The goal is at most 5 ms each.

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use portcullis_tests::worst::{self, NOW};

fn worst(c: &mut Criterion) {
    let mut group = c.benchmark_group("worst");
    group.sample_size(20);
    for worst in worst::requests() {
        group.bench_function(BenchmarkId::from_parameter(worst.name), |b| {
            b.iter_batched(
                || worst.pdp(),
                |pdp| (pdp.evaluate_at(&worst.request, NOW), pdp),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, worst);
criterion_main!(benches);
