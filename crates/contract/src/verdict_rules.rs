//! Rules that every verdict must follow, checked by the host and by the native test harness.

use crate::{Effect, Manifest, Obligation, Verdict, check_obligation, excerpt, is_token};
use std::collections::BTreeSet;

/// Maximum number of reasons, obligations, advice and constraints of a verdict, each.
///
/// The host handles them outside the plugin's deadline.
pub const MAX_VERDICT_ITEMS: usize = 64;

/// Maximum number of items that the constraints of a verdict list together.
///
/// The host compares each with each item of an argument.
pub const MAX_OPERAND_ITEMS: usize = 512;

/// Maximum number of fields that the reasons of a verdict name together.
///
/// Each is in the record of the decision.
pub(crate) const MAX_REASON_FIELDS: usize = 256;

/// Maximum length of a constraint's path in bytes.
pub(crate) const MAX_POINTER_BYTES: usize = 512;

/// Checks a verdict of the plugin of `manifest`.
///
/// # Errors
///
/// Text that names the broken rule.
pub fn check_verdict(verdict: &Verdict, manifest: &Manifest) -> Result<(), String> {
    for (what, count) in [
        ("reasons", verdict.reasons.len()),
        ("obligations", verdict.obligations.len()),
        ("advice", verdict.advice.len()),
        ("constraints", verdict.narrowing.constraints.len()),
    ] {
        if count > MAX_VERDICT_ITEMS {
            return Err(format!(
                "{count} {what}, and at most {MAX_VERDICT_ITEMS} are read"
            ));
        }
    }
    let fields: usize = verdict.reasons.iter().map(|it| it.fields.len()).sum();
    if fields > MAX_REASON_FIELDS {
        return Err(format!(
            "reasons that name {fields} fields, and at most {MAX_REASON_FIELDS} are read"
        ));
    }
    if verdict.effect == Effect::Permit && verdict.reasons.is_empty() {
        return Err("a permit without a reason".to_owned());
    }
    if verdict.requestable && verdict.effect != Effect::Deny {
        return Err(format!(
            "a requestable {}, and only a deny can be requestable",
            verdict.effect.as_str()
        ));
    }
    for reason in &verdict.reasons {
        let code = excerpt(&reason.code);
        if !is_token(&reason.code) {
            return Err(format!(
                "`{code}` is no reason code: a code has 1 to 64 letters, digits, `-`, `_`, `.` and `:`"
            ));
        }
        if !manifest.declares_reason(&reason.code) {
            return Err(format!(
                "a reason `{code}` that its manifest does not declare: add it to `[reasons]` in plugin.toml"
            ));
        }
    }
    check_obligations(verdict, manifest)?;
    let constraints = &verdict.narrowing.constraints;
    let long = constraints
        .iter()
        .find(|it| it.path().len() > MAX_POINTER_BYTES);
    if let Some(long) = long {
        return Err(format!(
            "a constraint whose path has {} bytes, and at most {MAX_POINTER_BYTES} are read",
            long.path().len()
        ));
    }
    let items: usize = constraints
        .iter()
        .map(crate::Constraint::operand_items)
        .sum();
    if items > MAX_OPERAND_ITEMS {
        return Err(format!(
            "constraints that list {items} items, and at most {MAX_OPERAND_ITEMS} are compared"
        ));
    }
    Ok(())
}

fn check_obligations(verdict: &Verdict, manifest: &Manifest) -> Result<(), String> {
    let mut ids = BTreeSet::new();
    for Obligation {
        id,
        kind,
        properties,
    } in verdict.obligations.iter().chain(&verdict.advice)
    {
        for text in [id, kind] {
            if !is_token(text) {
                let text = excerpt(text);
                return Err(format!("`{text}` is no obligation's id or kind"));
            }
        }
        if !ids.insert(id) {
            return Err(format!("two obligations with the id `{id}`"));
        }
        if !properties.is_object() {
            return Err(format!(
                "the properties of obligation `{id}` are not a JSON object"
            ));
        }
    }
    for obligation in &verdict.obligations {
        if !manifest.obligations.contains(&obligation.kind) {
            return Err(format!(
                "an obligation `{}` that its manifest does not list: add it to `obligations` in plugin.toml",
                obligation.kind
            ));
        }
        check_obligation(&obligation.kind, &obligation.properties)
            .map_err(|error| format!("obligation `{}`: {error}", obligation.id))?;
    }
    Ok(())
}
