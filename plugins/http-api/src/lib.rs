//! Decides the calls of a REST connector. See the README for what a request and the settings look
//! like.

mod hours;
mod template;

use hours::Hours;
use portcullis_sdk::{
    Constraint, Json, Operator, Pattern, Policy, Request, SettingsError, Verdict, is_unambiguous,
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
    query: Vec<Constraint>,
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

/// What of a call is in the arguments.
#[derive(Debug, Deserialize, Default)]
struct Call {
    #[serde(default)]
    query: BTreeMap<String, Json>,
    #[serde(default)]
    headers: BTreeMap<String, Json>,
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
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    fn evaluate(&self, request: &Request) -> Verdict {
        let call: Call = match request.arguments() {
            Ok(call) => call,
            Err(error) => return error.into(),
        };
        let Some(path) = segments(&request.resource.id) else {
            return Verdict::deny()
                .because(
                    "path-ambiguous",
                    "the path could be read as another one: send it without `.`, `..` or empty segments, encoded separators, query and fragment",
                )
                .evidence(["/resource/id"]);
        };
        // Header names have no case; the rules' are lower-case.
        let headers = call.headers.into_iter().map(|(name, value)| (name.to_lowercase(), value));
        let (query, headers) = (object(call.query), object(headers));

        let mut closest = None;
        let mut permitting = None;
        for rule in self.rules.iter().filter(|rule| rule.is_for(&request.action.name, &path)) {
            match (rule.effect, rule.unmet(request, &query, &headers)) {
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
            (Some(rule), _) => rule.permit(),
            (None, Some((rule, unmet))) => Verdict::deny()
                .because(unmet.code, format!("rule `{}`: {}", rule.name, unmet.message))
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
            errors.push(SettingsError::new(at("methods"), "needs at least one method"));
        }
        if self.methods.iter().any(|method| method.bytes().any(|b| !b.is_ascii_uppercase())) {
            let message = "methods are upper-case, such as `GET`";
            errors.push(SettingsError::new(at("methods"), message));
        }
        for name in self.parameters.keys() {
            if !self.path.parameters().any(|parameter| parameter == name) {
                let message = format!("the path has no parameter `{{{name}}}`");
                errors.push(SettingsError::new(at(&format!("parameters/{name}")), message));
            }
        }
        for (position, header) in self.headers.iter().enumerate() {
            if header.path().bytes().any(|b| b.is_ascii_uppercase()) {
                let message = "header names are lower-case here, whatever case a call has";
                errors.push(SettingsError::new(at(&format!("headers/{position}/path")), message));
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

    fn unmet(&self, request: &Request, query: &Json, headers: &Json) -> Option<Unmet> {
        if let Some(environments) = &self.environments
            && !environments.contains(&request.resource.environment)
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
        if let Some(unmet) = self.query.iter().find(|c| !request.meets(query, [*c])) {
            return Some(Unmet {
                code: "query-not-allowed",
                message: format!("the query does not meet `{unmet}`"),
                evidence: "/action/arguments/query",
            });
        }
        if let (Some(only), Some(query)) = (&self.only_query, query.as_object())
            && let Some(other) = query.keys().find(|name| !only.contains(name))
        {
            return Some(Unmet {
                code: "query-not-allowed",
                message: format!("it takes no query parameter `{other}`"),
                evidence: "/action/arguments/query",
            });
        }
        let unmet = self.headers.iter().find(|c| !request.meets(headers, [*c]))?;
        Some(Unmet {
            code: "header-not-allowed",
            message: format!("the headers do not meet `{unmet}`"),
            evidence: "/action/arguments/headers",
        })
    }

    /// Permits, narrowed to what the rule asks of the query.
    fn permit(&self) -> Verdict {
        let verdict = Verdict::permit()
            .because("rule-permits", format!("rule `{}` permits it", self.name))
            .evidence(["/action/name", "/resource/id"]);
        self.query
            .iter()
            .filter(|constraint| constraint.operator() != Operator::OriginIs)
            .filter_map(|c| {
                let path = format!("/query{}", c.path());
                Constraint::new(path, c.operator(), c.operand().clone()).ok()
            })
            .fold(verdict, Verdict::only_if)
    }
}

fn object(members: impl IntoIterator<Item = (String, Json)>) -> Json {
    Json::Object(members.into_iter().collect())
}

/// The decoded segments of a path that can be read in one way only.
fn segments(path: &str) -> Option<Vec<String>> {
    if !path.starts_with('/') || path.contains(['?', '#']) {
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
            let decoded = percent_encoding::percent_decode_str(segment).decode_utf8().ok()?;
            // A second decoding must find nothing to decode.
            (!decoded.contains('%')).then(|| decoded.into_owned())
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
        let get = |path| plugin.evaluate(request("GET").resource("path", path)).effect();
        assert_eq!(get("/users/1"), Effect::Permit);
        for path in [
            "/admin/users", "/%61dmin/users", "/users/../admin/users", "/users/%2e%2e/admin/users",
            "//admin/users", "/./admin/users", "/users/..%2fadmin", "/%2561dmin/users", "/x?/../admin/x",
            "/x#/admin", "admin/users", "/x\\..\\admin", "/;/admin/users",
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
        ] }))
        .unwrap_err();
        let paths: Vec<_> = errors.iter().map(|error| error.path.as_str()).collect();
        assert_eq!(
            paths,
            ["/rules/0/methods", "/rules/1/methods", "/rules/1/parameters/x", "/rules/2/headers/0/path"]
        );
    }
}
