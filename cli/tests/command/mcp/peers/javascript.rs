//! The client of npm, over HTTP, in both versions of the protocol.

use super::python::HttpServer;
use super::{node, path_with, python, scripts};
use crate::common::Serving;
use crate::mcp::{agent, bank};
use serde_json::Value;
use std::fs;
use std::process::Command;

#[test]
fn a_client_in_javascript_and_a_server_in_python() {
    let (Some(python), Some((node, packages))) = (python(), node()) else {
        return;
    };
    let server = HttpServer::start(&python, "bank.py");
    let section = format!(
        "[[mcp.server]]\nintegration = \"bank\"\nurl = \"http://127.0.0.1:{}/mcp\"\n",
        server.port
    );
    let folder = bank(&agent(&section));
    let serving = Serving::start(&folder, &[]);
    // The script imports the SDK, so that it has to be beside the packages.
    let script = packages.join("client.mjs");
    fs::copy(scripts().join("client.mjs"), &script).unwrap();
    for mode in ["legacy", "2026-07-28"] {
        let output = Command::new(&node)
            .arg(&script)
            .args([mode, &format!("http://{}/mcp/bank", serving.address)])
            .env("PATH", path_with(&node))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let seen: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {said}"));
        assert_eq!(
            seen["tools"],
            serde_json::json!(["list_payments", "send_money"]),
            "{seen}"
        );
        assert!(
            seen["payments"].as_str().unwrap().contains("rent"),
            "{seen}"
        );
        assert_eq!(seen["denied"]["code"], -31001, "{seen}");
        assert_eq!(seen["deleted"]["code"], -31001, "{seen}");
    }
}
