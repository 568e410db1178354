//! Decides the calls of a REST connector. See the README for what a request and the settings look
//! like.

mod hours;
mod template;

use hours::Hours;
use portcullis_sdk::{
    Constraint, ConstraintError, Json, Operator, Pattern, Policy, Request, SettingsError, Verdict,
    is_unambiguous, json,
};
use serde::Deserialize;
use std::collections::BTreeMap;
use template::Template;

/// The rules of one REST connector.
#[derive(Debug, Deserialize)]
pub struct HttpApi {
    rules: Vec<Rule>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Rule {
    name: String,
    #[serde(default)]
    effect: RuleEffect,
    methods: Vec<String>,
    path: Template,
    #[serde(default)]
    parameters: BTreeMap<String, Vec<Pattern>>,
    #[serde(default)]
    query: Vec<QueryConstraint>,
    #[serde(default)]
    headers: Vec<Constraint>,
    only_query: Option<Vec<String>>,
    environments: Option<Vec<String>>,
    hours: Option<Hours>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RuleEffect {
    #[default]
    Permit,
    Deny,
}

/// A constraint that is written from the query's point of view and holds for the arguments, where
/// the query is one of them.
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

/// Why a rule for the call's method and path does not hold for the call.
struct Unmet {
    code: &'static str,
    message: String,
    evidence: &'static str,
}

impl Policy for HttpApi {
    fn validate(&self) -> Result<(), Vec<SettingsError>> {
        let mut errors = Vec::new();
        if self.rules.is_empty() {
            errors.push(SettingsError::new("/rules", "needs at least one rule"));
        }
        for (index, rule) in self.rules.iter().enumerate() {
            rule.validate(index, &mut errors);
        }
        if errors.is_empty() {
            Ok(())
        } else {
            Err(errors)
        }
    }

    fn evaluate(&self, request: &Request) -> Verdict {
        let arguments: Json = match request.arguments() {
            Ok(arguments) => arguments,
            Err(error) => return error.into(),
        };
        for part in ["query", "headers"] {
            if arguments.get(part).is_some_and(|value| !value.is_object()) {
                return Verdict::deny()
                    .because("arguments-invalid", format!("`{part}` is an object"))
                    .evidence([format!("/action/arguments/{part}")]);
            }
        }
        let Some(path) = segments(&request.resource.id) else {
            return Verdict::deny()
                .because(
                    "path-ambiguous",
                    "the path could be read as another one: send it without `.`, `..` or empty segments, encoded separators, query and fragment",
                )
                .evidence(["/resource/id"]);
        };
        let Some(headers) = lower_case_headers(&arguments) else {
            return Verdict::deny()
                .because(
                    "header-ambiguous",
                    "a header is there twice, in different case",
                )
                .evidence(["/action/arguments/headers"]);
        };

        let mut closest = None;
        let mut permitting = None;
        for rule in self
            .rules
            .iter()
            .filter(|rule| rule.is_for(&request.action.name, &path))
        {
            match (rule.effect, rule.unmet(request, &arguments, &headers)) {
                (RuleEffect::Deny, None) => {
                    return Verdict::deny()
                        .because("rule-denies", format!("rule `{}` denies it", rule.name))
                        .evidence(["/action/name", "/resource/id"]);
                }
                (RuleEffect::Permit, None) => permitting = permitting.or(Some(rule)),
                (RuleEffect::Permit, Some(unmet)) => closest = closest.or(Some((rule, unmet))),
                (RuleEffect::Deny, Some(_)) => {}
            }
        }
        match (permitting, closest) {
            (Some(rule), _) => rule.permit(request),
            (None, Some((rule, unmet))) => Verdict::deny()
                .because(
                    unmet.code,
                    format!("rule `{}`: {}", rule.name, unmet.message),
                )
                .evidence([unmet.evidence]),
            (None, None) => Verdict::not_applicable()
                .because("no-rule", "no rule is for this method and path")
                .evidence(["/action/name", "/resource/id"]),
        }
    }
}

impl Rule {
    fn validate(&self, index: usize, errors: &mut Vec<SettingsError>) {
        let at = |key: &str| format!("/rules/{index}/{key}");
        if self.methods.is_empty() {
            errors.push(SettingsError::new(
                at("methods"),
                "needs at least one method",
            ));
        }
        if self
            .methods
            .iter()
            .any(|method| method.bytes().any(|b| !b.is_ascii_uppercase()))
        {
            let message = "methods are upper-case, such as `GET`";
            errors.push(SettingsError::new(at("methods"), message));
        }
        for name in self.parameters.keys() {
            if !self.path.parameters().any(|parameter| parameter == name) {
                let message = format!("the path has no parameter `{{{name}}}`");
                errors.push(SettingsError::new(
                    at(&format!("parameters/{name}")),
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
            // A caller could leave such a rule by sending another shape, or one thing more.
            let conditions = [
                ("query", !self.query.is_empty()),
                ("headers", !self.headers.is_empty()),
                ("only-query", self.only_query.is_some()),
                ("hours", self.hours.is_some()),
            ];
            for (key, _) in conditions.iter().filter(|(_, is_there)| *is_there) {
                let message =
                    "a denying rule has no such condition: make it one of the permitting rules";
                errors.push(SettingsError::new(at(key), message));
            }
        }
        for (position, header) in self.headers.iter().enumerate() {
            if header.operator() == Operator::OriginIs {
                let message = "where a header came from is not known";
                errors.push(SettingsError::new(
                    at(&format!("headers/{position}/op")),
                    message,
                ));
            }
            if header.path().bytes().any(|b| b.is_ascii_uppercase()) {
                let message = "header names are lower-case here, whatever case a call has";
                errors.push(SettingsError::new(
                    at(&format!("headers/{position}/path")),
                    message,
                ));
            }
        }
    }

    fn is_for(&self, method: &str, path: &[String]) -> bool {
        self.methods.iter().any(|other| other == method)
            && self.path.matches(path).is_some_and(|bound| {
                bound.iter().all(|(name, value)| {
                    self.parameters
                        .get(*name)
                        .is_none_or(|allowed| allowed.iter().any(|pattern| pattern.matches(value)))
                })
            })
    }

    fn unmet(&self, request: &Request, arguments: &Json, headers: &Json) -> Option<Unmet> {
        if let Some(environments) = &self.environments
            && !environments.contains(&request.resource.environment)
            // A denying rule holds where the environment is not known.
            && !(self.effect == RuleEffect::Deny && request.resource.environment.is_empty())
        {
            return Some(Unmet {
                code: "environment-not-allowed",
                message: format!("it holds only in {}", environments.join(", ")),
                evidence: "/resource/environment",
            });
        }
        if let Some(hours) = &self.hours
            && !request.now.is_some_and(|now| hours.contain(now))
        {
            return Some(Unmet {
                code: "outside-hours",
                message: format!("it holds only {hours}"),
                evidence: "/now",
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
                evidence: "/action/arguments/query",
            });
        }
        let query = arguments.get("query").and_then(Json::as_object);
        if let (Some(only), Some(query)) = (&self.only_query, query)
            && let Some(other) = query.keys().find(|name| !only.contains(name))
        {
            return Some(Unmet {
                code: "query-not-allowed",
                message: format!("it takes no query parameter `{other}`"),
                evidence: "/action/arguments/query",
            });
        }
        let unmet = self
            .headers
            .iter()
            .find(|c| !request.meets(headers, [*c]))?;
        Some(Unmet {
            code: "header-not-allowed",
            message: format!("the headers do not meet `{unmet}`"),
            evidence: "/action/arguments/headers",
        })
    }

    /// Permits, narrowed to what the rule asks of the query and to the hours that are left.
    fn permit(&self, request: &Request) -> Verdict {
        let mut verdict = Verdict::permit()
            .because("rule-permits", format!("rule `{}` permits it", self.name))
            .evidence(["/action/name", "/resource/id"]);
        for QueryConstraint(constraint) in &self.query {
            verdict = verdict.only_if(constraint.clone());
        }
        match self.hours.as_ref().zip(request.now) {
            Some((hours, now)) => verdict.expires_in(hours.left(now)),
            None => verdict,
        }
    }
}

/// The call's headers with names in lower case, which is how rules have them; nothing if two names
/// differ in case only.
fn lower_case_headers(arguments: &Json) -> Option<Json> {
    let mut lower = json!({});
    if let (Some(lower), Some(headers)) = (
        lower.as_object_mut(),
        arguments.get("headers").and_then(Json::as_object),
    ) {
        for (name, value) in headers {
            if lower
                .insert(name.to_ascii_lowercase(), value.clone())
                .is_some()
            {
                return None;
            }
        }
    }
    Some(lower)
}

/// The decoded segments of a path that can be read in one way only.
fn segments(path: &str) -> Option<Vec<String>> {
    if !path.starts_with('/') || path.contains(['?', '#', ';']) {
        return None;
    }
    if path == "/" {
        return Some(Vec::new());
    }
    if !is_unambiguous(path) {
        return None;
    }
    path.split('/')
        .skip(1)
        .map(|segment| {
            let decoded = percent_encoding::percent_decode_str(segment)
                .decode_utf8()
                .ok()?;
            // A second decoding must find nothing to decode, and a trimming nothing to trim.
            let plain = !decoded.contains('%') && decoded.trim() == decoded;
            plain.then(|| decoded.into_owned())
        })
        .collect()
}

portcullis_sdk::export!(HttpApi);

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_sdk::testing::{Plugin, request};
    use portcullis_sdk::{Effect, json};

    fn plugin() -> Plugin<HttpApi> {
        Plugin::load(json!({ "rules": [
            { "name": "read", "methods": ["GET"], "path": "/{anything...}" },
            { "name": "no admin", "effect": "deny", "methods": ["GET"], "path": "/admin/{anything...}" },
        ] }))
    }

    #[test]
    fn another_spelling_of_a_path_gets_no_further() {
        let plugin = plugin();
        let get = |path| {
            plugin
                .evaluate(request("GET").resource("path", path))
                .effect()
        };
        assert_eq!(get("/users/1"), Effect::Permit);
        for path in [
            "/admin/users",
            "/%61dmin/users",
            "/users/../admin/users",
            "/users/%2e%2e/admin/users",
            "//admin/users",
            "/./admin/users",
            "/users/..%2fadmin",
            "/%2561dmin/users",
            "/x?/../admin/x",
            "/x#/admin",
            "admin/users",
            "/x\\..\\admin",
            "/;/admin/users",
            "/admin;x/users",
            "/admin/users ",
            "/admin%20/users",
            "/users/../admin/a://b",
        ] {
            assert_eq!(get(path), Effect::Deny, "{path}");
        }
    }

    #[test]
    fn settings_are_judged_rule_by_rule() {
        let errors = Plugin::<HttpApi>::try_load(json!({ "rules": [
            { "name": "a", "methods": [], "path": "/a" },
            { "name": "b", "methods": ["get"], "path": "/b", "parameters": { "x": ["y"] } },
            { "name": "c", "methods": ["GET"], "path": "/c",
              "headers": [{ "path": "/X-Tenant", "op": "equals", "value": "a" }] },
            { "name": "d", "methods": ["GET"], "path": "/d", "effect": "deny", "environments": [],
              "only-query": ["a"] },
        ] }))
        .unwrap_err();
        let paths: Vec<_> = errors.iter().map(|error| error.path.as_str()).collect();
        assert_eq!(
            paths,
            [
                "/rules/0/methods",
                "/rules/1/methods",
                "/rules/1/parameters/x",
                "/rules/2/headers/0/path",
                "/rules/3/environments",
                "/rules/3/only-query",
            ]
        );
    }

    #[test]
    fn a_header_has_one_value_whatever_its_case() {
        let plugin = Plugin::<HttpApi>::load(json!({ "rules": [
            { "name": "a", "methods": ["GET"], "path": "/a",
              "headers": [{ "path": "/x-source", "op": "equals", "value": "good" }] },
        ] }));
        let get = |headers| {
            let arguments = json!({ "headers": headers });
            plugin.evaluate(request("GET").resource("path", "/a").arguments(arguments))
        };
        assert_eq!(get(json!({ "X-Source": "good" })).effect(), Effect::Permit);
        let twice = get(json!({ "X-Source": "evil", "x-source": "good" }));
        assert!(twice.has_reason("header-ambiguous"));
    }

    #[test]
    fn a_denying_rule_holds_where_the_environment_is_not_known() {
        let plugin = Plugin::<HttpApi>::load(json!({ "rules": [
            { "name": "all", "methods": ["DELETE"], "path": "/a" },
            { "name": "not in prod", "effect": "deny", "methods": ["DELETE"], "path": "/a",
              "environments": ["prod"] },
        ] }));
        let delete = |environment: &str| {
            let request = request("DELETE").resource("path", "/a");
            let request = request.with(|request| request.resource.environment = environment.into());
            plugin.evaluate(request).effect()
        };
        assert_eq!(delete("staging"), Effect::Permit);
        assert_eq!(delete("prod"), Effect::Deny);
        assert_eq!(delete(""), Effect::Deny);
    }

    #[test]
    fn where_a_query_parameter_came_from_is_told_by_its_place_in_the_arguments() {
        let plugin = Plugin::<HttpApi>::load(json!({ "rules": [
            { "name": "a", "methods": ["GET"], "path": "/a",
              "query": [{ "path": "/to", "op": "origin-is", "value": ["user"] }] },
        ] }));
        let get = |origins: &[(&str, &str)]| {
            let arguments = json!({ "query": { "to": "x" } });
            let request = request("GET").resource("path", "/a").arguments(arguments);
            let request = request.with(|request| {
                let own =
                    |(path, origin): &(&str, &str)| ((*path).to_owned(), (*origin).to_owned());
                request.action.origins = origins.iter().map(own).collect();
            });
            plugin.evaluate(request).effect()
        };
        assert_eq!(get(&[("/query/to", "user")]), Effect::Permit);
        assert_eq!(
            get(&[("", "user"), ("/query/to", "tool:mail")]),
            Effect::Deny
        );
    }

    #[test]
    fn a_grant_ends_with_the_window() {
        let plugin = Plugin::<HttpApi>::load(json!({ "rules": [
            { "name": "a", "methods": ["GET"], "path": "/a", "hours": { "from": "08:00", "to": "18:00" } },
        ] }));
        // One minute before six in the evening.
        let now = portcullis_sdk::Timestamp(1_795_305_600_000 + (18 * 60 - 1) * 60_000);
        let verdict = plugin.evaluate(request("GET").resource("path", "/a").now(now));
        let minute = std::time::Duration::from_secs(60);
        assert_eq!(verdict.narrowing().lifetime, Some(minute));
    }
}
