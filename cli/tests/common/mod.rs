//! A folder with a configuration and plugins, in which the command runs.

#![allow(dead_code, reason = "not every test file uses all of it")]

use portcullis_tests::guests;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// The output of the command, and its exit code.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// The configuration of [`Folder::with_plugins`], without its first line.
const CONFIG: &str = r#"
limits = { deadline = "2s" }

[[integration]]
name = "files"
[[integration.plugin]]
component = "mcp-tools.wasm"
settings = { tools = [{ tool = "read", arguments = [{ path = "/path", op = "under", value = "/w" }] }] }

[[integration]]
name = "looping"
[[integration.plugin]]
component = "hostile.wasm"
settings = { behaviour = "loop" }
limits = { deadline = "10ms" }

[[integration]]
name = "panicking"
[[integration.plugin]]
component = "hostile.wasm"
settings = { behaviour = "panic" }
"#;

/// A temporary folder.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    /// Creates a folder with the hostile guest in several integrations.
    ///
    /// One permits, one denies because an argument is missing, one loops and one panics.
    pub(crate) fn with_plugins() -> Self {
        let folder = Self::new();
        folder.write(
            "hostile.wasm",
            guests::component("tests/guests/hostile").unwrap(),
        );
        folder.write("mcp-tools.wasm", guests::plugin("mcp-tools").unwrap());
        // All tests share the cache of compiled plugins.
        let cache = concat!(env!("CARGO_TARGET_TMPDIR"), "/compiled");
        folder.write(
            "portcullis.toml",
            format!("cache = {{ path = {cache:?} }}{CONFIG}"),
        );
        folder
    }

    /// Adds tables to the configuration of [`Folder::with_plugins`].
    pub(crate) fn configure(&self, sections: &str) {
        let config = fs::read_to_string(self.path().join("portcullis.toml")).unwrap();
        // Top-level keys must come before the first table.
        let (limits, integrations) = config.split_once("\n\n").unwrap();
        self.write(
            "portcullis.toml",
            format!("{limits}\n{sections}\n{integrations}"),
        );
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let file = self.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, content).unwrap();
        file
    }

    /// Runs `portcullis` in the folder.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(arguments, "")
    }

    /// Runs `portcullis` in the folder, with `input` on standard input.
    pub(crate) fn run_with(&self, arguments: &[&str], input: &str) -> Ran {
        let mut child = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .args(arguments)
            .current_dir(self.path())
            // All tests share the builds of plugins.
            .env(
                "CARGO_TARGET_DIR",
                portcullis_tests::root().join("target/author"),
            )
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // The command may exit before it has read all input.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        Ran {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Returns an AuthZEN request for an integration, with one argument.
pub(crate) fn request(integration: &str, action: &str, path: &str) -> String {
    format!(
        r#"{{"subject":{{"type":"agent","id":"spiffe://a.example/x"}},"action":{{"name":"{action}","properties":{{"path":"{path}"}}}},"resource":{{"type":"t","id":"r"}},"context":{{"integration":"{integration}"}}}}"#
    )
}
