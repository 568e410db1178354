//! Decides the calls of a REST connector.
//!
//! The README describes the request and the settings.

mod headers;
mod hours;
mod methods;
mod template;

use hours::Hours;
use portcullis_sdk::{
    Constraint, ConstraintError, Json, Operator, Pattern, Policy, SettingsError, Verdict,
    escape_key, is_unambiguous, name, policy,
};
use serde::Deserialize;
use std::collections::BTreeMap;
use template::Template;

/// The rules of one REST connector.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct HttpApi {
    rules: Vec<Rule>,
    /// True if a path segment may contain `:`, as in `/v1/jobs/7:cancel`.
    #[serde(default)]
    allow_colon: bool,
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
    only_headers: Option<Vec<String>>,
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
struct Unmet {
    code: &'static str,
    message: String,
    field: &'static str,
}

#[policy]
impl Policy for HttpApi {
    fn new(settings: Self) -> Result<Self, Vec<SettingsError>> {
        let mut errors = Vec::new();
        if settings.rules.is_empty() {
            errors.push(SettingsError::new("/rules", "needs at least one rule"));
        }
        for (index, rule) in settings.rules.iter().enumerate() {
            rule.validate(index, &mut errors);
            if !settings.allow_colon && rule.path.has_colon() {
                let message = "has a `:`: set `allow-colon = true` beside the rules if the API's paths have one";
                errors.push(SettingsError::new(format!("/rules/{index}/path"), message));
            }
        }
        if errors.is_empty() {
            Ok(settings)
        } else {
            Err(errors)
        }
    }

    fn evaluate(&self, request: &Request) -> Verdict {
        if !methods::is_method(request.action().name()) {
            return Verdict::deny()
                .because(
                    "method-invalid",
                    "the name of a method is upper-case letters alone: some servers take `delete` for `DELETE`",
                )
                .fields(["/action/name"]);
        }
        let arguments: Json = match request.arguments() {
            Ok(arguments) => arguments,
            Err(error) => return error.into(),
        };
        if let Some(refusal) = refuse_arguments(&arguments) {
            return refusal;
        }
        let Some(path) = segments(request.resource().id(), self.allow_colon) else {
            return Verdict::deny()
                .because(
                    "path-ambiguous",
                    "the path could be read as another one: send it without `.`, `..` or empty segments, dots and spaces at their ends, encoded separators, `:`, query and fragment",
                )
                .fields(["/resource/id"]);
        };
        let headers = match headers::read(&arguments) {
            Ok(headers) => headers,
            Err((code, message)) => {
                return Verdict::deny()
                    .because(code, message)
                    .fields(["/action/arguments/headers"]);
            }
        };

        let mut closest = None;
        let mut permitting = None;
        for rule in self
            .rules
            .iter()
            .filter(|rule| rule.is_for(request.action().name(), &path))
        {
            match (rule.effect, rule.unmet(request, &arguments, &headers)) {
                (RuleEffect::Deny, None) => {
                    return Verdict::deny()
                        .because("rule-denies", format!("rule `{}` denies it", rule.name))
                        .fields(["/action/name", "/resource/id"]);
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
                .fields([unmet.field]),
            (None, None) => Verdict::not_applicable()
                .because("no-rule", "no rule is for this method and path")
                .fields(["/action/name", "/resource/id"]),
        }
    }
}

/// Denies arguments that no rule judges or whose shape is wrong.
fn refuse_arguments(arguments: &Json) -> Option<Verdict> {
    const KNOWN: [&str; 3] = ["query", "headers", "body"];
    let deny = |message: String, at: String| {
        let verdict = Verdict::deny().because("arguments-invalid", message);
        Some(verdict.fields([at]))
    };
    for (name, value) in arguments.as_object()? {
        if !KNOWN.contains(&name.as_str()) {
            let message = format!("a call has `query`, `headers` and `body`, and no `{name}`");
            return deny(message, format!("/action/arguments/{}", escape_key(name)));
        }
        if name != "body" && !value.is_object() && !value.is_null() {
            return deny(
                format!("`{name}` is an object"),
                format!("/action/arguments/{name}"),
            );
        }
    }
    let query = arguments.get("query").and_then(Json::as_object);
    query.into_iter().flatten().find_map(|(name, _)| {
        let why = headers::refuse_parameter(name)?;
        let at = format!("/action/arguments/query/{}", escape_key(name));
        deny(format!("a name in the query {why}"), at)
    })
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
        for (position, header) in self.headers.iter().enumerate() {
            if header.operator() == Operator::OriginIs {
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
    fn is_for(&self, method: &str, path: &[String]) -> bool {
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

    fn unmet(&self, request: &Request, arguments: &Json, headers: &Json) -> Option<Unmet> {
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
    fn permit(&self, request: &Request) -> Verdict {
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

/// Returns the decoded segments of a path, or `None` if the path is ambiguous.
fn segments(path: &str, allow_colon: bool) -> Option<Vec<String>> {
    let below = path.strip_prefix('/')?;
    if below.is_empty() {
        return Some(Vec::new());
    }
    if !is_unambiguous(path) {
        return None;
    }
    let decoded = percent_encoding::percent_decode_str(below)
        .decode_utf8()
        .ok()?;
    if decoded.contains(':') && !allow_colon {
        return None;
    }
    Some(decoded.split('/').map(str::to_owned).collect())
}

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
            "/v1/..%20/admin",
            "/v1/..%3f",
            "/v1/admin.php%3Fooo.php",
            "/v1/admin%23x",
            "/v1/admin./users",
            "/admin\u{ff0f}users",
            "/users/\u{ff0e}\u{ff0e}/admin",
            "/users/%EF%BC%8E%EF%BC%8E/admin",
            "/%EF%BD%81dmin/users",
            "/users/%ff",
            "/users/%E2%80%AEx",
            "/users/%C2%85",
            "/users/1:delete",
            "/users/1%3Adelete",
            "/Admin/users",
            "/ADMIN/users",
            "/\u{212a}/..",
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
    fn a_colon_passes_where_the_api_has_one() {
        let settings = |allow: bool| {
            json!({ "allow-colon": allow, "rules": [
                { "name": "jobs", "methods": ["POST"], "path": "/v1/jobs/{job}" },
            ] })
        };
        let cancel = |allow| {
            let plugin = Plugin::<HttpApi>::load(settings(allow));
            let call = request("POST").resource("path", "/v1/jobs/7:cancel");
            plugin.evaluate(call).effect()
        };
        assert_eq!(cancel(true), Effect::Permit);
        assert_eq!(cancel(false), Effect::Deny);
    }

    #[test]
    fn no_header_and_no_parameter_makes_another_call() {
        let plugin = Plugin::<HttpApi>::load(json!({ "rules": [
            { "name": "create", "methods": ["POST"], "path": "/a" },
            { "name": "no deletion", "effect": "deny", "methods": ["DELETE"], "path": "/a" },
            { "name": "override", "methods": ["POST"], "path": "/b",
              "only-headers": ["x-http-method-override", "accept"] },
        ] }));
        let post = |path: &str, arguments| {
            plugin.evaluate(request("POST").resource("path", path).arguments(arguments))
        };
        for header in [
            "X-HTTP-Method-Override",
            "x_http_method_override",
            "X-HTTP-Method",
            "X-Method-Override",
            "X-Original-URL",
            "X-Rewrite-URL",
            "x-forwarded-host",
        ] {
            let verdict = post("/a", json!({ "headers": { header: "DELETE" } }));
            assert!(verdict.has_reason("header-not-allowed"), "{header}");
        }
        for arguments in [
            json!({ "query": { "_method": "DELETE" } }),
            json!({ "body": { "_method": "DELETE" } }),
            json!({ "query": { "X-HTTP-Method-Override": "DELETE" } }),
        ] {
            assert!(
                post("/a", arguments.clone()).has_reason("query-not-allowed"),
                "{arguments}"
            );
        }
        let plain =
            json!({ "headers": { "Content-Type": "application/json" }, "body": { "method": "x" } });
        assert_eq!(post("/a", plain).effect(), Effect::Permit);
        let named = json!({ "headers": { "X-HTTP-Method-Override": "PATCH", "Accept": "*/*" } });
        assert_eq!(post("/b", named).effect(), Effect::Permit);
        let other = json!({ "headers": { "X-Tenant": "a" } });
        assert!(post("/b", other).has_reason("header-not-allowed"));
    }

    #[test]
    fn headers_are_those_of_http() {
        let plugin = plugin();
        let get = |headers| {
            let call = request("GET").resource("path", "/users/1");
            plugin.evaluate(call.arguments(json!({ "headers": headers })))
        };
        assert_eq!(
            get(json!({ "Accept": "text/plain", "X-N": 1, "X-L": ["a", "b"] })).effect(),
            Effect::Permit
        );
        for headers in [
            json!({ "Accept ": "x" }),
            json!({ "": "x" }),
            json!({ "Accept:": "x" }),
            json!({ ":path": "/admin" }),
            json!({ "X\u{e9}": "x" }),
            json!({ "Accept": "a\r\nX-Admin: 1" }),
            json!({ "Accept": ["a\n"] }),
            json!({ "Accept": { "a": 1 } }),
            json!({ "Accept": "a\u{85}b" }),
        ] {
            assert!(
                get(headers.clone()).has_reason("header-invalid"),
                "{headers}"
            );
        }
        let twice = get(json!({ "X-Tenant": "a", "x_tenant": "b" }));
        assert!(twice.has_reason("header-ambiguous"));
    }

    #[test]
    fn an_argument_that_no_rule_judges_is_refused() {
        let plugin = plugin();
        for arguments in [
            json!({ "url": "https://evil.example/" }),
            json!({ "Query": { "limit": 1 } }),
            json!({ "method": "DELETE" }),
            json!({ "query": [] }),
        ] {
            let call = request("GET").resource("path", "/users/1");
            let verdict = plugin.evaluate(call.arguments(arguments.clone()));
            assert!(verdict.has_reason("arguments-invalid"), "{arguments}");
        }
    }

    #[test]
    fn templates_of_other_languages_are_refused() {
        for path in [
            "/admin/*",
            "/admin/**",
            "/users/:id",
            "/users/<id>",
            "/admin.*",
            "^/admin",
            "/admin$",
            "/users/[0-9]",
            "~/admin",
            "https://api.example/admin",
            "/a|b",
            "/admin/",
            "/x\u{200b}",
        ] {
            let settings = json!({ "rules": [{ "name": "a", "effect": "deny", "methods": ["GET"], "path": path }] });
            assert!(Plugin::<HttpApi>::try_load(settings).is_err(), "{path}");
        }
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
            let request = origins.iter().fold(request, |request, (path, origin)| {
                request.origin(path, origin)
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
        // 17:59 UTC.
        let now =
            portcullis_sdk::Timestamp::from_millis(1_795_305_600_000 + (18 * 60 - 1) * 60_000);
        let verdict = plugin.evaluate(request("GET").resource("path", "/a").now(now));
        let minute = std::time::Duration::from_secs(60);
        assert_eq!(verdict.narrowing().lifetime, Some(minute));
    }

    #[test]
    fn a_method_in_another_spelling_is_refused() {
        let plugin = Plugin::<HttpApi>::load(json!({ "rules": [
            { "name": "create", "methods": ["POST"], "path": "/b" },
            { "name": "no deletion", "effect": "deny", "methods": ["DELETE"], "path": "/b" },
        ] }));
        let call = |method: &str| plugin.evaluate(request(method).resource("path", "/b"));
        for method in [
            "delete", "Delete", "DELETE/", "/DELETE", "DELETE.", "DELETE_", "DELETE-", "post",
        ] {
            assert!(call(method).has_reason("method-invalid"), "{method}");
        }
        assert!(call("DELETE").has_reason("rule-denies"));
        assert!(call("GET").has_reason("no-rule"));
        assert!(call("VERSION-CONTROL").has_reason("no-rule"));
        assert_eq!(call("POST").effect(), Effect::Permit);
    }

    #[test]
    fn a_parameter_of_the_method_is_found_in_every_spelling() {
        let plugin = Plugin::<HttpApi>::load(json!({ "rules": [
            { "name": "create", "methods": ["POST"], "path": "/a" },
            { "name": "named", "methods": ["POST"], "path": "/b", "only-query": ["_method"] },
        ] }));
        let post = |path: &str, arguments| {
            plugin.evaluate(request("POST").resource("path", path).arguments(arguments))
        };
        for name in [
            "_method",
            "_METHOD",
            ".method",
            " _method",
            "_method ",
            "+_method",
            "[method",
            "_method[]",
            "_method[0]",
            "x-http-method-override[]",
            "x_http_method_override",
            "X.HTTP.Method.Override",
            "_method\0x",
            "_met\u{200b}hod",
            "\u{ff3f}method",
        ] {
            let verdict = post("/a", json!({ "body": { name: "DELETE" } }));
            assert!(verdict.has_reason("query-not-allowed"), "body {name:?}");
            let verdict = post("/a", json!({ "query": { name: "DELETE" } }));
            assert_eq!(verdict.effect(), Effect::Deny, "query {name:?}");
        }
        for name in [
            "%5Fmethod",
            "%255Fmethod",
            "a&_method",
            "_method=DELETE&x",
            "a;_method",
            "x#",
            "a\r\nX-Admin",
            "a\u{200b}",
        ] {
            let verdict = post("/a", json!({ "query": { name: "DELETE" } }));
            assert!(verdict.has_reason("arguments-invalid"), "{name:?}");
        }
        for body in [
            json!("_method=DELETE"),
            json!("a=b&%5Fmethod=DELETE"),
            json!("a=b&_method%5B%5D=DELETE"),
            json!("{\"_method\":\"DELETE\"}"),
            json!("{\"\\u005fmethod\":\"DELETE\"}"),
            json!("--x\r\nContent-Disposition: form-data; name=\"_method\"\r\n\r\nDELETE"),
            json!([{ "_method": "DELETE" }]),
            json!([[{ "_method": "DELETE" }]]),
            json!({ "data": { "_method": "DELETE" } }),
        ] {
            let verdict = post("/a", json!({ "body": body }));
            assert!(verdict.has_reason("query-not-allowed"), "{body}");
        }
        for arguments in [
            json!({ "body": { "method": "card", "payment_method": "card", "methods": [] } }),
            json!({ "body": "the method of payment = card, payment_method=card" }),
            json!({ "body": ["a", 1, { "b": null }] }),
            json!({ "query": { "filter[method]": "x", "payment-method": "card", "100%": 1 } }),
            json!({ "query": null, "headers": null, "body": null }),
        ] {
            let verdict = post("/a", arguments.clone());
            assert_eq!(verdict.effect(), Effect::Permit, "{arguments}");
        }
        let named = post("/b", json!({ "query": { "_method": "PATCH" } }));
        assert_eq!(named.effect(), Effect::Permit);
    }

    #[test]
    fn a_header_that_makes_another_call_is_found_in_every_spelling() {
        let plugin = Plugin::<HttpApi>::load(json!({ "rules": [
            { "name": "a", "methods": ["GET"], "path": "/a",
              "headers": [{ "path": "/x-source", "op": "equals", "value": "good" }] },
        ] }));
        let get = |name: &str, value: &str| {
            let headers = json!({ "x-source": "good", name: value });
            let call = request("GET").resource("path", "/a");
            plugin.evaluate(call.arguments(json!({ "headers": headers })))
        };
        for name in [
            "x.http.method.override",
            "X~HTTP~Method~Override",
            "x_forwarded.host",
            "Connection",
            "transfer-encoding",
            "content-length",
            "upgrade",
            "te",
            "x-original-host",
            "x-envoy-original-path",
            "x-rewrite-uri",
            "x-request-uri",
            "x-matched-path",
            "x-middleware-subrequest",
            "method-override",
            "x-http-methodoverride",
            "x-tunnel-method",
            "x-http-verb-override",
            "x-forwarded-proto",
            "x-forwarded-for",
        ] {
            assert!(get(name, "x").has_reason("header-not-allowed"), "{name}");
        }
        for name in ["x.source", "X_Source", "x~source"] {
            assert!(get(name, "evil").has_reason("header-ambiguous"), "{name}");
        }
        for name in [
            "accept",
            "accept-language",
            "user-agent",
            "content-type",
            "traceparent",
            "tracestate",
            "idempotency-key",
            "if-match",
            "range",
            "authorization",
            "x-request-id",
            "x-github-api-version",
            "access-control-request-method",
        ] {
            assert_eq!(get(name, "x").effect(), Effect::Permit, "{name}");
        }
    }

    #[test]
    fn what_a_server_cuts_off_hides_no_denied_path() {
        let plugin = Plugin::<HttpApi>::load(json!({ "allow-colon": true, "rules": [
            { "name": "read", "methods": ["GET"], "path": "/{rest...}" },
            { "name": "no admin", "effect": "deny", "methods": ["GET"], "path": "/admin/{rest...}" },
            { "name": "no tenant", "effect": "deny", "methods": ["GET"], "path": "/t/{tenant}",
              "parameters": { "tenant": ["acme"] } },
        ] }));
        let get = |path| plugin.evaluate(request("GET").resource("path", path));
        for path in [
            "/admin/x",
            "/admin:x/y",
            "/Admin:x:z/y",
            "/admin%3Ax/y",
            "/admin@x/y",
            "/t/acme:x",
            "/t/ACME@x",
        ] {
            assert!(get(path).has_reason("rule-denies"), "{path}");
        }
        for path in [
            "/administration:x/y",
            "/x:admin/y",
            "/t/acme-2:x",
            "/jobs/7:cancel",
        ] {
            assert_eq!(get(path).effect(), Effect::Permit, "{path}");
        }
    }

    #[test]
    fn a_rule_that_could_never_hold_is_refused() {
        let rule = |changes: Json| {
            let mut rule = json!({ "name": "a", "effect": "deny", "methods": ["GET"],
                "path": "/t/{tenant}/{rest...}" });
            if let (Some(rule), Json::Object(changes)) = (rule.as_object_mut(), changes) {
                rule.extend(changes);
            }
            Plugin::<HttpApi>::try_load(json!({ "rules": [rule] }))
        };
        for method in ["", "ANY", "ALL", "*", "DEL", "get", "GET "] {
            let refused = rule(json!({ "methods": [method] })).unwrap_err();
            assert_eq!(refused[0].path, "/rules/0/methods", "{method}");
        }
        for value in ["a/b", "a/*", "7#", "7;x", "a\\w+", "..", "7%20"] {
            let refused = rule(json!({ "parameters": { "tenant": [value] } })).unwrap_err();
            assert!(
                refused[0].path.starts_with("/rules/0/parameters/tenant"),
                "{value} {refused:?}"
            );
        }
        for environment in ["*", "prod ", "prod,dev", "prod|dev", "", "prod;"] {
            let refused = rule(json!({ "environments": [environment] })).unwrap_err();
            assert_eq!(refused[0].path, "/rules/0/environments/0", "{environment}");
        }
        for changes in [
            json!({ "methods": ["GET", "MKCOL", "VERSION-CONTROL", "PURGE"] }),
            json!({ "parameters": { "tenant": ["acme-*", "7"], "rest": ["a/b", "c/**"] } }),
            json!({ "environments": ["prod", "prod eu", "eu-west/1"] }),
        ] {
            assert!(rule(changes.clone()).is_ok(), "{changes}");
        }
    }

    #[test]
    fn a_denying_rule_holds_in_another_spelling_of_its_environment() {
        let plugin = Plugin::<HttpApi>::load(json!({ "rules": [
            { "name": "all", "methods": ["GET"], "path": "/a" },
            { "name": "not in prod", "effect": "deny", "methods": ["GET"], "path": "/a",
              "environments": ["prod"] },
        ] }));
        let get = |environment: &str| {
            let request = request("GET").resource("path", "/a");
            let request = request.with(|request| request.resource.environment = environment.into());
            plugin.evaluate(request).effect()
        };
        for environment in ["prod", "Prod", "PROD", "prod ", "prod\u{200b}", "prod;x"] {
            assert_eq!(get(environment), Effect::Deny, "{environment:?}");
        }
        for environment in ["staging", "prod-eu"] {
            assert_eq!(get(environment), Effect::Permit, "{environment}");
        }
    }
}
