//! Checks a plugin's verdict against the contract.

use crate::bindings::given::exports::portcullis::policy::types as wire;
use crate::fault::Fault;
use portcullis_contract::{
    Constraint, Manifest, Operator, check_obligation, excerpt, is_printable, is_token, printable,
};
use portcullis_model::json::parse_guest_object;
use portcullis_model::verdict::{Effect, Narrowing, Obligation, Reason, Verdict};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

/// Maximum number of reasons, obligations, advice and constraints of a verdict, each.
///
/// The host handles them outside the plugin's deadline.
const MAX_ITEMS: usize = 64;

/// Maximum number of items that the constraints of a verdict list together.
///
/// The host compares each with each item of an argument.
const MAX_OPERAND_ITEMS: usize = 512;

/// Checks a verdict of the plugin of `manifest` against the contract.
///
/// The plugin controls all of it; its size is already bounded.
pub(crate) fn accept(wire: wire::Verdict, manifest: &Manifest) -> Result<Verdict, Fault> {
    let plugin = &manifest.name;
    let effect = match wire.effect {
        wire::Effect::Permit => Effect::Permit,
        wire::Effect::Deny => Effect::Deny,
        wire::Effect::NotApplicable => Effect::NotApplicable,
        wire::Effect::Indeterminate => Effect::Indeterminate,
    };
    for (what, count) in [
        ("reasons", wire.reasons.len()),
        ("obligations", wire.obligations.len()),
        ("advice", wire.advice.len()),
    ] {
        if count > MAX_ITEMS {
            return Err(invalid(format!(
                "{count} {what}, and at most {MAX_ITEMS} are read"
            )));
        }
    }
    if effect == Effect::Permit && wire.reasons.is_empty() {
        return Err(invalid("a permit without a reason"));
    }
    let reasons = wire
        .reasons
        .into_iter()
        .map(|reason| accept_reason(reason, plugin))
        .collect::<Result<_, _>>()?;
    let mut ids = BTreeSet::new();
    let obligations = accept_obligations(wire.obligations, plugin, &mut ids)?;
    if let Some(undeclared) = obligations
        .iter()
        .find(|obligation| !manifest.obligations.contains(&obligation.kind))
    {
        return Err(invalid(format!(
            "an obligation `{}` that its manifest does not list",
            undeclared.kind
        )));
    }
    for obligation in &obligations {
        check_obligation(&obligation.kind, &obligation.properties)
            .map_err(|error| invalid(format!("obligation `{}`: {error}", obligation.id)))?;
    }
    Ok(Verdict {
        effect,
        reasons,
        obligations,
        advice: accept_obligations(wire.advice, plugin, &mut ids)?,
        narrowing: wire
            .narrowing
            .map(accept_narrowing)
            .transpose()?
            .unwrap_or_default(),
    })
}

fn accept_reason(wire: wire::Reason, plugin: &str) -> Result<Reason, Fault> {
    if !is_token(&wire.code) {
        return Err(invalid(format!(
            "`{}` is no reason code",
            excerpt(&wire.code)
        )));
    }
    Ok(Reason {
        plugin: plugin.to_owned(),
        code: wire.code,
        message: printable(&wire.message),
        evidence: wire.evidence.iter().map(|field| printable(field)).collect(),
    })
}

fn accept_obligations(
    wire: Vec<wire::Obligation>,
    plugin: &str,
    ids: &mut BTreeSet<String>,
) -> Result<Vec<Obligation>, Fault> {
    let mut accepted: Vec<Obligation> = Vec::with_capacity(wire.len());
    for obligation in wire {
        for text in [&obligation.id, &obligation.kind] {
            if !is_token(text) {
                let text = excerpt(text);
                return Err(invalid(format!("`{text}` is no obligation's id or kind")));
            }
        }
        let id = format!("{plugin}:{}", obligation.id);
        if !ids.insert(id.clone()) {
            return Err(invalid(format!("two obligations with the id `{id}`")));
        }
        let properties = parse_guest_object(&obligation.properties).ok_or_else(|| {
            invalid(format!(
                "the properties of obligation `{id}` are not a JSON object"
            ))
        })?;
        accepted.push(Obligation {
            id,
            kind: obligation.kind,
            properties: shown(properties),
        });
    }
    Ok(accepted)
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

fn accept_narrowing(wire: wire::Narrowing) -> Result<Narrowing, Fault> {
    let count = wire.constraints.len();
    if count > MAX_ITEMS {
        return Err(invalid(format!(
            "{count} constraints, and at most {MAX_ITEMS} are read"
        )));
    }
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
    let items: usize = constraints.iter().map(Constraint::operand_items).sum();
    if items > MAX_OPERAND_ITEMS {
        return Err(invalid(format!(
            "constraints that list {items} items, and at most {MAX_OPERAND_ITEMS} are compared"
        )));
    }
    Ok(Narrowing {
        constraints,
        lifetime: wire.lifetime_ms.map(|ms| Duration::from_millis(ms.into())),
        max_uses: wire.max_uses,
    })
}

fn invalid(what: impl Into<String>) -> Fault {
    Fault::InvalidOutput(what.into())
}
