//! Decides by an organisation's Rego policies, with `regorus`.
//!
//! The rule that `query` names is evaluated with the request as `input`, whose members have the contract's
//! names (`input.principal.kind`, `input.action.arguments`, `input.intent["approved-by"]`).
//!
//! - True permits; false and undefined deny.
//! - An object has `allow` or `effect`, and may have `reasons`.
//! - An error is indeterminate.
//!
//! The README documents the whole input, the settings and the reasons.
//!
//! A policy has no clock, randomness or network: `time.now_ns`, `rand.intn` and `http.send` are not
//! supported, and the host's clock is `input.now`.

mod answer;
mod builtins;
mod input;
mod refusals;
mod settings;

use portcullis_sdk::{Fields, Json, Policy, SettingsError, Verdict, policy};
use regorus::Engine;
use settings::Settings;

/// Maximum length in characters of a message, which may repeat values of a request.
const MOST_CHARACTERS: usize = 500;

/// An organisation's Rego policies, parsed and analysed, and the rule that decides.
///
/// Each decision uses a clone of the engine, which shares all of it. It is not a `CompiledPolicy`, because
/// `with input as` loses the static data there.
#[derive(Debug)]
pub struct Rego {
    engine: Engine,
    query: String,
}

#[policy]
impl Policy for Rego {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, Vec<SettingsError>> {
        settings.prepared()
    }

    fn evaluate(&self, request: &Request) -> Verdict {
        self.decide(request)
    }
}

impl Rego {
    fn new(engine: Engine, query: String) -> Self {
        Self { engine, query }
    }

    /// Decides a sample request, so that the engine's lazy state is initialised in the plugin's image.
    ///
    /// Every decision starts from that image.
    fn warm_up(&self) {
        let _ = self.decide(&Fields::default().into());
        // The first call of a builtin initialises the table of builtins.
        let _ = self
            .engine
            .clone()
            .eval_query("count([])".to_owned(), false);
    }

    fn decide(&self, request: &Request) -> Verdict {
        let arguments: Json = match request.arguments() {
            Ok(arguments) => arguments,
            Err(error) => return error.into(),
        };
        let input = match input::input(request, arguments) {
            Ok(input) => input,
            Err(error) => {
                return Verdict::indeterminate().because("input-invalid", error.to_string());
            }
        };
        let mut engine = self.engine.clone();
        engine.set_input(input);
        match engine.eval_rule(self.query.clone()) {
            Ok(value) => answer::verdict(&value, &self.query),
            Err(error) => {
                let message = cut(on_one_line(&error.to_string()));
                Verdict::indeterminate().because("policy-error", message)
            }
        }
    }
}

/// Returns the engine's multi-line message as place and message on one line.
fn on_one_line(message: &str) -> String {
    let beginning = |mark: &str| message.lines().find_map(|line| line.strip_prefix(mark));
    match (beginning("--> "), beginning("error: ")) {
        (Some(place), Some(message)) => format!("{place}: {message}"),
        _ => message.split_whitespace().collect::<Vec<_>>().join(" "),
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
mod tests {
    use super::*;
    use portcullis_sdk::testing::{Plugin, RequestBuilder, request};
    use portcullis_sdk::{Effect, PrincipalKind, Timestamp, Value, json};

    fn plugin(policy: &str) -> Plugin<Rego> {
        Plugin::load(json!({ "policies": policy }))
    }

    fn push() -> RequestBuilder {
        request("git.push")
            .principal("spiffe://acme.example/agent/fixer", PrincipalKind::Agent)
            .resource("repository", "acme/billing")
            .arguments(json!({ "branch": "fix", "files": ["a", "b"] }))
    }

    fn codes(verdict: &Verdict) -> Vec<&str> {
        verdict.reasons().iter().map(|r| r.code.as_str()).collect()
    }

    #[test]
    fn a_rule_that_is_true_permits() {
        let plugin = plugin(
            r#"
            package portcullis

            default allow := false

            allow if {
                input.principal.kind == "agent"
                startswith(input.resource.id, "acme/")
                count(input.action.arguments.files) < 3
                input.context.risk != "high"
                input.now == 7
            }
            "#,
        );
        let ask = |risk: &str| {
            let risk = Value::Text(risk.to_owned());
            plugin.evaluate(push().context("risk", risk).now(Timestamp::from_millis(7)))
        };
        assert_eq!(codes(&ask("low")), ["rule-permits"]);
        assert_eq!(codes(&ask("high")), ["rule-denies"]);
        assert_eq!(codes(&plugin.evaluate(push())), ["rule-denies"]);
    }

    #[test]
    fn a_rule_without_a_default_denies_where_it_is_undefined() {
        let plugin = plugin("package portcullis\nallow if input.action.name == \"read\"");
        let verdict = plugin.evaluate(push());
        assert_eq!(verdict.effect(), Effect::Deny);
        assert_eq!(codes(&verdict), ["undefined"]);
    }

    #[test]
    fn an_object_gives_reasons() {
        let plugin = Plugin::<Rego>::load(json!({
            "query": "data.portcullis.verdict",
            "policies": {
                "verdict.rego": r#"
                    package portcullis
                    verdict := { "allow": allow, "reasons": denials }
                    default allow := false
                    allow if count(denials) == 0
                    denials contains "too many files" if count(input.action.arguments.files) > data.limits.files
                    denials contains { "code": "branch", "message": "no" } if input.action.arguments.branch == "main"
                "#,
            },
            "data": { "limits": { "files": 1 } },
        }));
        let verdict = plugin.evaluate(push());
        assert_eq!(verdict.effect(), Effect::Deny);
        assert_eq!(verdict.reasons()[0].message, "too many files");
        let few = push().arguments(json!({ "branch": "fix", "files": [] }));
        assert_eq!(codes(&plugin.evaluate(few)), ["rule-permits"]);
    }

    #[test]
    fn what_errs_is_indeterminate_with_its_place() {
        let policy = "package portcullis\ndefault allow := false\nallow if to_number(input.action.arguments.branch) > 1";
        let verdict = plugin(policy).evaluate(push());
        assert_eq!(verdict.effect(), Effect::Indeterminate);
        assert_eq!(codes(&verdict), ["policy-error"]);
        let message = &verdict.reasons()[0].message;
        assert!(message.starts_with("policy.rego:3:"), "{message}");
        assert!(!message.contains('\n'), "{message}");

        let settings = json!({ "policies": policy, "errors": "undefined" });
        let verdict = Plugin::<Rego>::load(settings).evaluate(push());
        assert_eq!(codes(&verdict), ["rule-denies"]);
    }

    #[test]
    fn two_values_of_one_rule_are_an_error() {
        let plugin = plugin(
            "package portcullis\nallow := true if input.action.name\nallow := false if input.principal.id",
        );
        assert_eq!(codes(&plugin.evaluate(push())), ["policy-error"]);
    }

    #[test]
    fn another_input_does_not_hide_the_data() {
        let plugin = Plugin::<Rego>::load(json!({
            "policies": "
                package portcullis
                allow if listed with input.resource.id as \"x\"
                listed if input.resource.id in data.known
            ",
            "data": { "known": ["x"] },
        }));
        assert_eq!(codes(&plugin.evaluate(push())), ["rule-permits"]);
    }

    #[test]
    fn one_decision_leaves_nothing_to_the_next() {
        let plugin = plugin("package portcullis\nallow if input.action.name == \"git.push\"");
        assert_eq!(codes(&plugin.evaluate(push())), ["rule-permits"]);
        let other = push().with(|request| request.action.name = "git.pull".into());
        assert_eq!(codes(&plugin.evaluate(other)), ["undefined"]);
        assert_eq!(codes(&plugin.evaluate(push())), ["rule-permits"]);
    }

    #[test]
    fn patterns_have_their_classes() {
        let plugin = plugin(
            "package portcullis\nallow if regex.match(`(?i)^acme/\\w+$`, input.resource.id)",
        );
        assert_eq!(codes(&plugin.evaluate(push())), ["rule-permits"]);
    }

    #[test]
    fn a_message_is_on_one_line_and_cut() {
        let drawn = "\n--> a.rego:3:7\n  |\n3 | allow if x\n  |       ^\nerror: no `x`\n";
        assert_eq!(on_one_line(drawn), "a.rego:3:7: no `x`");
        assert_eq!(on_one_line("plain\n text"), "plain text");
        assert_eq!(cut("é".repeat(501)), format!("{}…", "é".repeat(500)));
    }
}
