//! Builds the engine from the operator's settings.

use crate::Cedar;
use crate::named::{self, Known};
use crate::question::{HOST_CONTEXT, Reading};
use crate::text::{on_one_line, one_line};
use crate::types::{TypeSettings, Types};
use cedar_policy::ffi::DetailedError;
use cedar_policy::{
    Entities, EntityUid, PolicyId, PolicySet, Schema, SlotId, ValidationMode, ValidationWarning,
    Validator,
};
use portcullis_contract::line_and_column;
use portcullis_sdk::{Json, SettingsError};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::str::FromStr;

/// The settings as written.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Settings {
    policies: Json,
    #[serde(default)]
    links: Vec<Link>,
    #[serde(default)]
    schema: Option<Json>,
    #[serde(default)]
    entities: Option<Json>,
    #[serde(default)]
    namespace: Option<String>,
    #[serde(default)]
    types: TypeSettings,
    #[serde(default)]
    actions: BTreeMap<String, String>,
    #[serde(default)]
    host_context: Option<Vec<String>>,
    #[serde(default)]
    errors: OnError,
    #[serde(default = "yes")]
    validate_policies: bool,
    #[serde(default = "yes")]
    validate_requests: bool,
}

fn yes() -> bool {
    true
}

/// A policy linked from a template.
#[derive(Debug, Deserialize)]
struct Link {
    template: String,
    id: String,
    #[serde(default)]
    principal: Option<Json>,
    #[serde(default)]
    resource: Option<Json>,
}

/// The handling of a policy that fails to evaluate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OnError {
    /// The verdict is indeterminate.
    #[default]
    Indeterminate,
    /// The other policies decide, as if it were missing. This is Cedar's own rule.
    Skip,
}

impl Settings {
    /// Parses the settings, and validates policies and entities against the schema.
    ///
    /// # Errors
    ///
    /// One [`SettingsError`] for each error found.
    pub(crate) fn prepared(self) -> Result<Cedar, Vec<SettingsError>> {
        let mut errors = Vec::new();
        let text = match &self.policies {
            Json::String(text) => text.clone(),
            other => other.to_string(),
        };
        let policies = policies(&self.policies).and_then(|mut policies| {
            link(&mut policies, &self.links)?;
            Ok(policies)
        });
        let policies = note(policies, &mut errors);
        let types = Types::read(self.namespace.as_deref(), &self.types, &self.actions);
        let mut types = note(types, &mut errors);
        let schema = note(self.schema.map(schema).transpose(), &mut errors);
        // Entities parsed without their schema would get other types.
        let entities = schema
            .as_ref()
            .and_then(|schema| note(entities(self.entities, schema.as_ref()), &mut errors));
        let host_context = note(host_context(self.host_context), &mut errors);
        if let (Some(types), Some(Some(schema))) = (&mut types, &schema) {
            errors.extend(types.hold_to(schema));
        }
        if let Some(policies) = policies.as_ref().filter(|_| self.validate_policies) {
            errors.extend(without_effect(policies));
            let schema = schema.as_ref().and_then(Option::as_ref);
            errors.extend(unfit(&self.policies, policies, schema));
        }
        match (policies, types, schema, entities, host_context) {
            (Some(policies), Some(types), Some(schema), Some(entities), Some(host_context))
                if errors.is_empty() =>
            {
                let known = match &schema {
                    Some(schema) => Known::Applicable([
                        schema.principals().cloned().collect(),
                        schema.resources().cloned().collect(),
                    ]),
                    None => named::types_of(&policies, &entities),
                };
                if self.validate_policies {
                    let unmet = named::unmet(&policies, &types, &entities, &known);
                    if !unmet.is_empty() {
                        return Err(unmet);
                    }
                }
                let reading = Reading {
                    types,
                    schema,
                    known,
                    holds_requests: self.validate_requests,
                    host_context,
                };
                let prepared = Cedar::new(policies, reading, entities, self.errors);
                prepared.warm_up(&text);
                Ok(prepared)
            }
            _ => Err(errors),
        }
    }
}

/// Returns the value, or `None` after adding its errors to `errors`.
fn note<T>(read: Result<T, Vec<SettingsError>>, errors: &mut Vec<SettingsError>) -> Option<T> {
    read.map_err(|wrong| errors.extend(wrong)).ok()
}

fn at_policies(message: impl Into<String>) -> SettingsError {
    SettingsError::new("/policies", message)
}

fn policies(written: &Json) -> Result<PolicySet, Vec<SettingsError>> {
    match written {
        Json::String(text) => PolicySet::from_str(text).map_err(|errors| {
            let errors = errors
                .iter()
                .map(|error| in_text(text, &DetailedError::from(error)));
            errors.map(at_policies).collect()
        }),
        Json::Object(_) => PolicySet::from_json_value(written.clone()).map_err(|error| {
            let message = on_one_line(&DetailedError::from(&error));
            vec![at_policies(message)]
        }),
        _ => Err(vec![at_policies(
            "is the text of Cedar policies, or a table in Cedar's JSON policy set format",
        )]),
    }
}

/// Creates the policies that the setting `links` lists.
fn link(policies: &mut PolicySet, links: &[Link]) -> Result<(), Vec<SettingsError>> {
    let mut errors = Vec::new();
    for (index, link) in links.iter().enumerate() {
        let path = format!("/links/{index}");
        let Some(template) = template(policies, &link.template) else {
            let message = format!(
                "there is no template `{}`: write its id, such as `policy0`, or its `@id`",
                link.template
            );
            errors.push(SettingsError::new(format!("{path}/template"), message));
            continue;
        };
        let mut values = HashMap::new();
        for (name, slot, written) in [
            ("principal", SlotId::principal(), &link.principal),
            ("resource", SlotId::resource(), &link.resource),
        ] {
            let Some(written) = written else {
                continue;
            };
            let uid = match written {
                Json::String(text) => text.parse::<EntityUid>().ok(),
                other => EntityUid::from_json(other.clone()).ok(),
            };
            match uid {
                Some(uid) => {
                    values.insert(slot, uid);
                }
                None => errors.push(SettingsError::new(
                    format!("{path}/{name}"),
                    "is not a Cedar entity: write one such as `User::\"alice\"`",
                )),
            }
        }
        if let Err(error) = policies.link(template, PolicyId::new(&link.id), values) {
            let message = on_one_line(&DetailedError::from(&error));
            errors.push(SettingsError::new(path, message));
        }
    }
    match errors.is_empty() {
        true => Ok(()),
        false => Err(errors),
    }
}

/// Returns the template with the id `name`, or else the only one with the `@id` `name`.
fn template(policies: &PolicySet, name: &str) -> Option<PolicyId> {
    let id = PolicyId::new(name);
    if policies.template(&id).is_some() {
        return Some(id);
    }
    let mut annotated = policies
        .templates()
        .filter(|template| template.annotation("id") == Some(name));
    match (annotated.next(), annotated.next()) {
        (Some(template), None) => Some(template.id().clone()),
        _ => None,
    }
}

/// Returns an error for each template without a link, and one if no policy permits.
fn without_effect(policies: &PolicySet) -> Vec<SettingsError> {
    let mut errors = Vec::new();
    let mut templates: Vec<_> = policies.templates().map(|template| template.id()).collect();
    templates.sort();
    for id in templates {
        let mut links = policies
            .get_linked_policies(id.clone())
            .into_iter()
            .flatten();
        if links.next().is_none() {
            errors.push(at_policies(format!(
                "template `{id}` has no link, so it decides nothing: link it under `links`, or write a policy in its place"
            )));
        }
    }
    let mut effects = policies.policies().map(cedar_policy::Policy::effect);
    if errors.is_empty() && !effects.any(|effect| effect == cedar_policy::Effect::Permit) {
        errors.push(at_policies(
            "there is no `permit`, and without one nothing is permitted: write one, or load it as it is with `validate-policies = false`",
        ));
    }
    errors
}

fn host_context(written: Option<Vec<String>>) -> Result<Vec<String>, Vec<SettingsError>> {
    let Some(names) = written else {
        return Ok(HOST_CONTEXT.map(str::to_owned).to_vec());
    };
    let unknown = names.iter().enumerate();
    let unknown: Vec<_> = unknown
        .filter(|(_, name)| !HOST_CONTEXT.contains(&name.as_str()))
        .map(|(index, name)| {
            let message = format!(
                "the host has no `{name}` for the context: there is `{}`",
                HOST_CONTEXT.join("`, `")
            );
            SettingsError::new(format!("/host-context/{index}"), message)
        })
        .collect();
    match unknown.is_empty() {
        true => Ok(names),
        false => Err(unknown),
    }
}

fn schema(json: Json) -> Result<Schema, Vec<SettingsError>> {
    let read = match json {
        Json::String(text) => {
            Schema::from_str(&text).map_err(|error| in_text(&text, &DetailedError::from(&error)))
        }
        Json::Object(_) => {
            Schema::from_json_value(json).map_err(|error| on_one_line(&DetailedError::from(&error)))
        }
        _ => Err(
            "is the text of a Cedar schema, or an object in Cedar's JSON schema format".to_owned(),
        ),
    };
    read.map_err(|message| vec![SettingsError::new("/schema", message)])
}

/// Parses the entities, with the schema's actions if there is a schema.
fn entities(json: Option<Json>, schema: Option<&Schema>) -> Result<Entities, Vec<SettingsError>> {
    let json = json.unwrap_or_else(|| Json::Array(Vec::new()));
    let read = if json.is_array() {
        Entities::from_json_value(json, schema)
            .map_err(|error| on_one_line(&DetailedError::from(&error)))
    } else {
        Err("is a list of entities in Cedar's JSON format".to_owned())
    };
    read.map_err(|message| vec![SettingsError::new("/entities", message)])
}

/// Advice for a policy that does not conform to the schema.
const REMEDY: &str =
    "correct it, or the schema; or load it as it is with `validate-policies = false`";

/// Returns errors for policies that fail validation, can never match, or mislead a reader.
fn unfit(written: &Json, policies: &PolicySet, schema: Option<&Schema>) -> Vec<SettingsError> {
    let text = written.as_str().unwrap_or_default();
    let mut messages = Vec::from_iter(turned_around(text));
    let Some(schema) = schema else {
        return messages.into_iter().map(at_policies).collect();
    };
    let result = Validator::new(schema.clone()).validate(policies, ValidationMode::default());
    let mut reported = BTreeSet::new();
    for error in result.validation_errors() {
        let message = in_text(text, &DetailedError::from(error));
        messages.push(format!("{message}: {REMEDY}"));
        reported.insert(error.policy_id());
    }
    for warning in result.validation_warnings() {
        match warning {
            ValidationWarning::ImpossiblePolicy(_)
            | ValidationWarning::InvalidActionApplication(_) => {
                // One error for a policy that never matches is enough.
                if !reported.insert(warning.policy_id()) {
                    continue;
                }
                let message = in_text(text, &DetailedError::from(warning));
                messages.push(format!("{message}: it can never match; {REMEDY}"));
            }
            // The other warnings are about mixed scripts, which are common in many languages.
            _ => {}
        }
    }
    messages.into_iter().map(at_policies).collect()
}

/// Returns the error for a bidirectional control character, which changes how the text is displayed.
fn turned_around(text: &str) -> Option<String> {
    let (at, found) = text
        .char_indices()
        .find(|(_, letter)| matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))?;
    let (line, column) = line_and_column(text, at);
    Some(format!(
        "line {line}, column {column}: the character U+{:04X} changes how the text is shown: take it out",
        u32::from(found)
    ))
}

/// Returns the error's message, with line and column in `text` if they are known.
fn in_text(text: &str, error: &DetailedError) -> String {
    let message = on_one_line(error);
    let Some(label) = error.source_locations.first().filter(|_| !text.is_empty()) else {
        return message;
    };
    let (line, column) = line_and_column(text, label.loc.start);
    match &label.label {
        Some(label) => format!(
            "line {line}, column {column}: {message}: {}",
            one_line(label)
        ),
        None => format!("line {line}, column {column}: {message}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Cedar;
    use portcullis_sdk::json;
    use portcullis_sdk::testing::Plugin;

    const SCHEMA: &str = "
entity Team;
entity Agent in [Team] { owner: String };
entity Repository;
action push appliesTo { principal: Agent, resource: Repository, context: { class: String } };";

    const PERMIT: &str = "permit (principal, action, resource);";

    fn refused(settings: Json) -> Vec<(String, String)> {
        let errors = Plugin::<Cedar>::try_load(settings).unwrap_err();
        errors.into_iter().map(|e| (e.path, e.message)).collect()
    }

    #[test]
    fn names_line_and_column_of_what_does_not_parse() {
        let wrong = refused(
            json!({ "policies": "permit (principal, action, resource);\npermit (principal)" }),
        );
        assert_eq!(wrong[0].0, "/policies");
        assert!(wrong[0].1.starts_with("line 2, column "), "{wrong:?}");
        assert!(!wrong[0].1.contains('\n'), "{wrong:?}");
    }

    #[test]
    fn a_text_without_policies_and_a_template_are_refused() {
        for policies in [
            "",
            "// nothing",
            "permit (principal == ?principal, action, resource);",
        ] {
            let wrong = refused(json!({ "policies": policies }));
            assert_eq!(wrong[0].0, "/policies", "{policies}");
        }
    }

    #[test]
    fn every_setting_is_judged_at_once() {
        let wrong = refused(json!({
            "policies": "permit",
            "schema": 7,
            "namespace": "a b",
        }));
        let mut paths: Vec<_> = wrong.iter().map(|(path, _)| path.as_str()).collect();
        paths.dedup();
        assert_eq!(paths, ["/policies", "/namespace", "/schema"]);
        let entities = refused(json!({
            "policies": "permit (principal, action, resource);",
            "entities": { "uid": { "type": "Team", "id": "x" } },
        }));
        assert_eq!(entities[0].0, "/entities");
        let unknown =
            refused(json!({ "policies": "permit (principal, action, resource);", "polices": "" }));
        assert_eq!(unknown[0].0, "/polices");
        let mode = refused(
            json!({ "policies": "permit (principal, action, resource);", "errors": "ignore" }),
        );
        assert_eq!(mode[0].0, "/errors");
    }

    #[test]
    fn policies_and_entities_keep_to_the_schema() {
        let good = json!({
            "policies": "permit (principal in Team::\"a\", action == Action::\"push\", resource) when { principal.owner == \"x\" };",
            "schema": SCHEMA,
            "entities": [{ "uid": { "type": "Team", "id": "a" }, "attrs": {}, "parents": [] }],
        });
        assert!(Plugin::<Cedar>::try_load(good.clone()).is_ok());

        let mut untyped = good.clone();
        untyped["policies"] =
            json!("\npermit (principal, action, resource) when { principal.owner > 3 };");
        let wrong = refused(untyped);
        assert_eq!(wrong[0].0, "/policies");
        assert!(wrong[0].1.starts_with("line 2, column "), "{wrong:?}");

        let mut untyped = good.clone();
        untyped["entities"] = json!([{ "uid": { "type": "Agent", "id": "a" }, "attrs": { "owner": 1 }, "parents": [] }]);
        assert_eq!(refused(untyped)[0].0, "/entities");

        let mut broken = good;
        broken["schema"] = json!("entity;");
        let wrong = refused(broken);
        assert_eq!(wrong[0].0, "/schema");
        assert!(wrong[0].1.starts_with("line 1, column "), "{wrong:?}");
    }

    /// Returns the message of the only error at `/policies`.
    fn refused_policy(policy: &str, settings: Json) -> String {
        let mut whole = settings;
        whole["policies"] = json!(format!("{PERMIT}\n{policy}"));
        let wrong = refused(whole.clone());
        assert_eq!(wrong.len(), 1, "{policy}: {wrong:?}");
        assert!(wrong[0].0.starts_with("/policies"), "{policy}: {wrong:?}");
        assert!(!wrong[0].1.contains('\n'), "{wrong:?}");
        whole["validate-policies"] = json!(false);
        assert!(Plugin::<Cedar>::try_load(whole).is_ok(), "{policy}");
        wrong[0].1.clone()
    }

    #[test]
    fn a_policy_that_no_request_can_meet_is_refused() {
        for (policy, settings, says) in [
            (
                r#"forbid (principal == User::"mallory", action, resource);"#,
                json!({ "namespace": "Acme" }),
                "`User`",
            ),
            (
                r#"forbid (principal, action, resource) when { resource is User };"#,
                json!({ "types": { "resource": { "User": "Acme::User" } } }),
                "`User`",
            ),
            (
                r#"forbid (principal, action, resource) unless { principal != User::"a" };"#,
                json!({ "namespace": "Acme" }),
                "`User`",
            ),
            (
                r#"forbid (principal, action, resource) when { [User::"a"].contains(principal) };"#,
                json!({ "namespace": "Acme" }),
                "`User`",
            ),
            (
                r#"forbid (principal, action == Acme::Action::"push", resource);"#,
                json!({}),
                "`types.action`",
            ),
            (
                r#"forbid (principal, action in [Action::"push", Ops::Action::"pull"], resource);"#,
                json!({}),
                "Ops::Action",
            ),
            (
                r#"forbid (principal, action, resource) when { action == Action::"view photo" };"#,
                json!({}),
                r#"`"view-photo" = 'Action::"view photo"'`"#,
            ),
            (
                r#"forbid (principal in Team::"blocked", action, resource);"#,
                json!({}),
                "`entities`",
            ),
            (
                r#"forbid (principal, action, resource) when { resource in [Album::"a"] };"#,
                json!({}),
                "`entities`",
            ),
            (
                r#"forbid (principal == User::"Alice Smith", action, resource);"#,
                json!({}),
                "white space",
            ),
            (
                r#"forbid (principal == User::"mal\u{202e}lory", action, resource);"#,
                json!({}),
                "U+202E",
            ),
            (
                "forbid (principal, action, resource) when { context.owner == \"mal\u{202e}lory\" };",
                json!({}),
                "take it out",
            ),
        ] {
            let message = refused_policy(policy, settings);
            assert!(message.contains(says), "{policy}: {message}");
        }
    }

    #[test]
    fn what_requests_can_meet_is_loaded() {
        let entities = json!([
            { "uid": { "type": "User", "id": "a" }, "attrs": {}, "parents": [{ "type": "Team", "id": "blocked" }] },
            { "uid": { "type": "Action", "id": "push" }, "attrs": {}, "parents": [{ "type": "Action", "id": "all writes" }] },
        ]);
        for policy in [
            r#"forbid (principal in Team::"blocked", action, resource);"#,
            r#"forbid (principal, action in Action::"all writes", resource);"#,
            r#"forbid (principal is Acme::Team::User, action == Action::"push", resource is Photo);"#,
            r#"forbid (principal, action, resource == Photo::"summer 2026.jpg");"#,
            r#"forbid (principal, action, resource) when { context.owner == User::"Alice Smith" };"#,
        ] {
            let settings = json!({ "policies": format!("{PERMIT}{policy}"), "entities": entities });
            assert!(Plugin::<Cedar>::try_load(settings).is_ok(), "{policy}");
        }
    }

    #[test]
    fn a_policy_that_can_never_match_is_refused_with_its_schema() {
        let schema = "
            entity Team; entity User in [Team]; entity Robot, Photo;
            action view appliesTo { principal: User, resource: Photo };
            action group;";
        for policy in [
            r#"forbid (principal == Robot::"r2", action, resource);"#,
            r#"forbid (principal is User, action, resource) when { principal is Robot };"#,
            r#"forbid (principal == Human::"mallory", action, resource);"#,
            r#"forbid (principal, action == Action::"edit", resource);"#,
            r#"forbid (principal in Team::"blocked", action, resource);"#,
        ] {
            let message = refused_policy(policy, json!({ "schema": schema }));
            assert!(
                message.starts_with("line 2") || message.contains("`entities`"),
                "{message}"
            );
        }
        let wrong = refused(json!({
            "policies": PERMIT, "schema": schema,
            "types": { "principal": { "human": "user" } },
            "actions": { "see": "Action::\"see\"" },
        }));
        assert_eq!(wrong[0].0, "/types/principal/human");
        assert!(wrong[0].1.contains("`User` is close"), "{wrong:?}");
        assert_eq!(wrong[1].0, "/actions/see");
    }

    #[test]
    fn policies_that_permit_nothing_are_refused() {
        let forbid = "forbid (principal, action, resource);";
        let wrong = refused(json!({ "policies": forbid }));
        assert!(wrong[0].1.starts_with("there is no `permit`"), "{wrong:?}");
        for policies in [
            "",
            forbid,
            "permit (principal == ?principal, action, resource);",
        ] {
            let settings = json!({ "policies": policies, "validate-policies": false });
            assert!(Plugin::<Cedar>::try_load(settings).is_ok(), "{policies}");
        }
    }

    #[test]
    fn a_link_names_what_there_is() {
        let policies = "permit (principal == ?principal, action, resource);";
        for (link, path) in [
            (
                json!({ "template": "other", "id": "x" }),
                "/links/0/template",
            ),
            (json!({ "template": "policy0", "id": "x" }), "/links/0"),
            (
                json!({ "template": "policy0", "id": "x", "principal": "alice" }),
                "/links/0/principal",
            ),
            (
                json!({ "template": "policy0", "id": "x", "principal": "User::\"a\"", "resource": "User::\"a\"" }),
                "/links/0",
            ),
        ] {
            let wrong = refused(json!({ "policies": policies, "links": [link] }));
            assert_eq!(wrong[0].0, path, "{wrong:?}");
        }
    }

    #[test]
    fn names_of_types_and_actions_are_cedars() {
        let wrong = refused(json!({
            "policies": PERMIT,
            "types": { "principal": { "user": "us-er" }, "resource": { "a/b": "" }, "action": "a b" },
            "actions": { "view": "view photo" },
            "host-context": ["time"],
        }));
        let paths: Vec<_> = wrong.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(
            paths,
            [
                "/types/principal/user",
                "/types/resource/a~1b",
                "/types/action",
                "/actions/view",
                "/host-context/0"
            ]
        );
        let unknown = refused(json!({ "policies": PERMIT, "types": { "subject": {} } }));
        assert_eq!(unknown[0].0, "/types/subject");
    }

    #[test]
    fn a_schema_may_be_an_object() {
        let settings = json!({
            "policies": "permit (principal, action, resource);",
            "schema": { "": {
                "entityTypes": { "Agent": {}, "Repository": {} },
                "actions": { "push": { "appliesTo": {
                    "principalTypes": ["Agent"], "resourceTypes": ["Repository"],
                } } },
            } },
        });
        assert!(Plugin::<Cedar>::try_load(settings).is_ok());
    }
}
