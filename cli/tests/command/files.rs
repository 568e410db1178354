//! `portcullis build`, `inspect` and `completions`.

use crate::common::{Folder, each};
use portcullis_tests::{guests, raw};
use serde_json::json;
use snapbox::str;

#[test]
fn inspect_reports_why_a_file_is_no_plugin() {
    let folder = Folder::new();
    folder.write("core.wasm", wat::parse_str("(module)").unwrap());
    folder.write("text.wasm", "hello");
    // The header of a component, and half a section.
    let section = portcullis_build::componentize(b"\0asm\x0d\0\x01\0", raw::MANIFEST).unwrap();
    folder.write("cut.wasm", &section[..section.len() / 2]);
    let imports = r#"(component (import "wasi:io/poll@0.2.0" (instance)))"#;
    folder.write("wasi.wasm", wat::parse_str(imports).unwrap());
    let other = r#"(component (instance $i) (export "a:b/c" (instance $i)))"#;
    folder.write("other.wasm", wat::parse_str(other).unwrap());
    each(
        [
            "core.wasm",
            "text.wasm",
            "cut.wasm",
            "wasi.wasm",
            "other.wasm",
            "none.wasm",
        ],
        |name| folder.run(&["inspect", name]),
    )
    .is(snapbox::file!["files/refused.txt"]);
}

#[test]
fn inspect_shows_the_manifest_of_a_plugin() {
    let folder = Folder::new();
    folder.write("p.wasm", guests::component("tests/guests/hostile").unwrap());
    folder.run(&["inspect", "p.wasm"]).is(str![[r#"
exit 0
-- stdout
hostile [VERSION]
description  A guest that does what a policy must not
contract     0.2.0
needs        action.name, context.visible, principal.attributes.visible
obligations  notification
settings     {"type":"object"}
digest       sha256:[DIGEST]
size         [SIZE] bytes
imports      none
exports      portcullis:policy/types@0.2.0, portcullis:policy/packed-policy@0.2.0
no problem found: a host would now compile it and try its settings
"#]]);
    let json = folder.run(&["inspect", "p.wasm", "--format", "json"]);
    let json = json.json();
    assert_eq!(json["manifest"]["name"], "hostile");
    assert_eq!(json["refusals"], json!([]));
}

#[test]
fn build_adds_the_manifest_to_a_component_of_another_tool() {
    let folder = Folder::new();
    folder.write("plugin.toml", raw::MANIFEST);
    // A component without a manifest, as built by `cargo component build`.
    let with = raw::component(&raw::answering(""));
    let section = portcullis_build::componentize(b"\0asm\x0d\0\x01\0", raw::MANIFEST).unwrap();
    folder.write("plain.wasm", &with[..with.len() - (section.len() - 8)]);
    folder.run(&["inspect", "plain.wasm"]).exits(3);
    folder
        .run(&["build", "plain.wasm", "--manifest", "plugin.toml"])
        .is(str![[r#"
exit 0
-- stdout
digest = "sha256:[DIGEST]"
-- stderr
built raw.wasm (8 KiB)
"#]]);
    folder.run(&["inspect", "raw.wasm"]).exits(0);
}

#[test]
fn build_refuses_files_that_are_no_component_or_manifest() {
    let folder = Folder::new();
    folder.write("plugin.toml", raw::MANIFEST);
    folder.write("text.wasm", "hello");
    folder.write("core.wasm", wat::parse_str("(module)").unwrap());
    folder.write("bad.toml", "name = \"x\"");
    each(
        [
            "text.wasm --manifest plugin.toml",
            "core.wasm --manifest plugin.toml",
            "core.wasm",
            "core.wasm --manifest bad.toml",
            ".",
        ],
        |arguments| {
            let arguments: Vec<_> = arguments.split(' ').collect();
            folder.run(&[&["build"], &arguments[..]].concat())
        },
    )
    .is(snapbox::file![
        "files/build-refuses-files-that-are-no-component-or-manifest.txt"
    ]);
}

#[test]
fn completions_have_the_subcommands() {
    let folder = Folder::new();
    for shell in ["bash", "zsh", "fish"] {
        // The text belongs to `clap_complete`.
        let ran = folder.run(&["completions", shell]);
        let script = &ran.exits(0).out;
        let subcommands = ["evaluate", "inspect"];
        assert!(subcommands.iter().all(|it| script.contains(it)), "{shell}");
    }
    folder.run(&["--help"]).exits(0);
    folder.run(&["no-such-verb"]).is(str![[r#"
exit 1
-- stderr
error: unrecognized subcommand 'no-such-verb'

Usage: portcullis <COMMAND>

For more information, try '--help'.
"#]]);
}

#[test]
fn inspect_prints_the_digest_and_size_of_a_file_over_the_limit() {
    let folder = Folder::new();
    let large = [&b"\0asm\x0d\0\x01\0"[..], &vec![0; 17 * 1024 * 1024]].concat();
    folder.write("large.wasm", &large);
    folder.run(&["inspect", "large.wasm"]).is(snapbox::str![[r#"
exit 3
-- stdout
digest       sha256:[DIGEST]
size         [SIZE] bytes
a host would refuse it: the file has at least 16777217 bytes, and its limit is 16777216: raise `component-bytes` if it should be that large
"#]]);
    let json = folder.run(&["inspect", "large.wasm", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    let digest = portcullis_host::Digest::of(&large).to_string();
    assert_eq!(
        (&json["digest"], &json["bytes"]),
        (&digest.into(), &large.len().into())
    );
    assert_eq!(json.get("imports"), None);
}

#[test]
fn inspect_names_the_size_and_the_limit_of_a_memory_or_table() {
    let folder = Folder::new();
    for (declared, begins, says) in [
        (
            "\"memory\") 65536",
            "its memory begins with 4294967296 bytes, and `memory-bytes`",
            "raise `memory-bytes`, to at most 67108864",
        ),
        (
            "\"memory\") 2) (table 5000 funcref",
            "its table begins with 5000 elements, and `table-elements`",
            "raise `table-elements`, to at most",
        ),
    ] {
        let module = raw::answering("").replace("\"memory\") 2", declared);
        folder.write("large.wasm", raw::component(&module));
        let ran = folder.run(&["inspect", "large.wasm"]);
        let out = &ran.exits(3).out;
        assert!(out.contains(begins) && out.contains(says), "{ran}");
    }
    folder.write("small.wasm", raw::component(&raw::answering("")));
    folder.run(&["inspect", "small.wasm"]).exits(0);
}
