//! The conformance suite of MCP, through the gate.

use super::{node, path_with, scripts};
use crate::common::{Folder, Serving, cache};
use portcullis_tests::guests;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

#[test]
fn the_suite_passes_through_the_gate() {
    let Some((node, packages)) = node() else {
        return;
    };
    // The script imports the SDK, so that it has to be beside the packages.
    let script = packages.join("conformance-server.mjs");
    fs::copy(scripts().join("conformance-server.mjs"), &script).unwrap();
    let mut server = Command::new(&node)
        .arg(&script)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut port = String::new();
    BufReader::new(server.stdout.take().unwrap())
        .read_line(&mut port)
        .unwrap();
    let folder = Folder::new();
    folder.write("mcp-tools.wasm", guests::plugin("mcp-tools").unwrap());
    folder.write(
        "portcullis.toml",
        format!(
            r#"{}
limits = {{ deadline = "5s" }}
[mcp]
principal = "spiffe://acme.example/agent/desk"
[[mcp.server]]
integration = "suite"
url = "http://127.0.0.1:{}/mcp"
from-server = ["elicitation/create", "roots/list", "sampling/createMessage"]
[[integration]]
name = "suite"
[[integration.plugin]]
component = "mcp-tools.wasm"
settings = {{ tools = [{{ tool = "**", input-responses = true }}] }}
"#,
            cache(),
            port.trim()
        ),
    );
    let serving = Serving::start(&folder, &[]);
    let suite = packages.join("node_modules/@modelcontextprotocol/conformance/dist/index.js");
    let output = Command::new(&node)
        .arg(suite)
        .args([
            "server",
            "--url",
            &format!("http://{}/mcp/suite", serving.address),
        ])
        .env("PATH", path_with(&node))
        .current_dir(folder.path())
        .output()
        .unwrap();
    let _ = server.kill();
    let _ = server.wait();
    let said = String::from_utf8_lossy(&output.stdout);
    let summary = said
        .split("=== SUMMARY ===")
        .nth(1)
        .unwrap_or_else(|| panic!("{said}"));
    let scenarios = summary
        .lines()
        .filter(|line| line.contains("passed, ") && line.contains(": "));
    let scenarios: Vec<_> = scenarios
        .filter(|line| !line.starts_with("Total"))
        .collect();
    assert!(scenarios.len() >= 30, "{summary}");
    for line in scenarios {
        assert!(line.ends_with(" 0 failed"), "{line}\n{summary}");
    }
}
