//! The guest `echo` without portcullis-sdk: it takes its requests as the records of the contract.

#![cfg(target_family = "wasm")]

mod bindings {
    #![allow(
        missing_docs,
        unreachable_pub,
        unused_qualifications,
        clippy::all,
        reason = "generated code"
    )]

    wit_bindgen::generate!({ path: "../../../wit", world: "policy-plugin" });
}

use bindings::exports::portcullis::policy::policy::Guest;
use bindings::exports::portcullis::policy::types::{
    Constraint, Effect, Narrowing, Obligation, Operator, Reason, Request, SettingsError, Verdict,
};
use serde_json::json;

struct Echo;

impl Guest for Echo {
    fn configure(_: String) -> Result<(), Vec<SettingsError>> {
        Ok(())
    }

    fn evaluate(request: Request) -> Verdict {
        let reason = |code: &str, message: String, fields: &[&str]| Reason {
            code: code.to_owned(),
            message,
            fields: fields.iter().map(|field| (*field).to_owned()).collect(),
        };
        let notification = |id: &str, properties: serde_json::Value| Obligation {
            id: id.to_owned(),
            kind: "notification".to_owned(),
            properties: properties.to_string(),
        };
        Verdict {
            effect: Effect::Permit,
            reasons: vec![
                reason(
                    "told",
                    format!("{request:?}"),
                    &["/action/name", "/resource/id"],
                ),
                reason("second", numbers(&request.action.arguments), &[]),
            ],
            obligations: vec![notification(
                "notification-1",
                json!({ "to": format!("owner {}", request.principal.owner), "body": "ü\n" }),
            )],
            advice: vec![notification(
                "notification-advice-1",
                json!({ "to": ["ü", 1, null] }),
            )],
            narrowing: Some(Narrowing {
                constraints: vec![Constraint {
                    path: String::new(),
                    operator: Operator::OneOf,
                    operand: json!([{}, { "a": -1.5 }]).to_string(),
                }],
                lifetime_ms: Some(1234),
                max_uses: Some(7),
            }),
            requestable: false,
        }
    }
}

/// Returns the bits of each number in the argument `numbers`, as the guest parses it.
fn numbers(arguments: &str) -> String {
    let arguments: serde_json::Value = serde_json::from_str(arguments).unwrap_or_default();
    let numbers = arguments
        .get("numbers")
        .and_then(serde_json::Value::as_array);
    let bits = numbers
        .into_iter()
        .flatten()
        .filter_map(serde_json::Value::as_f64);
    let bits: Vec<_> = bits.map(|it| format!("{:016x}", it.to_bits())).collect();
    bits.join(" ")
}

bindings::export!(Echo with_types_in bindings);
