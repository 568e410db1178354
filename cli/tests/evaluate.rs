//! `portcullis evaluate`: exit codes, streams and formats.

mod common;

use common::{Folder, Ran, request};
use serde_json::{Value, json};

fn evaluate(folder: &Folder, arguments: &[&str], input: &str) -> Ran {
    let mut all = vec!["evaluate"];
    all.extend_from_slice(arguments);
    folder.run_with(&all, input)
}

fn json_lines(ran: &Ran) -> Vec<Value> {
    ran.out
        .lines()
        .map(|line| serde_json::from_str(line).expect("a JSON object"))
        .collect()
}

#[test]
fn the_exit_code_tells_permit_deny_invalid_and_fault_apart() {
    let folder = Folder::with_plugins();
    for (code, cause, input) in [
        (0, "permitted", request("files", "read", "/w/a")),
        (2, "plugin-denied", request("files", "read", "/w/../a")),
        (2, "not-applicable", request("files", "write", "/w/a")),
        (2, "unknown-integration", request("other", "read", "/w/a")),
        (
            3,
            "invalid-request",
            request("files", "read", "/w/a").replace("\"agent\"", "7"),
        ),
        (3, "invalid-request", "not json".to_owned()),
        (4, "plugin-deadline", request("looping", "read", "/w/a")),
        (4, "plugin-trap", request("panicking", "read", "/w/a")),
    ] {
        let ran = evaluate(&folder, &["--format", "json"], &input);
        assert_eq!(ran.code, code, "{input}\n{}", ran.err);
        let decisions = json_lines(&ran);
        assert_eq!(
            decisions.len(),
            1,
            "one object and nothing else: {}",
            ran.out
        );
        assert_eq!(decisions[0]["decision"], code == 0);
        assert_eq!(decisions[0]["context"]["cause"], cause);

        let human = evaluate(&folder, &[], &input);
        assert_eq!(human.code, code);
        assert!(
            human
                .out
                .starts_with(if code == 0 { "PERMIT" } else { "DENY" }),
            "{}",
            human.out
        );
        assert!(human.out.contains(cause), "{}", human.out);
        assert!(
            !human.out.contains('\u{1b}'),
            "no colour where there is no terminal"
        );
    }
}

#[test]
fn a_malformed_request_is_told_its_place() {
    let folder = Folder::with_plugins();
    let good = request("files", "read", "/w/a");
    for (input, place) in [
        (good.replace("\"agent\"", "7"), "`/subject/type`"),
        (
            good.replace("\"id\":\"r\"", "\"id\":\"r\",\"id\":\"s\""),
            "`/resource/id`",
        ),
        (good.replace("\"action\":", "\"akcion\":"), "`/action`"),
        ("{\n  \"subject\":\n  ]".to_owned(), "line 3, column 3"),
    ] {
        let ran = evaluate(&folder, &[], &input);
        assert_eq!(ran.code, 3);
        assert!(ran.err.contains(place), "{place} is not in {}", ran.err);
    }
}

#[test]
fn one_decision_a_line_and_the_gravest_exit_code() {
    let folder = Folder::with_plugins();
    let permitted = request("files", "read", "/w/a");
    let denied = request("files", "read", "/etc/x");
    let input = format!("{permitted}\n\n{denied}\n{{broken\n{permitted}\n");
    let ran = evaluate(&folder, &["--format", "json"], &input);
    assert_eq!(ran.code, 3);
    let decisions: Vec<_> = json_lines(&ran)
        .iter()
        .map(|d| d["decision"].clone())
        .collect();
    assert_eq!(decisions, [true, false, false, true]);
    assert!(ran.err.contains("standard input, line 4"), "{}", ran.err);

    let human = evaluate(&folder, &[], &input);
    assert_eq!(human.out.matches("permitted").count(), 2, "{}", human.out);
    assert!(human.out.contains("invalid-request"));
    assert_eq!(
        evaluate(&folder, &[], &format!("{permitted}\n{permitted}")).code,
        0
    );
    assert_eq!(
        evaluate(&folder, &[], &format!("{permitted}\n{denied}")).code,
        2
    );
}

#[test]
fn a_request_over_several_lines_is_one_request() {
    let folder = Folder::with_plugins();
    let value: Value = serde_json::from_str(&request("files", "read", "/w/a")).unwrap();
    let pretty = serde_json::to_string_pretty(&value).unwrap();
    folder.write("request.json", &pretty);
    let ran = folder.run(&["evaluate", "--request", "request.json", "--format", "json"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(json_lines(&ran).len(), 1);
}

#[test]
fn a_tool_call_is_told_by_its_shape_or_by_the_flag() {
    let folder = Folder::with_plugins();
    let call = r#"{"integration":"files","principal":{"id":"spiffe://a.example/x"},"message":{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read","arguments":{"path":"/w/a"}}}}"#;
    assert_eq!(evaluate(&folder, &[], call).code, 0);
    assert_eq!(evaluate(&folder, &["--from", "mcp"], call).code, 0);
    let ran = evaluate(&folder, &["--from", "authzen"], call);
    assert_eq!(ran.code, 3);
    assert!(ran.err.contains("`/subject`"), "{}", ran.err);
}

#[test]
fn the_time_of_the_decision_can_be_set() {
    let folder = Folder::with_plugins();
    let input = request("files", "read", "/w/a").replace(
        "\"id\":\"spiffe://a.example/x\"",
        "\"id\":\"spiffe://a.example/x\",\"properties\":{\"credential-expires-at\":\"2026-01-01T00:00:00Z\"}",
    );
    let at = |now: &str| evaluate(&folder, &["--now", now, "--format", "json"], &input);
    let before = at("2025-12-31T23:58:00Z");
    assert_eq!(before.code, 0, "{}", before.err);
    // A grant expires with the credential, even if its own lifetime is longer.
    let grant = &json_lines(&before)[0]["context"]["grant"];
    assert_eq!(grant["expires-at"], "2026-01-01T00:00:00Z");
    let after = at("2026-01-01T00:00:00Z");
    assert_eq!(after.code, 2);
    assert_eq!(
        json_lines(&after)[0]["context"]["cause"],
        "credential-expired"
    );
    assert_eq!(at("yesterday").code, 1);
}

/// Names of the checks of every decision, in order.
const STEPS: [&str; 17] = [
    "integration",
    "registry",
    "attestation",
    "environment",
    "credential",
    "instance",
    "workload",
    "revocation",
    "intent",
    "tier",
    "destination",
    "required-checks",
    "answers",
    "plugin mcp-tools",
    "obligations",
    "constraints",
    "grant",
];

#[test]
fn explain_shows_the_checks_in_order_and_folds_those_that_do_not_apply() {
    let folder = Folder::with_plugins();
    let explain = |integration: &str, path: &str| {
        let request = request(integration, "read", path);
        let text = evaluate(&folder, &["--explain"], &request).out;
        let json = evaluate(&folder, &["--explain", "--format", "json"], &request);
        let checks = json_lines(&json)[0]["checks"].as_array().unwrap().clone();
        let of = |check: &Value, key: &str| check[key].as_str().unwrap().to_owned();
        let checks: Vec<_> = checks
            .iter()
            .map(|check| (of(check, "name"), of(check, "conclusion")))
            .collect();
        let named = |conclusion: &str| {
            let of_it = checks.iter().filter(|(_, its)| its == conclusion);
            of_it.map(|(name, _)| name.as_str()).collect::<Vec<_>>()
        };
        // Each check has a line of its own, or its name stands in one of the last two.
        let mut lines = text.lines().filter(|line| {
            ["  check ", "  n/a ", "  not run "]
                .iter()
                .any(|row| line.starts_with(row))
        });
        for (name, conclusion) in &checks {
            if conclusion == "pass" || conclusion == "stop" {
                let line = lines.next().unwrap();
                let row = format!("  check     {conclusion} {name}: ");
                assert!(line.starts_with(&row), "{line}");
            }
        }
        for (row, conclusion) in [("n/a", "not-applicable"), ("not run", "not-reached")] {
            let names = named(conclusion);
            let row = (!names.is_empty()).then(|| format!("  {row:<9} {}", names.join(", ")));
            assert_eq!(row.as_deref(), row.as_ref().and_then(|_| lines.next()));
        }
        assert_eq!(lines.next(), None, "{text}");
        (text, checks)
    };
    let names = |checks: &[(String, String)]| -> Vec<String> {
        checks.iter().map(|(name, _)| name.clone()).collect()
    };
    let (permitted, checks) = explain("files", "/w/a");
    assert_eq!(names(&checks), STEPS);
    assert!(
        checks
            .iter()
            .all(|(_, it)| it == "pass" || it == "not-applicable")
    );
    assert!(
        permitted.contains("principal.kind, principal.attestation, action.name"),
        "{permitted}"
    );
    let (denied, checks) = explain("files", "/x");
    assert_eq!(names(&checks), STEPS);
    assert_eq!(checks[13].1, "stop");
    assert!(checks[14..].iter().all(|(_, it)| it == "not-reached"));
    assert!(denied.contains("[/action/arguments/path]"), "{denied}");
    assert!(denied.contains("  to change"), "{denied}");
    let (_, checks) = explain("mails", "/x");
    assert_eq!((checks.len(), checks[0].1.as_str()), (16, "stop"));
    assert!(checks[1..].iter().all(|(_, it)| it == "not-reached"));
}

#[test]
fn explain_shows_the_evidence_of_the_condition_that_stopped() {
    let folder = Folder::with_plugins();
    folder.configure("registry = { path = \"registry.toml\" }\nintents = { path = \"intents\" }\n");
    folder.write(
        "registry.toml",
        r#"
[[identity]]
id = "spiffe://a.example/x"
kind = "agent"
owner = "team@a.example"
purpose = "p"
environment = "prod"
expires = 2099-01-01T00:00:00Z
max-credential-lifetime = "1h"
integrations = ["files"]
"#,
    );
    let intent = json!({
        "id": "int-1", "purpose": "p", "principal": "spiffe://a.example/x",
        "approved-by": { "who": "alice@a.example", "at": "2026-01-01T00:00:00Z" },
        "issued-at": "2026-01-01T00:00:00Z", "expires-at": "2099-01-01T00:00:00Z",
        "allows": [{
            "integration": "files", "action": "read", "resource": "r",
            "arguments": { "required": ["/path"] },
            "constraints": [{ "path": "/path", "op": "under", "value": "/w" }],
        }],
        "denies": [{ "integration": "files", "action": "remove", "resource": "**" }],
    });
    folder.write("intents/int-1.json", intent.to_string());
    let explained = |pointer: &str, value: Value| {
        let mut request: Value = serde_json::from_str(&request("files", "read", "/w/a")).unwrap();
        request["context"]["intent"] = json!({ "id": "int-1" });
        request["subject"]["properties"] = json!({
            "credential-issued-at": "2027-01-01T00:00:00Z",
            "credential-expires-at": "2027-01-01T00:30:00Z",
        });
        let (at, key) = pointer.rsplit_once('/').unwrap();
        request.pointer_mut(at).unwrap()[key] = value;
        let now = ["--explain", "--now", "2027-01-01T00:10:00Z"];
        evaluate(&folder, &now, &request.to_string()).out
    };
    let permitted = explained("/context/other", json!(1));
    assert!(permitted.starts_with("PERMIT"), "{permitted}");
    for (pointer, value, found) in [
        (
            "/context/session-path",
            json!("interactive"),
            "is registered as `agent`, and the session's path is `interactive`",
        ),
        (
            "/subject/properties/environment",
            json!("staging"),
            "in prod, and the request states `agent`, of ``, in `staging`",
        ),
        (
            "/context/integration",
            json!("looping"),
            "is registered for files, and the request is for `looping`",
        ),
        (
            "/action/name",
            json!("remove"),
            "it denies `files: remove **`",
        ),
        (
            "/action/name",
            json!("write"),
            "its action `write` is not `read`",
        ),
        ("/resource/id", json!("s"), "its resource `s` is not `r`"),
        (
            "/action/properties/path",
            json!("/x"),
            "its arguments do not meet `/path under \"/w\"`: `/path` is `\"/x\"`",
        ),
    ] {
        let text = explained(pointer, value);
        let stop = text.lines().find(|line| line.contains("stop ")).unwrap();
        assert!(stop.contains(found), "{pointer}: {text}");
    }
}

#[test]
fn what_cannot_be_used_says_so_on_standard_error_only() {
    let folder = Folder::new();
    let missing = evaluate(&folder, &[], "{}");
    assert_eq!((missing.code, missing.out.as_str()), (3, ""));
    assert!(missing.err.contains("portcullis.toml"), "{}", missing.err);
    let with = Folder::with_plugins();
    assert_eq!(evaluate(&with, &["--request", "none.json"], "").code, 1);
    assert_eq!(evaluate(&with, &["--format", "xml"], "").code, 1);
    assert_eq!(evaluate(&with, &[], "").code, 3);
}

#[test]
fn a_request_beyond_its_limit_is_refused_however_long_it_is() {
    let folder = Folder::with_plugins();
    let long = request("files", "read", &format!("/w/{}", "a".repeat(1 << 20)));
    let ran = evaluate(
        &folder,
        &["--format", "json"],
        &format!("{long}\n{}", request("files", "read", "/w/a")),
    );
    let causes: Vec<_> = json_lines(&ran)
        .iter()
        .map(|d| d["context"]["cause"].clone())
        .collect();
    assert_eq!(causes, ["invalid-request", "permitted"]);
    assert!(ran.err.contains("at most 65536"), "{}", ran.err);
}

#[test]
fn each_request_is_read_as_what_it_is() {
    let folder = Folder::with_plugins();
    let permitted = request("files", "read", "/w/a");
    let value: Value = serde_json::from_str(&permitted).unwrap();
    let causes = |input: &str, arguments: &[&str]| -> Vec<Value> {
        let all = [&["--format", "json"], arguments].concat();
        let ran = evaluate(&folder, &all, input);
        let decisions = json_lines(&ran);
        decisions
            .iter()
            .map(|it| it["context"]["cause"].clone())
            .collect()
    };
    // The first line of a request on several lines is an object of its own.
    let laid_out = permitted.replacen("},", "},\n", 1).replacen('{', "{\n", 1);
    assert_eq!(
        causes(&format!("{laid_out}\n{permitted}"), &[]),
        ["permitted", "permitted"]
    );
    let begins_whole = format!("{{\"ignored\": {{}}}}\n{permitted}");
    assert_eq!(causes(&begins_whole, &[]), ["invalid-request", "permitted"]);
    let mut first_line = String::from("{ \"ignored\": {\"a\": 1}\n");
    first_line.push_str(&permitted.replacen('{', ",", 1));
    assert_eq!(causes(&first_line, &[]), ["permitted"]);
    // An evaluation may have a `message` of its own.
    let mut with_message = value;
    with_message["message"] = json!("please");
    assert_eq!(causes(&with_message.to_string(), &[]), ["permitted"]);
    // An ambiguous document is refused.
    let mut either = with_message.clone();
    either["integration"] = json!("files");
    either["principal"] = json!({ "id": "spiffe://acme.example/agent" });
    let refused = evaluate(&folder, &[], &either.to_string());
    assert_eq!(refused.code, 3);
    assert!(refused.err.contains("--from authzen"), "{}", refused.err);
    // A notification is not a call.
    let call = json!({
        "integration": "files", "principal": { "id": "a" },
        "message": { "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "read" } },
    });
    let mut notification = call.clone();
    notification["message"]
        .as_object_mut()
        .unwrap()
        .remove("id");
    let refused = evaluate(&folder, &[], &notification.to_string());
    assert_eq!(refused.code, 3);
    assert!(refused.err.contains("`/message/id`"), "{}", refused.err);
    assert_ne!(causes(&call.to_string(), &[]), ["invalid-request"]);
}

#[test]
fn nothing_of_a_request_commands_the_terminal_whatever_the_format() {
    let folder = Folder::with_plugins();
    let nasty = "\u{1b}[2J\r\u{202e}\u{9b}31m";
    let value: Value = serde_json::from_str(&request("files", "read", "/w/a")).unwrap();
    for (pointer, key) in [
        ("/context", "integration"),
        ("/subject", "id"),
        ("/resource", "id"),
        ("/resource", "type"),
        ("/subject/type", ""),
        ("/action/properties", nasty),
        ("/context", nasty),
    ] {
        let mut asked = value.clone();
        match key {
            "" => *asked.pointer_mut(pointer).unwrap() = json!(nasty),
            key => asked.pointer_mut(pointer).unwrap()[key] = json!(nasty),
        }
        for arguments in [
            &["--format", "json"][..],
            &["--format", "human"],
            &["--explain"],
        ] {
            let ran = evaluate(&folder, arguments, &asked.to_string());
            for text in [&ran.out, &ran.err] {
                let hidden = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
                assert!(
                    !text.contains(hidden),
                    "{pointer}/{key:?} {arguments:?}: {text:?}"
                );
            }
        }
    }
}

#[test]
fn a_request_that_names_no_integration_is_for_the_configured_one() {
    let folder = Folder::with_plugins();
    let mut value: Value = serde_json::from_str(&request("files", "read", "/w/a")).unwrap();
    value["context"]
        .as_object_mut()
        .unwrap()
        .remove("integration");
    let unnamed = value.to_string();
    let refused = evaluate(&folder, &[], &unnamed);
    assert_eq!(refused.code, 3);
    assert!(refused.err.contains("`[authzen]`"), "{}", refused.err);
    let text = std::fs::read_to_string(folder.path().join("portcullis.toml")).unwrap();
    // Top-level keys must come before the first table.
    let (limits, integrations) = text.split_once("\n\n").unwrap();
    let default = |name: &str| {
        let config = format!("{limits}\n[authzen]\nintegration = \"{name}\"\n\n{integrations}");
        folder.write("portcullis.toml", config);
    };
    default("files");
    assert_eq!(evaluate(&folder, &[], &unnamed).code, 0);
    default("flies");
    let checked = folder.run(&["check", "portcullis.toml"]);
    assert_eq!(checked.code, 3, "{}", checked.out);
    assert!(
        format!("{}{}", checked.out, checked.err).contains("`flies`"),
        "{}",
        checked.err
    );
}
