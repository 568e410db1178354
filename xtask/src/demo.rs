//! `cargo xtask demo`: real requests of three integrations, decided by the plugins in sandboxes.

use crate::plugins;
use crate::steps::{portcullis, root};
use crate::story;
use crate::trust::{self, Step};
use anyhow::{Context as _, bail, ensure};
use std::process::Stdio;

/// Builds the plugins, decides the demo's requests and compares the causes with the expected ones.
pub(crate) fn run() -> anyhow::Result<()> {
    plugins::run(&[])?;
    agent()?;
    eprintln!("==> decisions\n");
    let mut evaluate = portcullis();
    evaluate.args(["evaluate", "--config", "examples/demo/portcullis.toml"]);
    evaluate.args(["--request", "examples/demo/requests.jsonl"]);
    let status = evaluate.status().context("cannot run `portcullis`")?;
    // One plugin loops for ever, and its exit code is the most severe in the batch.
    ensure!(
        status.code() == Some(4),
        "`portcullis evaluate` ended with {status}"
    );

    let mut again = portcullis();
    again.args(["evaluate", "--config", "examples/demo/portcullis.toml"]);
    again.args([
        "--request",
        "examples/demo/requests.jsonl",
        "--format",
        "json",
    ]);
    let output = again
        .stderr(Stdio::null())
        .output()
        .context("cannot run `portcullis`")?;
    let causes: Vec<_> = std::str::from_utf8(&output.stdout)?
        .lines()
        .map(cause_in)
        .collect();
    let expected = std::fs::read_to_string(root().join("examples/demo/causes.txt"))
        .context("cannot read examples/demo/causes.txt")?;
    let expected: Vec<_> = expected.lines().map(Some).collect();
    if causes != expected {
        bail!("the decisions are not those of examples/demo/causes.txt: {causes:?}");
    }
    eprintln!(
        "\n{} requests were decided, each plugin call in a fresh sandbox, and all as examples/demo/causes.txt says.\nFor one of them at length: target/release/portcullis evaluate --config examples/demo/portcullis.toml --request FILE --explain",
        causes.len()
    );
    trust::run()?;
    story::run()
}

/// Decides the two calls of README.md: a poisoned one, and the approved one.
fn agent() -> anyhow::Result<()> {
    let decide = |why, request, exit| {
        let config = "examples/agent/portcullis.toml";
        let run = &[
            "evaluate",
            "--config",
            config,
            "--request",
            request,
            "--explain",
        ];
        Step { why, run, exit }.take(&root())
    };
    eprintln!();
    decide(
        "a mail told the agent to send the report to Eve",
        "examples/agent/poisoned.json",
        2,
    )?;
    decide("the call that Alice approved", "examples/agent/own.json", 0)
}

/// Returns the cause in a JSON line of the CLI. It is the first member of `context`.
fn cause_in(decision: &str) -> Option<&str> {
    let (_, after) = decision.split_once("\"cause\":\"")?;
    Some(after.split_once('"')?.0)
}
