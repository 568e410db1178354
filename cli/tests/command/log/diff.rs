//! `portcullis diff`.

use super::{read, recorded};
use crate::common::{Folder, Ran, Request, each};
use snapbox::str;

/// Compares the configuration of the folder with one in which `from` is replaced by `to`.
fn diff(folder: &Folder, from: &str, to: &str, more: &[&str]) -> Ran {
    let config = folder.read("portcullis.toml");
    assert!(config.contains(from), "{config}");
    folder.write("new.toml", config.replace(from, to));
    let arguments = ["diff", "portcullis.toml", "new.toml"];
    folder.run(&[&arguments, more].concat())
}

const LOG: [&str; 2] = ["--log", "decisions.jsonl"];

#[test]
fn lists_newly_permitted_requests_of_a_log_first() {
    let folder = recorded();
    let ran = |from: &str, to: &str, more: &[&str]| diff(&folder, from, to, &[&LOG, more].concat());
    let (from, to) = ("value = \"/w\"", "value = \"/etc\"");
    ran(from, to, &[]).is(str![]);
    ran(from, to, &["--no-new-permits"]).is(str![]);
    let json = ran(from, to, &["--format", "json"]).json();
    assert_eq!(json["different"], 4);
    assert_eq!(json["changes"][0]["turn"], "deny-to-permit");
    assert_eq!(json["changes"][0]["principal"], "spiffe://a.example/x");
    assert_eq!(json["changes"][1]["count"], 3);
    // Fewer permits, or others, pass the gate.
    let (from, to) = ("value = \"/w\"", "value = \"/w/a\"");
    ran(from, to, &["--no-new-permits"]).is(str![]);
    let (from, to) = ("\"files\"", "\"files\"\nmax-grant-ttl = \"1m\"");
    ran(from, to, &["--no-new-permits"]).is(str![]);
    // The example is found in the log.
    let example = json["changes"][0]["example"].as_str().unwrap();
    let found = folder.run(&["log", "query", "decisions.jsonl", "--id", example]);
    assert_eq!(found.json()["sequence"], 3);
}

#[test]
fn a_configuration_that_decides_the_same_has_no_differences() {
    let folder = recorded();
    let (from, to) = ("[{ tool =", "[{ tool = \"other\" }, { tool =");
    diff(
        &folder,
        from,
        to,
        &[&LOG[..], &["--no-new-permits"]].concat(),
    )
    .is(str![]);
}

#[test]
fn a_deny_that_no_longer_blocks_counts_as_newly_permitted() {
    let folder = recorded();
    let (from, to) = ("\"files\"", "\"files\"\nmode = \"observe\"");
    diff(
        &folder,
        from,
        to,
        &[&LOG[..], &["--no-new-permits"]].concat(),
    )
    .is(str![]);
}

#[test]
fn decides_requests_of_files_and_folders() {
    let folder = Folder::with_plugins();
    let call = serde_json::json!({
        "integration": "files",
        "principal": { "id": "spiffe://a.example/x", "kind": "agent" },
        "message": {
            "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": { "name": "read", "arguments": { "path": "/etc/passwd" } },
        },
    });
    let lines = [
        read("/w/a").to_string(),
        read("/etc/x").to_string(),
        read("/etc/x").principal("spiffe://a.example/y").to_string(),
        call.to_string(),
    ];
    folder.write("requests/a.jsonl", lines.join("\n"));
    folder.write("requests/b.json", read("/w/b").to_string());
    folder.write("requests/readme.md", "not read");
    let (from, to) = ("value = \"/w\"", "value = \"/etc\"");
    for requests in ["requests/a.jsonl", "requests"] {
        let ran = diff(&folder, from, to, &["--requests", requests]);
        match requests {
            "requests" => ran.is(str![]),
            _ => ran.is(str![]),
        }
    }
}

#[test]
fn requests_that_cannot_be_read_or_compared_are_named() {
    let folder = recorded();
    folder.write("broken.jsonl", format!("{}\nnot json\n", read("/w/a")));
    folder.write("empty.jsonl", "");
    let gate = "--no-new-permits";
    each(
        [
            vec!["--requests", "broken.jsonl"],
            vec!["--requests", "broken.jsonl", gate],
            vec!["--requests", "empty.jsonl"],
            vec!["--requests", "empty.jsonl", gate],
            vec!["--requests", "missing.jsonl"],
            vec!["--log", "missing.jsonl"],
            vec!["--log", "decisions.jsonl", "--requests", "broken.jsonl"],
            vec![],
        ]
        .map(|it| it.join(" ")),
        |more| {
            let more: Vec<_> = more.split(' ').filter(|it| !it.is_empty()).collect();
            diff(&folder, "\"files\"", "\"files\"", &more)
        },
    )
    .is(str![]);
}

#[test]
fn a_decision_that_depends_on_the_machine_is_no_proof_that_nothing_is_newly_permitted() {
    let folder = Folder::with_plugins();
    folder.write("request.json", Request::new("panicking", "a").to_string());
    // The new plugin runs out of time, so what it would answer is unknown.
    let (from, to) = ("behaviour = \"panic\"", "behaviour = \"loop\"");
    let more = ["--requests", "request.json", "--no-new-permits"];
    diff(&folder, from, to, &more).is(str![]);
    // If the old one did, a permit is new all the same.
    folder.write("request.json", Request::new("looping", "a").to_string());
    let (from, to) = ("behaviour = \"loop\"", "behaviour = \"permit\"");
    diff(&folder, from, to, &more).is(str![]);
}

#[test]
fn masked_values_are_compared_as_they_are_in_the_log() {
    let folder = Folder::with_plugins();
    folder.configure("log = { path = \"decisions.jsonl\", mask = [\"/path\"] }");
    let pdp = folder.host();
    let _recorded = read("/w/secret").decide(&pdp);
    drop(pdp);
    let (from, to) = ("tool = \"read\"", "tool = \"other\"");
    diff(&folder, from, to, &LOG).is(str![]);
}

#[test]
fn both_configurations_have_to_be_valid() {
    let folder = recorded();
    let (from, to) = ("tool = \"read\"", "tool = \"^read\"");
    diff(&folder, from, to, &LOG).is(str![]);
}

#[test]
fn configurations_that_share_a_state_see_the_same_uses() {
    let folder = Folder::with_plugins();
    folder.configure("state = { path = \"state.redb\" }");
    folder.replace(
        "portcullis.toml",
        "name = \"files\"",
        "name = \"files\"\nsingle-use-credentials = true",
    );
    let request = read("/w/a")
        .credential("jti-1")
        .property("credential-expires-at", "2099-01-01T00:00:00Z");
    let pdp = folder.host();
    assert!(request.decide(&pdp).is_permit());
    drop(pdp);
    folder.write("request.json", request.to_string());
    let more = ["--requests", "request.json", "--no-new-permits"];
    diff(&folder, "name = \"files\"", "name = \"files\"", &more).is(str![]);
}
