//! A thousand plugins in one process: their decisions and their memory.

use anyhow::{Context as _, ensure};
use portcullis_benches::peers::cedar::{self, Cedar};
use portcullis_benches::report::{Latency, Row};
use portcullis_benches::scenery::{self, Folder};
use portcullis_benches::workload::{self, Variation};
use portcullis_host::{ActionClass, CompiledCache, Instances, Plugin, PluginSource, Timestamp};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// The measured modes, and the source of plugins for each.
fn modes(folder: &Folder) -> [(&'static str, Instances, PluginSource); 2] {
    let source = scenery::cached_five_rules(folder);
    [
        ("", Instances::Fresh, source.clone()),
        (", reset instances", Instances::Reset, source.resettable()),
    ]
}

/// Measures decisions of one plugin, and of a thousand in turn.
pub(super) fn many(rows: &mut Vec<Row>) -> anyhow::Result<()> {
    let now = Timestamp::now();
    let folder = Folder::new("many");
    let request = workload::request(7, Variation::default(), now);
    let ask = |plugin: &Plugin, instances| {
        let answer = plugin.evaluate_in(instances, &request, ActionClass::Write, now);
        assert!(answer.outcome.is_ok());
    };
    for (name, instances, source) in modes(&folder) {
        let plugins = (0..1000)
            .map(|_| Plugin::load(&source))
            .collect::<Result<Vec<_>, _>>()?;
        let (all, one) = all_and_one(&plugins, |plugin| ask(plugin, instances));
        rows.push(Row::at_most(
            format!("a thousand plugins / one, p50 of a decision{name}"),
            1.1,
            "",
            all / one,
            format!("{all:.2} µs, {one:.2} µs"),
        ));
    }
    // Plugins with different settings also have different code and images.
    let cache = CompiledCache::open(folder.path().join("compiled"))?;
    let load = |settings: fn(usize) -> PluginSource| -> anyhow::Result<Vec<_>> {
        let load = |number| Ok(Plugin::load(&settings(number).cache(cache.clone()))?);
        // Compiled first, and then loaded from the cache.
        (0..100).try_for_each(|number| load(number).map(drop))?;
        (0..100).map(load).collect()
    };
    let own = load(scenery::five_rules_of)?;
    let same = load(|_| scenery::five_rules())?;
    for (name, plugins) in [("settings of their own", own), ("the same settings", same)] {
        let (all, one) = all_and_one(&plugins, |plugin| ask(plugin, Instances::Fresh));
        eprintln!(
            "    a hundred / one: plugins with {name}, {:.2} ({all:.2} µs, {one:.2} µs)",
            all / one
        );
    }
    // The same for a native engine, whose policies are no longer in the processor's caches.
    let engines: Vec<_> = (0..1000).map(|_| Cedar::new()).collect();
    let prepared = cedar::prepare(request.to_authzen());
    let (all, one) = all_and_one(&engines, |engine| {
        assert!(Cedar::permits(&engine.decide(&prepared)));
    });
    eprintln!(
        "    a thousand / one: native Cedar, with policies of their own, {:.2} ({all:.2} µs, {one:.2} µs)",
        all / one
    );
    Ok(())
}

/// Returns the median time of `once` in microseconds, for all in turn and for the first alone.
fn all_and_one<T>(them: &[T], once: impl Fn(&T)) -> (f64, f64) {
    let time = |it: &T| {
        let started = Instant::now();
        once(it);
        u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    };
    let (mut one, mut all) = (Vec::new(), Vec::new());
    for _ in 0..12 {
        one.extend((0..2000).map(|_| time(&them[0])));
        // One round of warm-up.
        let in_turn = them.iter().cycle().take(3 * them.len());
        all.extend(in_turn.map(time).skip(them.len()));
    }
    let p50 = |nanos| Latency::from_nanos(nanos).micros(50.0);
    (p50(all), p50(one))
}

/// Measures the resident memory that each plugin adds, in processes of their own.
pub(super) fn memory(rows: &mut Vec<Row>) -> anyhow::Result<()> {
    let folder = Folder::new("memory");
    for (index, (name, _, source)) in (0..).zip(modes(&folder)) {
        Plugin::load(&source)?;
        let kib = |loaded: usize| -> anyhow::Result<f64> {
            let output = Command::new(std::env::current_exe()?)
                .args(["resident", &loaded.to_string(), &index.to_string()])
                .arg(folder.path())
                .output()?;
            ensure!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            );
            let text = String::from_utf8(output.stdout)?;
            Ok(text.trim().parse()?)
        };
        let each = (kib(1000)? - kib(1)?) / 999.0;
        rows.push(Row::at_most(
            format!("resident memory of a plugin beyond the first, of 1,000{name}"),
            256.0,
            " KiB",
            each,
            format!("{each:.0} KiB"),
        ));
    }
    Ok(())
}

/// Loads plugins for one of the modes and prints the process's resident memory in KiB.
///
/// Each plugin decides once.
pub(super) fn resident(mut arguments: impl Iterator<Item = String>) -> anyhow::Result<()> {
    let mut next = |what| arguments.next().context(what);
    let loaded: usize = next("how many plugins")?.parse()?;
    let index: usize = next("which mode")?.parse()?;
    let cache = CompiledCache::open(Path::new(&next("which folder")?).join("compiled"))?;
    let source = scenery::five_rules().cache(cache);
    let (instances, source) = match index {
        0 => (Instances::Fresh, source),
        _ => (Instances::Reset, source.resettable()),
    };
    let now = Timestamp::now();
    let request = workload::request(7, Variation::default(), now);
    let plugins = (0..loaded)
        .map(|_| Plugin::load(&source))
        .collect::<Result<Vec<_>, _>>()?;
    for plugin in &plugins {
        let answer = plugin.evaluate_in(instances, &request, ActionClass::Write, now);
        ensure!(answer.outcome.is_ok());
    }
    let kib = portcullis_tests::memory::resident_kib();
    println!(
        "{}",
        kib.context("resident memory is read from /proc, which Linux has")?
    );
    Ok(())
}
