//! The Rust SDK as the client of a server in Python, over standard input and output, in both versions of the protocol.
//!
//! Its build takes a minute, so that it runs only if the peers are required.

use super::{is_required, python, scripts};
use crate::mcp::{agent, bank};
use serde_json::{Value, json};
use std::io::Write as _;
use std::process::Command;

#[test]
fn a_client_in_rust_and_a_server_in_python() {
    if !is_required() {
        let _ = writeln!(
            std::io::stderr(),
            "skipped: the client in Rust is built with PORTCULLIS_REQUIRE_PEERS=1"
        );
        return;
    }
    let Some(python) = python() else { return };
    let target = portcullis_tests::target_of_others();
    let manifest = portcullis_tests::root().join("tests/mcp-rust/Cargo.toml");
    let built = Command::new(env!("CARGO"))
        .args([
            "build",
            "--release",
            "--locked",
            "--quiet",
            "--manifest-path",
        ])
        .arg(manifest)
        .arg("--target-dir")
        .arg(&target)
        .status();
    assert!(built.unwrap().success());
    let folder = bank(&agent(""));
    for lifecycle in ["initialize", "discover"] {
        let output = Command::new(target.join("release/mcp-rust"))
            .args([lifecycle, env!("CARGO_BIN_EXE_portcullis")])
            .args(["mcp", "--integration", "bank", "--said", "said.txt", "--"])
            .arg(&python)
            .arg("-B")
            .arg(scripts().join("bank.py"))
            .current_dir(folder.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let seen: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {said}"));
        assert_eq!(
            seen["tools"],
            json!(["list_payments", "send_money"]),
            "{seen}"
        );
        let denied = seen["denied"].as_str().unwrap_or_else(|| panic!("{seen}"));
        assert!(
            denied.contains("it stands in the text `/result/1/subject`"),
            "{denied}"
        );
        assert!(seen["own"].to_string().contains("sent 980"), "{seen}");
    }
}
