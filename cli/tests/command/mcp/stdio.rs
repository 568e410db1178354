//! `portcullis mcp`: the gate between an agent and a server's process.

use super::scripted::{answer, heard, hello, payments, server, tools};
use super::{AGENT, ATTACKER, LANDLORD, agent, bank};
use crate::common::Folder;
use serde_json::{Value, json};

const COMMAND: [&str; 2] = ["sh", "server.sh"];

fn request(id: &str, method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}

fn call(id: &str, tool: &str, arguments: Value) -> Value {
    request(
        id,
        "tools/call",
        json!({ "name": tool, "arguments": arguments }),
    )
}

/// The lines of a session in which the agent is told to pay an attacker.
fn session() -> Vec<Value> {
    vec![
        request(
            "i",
            "initialize",
            json!({ "protocolVersion": "2025-11-25" }),
        ),
        json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
        request("l", "tools/list", json!({})),
        call("p", "list_payments", json!({})),
    ]
}

fn answers() -> Vec<String> {
    let content = json!([{ "type": "text", "text": payments().to_string() }]);
    vec![
        answer(1, &hello()),
        String::new(),
        answer(2, &json!({ "tools": tools() })),
        answer(3, &json!({ "content": content })),
    ]
}

#[test]
fn a_call_is_decided_with_what_the_session_saw_and_the_server_gets_what_is_permitted() {
    let folder = bank(&agent(""));
    let mut answers = answers();
    answers.push(answer(4, &json!({ "content": [] })));
    server(&folder, &answers, false);
    // The client writes each line when the one before is answered.
    let mut client = Client::start(&folder);
    for line in session() {
        client.send(&line);
        if line.get("id").is_some() {
            client.read();
        }
    }
    client.send(&call(
        "evil",
        "send_money",
        json!({ "recipient": ATTACKER, "amount": 500 }),
    ));
    let denied = client.read();
    assert_eq!(denied["error"]["code"], -31001);
    let message = denied["error"]["message"].as_str().unwrap();
    assert!(
        message.contains("`/recipient`: it stands in the text `/1/subject`"),
        "{message}"
    );
    client.send(&call(
        "own",
        "send_money",
        json!({ "recipient": LANDLORD, "amount": 980 }),
    ));
    assert_eq!(client.read()["result"], json!({ "content": [] }));
    let (code, said) = client.end();
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("bank: denied `send_money`: outside-intent"),
        "{said}"
    );
    let heard = heard(&folder);
    let methods: Vec<_> = heard
        .iter()
        .map(|it| it["method"].as_str().unwrap())
        .collect();
    assert_eq!(
        methods,
        [
            "initialize",
            "notifications/initialized",
            "tools/list",
            "tools/call",
            "tools/call"
        ]
    );
    folder
        .run(&["replay", "--config", "portcullis.toml", "decisions.jsonl"])
        .exits(0);
    let log = folder.read("decisions.jsonl");
    assert!(log.contains("tool:list_payments~/*/subject"));
    assert!(log.contains(AGENT));
}

#[test]
fn a_server_that_ends_fails_the_calls_in_flight() {
    let folder = bank(&agent(""));
    let mut answers = answers();
    answers.pop();
    answers.push(String::new());
    server(&folder, &answers, true);
    let mut client = Client::start(&folder);
    for line in session().into_iter().take(3) {
        client.send(&line);
        if line.get("id").is_some() {
            client.read();
        }
    }
    client.send(&call("p", "list_payments", json!({})));
    let failed = client.read();
    assert_eq!(failed["error"]["code"], -31004);
    assert_eq!(failed["id"], "p");
    assert_eq!(client.end().0, Some(1));
}

#[test]
fn a_message_of_the_server_that_is_too_long_ends_it() {
    let folder = bank(&agent(
        "[[mcp.server]]\nintegration = \"bank\"\ncommand = [\"sh\", \"server.sh\"]\nmax-message-bytes = 2000\n",
    ));
    let mut answers = answers();
    answers[2] = answer(2, &json!({ "tools": [], "x": "x".repeat(4000) }));
    server(&folder, &answers, false);
    let mut client = Client::start(&folder);
    for line in session().into_iter().take(2) {
        client.send(&line);
    }
    client.read();
    client.send(&request("l", "tools/list", json!({})));
    let failed = client.read();
    assert_eq!(failed["error"]["code"], -31004);
    let message = failed["error"]["message"].as_str().unwrap();
    assert!(message.contains("more than 2000 bytes"), "{message}");
    assert_eq!(client.end().0, Some(1));
}

#[test]
fn the_credential_of_a_server_is_its_own_and_ends() {
    let section = |expires: &str| {
        agent(&format!(
            "[[mcp.server]]\nintegration = \"bank\"\ncommand = [\"sh\", \"-c\", \"echo $BANK_TOKEN > env.txt\"]\n[mcp.server.credential]\nfile = \"bank.token\"\nenvironment = \"BANK_TOKEN\"\nowner = \"ops@acme.example\"\nexpires = {expires}\n"
        ))
    };
    let folder = bank(&section("2099-01-01T00:00:00Z"));
    folder.write("bank.token", "s3cr3t-of-the-bank\n");
    // The server ends by itself, as its client does.
    folder.run_with(&["mcp", "--integration", "bank"], "");
    assert_eq!(folder.read("env.txt").trim(), "s3cr3t-of-the-bank");
    let folder = bank(&section("2026-01-01T00:00:00Z"));
    folder.write("bank.token", "s3cr3t-of-the-bank\n");
    let ran = folder.run_with(&["mcp", "--integration", "bank"], "");
    ran.exits(1);
    assert!(
        ran.err.contains("ops@acme.example has to renew it"),
        "{}",
        ran.err
    );
    assert!(!ran.err.contains("s3cr3t"));
}

#[test]
fn clear_errors_say_what_is_missing() {
    let folder = bank("");
    for (flags, expected) in [
        (vec!["mcp"], "name that of the server with `--integration`"),
        (
            vec!["mcp", "--integration", "bnak", "--", "true"],
            "it has `bank`, `mail`",
        ),
        (
            vec!["mcp", "--integration", "bank"],
            "there is no `[[mcp.server]]` of integration `bank`",
        ),
        (
            vec!["mcp", "--integration", "bank", "--", "true"],
            "name its SPIFFE ID with `--principal`",
        ),
        (
            vec![
                "mcp",
                "--integration",
                "bank",
                "--principal",
                AGENT,
                "--",
                "./no-such-server",
            ],
            "cannot start the server `./no-such-server`",
        ),
    ] {
        let ran = folder.run(&flags);
        ran.exits(1);
        assert!(ran.err.contains(expected), "{flags:?}: {}", ran.err);
    }
    for (section, expected) in [
        (
            "[mcp]\nprincipal = \"desk\"\n",
            "`principal` is not a SPIFFE ID",
        ),
        ("[mcp]\nprincipl = \"x\"\n", "principl"),
        (
            "[[mcp.server]]\nintegration = \"bnak\"\ncommand = [\"x\"]\n",
            "do you mean `bank`?",
        ),
        (
            "[[mcp.server]]\nintegration = \"bank\"\n",
            "either a `command`",
        ),
        (
            "[[mcp.server]]\nintegration = \"bank\"\nurl = \"http://bank.example/\"\n",
            "`url` is not one of HTTP",
        ),
        (
            "[[mcp.server]]\nintegration = \"bank\"\ncommand = [\"x\"]\ntools = \"none.json\"\n",
            "none.json: cannot be read",
        ),
        (
            "[[mcp.server]]\nintegration = \"bank\"\ncommand = [\"x\"]\nfrom-server = [\"x\"]\n",
            "no request that a gate passes on",
        ),
        (
            "[[sessions.front-end]]\nid = \"x\"\ntoken-file = \"none\"\n",
            "none: cannot be read",
        ),
    ] {
        let folder = bank(section);
        let ran = folder.run(&["check", "portcullis.toml"]);
        ran.exits(3);
        assert!(
            ran.err.contains(expected),
            "{section}: {}{}",
            ran.out,
            ran.err
        );
    }
}

/// A client that waits for answers.
struct Client {
    gate: std::process::Child,
    answers: std::io::Lines<std::io::BufReader<std::process::ChildStdout>>,
}

impl Client {
    fn start(folder: &Folder) -> Self {
        use std::io::{BufRead as _, BufReader};
        use std::process::{Command, Stdio};
        let mut gate = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .args(["mcp", "--integration", "bank", "--said", "said.txt", "--"])
            .args(COMMAND)
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let answers = BufReader::new(gate.stdout.take().unwrap()).lines();
        Self { gate, answers }
    }

    fn send(&mut self, message: &Value) {
        use std::io::Write as _;
        writeln!(self.gate.stdin.as_mut().unwrap(), "{message}").unwrap();
    }

    fn read(&mut self) -> Value {
        serde_json::from_str(&self.answers.next().unwrap().unwrap()).unwrap()
    }

    /// Closes its side. Returns the gate's exit code, and what it said.
    fn end(mut self) -> (Option<i32>, String) {
        drop(self.gate.stdin.take());
        let output = self.gate.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), said)
    }
}
