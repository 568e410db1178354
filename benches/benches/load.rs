//! The cost of loading a plugin.
//!
//! It measures reading the file, and the whole load: compiling it twice, configuring it and taking a snapshot
//! between the two.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use portcullis_host::{Plugin, PluginLimits, PluginSource, inspect};
use portcullis_tests::{guests, root};
use std::fs;
use std::hint::black_box;

fn load(c: &mut Criterion) {
    let mut group = c.benchmark_group("load");
    group.sample_size(10);
    for name in guests::PLUGINS {
        let component = guests::plugin(name).unwrap();
        let settings = root()
            .join("plugins")
            .join(name)
            .join("cases/settings.toml");
        let settings = toml::from_str(&fs::read_to_string(settings).unwrap()).unwrap();
        group.bench_function(BenchmarkId::new("inspect", name), |b| {
            b.iter(|| inspect(black_box(&component), &PluginLimits::default()));
        });
        let source = PluginSource::new(component)
            .compile_in_process()
            .settings(settings);
        group.bench_function(BenchmarkId::new("load and specialise", name), |b| {
            b.iter(|| Plugin::load(black_box(&source)).unwrap());
        });
    }
    group.finish();
}

criterion_group!(benches, load);
criterion_main!(benches);
