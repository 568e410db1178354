//! Approvals of denied requests.

use super::{APPROVER, HELPER, approved, folder, intent, read};
use crate::common::Request;
use portcullis_host::Digest;
use serde_json::{Value, json};
use snapbox::str;
use std::fs;

/// Flags of a draft for the request of a recorded evaluation.
fn flags(evaluation: &str) -> Vec<&str> {
    let mut flags = vec!["draft", "--evaluation", evaluation];
    flags.extend(["--log", "decisions.jsonl"]);
    flags.extend(["--purpose", "asked for", "--approver", APPROVER]);
    flags
}

#[test]
fn a_denied_request_can_be_approved_with_its_arguments() {
    let folder = folder();
    let pdp = folder.host();
    let decide = |request: &Request| serde_json::to_value(request.decide(&pdp)).unwrap();
    let request = read(HELPER, "/w/a");
    let denied = decide(&request);
    let context = &denied["context"];
    assert_eq!(
        (&denied["decision"], &context["cause"]),
        (&json!(false), &json!("intent-missing"))
    );
    let offered = &context["access_request"];
    assert_eq!(
        offered["endpoint"],
        "https://approvals.acme.example/requests"
    );
    assert!(offered["expires_at"].is_string());
    assert_eq!(offered["approvers"], json!([APPROVER]));
    assert_eq!(
        offered["approval"],
        json!({
            "integration": "files", "action": "read", "resource": "files",
            "arguments": [{ "path": "/path", "value": "/w/a", "origins": ["unknown"] }],
            "arguments_digest": Digest::of(br#"{"path":"/w/a"}"#).to_string(),
        })
    );
    let evaluation = context["evaluation_id"].as_str().unwrap();

    let flags_of_it = flags(evaluation);
    let any = intent(&folder, &[&flags_of_it[..], &["--any-arguments"]].concat());
    let any = any.exits(0).json()["allows"][0].clone();
    assert_eq!(
        (&any["constraints"], &any["arguments"]),
        (&json!([]), &json!("open"))
    );
    let asked = approved(&folder, &flags_of_it, "alice", "asked");
    let signed = folder.read("intents/asked.jwt");
    pdp.import_intent(signed.as_bytes()).unwrap();
    let named = request.clone().intent(&asked["id"]);
    assert_eq!(decide(&named)["decision"], true);
    // The intent applies from then on: an earlier denial is still denied in a replay.
    folder.run(&["replay", "decisions.jsonl"]).is(str![[r#"
exit 0
-- stderr
state.redb: warning: cannot use the state in state.redb: another process has it open: give each host its own file: a dry run ignores the uses counted there
2 the same, 0 different, 0 that depend on the machine, 0 not decided again
"#]]);
    let other = decide(&named.clone().argument("path", "/w/b"));
    assert_eq!(other["context"]["cause"], "outside-intent");
    assert!(other["context"]["evaluation_id"].is_string());
    // A call with another argument is another call.
    let extra = decide(&named.argument("mode", "delete-all"));
    assert_eq!(extra["context"]["cause"], "outside-intent");
    let star = decide(&request.clone().resource("**"));
    let star = star["context"]["evaluation_id"].as_str().unwrap();
    intent(&folder, &flags(star)).is(str![[r#"
exit 3
-- stderr
error: its action or resource has a `*`, which an intent reads as a pattern, so the call cannot be allowed exactly: draft with `--principal` and `--allow`
"#]]);

    // A request can also carry it, and then no folder is needed.
    let carried = |id: &Value, document: &str| {
        let decision = decide(&request.clone().carrying(id, &[document.trim()]));
        decision["context"]["cause"].clone()
    };
    assert_eq!(carried(&asked["id"], &signed), "permitted");
    assert_eq!(carried(&json!("int-other"), &signed), "intent-invalid");
    let unsigned = folder.read("asked.json");
    assert_eq!(carried(&asked["id"], &unsigned), "intent-invalid");

    intent(&folder, &flags("eval-0")).is(str![[r#"
exit 3
-- stderr
error: decisions.jsonl has no denial `eval-0` that an intent would have avoided
"#]]);
}

#[test]
fn a_draft_leaves_out_headers_that_differ_in_each_call() {
    let folder = folder();
    let pdp = folder.host();
    let call = |trace: &str, accept: &str| {
        read(HELPER, "/w/a").argument("headers", json!({
            "accept": accept, "traceparent": trace, "Date": trace, "authorization": format!("Bearer {trace}"),
        }))
    };
    let denied = serde_json::to_value(call("one", "text/html").decide(&pdp)).unwrap();
    let evaluation = denied["context"]["evaluation_id"].as_str().unwrap();
    let flags = flags(evaluation);
    intent(&folder, &flags).is(snapbox::file!["draft.txt"]);
    let asked = approved(&folder, &flags, "alice", "asked");
    let signed = fs::read(folder.path().join("intents/asked.jwt")).unwrap();
    pdp.import_intent(&signed).unwrap();
    let cause = |accept: &str| {
        let decision = call("two", accept).intent(&asked["id"]).decide(&pdp);
        decision.cause().as_str().to_owned()
    };
    assert_eq!(cause("text/html"), "permitted");
    assert_eq!(cause("text/plain"), "outside-intent");
}
