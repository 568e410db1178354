//! Time that the gate adds to a call of an MCP server over standard input and output.
//!
//! The server is this program with a variable set, so that both rows have the same one. The goal is 250 µs more. The
//! command has to be built before: `cargo build --release --bin portcullis`.

use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::{Value, json};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// Variable with which this program is the server.
const SERVER: &str = "PORTCULLIS_BENCH_SERVER";

/// Answers each request.
fn serve() -> io::Result<()> {
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let message: Value = serde_json::from_str(&line?)?;
        let Some(id) = message.get("id") else {
            continue;
        };
        let result = match message["method"].as_str() {
            Some("tools/list") => {
                json!({ "tools": [{ "name": "echo", "inputSchema": { "type": "object" } }] })
            }
            _ => json!({ "content": [{ "type": "text", "text": "hello" }] }),
        };
        let answer = json!({ "jsonrpc": "2.0", "id": id, "result": result });
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}

/// A client of a server, or of the gate in front of it.
struct Client {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    last: u64,
}

impl Client {
    fn start(command: &mut Command) -> Self {
        let mut child = command
            .env(SERVER, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (to, from) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut client = Self {
            child,
            to,
            from: BufReader::new(from),
            last: 0,
        };
        client.ask("tools/list", &json!({}));
        client
    }

    fn ask(&mut self, method: &str, params: &Value) -> String {
        self.last += 1;
        let request =
            json!({ "jsonrpc": "2.0", "id": self.last, "method": method, "params": params });
        writeln!(self.to, "{request}").unwrap();
        let mut answer = String::new();
        self.from.read_line(&mut answer).unwrap();
        answer
    }

    fn call(&mut self) {
        let params = json!({ "name": "echo", "arguments": { "message": "hello, who is there?" } });
        let answer = self.ask("tools/call", &params);
        assert!(answer.contains("\"result\""), "{answer}");
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder with a configuration that permits the call.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let plugin = portcullis_tests::guests::plugin("mcp-tools").unwrap();
    std::fs::write(folder.path().join("mcp-tools.wasm"), plugin).unwrap();
    let config = r#"
[mcp]
principal = "spiffe://acme.example/agent/desk"
[[integration]]
name = "echo"
actions = { echo = "read" }
[[integration.plugin]]
component = "mcp-tools.wasm"
settings = { tools = [{ tool = "echo" }] }
"#;
    std::fs::write(folder.path().join("portcullis.toml"), config).unwrap();
    folder
}

fn command() -> PathBuf {
    let this = std::env::current_exe().unwrap();
    let release = this.parent().and_then(Path::parent).unwrap();
    release.join("portcullis")
}

fn gate(c: &mut Criterion) {
    let this = std::env::current_exe().unwrap();
    let folder = folder();
    let mut group = c.benchmark_group("a call over standard input and output");
    let mut direct = Client::start(&mut Command::new(&this));
    group.bench_function("direct", |b| b.iter(|| direct.call()));
    let mut through = Client::start(
        Command::new(command())
            .args(["mcp", "--"])
            .arg(&this)
            .current_dir(folder.path()),
    );
    group.bench_function("through the gate", |b| b.iter(|| through.call()));
    group.finish();
}

fn all(c: &mut Criterion) {
    match std::env::var_os(SERVER) {
        Some(_) => serve().unwrap(),
        None => gate(c),
    }
}

criterion_group!(benches, all);
criterion_main!(benches);
