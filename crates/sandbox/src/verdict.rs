//! Checks a plugin's verdict against the contract.

use crate::bindings::given::exports::portcullis::policy::types as wire;
use crate::fault::Fault;
use portcullis_contract::{
    Constraint, Effect, MAX_VERDICT_ITEMS, Manifest, Narrowing, Obligation, Operator, Reason,
    Verdict, check_verdict, excerpt, is_printable, printable,
};
use portcullis_model::json::parse_guest_object;
use serde_json::Value;
use std::time::Duration;

/// Checks a verdict of the plugin of `manifest` against the contract.
///
/// The plugin controls all of it; its size is already bounded.
pub(crate) fn accept(wire: wire::Verdict, manifest: &Manifest) -> Result<Verdict, Fault> {
    let verdict = Verdict {
        effect: match wire.effect {
            wire::Effect::Permit => Effect::Permit,
            wire::Effect::Deny => Effect::Deny,
            wire::Effect::NotApplicable => Effect::NotApplicable,
            wire::Effect::Indeterminate => Effect::Indeterminate,
        },
        reasons: wire.reasons.into_iter().map(read_reason).collect(),
        obligations: read_obligations(wire.obligations)?,
        advice: read_obligations(wire.advice)?,
        narrowing: wire
            .narrowing
            .map(read_narrowing)
            .transpose()?
            .unwrap_or_default(),
        requestable: wire.requestable,
    };
    check_verdict(&verdict, manifest).map_err(Fault::InvalidOutput)?;
    let own = |mut obligation: Obligation| {
        obligation.id = format!("{}:{}", manifest.name, obligation.id);
        obligation.properties = shown(obligation.properties);
        obligation
    };
    Ok(Verdict {
        obligations: verdict.obligations.into_iter().map(own).collect(),
        advice: verdict.advice.into_iter().map(own).collect(),
        ..verdict
    })
}

fn read_reason(wire: wire::Reason) -> Reason {
    Reason {
        code: wire.code,
        message: printable(&wire.message),
        fields: wire.fields.iter().map(|field| printable(field)).collect(),
    }
}

fn read_obligations(wire: Vec<wire::Obligation>) -> Result<Vec<Obligation>, Fault> {
    at_most(MAX_VERDICT_ITEMS, wire.len(), "obligations")?;
    let read = |obligation: wire::Obligation| {
        let properties = parse_guest_object(&obligation.properties).ok_or_else(|| {
            let id = excerpt(&obligation.id);
            invalid(format!(
                "the properties of obligation `{id}` are not a JSON object"
            ))
        })?;
        Ok(Obligation {
            id: obligation.id,
            kind: obligation.kind,
            properties,
        })
    };
    wire.into_iter().map(read).collect()
}

/// Refuses a list that is too long before its items are parsed.
fn at_most(most: usize, count: usize, what: &str) -> Result<(), Fault> {
    match count > most {
        true => Err(invalid(format!(
            "{count} {what}, and at most {most} are read"
        ))),
        false => Ok(()),
    }
}

/// Makes the texts in `json` printable; line breaks and tabs stay.
///
/// The gateway may show or send the properties of an obligation, and a message may have several lines.
fn shown(json: Value) -> Value {
    let text = |text: String| -> String {
        match text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            true => text,
            false => text
                .chars()
                .map(|c| match is_printable(c) || matches!(c, '\n' | '\t') {
                    true => c,
                    false => '\u{fffd}',
                })
                .collect(),
        }
    };
    match json {
        Value::String(it) => Value::String(text(it)),
        Value::Array(items) => items.into_iter().map(shown).collect(),
        Value::Object(members) => members
            .into_iter()
            .map(|(key, value)| (text(key), shown(value)))
            .collect(),
        other => other,
    }
}

fn read_narrowing(wire: wire::Narrowing) -> Result<Narrowing, Fault> {
    at_most(MAX_VERDICT_ITEMS, wire.constraints.len(), "constraints")?;
    let constraints: Vec<Constraint> = wire
        .constraints
        .into_iter()
        .map(|constraint| {
            let operator = match constraint.operator {
                wire::Operator::Equals => Operator::Equals,
                wire::Operator::OneOf => Operator::OneOf,
                wire::Operator::Prefix => Operator::Prefix,
                wire::Operator::Under => Operator::Under,
                wire::Operator::AtLeast => Operator::AtLeast,
                wire::Operator::AtMost => Operator::AtMost,
                wire::Operator::MinLength => Operator::MinLength,
                wire::Operator::MaxLength => Operator::MaxLength,
                wire::Operator::SubsetOf => Operator::SubsetOf,
                wire::Operator::OriginIs => Operator::OriginIs,
            };
            let operand = serde_json::from_str(&constraint.operand).map_err(|error| {
                invalid(format!("a constraint whose operand is not JSON: {error}"))
            })?;
            Constraint::new(constraint.path, operator, operand)
                .map_err(|error| invalid(error.to_string()))
        })
        .collect::<Result<_, _>>()?;
    Ok(Narrowing {
        constraints,
        lifetime: wire.lifetime_ms.map(|ms| Duration::from_millis(ms.into())),
        max_uses: wire.max_uses,
    })
}

fn invalid(what: impl Into<String>) -> Fault {
    Fault::InvalidOutput(what.into())
}
