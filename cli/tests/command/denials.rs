//! Texts of denials: the nearest allowance, and what is offered for approval.

use crate::common::{Folder, Request, equals};
use portcullis_host::{Decision, Digest, Pdp};
use portcullis_tests::guests;
use serde_json::{Value, json};
use snapbox::str;

const AGENT: &str = "spiffe://acme.example/agent/reporter";

/// Creates a folder with one intent, whose denials may be requested; `more` is added to that section.
fn folder(more: &str) -> (Folder, Pdp) {
    let folder = Folder::new();
    folder.write(
        "permits.wasm",
        guests::component("tests/guests/hostile").unwrap(),
    );
    let integration = |name: &str| {
        format!(
            "[[integration]]\nname = \"{name}\"\n[[integration.plugin]]\ncomponent = \"permits.wasm\"\nsettings = {{ behaviour = \"permit\" }}\n"
        )
    };
    let config = folder.write(
        "portcullis.toml",
        format!(
            "limits = {{ deadline = \"2s\" }}\n[log]\npath = \"decisions.jsonl\"\n[intents]\npath = \"intents\"\n[intents.access-requests]\nendpoint = \"https://approvals.acme.example\"\n{more}\n{}{}",
            integration("mail"),
            integration("scm")
        ),
    );
    let intent = json!({
        "id": "int-1", "purpose": "report", "principal": AGENT,
        "approved-by": { "who": "alice@acme.example", "at": "2026-01-01T00:00:00Z" },
        "issued-at": "2026-01-01T00:00:00Z", "expires-at": "2099-01-01T00:00:00Z",
        "allows": [
            { "integration": "scm", "action": "pay", "resource": "acme/*", "arguments": "open" },
            { "integration": "mail", "action": "send", "resource": "team/a",
              "arguments": { "required": ["/to", "/amount"], "optional": ["/token"] },
              "constraints": [
                  { "path": "/to", "op": "one-of", "value": ["bob@acme.example"] },
                  { "path": "/to", "op": "origin-is", "value": ["user", "tool:directory"] },
                  { "path": "/amount", "op": "at-most", "value": 100 },
              ] },
            { "integration": "mail", "action": "send", "resource": "team/*",
              "arguments": { "required": ["/to"], "optional": ["/amount"] },
              "constraints": [{ "path": "/to", "op": "one-of", "value": ["ops@acme.example"] }] },
            { "integration": "mail", "action": "draft", "resource": "team/a",
              "arguments": { "required": ["/a"], "optional": ["/b"] },
              "constraints": [{ "path": "", "op": "equals", "value": { "a": 1 } }] },
        ],
        "denies": [{ "integration": "scm", "action": "*", "resource": "acme/payroll" }],
    });
    folder.write("intents/int-1.json", intent.to_string());
    let pdp = Pdp::from_file(config).unwrap();
    (folder, pdp)
}

fn request(
    integration: &str,
    action: &str,
    resource: &str,
    arguments: &Value,
    origins: &Value,
) -> Request {
    Request::new(integration, action)
        .principal(AGENT)
        .resource(resource)
        .arguments(arguments)
        .intent(&json!("int-1"))
        .set("/context/argument-origins", origins.clone())
}

/// The part of a denial's detail that says what the request does not meet.
fn unmet(decision: &Decision) -> String {
    let detail = decision.detail();
    let (_, detail) = detail.split_once("is outside intent `int-1`: ").unwrap();
    detail
        .split_once("; the intent allows ")
        .unwrap()
        .0
        .to_owned()
}

#[test]
fn a_denial_explains_the_nearest_allowance_with_values_and_origins() {
    let (_folder, pdp) = folder("");
    let user = json!([{ "path": "/to", "origin": "user" }]);
    let mail = json!([{ "path": "/to", "origin": "tool:read_mail" }]);
    let bob = json!({ "to": "bob@acme.example", "amount": 5 });
    let permitted = request("mail", "send", "team/a", &bob, &user).decide(&pdp);
    assert!(permitted.is_permit(), "{}", permitted.detail());
    let secret = "ghp_0123456789abcdefghijABCDEFGHIJ012345";
    for (request, said) in [
        (
            request("mail", "send", "team/a", &bob, &mail),
            "its arguments do not meet `/to origin-is [\"user\",\"tool:directory\"]`: `/to` is `\"bob@acme.example\"` with the origin `tool:read_mail`, not `user` or `tool:directory`".to_owned(),
        ),
        (
            request("mail", "send", "team/a", &bob, &json!([])),
            "its arguments do not meet `/to origin-is [\"user\",\"tool:directory\"]`: `/to` is `\"bob@acme.example\"` with the origin `unknown`, not `user` or `tool:directory`".to_owned(),
        ),
        // Two allowances are about it; of the one, a single constraint is unmet.
        (
            request("mail", "send", "team/a", &json!({ "to": "bob@acme.example", "amount": 500 }), &user),
            "its arguments do not meet `/amount at-most 100`: `/amount` is `500`".to_owned(),
        ),
        (
            request("mail", "send", "team/b", &json!({ "to": secret }), &user),
            "its arguments do not meet `/to one-of [\"ops@acme.example\"]`: `/to` is `\"(withheld: it looks like a token)\"`".to_owned(),
        ),
        // The action counts before the resource.
        (
            request("mail", "send", "acme/x", &bob, &user),
            "its resource `acme/x` is not `team/a`".to_owned(),
        ),
        (
            request("mail", "erase", "team/b", &bob, &user),
            "its action `erase` is not `send`".to_owned(),
        ),
        (
            request("mail", "draft", "team/a", &json!({ "a": 2 }), &user),
            "its arguments do not meet `(all arguments) equals {\"a\":1}`: `(all arguments)` is `{\"a\":2}`".to_owned(),
        ),
        (
            request("mail", "send", "team/b", &json!({ "to": "ops@acme.example", "cc": "x" }), &user),
            "its argument `/cc` is not among the allowed arguments: leave it out, or have it approved as well".to_owned(),
        ),
        (
            request("mail", "send", "team/b", &json!({}), &user),
            "its arguments do not meet `/to one-of [\"ops@acme.example\"]`: `/to` is missing".to_owned(),
        ),
    ] {
        assert_eq!(unmet(&request.decide(&pdp)), said);
    }
    // The nearest allowance is also the first that is listed.
    let denied = request("mail", "draft", "team/a", &json!({ "a": 2 }), &user).decide(&pdp);
    equals(
        denied.detail(),
        str![[
            r#"call `mail: draft team/a` is outside intent `int-1`: its arguments do not meet `(all arguments) equals {"a":1}`: `(all arguments)` is `{"a":2}`; the intent allows `mail: draft team/a` with `(all arguments) equals {"a":1}` with the arguments `{"optional":["/b"],"required":["/a"]}`, `mail: send team/*` with `/to one-of ["ops@acme.example"]` with the arguments `{"optional":["/amount"],"required":["/to"]}`, `mail: send team/a` with `/to one-of ["bob@acme.example"]` with `/to origin-is ["user","tool:directory"]` with `/amount at-most 100` with the arguments `{"optional":["/token"],"required":["/to","/amount"]}`, and more, minus its denials; have another intent approved, or request less"#
        ]],
    );
}

/// The approval that is offered for a request, if any.
fn offered(pdp: &Pdp, request: &Request) -> Option<Value> {
    let decision = request.decide(pdp);
    assert!(!decision.is_permit());
    let json = serde_json::to_value(&decision).unwrap();
    json.pointer("/context/access_request/approval").cloned()
}

#[test]
fn an_approval_shows_the_arguments_that_are_at_issue() {
    let (_folder, pdp) = folder("");
    let digest = |arguments: &Value| {
        let canonical = arguments.to_string();
        Digest::of(canonical.as_bytes()).to_string()
    };
    let origins = json!([{ "path": "/to", "origin": "tool:read_mail" }]);
    let arguments = json!({ "amount": 500, "to": "eve@evil.example" });
    let sent = |arguments: &Value| request("mail", "send", "team/a", arguments, &origins);
    let to = json!({ "path": "/to", "value": "eve@evil.example", "origins": ["tool:read_mail"] });
    assert_eq!(
        offered(
            &pdp,
            &request("mail", "send", "team/b", &arguments, &origins)
        )
        .unwrap(),
        json!({
            "integration": "mail", "action": "send", "resource": "team/b",
            "arguments": [to], "arguments_digest": digest(&arguments),
        })
    );
    // An argument that is not listed. The header's credential is masked.
    let more = json!({
        "amount": 500, "to": "ops@acme.example",
        "token": { "headers": { "authorization": "Basic eA==" } },
    });
    let found = offered(&pdp, &sent(&more)).unwrap();
    assert_eq!(found["arguments"][0]["path"], "/token");
    assert_eq!(found["arguments_digest"], digest(&more));
    assert!(!found.to_string().contains("eA=="), "{found}");
    // Without an intent, all arguments are at issue.
    let unnamed = sent(&arguments).without("/context/intent");
    assert_eq!(
        offered(&pdp, &unnamed).unwrap()["arguments"],
        json!([{ "path": "/amount", "value": 500, "origins": ["unknown"] }, to])
    );
    let long = json!({ "to": "x".repeat(100), "amount": 1 });
    let found = offered(&pdp, &sent(&long)).unwrap();
    assert_eq!(
        found["arguments"][0]["value"],
        format!("{}…", "x".repeat(60))
    );
}

#[test]
fn an_approval_is_offered_only_within_the_intent() {
    let arguments = json!({ "to": "eve@evil.example", "amount": 5 });
    let asks = |integration: &str, action: &str, resource: &str| {
        request(integration, action, resource, &arguments, &json!([]))
    };
    let beyond = [
        asks("mail", "send", "other/a"),
        asks("mail", "erase", "team/a"),
        asks("scm", "read", "acme/billing"),
        // The intent denies it.
        asks("scm", "pay", "acme/payroll"),
    ];
    let unnamed = asks("mail", "erase", "team/a").without("/context/intent");
    let within = [asks("mail", "send", "team/a"), unnamed];
    for (more, beyond_is_offered) in [
        ("", false),
        ("beyond-intent = false", false),
        ("beyond-intent = true", true),
    ] {
        let (_folder, pdp) = folder(more);
        for request in &beyond {
            let found = offered(&pdp, request);
            assert_eq!(found.is_some(), beyond_is_offered, "{request}");
        }
        for request in &within {
            assert!(offered(&pdp, request).is_some(), "{request}");
        }
    }
}
