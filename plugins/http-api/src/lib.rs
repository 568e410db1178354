//! Decides the calls of a REST connector.
//!
//! The README describes the request and the settings.

mod headers;
mod hours;
mod methods;
mod rule;
mod template;

use portcullis_sdk::{Json, Policy, SettingsError, Verdict, escape_key, is_unambiguous, policy};
use rule::{Rule, RuleEffect};
use serde::Deserialize;

/// The rules of one REST connector.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct HttpApi {
    rules: Vec<Rule>,
    /// True if a path segment may contain `:`, as in `/v1/jobs/7:cancel`.
    #[serde(default)]
    allow_colon: bool,
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
mod tests;
