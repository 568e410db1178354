//! Converts the rule's value to a verdict.

use crate::cut;
use portcullis_sdk::{Effect, Verdict};
use regorus::Value;
use regorus::value::Object;

/// Maximum number of reasons that the host reads of a verdict.
const MOST_REASONS: usize = 64;

/// Maximum number of fields per reason.
const MOST_FIELDS: usize = 16;

/// A reason of the rule's decision.
#[derive(Debug, PartialEq, Eq)]
struct Reason {
    code: String,
    message: String,
    fields: Vec<String>,
}

/// Returns the verdict for `value`, the value of the rule at `query`.
///
/// An unsupported value is indeterminate, so that a misunderstood policy is never partly applied.
pub(crate) fn verdict(value: &Value, query: &str) -> Verdict {
    match value {
        Value::Undefined => {
            Verdict::deny().because("undefined", format!("`{query}` is undefined for it"))
        }
        Value::Bool(true) => plain(Effect::Permit, query),
        Value::Bool(false) => plain(Effect::Deny, query),
        Value::Object(members) => object(members, query).unwrap_or_else(|message| {
            Verdict::indeterminate().because("answer-invalid", cut(format!("`{query}`: {message}")))
        }),
        _ => Verdict::indeterminate().because(
            "answer-invalid",
            format!("`{query}` is neither true, false nor an object"),
        ),
    }
}

fn plain(effect: Effect, query: &str) -> Verdict {
    let (code, does) = said(effect);
    begun(effect).because(code, format!("`{query}` {does}"))
}

/// Returns the default code of a reason, and the phrase for the rule's effect.
fn said(effect: Effect) -> (&'static str, &'static str) {
    match effect {
        Effect::Permit => ("rule-permits", "permits it"),
        Effect::Deny => ("rule-denies", "denies it"),
        Effect::NotApplicable => ("rule-abstains", "abstains"),
        Effect::Indeterminate => ("rule-undecided", "is indeterminate"),
    }
}

fn begun(effect: Effect) -> Verdict {
    match effect {
        Effect::Permit => Verdict::permit(),
        Effect::Deny => Verdict::deny(),
        Effect::NotApplicable => Verdict::not_applicable(),
        Effect::Indeterminate => Verdict::indeterminate(),
    }
}

/// Converts an object to a verdict, or returns why it is invalid.
fn object(members: &Object, query: &str) -> Result<Verdict, String> {
    known(members, &["allow", "effect", "reasons", "requestable"])?;
    let effect = match (member(members, "allow"), member(members, "effect")) {
        (Some(Value::Bool(true)), None) => Effect::Permit,
        (Some(Value::Bool(false)), None) => Effect::Deny,
        (None, Some(Value::String(effect))) => match effect.as_ref() {
            "permit" => Effect::Permit,
            "deny" => Effect::Deny,
            "not-applicable" => Effect::NotApplicable,
            "indeterminate" => Effect::Indeterminate,
            other => {
                return Err(format!(
                    "`{other}` is no effect: there is `permit`, `deny`, `not-applicable` and `indeterminate`"
                ));
            }
        },
        _ => return Err("it has either `allow`, true or false, or `effect`, a text".to_owned()),
    };
    let requestable = match member(members, "requestable") {
        None | Some(Value::Bool(false)) => false,
        Some(Value::Bool(true)) if effect == Effect::Deny => true,
        Some(Value::Bool(true)) => return Err("only a deny can be `requestable`".to_owned()),
        Some(_) => return Err("`requestable` is true or false".to_owned()),
    };
    let verdict = with_reasons(members, query, effect)?;
    Ok(match requestable {
        true => verdict.requestable(),
        false => verdict,
    })
}

/// Returns a verdict with the reasons of an object.
fn with_reasons(members: &Object, query: &str, effect: Effect) -> Result<Verdict, String> {
    let (code, _) = said(effect);
    let reasons: Vec<_> = match member(members, "reasons") {
        None => Vec::new(),
        Some(Value::Array(list)) => list
            .iter()
            .map(|value| reason(value, code))
            .collect::<Result<_, _>>()?,
        Some(Value::Set(set)) => set
            .iter_sorted()
            .map(|value| reason(value, code))
            .collect::<Result<_, _>>()?,
        Some(_) => return Err("`reasons` is a list or a set".to_owned()),
    };
    if reasons.is_empty() {
        return Ok(plain(effect, query));
    }
    // If the host cannot read all reasons, the last one counts the rest.
    let count = reasons.len();
    let shown = if count > MOST_REASONS {
        MOST_REASONS - 1
    } else {
        count
    };
    let mut verdict = begun(effect);
    for reason in reasons.into_iter().take(shown) {
        verdict = verdict
            .because(reason.code, reason.message)
            .fields(reason.fields);
    }
    if count > shown {
        verdict = verdict.because(code, format!("and {} more", count - shown));
    }
    Ok(verdict)
}

/// Reads a reason: a text, or an object with `code`, `message` and `fields`.
fn reason(value: &Value, code: &str) -> Result<Reason, String> {
    match value {
        Value::String(message) => Ok(Reason {
            code: code.to_owned(),
            message: cut(message.to_string()),
            fields: Vec::new(),
        }),
        Value::Object(members) => {
            if member(members, "evidence").is_some() {
                return Err("`evidence` is called `fields`: rename it".to_owned());
            }
            known(members, &["code", "message", "fields"])?;
            let code = text(members, "code")?.unwrap_or(code);
            if !is_code(code) {
                return Err(format!(
                    "`{code}` is no code of a reason: it has 1 to 64 letters, digits, `-`, `_`, `.` and `:`"
                ));
            }
            Ok(Reason {
                code: code.to_owned(),
                message: cut(text(members, "message")?.unwrap_or_default().to_owned()),
                fields: fields(members)?,
            })
        }
        _ => Err("a reason is a text, or an object with `code`, `message` and `fields`".to_owned()),
    }
}

fn fields(members: &Object) -> Result<Vec<String>, String> {
    let wrong = || "`fields` is a list of texts".to_owned();
    let Some(fields) = member(members, "fields") else {
        return Ok(Vec::new());
    };
    let Value::Array(list) = fields else {
        return Err(wrong());
    };
    list.iter()
        .take(MOST_FIELDS)
        .map(|field| match field {
            Value::String(pointer) => Ok(cut(pointer.to_string())),
            _ => Err(wrong()),
        })
        .collect()
}

fn text<'a>(members: &'a Object, name: &str) -> Result<Option<&'a str>, String> {
    match member(members, name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_ref())),
        Some(_) => Err(format!("`{name}` is a text")),
    }
}

fn member<'a>(members: &'a Object, name: &str) -> Option<&'a Value> {
    members.get(&Value::from(name))
}

/// Refuses unknown members, which would otherwise be ignored.
fn known(members: &Object, names: &[&str]) -> Result<(), String> {
    let is_known = |key: &Value| matches!(key, Value::String(key) if names.contains(&key.as_ref()));
    match members.keys_sorted().find(|key| !is_known(key)) {
        None => Ok(()),
        Some(other) => Err(format!(
            "it has no member {other}: there is `{}`",
            names.join("`, `")
        )),
    }
}

fn is_code(code: &str) -> bool {
    (1..=64).contains(&code.len())
        && code
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_sdk::{Json, json};

    fn of(answer: Json) -> Verdict {
        let value = Value::from_json_str(&answer.to_string()).unwrap();
        verdict(&value, "data.x.allow")
    }

    fn codes(verdict: &Verdict) -> Vec<&str> {
        verdict.reasons().iter().map(|r| r.code.as_str()).collect()
    }

    #[test]
    fn true_permits_and_anything_less_does_not() {
        assert_eq!(of(json!(true)).effect(), Effect::Permit);
        assert_eq!(of(json!(false)).effect(), Effect::Deny);
        let undefined = verdict(&Value::Undefined, "data.x.allow");
        assert_eq!(undefined.effect(), Effect::Deny);
        assert_eq!(codes(&undefined), ["undefined"]);
        for answer in [
            json!(null),
            json!(1),
            json!("true"),
            json!([true]),
            json!({}),
        ] {
            let verdict = of(answer.clone());
            assert_eq!(verdict.effect(), Effect::Indeterminate, "{answer}");
            assert_eq!(codes(&verdict), ["answer-invalid"], "{answer}");
        }
    }

    #[test]
    fn an_object_says_its_effect_and_its_reasons() {
        let denied = of(json!({
            "allow": false,
            "reasons": ["too late", { "code": "branch-protected", "message": "no", "fields": ["/x"] }],
        }));
        assert_eq!(denied.effect(), Effect::Deny);
        assert_eq!(codes(&denied), ["rule-denies", "branch-protected"]);
        assert_eq!(denied.reasons()[1].fields, ["/x"]);
        for (effect, expected) in [
            ("permit", Effect::Permit),
            ("deny", Effect::Deny),
            ("not-applicable", Effect::NotApplicable),
            ("indeterminate", Effect::Indeterminate),
        ] {
            let verdict = of(json!({ "effect": effect, "reasons": [] }));
            assert_eq!(verdict.effect(), expected);
            assert_eq!(verdict.reasons().len(), 1, "each has a reason");
        }
    }

    #[test]
    fn an_object_that_means_more_than_is_understood_is_no_answer() {
        for answer in [
            json!({ "allow": true, "obligations": [] }),
            json!({ "allow": true, "effect": "permit" }),
            json!({ "allow": "true" }),
            json!({ "effect": "allow" }),
            json!({ "allow": true, "reasons": "x" }),
            json!({ "allow": true, "reasons": [1] }),
            json!({ "allow": true, "reasons": [{ "code": "two words" }] }),
            json!({ "allow": true, "reasons": [{ "code": "x", "text": "y" }] }),
            json!({ "allow": true, "reasons": [{ "fields": [1] }] }),
        ] {
            let verdict = of(answer.clone());
            assert_eq!(verdict.effect(), Effect::Indeterminate, "{answer}");
        }
    }

    #[test]
    fn a_host_reads_every_reason_of_many() {
        let many = |count| of(json!({ "allow": false, "reasons": vec!["x"; count] }));
        assert_eq!(many(64).reasons().len(), 64);
        assert_eq!(many(64).reasons()[63].message, "x");
        assert_eq!(many(70).reasons().len(), 64);
        assert_eq!(many(70).reasons()[63].message, "and 7 more");
    }
}
