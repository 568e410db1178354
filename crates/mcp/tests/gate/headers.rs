//! Over HTTP, headers that repeat parts of a message have to say what it says.

use crate::setting::{Sent, Setting, call, definitions, only};
use serde_json::json;

const MISMATCH: i64 = -32020;

#[test]
fn a_call_whose_headers_say_something_else_is_refused_in_every_version() {
    let setting = Setting::new("pay rent");
    setting.list(&definitions());
    let plain = call(1, "list_payments", json!({}));
    for headers in [
        vec![("mcp-method", "tools/list")],
        vec![("mcp-name", "delete_account")],
        vec![
            ("mcp-protocol-version", "2025-11-25"),
            ("mcp-method", "ping"),
        ],
        vec![("mcp-protocol-version", "2026-07-28")],
        vec![("mcp-param-recipient", "x")],
        vec![("mcp-param-other", "x")],
    ] {
        assert_eq!(
            only(setting.client_over_http(&plain, &headers)).code(),
            MISMATCH,
            "{headers:?}"
        );
    }
    let right = [
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
        ("mcp-name", "list_payments"),
    ];
    assert!(matches!(
        only(setting.client_over_http(&plain, &right)),
        Sent::ToServer(_)
    ));
}

#[test]
fn an_argument_in_a_header_is_that_of_the_body() {
    let setting = Setting::new("pay rent to Ann");
    setting.list(&definitions());
    let pay = call(1, "send_money", json!({ "recipient": "rent" }));
    let with = |value: &'static str| {
        vec![
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", "tools/call"),
            ("mcp-name", "send_money"),
            ("mcp-param-recipient", value),
        ]
    };
    assert_eq!(
        only(setting.client_over_http(&pay, &with("Ann"))).code(),
        MISMATCH
    );
    let missing: Vec<_> = with("").into_iter().take(3).collect();
    assert_eq!(
        only(setting.client_over_http(&pay, &missing)).code(),
        MISMATCH
    );
    assert!(matches!(
        only(setting.client_over_http(&pay, &with("rent"))),
        Sent::ToServer(_)
    ));
}
