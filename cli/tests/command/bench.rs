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
    runs.is(str![[r#"
# --max-p99 10s
exit 0
-- stdout
2 requests (1 permitted, 1 denied), of which 2 reach a plugin

# --max-p99 1ns
exit 5
-- stdout
2 requests (1 permitted, 1 denied), of which 2 reach a plugin
-- stderr
error: the 99th percentile of decisions that reach a plugin is [DURATION], more than `--max-p99` 1 ns: the histogram shows whether all or a few take so long

# --max-instructions 1000000000
exit 0
-- stdout
2 requests (1 permitted, 1 denied), of which 2 reach a plugin

# --max-instructions 10
exit 5
-- stdout
2 requests (1 permitted, 1 denied), of which 2 reach a plugin
-- stderr
error: plugin `mcp-tools` of `files` runs [INSTRUCTIONS] instructions, more than `--max-instructions 10`: check its settings and the size of the request; `portcullis test` counts each case
"#]]);
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
    runs.is(str![[r#"
#
exit 0
-- stdout
1 request (0 permitted, 1 denied), of which 0 reach a plugin

# --max-p99 10s
exit 5
-- stdout
1 request (0 permitted, 1 denied), of which 0 reach a plugin
-- stderr
error: no request reached a plugin, so no decision was measured: find the cause with `portcullis evaluate --explain`

# --max-instructions 1000000000
exit 5
-- stdout
1 request (0 permitted, 1 denied), of which 0 reach a plugin
-- stderr
error: no request reached a plugin, so no decision was measured: find the cause with `portcullis evaluate --explain`
"#]]);
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
    runs.is(str![[r#"
# --max-p99 10s
exit 5
-- stdout
1 request (0 permitted, 1 denied, 1 of them by a plugin's fault), of which 1 reach a plugin
-- stderr
error: a plugin faulted in 1 of the requests, so faults were measured: find the cause with `portcullis evaluate --explain`

# --max-instructions 1000000000
exit 5
-- stdout
1 request (0 permitted, 1 denied, 1 of them by a plugin's fault), of which 1 reach a plugin
-- stderr
error: a plugin faulted in 1 of the requests, so faults were measured: find the cause with `portcullis evaluate --explain`
error: the instructions of plugin `hostile` of `x` could not be counted, because it faulted: counting takes longer, so set a longer deadline; or find the cause with `portcullis evaluate --explain`
"#]]);
}

#[test]
fn refuses_invalid_requests_before_it_measures() {
    let folder = Folder::with_plugins();
    folder.write("requests.jsonl", format!("{}{{}}\n", requests()));
    bench(&folder, &[]).is(str![[r#"
exit 3
-- stderr
error: requests.jsonl, line 3: `/subject`: missing: expected an object
"#]]);
    folder.write("requests.jsonl", "");
    bench(&folder, &[]).is(str![[r#"
exit 3
-- stderr
error: requests.jsonl, line 1: there is no request in it: write one a line, such as those of a decision log
"#]]);
    folder.run(&["bench", "--for", "0s"]).is(str![[r#"
exit 1
-- stderr
error: `--for` must be longer than zero, such as `2s`
"#]]);
}
