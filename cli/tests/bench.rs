//! `portcullis bench`: measures an operator's own requests, with gates.

mod common;

use common::{Folder, request};
use serde_json::Value;

/// A permitted and a denied request of one integration.
fn requests() -> String {
    let (permitted, denied) = (
        request("files", "read", "/w/a"),
        request("files", "read", "/etc/passwd"),
    );
    format!("{permitted}\n{denied}\n")
}

fn bench(folder: &Folder, more: &[&str]) -> common::Ran {
    let arguments = ["bench", "--requests", "requests.jsonl", "--for", "60ms"];
    folder.run(&[&arguments, more].concat())
}

#[test]
fn measures_an_operators_own_requests() {
    let folder = Folder::with_plugins();
    folder.write("requests.jsonl", requests());
    let measured = || {
        let ran = bench(&folder, &["--format", "json", "--threads", "2"]);
        assert_eq!(ran.code, 0, "{}", ran.err);
        let measured: Value = serde_json::from_str(&ran.out).unwrap();
        measured
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
fn a_gate_that_is_not_met_ends_with_5() {
    let folder = Folder::with_plugins();
    folder.write("requests.jsonl", requests());
    for (flag, met, missed) in [
        ("--max-p99", "10s", "1ns"),
        ("--max-instructions", "1000000000", "10"),
    ] {
        let ran = bench(&folder, &[flag, met]);
        assert_eq!(ran.code, 0, "{}", ran.err);
        assert!(
            ran.out.contains("2 requests (1 permitted, 1 denied)"),
            "{}",
            ran.out
        );
        assert!(ran.out.contains("decisions per second"), "{}", ran.out);
        assert!(ran.out.contains('█'), "{}", ran.out);
        let ran = bench(&folder, &[flag, missed]);
        assert_eq!(ran.code, 5, "{}", ran.err);
        assert!(ran.err.contains(flag), "{}", ran.err);
    }
}

#[test]
fn a_gate_is_not_met_where_no_plugin_decided() {
    let folder = Folder::with_plugins();
    let gates: [&[&str]; 2] = [&["--max-p99", "10s"], &["--max-instructions", "1000000000"]];
    // No plugin is called for an unknown integration.
    folder.write("requests.jsonl", request("nowhere", "read", "/w/a"));
    assert_eq!(bench(&folder, &[]).code, 0);
    for gate in gates {
        let ran = bench(&folder, gate);
        assert_eq!(ran.code, 5, "{gate:?}");
        assert!(
            ran.err.contains("no request reached a plugin"),
            "{}",
            ran.err
        );
    }
    // A plugin that runs for ever does not decide either.
    folder.write(
        "looping.toml",
        "[[integration]]\nname = \"x\"\n[[integration.plugin]]\ncomponent = \"hostile.wasm\"\nlimits = { deadline = \"2ms\" }\nsettings = { behaviour = \"loop\" }\n",
    );
    folder.write("requests.jsonl", request("x", "read", "/w/a"));
    for gate in gates {
        let ran = bench(&folder, &[&["--config", "looping.toml"], gate].concat());
        assert_eq!(ran.code, 5, "{gate:?}");
        assert!(ran.err.contains("a plugin faulted in 1"), "{}", ran.err);
        assert!(
            ran.out.contains("1 of them by a plugin's fault"),
            "{}",
            ran.out
        );
    }
}

#[test]
fn what_is_no_request_is_not_measured() {
    let folder = Folder::with_plugins();
    folder.write("requests.jsonl", format!("{}{{}}\n", requests()));
    let ran = bench(&folder, &[]);
    assert_eq!((ran.code, ran.out.as_str()), (3, ""));
    assert!(ran.err.contains("requests.jsonl, line 3"), "{}", ran.err);
    folder.write("requests.jsonl", "");
    assert_eq!(bench(&folder, &[]).code, 3);
    assert_eq!(folder.run(&["bench", "--for", "0s"]).code, 1);
}
