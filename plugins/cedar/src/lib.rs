//! Decides by the Cedar policies that an organisation has, in its own language and with its own
//! engine.
//!
//! A request becomes what Cedar is asked:
//!
//! | of Cedar | of the request |
//! |---|---|
//! | principal | `Agent::"<SPIFFE ID>"`, or `Service`, `Connector`, `Pipeline`, `Human`, `BreakGlass`, `Unspecified`, by its kind |
//! | its attributes | `owner`, `purpose`, `environment` where they are known, `attestation`, and its own attributes |
//! | action | `Action::"<name>"` |
//! | resource | `Repository::"<id>"` where its kind is `repository`; `mcp-server` is `McpServer` |
//! | its attributes | `environment` where it is known, and its own attributes |
//! | context | `integration`, `class`, `attestation`, `arguments`, `intent` (`id`, `purpose`, `approvedBy`) if there is one, `now` in milliseconds, and the circumstances |
//!
//! An entity that the settings list is what they say, and nothing of the request is added to it.
//! Objects are records, and lists are sets. What Cedar has no type for (null, a fraction) makes the
//! verdict indeterminate, whether or not a policy looks at it. The README has the settings and the
//! reasons.

mod question;
mod settings;
mod types;
mod value;

use cedar_policy::{
    AuthorizationError, Authorizer, Decision, Entities, PolicyId, PolicySet, Response,
};
use portcullis_sdk::{Json, Policy, Request, SettingsError, Verdict, json};
use serde::Deserialize;
use settings::{OnError, Settings};
use std::collections::BTreeMap;
use std::str::FromStr;
use types::Types;

/// The most reasons of one code. A host reads 64 of a verdict, and a verdict has reasons of two codes.
const MOST_REASONS: usize = 31;

/// The most characters of an error's message, which repeats what a request holds.
const MOST_CHARACTERS: usize = 500;

/// What Cedar makes when an extension is first used, by the word that a policy uses it with.
const FIRST_USES: [(&str, &str); 3] = [
    ("decimal", r#"decimal("1.5").lessThan(decimal("2.5"))"#),
    (
        "datetime",
        r#"datetime("2024-10-15T11:35:00.000+0100") < datetime("2024-10-16")"#,
    ),
    ("duration", r#"duration("1d2h3m4s5ms") < duration("2d")"#),
];

/// The Cedar policies of an organisation, or what is wrong with them.
#[derive(Debug, Deserialize)]
#[serde(from = "Settings")]
pub struct Cedar(Result<Engine, Vec<SettingsError>>);

/// Parsed policies and what they look at. No decision parses any of it again.
#[derive(Debug)]
struct Engine {
    policies: PolicySet,
    /// What each policy is called in a reason: its id and its `@id` annotation.
    names: BTreeMap<PolicyId, String>,
    types: Types,
    entities: Entities,
    on_error: OnError,
    authorizer: Authorizer,
}

impl From<Settings> for Cedar {
    fn from(settings: Settings) -> Self {
        Self(settings.engine())
    }
}

impl Policy for Cedar {
    fn validate(&self) -> Result<(), Vec<SettingsError>> {
        match &self.0 {
            Ok(_) => Ok(()),
            Err(errors) => Err(errors.clone()),
        }
    }

    fn evaluate(&self, request: &Request) -> Verdict {
        // INVARIANT (validated): the SDK asks `validate` first, so only an engine is ever asked.
        match &self.0 {
            Ok(engine) => engine.decide(request),
            Err(_) => Verdict::indeterminate().because("not-configured", "the settings are wrong"),
        }
    }
}

impl Engine {
    fn new(policies: PolicySet, types: Types, entities: Entities, on_error: OnError) -> Self {
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
            types,
            entities,
            on_error,
            authorizer: Authorizer::new(),
        }
    }

    /// Decides something, so that what Cedar makes at its first use is part of the image that every
    /// decision starts from. `text` is that of the policies.
    fn warm_up(&self, text: &str) {
        let mut request = Request::default();
        request.action.arguments = "{}".to_owned();
        request.resource.kind = "nothing".to_owned();
        let _ = self.decide(&request);
        for (_, condition) in FIRST_USES.iter().filter(|(word, _)| text.contains(word)) {
            let policy = format!("permit (principal, action, resource) when {{ {condition} }};");
            let question = question::question(&request, json!({}), &self.types);
            if let (Ok(question), Ok(policy)) = (question, PolicySet::from_str(&policy)) {
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
        let question = match question::question(request, arguments, &self.types) {
            Ok(question) => question,
            Err(unasked) => return unasked.into(),
        };
        let entities = match question::entities(request, &question, &self.entities) {
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
            // What erred might have forbidden it. A policy that forbids it is named all the same.
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

/// The verdict with a reason for each of `messages`, as far as a host reads them.
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

/// The beginning of a long text.
fn cut(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(MOST_CHARACTERS) {
        text.truncate(end);
        text.push('…');
    }
    text
}

portcullis_sdk::export!(Cedar);

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_sdk::testing::{Plugin, RequestBuilder, request};
    use portcullis_sdk::{
        ActionClass, Attestation, Attribute, Effect, Intent, PrincipalKind, Timestamp, Value,
    };

    const FIXER: &str = "spiffe://acme.example/agent/fixer";

    fn plugin(policies: &str) -> Plugin<Cedar> {
        Plugin::load(json!({ "policies": policies }))
    }

    /// A push to a repository by an agent.
    fn push() -> RequestBuilder {
        request("git.push")
            .principal(FIXER, PrincipalKind::Agent)
            .resource("repository", "acme/billing")
            .arguments(json!({ "branch": "fix", "files": ["a", "b"], "size": { "bytes": 10 } }))
    }

    fn codes(verdict: &Verdict) -> Vec<&str> {
        verdict.reasons().iter().map(|r| r.code.as_str()).collect()
    }

    #[test]
    fn every_part_of_a_request_finds_its_place() {
        let holds = |condition: &str| {
            let plugin = plugin(&format!(
                "permit (principal, action, resource) when {{ {condition} }};"
            ));
            let request = push()
                .now(Timestamp(1_795_000_000_000))
                .context("ticket", Value::Text("T-1".to_owned()))
                .with(|request| {
                    request.integration = "github".to_owned();
                    request.principal.owner = "team@acme.example".to_owned();
                    request.principal.environment = "prod".to_owned();
                    request.principal.attestation = Attestation::JwtSvid;
                    request.principal.attributes = vec![Attribute {
                        name: "level".to_owned(),
                        value: Value::Integer(3),
                    }];
                    request.action.class = ActionClass::Write;
                    request.resource.environment = "prod".to_owned();
                    request.resource.attributes = vec![Attribute {
                        name: "labels".to_owned(),
                        value: Value::Texts(vec!["public".to_owned()]),
                    }];
                    request.intent = Some(Intent {
                        id: "int-1".to_owned(),
                        ..Intent::default()
                    });
                });
            let verdict = plugin.evaluate(request);
            assert_eq!(
                codes(&verdict),
                ["permitted-by"],
                "{condition}: {verdict:?}"
            );
        };
        for condition in [
            r#"principal == Agent::"spiffe://acme.example/agent/fixer""#,
            r#"principal is Agent && resource is Repository"#,
            r#"principal.owner == "team@acme.example" && !(principal has purpose)"#,
            r#"principal.environment == resource.environment"#,
            r#"principal.attestation == "jwt-svid" && context.attestation == "jwt-svid""#,
            r#"principal.level == 3 && resource.labels == ["public"]"#,
            r#"action == Action::"git.push" && context.class == "write""#,
            r#"resource == Repository::"acme/billing""#,
            r#"context.integration == "github" && context.ticket == "T-1""#,
            r#"context.arguments == {branch: "fix", files: ["b", "a"], size: {bytes: 10}}"#,
            r#"context.intent == {id: "int-1", purpose: "", approvedBy: ""}"#,
            r#"context.now == 1795000000000"#,
        ] {
            holds(condition);
        }
    }

    #[test]
    fn forbids_override_permits_and_each_is_named() {
        let plugin = plugin(
            r#"
            permit (principal, action, resource);
            @id("no-agents") forbid (principal is Agent, action, resource);
            forbid (principal, action, resource) when { context.arguments.branch == "fix" };
            "#,
        );
        let verdict = plugin.evaluate(push());
        assert_eq!(codes(&verdict), ["forbidden-by", "forbidden-by"]);
        assert_eq!(
            verdict.reasons()[0].message,
            "policy `policy1` (`no-agents`) forbids it"
        );
        assert_eq!(verdict.reasons()[1].message, "policy `policy2` forbids it");
        let service = push().principal(FIXER, PrincipalKind::Service);
        let other = plugin.evaluate(service.arguments(json!({ "branch": "main" })));
        assert_eq!(codes(&other), ["permitted-by"]);
    }

    #[test]
    fn without_a_policy_that_permits_it_is_a_deny() {
        let plugin = plugin(r#"permit (principal, action == Action::"read", resource);"#);
        assert_eq!(codes(&plugin.evaluate(push())), ["no-policy-permits"]);
    }

    #[test]
    fn a_policy_that_errs_decides_nothing_and_neither_do_the_others() {
        let policies = r#"
            permit (principal, action, resource);
            forbid (principal, action, resource) when { principal.risk == "high" };
        "#;
        let strict = plugin(policies).evaluate(push());
        assert_eq!(strict.effect(), Effect::Indeterminate);
        assert_eq!(codes(&strict), ["policy-error"]);
        let message = &strict.reasons()[0].message;
        assert!(message.starts_with("policy `policy1` erred: "), "{message}");

        let skipping = Plugin::<Cedar>::load(json!({ "policies": policies, "errors": "skip" }));
        let verdict = skipping.evaluate(push());
        assert_eq!(verdict.effect(), Effect::Permit);
        assert_eq!(codes(&verdict), ["permitted-by", "policy-error"]);
    }

    #[test]
    fn a_forbid_is_named_where_another_policy_errs() {
        let plugin = plugin(
            r#"
            forbid (principal, action, resource);
            permit (principal, action, resource) when { principal.risk == "low" };
            "#,
        );
        let verdict = plugin.evaluate(push());
        assert_eq!(codes(&verdict), ["policy-error", "forbidden-by"]);
    }

    #[test]
    fn the_operators_word_on_an_entity_wins() {
        let plugin = Plugin::<Cedar>::load(json!({
            "policies": r#"permit (principal in Team::"payments", action, resource) when { principal.level == 1 };"#,
            "entities": [
                { "uid": { "type": "Agent", "id": FIXER }, "attrs": { "level": 1 },
                  "parents": [{ "type": "Team", "id": "payments" }] },
                { "uid": { "type": "Team", "id": "payments" }, "attrs": {}, "parents": [] },
            ],
        }));
        let claiming = |level| {
            push().with(move |request| {
                request.principal.attributes = vec![Attribute {
                    name: "level".to_owned(),
                    value: Value::Integer(level),
                }];
            })
        };
        assert_eq!(codes(&plugin.evaluate(claiming(9))), ["permitted-by"]);
        let stranger = claiming(1).principal("spiffe://acme.example/agent/x", PrincipalKind::Agent);
        assert_eq!(codes(&plugin.evaluate(stranger)), ["no-policy-permits"]);
    }

    #[test]
    fn a_principal_that_acts_on_itself_is_what_the_host_vouches_for() {
        let plugin = plugin(
            "permit (principal, action, resource) when { principal == resource && resource has attestation };",
        );
        let verdict = plugin.evaluate(push().resource("agent", FIXER));
        assert_eq!(codes(&verdict), ["permitted-by"]);
    }

    #[test]
    fn what_cedar_has_no_type_for_is_named() {
        let plugin = plugin("permit (principal, action, resource);");
        let refused = |request| {
            let verdict = plugin.evaluate(request);
            assert_eq!(verdict.effect(), Effect::Indeterminate);
            let reason = &verdict.reasons()[0];
            (reason.code.clone(), reason.evidence[0].clone())
        };
        let code = |code: &str, evidence: &str| (code.to_owned(), evidence.to_owned());
        assert_eq!(
            refused(push().arguments(json!({ "a": [0.5] }))),
            code("not-representable", "/action/arguments/a/0")
        );
        assert_eq!(
            refused(push().context("risk/now", Value::Json("null".to_owned()))),
            code("not-representable", "/context/risk~1now")
        );
        assert_eq!(
            refused(push().context("class", Value::Text("read".to_owned()))),
            code("name-taken", "/context/class")
        );
        assert_eq!(
            refused(push().resource("a path", "/etc")),
            code("resource-kind-unusable", "/resource/kind")
        );
    }

    #[test]
    fn types_are_in_the_namespace_that_the_operator_names() {
        let plugin = Plugin::<Cedar>::load(json!({
            "policies": r#"permit (principal is Acme::Agent, action == Acme::Action::"git.push", resource is Acme::Repository);"#,
            "namespace": "Acme",
        }));
        assert_eq!(codes(&plugin.evaluate(push())), ["permitted-by"]);
    }

    #[test]
    fn a_host_reads_every_reason_of_many_policies() {
        let policies = "permit (principal, action, resource);\n".repeat(100)
            + &"permit (principal, action, resource) when { principal.risk == 1 };\n".repeat(100);
        let plugin = Plugin::<Cedar>::load(json!({ "policies": policies, "errors": "skip" }));
        let verdict = plugin.evaluate(push());
        assert_eq!(verdict.reasons().len(), 64);
        assert_eq!(verdict.reasons()[31].message, "and 69 more");
    }

    #[test]
    fn extensions_are_at_hand() {
        let plugin = plugin(
            r#"permit (principal, action, resource) when {
                ip(context.address).isInRange(ip("10.0.0.0/8"))
                && decimal(context.price).lessThan(decimal("10.0"))
                && datetime("1970-01-01").offset(duration("1d")) > datetime("1970-01-01")
            };"#,
        );
        let asked = push()
            .context("address", Value::Text("10.1.2.3".to_owned()))
            .context("price", Value::Text("9.99".to_owned()));
        assert_eq!(codes(&plugin.evaluate(asked)), ["permitted-by"]);
    }

    #[test]
    fn a_long_message_is_cut() {
        assert_eq!(cut("é".repeat(500)), "é".repeat(500));
        assert_eq!(cut("é".repeat(501)), format!("{}…", "é".repeat(500)));
    }
}
