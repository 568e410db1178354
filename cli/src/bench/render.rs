//! Prints the measurements, for people and as JSON.

use super::Measured;
use super::measure::PluginCost;
use crate::output::{self, FAINT, STRONG, styled};
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, Table};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use portcullis_host::counted;
use serde_json::{Value, json};
use std::io::{self, IsTerminal as _};
use std::time::Duration;

/// The percentiles to show.
const PERCENTILES: [f64; 5] = [50.0, 90.0, 99.0, 99.9, 99.99];

/// Length in characters of the histogram's longest bar.
const BAR: usize = 50;

/// Creates a progress bar of `stages` stages of `time` each. It is hidden without a terminal.
pub(super) fn progress(time: Duration, stages: usize) -> ProgressBar {
    let bar = ProgressBar::new(stages as u64);
    if !io::stderr().is_terminal() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    // INVARIANT (template): the template is valid.
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg} ({elapsed})") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(time.min(Duration::from_millis(100)));
    bar
}

pub(super) fn human(measured: &Measured<'_>) -> io::Result<()> {
    let Measured {
        requests,
        outcomes,
        latency,
        ..
    } = measured;
    let (permits, asked) = (outcomes.permits, outcomes.asked);
    let denies = requests - permits;
    let faults = match outcomes.faults {
        0 => String::new(),
        faults => format!(", {faults} of them by a plugin's fault"),
    };
    output::line(&format!(
        "{} ({permits} permitted, {denies} denied{faults}), of which {asked} reach a plugin; {} one after another",
        styled(STRONG, &counted(*requests, "request")),
        counted(latency.count(), "decision")
    ))?;
    output::line("")?;
    let percentiles = PERCENTILES.map(|percentile| {
        let took = time(latency.percentile(percentile));
        format!("p{percentile} {}", styled(STRONG, &took))
    });
    output::line(&format!(
        "{}   longest {}",
        percentiles.join("   "),
        time(latency.longest())
    ))?;
    output::line("")?;
    histogram(measured)?;
    output::line("")?;

    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header(["threads", "decisions per second", "× one thread"]);
    let one = measured
        .throughput
        .first()
        .map_or(1.0, |it| it.per_second());
    for row in &measured.throughput {
        table.add_row([
            row.threads.to_string(),
            format!("{:.0}", row.per_second()),
            format!("{:.2}", row.per_second() / one),
        ]);
    }
    right(&mut table, 3);
    output::line(&table.to_string())?;

    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header([
        "plugin",
        "instructions, median",
        "most",
        "of `--max-instructions`",
        "memory, KiB",
        "of KiB",
    ]);
    for plugin in &measured.plugins {
        table.add_row([
            format!("{} {}", plugin.integration, plugin.name),
            number(plugin.instructions.map(|it| it.median)),
            number(plugin.instructions.map(|it| it.most)),
            share(plugin, measured.args.max_instructions),
            (plugin.peak_memory_bytes / 1024).to_string(),
            (plugin.memory_limit_bytes / 1024).to_string(),
        ]);
    }
    right(&mut table, 6);
    output::line(&table.to_string())
}

fn number(instructions: Option<u64>) -> String {
    instructions.map_or_else(|| "not counted".to_owned(), |it| it.to_string())
}

/// Formats the used share of the instruction budget, if there is one.
fn share(plugin: &PluginCost, budget: Option<u64>) -> String {
    let share = plugin.instructions.zip(budget).map(|(it, budget)| {
        let share = it.most as f64 / budget.max(1) as f64;
        format!("{:.1} %", share * 100.0)
    });
    share.unwrap_or_default()
}

/// Prints a histogram from the shortest decision to the 99.99th percentile.
///
/// Four bounds make a doubling.
fn histogram(measured: &Measured<'_>) -> io::Result<()> {
    let latency = &measured.latency;
    let mut bounds = vec![Duration::from_nanos(500)];
    while let Some(last) = bounds.last()
        && *last <= latency.percentile(99.99)
    {
        bounds.push(Duration::from_secs_f64(
            last.as_secs_f64() * 2_f64.powf(0.25),
        ));
    }
    bounds.push(Duration::from_secs(3600));
    let counts = latency.counts(&bounds);
    let most = counts.iter().copied().max().unwrap_or_default().max(1);
    let first = counts
        .iter()
        .position(|count| *count > 0)
        .unwrap_or_default();
    for (count, from) in counts.iter().zip(&bounds).skip(first) {
        let length = usize::try_from(*count * BAR as u64 / most).unwrap_or(BAR);
        let bar = match (length, *count) {
            (0, 0) => String::new(),
            (0, _) => "▏".to_owned(),
            (length, _) => "█".repeat(length),
        };
        output::line(&format!(
            "{:>9} {bar} {}",
            time(*from),
            styled(FAINT, &count.to_string())
        ))?;
    }
    Ok(())
}

fn right(table: &mut Table, columns: usize) {
    for index in 1..columns {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

pub(super) fn json(measured: &Measured<'_>) -> Value {
    let latency = &measured.latency;
    let mut percentiles = serde_json::Map::new();
    for percentile in PERCENTILES {
        let took = latency.percentile(percentile).as_nanos() as f64 / 1000.0;
        percentiles.insert(format!("p{percentile}"), json!(took));
    }
    let throughput: Vec<_> = measured
        .throughput
        .iter()
        .map(|it| json!({ "threads": it.threads, "decisions-per-second": it.per_second() }))
        .collect();
    let plugins: Vec<_> = measured
        .plugins
        .iter()
        .map(|plugin| {
            json!({
                "integration": plugin.integration, "name": plugin.name,
                "median-instructions": plugin.instructions.map(|it| it.median),
                "most-instructions": plugin.instructions.map(|it| it.most),
                "max-instructions": measured.args.max_instructions,
                "peak-memory-bytes": plugin.peak_memory_bytes,
            })
        })
        .collect();
    json!({
        "requests": measured.requests, "permits": measured.outcomes.permits,
        "asked": measured.outcomes.asked,
        "faults": measured.outcomes.faults,
        "decisions": latency.count(),
        "latency-us": percentiles,
        "longest-us": latency.longest().as_nanos() as f64 / 1000.0,
        "throughput": throughput,
        "plugins": plugins,
        "missed": measured.missed(),
    })
}

/// Formats a time with its significant digits.
pub(super) fn time(time: Duration) -> String {
    let nanos = time.as_nanos() as f64;
    match nanos {
        nanos if nanos < 1e3 => format!("{nanos:.0} ns"),
        nanos if nanos < 1e6 => format!("{:.1} µs", nanos / 1e3),
        nanos if nanos < 1e9 => format!("{:.1} ms", nanos / 1e6),
        nanos => format!("{:.1} s", nanos / 1e9),
    }
}
