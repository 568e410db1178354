//! `portcullis build`, `inspect` and `completions`.

mod common;

use common::Folder;
use portcullis_tests::{guests, raw};
use serde_json::Value;

#[test]
fn inspect_says_why_a_file_would_be_refused() {
    let folder = Folder::new();
    let whole = guests::component("tests/guests/hostile").unwrap();
    let imports =
        wat::parse_str(r#"(component (import "wasi:io/poll@0.2.0" (instance)))"#).unwrap();
    let other =
        wat::parse_str(r#"(component (instance $i) (export "a:b/c" (instance $i)))"#).unwrap();
    for (name, bytes, found, remedy) in [
        (
            "core.wasm",
            wat::parse_str("(module)").unwrap(),
            "a core module",
            "portcullis build",
        ),
        (
            "text.wasm",
            b"hello".to_vec(),
            "a text file",
            "portcullis build",
        ),
        (
            "cut.wasm",
            whole[..whole.len() / 2].to_vec(),
            "damaged at byte",
            "again",
        ),
        (
            "wasi.wasm",
            imports,
            "imports `wasi:io/poll@0.2.0`",
            "wasm32-unknown-unknown",
        ),
        ("other.wasm", other, "but `a:b/c`", "portcullis-sdk"),
    ] {
        folder.write(name, bytes);
        let ran = folder.run(&["inspect", name]);
        assert_eq!(ran.code, 3, "{name}");
        assert!(
            ran.out.contains(found) && ran.out.contains(remedy),
            "{name}: {}",
            ran.out
        );
    }
    assert_eq!(folder.run(&["inspect", "none.wasm"]).code, 1);
}

#[test]
fn inspect_shows_what_a_plugin_says_of_itself() {
    let folder = Folder::new();
    folder.write("p.wasm", guests::component("tests/guests/hostile").unwrap());
    let ran = folder.run(&["inspect", "p.wasm"]);
    assert_eq!(ran.code, 0);
    for shown in [
        "hostile 0.1.0",
        "action.name, context.visible",
        "imports      none",
        "sha256:",
        "no problem found",
    ] {
        assert!(ran.out.contains(shown), "{shown} is not in {}", ran.out);
    }
    let json: Value =
        serde_json::from_str(&folder.run(&["inspect", "p.wasm", "--format", "json"]).out).unwrap();
    assert_eq!(json["manifest"]["name"], "hostile");
    assert_eq!(json["refusals"], serde_json::json!([]));
}

#[test]
fn build_makes_a_component_of_what_another_tool_built() {
    let folder = Folder::new();
    folder.write("plugin.toml", raw::MANIFEST);
    // A component without a manifest, as built by `cargo component build`.
    let with = raw::component(&raw::answering(""));
    let section = portcullis_build::componentize(b"\0asm\x0d\0\x01\0", raw::MANIFEST).unwrap();
    folder.write("plain.wasm", &with[..with.len() - (section.len() - 8)]);
    assert_eq!(folder.run(&["inspect", "plain.wasm"]).code, 3);
    let ran = folder.run(&["build", "plain.wasm", "--manifest", "plugin.toml"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.starts_with("digest = \"sha256:"), "{}", ran.out);
    assert_eq!(folder.run(&["inspect", "raw.wasm"]).code, 0);
}

#[test]
fn build_refuses_what_is_no_plugin() {
    let folder = Folder::new();
    folder.write("plugin.toml", raw::MANIFEST);
    folder.write("text.wasm", "hello");
    folder.write("core.wasm", wat::parse_str("(module)").unwrap());
    folder.write("bad.toml", "name = \"x\"");
    for (arguments, says) in [
        (
            vec!["build", "text.wasm", "--manifest", "plugin.toml"],
            "not a WebAssembly binary",
        ),
        (
            vec!["build", "core.wasm", "--manifest", "plugin.toml"],
            "describes no component",
        ),
        (vec!["build", "core.wasm"], "add `--manifest plugin.toml`"),
        (
            vec!["build", "core.wasm", "--manifest", "bad.toml"],
            "bad.toml",
        ),
        (vec!["build", "."], "Cargo.toml"),
    ] {
        let ran = folder.run(&arguments);
        assert_eq!(ran.code, 3, "{arguments:?}: {}", ran.err);
        assert!(ran.err.contains(says), "{arguments:?}: {}", ran.err);
    }
}

#[test]
fn completions_know_the_verbs() {
    let folder = Folder::new();
    for shell in ["bash", "zsh", "fish"] {
        let ran = folder.run(&["completions", shell]);
        assert_eq!(ran.code, 0);
        assert!(
            ran.out.contains("evaluate") && ran.out.contains("inspect"),
            "{shell}"
        );
    }
    assert_eq!(folder.run(&["--help"]).code, 0);
    assert_eq!(folder.run(&["no-such-verb"]).code, 1);
}
