//! Formats of requests.

use super::{evaluate, read, without_times};
use crate::common::{Folder, each};
use serde_json::{Value, json};
use snapbox::str;

#[test]
fn reports_malformed_requests_at_their_place() {
    let folder = Folder::with_plugins();
    let good = read("files", "/w/a").resource("r").to_string();
    each(
        [
            good.replace("\"agent\"", "7"),
            good.replace("\"id\":\"r\"", "\"id\":\"r\",\"id\":\"s\""),
            good.replace("\"action\":", "\"akcion\":"),
            "{\n  \"subject\":\n  ]".to_owned(),
        ],
        |input| evaluate(&folder, &[], input),
    )
    .is(snapbox::file!["malformed.txt"]);
}

#[test]
fn a_request_that_is_no_object_is_reported_without_an_empty_place() {
    let folder = Folder::with_plugins();
    each(["[1]", "7", "null", "{}"], |input| {
        evaluate(&folder, &[], *input)
    })
    .is(str![[r##"
# [1]
exit 3
-- stdout
DENY  a request that cannot be read  [DURATION]
  cause     invalid-request
  to change expected an object, found a list
-- stderr
error: standard input: expected an object, found a list

# 7
exit 3
-- stdout
DENY  a request that cannot be read  [DURATION]
  cause     invalid-request
  to change expected an object, found `7`
-- stderr
error: standard input: expected an object, found `7`

# null
exit 3
-- stdout
DENY  a request that cannot be read  [DURATION]
  cause     invalid-request
  to change expected an object, found null
-- stderr
error: standard input: expected an object, found null

# {}
exit 3
-- stdout
DENY  a request that cannot be read  [DURATION]
  cause     invalid-request
  to change `/subject`: missing: expected an object
-- stderr
error: standard input: `/subject`: missing: expected an object
"##]]);
}

#[test]
fn reads_a_request_on_several_lines() {
    let folder = Folder::with_plugins();
    let request: Value = serde_json::from_str(&read("files", "/w/a").to_string()).unwrap();
    folder.write("request.json", format!("{request:#}"));
    let ran = folder.run(&["evaluate", "--request", "request.json", "--format", "json"]);
    assert_eq!(ran.exits(0).json()["decision"], true);
}

#[test]
fn detects_a_tool_call_by_its_members_or_by_the_flag() {
    let folder = Folder::with_plugins();
    let call = r#"{"integration":"files","principal":{"id":"spiffe://a.example/x"},"message":{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read","arguments":{"path":"/w/a"}}}}"#;
    evaluate(&folder, &[], call).is(str![[r#"
exit 0
-- stdout
PERMIT  files: read on files  [DURATION]
  cause     permitted
  reason    mcp-tools tool-allowed: the rule for `read` permits it  [/action/name, /action/arguments]
  grant     until [TIME]
            only with /path under "/w"
  plugin    mcp-tools [VERSION]: permit  [DURATION], 192 KiB, sha256:[DIGEST]
"#]]);
    evaluate(&folder, &["--from", "mcp"], call).exits(0);
    evaluate(&folder, &["--from", "authzen"], call).is(str![[r#"
exit 3
-- stdout
DENY  a request that cannot be read  [DURATION]
  cause     invalid-request
  to change `/subject`: missing: expected an object
-- stderr
error: standard input: `/subject`: missing: expected an object
"#]]);
}

#[test]
fn refuses_a_request_beyond_the_size_limit() {
    let folder = Folder::with_plugins();
    let long = read("files", &format!("/w/{}", "a".repeat(1 << 20)));
    let input = format!("{long}\n{}", read("files", "/w/a"));
    without_times(evaluate(&folder, &[], input)).is(str![[r#"
exit 3
-- stdout
┌───┬─────────────────────────────┬──────────┬─────────────────┬──────────────────────────────────────────────────────
│   ┆ request                     ┆ decision ┆ cause           ┆ reason                                               
╞═══╪═════════════════════════════╪══════════╪═════════════════╪══════════════════════════════════════════════════════
│ 1 ┆ cannot be read              ┆ deny     ┆ invalid-request ┆ the document has 65537 bytes: at most 65536 are read 
│ 2 ┆ files: read {"path":"/w/a"} ┆ permit   ┆ permitted       ┆ tool-allowed: the rule for `read` permits it         
└───┴─────────────────────────────┴──────────┴─────────────────┴──────────────────────────────────────────────────────
-- stderr
error: standard input, line 1: the document has 65537 bytes: at most 65536 are read
"#]]);
}

#[test]
fn detects_the_format_of_each_request() {
    let folder = Folder::with_plugins();
    let request = read("files", "/w/a");
    let permitted = request.to_string();
    let causes = |input: &str| -> Vec<Value> {
        let ran = evaluate(&folder, &["--format", "json"], input);
        let decisions = ran.json_lines();
        let causes = decisions.iter().map(|it| it["context"]["cause"].clone());
        causes.collect()
    };
    // The first line of a request on several lines is an object of its own.
    let laid_out = permitted.replacen("},", "},\n", 1).replacen('{', "{\n", 1);
    assert_eq!(
        causes(&format!("{laid_out}\n{permitted}")),
        ["permitted", "permitted"]
    );
    let begins_whole = format!("{{\"ignored\": {{}}}}\n{permitted}");
    assert_eq!(causes(&begins_whole), ["invalid-request", "permitted"]);
    let mut first_line = String::from("{ \"ignored\": {\"a\": 1}\n");
    first_line.push_str(&permitted.replacen('{', ",", 1));
    assert_eq!(causes(&first_line), ["permitted"]);
    // An evaluation may have a `message` of its own.
    let with_message = request.set("/message", "please");
    assert_eq!(causes(&with_message.to_string()), ["permitted"]);
    // An ambiguous document is refused.
    let either = with_message
        .set("/integration", "files")
        .set("/principal/id", "spiffe://acme.example/agent");
    evaluate(&folder, &[], either).is(str![[r#"
exit 3
-- stdout
DENY  a request that cannot be read  [DURATION]
  cause     invalid-request
  to change this is both an AuthZEN evaluation and an MCP envelope: choose one with `--from authzen` or `--from mcp`
-- stderr
error: standard input: this is both an AuthZEN evaluation and an MCP envelope: choose one with `--from authzen` or `--from mcp`
"#]]);
    // A notification is not a call.
    let mut call = json!({
        "integration": "files", "principal": { "id": "a" },
        "message": { "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "read" } },
    });
    assert_ne!(causes(&call.to_string()), ["invalid-request"]);
    let message = call["message"].as_object_mut().unwrap();
    message.remove("id");
    evaluate(&folder, &[], call).is(str![[r#"
exit 3
-- stdout
DENY  a request that cannot be read  [DURATION]
  cause     invalid-request
  to change `/message/id`: missing: expected text or a whole number, because a call without an id is a notification, which gets no response
-- stderr
error: standard input: `/message/id`: missing: expected text or a whole number, because a call without an id is a notification, which gets no response
"#]]);
}

#[test]
fn uses_the_default_integration_for_a_request_that_names_none() {
    let folder = Folder::with_plugins();
    let unnamed = read("files", "/w/a").without("/context/integration");
    folder.evaluate(&unnamed).is(str![[r#"
exit 3
-- stdout
DENY  a request that cannot be read  [DURATION]
  cause     invalid-request
  to change `/context/integration`: missing: expected text, or an integration for such requests under `[authzen]` of the configuration
-- stderr
error: standard input: `/context/integration`: missing: expected text, or an integration for such requests under `[authzen]` of the configuration
"#]]);
    folder.configure("[authzen]\nintegration = \"files\"\n");
    folder.evaluate(&unnamed).exits(0);
    folder.replace(
        "portcullis.toml",
        "[authzen]\nintegration = \"files\"",
        "[authzen]\nintegration = \"flies\"",
    );
    folder.run(&["check"]).is(str![[r#"
exit 3
-- stderr
portcullis.toml:4:15: error: the default integration `flies` does not exist: add it, or name another one
portcullis.toml:9:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
portcullis.toml:15:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
portcullis.toml:22:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
"#]]);
}
