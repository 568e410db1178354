//! `cargo xtask fuzz`: runs the fuzz targets under libFuzzer, and keeps the inputs that break a property.

use crate::steps::{command, root, run, step};
use anyhow::{Context as _, bail, ensure};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

/// Minutes for each target, if they are not given.
const MINUTES: u64 = 5;
/// Number of crashes after which a target is not run again.
const MOST_CRASHES: usize = 3;
/// Beginning of the names of cases that broke a property. They are no seeds: one that still does would end a run.
const CRASH: &str = "crash-";

/// Targets to run, and for how long.
struct Plan {
    targets: Vec<String>,
    minutes: u64,
}

/// Result of one target.
#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    executions: u64,
    coverage: u64,
    crashes: Vec<PathBuf>,
}

/// Runs the targets that `arguments` name, or all.
pub(crate) fn fuzz(arguments: &[String]) -> anyhow::Result<()> {
    let plan = Plan::of(arguments, &targets()?)?;
    step("cargo-fuzz", install)?;
    // The versions that the tests are built with.
    fs::copy(root().join("Cargo.lock"), root().join("fuzz/Cargo.lock"))
        .context("cannot copy Cargo.lock to fuzz/")?;
    step(
        "the targets, instrumented: some ten minutes at first",
        || run(command("cargo").args(["+nightly", "fuzz", "build", "--sanitizer", "none"])),
    )?;
    let mut rows = Vec::new();
    for target in plan.targets {
        step(&format!("{target}, {} min", plan.minutes), || {
            let found = fuzz_one(&target, Duration::from_secs(60 * plan.minutes))?;
            rows.push((target, found));
            Ok(())
        })?;
    }
    println!("{}", table(&rows));
    let crashes: Vec<_> = rows.iter().flat_map(|(_, found)| &found.crashes).collect();
    if !crashes.is_empty() {
        let files: Vec<_> = crashes
            .iter()
            .map(|file| file.display().to_string())
            .collect();
        bail!(
            "these inputs break a property; `cargo test --release -p portcullis-fuzzed` repeats it: {}",
            files.join(", ")
        );
    }
    Ok(())
}

impl Plan {
    fn of(arguments: &[String], known: &[String]) -> anyhow::Result<Self> {
        let mut plan = Self {
            targets: Vec::new(),
            minutes: MINUTES,
        };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            if argument == "--minutes" {
                let minutes = arguments.next().and_then(|it| it.parse().ok());
                plan.minutes = minutes
                    .filter(|minutes| *minutes > 0)
                    .context("`--minutes` needs a whole number from 1 after it")?;
            } else {
                ensure!(
                    known.contains(argument),
                    "there is no target `{argument}`: there are {}",
                    known.join(", ")
                );
                plan.targets.push(argument.clone());
            }
        }
        if plan.targets.is_empty() {
            plan.targets = known.to_vec();
        }
        Ok(plan)
    }
}

/// Names of the targets in fuzz/Cargo.toml.
fn targets() -> anyhow::Result<Vec<String>> {
    let file = root().join("fuzz/Cargo.toml");
    let text =
        fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let manifest: toml::Table = toml::from_str(&text)?;
    let bins = manifest.get("bin").and_then(toml::Value::as_array);
    let names = bins
        .into_iter()
        .flatten()
        .filter_map(|bin| bin.get("name")?.as_str());
    Ok(names.map(str::to_owned).collect())
}

/// Installs cargo-fuzz if it is missing.
fn install() -> anyhow::Result<()> {
    let is_there = |arguments: &[&str]| {
        let mut cargo = command("cargo");
        let output = cargo.args(arguments).stdin(Stdio::null()).output();
        output.is_ok_and(|output| output.status.success())
    };
    ensure!(
        is_there(&["+nightly", "--version"]),
        "libFuzzer needs a nightly compiler: install it with `rustup toolchain install nightly`, and try again"
    );
    if is_there(&["fuzz", "--version"]) {
        return Ok(());
    }
    run(command("cargo").args(["install", "--locked", "cargo-fuzz"])).context(
        "cargo-fuzz is missing and could not be installed: run `cargo install --locked cargo-fuzz` where the network and a C++ compiler are available, and try again",
    )
}

/// Runs one target, and again after a crash, until the time is over.
fn fuzz_one(target: &str, time: Duration) -> anyhow::Result<Found> {
    let corpus = root().join("tests/fuzzed/corpus").join(target);
    let growing = root().join("fuzz/corpus").join(target);
    let artifacts = root().join("fuzz/artifacts").join(target);
    for folder in [&growing, &artifacts] {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    for (name, case) in files(&corpus)? {
        if !name.starts_with(CRASH) {
            fs::copy(case, growing.join(name))?;
        }
    }
    let end = Instant::now() + time;
    let mut found = Found::default();
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() || found.crashes.len() >= MOST_CRASHES {
            return Ok(found);
        }
        let before = files(&artifacts)?;
        run_fuzzer(target, &growing, left, &mut found)?;
        let crashes: Vec<_> = files(&artifacts)?
            .into_iter()
            .filter(|file| !before.contains(file))
            .collect();
        if crashes.is_empty() {
            return Ok(found);
        }
        for (name, artifact) in crashes {
            let name = match name.starts_with(CRASH) {
                true => name,
                // A time limit or a limit of memory.
                false => format!("{CRASH}{name}"),
            };
            let case = corpus.join(name);
            fs::copy(artifact, &case)
                .with_context(|| format!("cannot write {}", case.display()))?;
            found.crashes.push(case);
        }
    }
}

/// Runs libFuzzer once, and adds what it prints to `found`.
fn run_fuzzer(
    target: &str,
    corpus: &Path,
    time: Duration,
    found: &mut Found,
) -> anyhow::Result<()> {
    let mut fuzzer = command("cargo")
        .args(["+nightly", "fuzz", "run", "--sanitizer", "none", target])
        .arg(corpus)
        .arg("--")
        .arg(format!("-max_total_time={}", time.as_secs().max(1)))
        .args(["-print_final_stats=1", "-timeout=60"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot run `cargo fuzz`")?;
    let output = fuzzer.stderr.take().context("the fuzzer has no output")?;
    let executed = found.executions;
    let (mut is_begun, mut last) = (false, Vec::new());
    for line in BufReader::new(output).split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        is_begun |= line.starts_with('#');
        found.note(&line, executed);
        if !line.starts_with('#') || line.contains("pulse") {
            eprintln!("    {line}");
            last = vec![line.into_owned()];
        }
    }
    let status = fuzzer.wait()?;
    ensure!(
        is_begun,
        "the target `{target}` did not begin ({status}): {}",
        last.join("")
    );
    Ok(())
}

impl Found {
    /// Takes up coverage and executions from a line of libFuzzer, which begins with `executed` executions before.
    fn note(&mut self, line: &str, executed: u64) {
        let number_after = |word: &str| -> Option<u64> {
            let (_, after) = line.split_once(word)?;
            after.split_whitespace().next()?.parse().ok()
        };
        if line.starts_with('#')
            && let Some(coverage) = number_after("cov: ")
        {
            self.coverage = self.coverage.max(coverage);
        }
        if let Some(executions) = number_after("stat::number_of_executed_units:") {
            self.executions = executed + executions;
        }
    }
}

/// Files of a folder, each with its name, sorted.
fn files(folder: &Path) -> anyhow::Result<Vec<(String, PathBuf)>> {
    let mut files = Vec::new();
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        files.push((
            entry.file_name().to_string_lossy().into_owned(),
            entry.path(),
        ));
    }
    files.sort();
    Ok(files)
}

/// The results as a table.
fn table(rows: &[(String, Found)]) -> String {
    let mut lines = vec![format!(
        "{:<12} {:>12} {:>9} {:>8}",
        "target", "executions", "coverage", "crashes"
    )];
    for (target, found) in rows {
        lines.push(format!(
            "{target:<12} {:>12} {:>9} {:>8}",
            found.executions,
            found.coverage,
            found.crashes.len()
        ));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(arguments: &[&str]) -> anyhow::Result<(Vec<String>, u64)> {
        let known = ["a", "b"].map(str::to_owned);
        let arguments: Vec<_> = arguments.iter().map(|it| (*it).to_owned()).collect();
        Plan::of(&arguments, &known).map(|plan| (plan.targets, plan.minutes))
    }

    #[test]
    fn all_targets_are_run_unless_some_are_named() {
        let all = vec!["a".to_owned(), "b".to_owned()];
        assert_eq!(plan(&[]).unwrap(), (all.clone(), MINUTES));
        assert_eq!(plan(&["--minutes", "7"]).unwrap(), (all, 7));
        assert_eq!(plan(&["b"]).unwrap(), (vec!["b".to_owned()], MINUTES));
        for (wrong, said) in [
            (&["c"][..], "there are a, b"),
            (&["--minutes"], "whole number"),
            (&["--minutes", "0"], "whole number"),
            (&["--minutes", "x", "a"], "whole number"),
        ] {
            let error = plan(wrong).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn counts_are_read_from_what_libfuzzer_prints() {
        let mut found = Found::default();
        for line in [
            "#2\tINITED cov: 385 ft: 386 corp: 1/1b exec/s: 0 rss: 40Mb",
            "#65536\tpulse  cov: 400 ft: 700 corp: 9/10Kb lim: 4096 exec/s: 32768 rss: 41Mb",
            "stat::number_of_executed_units: 70000",
            "stat::average_exec_per_sec:     32768",
        ] {
            found.note(line, 5);
        }
        let expected = Found {
            executions: 70_005,
            coverage: 400,
            crashes: Vec::new(),
        };
        assert_eq!(found, expected);
        assert!(table(&[("a".to_owned(), found)]).contains("70005       400        0"));
    }
}
