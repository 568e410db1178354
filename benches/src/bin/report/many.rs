//! A thousand plugins in one process: their decisions and their memory.

use anyhow::{Context as _, ensure};
use portcullis_benches::report::{Latency, Row};
use portcullis_benches::scenery::{self, Folder};
use portcullis_benches::workload::{self, Variation};
use portcullis_host::{ActionClass, CompiledCache, Lane, Plugin, PluginSource, Timestamp};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// The lanes that are measured, and how plugins are loaded for them.
fn lanes(folder: &Folder) -> [(&'static str, Lane, PluginSource); 2] {
    let source = scenery::cached_five_rules(folder);
    [
        ("", Lane::Fresh, source.clone()),
        (", restored lane", Lane::Restored, source.restorable()),
    ]
}

/// Decisions of one plugin, beside those of a thousand in turn.
pub(super) fn many(rows: &mut Vec<Row>) -> anyhow::Result<()> {
    let now = Timestamp::now();
    let folder = Folder::new("many");
    let request = workload::request(7, Variation::default(), now);
    for (name, lane, source) in lanes(&folder) {
        let plugins = (0..1000)
            .map(|_| Plugin::load(&source))
            .collect::<Result<Vec<_>, _>>()?;
        let time = |plugin: &Plugin| {
            let started = Instant::now();
            let answer = plugin.evaluate_in(lane, &request, ActionClass::Write, now);
            assert!(answer.outcome.is_ok());
            u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX)
        };
        let (mut one, mut all) = (Vec::new(), Vec::new());
        for _ in 0..12 {
            one.extend((0..2000).map(|_| time(&plugins[0])));
            // Once around first, so that each has been used.
            all.extend(plugins.iter().cycle().take(3000).map(time).skip(1000));
        }
        let (one, all) = (Latency::from_nanos(one), Latency::from_nanos(all));
        rows.push(Row::at_most(
            format!("a thousand plugins / one, p50 of a decision{name}"),
            1.1,
            "",
            all.micros(50.0) / one.micros(50.0),
            format!("{:.2} µs, {:.2} µs", all.micros(50.0), one.micros(50.0)),
        ));
    }
    Ok(())
}

/// What each plugin adds to the resident memory of a process, in processes of their own.
pub(super) fn memory(rows: &mut Vec<Row>) -> anyhow::Result<()> {
    let folder = Folder::new("memory");
    for (index, (name, _, source)) in (0..).zip(lanes(&folder)) {
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

/// Loads so many plugins for one of the lanes, has each decide once, and prints the process's resident
/// memory in KiB.
pub(super) fn resident(mut arguments: impl Iterator<Item = String>) -> anyhow::Result<()> {
    let mut next = |what| arguments.next().context(what);
    let loaded: usize = next("how many plugins")?.parse()?;
    let index: usize = next("which lane")?.parse()?;
    let cache = CompiledCache::open(Path::new(&next("which folder")?).join("compiled"))?;
    let source = scenery::five_rules().cache(cache);
    let (lane, source) = match index {
        0 => (Lane::Fresh, source),
        _ => (Lane::Restored, source.restorable()),
    };
    let now = Timestamp::now();
    let request = workload::request(7, Variation::default(), now);
    let plugins = (0..loaded)
        .map(|_| Plugin::load(&source))
        .collect::<Result<Vec<_>, _>>()?;
    for plugin in &plugins {
        let answer = plugin.evaluate_in(lane, &request, ActionClass::Write, now);
        ensure!(answer.outcome.is_ok());
    }
    let status = std::fs::read_to_string("/proc/self/status")
        .context("resident memory is read from /proc, which Linux has")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next());
    println!("{}", kib.context("/proc/self/status has no VmRSS")?);
    Ok(())
}
