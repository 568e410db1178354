//! A folder with a configuration and plugins, in which the command runs.

mod request;
#[cfg(feature = "serve")]
mod serving;
mod snapshot;

pub(crate) use request::Request;
#[cfg(feature = "serve")]
pub(crate) use serving::{PATIENCE, Serving};
pub(crate) use snapshot::{Ran, Runs, each, equals};

use portcullis_host::Pdp;
use portcullis_tests::guests;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

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

/// Returns the key of a configuration with which all tests share the cache of compiled plugins.
pub(crate) fn cache() -> String {
    let path = concat!(env!("CARGO_TARGET_TMPDIR"), "/compiled");
    format!("cache = {{ path = {path:?} }}")
}

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
        folder.write("portcullis.toml", format!("{}{CONFIG}", cache()));
        folder
    }

    /// Adds tables to the configuration of [`Folder::with_plugins`].
    pub(crate) fn configure(&self, sections: &str) {
        let config = self.read("portcullis.toml");
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

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path().join(name)).unwrap()
    }

    pub(crate) fn remove(&self, name: &str) {
        fs::remove_file(self.path().join(name)).unwrap();
    }

    /// Replaces a text in a file, which has to occur in it.
    pub(crate) fn replace(&self, name: &str, from: &str, to: &str) {
        let before = self.read(name);
        let after = before.replace(from, to);
        assert_ne!(before, after, "{from}");
        self.write(name, after);
    }

    /// Starts a host with the configuration of the folder.
    pub(crate) fn host(&self) -> Pdp {
        Pdp::from_file(self.path().join("portcullis.toml")).unwrap()
    }

    /// Generates a key pair, `NAME.pem` and `NAME.json`.
    pub(crate) fn key(&self, name: &str) {
        let (private, public) = (format!("{name}.pem"), format!("{name}.json"));
        let key = ["intent", "key", "--private", &private, "--public", &public];
        self.run(&key).exits(0);
    }

    /// Evaluates a request.
    pub(crate) fn evaluate(&self, request: &Request) -> Ran {
        self.run_with(&["evaluate"], &request.to_string())
    }

    /// Runs `portcullis` in the folder.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(arguments, "")
    }

    /// Runs `portcullis` in the folder, with `input` on standard input.
    pub(crate) fn run_with(&self, arguments: &[&str], input: &str) -> Ran {
        // All tests share the builds of plugins.
        let target = if self.path().join("Cargo.toml").exists() {
            portcullis_tests::target_of_others()
        } else {
            portcullis_tests::target()
        };
        let mut child = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .args(arguments)
            .current_dir(self.path())
            .env("CARGO_TARGET_DIR", target)
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
