//! A guest that repeats its request, in a verdict with every possible part.

use portcullis_sdk::{Constraint, Json, Operator, Policy, Verdict, json, policy};
use serde::Deserialize;
use std::time::Duration;

/// Empty settings.
#[derive(Debug, Deserialize)]
pub struct Echo {}

#[policy]
impl Policy for Echo {
    fn evaluate(&self, request: &Request) -> Verdict {
        let verdict = Verdict::permit()
            .because("told", format!("{request:?}"))
            .fields(["/action/name", "/resource/id"])
            .because("second", numbers(request))
            .oblige(
                "notification",
                json!({ "to": format!("owner {}", request.principal().owner()), "body": "ü\n" }),
            )
            .advise("notification", json!({ "to": ["ü", 1, null] }))
            .expires_in(Duration::from_millis(1234))
            .at_most(7);
        match Constraint::new("", Operator::OneOf, json!([{}, { "a": -1.5 }])) {
            Ok(constraint) => verdict.only_if(constraint),
            Err(_) => Verdict::indeterminate(),
        }
    }
}

/// Returns the bits of each number in the argument `numbers`, as the guest parses it.
fn numbers(request: &Request) -> String {
    let arguments: Json = request.arguments().unwrap_or_default();
    let numbers = arguments.get("numbers").and_then(Json::as_array);
    let bits = numbers.into_iter().flatten().filter_map(Json::as_f64);
    let bits: Vec<_> = bits.map(|it| format!("{:016x}", it.to_bits())).collect();
    bits.join(" ")
}
