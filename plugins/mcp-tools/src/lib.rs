//! Decides the tool calls of an MCP server. The README describes the settings.

use portcullis_sdk::{
    Attestation, Constraint, Json, Pattern, PatternError, Policy, PrincipalKind, SettingsError,
    Verdict, check_obligation, escape_key, json, name, policy,
};
use serde::Deserialize;
use std::fmt;
use std::time::Duration;

/// Rules for the tools of one MCP server.
#[derive(Debug, Deserialize)]
pub struct McpTools {
    /// Tools that are always denied, whatever the rules permit.
    #[serde(default)]
    deny: Vec<Tools>,
    /// Permitting rules. A call needs one of them.
    #[serde(default)]
    tools: Vec<Rule>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Rule {
    tool: Tools,
    /// Constraints on required arguments.
    #[serde(default)]
    arguments: Vec<Constraint>,
    /// Constraints on arguments that may be absent.
    #[serde(default)]
    optional_arguments: Vec<Constraint>,
    /// The only arguments that a call may have.
    only_arguments: Option<Vec<String>>,
    /// True if a call may answer questions of the server.
    #[serde(default)]
    input_responses: bool,
    kinds: Option<Vec<PrincipalKind>>,
    #[serde(default)]
    attestation: Attestation,
    #[serde(default)]
    obligations: Vec<Obligation>,
    lifetime_seconds: Option<u32>,
    max_uses: Option<u32>,
}

/// A pattern of tool names: `*` and the characters that tool names may have.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct Tools(Pattern);

#[derive(Debug, Deserialize)]
struct Obligation {
    #[serde(rename = "type")]
    kind: Kind,
    properties: Option<Json>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Approval,
    Notification,
    StepUp,
}

impl TryFrom<String> for Tools {
    type Error = PatternError;

    fn try_from(text: String) -> Result<Self, PatternError> {
        Pattern::of_actions(&text).map(Self)
    }
}

impl fmt::Display for Tools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[policy]
impl Policy for McpTools {
    fn new(settings: Self) -> Result<Self, Vec<SettingsError>> {
        let mut errors = Vec::new();
        if settings.tools.is_empty() && settings.deny.is_empty() {
            errors.push(SettingsError::new("/tools", "needs at least one rule"));
        }
        for (index, rule) in settings.tools.iter().enumerate() {
            let at = |key: &str| format!("/tools/{index}/{key}");
            if rule.lifetime_seconds == Some(0) {
                errors.push(SettingsError::new(
                    at("lifetime-seconds"),
                    "a grant lasts at least one second",
                ));
            }
            if rule.max_uses == Some(0) {
                errors.push(SettingsError::new(
                    at("max-uses"),
                    "a grant has at least one use",
                ));
            }
            for (key, constraints) in [
                ("arguments", &rule.arguments),
                ("optional-arguments", &rule.optional_arguments),
            ] {
                for (position, constraint) in constraints.iter().enumerate() {
                    let operator = constraint.operator();
                    if !operator.is_for_verdicts() {
                        let message =
                            format!("`{operator}` is for intents: a grant cannot have it");
                        let at = at(&format!("{key}/{position}/op"));
                        errors.push(SettingsError::new(at, message));
                    }
                }
            }
            if rule.kinds.as_ref().is_some_and(|kinds| {
                kinds.is_empty() || kinds.contains(&PrincipalKind::Unspecified)
            }) {
                let message = "needs at least one kind, and `unspecified` is not a kind";
                errors.push(SettingsError::new(at("kinds"), message));
            }
            for (position, obligation) in rule.obligations.iter().enumerate() {
                let properties = obligation.properties.clone().unwrap_or_else(|| json!({}));
                if let Err(error) = check_obligation(obligation.kind.as_str(), &properties) {
                    let at = at(&format!("obligations/{position}/properties"));
                    errors.push(SettingsError::new(at, error.to_string()));
                }
            }
        }
        if errors.is_empty() {
            Ok(settings)
        } else {
            Err(errors)
        }
    }

    fn evaluate(&self, request: &Request) -> Verdict {
        let tool = request.action().name();
        if let Some(pattern) = self.deny.iter().find(|denied| denied.0.might_match(tool)) {
            return Verdict::deny()
                .because(
                    "tool-denied",
                    format!("tools that match `{pattern}` are denied to all callers"),
                )
                .fields(["/action/name"]);
        }
        let arguments: Json = match request.arguments() {
            Ok(arguments) => arguments,
            Err(error) => return error.into(),
        };
        let mut refusals = Verdict::deny();
        let mut rules = self
            .tools
            .iter()
            .filter(|rule| rule.tool.0.matches(tool))
            .peekable();
        if rules.peek().is_none() {
            return Verdict::not_applicable()
                .because("no-rule", format!("no rule is for the tool `{tool}`"))
                .fields(["/action/name"]);
        }
        for rule in rules {
            match rule.refusal(request, &arguments) {
                None => return rule.permit(&arguments),
                Some((code, message, field)) => {
                    refusals = refusals.because(code, message).fields([field]);
                }
            }
        }
        refusals
    }
}

impl Rule {
    /// Returns why the rule does not permit the call: code, message and field.
    fn refusal(
        &self,
        request: &Request,
        arguments: &Json,
    ) -> Option<(&'static str, String, String)> {
        if let Some(kinds) = &self.kinds
            && !kinds.contains(&request.principal().kind())
        {
            let message = format!("`{}` is not for this kind of principal", self.tool);
            return Some(("kind-not-allowed", message, "/principal/kind".to_owned()));
        }
        if request.principal().attestation() < self.attestation {
            let message = format!("`{}` requires a stronger proof of identity", self.tool);
            return Some((
                "attestation-too-weak",
                message,
                "/principal/attestation".to_owned(),
            ));
        }
        let action = request.action();
        if !self.input_responses
            && (action.input_responses().is_some() || action.request_state().is_some())
        {
            let message = format!(
                "`{}` takes no answers to questions of the server: set `input-responses = true` to allow them",
                self.tool
            );
            return Some((
                "answers-not-allowed",
                message,
                "/action/input-responses".to_owned(),
            ));
        }
        if let (Some(only), Some(arguments)) = (&self.only_arguments, arguments.as_object())
            && let Some(other) = arguments.keys().find(|name| !only.contains(name))
        {
            let message = format!("`{}` takes no argument `{other}`", self.tool);
            return Some((
                "argument-not-allowed",
                message,
                format!("/action/arguments/{}", escape_key(other)),
            ));
        }
        let unmet = self
            .holding(arguments)
            .find(|constraint| !request.meets(arguments, [*constraint]))?;
        let message = format!("the arguments do not meet `{unmet}`");
        let field = format!("/action/arguments{}", unmet.path());
        Some(("argument-out-of-bounds", message, field))
    }

    /// Returns the constraints that apply to a call with these arguments.
    fn holding(&self, arguments: &Json) -> impl Iterator<Item = &Constraint> {
        let optional = self
            .optional_arguments
            .iter()
            .filter(|constraint| !is_absent(arguments, constraint.path()));
        self.arguments.iter().chain(optional)
    }

    fn permit(&self, arguments: &Json) -> Verdict {
        let mut verdict = Verdict::permit()
            .because(
                "tool-allowed",
                format!("the rule for `{}` permits it", self.tool),
            )
            .fields(["/action/name", "/action/arguments"]);
        for constraint in self.holding(arguments) {
            verdict = verdict.only_if(constraint.clone());
        }
        for obligation in &self.obligations {
            let properties = obligation.properties.clone().unwrap_or_else(|| json!({}));
            verdict = verdict.oblige(obligation.kind.as_str(), properties);
        }
        if let Some(seconds) = self.lifetime_seconds {
            verdict = verdict.expires_in(Duration::from_secs(seconds.into()));
        }
        match self.max_uses {
            Some(uses) => verdict.at_most(uses),
            None => verdict,
        }
    }
}

/// True if `pointer` leads to an object that lacks the member.
///
/// It is false if the object has a member whose name a reader could take for the missing one, or if a value
/// on the way is not an object: a caller may have meant the argument by it.
fn is_absent(arguments: &Json, pointer: &str) -> bool {
    let mut holder = arguments;
    for key in pointer.split('/').skip(1) {
        let key = key.replace("~1", "/").replace("~0", "~");
        let Some(members) = holder.as_object() else {
            return false;
        };
        match members.get(&key) {
            Some(value) => holder = value,
            None => {
                let alike = name::alike_key(&key);
                return !members.keys().any(|other| name::alike_key(other) == alike);
            }
        }
    }
    false
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Approval => "approval",
            Self::Notification => "notification",
            Self::StepUp => "step-up",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_sdk::Effect;
    use portcullis_sdk::testing::{Plugin, request};

    #[test]
    fn answers_to_the_servers_questions_need_a_rule_that_takes_them() {
        let plugin = Plugin::<McpTools>::load(json!({ "tools": [
            { "tool": "ask", "input-responses": true },
            { "tool": "*" },
        ] }));
        let call = |tool: &str, answers: Option<&str>, state: Option<&str>| {
            let request = request(tool).with(|fields| {
                fields.action.input_responses = answers.map(str::to_owned);
                fields.action.request_state = state.map(str::to_owned);
            });
            plugin.evaluate(request).effect()
        };
        assert_eq!(call("ask", Some("{}"), Some("s")), Effect::Permit);
        assert_eq!(call("ask", None, None), Effect::Permit);
        assert_eq!(call("tell", None, None), Effect::Permit);
        assert_eq!(call("tell", Some("{}"), None), Effect::Deny);
        assert_eq!(call("tell", None, Some("s")), Effect::Deny);
    }

    #[test]
    fn a_call_needs_one_rule_whose_every_condition_it_meets() {
        let plugin = Plugin::<McpTools>::load(json!({ "tools": [
            { "tool": "send_mail",
              "arguments": [{ "path": "/to", "op": "origin-is", "value": ["user"] }] },
            { "tool": "send_*",
              "arguments": [{ "path": "/to", "op": "equals", "value": "owner@acme.example" }],
              "only-arguments": ["to"] },
        ] }));
        let send = |arguments, origin: &str| {
            plugin.evaluate(
                request("send_mail")
                    .arguments(arguments)
                    .origin("/to", origin),
            )
        };
        let from_user = send(json!({ "to": "x@y.example", "body": "b" }), "user");
        assert_eq!(from_user.effect(), Effect::Permit);
        let from_tool = send(json!({ "to": "x@y.example" }), "tool:search");
        assert_eq!(from_tool.effect(), Effect::Deny);
        assert_eq!(
            from_tool.reasons().len(),
            2,
            "one for each rule that failed"
        );
        assert_eq!(
            send(json!({ "to": "owner@acme.example" }), "tool:search").effect(),
            Effect::Permit
        );
        let extra = send(
            json!({ "to": "owner@acme.example", "bcc": "z" }),
            "tool:search",
        );
        assert!(extra.has_reason("argument-not-allowed"));
    }

    #[test]
    fn a_denied_tool_is_denied_in_every_spelling() {
        let plugin =
            Plugin::<McpTools>::load(json!({ "deny": ["delete_*"], "tools": [{ "tool": "**" }] }));
        let call = |tool: &str| plugin.evaluate(request(tool)).effect();
        for tool in [
            "delete_repo",
            "Delete_Repo",
            "DELETE_REPO",
            " delete_repo",
            "delete_repo ",
            "delete\u{200b}_repo",
            "\u{ff44}elete_repo",
            "delete_repo\n",
            "delete_repo%20",
        ] {
            assert_eq!(call(tool), Effect::Deny, "{tool:?}");
        }
        assert_eq!(call("read_repo"), Effect::Permit);
        for deny in [
            "^delete",
            "delete_[a-z]*",
            "delete_.+",
            "delete_?",
            "{delete_a,delete_b}",
            "delete_a|delete_b",
            "~delete",
        ] {
            let settings = json!({ "deny": [deny], "tools": [{ "tool": "**" }] });
            assert!(Plugin::<McpTools>::try_load(settings).is_err(), "{deny}");
        }
    }

    #[test]
    fn an_optional_argument_is_absent_or_within_bounds() {
        let plugin = Plugin::<McpTools>::load(json!({ "tools": [
            { "tool": "list", "optional-arguments": [{ "path": "/limit", "op": "at-most", "value": 100 }] },
        ] }));
        let list = |arguments| {
            plugin
                .evaluate(request("list").arguments(arguments))
                .effect()
        };
        assert_eq!(list(json!({})), Effect::Permit);
        assert_eq!(list(json!({ "limit": 100 })), Effect::Permit);
        assert_eq!(list(json!({ "limit": 101 })), Effect::Deny);
        assert_eq!(list(json!({ "limit": "1" })), Effect::Deny);
    }

    #[test]
    fn an_optional_argument_is_not_absent_where_its_holder_has_another_shape() {
        let plugin = Plugin::<McpTools>::load(json!({ "tools": [
            { "tool": "list", "optional-arguments": [{ "path": "/options/limit", "op": "at-most", "value": 100 }] },
        ] }));
        let list = |arguments| {
            plugin
                .evaluate(request("list").arguments(arguments))
                .effect()
        };
        assert_eq!(list(json!({})), Effect::Permit);
        assert_eq!(list(json!({ "options": {} })), Effect::Permit);
        assert_eq!(
            list(json!({ "options": [{ "limit": 99999 }] })),
            Effect::Deny
        );
        assert_eq!(list(json!({ "options": "limit=99999" })), Effect::Deny);
    }

    #[test]
    fn an_optional_argument_in_another_spelling_is_not_absent() {
        let plugin = Plugin::<McpTools>::load(json!({ "tools": [{
            "tool": "read_file",
            "arguments": [{ "path": "/name", "op": "equals", "value": "a" }],
            "optional-arguments": [
                { "path": "/path", "op": "under", "value": "/workspace" },
                { "path": "/options/root", "op": "under", "value": "/workspace" },
            ],
        }] }));
        let read = |arguments| plugin.evaluate(request("read_file").arguments(arguments));
        for key in [
            "Path",
            "PATH",
            "path\u{200b}",
            "\u{ff50}ath",
            "path\0",
            "path\0x",
            "path ",
            " path",
        ] {
            let verdict = read(json!({ "name": "a", key: "/etc" }));
            assert!(verdict.has_reason("argument-out-of-bounds"), "{key:?}");
        }
        for arguments in [
            json!({ "name": "a", "options": { "Root": "/etc" } }),
            json!({ "name": "a", "Options": { "root": "/etc" } }),
            json!({ "name": "a", "options\u{200b}": { "root": "/etc" } }),
        ] {
            let verdict = read(arguments.clone());
            assert!(verdict.has_reason("argument-out-of-bounds"), "{arguments}");
        }
        for arguments in [
            json!({ "name": "a" }),
            json!({ "name": "a", "paths": 1, "pat": "/etc" }),
            json!({ "name": "a", "path": "/workspace/x", "options": { "roots": "/etc" } }),
        ] {
            assert_eq!(
                read(arguments.clone()).effect(),
                Effect::Permit,
                "{arguments}"
            );
        }
    }

    #[test]
    fn a_pattern_that_no_tool_is_called_by_is_refused() {
        let load = |settings| Plugin::<McpTools>::try_load(settings).is_ok();
        for pattern in [
            "delete repo",
            "delete_repo()",
            "server:delete_*",
            "*:delete_*",
            "delete_repo:*",
            "delete_*@v1",
            "delete_\\w+",
            "delete_.*",
            "delete_repo;",
            "delete_repo#1",
            "delete_repo,drop_repo",
            "\"delete_*\"",
            "https://x/delete_repo",
            "d\u{435}lete_*",
            "delete//x",
            "",
        ] {
            let denied = json!({ "deny": [pattern], "tools": [{ "tool": "**" }] });
            assert!(!load(denied), "{pattern}");
            assert!(
                !load(json!({ "tools": [{ "tool": pattern }] })),
                "{pattern}"
            );
        }
        for pattern in ["delete_*", "*/delete_*", "issues.*", "delete-repo", "**"] {
            let denied = json!({ "deny": [pattern], "tools": [{ "tool": "**" }] });
            assert!(load(denied), "{pattern}");
            assert!(load(json!({ "tools": [{ "tool": pattern }] })), "{pattern}");
        }
    }
}
