//! Revocation lists whose head is signed.

use super::{LIST, revoke};
use crate::common::{Folder, Request, each};
use snapbox::str;
use std::fs;

#[test]
fn relies_on_a_list_only_while_its_head_is_signed() {
    let folder = Folder::with_plugins();
    folder.key("alice");
    folder.key("mallory");
    let signers = "signers = { \"alice@a.example\" = \"alice.json\" }\n";
    folder.configure(&format!("{LIST}{signers}"));
    let request = Request::new("files", "read").argument("path", "/w/a");
    let evaluate = || folder.evaluate(&request);
    let checkpoint = |more: &[&str]| folder.run(&[&["revoke", "--checkpoint"][..], more].concat());
    // Without a signature, hosts would deny everything.
    checkpoint(&[]).is(str![""]);
    // The same applies if the configured list is named by `--list`.
    checkpoint(&["--list", "./revocations.jsonl"]).is(str![""]);
    let file = folder.path().join("revocations.jsonl");
    // A list at another path is not the configured one.
    let elsewhere = |arguments: &[&str]| {
        let beside = folder.path().join("beside.jsonl");
        if file.exists() {
            fs::copy(&file, &beside).unwrap();
        }
        let added = [arguments, &["--list", "beside.jsonl"]].concat();
        folder.run(&added).exits(0);
        fs::rename(beside, &file).unwrap();
    };
    elsewhere(&["revoke", "--checkpoint"]);
    evaluate().is(str![""]);
    // A key that hosts do not trust writes nothing.
    let before = fs::read(&file).unwrap();
    checkpoint(&["--key", "mallory.pem"]).is(str![""]);
    assert_eq!(fs::read(&file).unwrap(), before);
    checkpoint(&["--key", "alice.pem"]).is(str![""]);
    evaluate().exits(0);
    let principal = "spiffe://a.example/x";
    revoke(&folder, "principal", principal, &["--key", "alice.pem"]).exits(0);
    evaluate().is(str![""]);
    // An untrusted or unsigned lift: hosts deny everything, and alice's key does not sign over it.
    let whole = fs::read(&file).unwrap();
    each(["--key mallory.pem", ""], |more| {
        let flags = ["revoke", "principal", principal, "--lift"];
        let by = ["--reason", "r", "--by", "alice"];
        let more: Vec<_> = more.split_whitespace().collect();
        elsewhere(&[&flags[..], &by, &more].concat());
        let denied = evaluate();
        let refused = checkpoint(&["--key", "alice.pem"]);
        // After an inspection, alice signs the lines explicitly.
        checkpoint(&["--sign-anew", "--key", "alice.pem"]).exits(0);
        evaluate().exits(0);
        fs::write(&file, &whole).unwrap();
        format!("{denied}{refused}")
    })
    .is(str![""]);
    each(
        [
            "revoke --checkpoint --sign-anew",
            "revoke --sign-anew --key alice.pem",
        ],
        |command| folder.run(&command.split(' ').collect::<Vec<_>>()),
    )
    .is(str![""]);
    // After a key was replaced, the new key signs the lines of the old one.
    folder.key("new");
    let old = folder.read("alice.json");
    folder.write("alice.json", folder.read("new.json"));
    checkpoint(&["--key", "new.pem"]).exits(5);
    checkpoint(&["--sign-anew", "--key", "new.pem"]).exits(0);
    evaluate().exits(2);
    folder.write("alice.json", old);
    fs::write(&file, &whole).unwrap();
    let lift = ["--lift", "--key", "alice.pem"];
    revoke(&folder, "principal", principal, &lift).exits(0);
    evaluate().exits(0);
}

#[test]
fn refuses_unusable_signers() {
    let folder = Folder::with_plugins();
    folder.key("alice");
    folder.configure(LIST);
    folder.run(&["revoke", "--checkpoint"]).exits(0);
    folder.run(&["check"]).exits(0);
    let config = folder.read("portcullis.toml");
    each(
        [
            "signers = {}\n",
            "signers = { \"a\" = \"none.json\" }\n",
            "signers = { \"a\" = \"alice.pem\" }\n",
            "key = \"alice.pem\"\n",
        ],
        |signers| {
            let with = format!("{LIST}{signers}");
            folder.write("portcullis.toml", config.replace(LIST, &with));
            folder.run(&["check"])
        },
    )
    .is(snapbox::file!["unusable-signers.txt"]);
}
