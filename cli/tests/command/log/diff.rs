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
    ran(from, to, &[]).is(str![[r#"
exit 0
-- stdout
newly permitted: 1
     1 plugin-denied -> permitted: spiffe://a.example/x: files read; such as [ID]: files
newly denied: 3
     3 permitted -> plugin-denied: spiffe://a.example/x: files read; such as [ID]: files
-- stderr
0 the same, 4 different, 0 that depend on the machine, 0 not decided again
"#]]);
    ran(from, to, &["--no-new-permits"]).is(str![[r#"
exit 5
-- stdout
newly permitted: 1
     1 plugin-denied -> permitted: spiffe://a.example/x: files read; such as [ID]: files
newly denied: 3
     3 permitted -> plugin-denied: spiffe://a.example/x: files read; such as [ID]: files
-- stderr
0 the same, 4 different, 0 that depend on the machine, 0 not decided again
error: `--no-new-permits`: 1 newly permitted or no longer blocked
"#]]);
    let json = ran(from, to, &["--format", "json"]).json();
    assert_eq!(json["different"], 4);
    assert_eq!(json["changes"][0]["turn"], "deny-to-permit");
    assert_eq!(json["changes"][0]["principal"], "spiffe://a.example/x");
    assert_eq!(json["changes"][1]["count"], 3);
    // Fewer permits, or others, pass the gate.
    let (from, to) = ("value = \"/w\"", "value = \"/w/a\"");
    ran(from, to, &["--no-new-permits"]).is(str![[r#"
exit 0
-- stdout
newly denied: 2
     2 permitted -> plugin-denied: spiffe://a.example/x: files read; such as [ID]: files
permitted otherwise: 1
     1 permitted -> permitted: spiffe://a.example/x: files read; another grant (at /context/grant/constraints/0/value); such as [ID]: files
-- stderr
1 the same, 3 different, 0 that depend on the machine, 0 not decided again
"#]]);
    let (from, to) = ("\"files\"", "\"files\"\nmax-grant-ttl = \"1m\"");
    ran(from, to, &["--no-new-permits"]).is(str![[r#"
exit 0
-- stdout
permitted otherwise: 3
     3 permitted -> permitted: spiffe://a.example/x: files read; another grant (at /context/grant/expires-at); such as [ID]: files
-- stderr
1 the same, 3 different, 0 that depend on the machine, 0 not decided again
"#]]);
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
    .is(str![[r#"
exit 0
-- stderr
4 the same, 0 different, 0 that depend on the machine, 0 not decided again
"#]]);
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
    .is(str![[r#"
exit 5
-- stdout
denied, and no longer blocked: 1
     1 plugin-denied -> plugin-denied: spiffe://a.example/x: files read; another mode (at /context/mode); such as [ID]: files
permitted otherwise: 3
     3 permitted -> permitted: spiffe://a.example/x: files read; another mode (at /context/mode); such as [ID]: files
-- stderr
0 the same, 4 different, 0 that depend on the machine, 0 not decided again
error: `--no-new-permits`: 1 newly permitted or no longer blocked
"#]]);
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
            "requests" => ran.is(str![[r#"
exit 0
-- stdout
newly permitted: 3
     2 plugin-denied -> permitted: spiffe://a.example/x: files read; such as requests/a.jsonl, line 2: files
     1 plugin-denied -> permitted: spiffe://a.example/y: files read; such as requests/a.jsonl, line 3: files
newly denied: 2
     2 permitted -> plugin-denied: spiffe://a.example/x: files read; such as requests/a.jsonl, line 1: files
-- stderr
0 the same, 5 different, 0 that depend on the machine
"#]]),
            _ => ran.is(str![[r#"
exit 0
-- stdout
newly permitted: 3
     2 plugin-denied -> permitted: spiffe://a.example/x: files read; such as requests/a.jsonl, line 2: files
     1 plugin-denied -> permitted: spiffe://a.example/y: files read; such as requests/a.jsonl, line 3: files
newly denied: 1
     1 permitted -> plugin-denied: spiffe://a.example/x: files read; such as requests/a.jsonl, line 1: files
-- stderr
0 the same, 4 different, 0 that depend on the machine
"#]]),
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
    .is(str![[r#"
# --requests broken.jsonl
exit 3
-- stderr
error: broken.jsonl, line 2: line 1, column 2: not JSON: expected ident
1 the same, 0 different, 0 that depend on the machine

# --requests broken.jsonl --no-new-permits
exit 3
-- stderr
error: broken.jsonl, line 2: line 1, column 2: not JSON: expected ident
1 the same, 0 different, 0 that depend on the machine

# --requests empty.jsonl
exit 3
-- stderr
error: empty.jsonl: there is no request in it
0 the same, 0 different, 0 that depend on the machine

# --requests empty.jsonl --no-new-permits
exit 5
-- stderr
error: empty.jsonl: there is no request in it
0 the same, 0 different, 0 that depend on the machine
error: `--no-new-permits`: no request could be decided, so nothing is known

# --requests missing.jsonl
exit 1
-- stderr
error: cannot read missing.jsonl: No such file or directory (os error 2): check the path

# --log missing.jsonl
exit 1
-- stderr
error: cannot read missing.jsonl: No such file or directory (os error 2): name the latest file of the log, which is `path` under `[log]` of the configuration

# --log decisions.jsonl --requests broken.jsonl
exit 1
-- stderr
error: the argument '--log <LOG>' cannot be used with '--requests <REQUESTS>'

Usage: portcullis diff --log <LOG> <OLD> <NEW>

For more information, try '--help'.

#
exit 1
-- stderr
error: the following required arguments were not provided:
  --log <LOG>

Usage: portcullis diff --log <LOG> <OLD> <NEW>

For more information, try '--help'.
"#]]);
}

#[test]
fn a_decision_that_depends_on_the_machine_is_no_proof_that_nothing_is_newly_permitted() {
    let folder = Folder::with_plugins();
    folder.write("request.json", Request::new("panicking", "a").to_string());
    // The new plugin runs out of time, so what it would answer is unknown.
    let (from, to) = ("behaviour = \"panic\"", "behaviour = \"loop\"");
    let more = ["--requests", "request.json", "--no-new-permits"];
    diff(&folder, from, to, &more).is(str![[r#"
exit 5
-- stdout
depends on the machine: 1
     1 plugin-trap -> plugin-deadline: spiffe://a.example/x: panicking a; such as request.json: panicking
-- stderr
0 the same, 0 different, 1 that depend on the machine
error: `--no-new-permits`: 1 whose new decision depends on the machine, so it may be a permit: try again on a machine with more time
"#]]);
    // If the old one did, a permit is new all the same.
    folder.write("request.json", Request::new("looping", "a").to_string());
    let (from, to) = ("behaviour = \"loop\"", "behaviour = \"permit\"");
    diff(&folder, from, to, &more).is(str![[r#"
exit 5
-- stdout
depends on the machine: 1
     1 plugin-deadline -> permitted: spiffe://a.example/x: looping a; such as request.json: looping
-- stderr
0 the same, 0 different, 1 that depend on the machine
error: `--no-new-permits`: 1 newly permitted or no longer blocked
"#]]);
}

#[test]
fn masked_values_are_compared_as_they_are_in_the_log() {
    let folder = Folder::with_plugins();
    folder.configure("log = { path = \"decisions.jsonl\", mask = [\"/path\"] }");
    let pdp = folder.host();
    let _recorded = read("/w/secret").decide(&pdp);
    drop(pdp);
    let (from, to) = ("tool = \"read\"", "tool = \"other\"");
    diff(&folder, from, to, &LOG).is(str![[r#"
exit 0
-- stdout
denied otherwise: 1
     1 plugin-denied -> not-applicable: spiffe://a.example/x: files read; such as [ID]: files
-- stderr
0 the same, 1 different, 0 that depend on the machine, 0 not decided again, 1 decided with masked values
"#]]);
}

#[test]
fn both_configurations_have_to_be_valid() {
    let folder = recorded();
    let (from, to) = ("tool = \"read\"", "tool = \"^read\"");
    diff(&folder, from, to, &LOG).is(str![[r#"
exit 3
-- stderr
new.toml:7:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
new.toml:8:32: error: settings, `/tools/0/tool`: pattern `^read` has an anchor of a regular expression (`^`, `$`): write it without: a pattern always holds for the whole name
new.toml:13:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
new.toml:20:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
"#]]);
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
    diff(&folder, "name = \"files\"", "name = \"files\"", &more).is(str![[r#"
exit 0
-- stderr
1 the same, 0 different, 0 that depend on the machine
"#]]);
}
