//! Messages that two readers could read differently are refused.

use crate::setting::{Sent, Setting, call, definitions, only};
use serde_json::json;

#[test]
fn an_ambiguous_message_is_refused_and_never_forwarded() {
    let setting = Setting::new("pay rent");
    setting.list(&definitions());
    for raw in [
        // A member twice: SDKs keep the last, or take the message for another method.
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list_payments","name":"delete_account"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"send_money","arguments":{"recipient":"rent","recipient":"x"}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call","params":{"name":"delete_account"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"tools/call","params":{"name":"list_payments"}}"#,
        // Keys that some readers take for one.
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"send_money","arguments":{"recipient":"rent","Recipient":"x"}}}"#,
        // A number that a double does not hold.
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"send_money","arguments":{"recipient":"rent","amount":100000000000000000000001}}}"#,
        // Members that the protocol does not have, and arguments that are none.
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"send_money","tool":"x","arguments":{}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"send_money","arguments":[1]}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":[1]}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"send_money"},"extra":1}"#,
        // A batch.
        r#"[{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list_payments"}}]"#,
        // A call without an id gets no answer, so that nothing would be observed.
        r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"list_payments"}}"#,
        "nothing",
    ] {
        for sent in setting.client_raw(raw.as_bytes()) {
            assert!(matches!(sent, Sent::ToClient(_)), "{raw}");
        }
    }
    // The same, said once.
    let plain = call(
        2,
        "send_money",
        json!({ "recipient": "rent", "amount": 1e22 }),
    );
    assert!(matches!(only(setting.client(&plain)), Sent::ToServer(_)));
}

#[test]
fn a_message_within_white_space_is_one_message_to_every_reader() {
    let setting = Setting::new("pay rent");
    setting.list(&definitions());
    // A reader that ends lines at `\r` would take the middle for a call.
    let raw = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"params\":{\"_meta\":{\"x\":\r{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"tools/call\",\"params\":{\"name\":\"delete_account\"}}\r}}}";
    assert!(matches!(
        only(setting.client_raw(raw.as_bytes())),
        Sent::ToServer(_)
    ));
    // The gate's first id is 2 here: 1 was its client's list.
    let answer = "{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{\"x\":\r{\"jsonrpc\":\"2.0\",\"id\":9,\"method\":\"sampling/createMessage\"}\r}}";
    assert!(matches!(
        only(setting.server_raw(answer.as_bytes())),
        Sent::ToClient(_)
    ));
}

#[test]
fn an_id_is_in_flight_once() {
    let setting = Setting::new("pay rent");
    setting.list(&definitions());
    assert!(matches!(
        setting.call(1, "list_payments", json!({})),
        Sent::ToServer(_)
    ));
    assert_eq!(setting.call(1, "list_payments", json!({})).code(), -32600);
    setting.answer(1, json!({ "content": [] }));
    assert!(matches!(
        setting.call(1, "list_payments", json!({})),
        Sent::ToServer(_)
    ));
}

#[test]
fn unknown_methods_and_notifications_are_not_passed_on() {
    let setting = Setting::new("pay rent");
    for method in ["tools/Call", "interceptors/list", "tools/execute", "x"] {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method });
        assert_eq!(only(setting.client(&request)).code(), -32601, "{method}");
    }
    let notification = json!({ "jsonrpc": "2.0", "method": "notifications/tools/call" });
    assert_eq!(setting.client(&notification), []);
    for method in ["initialize", "ping", "server/discover", "logging/setLevel"] {
        let request = json!({ "jsonrpc": "2.0", "id": method, "method": method });
        setting.passes(&request);
    }
}

#[test]
fn an_answer_that_nothing_asked_for_is_not_passed_on() {
    let setting = Setting::new("pay rent");
    let answer = json!({ "jsonrpc": "2.0", "id": 5, "result": {} });
    assert_eq!(setting.server(&answer), []);
    assert_eq!(setting.client(&answer), []);
    assert_eq!(setting.server_raw(b"Listening on port 3000"), []);
    assert!(setting.has_reported("no message of JSON-RPC"));
    // Cancelled requests are not answered any more.
    setting.list(&definitions());
    assert!(matches!(
        setting.call(6, "list_payments", json!({})),
        Sent::ToServer(_)
    ));
    let cancelled = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 6 } });
    setting.client(&cancelled);
    let late = json!({ "jsonrpc": "2.0", "id": setting.at_server(6), "result": { "content": [] } });
    assert_eq!(setting.server(&late), []);
}

#[test]
fn a_server_that_ends_answers_all_that_is_in_flight() {
    let setting = Setting::new("pay rent");
    setting.list(&definitions());
    setting.call(1, "list_payments", json!({}));
    setting.call(2, "list_payments", json!({}));
    let answers = setting.gate.server_ended("the server ended");
    assert_eq!(answers.len(), 2);
}
