//! Rego: policies of many kinds, the native engine's values, and the verdicts that the README promises.

mod policies;

pub use policies::{POLICIES, PolicyText};

use crate::asked::{Asked, INTEGRATION};
use portcullis_host::{Posture, Verdict, printable};
use regorus::{Engine, Value};
use serde_json::{Map, Value as Json, json};

/// Code of a reason for a policy that fails.
const POLICY_ERROR: &str = "policy-error";

/// The compared parts of a verdict.
///
/// The message of a failed policy is not compared: the plugin replaces builtins of the engine that differ
/// from OPA, and has its own messages for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The effect as text, such as `not-applicable`.
    pub effect: String,
    /// The code and message of each reason.
    pub reasons: Vec<(String, String)>,
}

impl Answer {
    /// Converts the plugin's verdict to an answer.
    pub fn of(verdict: &Verdict) -> Self {
        let reasons = verdict.reasons.iter();
        Self {
            effect: verdict.effect.as_str().to_owned(),
            reasons: reasons
                .map(|reason| match reason.code.as_str() {
                    POLICY_ERROR => (POLICY_ERROR.to_owned(), String::new()),
                    code => (code.to_owned(), reason.message.clone()),
                })
                .collect(),
        }
    }

    /// Returns an answer with one reason.
    fn plain(effect: &str, code: &str, message: String) -> Self {
        Self {
            effect: effect.to_owned(),
            reasons: vec![(code.to_owned(), printable(&message))],
        }
    }

    /// True if the rule gave no valid answer, or failed.
    pub fn is_unanswered(&self) -> bool {
        let code = |code: &str| self.reasons.iter().any(|(other, _)| other == code);
        code(POLICY_ERROR) || code("answer-invalid")
    }
}

/// A policy in the native engine.
#[derive(Debug)]
pub struct Native {
    engine: Engine,
    query: &'static str,
}

impl Native {
    /// Parses the plugin's settings.
    ///
    /// # Panics
    ///
    /// If they do not parse.
    pub fn of(text: &PolicyText) -> Self {
        let mut engine = Engine::new();
        engine.set_rego_v0(text.version == "v0");
        engine.set_strict_builtin_errors(text.errors == "indeterminate");
        for (name, policy) in text.policies {
            let added = engine.add_policy((*name).to_owned(), (*policy).to_owned());
            added.unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        let data = Value::from_json_str(text.data).expect("the data is JSON");
        engine.add_data(data).expect("the data is an object");
        Self {
            engine,
            query: text.query,
        }
    }

    /// Returns the verdict that the plugin must give for `asked`.
    ///
    /// # Panics
    ///
    /// If the request is not JSON.
    pub fn answer(&self, asked: &Asked) -> Answer {
        let mut engine = self.engine.clone();
        engine
            .set_input_json(&input(asked).to_string())
            .expect("the input is JSON");
        let query = self.query;
        match engine.eval_rule(query.to_owned()) {
            Err(_) => Answer::plain("indeterminate", POLICY_ERROR, String::new()),
            Ok(Value::Undefined) => Answer::plain(
                "deny",
                "undefined",
                format!("`{query}` is undefined for it"),
            ),
            Ok(value) => {
                let json = value.to_json_str().expect("the value has a JSON form");
                promised(&serde_json::from_str(&json).expect("it is JSON"), query)
            }
        }
    }
}

/// Returns the verdict that the README promises for the rule's value.
fn promised(value: &Json, query: &str) -> Answer {
    let unanswered =
        |why: &str| Answer::plain("indeterminate", "answer-invalid", format!("`{query}`{why}"));
    let (effect, reasons) = match value {
        Json::Bool(true) => ("permit", &[][..]),
        Json::Bool(false) => ("deny", &[][..]),
        Json::Object(members) => {
            let effect = match (members.get("allow"), members.get("effect")) {
                (Some(Json::Bool(true)), None) => "permit",
                (Some(Json::Bool(false)), None) => "deny",
                (None, Some(Json::String(effect))) => effect.as_str(),
                _ => {
                    return unanswered(
                        ": it has either `allow`, true or false, or `effect`, a text",
                    );
                }
            };
            let reasons = members.get("reasons").and_then(Json::as_array);
            (effect, reasons.map_or(&[][..], Vec::as_slice))
        }
        _ => return unanswered(" is neither true, false nor an object"),
    };
    let (code, does) = match effect {
        "permit" => ("rule-permits", "permits it"),
        "deny" => ("rule-denies", "denies it"),
        "not-applicable" => ("rule-abstains", "abstains"),
        _ => ("rule-undecided", "is indeterminate"),
    };
    if reasons.is_empty() {
        return Answer::plain(effect, code, format!("`{query}` {does}"));
    }
    let text = |value: &Json, name: &str, otherwise: &str| {
        let text = value.get(name).and_then(Json::as_str);
        text.unwrap_or(otherwise).to_owned()
    };
    Answer {
        effect: effect.to_owned(),
        reasons: reasons
            .iter()
            .map(|reason| match reason.as_str() {
                Some(message) => (code.to_owned(), printable(message)),
                None => {
                    let message = printable(&text(reason, "message", ""));
                    (text(reason, "code", code), message)
                }
            })
            .collect(),
    }
}

/// Returns the input document, as the README describes it.
fn input(asked: &Asked) -> Json {
    let mut principal = json!({
        "id": asked.id,
        "kind": asked.kind,
        "attestation": asked.attestation,
        "delegated-by": asked.delegated_by,
        "attributes": object(&asked.attributes),
    });
    put_known(&mut principal, "owner", &asked.owner);
    put_known(&mut principal, "purpose", &asked.purpose);
    put_known(&mut principal, "environment", &asked.environment);
    let origins = asked.origins.iter();
    let origins: Vec<_> = origins
        .map(|(path, origin)| json!({ "path": path, "origin": origin }))
        .collect();
    let mut resource = json!({
        "kind": asked.resource_kind,
        "id": asked.resource_id,
        "attributes": object(&asked.resource_attributes),
    });
    put_known(&mut resource, "environment", &asked.resource_environment);
    if let Some(posture) = asked.posture {
        resource["posture"] = self::posture(posture);
    }
    let mut input = json!({
        "integration": INTEGRATION,
        "principal": principal,
        "action": {
            "name": asked.action,
            "class": asked.class,
            "arguments": asked.arguments,
            "origins": origins,
        },
        "resource": resource,
        "now": asked.now,
        "context": object(&asked.context),
    });
    if let Some(intent) = &asked.intent {
        let mut written = json!({ "id": intent.id });
        put_known(&mut written, "purpose", &intent.purpose);
        put_known(&mut written, "approved-by", &intent.approved_by);
        if let Some(uses) = intent.remaining_uses {
            written["remaining-uses"] = json!(uses);
        }
        input["intent"] = written;
    }
    input
}

fn posture(posture: Posture) -> Json {
    let mut written = json!({ "exposure": posture.exposure, "health": posture.health });
    if let Some(privileged) = posture.privileged {
        written["privileged"] = json!(privileged);
    }
    written
}

fn object(members: &[(String, Json)]) -> Json {
    Json::Object(members.iter().cloned().collect::<Map<_, _>>())
}

fn put_known(object: &mut Json, name: &str, text: &str) {
    if !text.is_empty() {
        object[name] = json!(text);
    }
}
