//! Figures of criterion benches: the tower layer, and a budget on JetStream.
//!
//! The benches print p50, p99 and calls in a second of each part, as criterion does not.

use super::Bench;
use super::figure::Figure;
use super::tools::Missing;
use anyhow::{Context as _, bail};
use std::process::{Command, Stdio};

/// A filter that matches no measurement of criterion, so that only the printed lines are made.
const NONE: &str = "reach-measures-none";

/// A line of a bench.
#[derive(Debug, Clone, PartialEq)]
struct Line {
    name: String,
    /// Microseconds.
    p50: f64,
    p99: f64,
    per_second: f64,
}

/// The time that the tower layer adds.
pub(super) fn layer(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    let lines = lines(bench, "portcullis-benches", "layer")?;
    let line = |name: &str| find(&lines, name);
    let (alone, layered) = (line("a service")?, line("a service, with the layer")?);
    let slow = line("a service of 100 µs")?;
    let slow_layered = line("a service of 100 µs, with the layer")?;
    Ok(vec![
        Figure::at_most(
            "the tower layer with a permit, buffered: added p50",
            30.0,
            " µs",
            layered.p50 - alone.p50,
        )
        .inputs(format!(
            "p50 {:.1}, {:.1} µs; p99 {:.1}, {:.1} µs; one thread, a router of axum, a verified token",
            layered.p50, alone.p50, layered.p99, alone.p99
        )),
        Figure::at_least(
            "a service of 100 µs with the tower layer / without",
            0.75,
            "",
            slow_layered.per_second / slow.per_second,
        )
        .inputs(format!(
            "{:.0}, {:.0} calls a second; p50 {:.1}, {:.1} µs",
            slow_layered.per_second, slow.per_second, slow_layered.p50, slow.p50
        )),
    ])
}

/// A budget on a real nats-server.
pub(super) fn jetstream(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    let lines = lines(bench, "portcullis-fleet", "fleet")?;
    let one = find(&lines, "budgeted decision, one spender")?;
    let on = |hosts| {
        find(
            &lines,
            &format!("spend, 8 spenders of one key on {hosts} hosts"),
        )
    };
    let many = on(1)?;
    let of_one = format!(
        "{:.0} decisions a second; nats-server on loopback",
        one.per_second
    );
    let of_many = format!(
        "eight threads of one host; on two hosts {}; on eight {}",
        shown(on(2)?),
        shown(on(8)?)
    );
    let name = "a budgeted decision on JetStream, one spender";
    let spenders = "a budget on JetStream, eight spenders of one key";
    Ok(vec![
        Figure::at_most(format!("{name}: p50"), 0.5, " ms", one.p50 / 1000.0).inputs(&of_one),
        Figure::at_most(format!("{name}: p99"), 2.0, " ms", one.p99 / 1000.0).inputs(&of_one),
        Figure::at_least(spenders, 2000.0, " uses a second", many.per_second).inputs(&of_many),
        Figure::at_most(format!("{spenders}: p99"), 20.0, " ms", many.p99 / 1000.0)
            .inputs(&of_many),
    ])
}

fn shown(line: &Line) -> String {
    format!(
        "{:.0} a second with a p99 of {:.1} ms",
        line.per_second,
        line.p99 / 1000.0
    )
}

/// Runs a bench, and returns the lines that it prints.
fn lines(bench: &Bench, package: &str, name: &str) -> anyhow::Result<Vec<Line>> {
    let program = bench.programs.bench(package, name)?;
    // Other processes than the bench take part, so it is not pinned.
    let output = Command::new(&program)
        .args(["--bench", NONE])
        .current_dir(&bench.folder)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {}", program.display()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if let Some(skipped) = said.lines().find_map(|line| line.strip_prefix("skipped: ")) {
        return Err(Missing(skipped.to_owned()).into());
    }
    if !output.status.success() {
        bail!("{} ended with {}: {said}", program.display(), output.status);
    }
    Ok(said.lines().filter_map(read).collect())
}

/// Reads `NAME: p50 1.2ms, p99 3.4ms, 500 a second`.
fn read(line: &str) -> Option<Line> {
    let (name, rest) = line.split_once(": p50 ")?;
    let (p50, rest) = rest.split_once(", p99 ")?;
    let (p99, rest) = rest.split_once(", ")?;
    Some(Line {
        name: name.to_owned(),
        p50: micros(p50)?,
        p99: micros(p99)?,
        per_second: rest.strip_suffix(" a second")?.parse().ok()?,
    })
}

/// Microseconds of a time as `Duration` writes it.
fn micros(time: &str) -> Option<f64> {
    let units = [("ns", 1e-3), ("µs", 1.0), ("ms", 1e3), ("s", 1e6)];
    units.into_iter().find_map(|(unit, micros)| {
        let number: f64 = time.strip_suffix(unit)?.parse().ok()?;
        Some(number * micros)
    })
}

fn find<'a>(lines: &'a [Line], name: &str) -> anyhow::Result<&'a Line> {
    let found = lines.iter().find(|line| line.name == name);
    found.with_context(|| format!("the bench has no line `{name}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_benches_are_read_in_any_unit() {
        let line = "budgeted decision, one spender: p50 412.5µs, p99 1.5ms, 2200 a second";
        let read = read(line).unwrap();
        assert_eq!(read.name, "budgeted decision, one spender");
        assert!((read.p50 - 412.5).abs() < 1e-9);
        assert!((read.p99 - 1500.0).abs() < 1e-9);
        assert!((read.per_second - 2200.0).abs() < 1e-9);
        assert!(micros("900ns").is_some_and(|it| (it - 0.9).abs() < 1e-9));
        assert!(micros("2s").is_some_and(|it| (it - 2e6).abs() < 1e-3));
    }

    #[test]
    fn other_lines_are_left_out() {
        for line in [
            "",
            "skipped: no nats-server",
            "a: p50 1ms, p99 2ms",
            "a: p50 1x, p99 2ms, 3 a second",
        ] {
            assert_eq!(read(line), None, "{line}");
        }
    }
}
