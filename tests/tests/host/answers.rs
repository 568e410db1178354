//! Answers to questions of an MCP server (`inputResponses`, `requestState`) are judged or refused.

use portcullis_host::{
    Cause, Integration, Pdp, Plugin, PluginSource, Principal, PrincipalKind, Request,
    RequestLimits, Timestamp, Vouched,
};
use portcullis_tests::guests;
use serde_json::{Value, json};

fn pdp(plugins: &[(&str, Value)]) -> Pdp {
    let integration = plugins.iter().fold(
        Integration::new("files"),
        |integration, (folder, settings)| {
            let source = PluginSource::new(guests::component(folder).unwrap())
                .compile_in_process()
                .settings(settings.clone())
                .limits(guests::patient());
            integration.plugin(Plugin::load(&source).unwrap())
        },
    );
    Pdp::builder().integration(integration).build().unwrap()
}

fn call(params: Value) -> Request {
    let principal = Principal {
        id: "spiffe://acme.example/agent/fixer".into(),
        kind: PrincipalKind::Agent,
        ..Principal::default()
    };
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    Vouched::new("files", principal)
        .mcp_message(message.to_string().as_bytes(), &RequestLimits::default())
        .unwrap()
}

fn cause(pdp: &Pdp, params: Value) -> Cause {
    pdp.explain_at(&call(params), Timestamp::now()).0.cause()
}

#[test]
fn a_call_that_answers_is_denied_where_a_plugin_does_not_ask_for_the_answers() {
    let tools = (
        "plugins/mcp-tools",
        json!({ "tools": [{ "tool": "deploy", "input-responses": true }] }),
    );
    let other = ("tests/guests/hostile", json!({ "behaviour": "permit" }));
    let answering = [
        json!({ "name": "deploy", "inputResponses": { "confirm": { "action": "accept" } } }),
        json!({ "name": "deploy", "inputResponses": {} }),
        json!({ "name": "deploy", "requestState": "opaque" }),
        json!({ "name": "deploy", "inputResponses": {}, "requestState": "" }),
    ];
    let (judges, both) = (
        pdp(std::slice::from_ref(&tools)),
        pdp(&[tools, other.clone()]),
    );
    let blind = pdp(&[other]);
    for params in answering {
        assert_eq!(cause(&judges, params.clone()), Cause::Permitted, "{params}");
        assert_eq!(
            cause(&both, params.clone()),
            Cause::AnswersNotJudged,
            "{params}"
        );
        assert_eq!(
            cause(&blind, params.clone()),
            Cause::AnswersNotJudged,
            "{params}"
        );
    }
    let plain = json!({ "name": "deploy" });
    for pdp in [&judges, &both, &blind] {
        assert_eq!(cause(pdp, plain.clone()), Cause::Permitted);
    }
    let (decision, _) = both.explain_at(
        &call(json!({ "name": "deploy", "inputResponses": {} })),
        Timestamp::now(),
    );
    assert_eq!(
        decision.detail(),
        "the call answers questions of the server, and plugin `hostile` does not judge the answers: it has to list `action.input-responses` under `needs` in plugin.toml"
    );
}

#[test]
fn a_rule_that_does_not_take_answers_denies() {
    let pdp = pdp(&[(
        "plugins/mcp-tools",
        json!({ "tools": [{ "tool": "deploy" }] }),
    )]);
    let params = json!({ "name": "deploy", "inputResponses": { "confirm": {} } });
    let (decision, _) = pdp.explain_at(&call(params), Timestamp::now());
    assert_eq!(decision.cause(), Cause::PluginDenied);
    assert_eq!(decision.reasons()[0].code, "answers-not-allowed");
    assert_eq!(decision.reasons()[0].fields, ["/action/input-responses"]);
}
