//! `portcullis bench`: measures an operator's own requests, with gates.

use crate::common::{Folder, Ran, Request, Runs};
use snapbox::str;

/// A permitted and a denied request of one integration.
fn requests() -> String {
    let read = |path: &str| Request::new("files", "read").argument("path", path);
    format!("{}\n{}\n", read("/w/a"), read("/etc/passwd"))
}

fn bench(folder: &Folder, more: &[&str]) -> Ran {
    let arguments = ["bench", "--requests", "requests.jsonl", "--for", "60ms"];
    folder.run(&[&arguments, more].concat())
}

/// Keeps the count of requests, without the times that follow it.
fn counted(mut ran: Ran) -> Ran {
    if let Some((requests, _)) = ran.out.split_once("; ") {
        ran.out = requests.to_owned() + "\n";
    }
    ran
}

#[test]
fn measures_requests_of_a_file() {
    let folder = Folder::with_plugins();
    folder.write("requests.jsonl", requests());
    let measured = || {
        let ran = bench(&folder, &["--format", "json", "--threads", "2"]);
        ran.exits(0).json()
    };
    let first = measured();
    let count = |name: &str| first[name].as_u64().unwrap();
    let counts = ["requests", "permits", "asked", "faults"].map(count);
    assert_eq!(counts, [2, 1, 2, 0]);
    let latency = &first["latency-us"];
    let at = |percentile: &str| latency[percentile].as_f64().unwrap();
    assert!(0.0 < at("p50") && at("p50") <= at("p99") && at("p99") <= at("p99.99"));
    let threads: Vec<_> = first["throughput"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            (
                row["threads"].clone(),
                row["decisions-per-second"].as_f64() > Some(0.0),
            )
        })
        .collect();
    assert_eq!(threads, [(1.into(), true), (2.into(), true)]);

    // A plugin's resource use is the same in every run.
    let plugin = &first["plugins"][0];
    assert_eq!(plugin["name"], "mcp-tools");
    assert!(plugin["most-instructions"].as_u64() > Some(100));
    assert_eq!(first["plugins"], measured()["plugins"]);
}

#[test]
fn exits_with_5_if_a_gate_is_not_met() {
    let folder = Folder::with_plugins();
    folder.write("requests.jsonl", requests());
    let mut runs = Runs::default();
    for (flag, met, missed) in [
        ("--max-p99", "10s", "1ns"),
        ("--max-instructions", "1000000000", "10"),
    ] {
        let ran = bench(&folder, &[flag, met]);
        // The measured times differ in each run, so that only the parts of the report are known.
        for part in ["p50 ", "decisions per second", "\u{2588}"] {
            assert!(ran.out.contains(part), "{ran}");
        }
        runs.add(format!("{flag} {met}"), counted(ran));
        runs.add(
            format!("{flag} {missed}"),
            counted(bench(&folder, &[flag, missed])),
        );
    }
    runs.is(str![""]);
}

#[test]
fn gates_need_a_decision_of_a_plugin() {
    let folder = Folder::with_plugins();
    let gates: [&[&str]; 3] = [
        &[],
        &["--max-p99", "10s"],
        &["--max-instructions", "1000000000"],
    ];
    // No plugin is called for an unknown integration.
    folder.write(
        "requests.jsonl",
        Request::new("nowhere", "read").to_string(),
    );
    let mut runs = Runs::default();
    for gate in gates {
        runs.add(gate.join(" "), counted(bench(&folder, gate)));
    }
    runs.is(str![""]);
    // A plugin that runs for ever does not decide either.
    folder.write(
        "looping.toml",
        "[[integration]]\nname = \"x\"\n[[integration.plugin]]\ncomponent = \"hostile.wasm\"\nlimits = { deadline = \"2ms\" }\nsettings = { behaviour = \"loop\" }\n",
    );
    folder.write("requests.jsonl", Request::new("x", "read").to_string());
    let mut runs = Runs::default();
    for gate in &gates[1..] {
        let arguments = [&["--config", "looping.toml"], *gate].concat();
        runs.add(gate.join(" "), counted(bench(&folder, &arguments)));
    }
    runs.is(str![""]);
}

#[test]
fn refuses_invalid_requests_before_it_measures() {
    let folder = Folder::with_plugins();
    folder.write("requests.jsonl", format!("{}{{}}\n", requests()));
    bench(&folder, &[]).is(str![""]);
    folder.write("requests.jsonl", "");
    bench(&folder, &[]).is(str![""]);
    folder.run(&["bench", "--for", "0s"]).is(str![""]);
}
