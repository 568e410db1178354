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
    checkpoint(&[]).is(str![[r#"
exit 3
-- stderr
error: hosts accept revocations.jsonl only if its head is signed (`[revocation.signers]`), and deny every request otherwise: give `--key`
"#]]);
    // The same applies if the configured list is named by `--list`.
    checkpoint(&["--list", "./revocations.jsonl"]).is(str![[r#"
exit 3
-- stderr
error: hosts accept ./revocations.jsonl only if its head is signed (`[revocation.signers]`), and deny every request otherwise: give `--key`
"#]]);
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
    evaluate().is(str![[r#"
exit 2
-- stdout
DENY  files: read on files  [DURATION]
  cause     revocation-stale
  to change the head of the revocation list is not signed by one of `[revocation.signers]`: its last line is not signed; verify its lines, then sign them with `portcullis revoke --checkpoint --sign-anew --key KEY`
-- stderr
revocations.jsonl: warning: the head of the revocation list is not signed by one of `[revocation.signers]`: its last line is not signed; verify its lines, then sign them with `portcullis revoke --checkpoint --sign-anew --key KEY`: every request is denied until then
"#]]);
    // A key that hosts do not trust writes nothing.
    let before = fs::read(&file).unwrap();
    checkpoint(&["--key", "mallory.pem"]).is(str![[r#"
exit 3
-- stderr
error: revocations.jsonl: the key does not belong to one of `[revocation.signers]`, so no host would accept the list: its signature is invalid: it verifies with no known key, so it was changed, or signed with another key; nothing is written
"#]]);
    assert_eq!(fs::read(&file).unwrap(), before);
    checkpoint(&["--key", "alice.pem"]).is(str![[r#"
exit 0
-- stdout
{"epoch":0,"at":"[TIME]"}
-- stderr
checkpoint in revocations.jsonl, epoch 0
"#]]);
    evaluate().exits(0);
    let principal = "spiffe://a.example/x";
    revoke(&folder, "principal", principal, &["--key", "alice.pem"]).exits(0);
    evaluate().is(str![[r#"
exit 2
-- stdout
DENY  files: read on files  [DURATION]
  cause     revoked
  to change `spiffe://a.example/x` was revoked by alice: leaked
"#]]);
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
    .is(str![[r#"
# --key mallory.pem
exit 2
-- stdout
DENY  files: read on files  [DURATION]
  cause     revocation-stale
  to change the head of the revocation list is not signed by one of `[revocation.signers]`: its signature is invalid: it verifies with no known key, so it was changed, or signed with another key; verify its lines, then sign them with `portcullis revoke --checkpoint --sign-anew --key KEY`
-- stderr
revocations.jsonl: warning: the head of the revocation list is not signed by one of `[revocation.signers]`: its signature is invalid: it verifies with no known key, so it was changed, or signed with another key; verify its lines, then sign them with `portcullis revoke --checkpoint --sign-anew --key KEY`: every request is denied until then
exit 5
-- stderr
error: revocations.jsonl: the head of the revocation list is not signed by one of `[revocation.signers]`: its signature is invalid: it verifies with no known key, so it was changed, or signed with another key; verify its lines, then sign them with `portcullis revoke --checkpoint --sign-anew --key KEY`

#
exit 2
-- stdout
DENY  files: read on files  [DURATION]
  cause     revocation-stale
  to change the head of the revocation list is not signed by one of `[revocation.signers]`: its last line is not signed; verify its lines, then sign them with `portcullis revoke --checkpoint --sign-anew --key KEY`
-- stderr
revocations.jsonl: warning: the head of the revocation list is not signed by one of `[revocation.signers]`: its last line is not signed; verify its lines, then sign them with `portcullis revoke --checkpoint --sign-anew --key KEY`: every request is denied until then
exit 5
-- stderr
error: revocations.jsonl: the head of the revocation list is not signed by one of `[revocation.signers]`: its last line is not signed; verify its lines, then sign them with `portcullis revoke --checkpoint --sign-anew --key KEY`
"#]]);
    each(
        [
            "revoke --checkpoint --sign-anew",
            "revoke --sign-anew --key alice.pem",
        ],
        |command| folder.run(&command.split(' ').collect::<Vec<_>>()),
    )
    .is(str![[r#"
# revoke --checkpoint --sign-anew
exit 1
-- stderr
error: the following required arguments were not provided:
  --key <KEY>

Usage: portcullis revoke --checkpoint --key <KEY> --sign-anew [KIND] [ID]

For more information, try '--help'.

# revoke --sign-anew --key alice.pem
exit 1
-- stderr
error: the following required arguments were not provided:
  --checkpoint
  <KIND>

Usage: portcullis revoke --checkpoint --key <KEY> --sign-anew <KIND> [ID]

For more information, try '--help'.
"#]]);
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
