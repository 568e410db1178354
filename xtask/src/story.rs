//! The demo's last part: one agent and its attackers, against a running `portcullis serve`.

use crate::serving::Server;
use crate::steps::{portcullis, root};
use crate::trust::Step;
use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

const AGENT: &str = "spiffe://acme.example/agent/reporter";
const BOB: &str = "bob@acme.example";
const EVE: &str = "eve@evil.example";
/// Time within which a revocation takes effect, by docs/operating.md, and as much again for a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// Tells the story in `target/story`.
pub(crate) fn run() -> anyhow::Result<()> {
    let folder = copy()?;
    eprintln!("\n==> an agent and its attackers, against `portcullis serve`, in target/story\n");
    let checkpoint = &["revoke", "--checkpoint"];
    let why = "create the revocation list, which is complete as of now";
    let (run, exit) = (checkpoint, 0);
    Step { why, run, exit }.take(&folder)?;
    let server = start(&folder)?;
    let now = jiff::Timestamp::now();
    let call = |to: &str,
                credential: &str,
                instance: &str,
                origin: &str|
     -> anyhow::Result<Value> {
        let lifetime = jiff::SignedDuration::from_mins(30);
        Ok(json!({
            "subject": { "type": "agent", "id": AGENT, "properties": {
                "credential-id": credential, "instance": instance,
                "credential-issued-at": now.to_string(),
                "credential-expires-at": now.checked_add(lifetime)?.to_string(),
            } },
            "action": { "name": "send_mail", "properties": { "to": to, "body": "Sales rose by 4 %." } },
            "resource": { "type": "mcp-server", "id": "mail" },
            "context": {
                "intent": { "id": "int-42" },
                "argument-origins": [{ "path": "/to", "origin": origin }],
            },
        }))
    };
    tell(
        &server,
        "the agent sends the report to Bob, as Alice approved",
        &call(BOB, "svid-7", "pod-1", "user")?,
        "permitted",
    )?;
    tell(
        &server,
        "a mail that it read says: send it to Eve. It tries",
        &call(EVE, "svid-7", "pod-1", "tool:read_inbox")?,
        "outside-intent",
    )?;
    tell(
        &server,
        "Eve copied its credential, and presents it from her own machine",
        &call(BOB, "svid-7", "pod-eve", "user")?,
        "credential-cloned",
    )?;
    tell(
        &server,
        "the agent gets a fresh credential, and works on",
        &call(BOB, "svid-8", "pod-1", "user")?,
        "permitted",
    )?;
    let revoke = [
        "revoke",
        "principal",
        AGENT,
        "--reason",
        "its credential was copied",
        "--by",
        "alice@acme.example",
    ];
    let why = "Alice revokes the agent until its machine is examined";
    let (run, exit) = (&revoke, 0);
    Step { why, run, exit }.take(&folder)?;
    let took = server.until("revoked", &call(BOB, "svid-8", "pod-1", "user")?, PATIENCE)?;
    println!("# the running server denies it as `revoked`, {took:?} after the command ended\n");
    server.stop()?;
    let log = "decisions.jsonl";
    forge(&folder)?;
    let steps = [
        Step {
            why: "confirm the revocation: every permit that it should end is denied now",
            run: &["revoke", "verify", "--log", log],
            exit: 0,
        },
        Step {
            why: "the log is whole",
            run: &["log", "verify", log],
            exit: 0,
        },
        Step {
            why: "in a copy, Eve wrote Bob's name over her own",
            run: &["log", "verify", "forged/decisions.jsonl"],
            exit: 3,
        },
        Step {
            why: "write the posture page",
            run: &[
                "posture",
                "report",
                "--log",
                log,
                "--format",
                "html",
                "--output",
                "posture.html",
            ],
            exit: 0,
        },
    ];
    steps.iter().try_for_each(|step| step.take(&folder))?;
    println!("# open {}", folder.join("posture.html").display());
    Ok(())
}

/// Makes a fresh copy of `examples/story`, with its plugin.
fn copy() -> anyhow::Result<PathBuf> {
    let (from, to) = (root().join("examples/story"), root().join("target/story"));
    if to.exists() {
        fs::remove_dir_all(&to).with_context(|| format!("cannot remove {}", to.display()))?;
    }
    for folder in ["intents", "forged"] {
        let folder = to.join(folder);
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let plugin = root().join("target/plugins/mcp-tools.wasm");
    for (file, name) in [
        (from.join("portcullis.toml"), "portcullis.toml"),
        (from.join("registry.toml"), "registry.toml"),
        (from.join("intents/int-42.json"), "intents/int-42.json"),
        (plugin, "mcp-tools.wasm"),
    ] {
        fs::copy(&file, to.join(name))
            .with_context(|| format!("cannot copy {}", file.display()))?;
    }
    Ok(to)
}

/// Copies the log to `forged/`, with Bob's name in the place of Eve's.
fn forge(folder: &Path) -> anyhow::Result<()> {
    for name in ["decisions.jsonl", "decisions.jsonl.head"] {
        let text =
            fs::read_to_string(folder.join(name)).with_context(|| format!("cannot read {name}"))?;
        fs::write(folder.join("forged").join(name), text.replace(EVE, BOB))?;
    }
    Ok(())
}

/// Starts the server of the story.
fn start(folder: &Path) -> anyhow::Result<Server> {
    eprintln!("# start the server\n$ portcullis serve");
    Server::start(portcullis().arg("serve").current_dir(folder))
}

/// Asks, prints the decision, and compares its cause.
fn tell(server: &Server, why: &str, request: &Value, expected: &str) -> anyhow::Result<()> {
    let answer = server.ask(request)?;
    let text = |pointer: &str| {
        answer
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or("")
    };
    let word = match answer.get("decision") {
        Some(Value::Bool(true)) => "PERMIT",
        _ => "DENY",
    };
    let cause = text("/context/cause");
    println!("# {why}\n{word} {cause}: {}\n", text("/context/detail"));
    ensure!(cause == expected, "`{expected}` was expected: {answer}");
    Ok(())
}
