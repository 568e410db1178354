//! Files that are missing, folders, or of another kind, and places that cannot be written to.

use crate::common::{Folder, each};
use portcullis_tests::raw;
use std::fs;

fn folder() -> Folder {
    let folder = Folder::new();
    fs::create_dir(folder.path().join("folder")).unwrap();
    folder.write("text", "hello");
    folder.write("empty.toml", "");
    folder.write("bytes", b"\x00\x01\xff");
    folder.write("plugin.wasm", raw::component(&raw::answering("")));
    folder.write("plugin.toml", raw::MANIFEST);
    folder.write(
        "portcullis.toml",
        "[[integration]]\nname = \"x\"\n[[integration.plugin]]\ncomponent = \"plugin.wasm\"\n",
    );
    folder.key("key");
    folder
}

fn all(folder: &Folder, commands: &[&str]) -> crate::common::Runs {
    each(commands, |command| {
        folder.run(&command.split(' ').collect::<Vec<_>>())
    })
}

#[test]
fn a_file_that_cannot_be_read_is_named_with_its_remedy() {
    let folder = folder();
    all(
        &folder,
        &[
            "check none.toml",
            "check folder",
            "check bytes",
            "evaluate --request none.json",
            "evaluate --request folder",
            "bench --requests folder",
            "diff portcullis.toml portcullis.toml --requests none.json",
            "inspect none.wasm",
            "inspect folder",
            "build plugin.wasm --manifest none.toml",
            "build plugin.wasm --manifest bytes",
            "test none",
            "intent sign none.json --key key.pem",
            "intent verify none",
            "intent verify text",
            "registry lint none.toml",
            "registry lint empty.toml --owners folder",
            "revoke --checkpoint --list list.jsonl --key none.pem",
            "state accept list --by alice --reason lost",
        ],
    )
    .is(snapbox::file!["inputs/unread.txt"]);
}

#[test]
fn a_place_that_cannot_be_written_to_is_named_with_its_remedy() {
    let folder = folder();
    all(
        &folder,
        &[
            "build plugin.wasm --manifest plugin.toml --output none/plugin.wasm",
            "build plugin.wasm --manifest plugin.toml --output folder",
            "intent key --private key.pem --public key.json",
            "intent key --private key.pem --public other.json",
            "intent key --private none/key.pem --public none/key.json",
            "revoke --checkpoint --list none/list.jsonl",
            "revoke --checkpoint --list folder",
        ],
    )
    .is(snapbox::file!["inputs/unwritten.txt"]);
    // The public key was removed with the private one that could not be written.
    assert!(!folder.path().join("other.json").exists());
    folder
        .run(&["intent", "key", "--private", "b.pem", "--public", "b.json"])
        .exits(0);
}

#[cfg(feature = "serve")]
#[test]
fn files_of_the_server_are_named_with_their_remedy() {
    let folder = folder();
    all(
        &folder,
        &[
            "serve --config none.toml",
            "serve --observe --log none/observed.jsonl",
            "serve --observe --log folder",
            "status --config none.toml",
            "status --admin http://127.0.0.1:1 --token-file none",
            "status --admin https://127.0.0.1:1 --authorities none.pem",
            "status --admin https://127.0.0.1:1 --authorities text",
        ],
    )
    .is(snapbox::file!["inputs/server.txt"]);
}

#[test]
fn an_empty_folder_is_not_passed_in_silence() {
    let folder = folder();
    all(
        &folder,
        &[
            "intent verify folder",
            "intent explain int-1 folder",
            "registry lint folder",
            "registry lint empty.toml",
        ],
    )
    .is(snapbox::file!["inputs/empty.txt"]);
}

#[test]
fn narrowing_needs_a_log_or_a_delegate() {
    let folder = folder();
    let narrow = |more: &str| {
        let command = format!("intent narrow intent.json --for 1h{more}");
        folder.run(&command.split(' ').collect::<Vec<_>>())
    };
    let ran = narrow("");
    let err = &ran.exits(1).err;
    assert!(err.contains("--log") && err.contains("--to"), "{ran}");
    // With either, the intent itself is read.
    for more in [" --to spiffe://a.example/y", " --log decisions.jsonl"] {
        let ran = narrow(more);
        assert!(ran.exits(1).err.starts_with("error: cannot read "), "{ran}");
    }
}
