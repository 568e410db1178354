//! A guest that says all that it is told, in a verdict that has everything a verdict can have.

use portcullis_sdk::{Constraint, Operator, Policy, Request, Verdict, json};
use serde::Deserialize;
use std::time::Duration;

/// It has no settings.
#[derive(Debug, Deserialize)]
pub struct Echo {}

impl Policy for Echo {
    fn evaluate(&self, request: &Request) -> Verdict {
        let verdict = Verdict::permit()
            .because("told", format!("{request:?}"))
            .evidence(["/action/name", "/resource/id"])
            .because("second", "")
            .oblige("notification", json!({ "to": request.principal.owner }))
            .advise("notification", json!({ "to": ["ü", 1, null] }))
            .expires_in(Duration::from_millis(1234))
            .at_most(7);
        match Constraint::new("", Operator::OneOf, json!([{}, { "a": -1.5 }])) {
            Ok(constraint) => verdict.only_if(constraint),
            Err(_) => Verdict::indeterminate(),
        }
    }
}

#[cfg(feature = "plugin")]
portcullis_sdk::export!(Echo);
