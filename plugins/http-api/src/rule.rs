//! One rule: its validation, the calls that it applies to, and their conditions.

use super::hours::Hours;
use super::template::Template;
use super::{Request, headers, methods};
use portcullis_sdk::{
    Constraint, ConstraintError, Json, Pattern, SettingsError, Verdict, escape_key, name,
};
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Rule {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) effect: RuleEffect,
    methods: Vec<String>,
    pub(crate) path: Template,
    #[serde(default)]
    parameters: BTreeMap<String, Vec<Pattern>>,
    #[serde(default)]
    query: Vec<QueryConstraint>,
    #[serde(default)]
    headers: Vec<Constraint>,
    only_query: Option<Vec<String>>,
    only_headers: Option<Vec<String>>,
    environments: Option<Vec<String>>,
    hours: Option<Hours>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RuleEffect {
    #[default]
    Permit,
    Deny,
}

/// A constraint on the query, rewritten to apply to the arguments.
///
/// The settings write its path relative to the query, which is one of the arguments.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Constraint")]
struct QueryConstraint(Constraint);

impl TryFrom<Constraint> for QueryConstraint {
    type Error = ConstraintError;

    fn try_from(of_query: Constraint) -> Result<Self, ConstraintError> {
        let path = format!("/query{}", of_query.path());
        Constraint::new(path, of_query.operator(), of_query.operand().clone()).map(Self)
    }
}

/// The reason why a rule that matches the method and path does not permit the call.
pub(crate) struct Unmet {
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) field: &'static str,
}

impl Rule {
    pub(crate) fn validate(&self, index: usize, errors: &mut Vec<SettingsError>) {
        let at = |key: &str| format!("/rules/{index}/{key}");
        if self.methods.is_empty() {
            errors.push(SettingsError::new(
                at("methods"),
                "needs at least one method",
            ));
        }
        for method in &self.methods {
            if let Some(message) = methods::refuse(method) {
                errors.push(SettingsError::new(at("methods"), message));
            }
        }
        for (name, patterns) in &self.parameters {
            let at = at(&format!("parameters/{}", escape_key(name)));
            if !self.path.parameters().any(|parameter| parameter == name) {
                let message = format!("the path has no parameter `{{{name}}}`");
                errors.push(SettingsError::new(at, message));
                continue;
            }
            for (position, pattern) in patterns.iter().enumerate() {
                if let Some(message) = self.refuse_value(name, pattern) {
                    errors.push(SettingsError::new(format!("{at}/{position}"), message));
                }
            }
        }
        for (position, environment) in self.environments.iter().flatten().enumerate() {
            if let Some(message) = refuse_environment(environment) {
                errors.push(SettingsError::new(
                    at(&format!("environments/{position}")),
                    message,
                ));
            }
        }
        let empty = [
            (
                "environments",
                self.environments.as_ref().is_some_and(Vec::is_empty),
            ),
            ("parameters", self.parameters.values().any(Vec::is_empty)),
            (
                "hours/days",
                self.hours.as_ref().is_some_and(Hours::are_never),
            ),
        ];
        for (key, _) in empty.iter().filter(|(_, is_empty)| *is_empty) {
            errors.push(SettingsError::new(
                at(key),
                "an empty list: the rule would never hold",
            ));
        }
        if self.effect == RuleEffect::Deny {
            // A caller could evade such a rule by sending another shape or an extra member.
            let conditions = [
                ("query", !self.query.is_empty()),
                ("headers", !self.headers.is_empty()),
                ("only-query", self.only_query.is_some()),
                ("only-headers", self.only_headers.is_some()),
                ("hours", self.hours.is_some()),
            ];
            for (key, _) in conditions.iter().filter(|(_, is_there)| *is_there) {
                let message =
                    "a denying rule has no such condition: make it one of the permitting rules";
                errors.push(SettingsError::new(at(key), message));
            }
        }
        for (position, QueryConstraint(constraint)) in self.query.iter().enumerate() {
            let operator = constraint.operator();
            if !operator.is_for_verdicts() {
                let message = format!("`{operator}` is for intents: a grant cannot have it");
                let at = at(&format!("query/{position}/op"));
                errors.push(SettingsError::new(at, message));
            }
        }
        for (position, header) in self.headers.iter().enumerate() {
            if header.is_about_origins() {
                let message = "the origin of a header is unknown";
                errors.push(SettingsError::new(
                    at(&format!("headers/{position}/op")),
                    message,
                ));
            }
            let name = name_in(header);
            if headers::folded(name) != name {
                let message = "header names are letters in lower case, digits and `-` here, however a call has them";
                errors.push(SettingsError::new(
                    at(&format!("headers/{position}/path")),
                    message,
                ));
            }
        }
        for (position, name) in self.only_headers.iter().flatten().enumerate() {
            if !headers::is_token(name) || headers::folded(name) != *name {
                let message = "is the name of a header, of letters in lower case, digits and `-`";
                let at = at(&format!("only-headers/{position}"));
                errors.push(SettingsError::new(at, message));
            }
        }
    }

    /// Returns the error for a pattern of parameter `name` that no path segment can match.
    fn refuse_value(&self, name: &str, pattern: &Pattern) -> Option<String> {
        let text = pattern.as_str();
        if self.path.has_one(name) && text.contains('/') {
            return Some(format!(
                "`{text}` has several segments, and `{{{name}}}` stands for one: write a pattern without `/`, or `{{{name}...}}` at the end of the path"
            ));
        }
        match name::check_resource(text) {
            // The syntax of a pattern with a wildcard was verified when it was parsed.
            Err(why) if !pattern.has_wildcard() => {
                Some(format!("`{text}` is no part of a path: {why}"))
            }
            _ => None,
        }
    }

    /// True if the rule applies to the call.
    ///
    /// A denying rule also applies to calls that the API could read as one of its own.
    pub(crate) fn is_for(&self, method: &str, path: &[String]) -> bool {
        if !self.methods.iter().any(|other| other == method) {
            return false;
        }
        let denies = self.effect == RuleEffect::Deny;
        let is_listed = |pattern: &Pattern, value: &str| match denies {
            true => pattern.might_match(value),
            false => pattern.matches(value),
        };
        let bound = match denies {
            true => self.path.might_match(path),
            false => self.path.matches(path),
        };
        bound.is_some_and(|bound| {
            bound.iter().all(|(name, value)| {
                let allowed = self.parameters.get(*name);
                allowed.is_none_or(|allowed| allowed.iter().any(|it| is_listed(it, value)))
            })
        })
    }

    /// Returns the header or parameter that overrides the call, unless the rule names it.
    fn override_of(&self, arguments: &Json, headers: &Json) -> Option<Unmet> {
        let named = |name: &str| {
            let listed = self.only_headers.iter().flatten().any(|only| only == name);
            listed || self.headers.iter().any(|it| name_in(it) == name)
        };
        let mut given = headers
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, _)| name);
        if let Some(name) = given.find(|name| headers::is_override(name) && !named(name)) {
            return Some(Unmet {
                code: "header-not-allowed",
                message: format!(
                    "header `{name}` can turn it into another call: list it under `only-headers` to allow it"
                ),
                field: "/action/arguments/headers",
            });
        }
        let named = |name: &&String| self.only_query.iter().flatten().any(|only| only == *name);
        let query = arguments.get("query").and_then(Json::as_object);
        let mut query = query.into_iter().flatten().map(|(name, _)| name);
        let of_query = query.find(|name| headers::is_method_parameter(name) && !named(name));
        if let Some(name) = of_query {
            return Some(Unmet {
                code: "query-not-allowed",
                message: format!(
                    "`{name}` of the query can change the method of the call: list it under `only-query` to allow it"
                ),
                field: "/action/arguments/query",
            });
        }
        let name = arguments
            .get("body")
            .and_then(headers::method_parameter_of)?;
        Some(Unmet {
            code: "query-not-allowed",
            message: format!("`{name}` of the body can change the method of the call"),
            field: "/action/arguments/body",
        })
    }

    /// True if the rule, which lists `environments`, applies in `environment`.
    ///
    /// A denying rule also applies if the environment is unknown or could be read as a listed one.
    fn holds_in(&self, environment: &str, environments: &[String]) -> bool {
        match self.effect {
            RuleEffect::Permit => environments.iter().any(|it| it == environment),
            RuleEffect::Deny => {
                let folded = name::fold(environment);
                name::check_resource(environment).is_err()
                    || environments.iter().any(|it| name::fold(it) == folded)
            }
        }
    }

    pub(crate) fn unmet(
        &self,
        request: &Request,
        arguments: &Json,
        headers: &Json,
    ) -> Option<Unmet> {
        if let Some(environments) = &self.environments
            && !self.holds_in(request.resource().environment(), environments)
        {
            return Some(Unmet {
                code: "environment-not-allowed",
                message: format!("it holds only in {}", environments.join(", ")),
                field: "/resource/environment",
            });
        }
        if let Some(hours) = &self.hours
            && !request.now().is_some_and(|now| hours.contain(now))
        {
            return Some(Unmet {
                code: "outside-hours",
                message: format!("it holds only {hours}"),
                field: "/now",
            });
        }
        let mut query = self
            .query
            .iter()
            .map(|QueryConstraint(constraint)| constraint);
        if let Some(unmet) = query.find(|constraint| !request.meets(arguments, [*constraint])) {
            return Some(Unmet {
                code: "query-not-allowed",
                message: format!("the call does not meet `{unmet}`"),
                field: "/action/arguments/query",
            });
        }
        let query = arguments.get("query").and_then(Json::as_object);
        if let (Some(only), Some(query)) = (&self.only_query, query)
            && let Some(other) = query.keys().find(|name| !only.contains(name))
        {
            return Some(Unmet {
                code: "query-not-allowed",
                message: format!("it takes no query parameter `{other}`"),
                field: "/action/arguments/query",
            });
        }
        if self.effect == RuleEffect::Permit
            && let Some(unmet) = self.override_of(arguments, headers)
        {
            return Some(unmet);
        }
        if let (Some(only), Some(given)) = (&self.only_headers, headers.as_object())
            && let Some(other) = given.keys().find(|name| !only.contains(name))
        {
            return Some(Unmet {
                code: "header-not-allowed",
                message: format!("it takes no header `{other}`"),
                field: "/action/arguments/headers",
            });
        }
        let unmet = self
            .headers
            .iter()
            .find(|c| !request.meets(headers, [*c]))?;
        Some(Unmet {
            code: "header-not-allowed",
            message: format!("the headers do not meet `{unmet}`"),
            field: "/action/arguments/headers",
        })
    }

    /// Permits the call, limited to the rule's query constraints and remaining hours.
    pub(crate) fn permit(&self, request: &Request) -> Verdict {
        let mut verdict = Verdict::permit()
            .because("rule-permits", format!("rule `{}` permits it", self.name))
            .fields(["/action/name", "/resource/id"]);
        for QueryConstraint(constraint) in &self.query {
            verdict = verdict.only_if(constraint.clone());
        }
        match self.hours.as_ref().zip(request.now()) {
            Some((hours, now)) => verdict.expires_in(hours.left(now)),
            None => verdict,
        }
    }
}

/// Returns the name of the header that a constraint applies to.
fn name_in(constraint: &Constraint) -> &str {
    constraint.path().split('/').nth(1).unwrap_or_default()
}

/// Returns the error for an environment name that is invalid.
fn refuse_environment(name: &str) -> Option<String> {
    let why = match name::check_resource(name) {
        Err(why) => why.to_string(),
        Ok(()) if name.contains([',', '|']) => {
            "write a list, with one text for each environment".to_owned()
        }
        Ok(()) => return None,
    };
    Some(format!("`{name}` is the name of no environment: {why}"))
}
