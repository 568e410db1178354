//! Decides by an organisation's Cedar policies, with Cedar's own engine.
//!
//! A request is converted to a Cedar authorization request:
//!
//! | Cedar | request |
//! |---|---|
//! | principal | its type as sent, or as the settings map it, and its id: `User::"alice"` |
//! | its attributes | `owner`, `purpose`, `environment` where they are known, `attestation`, and its own attributes |
//! | action | the schema's action of that name, or `Action::"<name>"` |
//! | resource | its type as sent, or as the settings map it, and its id |
//! | its attributes | `environment` where it is known, and its own attributes |
//! | context | the circumstances, and from the host `integration`, `class`, `attestation`, `arguments`, `intent` (`id`, `purpose`, `approvedBy`) if there is one, and `now` in milliseconds |
//!
//! With a schema, values are read by the schema's types and the request must conform to it. Of the host's
//! values, only those that the schema declares are passed.
//!
//! An entity that the settings list has the attributes listed there, and nothing from the request. An entity
//! from a request never has parents. Objects become records, and lists become sets.
//!
//! A request with a value that Cedar has no type for (null, a fraction) is indeterminate, even if no policy
//! reads it. The README documents the settings and the reasons.

mod named;
mod question;
mod settings;
mod text;
mod types;
mod value;

use cedar_policy::{
    AuthorizationError, Authorizer, Context, Decision, Entities, EntityUid, PolicyId, PolicySet,
    Request as Question, Response,
};
use portcullis_sdk::{Fields, Json, Policy, SettingsError, Verdict, policy};
use question::Reading;
use settings::{OnError, Settings};
use std::collections::BTreeMap;
use std::str::FromStr;

/// Maximum number of reasons per code. The host reads 64 of a verdict, which has at most two codes.
const MOST_REASONS: usize = 31;

/// Maximum length in characters of an error message, which may repeat values of a request.
const MOST_CHARACTERS: usize = 500;

/// Conditions that initialise an extension's lazy state, by the word that policies use.
const FIRST_USES: [(&str, &str); 3] = [
    ("decimal", r#"decimal("1.5").lessThan(decimal("2.5"))"#),
    (
        "datetime",
        r#"datetime("2024-10-15T11:35:00.000+0100") < datetime("2024-10-16")"#,
    ),
    ("duration", r#"duration("1d2h3m4s5ms") < duration("2d")"#),
];

/// An organisation's Cedar policies and their data, parsed. A decision parses none of it again.
#[derive(Debug)]
pub struct Cedar {
    policies: PolicySet,
    /// Name of each policy in a reason: its id and its `@id` annotation.
    names: BTreeMap<PolicyId, String>,
    reading: Reading,
    entities: Entities,
    on_error: OnError,
    authorizer: Authorizer,
}

#[policy]
impl Policy for Cedar {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, Vec<SettingsError>> {
        settings.prepared()
    }

    fn evaluate(&self, request: &Request) -> Verdict {
        self.decide(request)
    }
}

impl Cedar {
    fn new(policies: PolicySet, reading: Reading, entities: Entities, on_error: OnError) -> Self {
        let named = |policy: &cedar_policy::Policy| {
            let id = policy.id();
            let annotation = policy.annotations().find(|(key, _)| *key == "id");
            let name = match annotation {
                Some((_, text)) if !text.is_empty() => {
                    format!("`{id}` (`{}`)", cut(text.to_owned()))
                }
                _ => format!("`{id}`"),
            };
            (id.clone(), name)
        };
        Self {
            names: policies.policies().map(named).collect(),
            policies,
            reading,
            entities,
            on_error,
            authorizer: Authorizer::new(),
        }
    }

    /// Decides sample requests, so that Cedar's lazy state is initialised in the plugin's image.
    ///
    /// Every decision starts from that image. `text` is the text of the policies.
    fn warm_up(&self, text: &str) {
        let mut fields = Fields::default();
        "Nothing".clone_into(&mut fields.resource.kind);
        let _ = self.decide(&fields.into());
        let uid = |text: &str| EntityUid::from_str(text).ok();
        let question =
            uid("Nothing::\"x\"")
                .zip(uid("Action::\"x\""))
                .and_then(|(nothing, action)| {
                    Question::new(nothing.clone(), action, nothing, Context::empty(), None).ok()
                });
        let Some(question) = question else {
            return;
        };
        let _ = self
            .authorizer
            .is_authorized(&question, &self.policies, &self.entities);
        for (_, condition) in FIRST_USES.iter().filter(|(word, _)| text.contains(word)) {
            let policy = format!("permit (principal, action, resource) when {{ {condition} }};");
            if let Ok(policy) = PolicySet::from_str(&policy) {
                let _ = self
                    .authorizer
                    .is_authorized(&question, &policy, &self.entities);
            }
        }
    }

    fn decide(&self, request: &Request) -> Verdict {
        let arguments: Json = match request.arguments() {
            Ok(arguments) => arguments,
            Err(error) => return error.into(),
        };
        let question = match self.reading.question(request, arguments) {
            Ok(question) => question,
            Err(unasked) => return unasked.into(),
        };
        let entities = match self.reading.entities(request, &question, &self.entities) {
            Ok(entities) => entities,
            Err(unasked) => return unasked.into(),
        };
        let entities = entities.as_ref().unwrap_or(&self.entities);
        let response = self
            .authorizer
            .is_authorized(&question, &self.policies, entities);
        self.verdict(&response)
    }

    fn verdict(&self, response: &Response) -> Verdict {
        let mut errors: Vec<_> = response
            .diagnostics()
            .errors()
            .map(|AuthorizationError::PolicyEvaluationError(error)| {
                (error.policy_id(), error.inner().to_string())
            })
            .collect();
        errors.sort();
        let errors: Vec<_> = errors
            .into_iter()
            .map(|(id, error)| format!("policy {} erred: {}", self.name(id), cut(error)))
            .collect();
        let mut determining: Vec<_> = response.diagnostics().reason().collect();
        determining.sort();
        let because = |does: &str| -> Vec<String> {
            let policies = determining.iter();
            policies
                .map(|id| format!("policy {} {does} it", self.name(id)))
                .collect()
        };
        let (verdict, code, reasons) = match response.decision() {
            Decision::Allow => (Verdict::permit(), "permitted-by", because("permits")),
            Decision::Deny if determining.is_empty() => {
                let reason = "no policy permits it".to_owned();
                (Verdict::deny(), "no-policy-permits", vec![reason])
            }
            Decision::Deny => (Verdict::deny(), "forbidden-by", because("forbids")),
        };
        if self.is_undecided_by(&errors) {
            // The failed policy might have forbidden it. Policies that do forbid it are named as well.
            let verdict = listed(Verdict::indeterminate(), "policy-error", errors);
            return match code {
                "forbidden-by" => listed(verdict, code, reasons),
                _ => verdict,
            };
        }
        listed(listed(verdict, code, reasons), "policy-error", errors)
    }

    fn is_undecided_by(&self, errors: &[String]) -> bool {
        self.on_error == OnError::Indeterminate && !errors.is_empty()
    }

    fn name<'a>(&'a self, id: &'a PolicyId) -> &'a str {
        self.names
            .get(id)
            .map_or(AsRef::<str>::as_ref(id), String::as_str)
    }
}

/// Adds a reason to the verdict for each of `messages`, up to the limit.
fn listed(verdict: Verdict, code: &str, messages: Vec<String>) -> Verdict {
    let left = messages.len().saturating_sub(MOST_REASONS);
    let verdict = messages
        .into_iter()
        .take(MOST_REASONS)
        .fold(verdict, |verdict, message| verdict.because(code, message));
    match left {
        0 => verdict,
        left => verdict.because(code, format!("and {left} more")),
    }
}

/// Truncates a text that is too long.
fn cut(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(MOST_CHARACTERS) {
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests;
