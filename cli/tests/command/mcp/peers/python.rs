//! The Python SDK on both sides, over standard input and output and over HTTP, in both versions of the protocol.

use super::{python, scripts};
use crate::common::{Folder, Serving};
use crate::mcp::{FRONT_END, FRONT_END_AND_PEP, SAID, agent, bank};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

const VERSIONS: [(&str, &str); 2] = [("legacy", "2025-11-25"), ("2026-07-28", "2026-07-28")];

/// A server of the scripts over HTTP. It is killed at the end of the test.
pub(super) struct HttpServer {
    child: Child,
    pub(super) port: u16,
}

impl HttpServer {
    pub(super) fn start(python: &Path, script: &str) -> Self {
        let mut child = Command::new(python)
            .arg("-B")
            .arg(scripts().join(script))
            .arg("http")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        Self {
            child,
            port: line.trim().parse().unwrap(),
        }
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs the scripted agent, and returns what it printed.
fn scripted(python: &Path, folder: &Folder, mode: &str, servers: &Value) -> Value {
    let output = Command::new(python)
        .arg("-B")
        .arg(scripts().join("agent.py"))
        .args([mode, &servers.to_string()])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"))
}

/// The handle of a session that the front end opened with the user's words.
fn opened(serving: &Serving) -> Value {
    let opened = crate::mcp::http::post(
        &serving.address,
        "/sessions/v1/open",
        &[("Authorization", &format!("Bearer {FRONT_END}"))],
        &json!({ "principal": crate::mcp::AGENT, "intent": "int-1", "said": [SAID] }),
    );
    opened.json()["session"].clone()
}

/// The agent read a poisoned payment and a poisoned mail, and was denied; the user's own transfer was permitted.
fn is_the_story(seen: &Value, version: &str) {
    assert_eq!(seen["version"], version, "{seen}");
    assert_eq!(
        seen["tools"],
        json!(["list_payments", "send_money", "read_inbox"]),
        "{seen}"
    );
    for (at, sentence) in [
        (
            "of-payment",
            "it stands in the text `/result/1/subject` of result",
        ),
        (
            "of-mail",
            "it stands in the text `/result/0/body` of result",
        ),
    ] {
        let denied = seen[at]["error"]
            .as_str()
            .unwrap_or_else(|| panic!("{seen}"));
        assert!(
            denied.contains(sentence) && denied.contains("`/recipient`"),
            "{denied}"
        );
    }
    assert_eq!(
        seen["own"]["text"], "sent 980.0 to DE89370400440532013000",
        "{seen}"
    );
    assert!(seen["deleted"]["error"].is_string(), "{seen}");
}

/// The log has what happened, and a replay decides the same.
fn is_told(folder: &Folder) {
    let replayed = folder.run(&["replay", "--config", "portcullis.toml", "decisions.jsonl"]);
    replayed.exits(0);
    let log = folder.read("decisions.jsonl");
    for told in [
        "tool:list_payments~/result/*/subject",
        "tool:read_inbox~/result/*/body",
        "outside-intent",
    ] {
        assert!(log.contains(told), "{told}");
    }
}

fn command(python: &Path, script: &str) -> String {
    format!(
        "command = [{:?}, \"-B\", {:?}]\n",
        python,
        scripts().join(script)
    )
}

#[test]
fn two_servers_share_one_ledger_over_standard_input_and_output() {
    let Some(python) = python() else { return };
    for (mode, version) in VERSIONS {
        let servers = format!(
            "[[mcp.server]]\nintegration = \"bank\"\n{}[[mcp.server]]\nintegration = \"mail\"\n{}",
            command(&python, "bank.py"),
            command(&python, "mail.py")
        );
        let folder = bank(&format!("{}{FRONT_END_AND_PEP}", agent(&servers)));
        let serving = Serving::start(&folder, &[]);
        let session = opened(&serving);
        let gate = |name: &str| {
            json!({ "command": env!("CARGO_BIN_EXE_portcullis"), "session": session, "arguments": [
                "mcp", "--integration", name, "--serve", format!("http://{}", serving.address), "--token", "pep.token",
            ] })
        };
        let seen = scripted(&python, &folder, mode, &json!([gate("bank"), gate("mail")]));
        is_the_story(&seen, version);
        serving.stop();
        is_told(&folder);
    }
}

#[test]
fn two_servers_share_one_ledger_over_http() {
    let Some(python) = python() else { return };
    for (mode, version) in VERSIONS {
        let (bank_server, mail_server) = (
            HttpServer::start(&python, "bank.py"),
            HttpServer::start(&python, "mail.py"),
        );
        let server = |name: &str, port: u16| {
            format!(
                "[[mcp.server]]\nintegration = \"{name}\"\nurl = \"http://127.0.0.1:{port}/mcp\"\n"
            )
        };
        let servers = server("bank", bank_server.port) + &server("mail", mail_server.port);
        let front_end = "[[sessions.front-end]]\nid = \"desk\"\ntoken-file = \"front-end.token\"\n";
        let folder = bank(&format!("{}{front_end}", agent(&servers)));
        let serving = Serving::start(&folder, &[]);
        let session = opened(&serving);
        let gate = |name: &str| json!({ "url": format!("http://{}/mcp/{name}", serving.address), "session": session });
        let seen = scripted(&python, &folder, mode, &json!([gate("bank"), gate("mail")]));
        is_the_story(&seen, version);
        serving.stop();
        is_told(&folder);
    }
}
