//! Decides the calls of a REST connector. See the README for what a request and the settings look
//! like.

mod headers;
mod hours;
mod template;

use hours::Hours;
use portcullis_sdk::{
    Constraint, ConstraintError, Json, Operator, Pattern, Policy, Request, SettingsError, Verdict,
    escape_key, is_unambiguous,
};
use serde::Deserialize;
use std::collections::BTreeMap;
use template::Template;

/// The rules of one REST connector.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct HttpApi {
    rules: Vec<Rule>,
    /// Whether a segment of a path may have a `:`, as in `/v1/jobs/7:cancel`.
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
            if !self.allow_colon && rule.path.has_colon() {
                let message = "has a `:`: set `allow-colon = true` beside the rules if the API's paths have one";
                errors.push(SettingsError::new(format!("/rules/{index}/path"), message));
            }
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
        if let Some(refusal) = self.refuse_arguments(&arguments) {
            return refusal;
        }
        let Some(path) = segments(&request.resource.id, self.allow_colon) else {
            return Verdict::deny()
                .because(
                    "path-ambiguous",
                    "the path could be read as another one: send it without `.`, `..` or empty segments, dots and spaces at their ends, encoded separators, `:`, query and fragment",
                )
                .evidence(["/resource/id"]);
        };
        let headers = match headers::read(&arguments) {
            Ok(headers) => headers,
            Err((code, message)) => {
                return Verdict::deny()
                    .because(code, message)
                    .evidence(["/action/arguments/headers"]);
            }
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

impl HttpApi {
    /// Arguments that no rule judges, or that are not what they are called.
    fn refuse_arguments(&self, arguments: &Json) -> Option<Verdict> {
        const KNOWN: [&str; 3] = ["query", "headers", "body"];
        let deny = |message: String, at: String| {
            let verdict = Verdict::deny().because("arguments-invalid", message);
            Some(verdict.evidence([at]))
        };
        for (name, value) in arguments.as_object()? {
            if !KNOWN.contains(&name.as_str()) {
                let message = format!("a call has `query`, `headers` and `body`, and no `{name}`");
                return deny(message, format!("/action/arguments/{}", escape_key(name)));
            }
            if name != "body" && !value.is_object() {
                return deny(
                    format!("`{name}` is an object"),
                    format!("/action/arguments/{name}"),
                );
            }
        }
        None
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
                let message = "where a header came from is not known";
                errors.push(SettingsError::new(
                    at(&format!("headers/{position}/op")),
                    message,
                ));
            }
            let name = header.path().strip_prefix('/').unwrap_or_default();
            if headers::folded(name) != name {
                let message = "header names are in lower case here, with `-` for `_`, however a call has them";
                errors.push(SettingsError::new(
                    at(&format!("headers/{position}/path")),
                    message,
                ));
            }
        }
        for (position, name) in self.only_headers.iter().flatten().enumerate() {
            if !headers::is_token(name) || headers::folded(name) != *name {
                let message = "is the name of a header, in lower case, with `-` for `_`";
                let at = at(&format!("only-headers/{position}"));
                errors.push(SettingsError::new(at, message));
            }
        }
    }

    /// Whether the rule is for the call. One that denies is for every call that the API could take for
    /// one of its own: it may ignore case.
    fn is_for(&self, method: &str, path: &[String]) -> bool {
        let denies = self.effect == RuleEffect::Deny;
        let is_listed = |pattern: &Pattern, value: &str| match denies {
            true => pattern.might_match(value),
            false => pattern.matches(value),
        };
        let bound = match denies {
            true => self.path.might_match(path),
            false => self.path.matches(path),
        };
        self.methods.iter().any(|other| other == method)
            && bound.is_some_and(|bound| {
                bound.iter().all(|(name, value)| {
                    let allowed = self.parameters.get(*name);
                    allowed.is_none_or(|allowed| allowed.iter().any(|it| is_listed(it, value)))
                })
            })
    }

    /// The header or parameter of a call that makes it another call, unless the rule names it.
    fn override_of(&self, arguments: &Json, headers: &Json) -> Option<Unmet> {
        let named = |name: &str| {
            let listed = self.only_headers.iter().flatten().any(|only| only == name);
            listed
                || self
                    .headers
                    .iter()
                    .any(|it| it.path().strip_prefix('/') == Some(name))
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
                    "header `{name}` can make another call of it: name it under `only-headers` if it is meant"
                ),
                evidence: "/action/arguments/headers",
            });
        }
        let named = |name: &String| self.only_query.iter().flatten().any(|only| only == name);
        for (part, evidence) in [
            ("query", "/action/arguments/query"),
            ("body", "/action/arguments/body"),
        ] {
            let members = arguments.get(part).and_then(Json::as_object);
            let mut given = members.into_iter().flatten().map(|(name, _)| name);
            let found = given.find(|name| {
                headers::is_method_parameter(name) && !(part == "query" && named(name))
            });
            if let Some(name) = found {
                return Some(Unmet {
                    code: "query-not-allowed",
                    message: format!(
                        "`{name}` of the {part} can make a call of another method of it"
                    ),
                    evidence,
                });
            }
        }
        None
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
                evidence: "/action/arguments/headers",
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
        match self.hours.as_ref().zip(*request.now) {
            Some((hours, now)) => verdict.expires_in(hours.left(now)),
            None => verdict,
        }
    }
}

/// The decoded segments of a path that can be read in one way only.
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
            let request = request.with(|request| {
                let own =
                    |(path, origin): &(&str, &str)| ((*path).to_owned(), (*origin).to_owned());
                request.action.origins = origins.iter().map(own).collect::<Vec<_>>().into();
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
