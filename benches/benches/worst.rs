//! Decisions that take longest to compare, see `portcullis_tests::worst`. The goal is at most 5 ms each.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use portcullis_tests::worst::{self, NOW, Worst};
use std::hint::black_box;

fn worst(c: &mut Criterion) {
    let mut group = c.benchmark_group("worst");
    group.sample_size(20);
    for Worst { name, pdp, request } in worst::requests() {
        group.bench_function(BenchmarkId::from_parameter(name), |b| {
            b.iter(|| black_box(pdp.evaluate_at(&request, NOW)));
        });
    }
    group.finish();
}

criterion_group!(benches, worst);
criterion_main!(benches);
