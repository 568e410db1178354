//! Servers of npm: a starter configuration of each, and calls through the gate.

use super::{node, path_with, python, scripts};
use crate::common::Folder;
use portcullis_tests::guests;
use serde_json::{Value, json};
use std::process::Command;

/// A server, the tool that is opened, its arguments, and a text in the result.
const SERVERS: [(&str, &str, &str, &str, &str); 3] = [
    (
        "files",
        "server-filesystem",
        "read_text_file",
        "{\"path\": \"FOLDER/a.txt\"}",
        "hello from a file",
    ),
    ("memory", "server-memory", "read_graph", "{}", "entities"),
    (
        "everything",
        "server-everything",
        "echo",
        "{\"message\": \"hello\"}",
        "Echo: hello",
    ),
];

#[test]
fn servers_of_npm_are_opened_tool_by_tool() {
    let (Some(python), Some((node, packages))) = (python(), node()) else {
        return;
    };
    for (name, package, tool, arguments, expected) in SERVERS {
        let folder = Folder::new();
        folder.write("mcp-tools.wasm", guests::plugin("mcp-tools").unwrap());
        folder.write("a.txt", "hello from a file");
        // The server resolves links, such as that of a temporary folder.
        let here = folder.path().canonicalize().unwrap();
        let server = packages.join(format!(
            "node_modules/@modelcontextprotocol/{package}/dist/index.js"
        ));
        let ran = folder.run(&[
            "mcp",
            "init",
            "--integration",
            name,
            "--",
            node.to_str().unwrap(),
            server.to_str().unwrap(),
            if name == "everything" {
                "stdio"
            } else {
                here.to_str().unwrap()
            },
        ]);
        ran.exits(0);
        folder.run(&["check", "portcullis.toml"]).exits(0);
        let arguments: Value =
            serde_json::from_str(&arguments.replace("FOLDER", here.to_str().unwrap())).unwrap();
        let call = |folder: &Folder| {
            let gate = json!({ "command": env!("CARGO_BIN_EXE_portcullis"), "arguments": ["mcp"] });
            let output = Command::new(&python)
                .arg("-B")
                .arg(scripts().join("call.py"))
                .args([gate.to_string(), tool.to_owned(), arguments.to_string()])
                .env("PATH", path_with(&node))
                .current_dir(folder.path())
                .output()
                .unwrap();
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        assert!(call(&folder).contains("error"), "{name}");
        // The operator opens one tool.
        let rule = format!("tool = \"{tool}\"");
        folder.replace("portcullis.toml", "tool = \"no-tool-is-open\"", &rule);
        let answer = call(&folder);
        assert!(answer.contains(expected), "{name}: {answer}");
    }
}
